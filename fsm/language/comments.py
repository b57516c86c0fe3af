"""Comments and blank lines of a YAML document: where they stand in the source, and where they go in a new layout.

The reader of specs (`fsm.language.document`) drops comments. Here a document is read once more as `Node`s, which know
the span of source that they take, and every comment is found in what no scalar covers. A new layout is a list of
`Line`s; each says which span of the source it stands for, and a comment goes with its neighbour:

- one that shares a source line with a value stays beside it;
- one on a line of its own, and a blank line, stay above what follows;
- one inside of something that is now one line goes above that line;
- what opens the file, above everything, opens it still, whatever the first key is now.

Left out: the layout itself (`fsm.language.write`), and what is refused as a spec (`fsm.language.document` has read it
before).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from attrs import define, field, frozen

from fsm.language.document import Item, scalar


@frozen
class Node:
    """A value of a document: a dict of `Node`s, a list of `Node`s or a scalar, with the span that it takes.

    start, end: characters of the source, the key of an entry included. key_end: where that key ends. All are -1 where
    there is no source."""

    value: Any
    start: int = -1
    key_end: int = -1
    end: int = -1

    @classmethod
    def of(cls, value: Any) -> Node:
        """The node of an `Item` or of plain data."""
        if isinstance(value, Item):
            value = value.value
        if isinstance(value, Mapping):
            return cls({str(key): cls.of(child) for key, child in value.items()})
        if isinstance(value, list | tuple):
            return cls([cls.of(child) for child in value])
        return cls(value)


@define
class Line:
    """A line of the new layout, or a key with its text block; start and end are those of the source it stands for."""

    indent: int
    text: str
    start: int = -1
    end: int = -1
    above: list[str] = field(factory=list)
    beside: str = ""


@frozen
class Comment:
    """A comment, or a blank line where `text` is empty. `alone`: nothing stands before it on its line."""

    at: int
    text: str
    alone: bool


@frozen
class Source:
    """A document as it is written.

    Arguments:
        top: its value.
        comments: its comments and blank lines, in their order.
    """

    top: Node
    comments: tuple[Comment, ...]

    @classmethod
    def read(cls, text: str) -> Source:
        """Reads a text that `fsm.language.document.parse` takes, with `\\n` for line ends."""
        from ruamel.yaml import YAML

        reader = _Reader(text, YAML(typ="safe", pure=True).parse(text))
        top = reader.document()
        return cls(top, tuple(_comments(text, reader.scalars)))

    def inside(self, node: Node) -> bool:
        """Whether a comment stands inside of a node or its entry."""
        first = bisect_left(self.comments, node.start, key=lambda comment: comment.at)
        last = bisect_right(self.comments, node.end - 1, key=lambda comment: comment.at)
        return any(comment.text for comment in self.comments[first:last])

    def attach(self, lines: list[Line]) -> tuple[list[str], list[str]]:
        """Gives every comment to a line of a new layout.

        Arguments:
            lines: the lines, in any order; each stands for a span of its own, and together they cover all values.
        Result: what opens the document, and what closes it.
        """
        ordered = sorted(lines, key=lambda line: line.start)
        head: list[str] = []
        waiting: list[str] = []
        comments = iter(self.comments)
        comment = next(comments, None)
        for line, following in pairwise([*ordered, None]):
            assert line is not None
            while comment is not None and comment.at < line.start:
                (head if line is ordered[0] else waiting).append(comment.text)
                comment = next(comments, None)
            line.above, waiting = waiting, []
            while comment is not None and (following is None or comment.at < following.start):
                if comment.at < line.end:
                    line.above += [comment.text] if comment.text else []
                elif comment.alone or line.beside or waiting:
                    waiting.append(comment.text)
                else:
                    line.beside = comment.text
                comment = next(comments, None)
        return head, waiting


_LAYOUT = re.compile(r"(?m)^[ \t]*\n|#.*")


def _comments(text: str, scalars: list[tuple[int, int]]) -> Iterator[Comment]:
    """Comments and blank lines of what no scalar covers; there a `#` can only begin a comment."""
    for (_, start), (end, _) in pairwise([(0, 0), *scalars, (len(text), len(text))]):
        for match in _LAYOUT.finditer(text, start, end):
            before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
            yield Comment(match.start(), match[0].strip(), not before.strip(" \t-"))


@define
class _Reader:
    """Builds `Node`s from the events of the YAML library, and collects the spans of the scalars."""

    text: str
    events: Iterator[Any]
    scalars: list[tuple[int, int]] = field(factory=list)

    def document(self) -> Node:
        top = Node(None)
        for event in self.events:
            if type(event).__name__ not in ("StreamStartEvent", "DocumentStartEvent", "DocumentEndEvent",
                                            "StreamEndEvent"):  # fmt: skip
                top = self.node(event)
        return top

    def node(self, event: Any, key: tuple[int, int] | None = None) -> Node:
        """The value that begins with an event, as the entry of a key where there is one."""
        start, kind = event.start_mark.index, type(event).__name__
        key_start, key_end = key or (start, start)
        if kind == "ScalarEvent":
            end = self.scalar(event)
            if event.style is None and not event.value:  # nothing: it ends with its key, wherever the library puts it
                end = key_end
            return Node(scalar(event.value) if event.style is None else event.value, key_start, key_end, end)
        value, closed = self.sequence() if kind == "SequenceStartEvent" else self.mapping()
        children = value if isinstance(value, list) else list(value.values())
        end = closed.end_mark.index if event.flow_style else children[-1].end if children else start
        return Node(value, key_start, key_end, end)

    def scalar(self, event: Any) -> int:
        """Where a scalar ends; the blank lines that follow a block are layout, unless it keeps them by `+`."""
        start, end = int(event.start_mark.index), int(event.end_mark.index)
        if event.style in ("|", ">"):
            body = start + len(self.text[start:end].partition("\n")[0])
            if "+" not in self.text[start:body].partition("#")[0]:
                end = start + len(self.text[start:end].rstrip())
            self.scalars.append((body, max(body, end)))
            return max(body, end)
        if end > start:
            self.scalars.append((start, end))
        return end

    def sequence(self) -> tuple[list[Node], Any]:
        items: list[Node] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            items.append(self.node(event))
        return items, event

    def mapping(self) -> tuple[dict[str, Node], Any]:
        entries: dict[str, Node] = {}
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            span = (event.start_mark.index, self.scalar(event))
            entries[str(event.value)] = self.node(next(self.events), span)
        return entries, event
