"""Requests and replies as lines of JSON over a unix socket that only its owner can open.

One line `{"do": name, ...}` is answered by one line, `{"ok": true, ...}` or `{"ok": false, "reason": one line}`; a
caller may send its next request on the same connection. Whatever cannot be read is answered by a reason and changes
nothing. A request that a caller gave up is carried out all the same: ask again to learn its outcome.

What is left out: authentication. The socket is the owner's alone (mode 0600).
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from hosts.errors import PoolError
from hosts.supervisor.config import socket_path

Fields = dict[str, Any]
Handler = Callable[[Fields], Awaitable[Mapping[str, object]]]
_LINE_BYTES = 65536
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class Unanswered(PoolError):
    """Nobody answered in time, or at all: the request may have been carried out, and may still be."""


async def serve(
    path: Path, handlers: Mapping[str, Handler], ghost: Callable[[int], bool] = lambda _: False
) -> asyncio.Server:
    """Answer at the unix socket `path`, whose former owner is known to be dead.

    handlers: by the name of the request; each returns the fields of its reply or raises PoolError with the reason.
    ghost: whether the process of that id, which connected, has died meanwhile; what it asked is then not carried out.
    """
    path.unlink(missing_ok=True)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            peer = _peer(writer)
            while (line := await reader.readline()) and not ghost(peer):
                writer.write(json.dumps(await answer(handlers, line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # the caller is gone, or his line has no end, or this host is: asyncio would print a traceback
        finally:
            writer.close()

    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(connected, socket_path(path), limit=_LINE_BYTES)
    finally:
        os.umask(mask)


def _peer(writer: asyncio.StreamWriter) -> int:
    """The id of the process that connected, as it was then; 0 when it lives outside of this PID namespace."""
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[0])


async def answer(handlers: Mapping[str, Handler], line: bytes) -> Mapping[str, object]:
    """The reply to one line."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    name = request.get("do") if isinstance(request, dict) else None
    if not isinstance(name, str) or name not in handlers:
        return {"ok": False, "reason": f'a request is {{"do": one of {", ".join(sorted(handlers))}, ...}}'}
    try:
        return {"ok": True, **await handlers[name](request)}
    except PoolError as error:
        return {"ok": False, "reason": str(error)}


async def call(path: Path, timeout: float | None, name: str, **fields: object) -> Fields:
    """Send one request to the socket `path` and return the fields of its reply.

    timeout: seconds, None to wait for ever. PoolError with the reason when it is refused, Unanswered when nobody
    answers in time.
    """
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_unix_connection(socket_path(path), limit=_LINE_BYTES)
            try:
                writer.write(json.dumps({"do": name, **fields}).encode() + b"\n")
                reply = json.loads(await reader.readline() or b"null")
            finally:
                writer.close()
    except TimeoutError:
        raise Unanswered(f"{path}: no answer to {name} in {timeout:g} s; the host is stopped or overloaded") from None
    except (OSError, ValueError) as error:
        raise Unanswered(f"{path}: nobody answers {name} ({error}); is the host up?") from None
    if not isinstance(reply, dict):
        raise Unanswered(f"{path}: the host died over {name}; its {name} may have been carried out")
    if not reply.get("ok"):
        raise PoolError(str(reply.get("reason", f"{path}: {name} was refused without a reason")))
    return reply


def text(fields: Fields, name: str) -> str:
    """The field `name`, which must be text. PoolError otherwise."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise PoolError(f"{fields.get('do')}: {name} must be text, not {value!r}")
    return value


def whole(fields: Fields, name: str) -> int:
    """The field `name`, which must be a whole number from 0 on. PoolError otherwise."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise PoolError(f"{fields.get('do')}: {name} must be a whole number from 0 on, not {value!r}")
    return value
