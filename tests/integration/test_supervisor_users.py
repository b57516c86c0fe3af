"""The supervisor without root, and where the kernel forbids namespaces."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import time
from collections.abc import Iterator

import pytest

from hosts.errors import PoolError
from hosts.supervisor import kernel, namespace
from hosts.supervisor.process import fork
from tests.integration.supervised_host import Host, unstarted_host, until

NOBODY = 65534
SOON = 2.0  # s; a loaded machine is no failure of the supervisor
_PR_SET_DUMPABLE = 4


@pytest.fixture
def host() -> Iterator[Host]:
    """A host that is not started."""
    with unstarted_host() as host:
        yield host


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_host_needs_no_root(host: Host) -> None:
    """A user of no rights at all gets a PID namespace, fenced at the end of the lease."""
    os.chown(host.directory, NOBODY, NOBODY)

    def as_nobody() -> None:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # as after an exec; else /proc/self is root's
        host.start()
        assert host.outside().contained
        disk = host.start_vm()
        assert disk.stat().st_uid == NOBODY
        host.run_daemon(hold=0.3)
        assert 0 <= (record := host.wait())["dead"] - record["deadline"] < SOON
        assert len(host.obituaries()) == 1

    log = os.open(host.directory / "user.log", os.O_WRONLY | os.O_CREAT, 0o600)
    status = os.waitpid(fork(as_nobody, output=log), 0)[1]
    os.close(log)
    assert status == 0, (host.directory / "user.log").read_text()


@pytest.fixture(params=["unshare", "maps"])
def forbidden(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process that is forked from now on may make a namespace, or none may write the maps of a user namespace."""

    def refuse(flags: int) -> None:
        if request.param == "unshare" or not flags & kernel.CLONE_NEWUSER:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        # Granted, and nothing done: the maps of the namespace that this process lives in are written already.

    monkeypatch.setattr(kernel, "unshare", refuse)


@pytest.mark.usefixtures("forbidden")
def test_a_host_without_namespace_dies_process_by_process(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """It says so in one line; the end of the lease ends even what left by setsid and double fork."""
    with caplog.at_level(logging.WARNING):
        host.start()
    (warning,) = caplog.messages
    assert "PID namespaces are forbidden here (Operation not permitted): falling back" in warning
    host.namespace = "none: its processes live in ours"
    assert not host.outside().contained
    disk = host.start_vm()
    escapee = host.directory / "escapee1"
    until(escapee.exists)
    host.run_daemon(hold=0.3)
    host.order(lambda control: control.freeze())
    assert 0 <= (record := host.wait())["dead"] - record["deadline"] < SOON
    before = disk.read_bytes(), escapee.read_bytes()
    time.sleep(0.15)
    assert (disk.read_bytes(), escapee.read_bytes()) == before
    assert len(host.obituaries()) == 1


def test_a_host_that_does_not_start_says_why_in_one_line(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of its log is in the message: whoever started it may delete the log."""

    def fail() -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(namespace, "leave", fail)
    with pytest.raises(PoolError, match=r"^the host h1 did not start: RuntimeError: no such luck; its log: /"):
        host.start()
