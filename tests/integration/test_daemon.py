"""Daemons with real processes: who is dropped is dead, who lives is not dropped, and the statefile says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fsm import specs
from fsm.drivers.replay import replay
from hosts.daemon.client import Outcome
from hosts.daemon.settings import JOURNAL
from hosts.daemon.timing import Timing
from hosts.supervisor.kernel import now
from tests.integration.daemon_pool import DaemonPool, daemon_pool

T = 2.0
D = Timing.derive(T).drop
LATE = 3.0  # s beyond the design's time; the machine may be loaded, and lateness is no failure here
STARTED: Outcome = ("started", {})
Story = Callable[[DaemonPool], Awaitable[None]]


def run(story: Story, n: int = 3, obituaries: bool = True) -> None:
    """Tell a story to a pool whose hosts are all live."""

    async def told() -> None:
        async with daemon_pool(n, T, obituaries) as pool:
            assert await pool.start(range(n)) == [STARTED] * n
            await pool.until(lambda: all(pool.live(host) == set(range(n)) for host in range(n)))
            await story(pool)

    asyncio.run(told())


def death(pool: DaemonPool, host: int) -> dict[str, float]:
    """What the supervisor of a dead host left on the disk."""
    found: dict[str, float] = json.loads((pool.settings[host].directory / "fenced.json").read_text())
    return found


async def dropped(pool: DaemonPool, host: int, by: set[int]) -> float:
    """Wait until these hosts have dropped that one, and it is buried; the time of the first drop."""
    await pool.until(lambda: all(pool.live(other) == by for other in by) and pool.dead(host))
    times = [
        next(at for at, seen in pool.seen[other] if seen and seen.live and host not in seen.live and at > pool_formed)
        for other in by
        for pool_formed in [next(at for at, seen in pool.seen[other] if seen and host in seen.live)]
    ]
    return min(times)


def replayed(path: Path) -> None:
    """The journal of a daemon replays without divergence."""
    told = replay(path.read_text().splitlines(), specs())
    assert told.divergence is None
    assert told.rows > 10


def test_nobody_forms_until_everybody_is_there() -> None:
    """While HA is being enabled the first hosts wait for the last; then all are live, and the pool is active."""

    async def story() -> None:
        async with daemon_pool(3, T) as pool:
            first = [asyncio.ensure_future(pool.clients[host].start()) for host in (0, 2)]
            await asyncio.sleep(0.8)
            assert [pool.clients[host].query()[0] for host in (0, 2)] == ["starting", "starting"]
            assert await pool.clients[1].start() == STARTED
            assert await asyncio.gather(*first) == [STARTED, STARTED]
            await pool.until(lambda: all(pool.live(host) == {0, 1, 2} for host in range(3)))
            await pool.until(lambda: all(c.newest and c.newest.pool == "active" for c in pool.clients.values()))

    asyncio.run(story())


def test_one_holds_the_lock_until_it_is_dead() -> None:
    """Of all who propose one is granted; once it is dead another is, at once, because there is an obituary."""

    async def story(pool: DaemonPool) -> None:
        answers = await asyncio.gather(*(pool.clients[host].propose() for host in range(3)))
        granted = [host for host, (outcome, _) in enumerate(answers) if outcome == "granted"]
        assert len(granted) == 1
        master = granted[0]
        others = {0, 1, 2} - {master}
        await pool.until(lambda: all(pool.marked(host) == {master} for host in range(3)))
        assert [(await pool.clients[other].propose())[0] for other in others] == ["refused", "refused"]
        struck = now()
        await pool.control(master).power_off()
        drop = await dropped(pool, master, others)
        assert death(pool, master)["dead"] <= drop < struck + D
        heir = min(others)
        while (await pool.clients[heir].propose())[0] != "granted":
            assert now() < struck + D + LATE
        for other in others:
            replayed(pool.settings[other].directory / JOURNAL)

    run(story)


def test_a_silent_host_is_dropped_when_it_is_dead() -> None:
    """A frozen host without obituary is dropped about D after its last sign of life: after its lease has killed it."""

    async def story(pool: DaemonPool) -> None:
        struck = now()
        await pool.control(2).freeze()
        drop = await dropped(pool, 2, {0, 1})
        assert death(pool, 2)["dead"] <= drop
        # Its last heartbeat may be one period older than the freeze.
        assert struck + D - 0.2 <= drop < struck + T + LATE

    run(story, obituaries=False)


def test_a_killed_daemon_takes_its_host_with_it() -> None:
    """The death of a daemon that holds a lease is the death of its host, and the others need no timeout. Was it master,
    the statefile still says so when it is back; but it is shown to nobody, for its lock has gone with it."""

    async def story(pool: DaemonPool) -> None:
        assert (await pool.clients[1].propose())[0] == "granted"
        await pool.until(lambda: all(pool.marked(host) == {1} for host in range(3)))
        struck = now()
        await pool.control(1).kill("daemon")
        assert await dropped(pool, 1, {0, 2}) < struck + D
        pool.power_on(1)
        assert await pool.clients[1].start() == STARTED
        await pool.until(lambda: all(pool.live(host) == {0, 1, 2} for host in range(3)))
        newest = pool.clients[0].newest
        assert newest is not None
        assert newest.incarnations[1] == 2
        assert newest.marked == 1
        assert [pool.marked(host) for host in range(3)] == [set()] * 3

    run(story)


def test_the_smaller_side_of_a_partition_fences_itself() -> None:
    """Cut off from the two others, host 0 obeys its own verdict; they drop it only when it is dead."""

    async def story(pool: DaemonPool) -> None:
        assert (await pool.clients[0].propose())[0] == "granted"
        struck = now()
        for host, peers in ((0, {1, 2}), (1, {0}), (2, {0})):
            await pool.clients[host].cut(frozenset(peers))
        drop = await dropped(pool, 0, {1, 2})
        fenced = death(pool, 0)
        assert "ruled out" in str(fenced["reason"])
        assert fenced["dead"] <= drop < struck + T + LATE
        assert (await pool.clients[1].propose())[0] == "granted"

    run(story)


def test_everybody_without_statefile_lives_on() -> None:
    """Survival rule 2: nobody has the statefile and everybody is visible, so nobody dies and nobody becomes master."""

    async def story(pool: DaemonPool) -> None:
        for client in pool.clients.values():
            await client.cut(frozenset(), statefile=True)
        await pool.until(lambda: all(c.newest and not c.newest.statefile for c in pool.clients.values()))
        assert (await pool.clients[0].propose())[0] == "refused"
        await asyncio.sleep(1.5 * T)
        assert [pool.live(host) for host in range(3)] == [{0, 1, 2}] * 3
        assert not any(pool.dead(host) for host in range(3))
        for client in pool.clients.values():
            await client.cut(frozenset())
        await pool.until(lambda: all(c.newest and c.newest.statefile for c in pool.clients.values()))
        until = now() + LATE
        while (await pool.clients[0].propose())[0] != "granted":
            assert now() < until

    run(story)


def test_one_without_statefile_dies() -> None:
    """Acknowledgements of hosts that have the statefile carry a host for Ws and no longer."""

    async def story(pool: DaemonPool) -> None:
        struck = now()
        await pool.clients[1].cut(frozenset(), statefile=True)
        drop = await dropped(pool, 1, {0, 2})
        assert "lease ended" in str(death(pool, 1)["reason"])
        assert death(pool, 1)["dead"] <= drop < struck + 2 * T + LATE

    run(story)


def test_invalid_lets_everybody_leave_alive() -> None:
    """Once "invalid" is on the statefile all daemons leave disarmed; who starts again is told, and who was master."""

    async def story(pool: DaemonPool) -> None:
        assert (await pool.clients[1].propose())[0] == "granted"
        assert await pool.clients[1].set_invalid() == ("ok", {})
        await pool.clients[1].quit()
        await pool.until(lambda: all(client.newest is None for client in pool.clients.values()))
        for host in (0, 2):
            assert await pool.clients[host].start() == ("invalid", {"master": 1})
        assert not any(pool.dead(host) for host in range(3))
        assert (await pool.control(0).status()).deadline is None

    run(story)


def test_a_clean_leave_needs_no_timeout() -> None:
    """A host that is disarmed says goodbye: the others drop it at once, and it lives; its exclusion ends by joining.
    As soon as it is in it sees the master, whose lock it has not granted yet."""

    async def story(pool: DaemonPool) -> None:
        assert (await pool.clients[0].propose())[0] == "granted"
        await pool.until(lambda: pool.marked(1) == {0})
        left = now()
        assert await pool.clients[2].set_excluded() == ("ok", {})
        assert await pool.until(lambda: pool.live(0) == pool.live(1) == {0, 1}) < left + D
        assert not pool.dead(2)
        assert await pool.clients[2].start() == STARTED
        assert pool.marked(2) == {0}
        await pool.until(lambda: all(pool.live(host) == {0, 1, 2} for host in range(3)))
        assert [pool.marked(host) for host in range(3)] == [{0}] * 3

    run(story)


@pytest.mark.parametrize("bad", ["secret", "statefile", "port"])
def test_a_daemon_that_cannot_start_says_why(bad: str) -> None:
    """What is wrong is one line in the host's log, the outcome is an answer, and the host lives."""

    async def story() -> None:
        async with daemon_pool(1, T) as pool:
            settings = pool.settings[0]
            if bad == "secret":
                settings.secret.chmod(0o644)
            elif bad == "statefile":
                settings.statefile.write_bytes(b"something else" * 100)
            loop = asyncio.get_running_loop()
            taken = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=settings.addresses[0] if bad == "port" else ("127.0.0.1", 0)
            )
            assert await pool.clients[0].start() == ("failed", {})
            taken[0].close()
            log = (settings.directory / "supervisor.log").read_text()
            wrong = {"secret": "secret", "statefile": "not a statefile", "port": "give this host a free port"}[bad]
            assert wrong in log
            assert "Traceback" not in log
            assert not pool.dead(0)

    asyncio.run(story())


def test_missing_statefile_is_its_own_outcome() -> None:
    """Without the statefile there is no start, and the agent can tell that from other failures."""

    async def story() -> None:
        async with daemon_pool(1, T) as pool:
            pool.settings[0].statefile.unlink()
            assert await pool.clients[0].start() == ("no_statefile", {})

    asyncio.run(story())
