"""One machine of a driver, as users of `transitions` know theirs: `trigger`, `may_…`, `is_…`, `state`.

    door = Bound.start("door.yaml")        # a machine of its own, in memory
    door.push(force=3)                     # an event with its payload: True where a row fired
    door.may_push(force=9)                 # whether one would; nothing happens
    door.is_shut()                         # a state, or a group of states
    door.why_not("push", force=9)          # the sentence that refused, ignored or deferred it

An event that is refused returns False and has changed nothing; `transitions` raises there, or has run callbacks before
it finds out. `may_…` is pure here: it runs the whole turn, siblings too, and performs no effect. Where a turn would ask
an instant operation, the question is not asked: it may begin.

A name that the machine does not have is an AttributeError, a payload with other fields a TypeError. An event that is
called like a member of the view (`state`, `trigger`) goes through `trigger`, and so do those of ports (`lock.jammed`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, field

from fsm.drivers.adapters import Adapter, Outcome, SyncAdapter
from fsm.drivers.clock import Clock, LoopClock
from fsm.drivers.drive import AsyncDriver
from fsm.drivers.journal import Records
from fsm.drivers.sync import SyncDriver
from fsm.engine.node import STEP, Node
from fsm.engine.turn import Event, Operation
from fsm.errors import SpecError
from fsm.language.document import suggest
from fsm.language.domains import Value
from fsm.language.load import Library
from fsm.language.spec import Fields, Machine
from fsm.locate import located


class _Asks(Exception):
    """The turn has begun and asks an instant operation."""


@define(eq=False, slots=False, repr=False)
class View:
    """What can be seen of a machine, whatever drives it.

    Arguments:
        driver: holds its state.
        machine: its name on the node; may be left out where it is the only one.
    Errors: `ValueError` for a machine that is not on the node.
    """

    driver: SyncDriver | AsyncDriver
    machine: str = ""
    spec: Machine = field(init=False)
    _bare: dict[str, Event] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        instances = self.driver.node.layout.instances
        if not self.machine and len(instances) == 1:
            self.machine = next(iter(instances))
        if self.machine not in instances:
            raise ValueError(f"{self.machine!r} is no machine of this node{suggest(self.machine, instances)}")
        self.spec = instances[self.machine][0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.machine} in {self.state})"

    @property
    def state(self) -> str:
        """The leaf state."""
        return self.driver.node.state(self.driver.local, self.machine)

    def value(self, variable: str) -> Value:
        """The value of a variable, by its name in the spec. Errors: `AttributeError` for one that it does not have."""
        declared = self.spec.variables.get(variable)
        if declared is None:
            raise AttributeError(f"{self.machine} has no variable {variable!r}{suggest(variable, self.spec.variables)}")
        node = self.driver.node
        return node.value(self.driver.local, self.driver.pool, node.layout.variable_name(self.machine, declared))

    def is_in(self, state: str) -> bool:
        """Whether the machine is in a leaf state, or in one of a group. Errors: `AttributeError`."""
        leaves = self.spec.groups.get(state) or (state,)
        if state not in self.spec.groups and state not in self.spec.states:
            known = [*self.spec.states, *self.spec.groups]
            raise AttributeError(f"{self.machine} has no state {state!r}{suggest(state, known)}")
        return self.state in leaves

    def may(self, event: str, /, **payload: Value) -> bool:
        """Whether a row would fire. Errors: as `trigger`."""
        return self.why_not(event, **payload) is None

    def why_not(self, event: str, /, **payload: Value) -> str | None:
        """Why the event would be refused, ignored or deferred; None where a row would fire. Errors: as `trigger`."""
        node, happened = self.driver.node, self._event(event, payload)
        try:  # not `node.step`: what did not happen is nothing to record
            turn = STEP(node, self.driver.local, self.driver.pool, happened, _ask)
        except _Asks:
            return None
        if turn.refused is not None:
            return turn.refused
        passed = [("ignores", self.spec.ignores), ("defers", self.spec.defers)]
        for how, declared in passed if not turn.rows else ():
            for said in declared:
                if self.state in said.states and event in said.events:
                    return f"{self.machine} in {self.state} {how} {event}: {said.why}"
        return None

    def _event(self, name: str, payload: Mapping[str, Value]) -> Event:
        if not payload and name in self._bare:
            return self._bare[name]
        fields = self._events().get(name)
        if fields is None:
            if self.driver.node.layout.payload(self.spec, name) is not None:
                raise AttributeError(f"{name!r} of {self.machine} is for its driver: an outcome, a timer or a call")
            raise AttributeError(f"{self.machine} has no event {name!r}{suggest(name, self._events())}")
        if payload.keys() != fields.keys():
            takes = ", ".join(f"{field}={domain}" for field, domain in fields.items()) or "nothing"
            raise TypeError(f"{self.machine}: {name} takes {takes}, not {', '.join(payload) or 'nothing'}")
        event = Event(self.machine, name, payload)
        if not payload:
            self._bare[name] = event
        return event

    def _events(self) -> dict[str, Fields]:
        """What may come unasked: the machine's own events, and those of its ports."""
        ports = {
            f"{port.name}.{name}": fields for port in self.spec.ports.values() for name, fields in port.events.items()
        }
        return {**self.spec.events, **ports}

    def __dir__(self) -> list[str]:
        events, states = self.spec.events, [*self.spec.states, *self.spec.groups]
        return sorted({*object.__dir__(self), *events, *(f"may_{e}" for e in events), *(f"is_{s}" for s in states)})

    def _named(self, name: str, trigger: Callable[..., Any]) -> Any:
        """What `door.push`, `door.may_push` and `door.is_open` are; made once. Errors: `AttributeError`."""
        if name.startswith("_") or name == "spec":
            raise AttributeError(name)  # Python asks for these by itself, before there is a spec to look into
        if name in self.spec.events:
            made = partial(trigger, name)
        elif name.startswith("may_") and name[4:] in self.spec.events:
            made = partial(self.may, name[4:])
        elif name.startswith("is_") and (name[3:] in self.spec.states or name[3:] in self.spec.groups):
            made = partial(self.is_in, name[3:])
        else:
            known = suggest(name, dir(self))
            raise AttributeError(f"{self.machine} has no event, may_… or is_… {name!r}{known}")
        self.__dict__[name] = made
        return made


