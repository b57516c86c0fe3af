"""A page of memory that a guard writes and the outer supervisor reads when the guard is dead.

A process killed by a kernel timer writes no last words, and one that kills itself at once has no time for a file. The
page survives its writer: it tells whether a lease was held, until when, for which incarnation of the daemon, and why
the guard ended its host if it did so itself. Nothing that matters for safety is read from it while the guard lives.
"""

from __future__ import annotations

import mmap
import struct

from attrs import frozen

_LEASE = struct.Struct("=?dq")
_REASON_AT = 64
_REASON_LENGTH = struct.Struct("=H")
_REASON_BYTES = 1024


@frozen
class Held:
    """A lease: until when (seconds of CLOCK_BOOTTIME), and the incarnation of the daemon that holds it."""

    deadline: float
    incarnation: int


class Slate:
    """The page. Made before the guard is forked, so that both have it; `close` it in everybody else."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    @property
    def held(self) -> Held | None:
        """The lease that the guard holds; it may be half written while the guard lives."""
        armed, deadline, incarnation = _LEASE.unpack_from(self._page)
        return Held(deadline, incarnation) if armed else None

    @held.setter
    def held(self, held: Held | None) -> None:
        _LEASE.pack_into(self._page, 0, held is not None, *((held.deadline, held.incarnation) if held else (0.0, 0)))

    @property
    def reason(self) -> str | None:
        """Why the guard ended its host, None when it did not."""
        (length,) = _REASON_LENGTH.unpack_from(self._page, _REASON_AT)
        start = _REASON_AT + _REASON_LENGTH.size
        return self._page[start : start + length].decode(errors="replace") if length else None

    @reason.setter
    def reason(self, reason: str) -> None:
        text = reason.encode()[:_REASON_BYTES]
        start = _REASON_AT + _REASON_LENGTH.size
        self._page[start : start + len(text)] = text
        _REASON_LENGTH.pack_into(self._page, _REASON_AT, len(text))  # last: a torn reason is no reason

    def close(self) -> None:
        """Give the page up in this process."""
        self._page.close()
