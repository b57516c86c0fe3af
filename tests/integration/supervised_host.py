"""A host for tests: a real process tree in a directory of its own, with a daemon and an agent made for tests."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from attrs import define

from hosts.supervisor import (
    HostConfig,
    HostControl,
    HostStatus,
    Lease,
    SupervisorClient,
    start_host,
    started_arguments,
)
from hosts.supervisor.kernel import now

T = TypeVar("T")
PATIENCE = 10.0  # s, for what should take milliseconds


def daemon() -> None:
    """Do what it is started with: hold a lease so long, then something."""
    wanted = started_arguments()
    lease = Lease.inherited()
    if isinstance(hold := wanted.get("hold"), float):
        lease.take(now() + hold, 7)
    match wanted.get("then"):
        case "drop":
            lease.drop()
        case "fence":
            lease.fence("the survivors have the quorum")
            signal.pause()
        case "garbage":
            lease._channel.send(b"\x00 nonsense")
            signal.pause()
        case "renew":
            for _ in range(20):
                lease.renew(now() + 0.4, 7)
                time.sleep(0.05)
            signal.pause()
        case _:
            signal.pause()


@define
class Host:
    """One host of a test."""

    directory: Path
    namespace: str = ""
    process: int = 0
    fencing: bool = True
    status: int | None = None

    def start(self) -> None:
        config = HostConfig("h1", self.directory, self._note_obituary, self.fencing)
        self.process = start_host(config, {"daemon": daemon, "agent": self._agent})
        self.namespace = os.readlink(f"/proc/{self.outside().processes['init']}/ns/pid")

    def _note_obituary(self, obituary: object) -> None:
        with self.directory.joinpath("obituaries").open("a") as file:
            print(obituary, file=file)

    def _agent(self) -> None:
        """Leave two processes that try to escape: setsid, double fork, every descriptor closed."""
        with self.directory.joinpath("agents").open("a") as file:
            print(os.getpid(), file=file)
        for number in range(2):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.closerange(0, 1000)
                    escapee = os.open(self.directory / f"escapee{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                    while True:
                        os.write(escapee, b".")
                        time.sleep(0.01)
                os._exit(0)
            os.wait()
        signal.pause()

    def ask(self, request: Callable[[SupervisorClient], Awaitable[T]]) -> T:
        return asyncio.run(_await(request(SupervisorClient(self.directory))))

    def order(self, request: Callable[[HostControl], Awaitable[T]]) -> T:
        return asyncio.run(_await(request(HostControl(self.directory))))

    def outside(self) -> HostStatus:
        return self.order(lambda control: control.status())

    def start_vm(self, vm: str = "vm1", incarnation: int = 1) -> Path:
        disk = self.directory / f"{vm}.disk"
        self.ask(lambda client: client.start_vm(vm, disk, incarnation, "h1"))
        return disk

    def run_daemon(self, **arguments: object) -> None:
        """Start the daemon and wait until it holds its lease."""
        assert self.ask(lambda client: client.start_daemon(arguments))
        if "hold" in arguments and "then" not in arguments:
            until(lambda: self.outside().deadline is not None)

    def wait(self) -> dict[str, Any]:
        """Wait for the end of the outer supervisor; returns what is on the disk about the death."""
        assert _ended(self.process), "the host does not die"
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        self.process = 0
        assert not self.members()
        path = self.directory / "fenced.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def members(self) -> list[int]:
        """The processes that live in the namespace of this host.

        The dead are left out: who reaps the first process after its supervisor was killed is up to the machine.
        """
        found = (p for p in Path("/proc").glob("[0-9]*/ns/pid") if _link(p) == self.namespace)
        return [process for p in found if process_state(process := int(p.parts[2])) not in "ZX"]

    def obituaries(self) -> list[str]:
        path = self.directory / "obituaries"
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> str:
        return (self.directory / "supervisor.log").read_text()


async def _await(request: Awaitable[T]) -> T:
    return await request


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _ended(process: int) -> bool:
    with os.fdopen(os.pidfd_open(process)) as ended:
        return bool(select.select([ended], [], [], PATIENCE)[0])


def process_state(process: int) -> str:
    """The state letter of /proc/<process>/stat, X when there is no such process."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def until(condition: Callable[[], object]) -> None:
    """Wait for the condition; fail when it does not come true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@contextmanager
def unstarted_host() -> Iterator[Host]:
    """A host that is not started; whatever it left running is killed. Short paths, for the sockets."""
    with tempfile.TemporaryDirectory(prefix="lv") as directory:
        host = Host(Path(directory))
        yield host
        if host.process:
            os.kill(host.process, signal.SIGKILL)
            os.waitpid(host.process, 0)
            until(lambda: not host.namespace or not host.members())
