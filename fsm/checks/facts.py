"""What follows from the table of one machine: which states it can be in, and what can happen to it there.

The checks, the diagram and the page stand on the same facts. A machine is walked as pairs of a leaf state and the
served call that is under way (or none), from the initial state without a call, along every row whose event can come
there; guards are taken to be true. What can come in a pair:

- where the state waits for an instant operation: its outcomes, and nothing else, for they are consumed in the same
  step;
- else the machine's own events, the events of a port that come unasked if some row or ignore names them (naming one
  is what subscribes a machine), the outcomes of the pending operation, the timers that run;
- a served call while none is under way, and `cancel` while a call is under way that another call may cancel.

A deferred event comes like any other: that it is kept for a later state changes nothing of what that state must expect.

Left out: which guards can be true together with which state (that is exploration, not a check).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define, field

from fsm.errors import Place
from fsm.language.document import Item
from fsm.language.expressions import OPAQUE
from fsm.language.load import Library
from fsm.language.spec import SAME, Do, Fields, Hook, Machine, Row

Call = str | None
CANCEL = "cancel"


@define(eq=False)
class Facts:
    """The facts of one machine, each computed once.

    Arguments:
        machine: the loaded machine.
        library: where it was loaded from; it knows the places of states and events.
    """

    machine: Machine
    library: Library
    pairs: set[tuple[str, Call]] = field(init=False)
    reachable: tuple[str, ...] = field(init=False)
    subscribed: tuple[str, ...] = field(init=False)
    _table: dict[tuple[str, str], tuple[Row, ...]] = field(factory=dict, init=False)
    _pending: dict[str, Do | None] = field(factory=dict, init=False)
    _awaited: dict[str, tuple[str, ...]] = field(factory=dict, init=False)
    _calls: dict[str, list[Call]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        machine = self.machine
        named = {row.event for row in machine.rows}
        named |= {event for passed in (*machine.ignores, *machine.defers) for event in passed.events}
        unasked = [f"{port.name}.{event}" for port in machine.ports.values() for event in port.events]
        self.subscribed = tuple(event for event in unasked if event in named)
        for state in machine.states:
            own = [row for row in machine.rows if state in row.sources]
            for event in dict.fromkeys(row.event for row in own):
                rows = [row for row in own if row.event == event]
                deepest = max(row.depth for row in rows)
                self._table[state, event] = tuple(row for row in rows if row.depth == deepest)
            self._pending[state] = machine.pending(state)
        self.pairs = self._walk()
        found = {state for state, _ in self.pairs}
        self.reachable = tuple(state for state in machine.states if state in found)

    def rows(self, state: str, event: str) -> tuple[Row, ...]:
        """The rows that may fire for an event in a leaf state."""
        return self._table.get((state, event), ())

    def groups(self) -> Iterator[tuple[str, str, tuple[Row, ...]]]:
        """Every (leaf state, event) that can come there and has rows."""
        for state in self.reachable:
            calls = self.calls(state)
            for event in dict.fromkeys(e for call in calls for e in self.coming(state, call)):
                if rows := self.rows(state, event):
                    yield state, event, rows

    def calls(self, state: str) -> list[Call]:
        """The served calls that can be under way in a state; None where it can be free."""
        if state not in self._calls:
            self._calls[state] = sorted((call for s, call in self.pairs if s == state), key=str)
        return self._calls[state]

    def pending(self, state: str) -> Do | None:
        """The operation that a state waits for."""
        return self._pending[state]

    def operation(self, do: Do) -> str:
        """How an operation is waited for: its name, and `each` or `at` where it goes to hosts."""
        return ("each " if do.joined else "at(…) " if do.targets else "") + do.name

    def instant(self, do: Do | None) -> bool:
        """Whether an operation is answered in the same step."""
        return do is not None and self.machine.ports[do.port].operations[do.operation].instant

    def outcomes(self, do: Do) -> tuple[str, ...]:
        """The events that may end an operation. A call to one host may also be `lost`; a fan-out is joined."""
        if do.joined:
            return "all_ok", "some_failed"
        declared = self.machine.ports[do.port].operations[do.operation]
        lost = ("lost",) if declared.to_host and "lost" not in declared.outcomes else ()
        return tuple(f"{do.port}.{outcome}" for outcome in (*declared.outcomes, *lost))

    def awaited(self, state: str) -> tuple[str, ...]:
        """The outcomes that can come in a state: of what it waits for, and of what is asked and answered there."""
        if state not in self._awaited:
            asked = [row.do for row in self.machine.rows if row.target == SAME and state in row.sources]
            asked = [do for do in asked if self.instant(do)]
            found = [outcome for do in (self.pending(state), *asked) if do is not None for outcome in self.outcomes(do)]
            self._awaited[state] = tuple(dict.fromkeys(found))
        return self._awaited[state]

    def passing(self, state: str) -> bool:
        """Whether a machine only passes through a state: it waits for an instant operation."""
        return self.instant(self.pending(state))

    def coming(self, state: str, call: Call) -> Iterator[str]:
        """The events that can come while the machine is in a state with that call under way."""
        machine = self.machine
        yield from self.awaited(state)
        if self.passing(state):
            return
        yield from machine.events
        yield from self.subscribed
        yield from dict.fromkeys(row.event for row in machine.timers(state))
        if call is None:
            yield from machine.serves
        elif machine.serves[call].cancelled_by:
            yield CANCEL

    def hooks(self, row: Row, state: str) -> tuple[tuple[Hook, ...], tuple[Hook, ...]]:
        """The exit and the entry effects that a row runs when it fires in a leaf state, in their order."""
        return hooks(self.machine, row, state)

    def after(self, row: Row, state: str, event: str, call: Call) -> tuple[str, Call]:
        """Where a row leads, and the call that is then under way."""
        under_way = event if event in self.machine.serves else call
        return (state if row.target == SAME else row.target), None if row.reply else under_way

    def _walk(self) -> set[tuple[str, Call]]:
        start: tuple[str, Call] = (self.machine.initial, None)
        found, waiting = {start}, [start]
        while waiting:
            state, call = waiting.pop()
            for event in self.coming(state, call):
                for row in self.rows(state, event):
                    pair = self.after(row, state, event, call)
                    if pair not in found:
                        found.add(pair)
                        waiting.append(pair)
        return found

    def place(self, key: str, name: str) -> Place:
        """Where a name stands under a key of the machine's file: `place("states", "idle")`."""
        top = self.library.machine_document(self.machine.name).mapping("a machine")
        item = top.get(key)
        return (item and _find(item, name)) or self.machine.at


