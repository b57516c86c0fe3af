"""What single operations bring about in the world of a pool, asked of it directly."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from fsm.engine.turn import Effects, Operation, Reply
from fsm.errors import Place
from fsm.explore.calls import Routes
from fsm.explore.world import Action
from hosts.worlds.daemon import LIVE, NOBODY, OFF, STARTING, Daemon, Daemons
from hosts.worlds.pool import PoolWorld
from hosts.worlds.pool_state import AWAKE, PoolState

ROUTES = Routes({"host.start_vm": ("guest", "vm")}, Place("test"))
ALL = frozenset({0, 1})


def pool(*faults: str) -> tuple[PoolWorld, PoolState]:
    """Two hosts with HA on, agents running; the VM runs on host 0."""
    world = PoolWorld(2, frozenset(), frozenset(faults), ROUTES, ha="on", running={"v": 0})
    (w,) = world.initial()
    return world, PoolState((AWAKE, AWAKE, *w[2:]))


def ways(world: PoolWorld, w: PoolState, host: int = 0, *pending: tuple[str, str]) -> dict[str, Action[PoolState]]:
    """What may happen, by label, while one host waits for something."""
    waits: Sequence[tuple[tuple[str, str], ...]] = [pending if h == host else () for h in range(2)]
    return {action.label: action for action in world.actions(w, waits)}


def asking(world: PoolWorld, w: PoolState, port: str, name: str, **arguments: bool) -> PoolState:
    """After a machine of host 0 asked for an operation."""
    return world.perform(w, 0, Effects(operations=(Operation("shutdown", port, name, arguments, None, False),)))


def excluding(w: PoolState, *hosts: int) -> PoolState:
    """With hosts that are excluded, their daemons gone."""
    d: Daemons = evolve(w.daemons, excluded=frozenset(hosts))
    for host in hosts:
        d = d.stopped(host)
    return w.with_daemons(d)


def test_exclusion_ends_the_daemon_and_stays_until_it_joins() -> None:
    """It needs the statefile and the pool state active."""
    world, w = pool()
    after = ways(world, w, 0, ("shutdown", "daemon.exclude"))["daemon.exclude of host 0: ok"].world
    assert after.daemons.daemons[0].phase == OFF
    assert world.state_facts(after)["excluded"] == {0}
    alone = ways(world, after)["host 0 leaves the liveset"].world
    back = ways(world, alone.with_daemons(alone.daemons.started(0)))["host 0 joins the liveset"].world
    assert world.state_facts(back)["excluded"] == NOBODY
    for blocked in (w.daemons.reached_by(frozenset({1})), evolve(w.daemons, state="init")):
        outcomes = ways(world, w.with_daemons(blocked), 0, ("shutdown", "daemon.exclude"))
        assert "daemon.exclude of host 0: failed" in outcomes
        assert "daemon.exclude of host 0: ok" not in outcomes


def test_an_excluded_host_forms_a_liveset_only_if_all_are() -> None:
    """Otherwise its start fails, once no host is there that may form one."""
    world, w = pool()
    starts = ("life", "daemon.start")
    lone = excluding(w, 0).with_daemons(excluding(w, 0).daemons.stopped(1).started(0))
    there = ways(world, lone, 0, starts)
    assert "daemon.start of host 0: failed" in there
    assert "host 0 forms a liveset" not in there
    both = lone.with_daemons(lone.daemons.started(1))
    assert both.daemons.those(STARTING) == ALL
    assert "host 1 forms a liveset" in ways(world, both, 0, starts)
    assert "daemon.start of host 0: failed" not in ways(world, both, 0, starts)
    last = excluding(w, 0, 1)
    formed = ways(world, last.with_daemons(last.daemons.started(0)))["host 0 forms a liveset"].world
    assert formed.daemons.excluded == {1}


def test_who_is_excluded_is_missed_by_nobody_without_the_statefile() -> None:
    """K5 counts the hosts that are not excluded."""
    world, w = pool()
    blind = w.with_daemons(w.daemons.stopped(1).reached_by(NOBODY))
    assert "host 0 is fenced" in ways(world, blind)
    left_out = excluding(w, 1)
    assert "host 0 is fenced" not in ways(world, left_out.with_daemons(left_out.daemons.reached_by(NOBODY)))


def test_stopping_all_ends_each_vm_and_calls_off_starts() -> None:
    """Only when nothing is left is it stopped; each end is told; it may fail."""
    world, w = pool()
    launching = world.perform(w, 0, Effects(operations=(Operation("guest[u]", "toolstack", "start", {"vm": "u"}),)))
    assert launching.launching == {(0, "u")}
    asked = asking(world, launching, "toolstack", "stop_all")
    assert not asked.launching
    waits = ("shutdown", "toolstack.stop_all")
    there = ways(world, asked, 0, waits)
    assert "toolstack.stop_all of host 0: failed" in there
    assert "toolstack.stop_all of host 0: stopped" not in there
    ends = there["v is stopped on host 0"]
    assert ends.event is not None
    assert (ends.event.machine, ends.event.name) == ("guest[v]", "toolstack.exited")
    assert "toolstack.stop_all of host 0: stopped" in ways(world, ends.world, 0, waits)


def test_a_host_goes_down_in_order_and_boots_only_if_it_was_told() -> None:
    """Without counting as a fault; it may also stay up."""
    world, w = pool()
    told = w
    for reboot, label in ((False, "host 0 goes down"), (True, "host 0 goes down to boot again")):
        told = asking(world, w, "power", "off", reboot=reboot)
        there = ways(world, told, 0, ("shutdown", "power.off"))
        assert "power.off of host 0: failed" in there
        down = there[label].world
        assert there[label].restart == (0,)
        assert 0 not in down.up
        assert down.daemons.daemons[0] == Daemon()
        assert ("host 0 boots as it was told" in ways(world, down)) == reboot
    cut = ways(world, told, 0, ("shutdown", "power.cut"))["host 0 is cut off from power"].world
    assert "host 0 boots as it was told" not in ways(world, cut)


def test_an_agent_that_restarts_forgets_what_the_host_was_told() -> None:
    """The order to boot again is its own."""
    world, w = pool("restart")
    told = asking(world, w, "power", "off", reboot=True)
    again = ways(world, told)["the agent of host 0 restarts"].world
    assert "host 0 goes down" in ways(world, again, 0, ("shutdown", "power.off"))


def test_a_wait_is_over_some_time() -> None:
    """Whatever its length."""
    world, w = pool()
    over = ways(world, w, 0, ("hold", "timer.wait"))["timer.wait of host 0: over"]
    assert over.event is not None
    assert over.event.name == "timer.over"


def test_a_vm_ends_by_itself_as_a_fault() -> None:
    """Where the fault is among those that may happen."""
    world, w = pool("exit")
    ends = ways(world, w)["v ends by itself on host 0"]
    assert (ends.fault, ends.world.running("v")) == ("exit", NOBODY)
    assert ends.world.daemons.those(LIVE) == ALL
    assert not any("ends by itself" in label for label in ways(*pool()))


def deaf(*pairs: tuple[int, int]) -> tuple[frozenset[int], ...]:
    """Of each of two hosts whom it does not hear; `(1, 0)`: host 1 does not hear host 0."""
    return tuple(frozenset(other for host, other in pairs if host == me) for me in range(2))


@pytest.mark.parametrize("pairs", [((0, 1),), ((1, 0),), ((0, 1), (1, 0))])
def test_one_of_two_hosts_that_lose_their_link_is_fenced(pairs: tuple[tuple[int, int], ...]) -> None:
    """Either, also where only one way is lost; and the one that is left stays."""
    world, w = pool()
    cut = PoolState((*w[:8], deaf(*pairs), w[-1]))
    there = ways(world, cut)
    assert {"host 0 is fenced", "host 1 is fenced"} <= there.keys()
    assert "host 1 leaves the liveset" not in there
    left = there["host 1 is fenced"].world
    assert "host 1 leaves the liveset" in ways(world, left)
    assert "host 0 is fenced" not in ways(world, left)


def test_a_verdict_keeps_a_largest_set() -> None:
    """Of three hosts the two that hear each other; of a chain its middle and one of its ends."""
    live = (Daemon(LIVE, frozenset({0, 1, 2})),) * 3
    daemons = Daemons(live, frozenset({0, 1, 2}), "active", 0, True, 0)
    one_off = evolve(daemons, deaf=(frozenset({1, 2}), NOBODY, NOBODY))
    chain = evolve(daemons, deaf=(frozenset({1}), NOBODY, NOBODY))
    assert (one_off.fenced(frozenset()), chain.fenced(frozenset())) == ([0], [0, 1])
    assert not one_off.fenced(frozenset({"K8"}))
    assert not evolve(one_off, statefile=frozenset({1, 2})).ruled_out()


def test_calls_are_lost_in_the_direction_in_which_nothing_is_heard() -> None:
    """A request that is not heard is lost; so is a reply, and a caller may give up meanwhile."""
    world, w = pool("cut")
    call = Operation("restart[v]", "host", "start_vm", {"vm": "v"}, (1,))
    sent = world.perform(w, 0, Effects(operations=(call,)))
    request = "host.start_vm from host 0 to host 1"
    assert {request, f"{request} is lost"} & ways(world, sent).keys() == {request}
    unheard = ways(world, sent)["host 1 no longer hears host 0"].world
    assert {request, f"{request} is lost"} & ways(world, unheard).keys() == {f"{request} is lost"}
    served = ways(world, sent)[request]
    assert served.event is not None
    reply = Effects(replies=(Reply(str(served.event.call), "ok", {}),))
    for host, outcome in ((0, "host.lost"), (1, "host.ok")):
        apart = ways(world, served.world)[f"host {host} no longer hears host {1 - host}"].world
        assert "host 0 gives up host.start_vm to host 1, where it still runs" in ways(world, apart)
        assert f"host 0 has its answer: {outcome}" in ways(world, world.perform(apart, 1, reply))


def test_nobody_joins_or_takes_over_whom_some_do_not_hear() -> None:
    """A start fails while a host is not heard; a liveset that all hear of is needed for the database."""
    world, w = pool("heal")
    alone = w.with_daemons(w.daemons.stopped(1).dropped(1, frozenset({0})).started(1))
    cut = PoolState((*alone[:8], deaf((0, 1)), alone[-1]))
    starting = ways(world, cut, 1, ("life", "daemon.start"))
    assert "host 1 joins the liveset" not in starting
    assert "daemon.start of host 1: failed" in starting
    healed = starting["all hosts hear each other again"].world
    assert "host 1 joins the liveset" in ways(world, healed)
    both = PoolState((*w[:8], deaf((0, 1)), w[-1]))
    taking = ("life", "database.take_over")
    assert "database.take_over of host 0: failed" in ways(world, both, 0, taking)
    assert "database.take_over of host 0: ok" in ways(world, w, 0, taking)


def test_a_pool_falls_in_two() -> None:
    """Both ways, with every division of the hosts."""
    world, w = pool("partition")
    after = ways(world, w)["hosts [0] and [1] no longer hear each other"]
    assert (after.fault, after.world.daemons.deaf) == ("partition", deaf((0, 1), (1, 0)))


def test_with_a_lag_each_host_drops_for_itself() -> None:
    """The lock evaporates only once nobody else lists its holder."""
    live = (Daemon(LIVE, frozenset({0, 1, 2})),) * 3
    daemons = Daemons((Daemon(), *live[1:]), frozenset({0, 1, 2}), "active", 0, True, 0)
    dropped = dict(daemons.drops(0, NOBODY, frozenset(), lag=True))
    assert list(dropped) == [f"host 0 leaves the liveset of host {host}" for host in (1, 2)]
    one = dropped["host 0 leaves the liveset of host 1"]
    assert [sorted(daemon.live) for daemon in one.daemons[1:]] == [[1, 2], [0, 1, 2]]
    assert one.lock == 0
    ((_, both),) = one.drops(0, NOBODY, frozenset(), lag=True)
    assert both.lock is None


def test_a_member_that_starts_again_is_dropped_before_another_joins() -> None:
    """Else it would be live without having joined."""
    everybody = frozenset({0, 1, 2})
    daemons = Daemons((Daemon(LIVE, everybody), Daemon(STARTING), Daemon(STARTING)), everybody, "active", 0, True, 0)
    assert not list(daemons.arrivals())
    some = daemons.dropped(1, frozenset({0})).dropped(2, frozenset({0}))
    assert [label for label, _ in some.arrivals()] == ["host 1 joins the liveset", "host 2 joins the liveset"]
