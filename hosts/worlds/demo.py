"""The world of a pool in which all machines of an agent run: `hosts.worlds.pool` with the plans and terms that the
stories about safety do without.

A survey of the planner finds that another failure would be survived, or that it would not. Terms are small numbers
that go up with a planned change of master: whoever opens the database says of which reign it holds itself to be
master, and keeps it where it is not behind. That a failover has a term of its own, too, is left out: no call outlives
its caller here. So is an operator's seizure of the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from attrs import define, evolve

from fsm.engine.turn import Effects, Operation
from fsm.explore.parted import Parts, Source, Then, Update
from fsm.explore.world import Pending
from fsm.language.domains import Value
from hosts.worlds.handover import order_of_terms
from hosts.worlds.pool import PoolWorld
from hosts.worlds.pool_answers import asked
from hosts.worlds.pool_moves import ended, put
from hosts.worlds.pool_state import places_of


@define(eq=False)
class DemoWorld(PoolWorld):
    """The world of `n` hosts; arguments as of `PoolWorld`."""

    def read(self, view: Any, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """Terms are compared without looking at anything; all else as in a pool."""
        return order_of_terms(operation) if operation.port == "terms" else super().read(view, host, operation)

    def _updates(self, host: int, effects: Effects) -> Iterator[Update]:
        yield from super()._updates(host, effects)
        shared = self._places.shared
        for operation in effects.operations:
            if (operation.port, operation.name) == ("database", "take_over"):
                yield Update((shared,), _opened, (shared, operation.arguments["reign"]))

    def _answers(self, host: int) -> Iterator[Source]:
        places = self._places
        for source in super()._answers(host):
            told = source.port == "database"
            yield evolve(source, of=(*source.of, places.shared), act=partial(_of_term, source.act)) if told else source
        yield Source((places.power(host),), (host,), partial(_of_planner, host), "planner", True)


def _opened(w: Parts, place: int, reign: int) -> Parts:
    """A master opens the database, as the one of a reign."""
    return put(w, place, evolve(w[place], term=max(w[place].term, reign)))


def _of_term(act: Callable[[Parts, Pending], Iterable[Then]], w: Parts, pending: Pending) -> Iterator[Then]:
    """What the database answers, with the newest term in it."""
    term = w[places_of(w).shared].term
    for then in act(w, pending):
        event = then.action.event
        if event is not None and "term" in event.payload:
            then = evolve(then, action=evolve(then.action, event=evolve(event, payload={"term": term})))
        yield then


def _of_planner(host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """Another failure would be survived, or not."""
    for machine, name in asked(w, host, pending, "planner"):
        for outcome in ("covered", "short"):
            yield ended(host, machine, "planner", name, outcome, w)
