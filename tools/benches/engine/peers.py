"""The contenders that are not ours: a step over a dict, written by hand, and three libraries as their manuals say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from tools.benches.engine.ring import CYCLE, EDGES, MOVES, STATES, Book

Candidate = tuple[Callable[[Book], bool], str, Callable[[Book], None]]


class Held:
    """What a dict step changes."""

    __slots__ = ("book", "state")

    def __init__(self) -> None:
        self.book, self.state = Book(), "s0"


TABLE: dict[tuple[str, str], list[Candidate]] = {
    (state, event): [(Book.open, target, Book.act)] for state, event, target in EDGES
}


def step(held: Held, event: str) -> bool:
    """What a good programmer writes instead of taking a library; the baseline of all figures."""
    for guard, target, action in TABLE[held.state, event]:
        if guard(held.book):
            held.state = target
            action(held.book)
            return True
    return False


@define(eq=False)
class DictStep:
    """The baseline."""

    held: Held = field(factory=Held)

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        held = self.held
        for _ in range(cycles):
            for event in CYCLE:
                step(held, event)

    def end(self) -> tuple[str, int]:
        """As `Contender`."""
        return self.held.state, self.held.book.actions


@define(eq=False)
class Transitions:
    """A stock `transitions.Machine`."""

    book: Book = field(factory=Book)
    machine: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        from transitions import Machine

        states = [{"name": state, "on_enter": [self.book.act]} for state in STATES]
        self.machine = Machine(states=states, initial="s0", auto_transitions=False)
        for state, event, target in EDGES:
            self.machine.add_transition(event, state, target, conditions=[self.book.open])

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        trigger = self.machine.trigger
        for _ in range(cycles):
            for event in CYCLE:
                trigger(event)

    def end(self) -> tuple[str, int]:
        """As `Contender`."""
        return self.machine.state, self.book.actions


@define(eq=False)
class Statemachine:
    """python-statemachine's `StateMachine`."""

    book: Book = field(factory=Book)
    machine: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        from statemachine import State, StateMachine

        states = {name: State(initial=name == "s0", enter=[self.book.act]) for name in STATES}
        body: dict[str, Any] = {**states}
        for move in MOVES:
            for state, event, target in EDGES:
                if event == move:
                    edge = states[state].to(states[target], cond=self.book.open)
                    body[move] = body[move] | edge if move in body else edge
        self.machine = type("Ring", (StateMachine,), body)()
        self.book.actions = 0  # it has entered the initial state

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        send = self.machine.send
        for _ in range(cycles):
            for event in CYCLE:
                send(event)

    def end(self) -> tuple[str, int]:
        """As `Contender`."""
        (state,) = self.machine.configuration
        return state.id, self.book.actions


@define(eq=False)
class Sismic:
    """sismic's `Interpreter`."""

    book: Book = field(factory=Book)
    interpreter: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        from sismic.interpreter import Interpreter  # type: ignore[import-untyped]
        from sismic.model import (  # type: ignore[import-untyped]
            BasicState,
            CompoundState,
            Statechart,
            Transition,
        )

        chart = Statechart("ring")
        chart.add_state(CompoundState("ring", initial="s0"), None)
        for state in STATES:
            chart.add_state(BasicState(state, on_entry="act()"), "ring")
        for state, event, target in EDGES:
            chart.add_transition(Transition(state, target, event=event, guard="open()"))
        self.interpreter = Interpreter(chart, initial_context={"open": self.book.open, "act": self.book.act})
        self.interpreter.execute()
        self.book.actions = 0  # it has entered the initial state

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        interpreter = self.interpreter
        for _ in range(cycles):
            for event in CYCLE:
                interpreter.queue(event).execute()

    def end(self) -> tuple[str, int]:
        """As `Contender`."""
        return self.interpreter.configuration[-1], self.book.actions
