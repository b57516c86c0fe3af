"""The toolstack of a supervisor with real processes: VMs and their disks, daemons, requests that make no sense."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.errors import PoolError
from hosts.supervisor import RunningVm, SupervisorClient, vms
from hosts.supervisor.kernel import now
from tests.integration.supervised_host import Host, unstarted_host, until

LINE = re.compile(r"vm1 h1 1 (\d+) (\d+\.\d{6})")


@pytest.fixture
def host() -> Iterator[Host]:
    """A host that is not started."""
    with unstarted_host() as host:
        yield host


def test_a_vm_leaves_ten_lines_a_second(host: Host) -> None:
    """Each line is `vm host incarnation counter time`; the last one says that it was stopped."""
    host.start()
    before = now()
    disk = host.start_vm()
    assert LINE.fullmatch(disk.read_text().splitlines()[0]), "acknowledged before its first line"
    until(lambda: len(disk.read_text().splitlines()) >= 6)
    assert host.ask(lambda client: client.stop_vm("vm1"))
    *lines, last = disk.read_text().splitlines()
    matches = [LINE.fullmatch(line) for line in lines]
    assert [match and int(match[1]) for match in matches] == list(range(len(lines)))
    times = [float(match[2]) for match in matches if match]
    assert before <= times[0]
    assert times[5] - times[0] >= 0.4
    assert last.endswith(" stopped")
    assert not host.ask(lambda client: client.stop_vm("vm1"))


def test_a_start_is_idempotent(host: Host) -> None:
    """The same incarnation starts once, however many ask at the same time; another one is refused."""
    host.start()
    disk = host.directory / "vm1.disk"

    async def ask_often() -> None:
        client = SupervisorClient(host.directory)
        await asyncio.gather(*(client.start_vm("vm1", disk, 1, "h1") for _ in range(5)))
        await client.start_vm("vm1", disk, 1, "h1")
        with pytest.raises(PoolError, match="vm1 runs here as incarnation 1"):
            await client.start_vm("vm1", disk, 2, "h1")

    asyncio.run(ask_often())
    assert host.ask(lambda client: client.list_vms()) == (RunningVm("vm1", 1),)
    assert [line.split()[3] for line in disk.read_text().splitlines()].count("0") == 1


@pytest.mark.parametrize(
    ("disk", "reason"), [("/dev/full", "No space left on device"), ("/nowhere/vm1.disk", "No such file or directory")]
)
def test_a_vm_without_disk_does_not_start(host: Host, disk: str, reason: str) -> None:
    """The start fails with the disk and the reason, and no process is left."""
    host.start()
    with pytest.raises(PoolError, match=f"^{disk}: the disk of vm1 cannot be written: {reason}$"):
        host.ask(lambda client: client.start_vm("vm1", Path(disk), 1, "h1"))
    until(lambda: host.ask(lambda client: client.list_vms()) == ())


def test_a_start_does_not_wait_for_a_hung_disk_for_ever(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A VM whose first line does not come in time is killed and reported."""
    monkeypatch.setattr(vms, "START_SECONDS", 0.1)
    host.start()
    hung = host.directory / "fifo"
    os.mkfifo(hung)  # nobody reads it, so nobody can open it for writing
    with pytest.raises(PoolError, match="no line on the disk of vm1"):
        host.ask(lambda client: client.start_vm("vm1", hung, 1, "h1"))
    until(lambda: host.ask(lambda client: client.list_vms()) == ())


