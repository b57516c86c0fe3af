"""The children of init: started by fork, reaped in one place, each with a future that holds its end.

The first process of a PID namespace is also the parent of every orphan in it: those are reaped and forgotten.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress

from attrs import define, field

from hosts.supervisor.process import die_with, fork


@define
class Child:
    """A process that init started. ended: its exit status, or minus the number of the signal that killed it."""

    process: int
    ended: asyncio.Future[int]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a child that has ended gets none, whoever has its number now."""
        if not self.ended.done():
            os.kill(self.process, number)

    async def stop(self, grace: float) -> int:
        """SIGTERM, and SIGKILL after `grace` seconds; return its exit status once it is reaped."""
        self.signal(signal.SIGTERM)
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self.ended), grace)
        self.signal(signal.SIGKILL)
        return await asyncio.shield(self.ended)


@define
class Children:
    """All living children. keep: descriptors that each of them inherits."""

    keep: frozenset[int]
    _living: dict[int, Child] = field(factory=dict)

    def watch(self) -> None:
        """Reap from now on; call it in the running loop before the first start."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    def start(self, main: Callable[[], None], keep: Iterable[int] = ()) -> Child:
        """Run `main` in a child that dies with this process, with the descriptors `keep` on top of everybody's."""
        parent = os.getpid()

        def tied() -> None:
            die_with(parent)
            main()

        child = Child(fork(tied, keep={*self.keep, *keep}), asyncio.get_running_loop().create_future())
        self._living[child.process] = child
        return child

    def _reap(self) -> None:
        with suppress(ChildProcessError):  # none left
            while True:  # several may have ended under one signal
                process, status = os.waitpid(-1, os.WNOHANG)
                if process == 0:
                    return
                if child := self._living.pop(process, None):
                    child.ended.set_result(os.waitstatus_to_exitcode(status))
