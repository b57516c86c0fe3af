"""The decisions of a supervisor, and its parts one at a time."""

from __future__ import annotations

import asyncio
import json
import math
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.errors import PoolError
from hosts.supervisor import HostConfig, Lease, start_host
from hosts.supervisor.config import Obituary, socket_path
from hosts.supervisor.guard import DAEMON_DIED, UNREADABLE, Fence, Guard, judge
from hosts.supervisor.init import FIRST_PAUSE, LAST_PAUSE, next_pause
from hosts.supervisor.jsonlines import Fields, answer
from hosts.supervisor.kernel import DeathTimer, now
from hosts.supervisor.lease import LONGEST_LEASE, Drop, Ended, FenceRequest, Hold, Message, decode, encode
from hosts.supervisor.outer import KILLED, LEASE_ENDED, epitaph
from hosts.supervisor.process import fork
from hosts.supervisor.slate import Held, Slate

PATIENCE = 10.0  # s, for what should take milliseconds
deadlines = st.floats(0, 1000)
incarnations = st.integers(0, 2**63 - 1)
holds = st.builds(Hold, deadlines, incarnations, st.booleans())
messages: st.SearchStrategy[Message] = st.one_of(holds, st.just(Drop()), st.builds(FenceRequest, st.text(max_size=500)))


@given(messages)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    """One datagram holds it."""
    assert len(encode(message)) <= 4096
    assert decode(encode(message), now=1000.0) == message


@given(st.binary(min_size=1))
def test_any_bytes_are_read_as_a_message_or_not_at_all(data: bytes) -> None:
    """Reading never fails, and only JSON objects are messages."""
    assert decode(data, now=0.0) is None or data.lstrip().startswith(b"{")


@pytest.mark.parametrize("deadline", [math.nan, math.inf, -math.inf, True, "1", None, 1000 + LONGEST_LEASE + 1, 1.7e9])
def test_a_deadline_of_another_clock_is_no_deadline(deadline: object) -> None:
    """A lease without end, or until a time of the calendar, would switch fencing off in silence."""
    data = json.dumps({"hold": deadline, "incarnation": 1, "confirm": False}).encode()
    assert decode(data, now=1000.0) is None


@given(st.lists(holds, min_size=1))
def test_a_deadline_only_moves_forward(sequence: list[Hold]) -> None:
    """Whatever the order in which renewals arrive, the last deadline of all holds."""
    held: Held | Fence | None = None
    for hold in sequence:
        assert not isinstance(held, Fence)
        held = judge(held, hold)
    assert held == Held(max(hold.deadline for hold in sequence), sequence[-1].incarnation)


@pytest.mark.parametrize("held", [None, Held(5.0, 1)])
def test_what_the_guard_decides(held: Held | None) -> None:
    """Doubt fences; the end of a daemon fences when it holds the lease; only `drop` gives the lease up."""
    assert judge(held, None) == Fence(UNREADABLE)
    assert judge(held, Ended()) == (Fence(DAEMON_DIED) if held else None)
    assert judge(held, Drop()) is None
    assert judge(held, FenceRequest("why")) == Fence("why", recorded=True)
    assert judge(None, Hold(3.0, 2)) == Held(3.0, 2)


def test_why_a_host_died() -> None:
    """The guard's own words, else the operator's, else what the clock says of the lease."""
    assert epitaph("ruled out", "power off", Held(5.0, 1), 9.0) == "ruled out"
    assert epitaph(None, "power off", Held(5.0, 1), 9.0) == "power off"
    assert epitaph(None, None, Held(5.0, 1), 9.0) == LEASE_ENDED
    assert epitaph(None, None, Held(5.0, 1), 4.0) == KILLED
    assert epitaph(None, None, None, 9.0) == KILLED


def test_the_pauses_of_an_agent_that_cannot_live() -> None:
    """They double from 0.2 s to 5 s, and start over after a steady life."""
    pauses = []
    pause = None
    for _ in range(7):
        pause = next_pause(pause, ran=0.0)
        pauses.append(pause)
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert next_pause(LAST_PAUSE, ran=60.0) == FIRST_PAUSE


def on(slate: Slate) -> tuple[Held | None, str | None]:
    """What stands on a slate now."""
    return slate.held, slate.reason


@given(st.none() | st.builds(Held, deadlines, incarnations), st.text(max_size=2000))
def test_a_slate_keeps_what_is_written(held: Held | None, reason: str) -> None:
    """The lease whole, the reason up to its length."""
    reason = reason.encode(errors="ignore").decode()
    slate = Slate()
    assert on(slate) == (None, None)
    slate.held, slate.reason = held, reason
    kept, why = on(slate)
    assert kept == held
    if len(reason.encode()) <= 1024:
        assert (why or "") == reason
    else:
        assert why
        assert reason.startswith(why.rstrip("\ufffd"))
    slate.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[int]:
    """The log of forked processes."""
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield descriptor
    os.close(descriptor)


