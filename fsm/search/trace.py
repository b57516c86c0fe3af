"""A story of a space as numbered steps, in plain text: how a counterexample is shown.

    1. operator: enable.enable at host 0
       host 0: enable idle -> preparing, ha := enabling [enable.idle/enable]
          the operator wants protection
       ha: off -> enabling

A step says what happened, which rows fired with what they set and the `why` of each, and what of all that properties
see is different after it. A story of what goes on for ever ends with the step from which it comes round again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from fsm.errors import SpecError
from fsm.language.domains import Value
from fsm.search.space import Edge, Property, S, Space, Told


@frozen
class TraceStep:
    """One move. `changes` gives for each name that properties may use and that changed its values before and after;
    `refused` says why the node had no answer, and then nothing changed."""

    number: int
    label: str
    fault: str | None
    told: Told
    changes: Mapping[str, tuple[Value, Value]]
    refused: str | None = None


@frozen
class Trace:
    """A shortest story: what properties see at its beginning, and its steps.

    loop: after the last step all is as it was before the step of this number, and goes round for ever; None where the
    story ends. end: what is to be said of its last state (`closing`); "" where the last step says it."""

    start: Mapping[str, Value]
    steps: tuple[TraceStep, ...]
    loop: int | None = None
    end: str = field(default="", eq=False)

    def __len__(self) -> int:
        return len(self.steps)

    def __bool__(self) -> bool:
        """Always: a story without steps tells of the beginning, and is another thing than None, which is no story."""
        return True

    def lines(self) -> list[str]:
        """The story as plain text."""
        lines = ["0. " + ", ".join(f"{name}: {show(value)}" for name, value in self.start.items())]
        for step in self.steps:
            lines += _lines(step)
        if self.loop is not None and self.loop > len(self.steps):
            lines.append("and so it stays for ever: nothing that is fair can happen")
        elif self.loop is not None:
            lines.append(f"and again from step {self.loop}, for ever")
        return [*lines, *([self.end] if self.end else [])]

    def to_json(self) -> list[dict[str, Any]]:
        """The steps as JSON can carry them."""
        return [
            {
                "label": step.label,
                "at": step.told.at,
                "fault": None if step.fault == "operator" else step.fault,
                "operator": step.fault == "operator",
                "rows": [{"row": f.row, "from": f.source, "to": f.target, "why": f.why} for f in step.told.firings],
                "changes": {name: [plain(a), plain(b)] for name, (a, b) in step.changes.items()},
                "refused": step.refused,
            }
            for step in self.steps
        ]


def closing(space: Space[S], promised: Property, state: S, steps: int) -> str:
    """What is to be said at the end of a story that shows a property, where no step says it.

    Arguments:
        space, promised: where, and what it shows.
        state: the last of the story.
        steps: how many it has.
    """
    if promised.kind == "deadlock":
        left = next(iter(space.edges(state)), None)
        return "nothing can happen here" + ("" if left is None else " but faults and orders of an operator")
    if promised.kind == "recoverable":
        helped = f", whatever {' and '.join(promised.counting_on)} may bring" if promised.counting_on else ""
        return f"no way leads from here to: {promised.text}{helped}"
    return "" if steps or promised.kind in ("eventually", "leads_to") else "so it is at the beginning"


def way_there(trace: Trace) -> str:
    """The story of how a state is reached where something is wrong with the spec itself."""
    return "\n".join(["the shortest way there that was found:", *trace.lines()])


def trace_of(
    space: Space[S],
    path: Sequence[S],
    refused: str | None = None,
    loop: int | None = None,
    groups: Sequence[tuple[str, str | None]] = (),
) -> Trace:
    """The story that leads through some states.

    Arguments:
        space: what the states belong to.
        path: the states, from the beginning on, each one move from the one before.
        refused: if given, the story ends with the move out of the last state whose turn is refused so; in other words,
            if it is a permutation of the state where that was said.
        loop: the index in `path` to which the last state comes back.
        groups: (group, fault) of the last moves, where it matters which of several it is.
    Errors: `SpecError` where no move leads on, which means that the world is not a function of its arguments.
    """
    steps: list[TraceStep] = []
    at = path[0]
    wanted = [*[None] * (len(path) - 1 - len(groups)), *groups]
    for target, group in zip(path[1:], wanted, strict=True):
        edge = _move(space, at, target, group)
        after = edge.target
        assert after is not None  # _find has asked for it
        before, later = space.named(at), space.named(after)
        changes = {name: (before[name], later[name]) for name in before if before[name] != later[name]}
        steps.append(step_of(space, len(steps) + 1, edge, changes))
        at = after
    if refused is not None:
        said = {edge.refused for edge in space.edges(at)}
        edge = _find(space, at, lambda e: e.refused == refused or (refused not in said and e.refused is not None))
        steps.append(step_of(space, len(steps) + 1, edge, {}))
    return Trace(space.named(path[0]), tuple(steps), None if loop is None else loop + 1)


def _move(space: Space[S], source: S, target: S, group: tuple[str, str | None] | None) -> Edge[S]:
    """A move from one state to another, of a group if one is given."""
    return _find(space, source, lambda e: e.target == target and group in (None, (e.group, e.fault)))


def _find(space: Space[S], source: S, wanted: Callable[[Edge[S]], bool]) -> Edge[S]:
    for edge in space.edges(source):
        if not edge.cut and wanted(edge):
            return edge
    message = "the world gives other actions when it is asked again; it must be a function of its arguments"
    raise SpecError(space.at, message, "bad-world")


def step_of(space: Space[S], number: int, edge: Edge[S], changes: Mapping[str, tuple[Value, Value]]) -> TraceStep:
    """An edge as the step of a story; `changes` are those of what properties see."""
    return TraceStep(number, edge.label, edge.fault, space.told(edge), changes, edge.refused)


def _lines(step: TraceStep) -> Iterable[str]:
    fault = step.fault not in (None, "operator")
    yield f"{step.number}. {step.label}" + (f" [fault: {step.fault}]" if fault else "")
    for note in step.told.notes:
        yield f"   {note}"
    place = f"{step.told.at}: " if step.told.at else ""
    for fired in step.told.firings:
        changed = "".join(f", {name} := {show(value)}" for name, value in fired.set.items())
        if fired.source:
            yield f"   {place}{fired.machine} {fired.source} -> {fired.target}{changed} [{fired.row}]"
        yield f"      {fired.why}" if fired.source else f"   {fired.why}"
    if step.refused is not None:
        yield f"   {place}refused: {step.refused}"
    for name, (before, after) in step.changes.items():
        yield f"   {name}: {show(before)} -> {show(after)}"


def show(value: Value) -> str:
    """A value as specs write it."""
    if isinstance(value, frozenset):
        return "{" + ", ".join(map(str, sorted(value))) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(show, value)) + "]"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def plain(value: Value) -> Any:
    """A value as JSON can carry it."""
    if isinstance(value, tuple):
        return [plain(member) for member in value]
    return sorted(value) if isinstance(value, frozenset) else value
