"""The supervisor with real processes: what dies, when, and what it leaves on the disk."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from hosts.errors import PoolError
from hosts.supervisor import HostConfig, RunningVm, start_host
from hosts.supervisor.kernel import now
from tests.integration.supervised_host import Host, process_state, unstarted_host, until

SOON = 2.0  # s; it takes some 25 ms, but a loaded machine is no failure of the supervisor


@pytest.fixture
def host() -> Iterator[Host]:
    """A host that is not started."""
    with unstarted_host() as host:
        yield host


def test_the_end_of_the_lease_ends_everything(host: Host) -> None:
    """VMs, agent, daemon and processes that left by setsid and double fork are dead soon after the deadline."""
    host.start()
    disk = host.start_vm()
    until((host.directory / "escapee1").exists)
    host.run_daemon(hold=0.4)
    assert len(host.members()) == 6
    record = host.wait()
    assert 0 <= record["dead"] - record["deadline"] < SOON
    assert record["incarnation"] == 7
    assert "the lease ended" in record["reason"]
    assert host.status == 1
    assert len(host.obituaries()) == 1
    assert "incarnation=7" in host.obituaries()[0]
    before = disk.read_text(), (host.directory / "escapee1").read_bytes()
    time.sleep(0.15)
    assert (disk.read_text(), (host.directory / "escapee1").read_bytes()) == before


def test_the_lease_ends_a_frozen_host(host: Host) -> None:
    """The kernel's timer fires while guard, init, daemon and agent are stopped; until then the VMs go on."""
    host.start()
    disk = host.start_vm()
    host.run_daemon(hold=0.6)
    assert host.order(lambda control: control.freeze()) == ("guard", "init", "daemon", "agent")
    stopped = [host.outside().processes[name] for name in ("guard", "init", "daemon")]
    until(lambda: [process_state(process) for process in stopped] == ["T", "T", "T"])
    lines = len(disk.read_text().splitlines())
    until(lambda: len(disk.read_text().splitlines()) > lines)
    record = host.wait()
    assert 0 <= record["dead"] - record["deadline"] < SOON
    assert len(host.obituaries()) == 1


def test_renewals_keep_the_host_alive_until_they_stop(host: Host) -> None:
    """A host whose lease is renewed outlives its first deadline, and dies at the last one."""
    host.start()
    armed = now()
    host.run_daemon(hold=0.4, then="renew")
    record = host.wait()
    assert record["deadline"] >= armed + 19 * 0.05 + 0.4
    assert 0 <= record["dead"] - record["deadline"] < SOON


def test_the_death_of_a_daemon_that_holds_the_lease_fences_at_once(host: Host) -> None:
    """Nobody waits for the end of its lease: it could not say whether its host is still wanted."""
    host.start()
    host.start_vm()
    host.run_daemon(hold=60.0)
    killed = now()
    host.order(lambda control: control.kill("daemon"))
    record = host.wait()
    assert record["dead"] - killed < SOON
    assert record["reason"] == "the daemon ended while it held the lease"
    assert len(host.obituaries()) == 1


def test_a_daemon_that_gave_its_lease_up_may_end(host: Host) -> None:
    """Disarm, then exit: nobody is fenced, the daemon is not started again, and another may be started."""
    host.start()
    host.start_vm()
    assert host.ask(lambda client: client.daemon_status()).state == "absent"
    host.run_daemon(hold=0.2, then="drop")
    until(lambda: host.ask(lambda client: client.daemon_status()).state == "exited")
    time.sleep(0.3)
    assert host.ask(lambda client: client.list_vms()) == (RunningVm("vm1", 1),)
    assert host.outside().deadline is None
    host.run_daemon(hold=30.0)
    assert not host.ask(lambda client: client.start_daemon())
    assert host.ask(lambda client: client.daemon_status()).state == "running"


def test_a_daemon_killed_without_lease_harms_nobody(host: Host) -> None:
    """While HA is off the daemon is no reason to die."""
    host.start()
    host.run_daemon()
    host.order(lambda control: control.kill("daemon"))
    until(lambda: host.ask(lambda client: client.daemon_status()).state == "exited")
    assert host.ask(lambda client: client.daemon_status()).code == -signal.SIGKILL
    assert not host.obituaries()


def test_a_requested_fence_leaves_its_reason(host: Host) -> None:
    """The reason that the daemon gave is in the record and in the obituary."""
    host.start()
    host.start_vm()
    host.run_daemon(hold=60.0, then="fence")
    assert host.wait()["reason"] == "the survivors have the quorum"
    assert "the survivors have the quorum" in host.obituaries()[0]


def test_garbage_on_the_lease_channel_fences(host: Host) -> None:
    """A daemon that cannot be understood might mean anything."""
    host.start()
    host.run_daemon(hold=60.0, then="garbage")
    assert "no lease message" in host.wait()["reason"]


def wait_for_agents(host: Host, number: int) -> None:
    """Wait until so many agents have been started one after another."""
    until(lambda: len((host.directory / "agents").read_text().split()) == number)


