"""Time, as drivers see it: when it is, and a callback later. Injected, so that tests and simulators own it.

`now` is CLOCK_BOOTTIME in production: it goes on while the machine sleeps, and journals of several hosts on one
machine compare by it. `call_later` there is the event loop's, which stands still while the machine sleeps: a timer is
then late, never early, and being late is what machines must bear anyway.
"""

from __future__ import annotations

import asyncio
import heapq
import os
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


FEW = 64
"""Callbacks among which nobody looks for cancelled ones."""


@define(eq=False)
class _Agenda:
    """What waits, by its time; of one moment, the earlier asked for comes first. What was cancelled is thrown out once
    it may be half of all: a timer that starts anew with every event is cancelled far more often than it rings."""

    entries: list[tuple[float, int, _Waiting]] = field(factory=list)
    _order: count[int] = field(factory=count)
    _enough: int = FEW

    def add(self, when: float, callback: Callable[[], None]) -> Handle:
        """Something more."""
        if len(self.entries) >= self._enough:
            self.entries = [entry for entry in self.entries if entry[2].callback is not None]
            heapq.heapify(self.entries)
            self._enough = max(FEW, 2 * len(self.entries))
        waiting = _Waiting(callback)
        heapq.heappush(self.entries, (when, next(self._order), waiting))
        return waiting

    def next(self) -> tuple[float, Callable[[], None] | None]:
        """Takes out what comes first: its time, and what to call unless it was cancelled."""
        when, _, waiting = heapq.heappop(self.entries)
        return when, waiting.callback


@define(eq=False)
class VirtualClock:
    """A clock that stands still until `advance` moves it."""

    _now: float = 0.0
    _agenda: _Agenda = field(factory=_Agenda, init=False)

    def now(self) -> float:
        """Seconds since the clock was made, plus what it began with."""
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """As `Clock`; of two callbacks of one moment the earlier asked for comes first."""
        return self._agenda.add(self._now + seconds, callback)

    def advance(self, seconds: float) -> None:
        """Let time pass, calling whatever falls due on the way, each at its moment."""
        until = self._now + seconds
        while self._agenda.entries and self._agenda.entries[0][0] <= until:
            self._now, callback = self._agenda.next()
            if callback is not None:
                callback()
        self._now = until


@define(eq=False)
class ThreadClock:
    """A clock for programs without event loop: a thread waits, from the first timer on, and each callback gets a thread
    of its own, so that one that blocks holds up no other. All are daemons. A forked process has its own, from its first
    timer on."""

    _agenda: _Agenda = field(factory=_Agenda, init=False)
    _changed: threading.Condition = field(factory=threading.Condition, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _process: int = field(factory=os.getpid, init=False)

    def now(self) -> float:
        """Seconds of CLOCK_BOOTTIME."""
        return clock_gettime(CLOCK_BOOTTIME)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """As `Clock`; from any thread."""
        if self._process != os.getpid():  # no thread but the one that forked is here, whatever they held
            self._changed, self._thread, self._process = threading.Condition(), None, os.getpid()
        with self._changed:
            waiting = self._agenda.add(self.now() + seconds, callback)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fsm clock", daemon=True)
                self._thread.start()
            self._changed.notify()
        return waiting

    def _run(self) -> None:
        with self._changed:
            while True:
                left = self._agenda.entries[0][0] - self.now() if self._agenda.entries else None
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
                _, callback = self._agenda.next()
                if callback is not None:
                    threading.Thread(target=callback, name="fsm timer", daemon=True).start()
