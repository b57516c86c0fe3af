"""Machines that are asked everything twice, as worlds are (`fsm.explore.answers`): once as they are, once under other
names.

Of the language of rows hardly anything tells hosts apart. `me`, sets, `one`, `the`, `size`, equality and membership are
the same whatever hosts are called; no number is a host, and a row names no instance; timers and what a machine waits
for depend on its state alone; an operator may send every payload. What is left is `lowest`, which is harmless where its
set has one member; an initial value that is a host, which a restart brings back; and the order in which one turn tells
the instances of a machine something. What such a turn assigns has to be the same in any order; so has what a world
makes of its effects, which is asked to take them in every order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from fsm.engine.turn import Event, Turn
from fsm.errors import SpecError
from fsm.explore.answers import CheckedWorld, Different, Keyed, Kind, Questions, exchanged, told
from fsm.explore.joint import Joint, Local
from fsm.explore.renaming import Renaming
from fsm.explore.system import System
from fsm.language.expressions import Expr
from fsm.language.spec import Row

Pool = tuple[Any, ...]
LOWEST = re.compile(r"\blowest\b")


class CheckedJoint(Joint):
    """The nodes and the world of a system, the answers of which are compared.

    Arguments:
        system: the system; its world has `permuted`.
        exchanges: of two hosts, or of two names.
        tour: indices of exchanges that lead through all permutations.
    """

    def __init__(self, system: System, exchanges: Sequence[Renaming], tour: Sequence[int]) -> None:
        super().__init__(system)
        self.questions = Questions(exchanges, tour)
        self.checked = CheckedWorld(self.world, self.questions, system.world.at, str(system.world.value))
        self.world = self.checked
        self._turns = Kind("turn", self._turning, self._turned, self._after)
        self._reboots = Kind(
            "restart", super().reboot, lambda to, host, local: (to.host(host), to.local(local)),
            lambda to, _, local: to.local(local),
        )  # fmt: skip

    def turn(self, host: int, local: Local, pool: Pool, event: Event, view: Any) -> Turn:
        """One turn of a node. Errors: `SpecError` (not-symmetric) at a row."""
        self.questions.ask(self._turns, (host, local, pool, told(event), view), self._at_a_row)
        return super().turn(host, local, pool, event, view)

    def reboot(self, host: int, local: Local) -> Local:
        """The node of a host that has lost its memory. Errors: `SpecError` (not-symmetric) at a variable."""
        self.questions.ask(self._reboots, (host, local), self._at_a_variable)
        return super().reboot(host, local)

    def _turning(self, host: int, local: Local, pool: Pool, event: Keyed, view: Any) -> tuple[Any, ...]:
        turn = super().turn(host, local, pool, event.value, view)
        return turn.local, turn.pool, self.questions.wanted(turn.effects), turn.refused is None

    def _turned(self, to: Renaming, host: int, local: Local, pool: Pool, event: Keyed, view: Any) -> tuple[Any, ...]:
        heard = told(to.event(event.value))
        return to.host(host), to.local(local), to.pool(pool), heard, self.checked.seen(to, host, view)

    def _after(self, to: Renaming, _: Any, answer: tuple[Any, ...]) -> tuple[Any, ...]:
        local, pool, effects, done = answer
        return to.local(local), to.pool(pool), self.questions.wanted(to.effects(effects.value)), done

    def _at_a_row(self, found: Different) -> SpecError:
        to, rows = found.to, list[Row]()
        machine, _ = self.nodes[0].layout.instances[found.args_[3].value.machine]
        for host, local, pool, event, view in (found.args_, self._turned(to, *found.args_)):
            rows += [row.row for row, _, _ in super().turn(host, local, pool, event.value, view).rows]
            rows += machine.candidates(self.nodes[host].state(local, event.value.machine), event.value.name)
        ordering = [row for row in rows if any(LOWEST.search(text) for text in texts(row))]
        why = f"lowest() tells {exchanged(to)} apart" if ordering else f"it does not do the same for {exchanged(to)}"
        at, name = next(((row.at, row.id) for row in (*ordering, *rows)), (machine.at, machine.name))
        return SpecError(at, f"{name}: {why}; explore without symmetry", "not-symmetric")

    def _at_a_variable(self, found: Different) -> SpecError:
        layout = self.nodes[0].layout
        variable = next(
            variable
            for name, (machine, _) in layout.instances.items()
            for variable in machine.variables.values()
            if variable.store == "memory" and found.to.value(variable.domain, variable.initial) != variable.initial
        )
        message = f"{variable.name} is {variable.initial} after each restart, which tells {exchanged(found.to)} apart"
        return SpecError(variable.at, f"{message}; explore without symmetry", "not-symmetric")


def texts(row: Row) -> Iterator[str]:
    """The expressions of a row, as written."""
    if isinstance(row.guard, Expr):
        yield row.guard.text
    yield from (value.text for _, value in row.set)
    if row.do is not None:
        yield row.do.text
    yield from (tell.text for tell in row.tell)
    yield from (value.text for _, value in row.reply[1]) if row.reply is not None else ()
