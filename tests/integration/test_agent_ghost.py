"""What a dead agent has asked of its host, and nobody has read yet, is not carried out behind its successor's back."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.supervisor import HostConfig, HostControl, SupervisorClient, start_host

PATIENCE = 10.0  # s


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path."""
    directory = Path(tempfile.mkdtemp(prefix="ls"))
    yield directory
    shutil.rmtree(directory)


def _agent(directory: Path) -> None:
    """In its first life: when told, ask for a VM and die, with init stopped. In the second: say what runs."""
    if not (directory / "asked").exists():
        while not (directory / "go").exists():
            time.sleep(0.005)
        request = {"do": "start_vm", "vm": "ghost", "disk": str(directory / "disk"), "incarnation": 1, "host": "h"}
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(directory / "init.sock"))
            channel.sendall(json.dumps(request).encode() + b"\n")
            (directory / "asked").touch()
            os._exit(1)
    vms = asyncio.run(SupervisorClient(directory).list_vms())
    (directory / "known").write_text(" ".join(vm.vm for vm in vms) + ".")
    signal.pause()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} does not come"
        time.sleep(0.005)


def test_no_vm_starts_that_the_next_agent_does_not_know_of(place: Path) -> None:
    """Init is stopped while an agent asks for a VM and dies. Whatever it does first afterwards: a VM that runs is one
    that the next agent was told of."""
    process = start_host(HostConfig("h", place, lambda _: None), {"agent": lambda: _agent(place)})
    control = HostControl(place)
    init = asyncio.run(control.status()).processes["init"]
    os.kill(init, signal.SIGSTOP)
    (place / "go").touch()
    _wait_for(place / "asked")
    time.sleep(0.05)
    os.kill(init, signal.SIGCONT)
    _wait_for(place / "known")
    time.sleep(0.3)
    known = (place / "known").read_text()
    assert (known, (place / "disk").exists()) in ((".", False), ("ghost.", True))
    asyncio.run(control.shutdown())
    os.waitpid(process, 0)
