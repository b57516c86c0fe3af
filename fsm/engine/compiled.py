"""A row as it fires: what is done with the values that it computes, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from attrs import define, field, frozen

from fsm.engine.turn import NOTHING, Effects, Event, Fired, Operation, Refused, Reply, Signal, Timer
from fsm.language.domains import Domain, Value, shown
from fsm.language.spec import SAME, Row

Arguments = tuple[tuple[str, int], ...]
"""Names of arguments, and which of the computed values each is."""


@frozen
class CompiledTell:
    """Whom a row tells what: instances of a sibling, or a port where it is a signal."""

    targets: tuple[str, ...]
    name: str
    arguments: Arguments
    signal: bool


@frozen
class CompiledDo:
    """An operation, and where its arguments and its targets are among the computed values."""

    port: str
    name: str
    arguments: Arguments
    targets: int | None
    joined: bool
    instant: bool


@define
class CompiledRow:
    """A row as it fires in one leaf state.

    `set` says of each assignment: the variable's name in the node, store, slot, which computed value. `effects` is the
    record of a row whose effects are always the same; `alone` says that its turn ends with it."""

    machine: str
    row: Row
    source: str
    target: str
    set: tuple[tuple[str, str, int, int], ...] = field(default=(), eq=False)
    durable: tuple[tuple[str, str, int, int], ...] = field(default=(), eq=False)
    tell: tuple[CompiledTell, ...] = field(default=(), eq=False)
    reply: tuple[str, Arguments] | None = field(default=None, eq=False)
    do: CompiledDo | None = field(default=None, eq=False)
    timers: tuple[Timer, ...] = field(default=(), eq=False)
    alone: bool = field(default=False, eq=False)
    effects: Effects | None = field(default=None, eq=False)

    @property
    def moves(self) -> bool:
        """Whether the machine enters a state, so that what it waited for is abandoned."""
        return self.row.target != SAME

    def fired(self, payload: Mapping[str, Value], values: Sequence[Value]) -> Fired:
        """The record of its having fired."""
        row, assigned = self.row, self.assigned(values)
        return Fired(self.machine, row.id, self.source, row.event, payload, self.target, assigned, row.why)

    def assigned(self, values: Sequence[Value]) -> Mapping[str, Value]:
        """What it assigns, by variable of the node."""
        return {name: values[index] for name, _, _, index in self.set} if self.set else NOTHING

    def signals(self, values: Sequence[Value]) -> tuple[Signal, ...]:
        """What it says to ports."""
        return tuple(Signal(t.targets[0], t.name, pick(t.arguments, values)) for t in self.tell if t.signal)

    def events(self, values: Sequence[Value]) -> Iterator[Event]:
        """What it tells its siblings."""
        for tell in self.tell:
            if not tell.signal:
                payload = pick(tell.arguments, values)
                yield from (Event(target, tell.name, payload) for target in tell.targets)

    def operation(self, values: Sequence[Value]) -> Operation | None:
        """What it starts. Errors: `Refused` where there is no host that a call could go to."""
        do = self.do
        if do is None:
            return None
        targets = None
        if do.targets is not None:
            hosts = values[do.targets]
            targets = tuple(sorted(hosts)) if do.joined else (hosts,)
        if targets == (None,):
            raise Refused(f"{self.row.id}: {do.port}.{do.name} has no host to go to")
        return Operation(self.machine, do.port, do.name, pick(do.arguments, values), targets, do.joined)

    def answer(self, call: str, values: Sequence[Value]) -> Reply | None:
        """How it ends the served call of that number."""
        return None if self.reply is None else Reply(call, self.reply[0], pick(self.reply[1], values))

    def perform(self, local: Sequence[Any], pool: Sequence[Any], values: Sequence[Value]) -> Effects:
        """The effects of a turn of this row alone; `local` and `pool` are the state before it."""
        host, shared = dict[str, Value](), dict[str, Value]()
        for name, store, slot, index in self.durable:
            before, into = (local, host) if store == "host" else (pool, shared)
            if before[slot] != values[index]:
                into[name] = values[index]
        operation = self.operation(values)
        operations = () if operation is None else (operation,)
        abandoned = (self.machine,) if self.moves and operation is None else ()
        return Effects(host, shared, self.timers, self.signals(values), (), operations, abandoned)

    def settle(self) -> None:
        """Once all of it is known: whether it is a turn by itself, and what of that never changes."""
        told = [tell for tell in self.tell if not tell.signal]
        self.alone = not told and self.reply is None and not (self.do and self.do.instant)
        self.durable = tuple({last[0]: last for last in self.set if last[1] != "memory"}.values())
        given = any(tell.arguments for tell in self.tell)
        asked = self.do is not None and (self.do.arguments or self.do.targets is not None)
        if self.alone and not self.durable and not given and not asked:
            self.effects = self.perform((), (), ())


def pick(arguments: Arguments, values: Sequence[Value]) -> Mapping[str, Value]:
    """Arguments by name."""
    return {name: values[index] for name, index in arguments} if arguments else NOTHING


def outside(row: CompiledRow, name: str, value: Value) -> NoReturn:
    """A value that a variable cannot have. Errors: `Refused`, always."""
    raise Refused(f"{row.row.id}: {name} cannot be {value!r}")


def twice(rows: Sequence[CompiledRow], holds: Sequence[bool]) -> NoReturn:
    """Guards that are true together. Errors: `Refused`, always."""
    first, second = [row.row.id for row, true in zip(rows, holds, strict=True) if true][:2]
    raise Refused(f"two rows match: {first} and {second}")


def check_payload(what: str, fields: Mapping[str, Domain], payload: Mapping[str, Value], n: int) -> None:
    """Errors: `Refused` for a payload with other fields, or with a value that its domain does not have."""
    if payload.keys() != fields.keys():
        raise Refused(f"{what} carries {sorted(fields) or 'nothing'}, not {sorted(map(str, payload)) or 'nothing'}")
    for name, domain in fields.items():
        if not domain.holds(payload[name], n):
            raise Refused(f"{what}: {name} = {shown(payload[name])} is no {domain} of {n} hosts")