class _Starts(type):
    """How a bound machine begins. A method of the metaclass is none of the instances: `start` is a common event."""

    def start(
        cls,
        spec: Machine | Path | str,
        adapters: Mapping[str, SyncAdapter] | None = None,
        *,
        parameters: Mapping[str, float] | None = None,
        clock: Clock | None = None,
        journal: Records | None = None,
    ) -> Bound:
        """One machine for itself, in memory, in its initial state.

        Arguments:
            spec: the machine, or its file.
            adapters: one for each port that has operations or signals, by its name.
            parameters: values, in seconds, that replace those of `state.yaml`.
            clock, journal: as for `SyncDriver`.
        Errors: `SpecError`; `ValueError` for a port without adapter, or one that lacks a method.
        """
        return Bound(SyncDriver(alone(spec, parameters), adapters, clock=clock, journal=journal))


@define(eq=False, slots=False, repr=False)
class Bound(View, metaclass=_Starts):
    """A machine of a `SyncDriver`."""

    driver: SyncDriver
    machine: str = ""

    def trigger(self, event: str, /, **payload: Value) -> bool:
        """Send an event: True where a row fired, False where it was refused, ignored or deferred (see `why_not`).

        Errors: `AttributeError` for an event that the machine does not have, `TypeError` for a payload with other
        fields; those of `SyncDriver.send`.
        """
        happened = None if payload else self._bare.get(event)
        return bool(self.driver.send(happened or self._event(event, payload)).rows)

    def __getattr__(self, name: str) -> Any:
        return self._named(name, self.trigger)


class _StartsAsync(type):
    """As `_Starts`, in an asyncio program."""

    def start(
        cls,
        spec: Machine | Path | str,
        adapters: Mapping[str, Adapter] | None = None,
        *,
        parameters: Mapping[str, float] | None = None,
        clock: Clock | None = None,
        journal: Records | None = None,
    ) -> AsyncBound:
        """As `Bound.start`, inside of an event loop; end it by `await door.driver.stop()`."""
        node = alone(spec, parameters)
        driver = AsyncDriver(node.machines[0].name, node, adapters or {}, clock or LoopClock(), journal)
        driver.start()
        return AsyncBound(driver)


@define(eq=False, slots=False, repr=False)
class AsyncBound(View, metaclass=_StartsAsync):
    """A machine of an `AsyncDriver`; `trigger`, and so `door.push`, is to be awaited."""

    driver: AsyncDriver
    machine: str = ""

    async def trigger(self, event: str, /, **payload: Value) -> bool:
        """As `Bound.trigger`; errors are those of `AsyncDriver.send`."""
        return bool((await self.driver.send(self._event(event, payload))).rows)

    def __getattr__(self, name: str) -> Any:
        return self._named(name, self.trigger)


def alone(spec: Machine | Path | str, parameters: Mapping[str, float] | None = None) -> Node:
    """The node of one machine on the only host. Errors: `SpecError`."""
    settings = dict(parameters or {})
    if isinstance(spec, Machine):
        machine = spec
        settings = {name: float(value) for name, value in machine.parameters.items()} | settings
    else:
        root, names = located(Path(spec))
        library = Library(root, settings)
        if len(names) != 1:
            raise SpecError(
                library.machine(names[0]).at, f"this is one of {len(names)} machines; name one file", "no-spec"
            )
        machine, settings = library.machine(names[0]), library.parameters()
    if machine.instance is not None:
        message = f"it has an instance for each {machine.instance}; make a Node with instances"
        raise SpecError(machine.at, message, "no-instance")
    return Node([machine], 0, 1, {}, settings)


def _ask(operation: Operation) -> Outcome:
    raise _Asks
