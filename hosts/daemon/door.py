"""The unix socket of a daemon: requests of the agent of its host, and snapshots pushed at every change.

Lines of JSON, as `hosts.supervisor.jsonlines` has them. `{"do": "subscribe"}` is answered by no reply but by one line
`{"snapshot": {...}}` now and one after every change, until either side closes. The end of the connection is the end
of the daemon. Whoever reads too slowly gets the newest snapshot when he reads again, not all those between.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import define, field

from hosts.errors import PoolError
from hosts.supervisor.config import socket_path
from hosts.supervisor.jsonlines import Handler, answer

_LINE_BYTES = 65536


@define(eq=False)
class Door:
    """The socket.

    Arguments:
        path: of the socket; a former owner is known to be dead.
        handlers: the requests by name.
        snapshot: what to push, as JSON values.
    """

    path: Path
    handlers: Mapping[str, Handler]
    snapshot: Callable[[], Mapping[str, object]]
    _server: asyncio.Server | None = field(default=None, init=False)
    _changed: asyncio.Condition = field(factory=asyncio.Condition, init=False)
    _newest: Mapping[str, object] = field(factory=dict, init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set, init=False)

    async def open(self) -> None:
        """Bind the socket for its owner alone. Raises PoolError when the directory cannot be written."""
        mask = os.umask(0o177)
        try:
            self.path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._connected, socket_path(self.path), limit=_LINE_BYTES)
        except OSError as error:
            raise PoolError(f"{self.path}: cannot be bound: {error.strerror}; make its directory writable") from None
        finally:
            os.umask(mask)

    def close(self) -> None:
        """Stop listening; those who are connected see the end of this process."""
        if self._server is not None:
            self._server.close()

    def changed(self) -> None:
        """Something may have changed: push the snapshot if it has."""
        newest = self.snapshot()
        if newest != self._newest:
            self._newest = newest
            task = asyncio.get_running_loop().create_task(self._wake())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                if _asks(line) == "subscribe":
                    await self._push(writer)
                writer.write(json.dumps(await answer(self.handlers, line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # the caller is gone, or this daemon is: asyncio would print a traceback
        finally:
            writer.close()

    async def _push(self, writer: asyncio.StreamWriter) -> None:
        while True:
            pushed = self.snapshot()
            writer.write(json.dumps({"snapshot": pushed}).encode() + b"\n")
            await writer.drain()
            async with self._changed:
                await self._changed.wait_for(lambda last=pushed: self.snapshot() != last)  # type: ignore[misc]


def _asks(line: bytes) -> object:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return request.get("do") if isinstance(request, dict) else None
