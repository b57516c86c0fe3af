"""The page of a machine: what its reviewers read on the web, generated beside its file as `machines/NAME.md`.

Essay, picture, variables, every row with its sentence, what is ignored and why. All of it comes from the spec, sorted
as the file is, so that a page is stale exactly when the machine has changed; a test compares them.

The picture is `machines/NAME.svg`, laid out by Graphviz. Mermaid in the page itself would need no second file, but lets
labels lie on each other, on the largest machines and on small ones. An SVG is stale when the DOT text that it says it
was made from is not that of the machine: to tell needs no Graphviz, only to draw it anew does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fsm.language.assignments import show
from fsm.language.edges import FAULTS, KINDS, condition, happens, kind, source, writes
from fsm.language.load import Library
from fsm.language.spec import SAME, Hook, Ignore, Machine, Row
from fsm.pictures.picture import picture
from fsm.pictures.svg import made_from, svg

EDGES = {"event": "blue", "timer": "ochre", "outcome": "green", "fault": "red"}
assert tuple(EDGES) == KINDS


def page(machine: Machine) -> str:
    """The Markdown text of a machine, ending in a newline.

    Arguments:
        machine: a loaded machine, checked or not.
    """
    lines = [
        f"# The machine `{machine.name}`",
        "",
        f"<!-- Generated from {machine.name}.yaml by `fsm draw --page`: change that file, then draw anew. -->",
        "",
        machine.essay.strip(),
        "",
        *_facts(machine),
        "## States",
        "",
        f"Edges: {', '.join(f'{colour} for {name}s' for name, colour in EDGES.items())} (outcomes called",
        f"{', '.join(f'`{name}`' for name in sorted(FAULTS))}); striped where they share an edge. **Bold** is written",
        "durably before anything is started; *italic* is what a state waits for; → tells a machine or port of the same",
        "host; ↩ answers a call. Rows that stay stand inside the box, behind ↻ those that enter their own state anew.",
        "Opened by itself, the picture has tooltips, with each row's id and sentence.",
        "",
        f"![The states of {machine.name} and the rows between them]({machine.name}.svg)",
        "",
        *_variables(machine),
        *_rows(machine),
        *_hooks(machine),
        *_passed(machine, "Deferred", machine.defers),
        *_passed(machine, "Ignored", machine.ignores),
    ]  # fmt: skip
    return "\n".join(lines).rstrip("\n") + "\n"


def stale(root: Path) -> dict[Path, Machine | None]:
    """The pages and pictures of a folder of specs that are not what they should be.

    Arguments:
        root: the folder that holds `machines/`.
    Returns: by path the machine that `content` is made from, or None where there is no such machine any more.
    Errors: `SpecError` for a machine that does not load.
    """
    library, folder = Library(root), root / "machines"
    wanted: dict[Path, Machine | None] = dict.fromkeys(sorted([*folder.glob("*.md"), *folder.glob("*.svg")]))
    wanted |= {folder / f"{name}{end}": library.machine(name) for name in library.names() for end in (".md", ".svg")}
    return {path: machine for path, machine in wanted.items() if not _fresh(path, machine)}


def content(path: Path, machine: Machine) -> str:
    """What a page (.md) or a picture (.svg) should be. Errors: for a picture, as those of `fsm.pictures.svg.svg`."""
    return page(machine) if path.suffix == ".md" else svg(picture(machine))


def _fresh(path: Path, machine: Machine | None) -> bool:
    if machine is None or not path.exists():
        return False
    text = path.read_text("utf-8")
    return text == page(machine) if path.suffix == ".md" else made_from(picture(machine), text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table and an empty line."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(_code(text) for text in texts)


def _facts(machine: Machine) -> Iterator[str]:
    facts = [
        ("One for each", _code(machine.instance or "")),
        ("Ports", _codes(machine.ports)),
        ("Looks at", _codes(machine.siblings)),
        ("Events", _codes(f"{name}({', '.join(f)})" if f else name for name, f in machine.events.items())),
        ("Serves", _codes(machine.serves)),
        ("Starts in", _code(machine.initial)),
        ("Final", _codes(machine.final)),
    ]
    yield from (f"- {name}: {text}" for name, text in facts if text)
    yield ""


def _variables(machine: Machine) -> Iterator[str]:
    if not machine.variables:
        return
    yield from ("## Variables", "")
    yield from table(
        ("variable", "type", "store", "initially", "what it is"),
        (
            (_code(v.name), _code(str(v.domain)), v.store + (", shared" if v.shared else ""),
             _code("nobody" if v.initial == frozenset() else show(v.initial)), v.why)
            for v in machine.variables.values()
        ),
    )  # fmt: skip


def _rows(machine: Machine) -> Iterator[str]:
    """One line for each line of the file; the ids of all rows that it stands for."""
    lines: dict[tuple[object, ...], list[Row]] = {}
    for row in machine.rows:
        lines.setdefault((row.at.line, row.at.column, row.guard), []).append(row)
    yield from ("## Rows", "")
    yield from table(
        ("from", "event", "guard", "to", "does", "why", "row"), (_line(machine, rows) for rows in lines.values())
    )


def _line(machine: Machine, rows: Sequence[Row]) -> tuple[str, ...]:
    first = rows[0]
    return (
        "<br>".join(dict.fromkeys(source(row) for row in rows)).replace("*", "any state"),
        "<br>".join(dict.fromkeys(_code(happens(row)) + _mark(machine, row) for row in rows)),
        _code(condition(first)),
        "*stays*" if first.target == SAME else first.target,
        "<br>".join(_does(machine, first)),
        first.why,
        "<br>".join(_code(row.id) for row in rows),
    )


def _mark(machine: Machine, row: Row) -> str:
    """The kind of an edge for those who do not see its colour; an event needs no mark."""
    name = kind(machine, row)
    return "" if name == "event" else f" ({name})"


def _does(machine: Machine, row: Row) -> Iterator[str]:
    """What a row does, in the order in which it is done."""
    yield from _effects(machine, row)
    if row.reply is not None:
        arguments = ", ".join(f"{name}={expr.text}" for name, expr in row.reply[1])
        yield f"↩ {_code(row.reply[0] + (f'({arguments})' if arguments else ''))}"
    if row.do is not None:
        yield f"starts {_code(row.do.text)}"


def _effects(machine: Machine, block: Row | Hook) -> Iterator[str]:
    """What cannot fail: updates, then who is told."""
    for text, durable in writes(machine, block.set):
        yield f"**{_code(text)}**" if durable else _code(text)
    for tell in block.tell:
        yield f"→ {_code(tell.text)}"


def _hooks(machine: Machine) -> Iterator[str]:
    """What is done whenever a state or group is entered or left."""
    hooks = [("enter", hook) for hook in machine.enter.values()] + [("exit", hook) for hook in machine.exit.values()]
    if hooks:
        yield from ("## On entry and exit", "")
        yield from table(
            ("on", "state", "does", "why"),
            ((word, hook.state, "<br>".join(_effects(machine, hook)), hook.why) for word, hook in hooks),
        )


def _passed(machine: Machine, title: str, passed: Sequence[Ignore]) -> Iterator[str]:
    """The events that a machine lets pass, or keeps for later."""
    if passed:
        yield from (f"## {title}", "")
        yield from table(
            ("in", "event", "why"),
            (
                ("any state" if set(p.states) == set(machine.states) else ", ".join(p.states), _codes(p.events), p.why)
                for p in passed
            ),
        )
