"""The VM: a process that leaves proof of its life on its disk, and nothing else.

Ten times a second it appends one line to its disk in the shared directory:

    vm host incarnation counter time

with one write(2) on a descriptor opened with O_APPEND, so that lines of two writers do not mix. It takes no lock, as a
disk on a SAN has none: nothing but HA keeps two instances apart, and two that run at once leave both their lines. time
is CLOCK_BOOTTIME in seconds, counter starts at 0. On SIGTERM it writes a last line that ends with the word `stopped`.
It ends when its disk refuses a line, as a guest does that has lost its disk.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from attrs import frozen

from hosts.supervisor import kernel
from hosts.supervisor.process import log

PERIOD = 0.1  # s


@frozen
class VmStart:
    """Which VM, on which disk, as which incarnation, for which host: what `start_vm` asks for."""

    vm: str
    disk: Path
    incarnation: int
    host: str


def run(start: VmStart, ready: int) -> None:
    """Be the VM until SIGTERM.

    ready: a pipe that is told `ok` when the first line is on the disk, else one line with the reason.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        disk = os.open(start.disk, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        _append(disk, start, 0)
    except OSError as error:
        os.write(ready, f"{start.disk}: the disk of {start.vm} cannot be written: {error.strerror}".encode())
        raise SystemExit(1) from None
    os.write(ready, b"ok")
    os.close(ready)
    try:
        _live(disk, start)
    except OSError as error:
        log(f"vm {start.vm}: ended, its disk {start.disk} refused a line: {error.strerror}")
        raise SystemExit(1) from None


def _live(disk: int, start: VmStart) -> None:
    counter = 0
    due = time.monotonic()
    while True:
        # From the last due time, so that the rate holds; after a long stop from now, without catching up.
        due = max(due + PERIOD, time.monotonic())
        counter += 1
        if signal.sigtimedwait({signal.SIGTERM}, max(0.0, due - time.monotonic())):
            _append(disk, start, counter, " stopped")
            return
        _append(disk, start, counter)


def _append(disk: int, start: VmStart, counter: int, end: str = "") -> None:
    line = f"{start.vm} {start.host} {start.incarnation} {counter} {kernel.now():.6f}{end}\n".encode()
    if os.write(disk, line) != len(line):
        raise OSError(28, "No space left on device")
