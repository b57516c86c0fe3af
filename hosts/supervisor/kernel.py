"""The four promises of the Linux kernel that fencing stands on, which Python 3.11 does not offer itself.

1. *A timer that kills* (`DeathTimer`): timer_create(2) on CLOCK_BOOTTIME with SIGKILL. The kernel fires it while the
   process that owns it is stopped, starved or swapped out, and the clock goes on while the machine is suspended.
   Trap: a SIGKILL that comes from such a timer is ignored by the first process of a PID namespace, as is every signal
   that is not sent from outside of it. The timer therefore belongs to a process outside the namespace. Trap: a time of
   zero does not mean "at once", it stops the timer.
2. *A death that follows another* (`die_with_parent`): prctl(PR_SET_PDEATHSIG). Sent by a parent outside the namespace,
   it does kill the first process of the namespace. Trap: the "parent" is the *thread* that forked, so only a main
   thread may fork such a child. Trap: a fork clears it, and so may a change of credentials (a new user namespace), so
   it is set last. Trap: the parent may have died before it was set; see the two ways to check in `process.py`.
3. *A namespace whose processes cannot outlive its first one* (`unshare`): no fork, no setsid leads out of it.
4. *A reaper of orphans* (`adopt_orphans`): prctl(PR_SET_CHILD_SUBREAPER). Once it has no child left, nothing that
   descended from it lives.

What is left out: everything that decides. Times are seconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress

CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIGEV_SIGNAL = 0
_TIMER_ABSTIME = 1
_PRIORITY = 10  # of 1 to 99: above all ordinary processes, below the kernel's own threads

_libc = ctypes.CDLL(None, use_errno=True)
# glibc before 2.34 keeps the timers in a library of their own.
_timers = _libc if hasattr(_libc, "timer_create") else ctypes.CDLL("librt.so.1", use_errno=True)


class _SignalEvent(ctypes.Structure):
    """struct sigevent: 64 bytes, of which a signal needs three fields."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_byte * 48),
    )


class _TimerSetting(ctypes.Structure):
    """struct itimerspec: the period (none here) and the time of the first expiry."""

    _fields_ = (
        ("period_seconds", ctypes.c_long),
        ("period_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


def now() -> float:
    """Seconds since the machine was booted, suspended time included: the clock of leases, journals and VM disks."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the thread that forked this process ends. OSError when it refuses.

    A parent that is dead already sends nothing: the caller checks that afterwards.
    """
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent has died. OSError when the kernel refuses."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` (CLONE_…). OSError when the kernel forbids it.

    With CLONE_NEWPID it is the next child, not the caller, that lives in the new namespace, as its process 1.
    """
    _check(_libc.unshare(ctypes.c_int(flags)))


def run_first() -> None:
    """Run before ordinary processes where the kernel permits it (root), so that a loaded machine kills in time.

    Best effort: nothing may depend on it. Children go back to ordinary scheduling.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))


class DeathTimer:
    """A kernel timer that kills the process which made it (timer_create(2)); a fork does not inherit it."""

    def __init__(self) -> None:
        self._timer = ctypes.c_void_p()
        event = _SignalEvent(signal=int(signal.SIGKILL), notify=_SIGEV_SIGNAL)
        _check(_timers.timer_create(time.CLOCK_BOOTTIME, ctypes.byref(event), ctypes.byref(self._timer)))

    def set(self, deadline: float) -> None:
        """Kill at `deadline` (seconds of CLOCK_BOOTTIME) instead of whatever was set; at once when it is past."""
        self._set_nanoseconds(max(1, int(deadline * 1e9)))

    def clear(self) -> None:
        """Kill nobody."""
        self._set_nanoseconds(0)

    def _set_nanoseconds(self, when: int) -> None:
        setting = _TimerSetting(0, 0, *divmod(when, 1_000_000_000))
        _check(_timers.timer_settime(self._timer, _TIMER_ABSTIME, ctypes.byref(setting), None))
