"""What goes into a turn and what comes out of it, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import field, frozen

from fsm.language.domains import Value, shown

if TYPE_CHECKING:
    from fsm.engine.compiled import CompiledRow

NOTHING: Mapping[str, Value] = {}
"""The payload of an event that carries nothing."""


@frozen(init=False)
class Event:
    """Something that happened to a machine. `call` numbers the served call that the event begins.

    The payload is kept as it is until its turn, by queues too: nobody changes it before. What fired keeps a copy.
    Errors: `TypeError` for what cannot be an event of any machine."""

    machine: str
    name: str
    payload: Mapping[str, Value] = NOTHING
    call: str | None = None

    def __init__(
        self, machine: str, name: str, payload: Mapping[str, Value] = NOTHING, call: str | None = None
    ) -> None:
        """What attrs would write takes a third longer, and a program makes an event for each turn."""
        if type(payload) is not dict or type(machine) is not str or type(name) is not str:
            check_event(machine, name, payload)
        _set_machine(self, machine)
        _set_name(self, name)
        _set_payload(self, payload)
        _set_call(self, call)


_FIELDS = ("machine", "name", "payload", "call")
_set_machine, _set_name, _set_payload, _set_call = (vars(Event)[name].__set__ for name in _FIELDS)


def check_event(machine: Any, name: Any, payload: Any) -> None:
    """Errors: `TypeError` for what cannot be an event of any machine."""
    if not isinstance(machine, str) or not isinstance(name, str) or not isinstance(payload, Mapping):
        what = shown((machine, name, payload))
        raise TypeError(f"an event has the name of a machine, its own name, and a payload by name; not {what}")


@frozen
class Fired:
    """One row that fired in a turn. `set` holds what it assigned, entry and exit effects included; `why` is the row's
    own sentence."""

    machine: str
    row: str
    source: str
    event: str
    payload: Mapping[str, Value]
    target: str
    set: Mapping[str, Value]
    why: str


@frozen
class Operation:
    """An operation to be performed; its outcome comes back as an event of `machine`. `targets` is None for a local
    one, else the hosts it goes to; `joined` asks for the one outcome all_ok or some_failed."""

    machine: str
    port: str
    name: str
    arguments: Mapping[str, Value] = field(factory=dict)
    targets: tuple[int, ...] | None = None
    joined: bool = False


@frozen
class Signal:
    """Something to be said that cannot fail: an alert, a metric, a request that is not waited for."""

    port: str
    name: str
    arguments: Mapping[str, Value] = field(factory=dict)


@frozen
class Reply:
    """The end of a served call."""

    call: str
    outcome: str
    payload: Mapping[str, Value] = field(factory=dict)


@frozen
class Timer:
    """Start a timer (`seconds`) or cancel it (None). It comes back as an event of the machine: `after` for a state,
    `after group` for a group."""

    machine: str
    scope: str
    event: str
    seconds: float | None


@frozen
class Effects:
    """What a turn wants done, in the order in which it must be done.

    host, pool: variables to be made durable before anything else is started. Then timers, signals, replies; last
    operations, each the pending operation of its machine, replacing an earlier one. `abandoned` names the machines that
    entered another state without starting an operation: whatever they still wait for is of no interest any more."""

    host: Mapping[str, Value] = field(factory=dict)
    pool: Mapping[str, Value] = field(factory=dict)
    timers: tuple[Timer, ...] = ()
    signals: tuple[Signal, ...] = ()
    replies: tuple[Reply, ...] = ()
    operations: tuple[Operation, ...] = ()
    abandoned: tuple[str, ...] = ()


NO_EFFECTS = Effects()


class Turn(NamedTuple):
    """The whole answer to one event. `refused` says why nothing happened, or is None.

    `rows` is what `fired` is made from: each compiled row with its payload and the values that it computed. A named
    tuple and not an attrs class, because it is made in every step and that costs a third."""

    local: tuple[Any, ...]
    pool: tuple[Any, ...]
    rows: tuple[tuple[CompiledRow, Mapping[str, Value], tuple[Value, ...]], ...] = ()
    effects: Effects = NO_EFFECTS
    reads: tuple[tuple[str, str, Mapping[str, Value]], ...] = ()
    refused: str | None = None

    @property
    def fired(self) -> tuple[Fired, ...]:
        """The rows that fired, in order."""
        return tuple(row.fired(payload, values) for row, payload, values in self.rows)


filled = tuple.__new__
"""`filled(Turn, fields)` makes a turn of all its fields in half the time of the constructor."""

Read = Callable[[Operation], tuple[str, Mapping[str, Value]]]


class Refused(Exception):
    """The turn cannot be completed; the message says why."""


def no_read(operation: Operation) -> tuple[str, Mapping[str, Value]]:
    """For nodes without instant operations. Errors: `Refused`."""
    raise Refused(f"nobody answers {operation.port}.{operation.name} here")
