"""The table of one machine, held by a `transitions.Machine`, and the plan compiled from it.

`Definition` is a stock `transitions` machine without a model: states and transitions can be listed, drawn and
extended with everything that package knows. Its dispatch costs some forty times a dictionary look-up and may run
callbacks before it finds that there is no way on, so events do not go through it: `compile_rows` reads the same
transitions once and gives, for each (state, event), the rows that may fire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transitions import Machine as TransitionsMachine
from transitions import Transition

from fsm.language.spec import SAME, Machine, Row


class RowTransition(Transition):
    """A transition that knows the row of the spec it stands for."""

    def __init__(self, *args: Any, row: Row, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row


class Definition(TransitionsMachine):
    """A machine of a spec as a `transitions.Machine`: one transition for each row and leaf state it leaves.

    Arguments:
        machine: the loaded spec.
    """

    transition_cls = RowTransition

    def __init__(self, machine: Machine) -> None:
        super().__init__(
            model=None,
            states=list(machine.states),
            initial=machine.initial,
            auto_transitions=False,
            model_attribute="",  # which no event may be called; there is no model, and `state` is a good name
        )
        for state in machine.states:
            for event in dict.fromkeys(row.event for row in machine.rows):
                for row in machine.candidates(state, event):
                    dest = None if row.target == SAME else row.target
                    self.add_transition(event, state, dest, row=row)

    def table(self) -> Mapping[tuple[str, str], tuple[Row, ...]]:
        """The rows that may fire, in the order of the file, for each (leaf state, event) that has any."""
        table: dict[tuple[str, str], tuple[Row, ...]] = {}
        for name, event in self.events.items():
            # .get and items() only: indexing this defaultdict with an unknown state would make that a valid source
            for state, transitions in event.transitions.items():
                table[state, name] = tuple(t.row for t in transitions if isinstance(t, RowTransition))
        return table
