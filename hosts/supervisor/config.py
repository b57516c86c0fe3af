"""What a supervisor is told about its host, and what it tells when the host is dead."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from attrs import field, frozen

from hosts.errors import PoolError

INIT_SOCKET = "init.sock"
CONTROL_SOCKET = "control.sock"
FENCED_FILE = "fenced.json"
LOG_FILE = "supervisor.log"
LOCK_FILE = "supervisor.lock"
_SOCKET_PATH_BYTES = 107  # sizeof(sun_path) - 1, unix(7)


@frozen
class Obituary:
    """Every process of the host `host` is dead: a confirmed fence.

    reason: one line. incarnation: of the daemon that held the lease at the end, None when no lease was held.
    deadline: when that lease would end or has ended, None without lease. dead: when the last process had died. Times
    are seconds of CLOCK_BOOTTIME.
    """

    host: str
    reason: str
    incarnation: int | None
    deadline: float | None
    dead: float


@frozen
class HostConfig:
    """One host: its name, its own directory (made when it is missing), and what to do with its obituary.

    obituary: called in the outer supervisor, once, when the last process of the host has died. It may block for a
    moment but must not start processes; what it raises is logged.
    fencing: False is the switch of the control experiment that must fail (two instances of a VM run at once): the
    guard then ignores the end of the lease and every request to fence. Nothing else may set it.
    """

    name: str
    directory: Path = field(converter=Path)
    obituary: Callable[[Obituary], None]
    fencing: bool = True

    def path(self, file: str) -> Path:
        """The file of that name in the directory of the host."""
        return self.directory / file


def socket_path(path: Path) -> str:
    """The path of a unix socket as the system calls want it. PoolError when it is longer than 107 bytes."""
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise PoolError(f"{path}: too long for a unix socket ({_SOCKET_PATH_BYTES} bytes); use a shorter directory")
    return str(path)
