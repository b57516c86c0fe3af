"""The lease channel: how a daemon tells its guard until when its host may run.

The right to run is a lease (DESIGN §7). A daemon holds one end of a socket pair whose other end is read by the guard
itself: no other process is in the path of a renewal, so none can delay it and none can keep it up for a dead daemon.
Each message is one datagram of JSON (SOCK_SEQPACKET keeps them whole and in order, and reports the end of the daemon):

- `hold {deadline, incarnation}`: the host may run until `deadline`, an absolute time of CLOCK_BOOTTIME. It takes a
  lease where there is none and moves the deadline of one forward; it never moves it back. There is no message without
  a deadline, so a message that arrives late extends nothing. A first `hold` of an incarnation must be *confirmed*
  before the daemon writes its first byte to the statefile; a renewal need not be, since a lost one only ends the host
  sooner.
- `drop`: the host may run without lease (HA is being disabled, or it has left). Confirmed too.
- `fence {reason}`: end this host now. The reason is on its disk before it goes.

Anything else is answered by fencing, for a daemon that says what cannot be read may mean anything by it; so is the
end of the channel while a lease is held. What is left out: where deadlines come from (the daemon's machines).
"""

from __future__ import annotations

import json
import math
import os
import socket

from attrs import frozen

from hosts.errors import PoolError

CHANNEL_VARIABLE = "LIVESET_LEASE_FD"
LONGEST_LEASE = 600.0  # s; a deadline further ahead is of another clock, and would switch fencing off in silence
_DATAGRAM = 4096
_CONFIRM_SECONDS = 2.0


@frozen
class Hold:
    """The host may run until `deadline` (seconds of CLOCK_BOOTTIME), says this incarnation of its daemon."""

    deadline: float
    incarnation: int
    confirm: bool = False


@frozen
class Drop:
    """The host runs without lease from now on."""


@frozen
class FenceRequest:
    """The host must end; `reason` is one line."""

    reason: str


@frozen
class Ended:
    """The daemon has closed the channel or has died."""


Message = Hold | Drop | FenceRequest


def encode(message: Message) -> bytes:
    """One datagram."""
    return json.dumps(_fields(message)).encode()


def _fields(message: Message) -> dict[str, object]:
    match message:
        case Hold(deadline, incarnation, confirm):
            return {"hold": deadline, "incarnation": incarnation, "confirm": confirm}
        case Drop():
            return {"drop": True}
        case FenceRequest(reason):
            return {"fence": reason[: _DATAGRAM // 8]}  # a character may take six bytes in JSON


def decode(data: bytes, now: float) -> Message | Ended | None:
    """What a daemon said, None when it cannot be read as one of the messages above.

    data: one datagram, b"" at the end of the channel. now: seconds of CLOCK_BOOTTIME; a deadline more than ten
    minutes after it cannot be read either.
    """
    if not data:
        return Ended()
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return None
    match fields:
        case {"hold": float() | int() as deadline, "incarnation": int() as incarnation, "confirm": bool() as confirm}:
            numbers = not isinstance(deadline, bool) and not isinstance(incarnation, bool)
            near = math.isfinite(deadline) and deadline <= now + LONGEST_LEASE
            if numbers and near and 0 <= incarnation < 2**63:
                return Hold(float(deadline), incarnation, confirm)
        case {"drop": True}:
            return Drop()
        case {"fence": str() as reason}:
            return FenceRequest(reason)
    return None


class Lease:
    """The daemon's end of the channel. The calls are synchronous: a guard answers in well under a millisecond."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._channel.settimeout(_CONFIRM_SECONDS)

    @classmethod
    def inherited(cls) -> Lease:
        """The lease channel that this process was started with. PoolError when a supervisor did not start it."""
        number = os.environ.pop(CHANNEL_VARIABLE, None)
        if number is None:
            raise PoolError("this daemon was not started by a supervisor (no lease channel); start its host instead")
        return cls(socket.socket(fileno=int(number)))

    def take(self, deadline: float, incarnation: int) -> None:
        """Hold a lease until `deadline` (seconds of CLOCK_BOOTTIME); when this returns the kernel's timer is set.

        Call it before the first byte of an incarnation is written. PoolError when the guard does not confirm it in
        two seconds; then the lease may be held all the same.
        """
        self._confirmed(Hold(deadline, incarnation, confirm=True))

    def renew(self, deadline: float, incarnation: int) -> None:
        """Move the deadline forward. Never fails and never waits: a renewal that is lost only ends the host sooner."""
        self._send(Hold(deadline, incarnation))

    def drop(self) -> None:
        """Give the lease up; when this returns no end of a lease ends this host. PoolError as for `take`."""
        self._confirmed(Drop())

    def fence(self, reason: str) -> None:
        """End this host, `reason` being on its disk before it goes. Returns: the death comes a moment later."""
        self._send(FenceRequest(reason))

    def _send(self, message: Message) -> None:
        try:
            self._channel.send(encode(message), socket.MSG_DONTWAIT)
        except OSError:
            return  # a guard that does not read or is gone: this host is about to end

    def _confirmed(self, message: Message) -> None:
        try:
            self._channel.send(encode(message))
            answer = self._channel.recv(_DATAGRAM)
        except OSError as error:
            raise PoolError(
                f"the guard of this host does not answer ({error}); it is being fenced or is hung"
            ) from None
        if not answer:
            raise PoolError("the guard of this host is gone; its supervisor has ended")
