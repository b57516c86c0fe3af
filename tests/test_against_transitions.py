"""Stock `transitions` and the engine, over chance definitions in the part of the language that both have.

Compared after every event: whether it was taken, refused by a guard, unknown in that state, or ignored; the state; the
variables; and every effect in its order, with the values that it saw. One difference is by design and stands here as
the `Between` transition: a row's own effects run between exit and entry, where stock machines run `before` ahead of
the exit and `after` behind the entry.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from transitions import Machine, MachineError, Transition
from transitions.extensions import HierarchicalMachine
from transitions.extensions.nesting import NestedTransition

from fsm.engine.node import Node
from fsm.engine.plan import Definition
from fsm.engine.turn import Event
from fsm.language.spec import SAME
from tests.chance_definitions import ELSE, TESTS, Book, Chart, Drawing, Edge, Logged

SLICES = 6
FLAT, MOVED, NESTED = 400, 60, 50  # definitions in each of the six slices
EVENTS = 12

Seen = tuple[str, str, bool, int, list[Logged], list[int], bool]
"""What came of an event, state, b, c, effects, operations, whether a final state was entered."""


class Between(Transition):
    """Runs a row's own effects between exit and entry, as we do."""

    def __init__(self, *args: Any, own: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own = own

    def _change_state(self, event_data: Any) -> None:
        machine = event_data.machine
        machine.get_state(self.source).exit(event_data)
        self.own()
        machine.set_state(self.dest, event_data.model)
        event_data.update(event_data.model.state)
        dest = machine.get_state(self.dest)
        dest.enter(event_data)
        if dest.final:
            machine.callbacks(machine.on_final, event_data)


class NestedBetween(NestedTransition):
    """The same among groups."""

    def __init__(self, *args: Any, own: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own = own

    def _change_state(self, event_data: Any) -> None:
        tree, exits, enters = self._resolve_transition(event_data)
        for leave in exits:
            leave()
        self.own()
        self._update_model(event_data, tree)
        for enter in enters:
            enter()


@define(eq=False)
class Stock:
    """The stock machine of a chart. `before`: row effects stand where that package has a place for them."""

    chart: Chart
    before: bool = False
    book: Book = field(factory=Book, init=False)
    paths: dict[str, str] = field(init=False)
    machine: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        nests = any(not isinstance(entry, str) for entry in self.chart.tree)
        between: Any = NestedBetween if nests else Between
        kind: Any = HierarchicalMachine if nests else Machine
        base: Any = NestedTransition if nests else Transition
        own = type("Own", (kind,), {"transition_cls": base if self.before else between})
        self.paths = dict(self.walk(self.chart.tree, ""))
        self.machine = own(
            states=[self.state(entry) for entry in self.chart.tree], initial=self.paths[self.chart.leaves[0]],
            auto_transitions=False, on_final=self.final,
        )  # fmt: skip
        for edge in self.chart.edges:
            self.add(edge)

    def walk(self, tree: Any, prefix: str) -> Iterator[tuple[str, str]]:
        """Every state and group, and what a nested machine calls it."""
        for entry in tree:
            name = entry if isinstance(entry, str) else entry[0]
            yield name, prefix + name
            if not isinstance(entry, str):
                yield from self.walk(entry[1], f"{prefix}{name}_")

    def state(self, entry: Any) -> dict[str, Any]:
        """A state with its hooks and children."""
        name, children = (entry, ()) if isinstance(entry, str) else entry
        hooks = {f"on_{k}": [self.act(f"{k}_{name}")] for k in ("enter", "exit") if f"{k}_{name}" in self.chart.hooks}
        data = {"name": name, "ignore_invalid_triggers": name in self.chart.lenient, **hooks}
        if children:
            return {**data, "children": [self.state(child) for child in children]}
        return {**data, "final": name in self.chart.final}

    def add(self, edge: Edge) -> None:
        """A row as a transition; `=` where it leads back to the one state it leaves."""
        sources: Any = "*" if edge.sources == ("*",) else [self.paths[source] for source in edge.sources]
        dest = "=" if (edge.target,) == edge.sources else edge.target and self.paths[edge.target]
        own = self.act(edge.tag, edge)
        conditions = [] if edge.test == ELSE else [self.test((name,)) for name in edge.test]
        unless = [self.test(other) for other in edge.others]
        place = {"before": [own]} if self.before or dest is None else {"own": own}
        self.machine.add_transition(edge.event, sources, dest, conditions=conditions, unless=unless, **place)

    def act(self, name: str, edge: Edge | None = None) -> Any:
        """An effect: assigns, then writes down its name and what the variables are."""
        updates = edge.updates if edge else self.chart.hooks[name]

        def effect() -> None:
            self.book.assign(updates)
            self.book.log.append((name, self.book.c))
            if edge and edge.operation:
                self.book.operations.append(self.book.c)

        return effect

    def test(self, names: tuple[str, ...]) -> Any:
        """A conjunction as a condition; stock machines want a bool."""
        return lambda: all(TESTS[name](self.book) for name in names)

    def final(self) -> None:
        """A final state was entered."""
        self.book.finals += 1

    def send(self, event: str) -> Seen:
        """One event."""
        book = self.book
        book.log, book.operations, book.finals = [], [], 0
        state = self.machine.state
        try:
            taken = self.machine.trigger(event)
            known = taken or any(t.source == state for t in self.machine.get_transitions(event))
            result = "taken" if taken else "refused" if known else "ignored"
        except (MachineError, AttributeError):  # the latter for an event that has no transition anywhere
            result = "unknown"
        leaf = self.machine.state.rpartition("_")[2]
        if result == "unknown" and state in self.chart.lenient:
            result = "ignored"
        return result, leaf, book.b, book.c, book.log, book.operations, book.finals > 0


@define(eq=False)
class Ours:
    """The node of a chart."""

    node: Node
    local: tuple[Any, ...] = field(init=False)
    inside: set[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.local = self.node.boot()
        self.inside = {row.id for row in self.node.machines[0].rows if row.target == SAME}

    def send(self, event: str) -> Seen:
        """One event."""
        node, before = self.node, self.local
        state = node.state(before, "m")
        turn = node.step(before, (), Event("m", event))
        self.local = turn.local
        if turn.refused is not None:
            assert turn.local == before
            assert not turn.fired
        known = node.machines[0].candidates(state, event)
        result = "taken" if turn.fired else "ignored" if turn.refused is None else "refused" if known else "unknown"
        leaf = node.state(self.local, "m")
        b, c = (node.value(self.local, (), f"m.{name}") for name in "bc")
        log = [(s.name, s.arguments["c"]) for s in turn.effects.signals]
        operations = [o.arguments["c"] for o in turn.effects.operations]
        entered = bool(turn.fired) and turn.fired[-1].row not in self.inside and leaf in node.machines[0].final
        return result, leaf, b, c, log, operations, entered


def agree(chart: Chart, random: Random, events: int = EVENTS) -> set[str]:
    """Sends chance events to both; they must be seen to do the same. The results that occurred."""
    ours, stock, results = Ours(chart.node()), Stock(chart), set[str]()
    for _ in range(events):
        event = random.choice(chart.events)
        seen = ours.send(event)
        assert seen == stock.send(event), event
        results.add(seen[0])
    return results


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Stock machines warn of every event that they ignore."""
    caplog.set_level(logging.ERROR, "transitions")


@pytest.mark.parametrize("slice_", range(SLICES))
def test_chance_definitions_do_the_same(slice_: int) -> None:
    """Guards, internal and reflexive rows, lists and `*`, entry, exit and row effects, final and lenient states."""
    results = set[str]()
    for seed in range(FLAT):
        random = Random(f"flat {slice_} {seed}")
        results |= agree(Drawing(random).chart(), random)
    assert results == {"taken", "refused", "unknown", "ignored"}


@pytest.mark.parametrize("slice_", range(SLICES))
def test_nested_definitions_do_the_same(slice_: int) -> None:
    """Groups are left innermost first and entered outermost first, and only those that are really left or entered."""
    results = set[str]()
    for seed in range(NESTED):
        random = Random(f"nested {slice_} {seed}")
        results |= agree(Drawing(random, nests=True).chart(), random)
    assert results == {"taken", "unknown"}


@pytest.mark.parametrize("slice_", range(SLICES))
def test_a_stock_machine_runs_a_rows_own_effects_before_the_exit(slice_: int) -> None:
    """The one documented difference, and nothing else: with exits that set nothing, only that place differs."""
    for seed in range(MOVED):
        random = Random(f"moved {slice_} {seed}")
        chart = Drawing(random, quiet=True).chart()
        ours, stock = Ours(chart.node()), Stock(chart, before=True)
        for _ in range(EVENTS):
            event = random.choice(chart.events)
            (*mine, log, operations, entered), (*theirs, stock_log, stock_operations, final) = (
                machine.send(event) for machine in (ours, stock)
            )
            assert (mine, operations, entered) == (theirs, stock_operations, final)
            exits = [name for name, _ in stock_log if name.startswith("exit")]
            rest = [entry for entry in stock_log if not entry[0].startswith("exit")]
            assert [name for name, _ in stock_log[1 : 1 + len(exits)]] == exits
            assert [name for name, _ in log] == [*exits, *(name for name, _ in rest)]
            assert log[len(exits) :] == rest


def test_the_definition_lists_what_the_stock_machine_lists() -> None:
    """`plan.Definition` is a transitions machine: the same events, sources, targets and order of candidates."""
    for seed in range(100):
        chart = Drawing(Random(f"listed {seed}")).chart()
        definition = Definition(chart.node().machines[0])
        assert listed(definition) == listed(Stock(chart).machine)


def listed(machine: Any) -> dict[tuple[str, str], list[str | None]]:
    """The targets of each (event, state), in the order in which they are tried."""
    return {
        (name, state): [transition.dest for transition in found]
        for name, event in machine.events.items()
        for state, found in event.transitions.items()
        if found
    }


@settings(max_examples=40, deadline=None, database=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_a_difference_would_shrink(random: Random, nests: bool) -> None:
    """The same comparison, drawn by Hypothesis, so that a difference is shown on a small machine."""
    agree(Drawing(random, nests=nests).chart(), random, events=6)