def _find(item: Item, name: str) -> Place | None:
    """The place of a value, or of what stands under a key, at any depth."""
    if isinstance(item.value, list):
        return next((place for child in item.value if (place := _find(child, name))), None)
    if isinstance(item.value, Mapping):
        for key, child in item.value.items():
            if place := child.at if key == name else _find(child, name):
                return place
        return None
    return item.at if item.value == name else None


def hooks(machine: Machine, row: Row, state: str) -> tuple[tuple[Hook, ...], tuple[Hook, ...]]:
    """The exit and the entry effects that a row of a machine runs when it fires in a leaf state, in their order."""
    left = (machine.exit[name] for name in machine.left(state, row.target) if name in machine.exit)
    entered = (machine.enter[name] for name in machine.entered(state, row.target) if name in machine.enter)
    return tuple(left), tuple(entered)


def payload(machine: Machine, event: str) -> Fields:
    """The fields that an event carries; empty for timers, `cancel` and calls that were lost."""
    if event in machine.events:
        return machine.events[event]
    if event in machine.serves:
        port, _, operation = event.partition(".")
        return machine.ports[port].operations[operation].arguments
    return machine.outcome_fields(event) or {}


def scope(facts: Facts, event: str) -> Fields:
    """The domain of every name that the rows of an event may use."""
    machine = facts.machine
    names = {name: variable.domain for name, variable in machine.variables.items()} | dict(machine.siblings)
    if machine.instance:
        names[machine.instance] = OPAQUE
    return names | dict(payload(machine, event))


def reply_fields(machine: Machine, outcome: str) -> Fields:
    """The fields of an outcome that a row may reply. The loader merges the calls served here in the same way."""
    fields: Fields = {}
    for call in machine.serves:
        port, _, operation = call.partition(".")
        fields = machine.ports[port].operations[operation].outcomes.get(outcome, fields)
    return fields
