"""Tests of a user's adapter: a machine of Hypothesis drives a node with events, and its operations with the adapter.

    TestLock = adapter_machine(node, lambda: {"lock": MyLock()}).TestCase

What an adapter must keep stands in `fsm.testing.performing`. A failing run is shrunk to the fewest events, and shown as
a golden trace in which the outcomes are those that the adapter gave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from fsm.engine.node import Node
from fsm.engine.turn import Event, Turn
from fsm.language.spec import Machine
from fsm.testing import stories
from fsm.testing.performing import ERRORS, PATIENCE, AdapterFault, Performer
from fsm.testing.stories import Samples, Story, Teller
from fsm.testing.strategies import node_of

NUMBERS = st.integers(0, 2**20 - 1)


class AdapterMachine(RuleBasedStateMachine):
    """The machine that `adapter_machine` makes classes of: events come from outside, operations answer."""

    node: ClassVar[Node]
    samples: ClassVar[Samples]
    new_performer: ClassVar[Callable[[Node], Performer]]

    def __init__(self) -> None:
        super().__init__()
        self.story = Story(self.node)
        kinds = [kind for kind in stories.vocabulary(self.node) if not kind.outcome]
        self.teller = Teller(self.node, self.samples, tuple(kinds))
        stories.LAST[:] = [self.story]
        self.performer = type(self).new_performer(self.node)

    @rule(number=NUMBERS)
    def goes_on(self, number: int) -> None:
        """An operation answers if the number is odd, else something happens.

        One rule for both and without preconditions: only where all steps are alike does Hypothesis cut out any of them.
        """
        if self.performer.underway and (number % 2 or not self.teller.kinds):
            self.answers(number // 2)
        elif self.teller.kinds:
            self.happens(number // 2)

    def happens(self, number: int) -> None:
        """An event, a served call, something unasked, or a timer."""
        event = self.teller.event(self.story, number)
        if event is not None:
            self.turn(event[0])

    def answers(self, number: int) -> None:
        """An operation that is under way ends, as the adapter says."""
        waiting = list(self.performer.underway)
        self.turn(self.performer.answer(waiting[number % len(waiting)]))

    def turn(self, event: Event) -> Turn:
        """One turn, and what it wants done."""
        turn = self.story.happen(event, self.performer.read)
        if turn.refused is not None:
            raise AdapterFault(f"the machines have no answer: {turn.refused}")
        self.performer.take(turn.effects)
        return turn

    def teardown(self) -> None:
        """Whatever is under way is cancelled."""
        self.performer.close()


def adapter_machine(
    what: Node | Machine, make_adapter: Callable[[], Any], *, samples: Samples | None = None, n: int = 1,
    errors: tuple[type[Exception], ...] = ERRORS, patience: float = PATIENCE,
) -> type[AdapterMachine]:  # fmt: skip
    """A `RuleBasedStateMachine` that tests an adapter; its `TestCase` is what pytest and unittest run.

    >>> from fsm.testing.example import Lock, door
    >>> from hypothesis import settings
    >>> from hypothesis.stateful import run_state_machine_as_test
    >>> run_state_machine_as_test(adapter_machine(door(), Lock), settings=settings(max_examples=10))

    Arguments:
        what: the node that asks the adapter, or a machine alone, which is then put on host 0 of `n`.
        make_adapter: called for each run, inside its event loop; gives an `fsm.drivers.adapters.Adapter` for all
            ports, or a mapping with one for each port (`door_ports` of `fsm stubs`), or a context manager that gives
            one of these.
        samples: for opaque fields of events, by name, the values that they may have.
        errors: exceptions that the adapter may raise; `failure` must have an outcome for each of them.
        patience: seconds within which an operation answers, or ends once it is cancelled.
    """

    def new_performer(node: Node) -> Performer:
        return Performer(node, make_adapter, errors, patience)

    given = {"node": node_of(what, n), "samples": samples or {}, "new_performer": staticmethod(new_performer)}
    return type("AdapterMachine", (AdapterMachine,), {**given, "__module__": __name__})
