"""The client: what is known of a call that got no answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hosts.rpc import Address, Answer, Call, Door, Failure, Lost, Refused
from tests.rpc_host import SECRET, calling, closed_port, serving


def test_a_call_is_delivered_with_all_it_carries(tmp_path: Path) -> None:
    """Caller, number, term, op and arguments arrive; the outcome and its payload come back, sets as sets."""
    args = {"live": frozenset({0, 3}), "vm": "vm1", "force": True, "generation": 12, "to": None}

    async def story() -> None:
        async with serving(tmp_path) as host, calling((0, host.address), me=3, term=9) as calls:
            assert await calls.call(0, "start_vm", args, 5) == Answer("ok", args)
            assert await calls.call(0, "start_vm", {}, 5) == Answer("ok", {})
            first, second = host.calls
            assert (first.caller, first.term, first.op, first.args) == (3, 9, "start_vm", args)
            assert first.number != second.number

    asyncio.run(story())


def test_a_restarted_caller_uses_new_numbers(tmp_path: Path) -> None:
    """The target remembers the numbers of the caller's former life, and none of them comes again."""

    async def story() -> None:
        async with serving(tmp_path) as host:
            for _ in range(2):
                async with calling((0, host.address)) as calls:
                    assert await calls.call(0, "join", {}, 5) == Answer("ok")

    asyncio.run(story())


def test_a_refused_connection_is_certainly_not_delivered() -> None:
    """Nobody listens: sent is False, at once."""

    async def story() -> None:
        address = closed_port()
        async with calling((0, address)) as calls:
            lost = await calls.call(0, "join", {}, 5)
            assert isinstance(lost, Lost)
            assert not lost.sent
            assert lost.why.startswith(f"{address}: ")

    asyncio.run(story())


def test_a_call_without_a_reply_is_unknown_and_runs_on(tmp_path: Path) -> None:
    """The caller gives up in time; what it started there is carried to its end."""
    done = asyncio.Event()

    async def slow(call: Call) -> Answer:
        await asyncio.sleep(0.5)
        done.set()
        return Answer("ok")

    async def story() -> None:
        async with serving(tmp_path, slow) as host, calling((0, host.address)) as calls:
            began = time.monotonic()
            lost = await calls.call(0, "join", {}, 0.2)
            assert 0.15 < time.monotonic() - began < 0.45
            assert lost == Lost(True, f"{host.address}: no answer to host.join in 0.2 s")
            assert not done.is_set()
            await asyncio.wait_for(done.wait(), 5)
            assert len(host.calls) == 1

    asyncio.run(story())


def test_a_frozen_host_that_was_never_logged_in_to_has_got_no_call() -> None:
    """Its kernel accepts the connection and its process says nothing: only the login went out."""

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with calling((0, Address(*listener.getsockname()))) as calls:
                lost = await calls.call(0, "join", {}, 0.2)
                assert isinstance(lost, Lost)
                assert not lost.sent

    asyncio.run(story())


def test_a_login_that_breaks_off_was_not_the_call() -> None:
    """The connection was made and lost, but only the login had been sent on it: certainly not delivered."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"]")
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server, calling((0, Address(*server.sockets[0].getsockname()))) as calls:
            lost = await calls.call(0, "join", {}, 5)
            assert isinstance(lost, Lost)
            assert not lost.sent

    asyncio.run(story())


SERVER = """
import asyncio, sys, pathlib
from tests.rpc_host import serving
async def stuck(call):
    print("called", flush=True)
    await asyncio.sleep(60)
