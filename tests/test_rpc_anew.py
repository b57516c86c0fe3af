"""A host that comes into the liveset takes no request from before."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from hosts.rpc import Answer, TermKeeper
from tests.rpc_host import ask, calling, in_thread, login, serving


async def _status() -> dict[str, int]:
    return {"detail": 0}


def test_what_was_sent_before_a_host_began_anew_is_not_carried_out(tmp_path: Path) -> None:
    """A request under an older session is refused, though the session still opens the public calls; a caller that
    waits repeats it, and it is carried out once."""

    async def story() -> None:
        async with serving(tmp_path, public={"pool.status": _status}) as host, calling((0, host.address)) as calls:
            assert await calls.call(0, "ready", {}, 5) == Answer("ok", {})
            session = await in_thread(login, host.address)
            host.server.begin_anew()
            stray = await in_thread(ask, host.address, "host.start_vm", session, 0, 2, "1.1.restart[v]", 0, {"vm": "v"})
            assert stray["error"]["message"] == "SESSION_INVALID"
            assert (await in_thread(ask, host.address, "pool.status", session))["result"] == {"detail": 0}
            assert await calls.call(0, "ready", {}, 5) == Answer("ok", {})
            assert [call.op for call in host.calls] == ["ready", "ready"]

    asyncio.run(story())


def test_a_request_that_waits_for_the_disk_while_its_host_begins_anew_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was let in, and its term is still being written when the host comes into the liveset."""
    real, writes, let_go = TermKeeper.raise_to, threading.Event(), threading.Event()

    def slow(self: TermKeeper, term: int) -> None:
        writes.set()
        assert let_go.wait(5)
        real(self, term)

    monkeypatch.setattr(TermKeeper, "raise_to", slow)

    async def story() -> None:
        async with serving(tmp_path) as host:
            session = await in_thread(login, host.address)
            stray = asyncio.create_task(in_thread(ask, host.address, "host.ready", session, 0, 1, "1.1.enable", 3, {}))
            assert await in_thread(writes.wait, 5)
            host.server.begin_anew()
            let_go.set()
            assert (await stray)["error"]["message"] == "SESSION_INVALID"
            assert host.calls == []

    asyncio.run(story())
