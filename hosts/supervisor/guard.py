"""The guard: the process whose death is the death of its host.

It holds the kernel timer of the lease and is the parent of the PID namespace's first process, which the kernel kills
when the guard dies (PDEATHSIG). So the host ends with its lease even when every process of it, the guard included, is
stopped or starved: nothing has to run for that but the kernel. The guard lives outside of the namespace because the
first process inside would ignore its own timer's SIGKILL.

It has one thread, no event loop and two channels: from init, over which come the lease channels of daemons, one for
each daemon that is started; and the lease channel of the daemon that runs now (`lease.py`). Its rules:

- the deadline only moves forward; a first `hold` is confirmed after the kernel's timer is set;
- the end of the lease channel while a lease is held fences at once: a daemon that died holding one cannot say
  whether its host is still wanted;
- whatever cannot be read fences;
- a requested fence has its reason on the disk before the host goes, but a disk that hangs delays it by a quarter of a
  second at most: the kernel's timer is set first;
- the end of the channel from init ends the guard: the namespace is dead.

With fencing off (a control experiment) it ignores all of this loudly.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from attrs import define, field, frozen

from hosts.supervisor import kernel
from hosts.supervisor.lease import Drop, Ended, FenceRequest, Hold, Message, decode
from hosts.supervisor.process import log
from hosts.supervisor.record import write_durably
from hosts.supervisor.slate import Held, Slate

RECORD_SECONDS = 0.25  # what a fence waits for the disk to take its reason
DAEMON_DIED = "the daemon ended while it held the lease"
UNREADABLE = "the daemon sent something that is no lease message"
TWO_DAEMONS = "a second daemon was started while the first one runs"
_DATAGRAM = 4096


@frozen
class Fence:
    """The host must end. recorded: its reason goes to the disk first."""

    reason: str
    recorded: bool = False


def judge(held: Held | None, message: Message | Ended | None) -> Held | Fence | None:
    """The lease after one message of the daemon: held, none, or the end of the host. Pure.

    held: the lease before; message: None for one that could not be read.
    """
    match message:
        case Hold(deadline, incarnation):
            return Held(max(deadline, held.deadline) if held else deadline, incarnation)
        case Drop():
            return None
        case Ended():
            return Fence(DAEMON_DIED) if held else None
        case FenceRequest(reason):
            return Fence(reason, recorded=True)
        case None:
            return Fence(UNREADABLE)


@define
class Guard:
    """What a guard holds. init: the channel from init; record: the file for the reason of a fence."""

    init: socket.socket
    slate: Slate
    record: Path
    fencing: bool
    timer: kernel.DeathTimer = field(factory=kernel.DeathTimer)
    held: Held | None = None
    daemon: socket.socket | None = None

    def serve(self) -> None:
        """Judge what comes until the namespace is dead, or this process with it."""
        if not self.fencing:
            log("guard: FENCING IS SWITCHED OFF: this host outlives its lease; two instances of a VM may run")
        while True:
            channels = [self.init] if self.daemon is None else [self.daemon, self.init]
            ready = select.select(channels, [], [])[0]
            if self.daemon in ready:
                self._hear()
            elif not self._accept():
                return

    def _accept(self) -> bool:
        """Take the lease channel of a new daemon from init; False when init has died."""
        data, descriptors, _, _ = socket.recv_fds(self.init, _DATAGRAM, 1)
        if not data:
            return False
        while self.daemon is not None and select.select([self.daemon], [], [], 0)[0]:
            self._hear()  # the last words and the end of the daemon before
        if self.daemon is not None:
            self._fence(Fence(TWO_DAEMONS))
        self.daemon = socket.socket(fileno=descriptors[0])
        return True

    def _hear(self) -> None:
        assert self.daemon is not None
        message = decode(_receive(self.daemon), kernel.now())
        verdict = judge(self.held, message)
        if isinstance(verdict, Fence):
            self._fence(verdict)
        else:
            self._hold(verdict)
        if isinstance(message, Ended):
            self.daemon.close()
            self.daemon = None
        elif isinstance(message, Drop) or (isinstance(message, Hold) and message.confirm):
            _confirm(self.daemon)

    def _hold(self, held: Held | None) -> None:
        if self.fencing:
            # The kernel first: from here on the promise holds, whatever becomes of this process.
            self.timer.set(held.deadline) if held else self.timer.clear()
        self.held = self.slate.held = held

    def _fence(self, fence: Fence) -> None:
        if not self.fencing:
            log(f"guard: FENCING IS SWITCHED OFF: ignored: {fence.reason}")
            return
        self.slate.reason = fence.reason
        if fence.recorded:
            self.timer.set(min(kernel.now() + RECORD_SECONDS, self.held.deadline if self.held else float("inf")))
            self._write(fence.reason)
        os.kill(os.getpid(), signal.SIGKILL)

    def _write(self, reason: str) -> None:
        try:
            write_durably(self.record, {"reason": reason, "requested": kernel.now(), "dead": None})
        except OSError as error:
            log(f"guard: {self.record}: the reason of this fence cannot be written ({error.strerror}): {reason}")


def _receive(channel: socket.socket) -> bytes:
    try:
        return channel.recv(_DATAGRAM)
    except OSError:
        return b""  # reset by a daemon that died with unread answers: the same end


def _confirm(channel: socket.socket) -> None:
    try:
        channel.send(b"ok", socket.MSG_DONTWAIT)
    except OSError:
        return  # a daemon that does not read its answers has no claim to one


def run(start_init: Callable[[socket.socket, int], int], slate: Slate, record: Path, fencing: bool) -> None:
    """Fork init as the next child and guard it until it is dead.

    start_init(channel, lifeline) forks init with the two descriptors and returns its process id.
    """
    mine, of_init = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    read, lifeline = os.pipe()
    start_init(of_init, read)
    of_init.close()
    os.close(read)
    Guard(mine, slate, record, fencing).serve()
    os.close(lifeline)
