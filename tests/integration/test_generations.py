"""Daemons with real processes: what was in force once does not come back, and who is excluded waits for the others."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from attrs import evolve

from hosts.daemon.client import Outcome
from hosts.daemon.layout import MarkWord, PoolState
from hosts.daemon.notices import ALONE
from hosts.daemon.statefile import Snapshot, open_statefile
from tests.integration.daemon_pool import DaemonPool, daemon_pool

STARTED: Outcome = ("started", {})
OK: Outcome = ("ok", {})
EXCLUDED = 18


def read(pool: DaemonPool, host: int = 0) -> Snapshot:
    """The statefile as the agent of a host reads it."""
    settings = pool.clients[host].settings
    statefile = open_statefile(settings.statefile, settings.identity)
    try:
        return statefile.read()
    finally:
        statefile.close()


async def code(pool: DaemonPool, host: int) -> int | None:
    """What the daemon of a host ends with."""
    while (status := await pool.clients[host].supervisor.daemon_status()).state == "running":
        await asyncio.sleep(0.01)
    return status.code


async def full(pool: DaemonPool) -> None:
    """Both hosts are started, and live."""
    assert await pool.start(range(2)) == [STARTED, STARTED]
    await pool.until(lambda: pool.live(0) == pool.live(1) == {0, 1} and read(pool).pool is PoolState.ACTIVE)


def run(story: Callable[[DaemonPool], Awaitable[None]], fencing: bool = True) -> None:
    """Tell a story to a pool of two live hosts."""

    async def told() -> None:
        async with daemon_pool(2, fencing=fencing) as pool:
            await full(pool)
            await story(pool)

    asyncio.run(told())


def test_a_daemon_that_wakes_in_another_generation_brings_nothing_back() -> None:
    """Stopped in the middle, it goes on after HA was invalidated and enabled anew: it leaves, and no word returns."""

    async def story(pool: DaemonPool) -> None:
        assert (await pool.clients[0].propose())[0] == "granted"
        stopped = (await pool.control(1).status()).processes["daemon"]
        os.kill(stopped, signal.SIGSTOP)
        assert await pool.clients[0].set_invalid() == OK
        assert read(pool).mark.host == 0
        await pool.until(lambda: pool.clients[0].newest is None)
        generation = uuid4()
        for client in pool.clients.values():
            client.settings = evolve(client.settings, generation=generation)
        assert await pool.clients[0].set_init() == OK
        fresh = read(pool)
        os.kill(stopped, signal.SIGCONT)
        await pool.until(lambda: pool.clients[1].newest is None)
        assert await code(pool, 1) == 11
        for shown in (fresh, read(pool)):
            assert (shown.foreign, shown.pool, shown.mark) == (False, PoolState.INIT, MarkWord())
        await full(pool)
        assert read(pool).mark.host is None

    run(story, fencing=False)


def test_an_excluded_host_waits_for_the_others() -> None:
    """Alone it is turned away with 18, again and again; once somebody else is live it joins, and that clears it."""

    async def story(pool: DaemonPool) -> None:
        assert await pool.clients[1].set_excluded() == OK
        await pool.clients[0].quit()
        assert await pool.clients[1].start() == ("failed", {})
        assert await code(pool, 1) == EXCLUDED
        assert read(pool).excluded == {1}
        await full(pool)
        assert read(pool).excluded == frozenset()

    run(story)


@pytest.mark.parametrize("way", ["all", "cleared"])
def test_an_excluded_host_forms_when_nobody_knows_more(way: str) -> None:
    """If all hosts are excluded the first forms; if the others are gone for good, once an operator says so."""

    async def story(pool: DaemonPool) -> None:
        for client in pool.clients.values():
            assert await client.set_excluded() == OK
        assert read(pool).excluded == {0, 1}
        if way == "cleared":
            await pool.clients[1].clear_excluded(ALONE)
        assert await pool.clients[1].start() == STARTED
        assert pool.live(1) == {1}
        assert read(pool).excluded == {0}
        assert await pool.clients[0].start() == STARTED
        await pool.until(lambda: pool.live(0) == pool.live(1) == {0, 1} and not read(pool).excluded)

    run(story)
