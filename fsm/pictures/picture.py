"""A machine as boxes, frames and edges: the picture that cannot disagree with the table, because it is made from it.

No format is known here; `fsm.pictures.mermaid`, `fsm.pictures.dot` and `fsm.pictures.svg` write what this module says.
What a picture says:

- a box for each leaf state, with the operation that it waits for below its name, what is done on entry and exit, and
  what is deferred; another shape for a final state, a frame for each group, a dot for the start;
- an edge for each source and target that carries all its rows, a line for each, in the tone of its kind: an event, a
  timer, an outcome, or a fault (an outcome that says that an operation did not succeed);
- `event [guard]` and below it what is written durably, in bold, who is told (→) and how a call is answered (↩). Where a
  row has a label, it stands for the guard;
- rows that stay (`to: same`) inside the box of their state, since loops are what makes such pictures illegible; only
  those that do more than refuse a call. A row to its own state by name stands there too, behind ↻;
- what is said of all states stands in one box, `any state`, and what is said of a group in a box inside its frame;
- as tips of a box or an edge, every row with its id, its whole guard and its `why`: no row is in no tip.

It depends on the machine and the focus alone, and states and rows stand in the order of the file. Left out of the lines
are updates of what is in memory only, except on entry and exit; they stand in the table of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import field, frozen

from fsm.language.edges import condition, happens, source, writes
from fsm.language.spec import SAME, Machine, Row
from fsm.pictures.focus import WHOLE, Focus

LINE = 24
"""Characters of a line of a label: what is longer makes a picture wide, and Mermaid breaks it where it likes."""
ANY = "*"
ANEW = "↻"
GREY = "#57606a"
COLOURS = {
    "event": "#1f6feb",
    "timer": "#9a6700",
    "outcome": "#1a7f37",
    "fault": "#cf222e",
    "fired": "#1a7f37",
    "missed": "#cf222e",
    "added": "#1a7f37",
    "removed": "#cf222e",
    "changed": "#bf8700",
    "before": "#bf8700",
    "aside": "#9aa4ae",
}
"""Of every tone: the kinds of rows, what a test run or a comparison makes of them, and what is not on a path."""


def printable(text: str) -> str:
    """A text on one line, without characters that control how it is shown."""
    return "".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in text)


@frozen
class Line:
    """A line of text. `style` is bold, italic or empty; a line without a tone is not of a row."""

    text: str = field(converter=printable)
    style: str = ""
    tone: str = ""


@frozen
class Box:
    """A state, or what is said of a group or of all states.

    `name` is that of the state or group, or `*`; `shape` is state, final or any. `title` is what it is, `lines` what
    happens in it. `strong` has a thick line; a tone is that of a state which another version has otherwise or not."""

    name: str
    shape: str
    title: tuple[Line, ...]
    lines: tuple[Line, ...]
    tips: tuple[str, ...]
    strong: bool = False
    tone: str = ""


@frozen
class Frame:
    """The boxes of a group and the frames of groups inside it, in the order of the file. The outermost has no name."""

    name: str
    parts: tuple[Box | Frame, ...]

    def boxes(self) -> Iterator[Box]:
        """Those of the frame and of the frames inside it."""
        for part in self.parts:
            yield from part.boxes() if isinstance(part, Frame) else (part,)


@frozen
class Edge:
    """All rows between two boxes that are drawn with one stroke: plain, thick or dashed. `strands` are their lines by
    tone: an edge has a strand for each kind of its rows, side by side where a format can draw that."""

    source: str
    target: str
    stroke: str
    strands: Mapping[str, tuple[Line, ...]]
    tips: tuple[str, ...]


@frozen
class Picture:
    """A whole picture. `start` is the box that the dot points to, None where it is not shown."""

    machine: str
    start: str | None
    frame: Frame
    edges: tuple[Edge, ...]


def picture(machine: Machine, focus: Focus = WHOLE) -> Picture:
    """The picture of a machine.

    Arguments:
        machine: a loaded machine, checked or not.
        focus: what of it is shown, and how.
    """
    return _Painter(machine, focus).picture()


@frozen
class _Painter:
    """Draws one machine. `rows` are those that are shown, `states` the leaves that they need."""

    machine: Machine
    focus: Focus
    rows: tuple[Row, ...] = field(init=False)
    states: tuple[str, ...] = field(init=False)

    @rows.default
    def _shown(self) -> tuple[Row, ...]:
        return tuple(row for row in self.machine.rows if self.focus.shows(self.machine, row))

    @states.default
    def _needed(self) -> tuple[str, ...]:
        return tuple(name for name in self.machine.states if self.focus.needs(self.machine, name, self.rows))

    def picture(self) -> Picture:
        """All of it."""
        top = self.frame("", self.machine.states, tuple(self.machine.groups.items()))
        start = self.machine.initial if self.machine.initial in self.states else None
        return Picture(self.machine.name, start, top, tuple(self.edges()))

    def frame(self, name: str, leaves: Sequence[str], groups: Sequence[tuple[str, tuple[str, ...]]]) -> Frame:
        """The frame of a group, or of the whole machine without a name; `groups` are those inside, outermost first."""
        parts: list[Box | Frame] = [self.whole(name or ANY)] if self.speaks(name or ANY) else []
        framed: set[str] = set()
        for leaf in leaves:
            if leaf in framed:
                continue
            outer = next((at for at, (_, inside) in enumerate(groups) if leaf in inside), None)
            if outer is None:
                parts += [self.state(leaf)] if leaf in self.states else []
                continue
            group, inside = groups[outer]
            framed |= set(inside)
            inner = self.frame(group, inside, [other for other in groups[outer + 1 :] if set(other[1]) <= set(inside)])
            parts += [inner] if inner.parts else []
        return Frame(name, tuple(parts))

    def speaks(self, name: str) -> bool:
        """Whether something is said of a group or `*` as such, which needs a box."""
        hooks = name in self.machine.enter or name in self.machine.exit
        return hooks or any(source(row) == name and (not _inside(row) or self.tells(row)) for row in self.rows)

    def whole(self, name: str) -> Box:
        """What is said of a group, or of all states."""
        title = Line("any state" if name == ANY else f"any of {name}", "bold")
        return Box(name, "any", (title,), (*self.hooks(name), *self.stays(name)), tuple(self.tips(name)))

    def state(self, name: str) -> Box:
        """A leaf: its name, the operation that it waits for, and what happens in it."""
        pending = self.machine.pending(name)
        waits = [Line(pending.name, "italic")] if pending else []
        defers = [
            Line(f"{event} / defer") for defer in self.machine.defers if name in defer.states for event in defer.events
        ]
        title = (Line(name, "bold"), *waits)
        lines = (*self.hooks(name), *defers, *self.stays(name))
        shape = "final" if name in self.machine.final else "state"
        tone = (self.focus.changed or {}).get(name, "")
        return Box(name, shape, title, lines, tuple(self.tips(name)), name == self.focus.near, tone)

    def hooks(self, name: str) -> Iterator[Line]:
        """What is done on entry and exit of a state or group; here a memory variable is news too."""
        for word, hooks in (("enter", self.machine.enter), ("exit", self.machine.exit)):
            if hook := hooks.get(name):
                for text, durable in writes(self.machine, hook.set):
                    yield Line(f"{word} / {_update(text)}", "bold" if durable else "")
                for tell in hook.tell:
                    yield Line(f"{word} / → {tell.target}.{tell.name}")

    def stays(self, name: str) -> Iterator[Line]:
        """The lines of the rows that stand inside a box."""
        yield from self.lines(row for row in self.rows if _inside(row) and source(row) == name and self.tells(row))

    def tells(self, row: Row) -> bool:
        """Whether a row inside a box is worth a line."""
        return row.target != SAME or any(self.does(row)) or bool(self.focus.sign(row))

    def does(self, row: Row) -> Iterator[tuple[str, str]]:
        """What a row does, as (text, style); the refusal of a call by a row that stays is no news."""
        for text, durable in writes(self.machine, row.set):
            if durable:
                yield _update(text), "bold"
        for tell in row.tell:
            yield f"→ {tell.target}.{tell.name}", ""
        if row.reply is not None and (row.target != SAME or row.reply[0] != "failed"):
            yield f"↩ {row.reply[0]}", ""
        if row.do is not None and row.target == SAME:
            yield shorten(row.do.text), "italic"

    def lines(self, rows: Iterable[Row]) -> Iterator[Line]:
        """The lines of rows: what each waits for, and what it does. Rows that do the same share that, after commas."""
        merged: dict[tuple[tuple[tuple[str, str], ...], str], list[str]] = {}
        for row in rows:
            merged.setdefault((tuple(self.does(row)), self.focus.tone(self.machine, row)), []).append(self.waits(row))
        for (done, tone), texts in merged.items():
            *first, last = dict.fromkeys(texts)
            for text in (*first, last):
                *parts, end = map(shorten, _broken(text))
                comma = "," if done and text != last else ""
                yield from (Line(part, "", tone) for part in (*parts, f"{end}{comma}"))
            yield from (Line(text, style, tone) for text, style in done)

    def waits(self, row: Row) -> str:
        """What a row waits for, and under which condition."""
        anew = self.focus.sign(row) + (f"{ANEW} " if row.target == source(row) else "")
        guard, count = row.label or condition(row), self.focus.count(row)
        return shorten(f"{anew}{happens(row)}", LINE - len(count)) + count + (f" [{guard}]" if guard else "")

    def edges(self) -> Iterator[Edge]:
        """The rows that move, those between two boxes together."""
        merged: dict[tuple[str, str, str], list[Row]] = {}
        for row in self.rows:
            if not _inside(row):
                merged.setdefault((source(row), row.target, self.focus.stroke(row)), []).append(row)
        for (start, end, stroke), rows in merged.items():
            tones: dict[str, list[Row]] = {}
            for row in rows:
                tones.setdefault(self.focus.tone(self.machine, row), []).append(row)
            strands = {tone: tuple(self.lines(group)) for tone, group in tones.items()}
            yield Edge(start, end, stroke, strands, tuple(self.tip(row) for row in rows))

    def tips(self, name: str) -> Iterator[str]:
        """All that is said of a box and all rows that stay in it, in full."""
        for word, hooks in (("enter", self.machine.enter), ("exit", self.machine.exit)):
            if hook := hooks.get(name):
                yield printable(f"{word}: {hook.why}")
        for word, passed in (("defers", self.machine.defers), ("ignores", self.machine.ignores)):
            yield from (
                printable(f"{word} {', '.join(each.events)}: {each.why}") for each in passed if name in each.states
            )
        yield from (self.tip(row) for row in self.rows if _inside(row) and source(row) == name)

    def tip(self, row: Row) -> str:
        """A row in full: its id, when it fires and why."""
        guard = f" [{condition(row)}]" if row.guard is not None else ""
        return printable(f"{row.id}{self.focus.count(row)}{guard}: {row.why}")


def shorten(text: str, most: int = LINE) -> str:
    """A text that fits on one line of a label, or on what is left of it."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _inside(row: Row) -> bool:
    """Whether a row stands inside its box: it stays, or leaves its state only to enter it anew."""
    return row.target in (SAME, source(row))


def _broken(text: str) -> tuple[str, ...]:
    """An event and its guard on one line where they fit, else on two."""
    event, bracket, guard = text.partition(" [")
    return (text,) if len(text) <= LINE or not bracket else (event, f"[{guard}")


def _update(text: str) -> str:
    """An update that fits on one line of a label, or its variable."""
    return text if len(text) <= LINE else shorten(text.partition(" := ")[0] + " := …")
