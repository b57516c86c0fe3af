"""The canonical text of a document: one edge a line, columns under each other, keys in one order, prose quoted.

    rows:
    - {from: idle,      on: master_lost,   if: "decisions", to: proposing, do: daemon.propose, why: "..."}
    - {from: proposing, on: daemon.gone,                    to: idle,      tell: life.aborted, why: "..."}

The layout follows from the data (and from where comments stand) alone, so that two people, a builder in Python and
`fsm fmt` write the same bytes.

Rules.
- Keys that the language knows stand in its order; names that an author gave stay in his.
- Rows, effects, variables, actions and properties are one line each, whatever its length. Their columns stand under
  each other; a cell that is longer than its column may be sticks out, and the next ones come back into line as soon as
  they can.
- Anything else is one line if that is short enough and no comment stands inside of it, else one line for each entry.
- Conditions, durations and reasons are quoted, because a bare comma or brace in them breaks a flow row quietly; a text
  that is no plain word is quoted as well. `else` is a word of the language and stays bare.
- An essay is a block, its lines as they are.

Left out: what a document means. Anything that `fsm.language.document` parses can be written, sound or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from fsm.errors import Place, SpecError
from fsm.language.comments import Line, Node, Source
from fsm.language.document import Item, parse, scalar
from fsm.language.load import MACHINE_KEYS
from fsm.language.rows import ROW_KEYS

WIDTH = 120
"""Characters of the longest line that is made of several entries; rows are longer where they must."""
PORT_KEYS = ("language", "port", "essay", "operations", "signals", "events")
SYSTEM_KEYS = ("language", "system", "essay", "world", "settings", "hosts", "machines", "instances", "host", "pool",
               "faults", "operator", "latency", "sets", "fair", "frozen", "begins", "then", "properties")  # fmt: skip
MODEL_KEYS = ("language", "model", "essay", "parameters", "indices", "variables", "where", "constraint", "faults",
              "actions", "fair", "properties")  # fmt: skip
UNREACHED_KEYS = ("language", "essay", "unreached")
UNREACHED_ENTRY_KEYS = ("row", "state", "why")
STATE_KEYS = ("language", "essay", "parameters", "variables")
OPERATION_KEYS = ("to", "instant", "idempotent", "arguments", "outcomes", "why")
SERVE_KEYS = ("busy", "cancelled_by")
VARIABLE_KEYS = ("type", "store", "initial", "why")
MODEL_VARIABLE_KEYS = ("each", "type", "most", "initial")
ACTION_KEYS = ("action", "each", "if", "set", "fault", "why")
PASSED_KEYS = ("in", "on", "why")
HOOK_KEYS = ("set", "tell", "why")
PROPERTY_KEYS = ("always", "step", "reachable", "recoverable", "eventually", "leads_to", "deadlock", "needs",
                 "counting_on", "why")  # fmt: skip


@frozen
class Section:
    """How the entries of a top-level key are written: one a line each.

    keys: their order in an entry, none where the entries are names of the author's. columns: for each column the keys
    that share it and the widest cell that widens it. quoted: whether all texts are. lines: one line each, always."""

    keys: tuple[str, ...] = ()
    columns: tuple[tuple[tuple[str, ...], int], ...] = ()
    quoted: bool = False
    lines: bool = False


_PASSED = Section(PASSED_KEYS, ((("in",), 44), (("on",), 30), (("why",), 0)), lines=True)
_HOOK = Section(HOOK_KEYS, ((("set", "tell"), 44), (("why",), 0)), lines=True)
SECTIONS = {
    "rows": Section(
        ROW_KEYS,
        (
            (("from",), 20),
            (("on", "after"), 30),
            (("if",), 30),
            (("to",), 24),
            (("do", "set", "tell", "reply", "label"), 30),
            (("why",), 0),
        ),
        lines=True,
    ),
    "ignore": _PASSED,
    "defer": _PASSED,
    "enter": _HOOK,
    "exit": _HOOK,
    "variables": Section(
        VARIABLE_KEYS, ((("type",), 36), (("store",), 24), (("initial",), 24), (("why",), 0)), lines=True
    ),
    "operations": Section(
        OPERATION_KEYS, ((("to",), 24), (("instant", "idempotent"), 24), (("arguments", "outcomes", "why"), 0))
    ),
    "properties": Section(PROPERTY_KEYS, lines=True),
    "serves": Section(SERVE_KEYS),
    "sets": Section(quoted=True),
    "parameters": Section(quoted=True),
    "latency": Section(quoted=True),
    "then": Section(quoted=True),
    "unreached": Section(UNREACHED_ENTRY_KEYS, ((("row", "state"), 60), (("why",), 0)), lines=True),
}
MODEL_SECTIONS: dict[str, Section | None] = {
    "parameters": None,
    "variables": Section(MODEL_VARIABLE_KEYS, ((("each", "type"), 44), (("most",), 20), (("initial",), 0)), lines=True),
    "actions": Section(
        ACTION_KEYS,
        ((("action",), 24), (("each",), 36), (("if",), 60), (("set",), 60), (("fault",), 20), (("why",), 0)),
        lines=True,
    ),
}
"""What is written otherwise in a model."""
_WORD = re.compile(r"[A-Za-z_][\w.-]*(:[\w.-]+)*( [A-Za-z_][\w.-]*)*", re.ASCII)
_QUOTED_KEYS = {"if", "after", "why"}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def text(item: Item | Mapping[str, Any]) -> str:
    """The canonical text of a document.

    Arguments:
        item: the document, or plain data of mappings, lists and scalars (text, numbers, booleans, None).
    """
    return _render(_Layout(Node.of(item)).lines(), [], [])


def formatted(source: str, name: str) -> str:
    """The canonical text of a document that is written already, with its comments.

    Arguments:
        source: the text. A byte order mark and `\\r\\n` become what every other file has.
        name: what messages call it.
    Errors: `SpecError` where the text is no document, or where the new text would not say the same.
    """
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    before = parse(source, name)
    if directive := re.search(r"(?m)\A(?:[ \t]*(?:#.*)?\n)*%", source):
        line = source.count("\n", 0, directive.end()) + 1
        raise SpecError(Place(name, line, 1), "a spec is always YAML 1.2; leave this line out", "yaml")
    read = Source.read(source)
    layout = _Layout(read.top, read.inside)
    lines = layout.lines()
    written = _render(lines, *read.attach(lines))
    if not _same(before, read, written, name):
        raise SpecError(Place(name), "this would not say the same in the canonical layout; it is left as it is", "fmt")
    return written


def _same(before: Item, read: Source, written: str, name: str) -> bool:
    """Whether a new text has the data and the comments of the old one."""
    try:
        after = parse(written, name)
    except SpecError:
        return False
    again = Source.read(written)
    kept = sorted(comment.text for comment in again.comments if comment.text)
    if kept != sorted(comment.text for comment in read.comments if comment.text):
        return False
    return bool(_typed(after) == _typed(before))


def _typed(item: Item) -> Any:
    """The data of a document with its types, for 1, 1.0 and true are equal in Python."""
    if isinstance(item.value, dict):
        return {key: _typed(child) for key, child in item.value.items()}
    if isinstance(item.value, list):
        return [_typed(child) for child in item.value]
    return type(item.value), repr(item.value)


def _render(lines: Iterable[Line], head: list[str], tail: list[str]) -> str:
    """The text of lines with their comments; blank lines neither open nor close it, nor follow each other."""
    shown: list[str] = list(head)
    for line in lines:
        pad, several = " " * line.indent, "\n" in line.text
        shown += [pad + above if above else "" for above in line.above]
        if line.beside and several:  # what follows a text block on its line would be text
            shown.append(pad + line.beside)
        shown += [pad + line.text + (f"  {line.beside}" if line.beside and not several else "")]
    shown += tail
    kept = [row for row, before in zip(shown, ["", *shown], strict=False) if row or before]
    return "\n".join(kept).rstrip("\n") + "\n"


@frozen
class _Layout:
    """The lines of one document. `inside` says of a node whether a comment stands inside of it."""

    top: Node
    inside: Callable[[Node], bool] = lambda node: False

    def lines(self) -> list[Line]:
        """All lines in canonical order."""
        if not isinstance(self.top.value, dict):
            return [Line(0, self.flow(self.top), self.top.start, self.top.end)]
        return [line for key, node in self.ordered(self.top, self.keys()) for line in self.section(key, node)]

    def keys(self) -> tuple[str, ...]:
        """The order of the top-level keys of such a document."""
        for kind, keys in (("machine", MACHINE_KEYS), ("port", PORT_KEYS), ("system", SYSTEM_KEYS),
                           ("model", MODEL_KEYS), ("unreached", UNREACHED_KEYS)):  # fmt: skip
            if kind in self.top.value:
                return keys
        return STATE_KEYS

    def ordered(self, node: Node, keys: tuple[str, ...]) -> list[tuple[str, Node]]:
        """The entries of a mapping: known keys in their order, then the others in theirs."""
        known = [(key, node.value[key]) for key in keys if key in node.value]
        return known + [(key, child) for key, child in node.value.items() if key not in keys]

    def section(self, key: str, node: Node) -> Iterator[Line]:
        """A top-level key and what stands below it."""
        section = SECTIONS.get(key)
        if "model" in self.top.value:
            section = MODEL_SECTIONS.get(key, section)
        if key in ("signals", "events") and "port" in self.top.value:
            section = Section()
        if section is None or not isinstance(node.value, dict | list) or not node.value:
            yield from self.entry(0, key, node, quoted=key in ("essay", "where", "constraint"))
            return
        yield Line(0, f"{spelled(key)}:", node.start, node.key_end)
        entries: list[tuple[str, Node]]
        if isinstance(node.value, list):
            indent, entries = 0, [("- ", child) for child in node.value]
        else:
            indent, entries = 2, [(f"{spelled(inner)}: ", child) for inner, child in node.value.items()]
        if section.keys and all(isinstance(child.value, dict) for _, child in entries):
            rows = self.table(entries, section, indent)
            if section.lines or all(self.fits(row, child) for row, (_, child) in zip(rows, entries, strict=True)):
                yield from rows
                return
        if isinstance(node.value, list):
            yield from (Line(0, f"- {self.flow(child)}", child.start, child.end) for child in node.value)
            return
        for inner, child in node.value.items():
            yield from self.entry(indent, inner, child, section.quoted, section.keys)

    def fits(self, line: Line, node: Node) -> bool:
        """Whether a mapping or list may be this one line."""
        return line.indent + len(line.text) <= WIDTH and not self.inside(node)

    def entry(
        self, indent: int, key: str, node: Node, quoted: bool = False, keys: tuple[str, ...] = ()
    ) -> Iterator[Line]:
        """A key and its value, on one line where that fits."""
        lead, value = f"{spelled(key)}:", node.value
        if isinstance(value, str) and _block(value):
            body = "\n".join(
                f"{' ' * (indent + 2)}{row}" if row else "" for row in value.removesuffix("\n").split("\n")
            )
            yield Line(indent, f"{lead} |{'' if value.endswith(chr(10)) else '-'}\n{body}", node.start, node.end)
            return
        line = Line(indent, f"{lead} {self.flow(node, quoted, keys)}", node.start, node.end)
        if not isinstance(value, dict | list) or not value or self.fits(line, node):
            yield line
            return
        yield Line(indent, lead, node.start, node.key_end)
        if isinstance(value, list):
            yield from (Line(indent, f"- {self.flow(child)}", child.start, child.end) for child in value)
            return
        for inner, child in self.ordered(node, keys):
            yield from self.entry(indent + 2, inner, child, quoted or (bool(keys) and inner in _QUOTED_KEYS))

    def flow(self, node: Node, quoted: bool = False, keys: tuple[str, ...] = ()) -> str:
        """A value on one line. `keys`: those of a mapping that the language knows."""
        if isinstance(node.value, dict):
            return "{" + ", ".join(self.cell(key, child, keys, quoted) for key, child in self.ordered(node, keys)) + "}"
        if isinstance(node.value, list):
            return "[" + ", ".join(self.flow(child, quoted) for child in node.value) + "]"
        return word(node.value, quoted)

    def cell(self, key: str, node: Node, keys: tuple[str, ...], quoted: bool = False) -> str:
        """An entry of a mapping that is one line."""
        prose = bool(keys) and key in _QUOTED_KEYS and (key, node.value) != ("if", "else")
        return f"{spelled(key)}: {self.flow(node, quoted or prose)}"

    def table(self, entries: list[tuple[str, Node]], section: Section, indent: int) -> list[Line]:
        """Mappings, one a line, with their columns under each other."""
        rows = [self.columns(node, section) for _, node in entries]
        lead = max(len(lead) for lead, _ in entries)
        starts, at = [], lead + 1
        for column, (_, widest) in enumerate(section.columns):
            starts.append(at)
            widths = [len(row[column]) for row in rows if row[column]]
            at += max([width + 2 for width in widths if width <= widest], default=0)
        lines = []
        for (opening, node), row in zip(entries, rows, strict=True):
            shown = opening.ljust(lead) + "{"
            for start, cell in zip([*starts, 0], row, strict=True):
                if cell:
                    shown = (shown if shown.endswith("{") else f"{shown}, ").ljust(start) + cell
            lines.append(Line(indent, shown + "}", node.start, node.end))
        return lines

    def columns(self, node: Node, section: Section) -> list[str]:
        """What stands in each column of a row, at last what belongs to none."""
        grouped: dict[str, int] = {key: at for at, (keys, _) in enumerate(section.columns) for key in keys}
        cells: list[list[str]] = [[] for _ in range(len(section.columns) + 1)]
        for key, child in self.ordered(node, section.keys):
            cells[grouped.get(key, -1)].append(self.cell(key, child, section.keys))
        return [", ".join(cell) for cell in cells]


def spelled(key: str) -> str:
    """A key; one of several words is quoted, so that it is seen where it ends."""
    return word(key, quoted=" " in key)


def word(value: object, quoted: bool = False) -> str:
    """A scalar as it stands in a flow row.

    Arguments:
        value: text, a number, a boolean or None.
        quoted: whether a text is quoted even where it need not be.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value).replace("inf", ".inf").replace("nan", ".nan")
    value = str(value)
    if not quoted and _WORD.fullmatch(value) and isinstance(scalar(value), str):
        return value
    if ('"' in value or "\\" in value) and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escape(c)) for c in value) + '"'


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _block(value: str) -> bool:
    """Whether a text is written as a block: it has several lines, and a block can hold every one of them."""
    body = value.removesuffix("\n")
    if "\n" not in value or not body.strip() or body[0].isspace() or body[-1].isspace():
        return False
    return all(c.isprintable() or c in "\n\t\xa0" for c in body)
