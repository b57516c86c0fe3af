"""A quick reader of the plain part of YAML that nearly every spec is written in.

The YAML library takes 40 to 90 microseconds for each value, so that reading would be most of the time it takes to
load and check a machine. This reader takes a tenth of it. It is no second opinion: what it reads has the value and
the place that the library gives, and at whatever it does not know it gives up, nearly all errors among it, and the
library reads the whole document and words the message. What comes out is therefore the library's alone; the tests
compare the two on thousands of documents.

It knows: block mappings and sequences, flow collections over any number of lines, scalars on one line (plain, or
quoted without a backslash), literal blocks (`|`) and comments between lines and behind values. Left out: everything
else, above all tabs, values that are not written, folded or continued text, anchors, tags and directives.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from attrs import define

from fsm.errors import Place
from fsm.language.document import DEEPEST, MOST, Item, scalar, too_deep, too_large, twice

# No possessive quantifiers: those of Python 3.11.2 take something else than they should.
_ODD = re.compile(r"[^\n -~\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]|[\u2028\u2029]")
_GAP = re.compile(r"(?: *(?:#[^\n]*)?\n)* *")
_END = re.compile(r"(?: *| +#[^\n]*)\n")
_BLANKS = re.compile(r"[ \n]*")
_SPACES = re.compile(r" +")
_DASH = re.compile(r"- +")
_BAR = re.compile(r"\|(-?) *\n")
_NEXT = re.compile(r"[ \n]*([,\]}])")
_QUOTED = r""""([^"\\\n]*)"|'([^'\n]*)'(?!')"""
_KEY = re.compile(rf"(?:{_QUOTED}|([A-Za-z_][\w./-]*)):(?=[ \n])")
_FIRST = r"(?:[A-Za-z0-9_./~<=(+]|-(?=\w))"
_WORD = r"(?:[^\s:#]|:(?=\S)|(?<=\S)#)"
_FLOW_WORD = r"(?:[^\s:#,\[\]{}?]|:(?=[^\s,\[\]{}])|(?<=\S)#)"
_SCALAR = re.compile(rf"{_QUOTED}|({_FIRST}{_WORD}*(?: +(?!#){_WORD}+)*)")
_FLOW_SCALAR = re.compile(rf"{_QUOTED}|({_FIRST}{_FLOW_WORD}*(?: +(?!#){_FLOW_WORD}+)*)")


