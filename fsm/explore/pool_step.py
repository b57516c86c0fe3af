"""A move of a pool as a step of a story: for those who play stories on a clock, and for those who read them."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from fsm.engine.turn import Event, Fired
from fsm.explore.joint import Move
from fsm.explore.world import OPERATOR
from fsm.language.domains import Value
from fsm.search.space import Firing, Told
from fsm.search.trace import show


@frozen
class PoolStep:
    """One move. `changes` gives for each name that properties may use and that changed its values before and after;
    `refused` says why the node had no answer, and then nothing changed."""

    number: int
    label: str
    host: int | None
    event: Event | None
    fault: str | None
    fired: tuple[Fired, ...]
    changes: Mapping[str, tuple[Value, Value]]
    refused: str | None = None


def step_of(number: int, move: Move, changes: Mapping[str, tuple[Value, Value]]) -> PoolStep:
    """A move as the step of a story; `changes` are those of what properties see."""
    action, turn = move.choice.action, move.turn
    fault = None if action.fault == OPERATOR else action.fault
    return PoolStep(
        number, action.label, action.host, action.event, fault, turn.fired if turn else (), changes,
        turn.refused if turn else None,
    )  # fmt: skip


def told(move: Move) -> Told:
    """A move as people read it."""
    action, turn = move.choice.action, move.turn
    place, notes = "" if action.host is None else f"host {action.host}", []
    fired = turn.fired if turn else ()
    if action.restart:
        notes.append(f"restarts: host {', '.join(map(str, action.restart))}")
    if action.event is not None and (action.event.payload or not fired):
        notes.append(f"{place}: {action.event.machine}.{action.event.name}{_arguments(action.event.payload)}")
    for machine, answer, payload in turn.reads if turn else ():
        notes.append(f"{place}: {machine} reads {answer}{_arguments(payload)}")
    firings = tuple(Firing(f.machine, f.source, f.target, f.set, f.row, f.why) for f in fired)
    replies = turn.effects.replies if turn else ()
    answers = tuple((_caller(reply.call), f"{reply.outcome}{_arguments(reply.payload)}") for reply in replies)
    return Told(place, tuple(notes), firings, _sender(move, place), answers)


def _sender(move: Move, place: str) -> str:
    action, event = move.choice.action, move.choice.action.event
    if action.fault == OPERATOR:
        return OPERATOR
    if event is None:
        return ""
    return place if event.name.startswith("after") else _caller(event.call) if event.call is not None else ""


def _caller(call: str) -> str:
    """The host that a call comes from, by its number (`fsm.explore.calls.call_id`), or outside (`world: any`)."""
    caller = call.partition(".")[0]
    return f"host {caller}" if caller.isdigit() else caller


def _arguments(payload: Mapping[str, Value]) -> str:
    return "(" + ", ".join(f"{name}={show(value)}" for name, value in payload.items()) + ")" if payload else ""