def test_a_vm_that_does_not_stop_is_killed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stop_vm` answers once the process is reaped, whatever the VM does about SIGTERM."""
    monkeypatch.setattr(vms, "STOP_SECONDS", 0.1)
    host.start()
    until((host.directory / "escapee1").exists)
    disk = host.start_vm()
    before = set(host.members())
    host.start_vm("vm2")
    (vm2,) = set(host.members()) - before - escapees(host)
    os.kill(vm2, signal.SIGSTOP)
    assert host.ask(lambda client: client.stop_vm("vm2"))
    assert vm2 not in host.members()
    assert host.ask(lambda client: client.list_vms()) == (RunningVm("vm1", 1),)
    assert disk.exists()


def escapees(host: Host) -> set[int]:
    """The processes of the agent, which may start at any time."""
    agent = host.outside().processes["agent"]
    return {process for process in host.members() if os.getpgid(process) != os.getpgid(agent)}


def test_stop_all_stops_every_vm(host: Host) -> None:
    """Every disk ends with its VM's last word."""
    host.start()
    disks = [host.start_vm(f"vm{n}") for n in range(4)]
    host.ask(lambda client: client.stop_all())
    assert host.ask(lambda client: client.list_vms()) == ()
    assert all(disk.read_text().endswith(" stopped\n") for disk in disks)


def test_a_vm_that_dies_is_not_listed(host: Host) -> None:
    """What runs is what has been started and not been reaped; who waits for the end of a VM is told at once."""
    host.start()
    until((host.directory / "escapee1").exists)
    before = set(host.members())
    host.start_vm()
    (vm,) = set(host.members()) - before

    async def kill_and_wait() -> None:
        client = SupervisorClient(host.directory)
        ended = asyncio.create_task(client.vm_ended("vm1"))
        await client.list_vms()
        await asyncio.sleep(0.05)
        assert not ended.done()
        os.kill(vm, signal.SIGKILL)
        await asyncio.wait_for(ended, 5)
        assert await client.list_vms() == ()
        await asyncio.wait_for(client.vm_ended("vm1"), 5)

    asyncio.run(kill_and_wait())


def test_a_daemon_is_stopped_on_request(host: Host) -> None:
    """`stop_daemon` answers once it is reaped, and False when none runs."""
    host.start()
    assert not host.ask(lambda client: client.stop_daemon())
    host.run_daemon()
    assert host.ask(lambda client: client.stop_daemon())
    assert host.ask(lambda client: client.daemon_status()).code == -signal.SIGTERM
    assert not host.ask(lambda client: client.stop_daemon())


BAD = [
    b"\xff\xfe\n",
    b"[]\n",
    b"{}\n",
    b'{"do": []}\n',
    b'{"do": "reboot"}\n',
    b'{"do": "start_vm"}\n',
    b'{"do": "start_vm", "vm": "a b", "disk": "/tmp/x", "incarnation": 1, "host": "h1"}\n',
    b'{"do": "start_vm", "vm": "a", "disk": "x", "incarnation": 1, "host": "h1"}\n',
    b'{"do": "start_vm", "vm": "a", "disk": "/x\\u0000", "incarnation": 1, "host": "h1"}\n',
    b'{"do": "start_vm", "vm": "a", "disk": "/tmp/x", "incarnation": true, "host": "h1"}\n',
    b'{"do": "start_vm", "vm": "a\\ud800", "disk": "/tmp/x", "incarnation": 1, "host": "h1"}\n',
    b'{"do": "start_daemon", "arguments": 3}\n',
    b"[" * 60000 + b"\n",
]


def test_requests_that_make_no_sense_are_refused(host: Host) -> None:
    """Each is answered in one line that names what is wrong, and harms nothing."""
    host.start()
    host.start_vm()
    for bad in BAD:
        reply = json.loads(_send(host.directory / "init.sock", bad))
        assert not reply["ok"], bad[:99]
        assert reply["reason"], bad[:99]
        assert "\n" not in reply["reason"]
    assert _send(host.directory / "init.sock", b"x" * 100_000 + b"\n") == b""
    assert host.ask(lambda client: client.list_vms()) == (RunningVm("vm1", 1),)
    assert "Traceback" not in host.log()


def _send(path: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.settimeout(5.0)
        try:
            connection.sendall(line)
            with connection.makefile("rb") as answers:
                return answers.readline()
        except (BrokenPipeError, ConnectionResetError):
            return b""


def test_only_the_owner_can_reach_a_host(host: Host) -> None:
    """Both sockets are closed to group and others."""
    host.start()
    for name in ("init.sock", "control.sock"):
        assert (host.directory / name).stat().st_mode & 0o077 == 0


def test_a_host_that_is_down_is_said_to_be(host: Host) -> None:
    """One line with the socket and a remedy."""
    with pytest.raises(PoolError, match=r"init\.sock: nobody answers list_vms .* is the host up\?$"):
        host.ask(lambda client: client.list_vms())
