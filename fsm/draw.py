"""A machine as a Mermaid flowchart: the picture that cannot disagree with the table, because it is made from it.

A flowchart and not Mermaid's stateDiagram-v2, for that has no way to colour an edge. What the picture says:

- a box for each leaf state, with the operation that it waits for below its name; round ends for a final state, a frame
  for each group, a dot for the start;
- an edge for each source and target, in the colour of its kind: an event, a timer, an outcome, or a fault (an outcome
  that says that an operation did not succeed). One edge carries all rows of its kind, a line for each;
- `event [guard]` and below it what is written durably, in bold, who is told (→) and how a call is answered (↩). Where a
  row has a label, it stands for the guard;
- rows that stay (`to: same`) inside the box of their state, or in a dashed one of their group, since loops are what
  makes such pictures illegible; only those that do more than refuse a call;
- a row for all states leaves from one box, `any state`, and a row of a group from the frame.

Sorted and byte-stable: it depends on the machine alone, and states and rows stand in the order of the file. Left out:
the `why` of a row, since Mermaid has no tooltip on an edge, and the updates of what is in memory only; both stand in
the table of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from fsm.spec import ELSE, SAME, Machine, Row

COLOURS = {"event": "#1f6feb", "timer": "#9a6700", "outcome": "#1a7f37", "fault": "#cf222e"}
FAULTS = {"failed", "lost", "some_failed", "gone"}
ANY = "any_state"
LINE = 22
"""Characters of a line of a label: Mermaid breaks what is wider than 200 pixels where it likes."""
SETTINGS = '%%{init: {"flowchart": {"nodeSpacing": 60, "rankSpacing": 60}}}%%'


def kind(machine: Machine, row: Row) -> str:
    """What kind of edge a row is: event, timer, outcome or fault."""
    if row.scope is not None:
        return "timer"
    port, _, name = row.event.partition(".")
    asked = name and row.event not in machine.serves and name not in machine.ports[port].events
    if not asked and row.event not in ("all_ok", "some_failed"):
        return "event"
    return "fault" if (name or row.event) in FAULTS else "outcome"


def source(row: Row) -> str:
    """The state, group or `*` that a row is written for."""
    return row.id.partition(".")[2].partition("/")[0]


def happens(row: Row) -> str:
    """What a row waits for, in words."""
    return f"after {row.duration}" if row.scope is not None else row.event


def condition(row: Row) -> str:
    """The guard of a row as it is written; empty without one."""
    return "" if row.guard is None else ELSE if row.guard == ELSE else getattr(row.guard, "text", "")


def writes(machine: Machine, row: Row) -> Iterator[tuple[str, bool]]:
    """The updates of a row: (text, whether it is durable)."""
    for name, expr in row.set:
        yield f"{name} := {expr.text}", machine.variables[name].store != "memory"


def escape(text: str) -> str:
    """Text inside a quoted Mermaid label."""
    for character, code in (("#", "#35;"), ("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(character, code)
    return text


@frozen
class _Edge:
    """All rows of one kind between two boxes."""

    source: str
    target: str
    kind: str


def draw(machine: Machine) -> str:
    """The Mermaid text of a machine, ending in a newline.

    Arguments:
        machine: a loaded machine, checked or not.
    """
    edges: dict[_Edge, list[Row]] = {}
    for row in machine.rows:
        if row.target != SAME:
            edges.setdefault(_Edge(_box(source(row)), _box(row.target), kind(machine, row)), []).append(row)
    lines = [SETTINGS, "flowchart TB", "    start_((( ))):::dot"]
    lines += _boxes(machine)
    lines.append(f"    start_ --> {_box(machine.initial)}")
    for edge, rows in edges.items():
        text = "<br/>".join(_lines(machine, rows))
        lines.append(f'    {edge.source} -- "{text}" --> {edge.target}')
    for name, colour in COLOURS.items():
        numbers = [str(n) for n, edge in enumerate(edges, start=1) if edge.kind == name]
        if numbers:
            lines.append(f"    linkStyle {','.join(numbers)} stroke:{colour},color:{colour}")
    lines += ["    classDef dot fill:#57606a,stroke:#57606a", "    classDef stays stroke-dasharray:4"]
    return "\n".join(lines) + "\n"


def _box(name: str) -> str:
    """The id of a box. The prefix keeps words that Mermaid reserves (`end`) from being ids."""
    return ANY if name == "*" else f"s_{name}"


def _boxes(machine: Machine) -> Iterator[str]:
    """The boxes of all states, framed by their groups."""
    frames = sorted(machine.groups.items(), key=lambda item: (-len(item[1]), item[0]))
    yield from _framed(machine, machine.states, frames, "    ")
    if any(source(row) == "*" and row.target != SAME for row in machine.rows):
        yield f'    {ANY}(["{_inside(machine, "*", "any state")}"])'


def _framed(
    machine: Machine, states: Sequence[str], frames: Sequence[tuple[str, tuple[str, ...]]], indent: str
) -> Iterator[str]:
    left = list(states)
    for index, (name, leaves) in enumerate(frames):
        if not set(leaves) <= set(left):
            continue
        inner = [frame for frame in frames[index + 1 :] if set(frame[1]) <= set(leaves)]
        yield f'{indent}subgraph {_box(name)}["<b>{escape(name)}</b>"]'
        if inside := _inside(machine, name, ""):
            yield f'{indent}    {_box(name)}_stays("{inside}"):::stays'
        yield from _framed(machine, leaves, inner, indent + "    ")
        yield f"{indent}end"
        left = [state for state in left if state not in leaves]
    for state in left:
        opening, closing = ("([", "])") if state in machine.final else ("(", ")")
        yield f'{indent}{_box(state)}{opening}"{_inside(machine, state, state)}"{closing}'


def _inside(machine: Machine, name: str, title: str) -> str:
    """The text of a box: its name, the operation that it waits for, and the rows that stay in it."""
    rows = [row for row in machine.rows if row.target == SAME and source(row) == name]
    pending = machine.pending(name)
    waits = [f"<i>{escape(pending.name)}</i>"] if pending else []
    lines = _lines(machine, [row for row in rows if any(said(machine, row)) or row.do])
    return "<br/>".join([*([f"<b>{escape(title)}</b>"] if title else []), *waits, *lines])


def said(machine: Machine, row: Row) -> Iterator[str]:
    """What a row does, as marked text for a label; the refusal of a call by a row that stays is no news."""
    for text, durable in writes(machine, row):
        if durable:
            yield f"<b>{escape(text if len(text) <= LINE else text.partition(' := ')[0] + ' := …')}</b>"
    for tell in row.tell:
        yield f"→ {tell.target}.{tell.name}"
    if row.reply is not None and (row.target != SAME or row.reply[0] != "failed"):
        yield f"↩ {escape(row.reply[0])}"


def shorten(text: str) -> str:
    """A text that fits on one line of a label."""
    return text if len(text) <= LINE else text[: LINE - 1].rstrip() + "…"


def _lines(machine: Machine, rows: Iterable[Row]) -> Iterator[str]:
    """The lines of a label; rows that differ only in their event share them."""
    merged: dict[tuple[str, str, tuple[str, ...], str], list[str]] = {}
    for row in rows:
        asks = [escape(row.do.text)] if row.do and row.target == SAME else []
        key = (str(row.at), row.label or condition(row), (*said(machine, row), *asks), row.target)
        merged.setdefault(key, []).append(happens(row))
    for (_, guard, done, _), events in merged.items():
        names = list(dict.fromkeys(events))
        last = f"{names[-1]} [{guard}]" if guard else names[-1]
        fits = len(last) <= LINE
        yield from (escape(f"{name},") for name in names[:-1])
        yield from (escape(shorten(line)) for line in ([last] if fits else [names[-1], f"[{guard}]"]))
        yield from done
