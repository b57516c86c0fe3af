"""Many calls at once, to many hosts, through partitions."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from hosts.rpc import Answer, Call, Failure, Lost
from tests.rpc_host import agree, calling, closed_port, serving


async def _never(call: Call) -> Answer:
    await asyncio.sleep(60)
    return await agree(call)


def test_a_fan_out_joins_what_became_of_each(tmp_path: Path) -> None:
    """One refuses, one is dead, one says failed, one is good: bad names three, and all went out at once."""

    both = asyncio.Barrier(2)

    async def failing(call: Call) -> Answer:
        await both.wait()
        return Answer("failed")

    async def lazy(call: Call) -> Answer:
        if not both.broken:
            await both.wait()
        return Answer("ok")

    async def busy(call: Call) -> Answer:
        raise Failure("BUSY")

    async def story() -> None:
        async with (
            serving(tmp_path, lazy, me=0) as good,
            serving(tmp_path, failing, me=1) as bad,
            serving(tmp_path, busy, me=2) as refusing,
        ):
            targets = [(0, good.address), (1, bad.address), (2, refusing.address), (3, closed_port())]
            async with calling(*targets, me=0) as calls:
                joined = await calls.each([0, 1, 2, 3], "join", {}, 5)  # one after another they would never meet
                await both.abort()
                assert (joined.all_ok, joined.bad) == (False, frozenset({1, 2, 3}))
                assert joined.answers[1] == Answer("failed")
                alone = await calls.each([0], "join", {}, 5)
                assert (alone.all_ok, alone.bad) == (True, frozenset())
                assert (await calls.each([], "join", {}, 5)).all_ok

    asyncio.run(story())


def test_twenty_calls_at_once(tmp_path: Path) -> None:
    """All are carried out at the same time, over one login, each once and each with its own answer."""
    all_there = asyncio.Barrier(20)

    async def meet(call: Call) -> Answer:
        await all_there.wait()
        return Answer("ok", call.args)

    async def story() -> None:
        async with serving(tmp_path, meet) as host, calling((0, host.address)) as calls:
            fates = await asyncio.gather(*(calls.call(0, "join", {"i": i}, 15) for i in range(20)))
            assert fates == [Answer("ok", {"i": i}) for i in range(20)]
            assert len({call.number for call in host.calls}) == 20

    asyncio.run(story())


def test_a_host_that_hangs_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """150 calls that wait for one host do not delay the next one to it, nor one to another."""

    async def handle(call: Call) -> Answer:
        return await (agree if call.op == "quick" else _never)(call)

    async def story() -> None:
        async with serving(tmp_path, handle) as host, calling((0, host.address)) as calls:
            stuck = [asyncio.create_task(calls.call(0, "slow", {}, 3)) for _ in range(150)]
            async with asyncio.timeout(2.5):
                while len(host.calls) < 150:
                    await asyncio.sleep(0.01)
            assert await calls.call(0, "quick", {}, 1) == Answer("ok")
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)

    asyncio.run(story())


def test_a_partition_is_silence_in_both_directions(tmp_path: Path) -> None:
    """Cut at the caller: nothing arrives. Cut at the target: nothing is done. Healed: calls pass again."""

    async def story() -> None:
        async with serving(tmp_path) as host, calling((0, host.address)) as calls:
            assert await calls.call(0, "a", {}, 5) == Answer("ok")
            assert isinstance(calls.cut, set)
            calls.cut.add(0)
            began = time.monotonic()
            assert await calls.call(0, "b", {}, 0.2) == Lost(True, "host 0 is cut off")
            assert time.monotonic() - began >= 0.19
            calls.cut.clear()
            host.cut.add(1)
            lost = await calls.call(0, "c", {}, 1)
            assert isinstance(lost, Lost)
            assert lost.sent
            host.cut.clear()
            assert await calls.call(0, "d", {}, 5) == Answer("ok")
            assert [call.op for call in host.calls] == ["a", "d"]

    asyncio.run(story())


@pytest.mark.parametrize("side", ["caller", "target"])
def test_a_partition_that_comes_during_a_call_takes_its_reply(tmp_path: Path, side: str) -> None:
    """The call was carried out and the caller never hears of it: that fate must be possible."""
    cuts: dict[str, Any] = {}

    async def handle(call: Call) -> Answer:
        cuts[side].add({"caller": 0, "target": 1}[side])
        return Answer("ok")

    async def story() -> None:
        async with serving(tmp_path, handle) as host, calling((0, host.address)) as calls:
            cuts.update(caller=calls.cut, target=host.cut)
            lost = await calls.call(0, "join", {}, 0.3)
            assert isinstance(lost, Lost)
            assert lost.sent
            assert len(host.calls) == 1

    asyncio.run(story())