def end_of(process: int) -> int:
    """The exit status of a forked process, which must end by itself."""
    with os.fdopen(os.pidfd_open(process)) as ended:
        if not select.select([ended], [], [], PATIENCE)[0]:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            pytest.fail("it does not end by itself")
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@pytest.mark.parametrize("stopped", [False, True])
def test_the_timer_kills_even_a_stopped_process(log: int, stopped: bool) -> None:
    """No program has to run for it, and it is not late by more than scheduling."""
    deadline = now() + 0.1

    def wait() -> None:
        DeathTimer().set(deadline)
        if stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(5)

    assert end_of(fork(wait, output=log)) == -signal.SIGKILL
    assert 0 <= now() - deadline < 1.0


def test_a_timer_of_the_past_kills_at_once_and_a_cleared_one_nobody(log: int) -> None:
    """Zero would mean "clear" to the kernel; a deadline of zero must not."""

    def past() -> None:
        DeathTimer().set(0.0)
        time.sleep(5)

    def cleared() -> None:
        timer = DeathTimer()
        timer.set(now() + 0.05)
        timer.clear()
        time.sleep(0.1)

    assert end_of(fork(past, output=log)) == -signal.SIGKILL
    assert end_of(fork(cleared, output=log)) == 0


@contextmanager
def guarded(log: int, record: Path) -> Iterator[tuple[Lease, Slate, Callable[[], int]]]:
    """A guard with a daemon's lease channel and without a host; the last item waits for its end."""
    init, of_guard = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    slate = Slate()
    process = fork(lambda: Guard(of_guard, slate, record, fencing=True).serve(), keep={of_guard.fileno()}, output=log)
    with init, of_guard, mine, theirs:
        socket.send_fds(init, [b"daemon"], [theirs.fileno()])
        theirs.close()
        of_guard.close()
        yield Lease(mine), slate, lambda: end_of(process)
    slate.close()


def test_a_lease_is_confirmed_when_it_is_held(log: int, tmp_path: Path) -> None:
    """After `take` the guard holds it, after `drop` it does not; and the kernel then kills nobody."""
    with guarded(log, tmp_path / "fenced.json") as (lease, slate, end):
        deadline = now() + 0.2
        lease.take(deadline, 3)
        assert on(slate) == (Held(deadline, 3), None)
        lease.renew(deadline - 0.1, 3)
        lease.drop()
        assert on(slate) == (None, None)
        time.sleep(max(0.0, deadline - now()) + 0.05)
        lease.take(now() + 0.05, 4)
        assert end() == -signal.SIGKILL
        with pytest.raises(PoolError, match="guard of this host"):
            lease.drop()
        lease.renew(now(), 4)  # never fails


def test_the_reason_of_a_fence_is_on_the_disk_before_the_kill(log: int, tmp_path: Path) -> None:
    """Written by the guard itself, which then is dead."""
    record = tmp_path / "fenced.json"
    with guarded(log, record) as (lease, slate, end):
        lease.fence("ruled out")
        assert end() == -signal.SIGKILL
        assert slate.reason == "ruled out"
    assert json.loads(record.read_text())["reason"] == "ruled out"


def test_a_hung_disk_delays_a_fence_by_a_quarter_of_a_second(log: int, tmp_path: Path) -> None:
    """The kernel's timer is set before the disk is asked; the reason is on the slate all the same."""
    os.mkfifo(tmp_path / "fenced.json.new")  # opening it hangs: nobody reads
    with guarded(log, tmp_path / "fenced.json") as (lease, slate, end):
        began = now()
        lease.fence("ruled out")
        assert end() == -signal.SIGKILL
        assert 0.2 < now() - began < 1.5
        assert slate.reason == "ruled out"


@pytest.mark.parametrize("line", [b"", b"\n", b"{", b"[1]\n", b'{"do": "x"}\n', b'{"do": null}\n', b"\xff\n"])
def test_a_line_that_is_no_request_is_told_what_is_one(line: bytes) -> None:
    """The reply names the requests that there are."""

    async def status(request: Fields) -> Fields:
        return {}

    reply = asyncio.run(answer({"status": status}, line))
    assert reply == {"ok": False, "reason": 'a request is {"do": one of status, ...}'}


def test_a_socket_path_that_the_kernel_cannot_take_is_refused() -> None:
    """107 bytes are the limit, counted in bytes."""
    socket_path(Path("/" + "x" * 106))
    with pytest.raises(PoolError, match="too long for a unix socket"):
        socket_path(Path("/" + "é" * 54))


def no_obituary(obituary: Obituary) -> None:
    """Nobody dies in these tests."""


def test_a_host_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    """One line with the place and a remedy, and nothing is started."""
    tmp_path.joinpath("h").write_text("precious")
    with pytest.raises(PoolError, match=r"h/supervisor\.lock: cannot be made: .*; give the host a directory"):
        start_host(HostConfig("h", tmp_path / "h", no_obituary), {})
    assert tmp_path.joinpath("h").read_text() == "precious"


def test_a_host_is_started_in_the_main_thread_only(tmp_path: Path) -> None:
    """The kernel would end the host with the thread that forked it."""
    errors: list[BaseException] = []

    def start() -> None:
        try:
            start_host(HostConfig("h", tmp_path, no_obituary), {})
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(errors)


def test_a_daemon_without_supervisor_says_so() -> None:
    """A daemon started by hand has no lease to hold."""
    with pytest.raises(PoolError, match="not started by a supervisor"):
        Lease.inherited()
