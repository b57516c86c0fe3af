"""Time, as drivers see it: when it is, and a callback later. Injected, so that tests and simulators own it.

`now` is CLOCK_BOOTTIME in production: it goes on while the machine sleeps, and journals of several hosts on one
machine compare by it. `call_later` there is the event loop's, which stands still while the machine sleeps: a timer is
then late, never early, and being late is what machines must bear anyway.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import Callable
from itertools import count
from time import CLOCK_BOOTTIME, clock_gettime
from typing import Protocol

from attrs import define, field


class Handle(Protocol):
    """A callback that waits for its time."""

    def cancel(self) -> None:
        """Let it not happen; nothing if it has."""


class Clock(Protocol):
    """What a driver needs of time."""

    def now(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """Have `callback` called once, `seconds` from now, not from within this call."""


class LoopClock:
    """The clock of the event loop that runs."""

    def now(self) -> float:
        """Seconds of CLOCK_BOOTTIME."""
        return clock_gettime(CLOCK_BOOTTIME)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """As `Clock`. Errors: `RuntimeError` outside of an event loop."""
        return asyncio.get_running_loop().call_later(seconds, callback)


@define(eq=False)
class _Waiting:
    callback: Callable[[], None] | None

    def cancel(self) -> None:
        self.callback = None


@define(eq=False)
class VirtualClock:
    """A clock that stands still until `advance` moves it."""

    _now: float = 0.0
    _order: count[int] = field(factory=count, init=False)
    _waiting: list[tuple[float, int, _Waiting]] = field(factory=list, init=False)

    def now(self) -> float:
        """Seconds since the clock was made, plus what it began with."""
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """As `Clock`; of two callbacks of one moment the earlier asked for comes first."""
        waiting = _Waiting(callback)
        heapq.heappush(self._waiting, (self._now + seconds, next(self._order), waiting))
        return waiting

    def advance(self, seconds: float) -> None:
        """Let time pass, calling whatever falls due on the way, each at its moment."""
        until = self._now + seconds
        while self._waiting and self._waiting[0][0] <= until:
            self._now, _, waiting = heapq.heappop(self._waiting)
            if waiting.callback is not None:
                waiting.callback()
        self._now = until


@define(eq=False)
class ThreadClock:
    """A clock for programs without event loop: a thread waits, from the first timer on, and each callback gets a thread
    of its own, so that one that blocks holds up no other. All are daemons."""

    _order: count[int] = field(factory=count, init=False)
    _waiting: list[tuple[float, int, _Waiting]] = field(factory=list, init=False)
    _changed: threading.Condition = field(factory=threading.Condition, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def now(self) -> float:
        """Seconds of CLOCK_BOOTTIME."""
        return clock_gettime(CLOCK_BOOTTIME)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """As `Clock`; from any thread."""
        waiting = _Waiting(callback)
        with self._changed:
            heapq.heappush(self._waiting, (self.now() + seconds, next(self._order), waiting))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fsm clock", daemon=True)
                self._thread.start()
            self._changed.notify()
        return waiting

    def _run(self) -> None:
        with self._changed:
            while True:
                left = self._waiting[0][0] - self.now() if self._waiting else None
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
                callback = heapq.heappop(self._waiting)[2].callback
                if callback is not None:
                    threading.Thread(target=callback, name="fsm timer", daemon=True).start()