class NotPlain(Exception):
    """At `place` stands something that only the library reads."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.place = place


class _Unknown(Exception):
    """Where the reader is, it does not know how to go on."""


def read_plain(text: str, name: str) -> Item:
    """The document in a text; `name` stands for the file.

    Errors: `NotPlain` where the library has to read it; `SpecError` for what is too large or too deep, and for keys
    that stand twice.
    """
    reader = _Reader(text + "\n", name, [0, *(line.end() for line in re.finditer("\n", text))])
    odd = _ODD.search(text)
    if odd is not None:
        raise NotPlain(reader.place(odd.start()))
    try:
        reader.next_line()
        found = reader.block()
        if reader.at < len(reader.text) or not text.endswith("\n"):
            raise _Unknown  # without a line end at the end, a block of text at the end would be another one
    except (_Unknown, ValueError):  # ValueError: a number that is too long
        raise NotPlain(reader.place(min(reader.at, len(text)))) from None
    return found


@define
class _Reader:
    """Reads on from `at`. Behind a value of a block, that is the first character of the next line that says
    something, and `column` (from 0) is where it stands there; -1 at the end of the text."""

    text: str
    name: str
    starts: list[int]
    at: int = 0
    column: int = 0
    depth: int = 0
    values: int = 0

    def match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _Unknown
        self.at = found.end()
        return found

    def is_at(self, word: str) -> bool:
        return self.text.startswith(word, self.at)

    def next_line(self) -> None:
        """Goes to the next line that says something."""
        end = self.match(_GAP).end()
        self.column = end - self.text.rfind("\n", 0, end) - 1 if end < len(self.text) else -1

    def place(self, at: int) -> Place:
        line = bisect_right(self.starts, at)
        return Place(self.name, line, at - self.starts[line - 1] + 1)

    def item(self, value: object, at: int) -> Item:
        self.count(at)
        return Item(value, self.place(at))

    def count(self, at: int) -> None:
        """Counts a value or a key; what is too much here is so for the library, which takes longer to say it."""
        self.values += 1
        if self.values > MOST:
            raise too_large(self.place(at))

    def enter(self, at: int) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise too_deep(self.place(at))

    def key(self, entries: dict[str, Item]) -> str:
        found = self.match(_KEY)
        name = found[found.lastindex or 0]
        if name in entries:
            raise twice(name, self.place(found.start()))
        self.count(found.start())
        return name

    def scalar(self, pattern: re.Pattern[str]) -> Item:
        found = self.match(pattern)
        plain = found[3]
        return self.item(scalar(plain) if plain is not None else found[found.lastindex or 0], found.start())

    def block(self) -> Item:
        """The mapping or sequence that begins here; its lines begin in this column."""
        start, column = self.at, self.column
        self.enter(start)
        value = self.sequence(column) if self.is_at("- ") else self.mapping(column)
        self.depth -= 1
        return self.item(value, start)

    def mapping(self, column: int) -> dict[str, Item]:
        entries: dict[str, Item] = {}
        while self.column == column:
            name = self.key(entries)
            if end := _END.match(self.text, self.at):
                self.at = end.end()
                self.next_line()
                if self.column < column or (self.column == column and not self.is_at("- ")):
                    raise _Unknown  # nothing is written for a value
                entries[name] = self.block()
            else:
                self.match(_SPACES)
                entries[name] = self.inline(column)
        return entries

    def sequence(self, column: int) -> list[Item]:
        items: list[Item] = []
        while self.column == column and self.is_at("- "):
            dash = self.match(_DASH)
            if self.is_at("- ") or _KEY.match(self.text, self.at):
                self.column = column + dash.end() - dash.start()
                items.append(self.block())
            else:
                items.append(self.inline(column))
        return items

    def inline(self, column: int) -> Item:
        """A value that begins behind a key or a dash, in a block of this column."""
        if self.is_at("|"):
            item = self.literal(column)
        else:
            item = self.flow() if self.is_at("{") or self.is_at("[") else self.scalar(_SCALAR)
            self.match(_END)
        self.next_line()
        return item

    def literal(self, column: int) -> Item:
        start, chomp = self.at, self.match(_BAR)[1]
        first = _SPACES.match(self.text, self.at)
        indent = first.end() - first.start() if first else 0
        if indent <= column or self.text.startswith("\n", self.at + indent):
            raise _Unknown
        found = self.match(re.compile(rf"(?: {{{indent}}}[^\n]*\n| {{0,{indent}}}\n)+"))
        lines = "\n".join(line[indent:] for line in found[0].split("\n"))
        return self.item(lines.rstrip("\n") + ("" if chomp else "\n"), start)

    def flow(self) -> Item:
        """A value inside of brackets, or the brackets themselves."""
        self.match(_BLANKS)
        start = self.at
        if not (self.is_at("{") or self.is_at("[")):
            return self.scalar(_FLOW_SCALAR)
        self.at += 1
        self.enter(start)
        value = self.flow_mapping() if self.text[start] == "{" else self.flow_sequence()
        self.depth -= 1
        return self.item(value, start)

    def flow_mapping(self) -> dict[str, Item]:
        entries: dict[str, Item] = {}
        while not self.closed("}", bool(entries)):
            self.match(_BLANKS)
            name = self.key(entries)
            entries[name] = self.flow()
        return entries

    def flow_sequence(self) -> list[Item]:
        items: list[Item] = []
        while not self.closed("]", bool(items)):
            items.append(self.flow())
        return items

    def closed(self, bracket: str, behind_value: bool) -> bool:
        """Whether the bracket closes here. Behind a value there is that or a comma, and a value behind the comma."""
        found = _NEXT.match(self.text, self.at)
        if found is None and not behind_value:
            return False
        if found is None or found[1] not in (bracket, "," if behind_value else bracket):
            raise _Unknown
        self.at = found.end()
        return found[1] == bracket