async def main():
    async with serving(pathlib.Path(sys.argv[1]), stuck) as host:
        print(host.address.port, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_host_that_dies_or_freezes_in_the_middle_leaves_it_unknown(tmp_path: Path, sent: signal.Signals) -> None:
    """Killed: known at once. Stopped: at the timeout. The next call to a dead host was certainly not delivered."""
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        try:
            assert process.stdout is not None
            address = Address(port=int(process.stdout.readline()))
            asyncio.run(_fate_of_the_killed(process, address, sent))
        finally:
            process.kill()


async def _fate_of_the_killed(process: subprocess.Popen[str], address: Address, sent: signal.Signals) -> None:
    async with calling((0, address)) as calls:
        began = time.monotonic()
        fate = asyncio.create_task(calls.call(0, "join", {}, 1.5))
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "called\n"
        os.kill(process.pid, sent)
        lost = await fate
        assert isinstance(lost, Lost)
        assert lost.sent
        if sent == signal.SIGSTOP:
            assert time.monotonic() - began > 1.4
            return
        assert time.monotonic() - began < 1.4
        await asyncio.to_thread(process.wait)  # until then its listener may still be there, and take a connection
        after = await calls.call(0, "join", {}, 1.5)
        assert isinstance(after, Lost)
        assert not after.sent


def test_a_restarted_host_is_logged_in_to_again(tmp_path: Path) -> None:
    """The old session is refused at the door, so the call is repeated with a new one and carried out once."""

    async def story() -> None:
        async with serving(tmp_path) as host, calling((0, host.address)) as calls:
            assert await calls.call(0, "a", {}, 5) == Answer("ok")
            await host.server.stop()
            async with serving(tmp_path) as again:
                await again.server.stop()
                await again.server.start(host.address)
                await asyncio.sleep(0.05)
                assert await calls.call(0, "b", {}, 5) == Answer("ok")
                assert [call.op for call in again.calls] == ["b"]

    asyncio.run(story())


def test_a_wrong_secret_is_a_refusal(tmp_path: Path) -> None:
    """Not lost: the caller knows that nothing was done, and why."""

    async def story() -> None:
        async with serving(tmp_path) as host, calling((0, host.address), secret="00" * 32) as calls:
            refused = await calls.call(0, "join", {}, 5)
            assert isinstance(refused, Refused)
            assert refused.code == "SESSION_AUTHENTICATION_FAILED"
            assert not host.calls

    asyncio.run(story())


def test_a_handler_that_refuses_and_one_that_breaks_differ(tmp_path: Path) -> None:
    """Failure: nothing was done. Any other exception: nobody knows how far it had come."""

    async def handle(call: Call) -> Answer:
        if call.op == "busy":
            raise Failure("OTHER_OPERATION_IN_PROGRESS", "host")
        if call.op == "odd":
            return Answer("ok", {"no": object()})
        raise OSError("disk")

    async def story() -> None:
        async with serving(tmp_path, handle) as host, calling((0, host.address)) as calls:
            assert await calls.call(0, "busy", {}, 5) == Refused("OTHER_OPERATION_IN_PROGRESS", ("host",))
            for op in ("break", "odd"):
                lost = await calls.call(0, op, {}, 5)
                assert isinstance(lost, Lost)
                assert lost.sent

    asyncio.run(story())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"{}",
        b'{"jsonrpc":"2.0","id":99,"result":{}}',
        b'{"jsonrpc":"2.0","id":2,"result":3}',
        b"x" * 2**21,
    ],
)
def test_an_answer_that_cannot_be_read_is_unknown(body: bytes) -> None:
    """Another program on the host's port: no exception reaches the agent."""

    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (json.dumps({"jsonrpc": "2.0", "id": 1, "result": "OpaqueRef:1"}).encode(), body):
            await reader.readuntil(b"]")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(reply) + reply)
            reader._buffer.clear()  # type: ignore[attr-defined]
        writer.close()

    async def story() -> None:
        async with await asyncio.start_server(odd, "127.0.0.1", 0) as server:
            address = Address(*server.sockets[0].getsockname())
            async with calling((0, address)) as calls:
                lost = await calls.call(0, "join", {}, 5)
                assert isinstance(lost, Lost)
                assert lost.sent
                assert "cannot be read" in lost.why

    asyncio.run(story())


def test_a_public_call_needs_no_host_of_its_own(tmp_path: Path) -> None:
    """An operator's command asks by name; a refusal comes as Failure with XenAPI's code."""

    async def status(which: str) -> dict[str, Any]:
        return {"which": which, "live": frozenset({1})}

    async def story() -> None:
        async with serving(tmp_path, public={"pool.status": status}) as host:
            door = Door(host.address, SECRET)
            try:
                assert await door.request("pool.status", "all", timeout=5) == {"which": "all", "live": frozenset({1})}
                with pytest.raises(Failure, match="MESSAGE_METHOD_UNKNOWN"):
                    await door.request("pool.nonsense", timeout=5)
            finally:
                await door.close()

    asyncio.run(story())


def test_the_http_library_is_imported_when_it_is_needed() -> None:
    """Importing hosts.rpc, as the commands do, does not pay for aiohttp."""
    text = "import sys, hosts.rpc; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], cwd=Path(__file__).resolve().parent.parent).returncode == 0
