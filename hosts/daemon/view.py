"""One finished read: what it shows (`View`), and the same in the words of `specs/ports/statefile.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from fsm.language.domains import Value
from hosts.daemon.layout import MarkWord, PoolState

Hosts = frozenset[int]
NOBODY: Hosts = frozenset()
WORDS = {
    PoolState.NONE: "init",
    PoolState.INIT: "init",
    PoolState.ACTIVE: "active",
    PoolState.INVALID: "invalid",
}
STATES = {"init": PoolState.INIT, "active": PoolState.ACTIVE, "invalid": PoolState.INVALID}


@frozen(kw_only=True)
class View:
    """What one finished read shows, together with the ages taken when it started. All sets leave out this host.

    Arguments:
        silent: D had passed on both channels when the read started, and the record is unchanged.
        reborn: a record or heartbeat of a higher incarnation than the listed one.
        bye: left, by its record or message.
        obits: declared dead by its supervisor, on disk or by message, as far as known when the read started.
        gone: any of these four.
        fresh: hosts whose record has been seen to change within D.
        joining: fresh hosts whose record says that they join.
        joiners: those of them that are not listed yet and exchange heartbeats with this host both ways.
        online: fresh hosts whose record says that they are live.
        closure: everybody in the livesets of the online hosts, of their members, and so on.
        lists_me: hosts that list this incarnation of this host: live ones, and joiners in the liveset they hope for.
        mutual: hosts that exchange heartbeats with this host both ways.
        excluded: hosts that are excluded (this one may be among them).
        ruled_out: the verdict of my decider lacks me, or another daemon runs under my name.
        decided: the verdict that holds: my decider's, or the one this host holds.
        split: of those who may stay, somebody misses somebody.
        settled: the split is symmetric, and the same for the settle time.
        verdict: the largest set of those who may stay that all hear each other.
        askers: members that ask for the master lock.
        granted: members, this host included, that grant its current request.
        grant_void: the grantee is no member any more, or has withdrawn the request that was granted.
        holder: the member whose request everybody in the liveset grants.
        pool, mark: pool state and master mark in force.
    """

    silent: Hosts
    reborn: Hosts
    bye: Hosts
    obits: Hosts
    fresh: Hosts
    joining: Hosts
    joiners: Hosts
    online: Hosts
    closure: Hosts
    lists_me: Hosts
    mutual: Hosts
    excluded: Hosts
    ruled_out: bool
    decided: Hosts
    split: bool
    settled: bool
    verdict: Hosts
    askers: Hosts
    granted: Hosts
    grant_void: bool
    holder: int | None
    pool: PoolState
    mark: MarkWord

    @property
    def gone(self) -> Hosts:
        """Whoever is silent, reborn, has left or is declared dead."""
        return self.silent | self.reborn | self.bye | self.obits


def first_joiner(me: int, joining: Hosts, excluded: Hosts, everybody: Hosts) -> int | None:
    """The joiner that may form a liveset: the lowest that is not excluded, or the lowest if all hosts are.

    An excluded host has left while others went on, so what it knows of the pool is old; it may form one only when
    there can be nobody who knows more.
    """
    joiners = joining | {me}
    return min(joiners if everybody <= excluded else joiners - excluded, default=None)


def payload(view: View, me: int, n: int, live: Hosts) -> Mapping[str, Value]:
    """The payload of `statefile.seen`.

    Arguments:
        view: the read.
        me, n: this host, and how many are configured.
        live: the liveset that this host held when the read ended.
    """
    everybody = frozenset(range(n))
    askers = view.askers - view.gone
    asker = min(askers, default=None)
    return {
        "pool": WORDS[view.pool],
        "excluded": me in view.excluded,
        "online": bool(view.online),
        "closure": view.closure,
        "listed": view.closure <= view.lists_me,
        "absent": everybody - view.joining - {me},
        "gone": view.gone,
        "first": first_joiner(me, view.joining, view.excluded, everybody),
        "joiners": view.joiners,
        "mutual": view.mutual,
        "ruled_out": view.ruled_out,
        "deciding": me == min(live, default=None),
        "decided": view.decided,
        "split": view.split,
        "settled": view.settled,
        "verdict": view.verdict,
        "asker": asker,
        "preempted": asker is not None and asker < me,
        "granted": view.granted,
        "void": view.grant_void,
        "taken": view.holder not in (None, me) and view.holder not in view.gone,
    }
