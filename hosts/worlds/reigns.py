"""The world of a pool in which two hosts may hold themselves to be master: `hosts.worlds.pool` with the redo log's say.

Of the redo log no more is told than who has claimed it last. A host that has a liveset claims it whoever that was. One
without is superseded where that was another host: then another has reigned since it was master itself. So no term need
be told: what a host knows of reigns here is what it has claimed.

A host whose log another one has claimed writes no more, and no host that has heard of the other obeys it. Its agent
ends at its first write or its first order, and starts again. When that is, is open here; until then what it writes and
orders counts, which is more than happens in truth. Where calls are prompt it ends at once.

A world is that of a pool with one part more. What it shares with the other knows nothing of this part.

Left out: a log that fails (`hosts.worlds.handover`), terms of calls, an operator's seizure of the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from attrs import define, evolve, frozen

from fsm.engine.turn import Effects
from fsm.explore.parted import Parts, Source, Then, Update
from fsm.explore.renaming import Renaming
from fsm.explore.world import Action, Pending
from fsm.language.domains import Value
from hosts.worlds import pool_moves as moves
from hosts.worlds.daemon import NOBODY
from hosts.worlds.pool import PoolWorld
from hosts.worlds.pool_answers import forgets
from hosts.worlds.pool_faults import BOOT
from hosts.worlds.pool_moves import ended, put
from hosts.worlds.pool_state import PoolState

Act = Callable[[Parts, Pending], Iterable[Then]]


@frozen(cache_hash=True)
class Claims:
    """Who has claimed the redo log.

    Arguments:
        owner: who did it last.
        reigning: the hosts whose agents have done it since they started.
        alone: the hosts that are about to, and have no liveset.
    """

    owner: int | None = None
    reigning: frozenset[int] = NOBODY
    alone: frozenset[int] = NOBODY

    def claimed(self, host: int) -> Claims:
        """A host has claimed it."""
        return Claims(host, self.reigning | {host}, self.alone - {host})

    def superseded(self, host: int) -> Claims:
        """A host does not get it."""
        return evolve(self, alone=self.alone - {host})

    def begun(self, host: int, alone: bool) -> Claims:
        """A host is about to claim it."""
        return evolve(self, alone=self.alone | {host} if alone else self.alone - {host})

    def gone(self, hosts: Iterable[int]) -> Claims:
        """Their agents are gone."""
        return evolve(self, reigning=self.reigning - {*hosts}, alone=self.alone - {*hosts})


@define(eq=False)
class ReignsWorld(PoolWorld):
    """The world of `n` hosts; arguments as of `PoolWorld`."""

    @property
    def claims(self) -> int:
        """Where the claims are."""
        return 4 * self.n + 2

    def initial(self) -> Iterator[PoolState]:
        """That of a pool, whose log nobody has claimed."""
        for w in super().initial():
            yield PoolState((*w, Claims()))

    def permuted(self, w: Parts, to: Renaming) -> PoolState:
        """The same with other names for hosts and VMs."""
        was: Claims = w[self.claims]
        renamed = Claims(to.host(was.owner), to.hosts_of(was.reigning), to.hosts_of(was.alone))
        return PoolState((*super().permuted(w[:-1], to), renamed))

    def state_facts(self, w: Parts) -> Mapping[str, Value]:
        """Those of a pool."""
        return super().state_facts(w[:-1])

    # -- in parts

    def _updates(self, host: int, effects: Effects) -> Iterator[Update]:
        yield from map(_beside, super()._updates(host, effects))
        for operation in effects.operations:
            if (operation.port, operation.name) == ("database", "take_over"):
                yield Update((self.claims,), _changed, (self.claims, "begun", host, not operation.arguments["live"]))

    def _all_sources(self) -> Iterator[Source]:
        for source in super()._all_sources():
            if source.port == "database":
                yield evolve(source, of=(*source.of, self.claims), act=partial(self.database, source.act))
            else:
                yield evolve(source, act=partial(self.of_pool, source.act))
        for host in range(self.n):
            yield Source((self.claims,), (), partial(self.overruled, host))

    def of_pool(self, act: Act, w: Parts, pending: Pending) -> Iterator[Then]:
        """What may happen in a pool. With an agent goes what it holds of its reign."""
        for then in act(w[:-1], pending):
            updates, gone = map(_beside, then.updates), then.action.restart
            end = (Update((self.claims,), _changed, (self.claims, "gone", gone)),) if gone else ()
            yield Then(evolve(then.action, world=(*then.action.world, w[-1])), (*updates, *end))

    def database(self, act: Act, w: Parts, pending: Pending) -> Iterator[Then]:
        """How a pending operation of the database may end."""
        claims: Claims = w[self.claims]
        for then in self.of_pool(act, w, pending):
            event, host = then.action.event, then.action.host
            assert event is not None
            assert host is not None
            if (event.machine, "database.take_over") not in pending[host]:
                yield then
            elif host in claims.alone and claims.owner not in (None, host):
                lost = put(w, self.claims, claims.superseded(host))
                yield ended(host, event.machine, "database", "take_over", "superseded", lost)
            else:
                yield evolve(then, action=evolve(then.action, world=put(w, self.claims, claims.claimed(host))))

    def overruled(self, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
        """An agent ends whose log another host has claimed, and starts again."""
        claims: Claims = w[self.claims]
        if host in claims.reigning - {claims.owner}:
            places = self._places
            own = places.power(host), places.guests(host)
            lost = _beside(Update(own, moves.agent_restarted, own)), _beside(forgets(places, host))
            after = put(w, self.claims, claims.gone((host,)))
            label = f"the agent of host {host} restarts, for its reign is over"
            yield Then(Action(label, after, None, host, BOOT, (host,), self.prompt), lost)


def _beside(update: Update) -> Update:
    """A change of a pool, beside the claims."""
    return Update(update.of, _pool_changed, (update.by, update.args))


def _pool_changed(w: Parts, by: Callable[..., Parts], args: tuple[Any, ...]) -> Parts:
    return (*by(w[:-1], *args), w[-1])


def _changed(w: Parts, place: int, how: str, *args: Any) -> Parts:
    """A method of `Claims`, by name."""
    return put(w, place, getattr(w[place], how)(*args))
