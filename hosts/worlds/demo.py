"""The world of a pool in which all machines of an agent run: `hosts.worlds.pool` with the plans and terms that the
stories about safety do without.

A survey of the planner finds that another failure would be survived, or that it would not. Terms are small numbers
that go up with a planned change of master: whoever opens the database says of which reign it holds itself to be
master, and keeps it where it is not behind. A failover has a term of its own, too, where `reigns` says so: only hosts
outside of the liveset look at it. An operator's seizure of the database is left out.
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
    """The world of `n` hosts.

    Arguments: as of `PoolWorld`, and
        reigns: so many takeovers of the database have a term of their own.
    """

    reigns: int = 0

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
            act = partial(_of_term, source.act, self.reigns)
            yield evolve(source, of=(*source.of, places.shared), act=act) if told else source
        yield Source((places.power(host),), (host,), partial(_of_planner, host), "planner", True)


def _opened(w: Parts, place: int, reign: int) -> Parts:
    """A master opens the database, as the one of a reign."""
    return put(w, place, evolve(w[place], term=max(w[place].term, reign)))


def _of_term(
    act: Callable[[Parts, Pending], Iterable[Then]], reigns: int, w: Parts, pending: Pending
) -> Iterator[Then]:
    """What the database answers, with the newest term in it: that of this reign, where one begins."""
    place = places_of(w).shared
    for then in act(w, pending):
        action, event = then.action, then.action.event
        if event is not None and event.name == "database.ok":
            term = w[place].term
            if term < reigns and (event.machine, "database.take_over") in pending[action.host or 0]:
                term += 1
            after = put(action.world, place, evolve(w[place], term=term))
            then = evolve(then, action=evolve(action, event=evolve(event, payload={"term": term}), world=after))
        yield then


def _of_planner(host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """Another failure would be survived, or not."""
    for machine, name in asked(w, host, pending, "planner"):
        for outcome in ("covered", "short"):
            yield ended(host, machine, "planner", name, outcome, w)