def test_a_killed_agent_is_started_again_and_finds_its_vms(host: Host) -> None:
    """A toolstack restart: the VMs go on, without a gap, and the supervisor still lists them."""
    host.start()
    disk = host.start_vm()
    for restart in (1, 2):
        host.order(lambda control: control.kill("agent"))
        wait_for_agents(host, 1 + restart)
    assert host.ask(lambda client: client.list_vms()) == (RunningVm("vm1", 1),)
    counters = [int(line.split()[3]) for line in disk.read_text().splitlines()]
    assert counters == list(range(len(counters)))
    until(lambda: len(disk.read_text().splitlines()) > len(counters))


def test_power_off_kills_all_and_publishes(host: Host) -> None:
    """What an operator's power switch does, with the VMs and with a confirmed fence."""
    host.start()
    host.start_vm()
    host.run_daemon(hold=60.0)
    host.order(lambda control: control.power_off())
    assert host.wait()["reason"] == "power off"
    assert len(host.obituaries()) == 1


@pytest.mark.parametrize("victim", ["guard", "init"])
def test_the_death_of_guard_or_init_is_the_death_of_the_host(host: Host, victim: str) -> None:
    """Whoever kills one of them, all processes are dead before the obituary says so, even if the other is stopped."""
    host.start()
    host.start_vm()
    host.run_daemon(hold=60.0)
    host.order(lambda control: control.freeze())
    os.kill(host.outside().processes[victim], signal.SIGKILL)
    assert "killed from outside" in host.wait()["reason"]
    assert len(host.obituaries()) == 1


def test_a_frozen_host_can_be_powered_off(host: Host) -> None:
    """Nothing in the host has to run for it."""
    host.start()
    host.start_vm()
    host.order(lambda control: control.freeze())
    host.order(lambda control: control.power_off())
    assert host.wait()["reason"] == "power off"


def test_a_shutdown_without_lease_is_no_death(host: Host) -> None:
    """The clean end: no obituary, no record, exit status 0; and the host can be started again."""
    host.start()
    host.start_vm()
    host.ask(lambda client: client.stop_all())
    host.order(lambda control: control.shutdown())
    assert host.wait() == {}
    assert host.status == 0
    assert not host.obituaries()
    host.start()
    assert host.ask(lambda client: client.list_vms()) == ()


def test_a_shutdown_of_a_host_with_lease_is_a_death(host: Host) -> None:
    """Its peers count on it, so they are told."""
    host.start()
    host.run_daemon(hold=60.0)
    os.kill(host.process, signal.SIGTERM)
    assert host.wait()["reason"] == "shut down"
    assert host.status == 1
    assert len(host.obituaries()) == 1


def test_nothing_survives_a_killed_supervisor(host: Host) -> None:
    """kill -9 of the outer supervisor leaves no process of the host, even of a frozen one."""
    host.start()
    host.start_vm()
    host.order(lambda control: control.freeze())
    os.kill(host.process, signal.SIGKILL)
    os.waitpid(host.process, 0)
    host.process = 0
    until(lambda: not host.members())
    assert not host.obituaries()


def test_without_fencing_a_host_outlives_its_lease(host: Host) -> None:
    """The control that must fail: the guard ignores the end of the lease and the end of the daemon, and says so."""
    host.fencing = False
    host.start()
    disk = host.start_vm()
    host.run_daemon(hold=0.1)
    time.sleep(0.3)
    host.order(lambda control: control.kill("daemon"))
    lines = len(disk.read_text().splitlines())
    until(lambda: len(disk.read_text().splitlines()) > lines + 1)
    assert host.ask(lambda client: client.list_vms()) == (RunningVm("vm1", 1),)
    assert "FENCING IS SWITCHED OFF: this host outlives its lease" in host.log()
    assert "FENCING IS SWITCHED OFF: ignored: the daemon ended" in host.log()


def test_a_host_runs_once(host: Host) -> None:
    """A second start of the same directory is refused in one line and does the first no harm."""
    host.start()
    with pytest.raises(PoolError, match="the host h1 runs already"):
        start_host(HostConfig("h1", host.directory, print), {})
    assert host.ask(lambda client: client.list_vms()) == ()


def test_no_process_inherits_what_its_starter_had_open(host: Host) -> None:
    """A socket or a pipe that the starter holds is closed in every process of the host."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as pipe:
        host.start()
        host.start_vm()
        os.close(write)
        assert select.select([pipe], [], [], SOON)[0], "somebody holds the other end"
        assert pipe.read() == b""


def test_the_host_dies_with_its_starter(host: Host) -> None:
    """A killed demo leaves nothing behind."""
    code = (
        "import sys, time; from hosts.supervisor import *\n"
        "start_host(HostConfig('h1', sys.argv[1], print), {'agent': lambda: time.sleep(60)})\n"
        "print('up', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(host.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        host.namespace = os.readlink(f"/proc/{host.outside().processes['init']}/ns/pid")
        starter.kill()
    until(lambda: not host.members())
