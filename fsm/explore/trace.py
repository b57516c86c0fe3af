"""A story of a system as numbered steps, in plain text: how a counterexample is shown.

    1. operator: enable.enable at host 0
       host 0: enable idle -> preparing, ha := enabling [enable.idle/enable]
          the operator wants protection
       ha: off -> enabling

A step says what happened, which rows fired with what they set and the `why` of each, and what of the sets, pool
variables and facts is different after it. Hosts are numbered from 0, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from attrs import frozen

from fsm.engine.turn import Event, Fired
from fsm.errors import SpecError
from fsm.explore.joint import JointState, Move
from fsm.explore.properties import Observer
from fsm.language.domains import Value


@frozen
class TraceStep:
    """One move. `changes` gives for each name that properties may use and that changed its values before and after;
    `refused` says why the node had no answer, and then nothing changed."""

    number: int
    label: str
    host: int | None
    event: Event | None
    fault: str | None
    restart: tuple[int, ...]
    fired: tuple[Fired, ...]
    reads: tuple[tuple[str, str, Mapping[str, Value]], ...]
    changes: Mapping[str, tuple[Value, Value]]
    refused: str | None = None


@frozen
class Trace:
    """A shortest story: what properties see at its beginning, and its steps."""

    start: Mapping[str, Value]
    steps: tuple[TraceStep, ...]

    def __len__(self) -> int:
        return len(self.steps)

    def lines(self) -> list[str]:
        """The story as plain text."""
        lines = ["0. " + ", ".join(f"{name}: {show(value)}" for name, value in self.start.items())]
        for step in self.steps:
            lines += _lines(step)
        return lines

    def to_json(self) -> list[dict[str, Any]]:
        """The steps as JSON can carry them."""
        return [
            {
                "label": step.label,
                "host": step.host,
                "event": None if step.event is None else f"{step.event.machine}.{step.event.name}",
                "fault": step.fault,
                "rows": [{"row": f.row, "from": f.source, "to": f.target, "why": f.why} for f in step.fired],
                "changes": {name: [plain(a), plain(b)] for name, (a, b) in step.changes.items()},
                "refused": step.refused,
            }
            for step in self.steps
        ]


def trace_of(observer: Observer, path: Sequence[JointState], refused: str | None = None) -> Trace:
    """The story that leads through some states.

    Arguments:
        observer: the properties of the system that the states belong to.
        path: the states, from the beginning on, each one move from the one before.
        refused: if given, the story ends with the move out of the last state whose turn is refused so.
    Errors: `SpecError` where no move leads on, which means that the world is not a function of its arguments.
    """
    steps = []
    for number, (source, target) in enumerate(pairwise(path), 1):
        move = _find(observer, source, target, None)
        before, after = observer.named(observer.observe(source)), observer.named(observer.observe(target))
        changes = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
        steps.append(step_of(number, move, changes))
    if refused is not None:
        steps.append(step_of(len(path), _find(observer, path[-1], None, refused), {}))
    return Trace(observer.named(observer.observe(path[0])), tuple(steps))


def _find(observer: Observer, source: JointState, target: JointState | None, refused: str | None) -> Move:
    for move in observer.joint.moves(source):
        if move.target == target and (move.turn is None or move.turn.refused == refused):
            return move
    message = "the world gives other actions when it is asked again; it must be a function of its arguments"
    raise SpecError(observer.world_at, message, "bad-world")


def step_of(number: int, move: Move, changes: Mapping[str, tuple[Value, Value]]) -> TraceStep:
    """A move as the step of a story; `changes` are those of what properties see."""
    action, turn = move.choice.action, move.turn
    return TraceStep(
        number, action.label, action.host, action.event, action.fault, action.restart,
        turn.fired if turn else (), turn.reads if turn else (), changes, turn.refused if turn else None,
    )  # fmt: skip


def _lines(step: TraceStep) -> Iterable[str]:
    yield f"{step.number}. {step.label}" + (f" [fault: {step.fault}]" if step.fault else "")
    if step.restart:
        yield f"   restarts: host {', '.join(map(str, step.restart))}"
    place = f"host {step.host}"
    if step.event is not None and (step.event.payload or not step.fired):
        yield f"   {place}: {step.event.machine}.{step.event.name}{_arguments(step.event.payload)}"
    for machine, answer, payload in step.reads:
        yield f"   {place}: {machine} reads {answer}{_arguments(payload)}"
    for fired in step.fired:
        changed = "".join(f", {name} := {show(value)}" for name, value in fired.set.items())
        yield f"   {place}: {fired.machine} {fired.source} -> {fired.target}{changed} [{fired.row}]"
        yield f"      {fired.why}"
    if step.refused is not None:
        yield f"   {place}: refused: {step.refused}"
    for name, (before, after) in step.changes.items():
        yield f"   {name}: {show(before)} -> {show(after)}"


def _arguments(payload: Mapping[str, Value]) -> str:
    return "(" + ", ".join(f"{name}={show(value)}" for name, value in payload.items()) + ")" if payload else ""


def show(value: Value) -> str:
    """A value as specs write it."""
    if isinstance(value, frozenset):
        return "{" + ", ".join(map(str, sorted(value))) + "}"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def plain(value: Value) -> Any:
    """A value as JSON can carry it."""
    return sorted(value) if isinstance(value, frozenset) else value
