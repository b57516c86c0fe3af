"""Clocks: what is cancelled costs nothing in the long run, and a forked process has time of its own."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from random import Random

import pytest
from attrs import define, field

from fsm.drivers.clock import ThreadClock, VirtualClock

FORKS = """
import os, threading
from fsm.drivers.clock import ThreadClock
clock, rang = ThreadClock(), threading.Event()
clock.call_later(0.0, rang.set)
assert rang.wait(5)
if os.fork() == 0:
    again = threading.Event()
    clock.call_later(0.01, again.set)
    os._exit(0 if again.wait(5) else 1)
_, status = os.wait()
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("made", [VirtualClock, ThreadClock])
def test_a_timer_that_starts_anew_with_every_event_takes_no_more_room(made: type[VirtualClock | ThreadClock]) -> None:
    """A watchdog of a minute that is kicked at every event: what was cancelled is not kept for that minute."""
    clock = made()
    last = clock.call_later(60.0, lambda: None)
    for _ in range(5000):
        last.cancel()
        last = clock.call_later(60.0, lambda: None)
    assert len(clock._agenda.entries) < 200
    last.cancel()


@define
class Plan:
    """What was asked of a clock, by somebody who forgets nothing."""

    clock: VirtualClock = field(factory=VirtualClock)
    rang: list[int] = field(factory=list)
    due: dict[int, float] = field(factory=dict)

    def expected(self) -> list[int]:
        return sorted(self.due, key=lambda number: (self.due[number], number))


def test_throwing_out_what_was_cancelled_loses_nothing_else() -> None:
    """Whatever is not cancelled rings, in the order of time and then of asking."""
    for seed in range(20):
        random, plan = Random(seed), Plan()
        for number in range(400):
            seconds = random.choice((0.0, 1.0, random.random()))
            handle = plan.clock.call_later(seconds, partial(plan.rang.append, number))
            plan.due[number] = seconds
            if random.random() < 0.8:
                handle.cancel()
                del plan.due[number]
        plan.clock.advance(1.0)
        assert plan.rang == plan.expected()


def test_a_forked_process_has_a_clock_of_its_own() -> None:
    """The thread that waits is not forked; the first timer starts another one."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], check=True, timeout=20)
