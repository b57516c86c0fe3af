"""A host of a pool whose agent is a test's own handler, on a real socket; and requests written by hand."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from hosts.rpc import Address, Answer, Call, HostCalls, RpcServer, TermKeeper

SECRET = "5e" * 32
POOL = 4
"""Hosts in the pool of every test."""


@define
class Host:
    """What a test sees of the host: where it listens, the calls its handler got, its term, whom it is cut from."""

    server: RpcServer
    address: Address
    terms: TermKeeper
    calls: list[Call]
    cut: set[int] = field(factory=set)


async def agree(call: Call) -> Answer:
    """The handler that answers every call with ok and its own arguments."""
    return Answer("ok", call.args)


@asynccontextmanager
async def serving(
    directory: Path,
    handle: Callable[[Call], Awaitable[Answer]] = agree,
    me: int = 0,
    public: Mapping[str, Callable[..., Awaitable[Any]]] | None = None,
) -> AsyncIterator[Host]:
    """Run host `me` on a free port until the block ends."""
    calls: list[Call] = []
    cut: set[int] = set()
    terms = TermKeeper(directory / f"term{me}.json")

    async def noted(call: Call) -> Answer:
        calls.append(call)
        return await handle(call)

    server = RpcServer(me, POOL, SECRET, terms, noted, public or {}, cut)
    try:
        yield Host(server, await server.start(Address()), terms, calls, cut)
    finally:
        await server.stop()


@asynccontextmanager
async def calling(
    *targets: tuple[int, Address], me: int = 1, secret: str = SECRET, term: int = 0, cut: Iterable[int] = ()
) -> AsyncIterator[HostCalls]:
    """The calls of host `me`, in `term`, to `targets` (index and address) until the block ends."""
    calls = HostCalls(me, dict(targets), secret, lambda: term, set(cut))
    try:
        yield calls
    finally:
        await calls.close()


def closed_port() -> Address:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Address(*listener.getsockname())


def post(address: Address, body: bytes, method: str = "POST", path: str = "/jsonrpc") -> tuple[int, str, Any]:
    """Send `body` with a client that shares no code with the server: status, content type, what the JSON says."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=10)
    try:
        connection.request(method, path, body, {"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], json.loads(response.read() or b"null")
    finally:
        connection.close()


def ask(address: Address, method: str, *params: Any) -> Any:
    """One well-formed request; the whole answer as JSON says it."""
    body = {"jsonrpc": "2.0", "method": method, "params": params, "id": 7}
    status, _, answer = post(address, json.dumps(body).encode())
    assert status == 200
    assert answer["id"] == 7
    return answer


def login(address: Address) -> str:
    """A session for the pool's secret."""
    return str(ask(address, "session.login_with_password", "pool", SECRET)["result"])


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Run one of the blocking functions above beside the server's loop."""
    return await asyncio.to_thread(function, *args)
