"""The ports of an agent against the world as it can be: silent, refusing, half done."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from attrs import define, evolve, field

from fsm import Event, Operation, Signal
from hosts.agent.alerts_port import AlertsPort
from hosts.agent.daemon_port import DaemonPort, StoragePort
from hosts.agent.public import Public
from hosts.agent.toolstack_port import ToolstackPort
from hosts.daemon import client as client_module
from hosts.daemon.client import DaemonClient
from hosts.daemon.layout import PoolState
from hosts.daemon.notices import ALONE, declare, exclude
from hosts.daemon.settings import Settings
from hosts.daemon.statefile import open_statefile, read_generation
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile
from hosts.supervisor import DaemonStatus, RunningVm, SupervisorClient
from hosts.supervisor.jsonlines import Fields, Unanswered, serve


@pytest.fixture
def pool(tmp_path_factory: pytest.TempPathFactory) -> PoolDir:
    """A pool of two hosts and one VM."""
    return PoolDir.create(tmp_path_factory.mktemp("p") / "p", PoolFile.default(2, 1), 2.0)


@define(slots=False)
class Supervisor(SupervisorClient):
    """A supervisor that answers what a test wants; `asked` are the starts."""

    directory: Path = Path("/nowhere")
    answers: list[Exception | None] = field(factory=list)
    asked: list[tuple[str, int, str]] = field(factory=list)
    vms: tuple[RunningVm, ...] = ()
    ended: dict[str, asyncio.Event] = field(factory=dict)
    states: list[Literal["running", "absent", "exited"]] = field(factory=list)

    async def start_vm(self, vm: str, disk: Path, incarnation: int, host: str) -> None:
        self.asked.append((vm, incarnation, host))
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer

    async def list_vms(self) -> tuple[RunningVm, ...]:
        return self.vms

    async def vm_ended(self, vm: str) -> None:
        await self.ended.setdefault(vm, asyncio.Event()).wait()

    async def daemon_status(self) -> DaemonStatus:
        return DaemonStatus(self.states.pop(0))


def start(vm: str = "vm1") -> Operation:
    """What guest wants of the toolstack."""
    return Operation(f"guest[{vm}]", "toolstack", "start", {"vm": vm})


def find(vm: str = "vm1") -> Operation:
    """Whether it runs."""
    return Operation(f"guest[{vm}]", "toolstack", "find", {"vm": vm})


# --- toolstack ------------------------------------------------------------------------------------


def test_what_ran_before_is_known_and_its_end_is_told(pool: PoolDir) -> None:
    """An agent that starts finds the VMs of the one before, and hears when one ends."""

    async def story() -> None:
        supervisor, events = Supervisor(vms=(RunningVm("vm1", 3),)), list[Event]()
        port = ToolstackPort(pool, 0, supervisor, events.append)
        await port.load()
        assert port.read(find()) == ("here", {})
        assert await port.perform(start()) == ("started", {})
        assert not supervisor.asked
        await asyncio.sleep(0)
        supervisor.ended["vm1"].set()
        await asyncio.sleep(0.01)
        assert (port.read(find()), events) == (("absent", {}), [Event("guest[vm1]", "toolstack.exited")])

    asyncio.run(story())


def test_a_supervisor_that_is_silent_is_asked_again(pool: PoolDir) -> None:
    """A start without an answer may still be carried out, so it did not fail: the same start is asked for again."""

    async def story() -> None:
        supervisor = Supervisor(answers=[Unanswered("silence"), None])
        port = ToolstackPort(pool, 1, supervisor, lambda _: None)
        port.expect("vm1", 12)
        port.expect("vm1", 11)  # a call that was overtaken on the way
        assert await port.perform(start()) == ("started", {})
        assert supervisor.asked == [("vm1", 12, "host2")] * 2
        assert port.read(find()) == ("here", {})

    asyncio.run(story())


def test_a_start_has_failed_when_nothing_of_it_lives(pool: PoolDir) -> None:
    """A refused start fails only once the process that it may have left is dead; a bug is no answer at all."""

    async def story() -> None:
        refusal = PoolError("no line on its disk")
        supervisor = Supervisor(answers=[refusal])
        port = ToolstackPort(pool, 0, supervisor, lambda _: None)
        port.expect("vm1", 1)
        under_way = asyncio.ensure_future(port.perform(start()))
        await asyncio.sleep(0.01)
        assert not under_way.done()
        supervisor.ended["vm1"].set()
        with pytest.raises(PoolError, match="no line"):
            await under_way
        assert port.failure(start(), refusal) == ("failed", {})
        with pytest.raises(TypeError, match="broke"):
            port.failure(start(), RuntimeError("a bug"))

    asyncio.run(story())


def test_a_request_of_a_dead_agent_is_not_carried_out(tmp_path: Path) -> None:
    """What it sent may still lie in the socket when it is dead; its successor was told of nothing of the kind."""

    async def story() -> None:
        dead, carried_out = set[int](), list[Fields]()

        async def start_vm(request: Fields) -> Mapping[str, object]:
            carried_out.append(request)
            return {}

        async with await serve(tmp_path / "s", {"start_vm": start_vm}, dead.__contains__):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b'{"do": "start_vm"}\n')
            assert json.loads(await reader.readline()) == {"ok": True}
            dead.add(os.getpid())
            writer.write(b'{"do": "start_vm"}\n')
            assert await reader.readline() == b""
            writer.close()
        assert len(carried_out) == 1

    asyncio.run(story())


# --- daemon and storage ---------------------------------------------------------------------------


def test_a_fresh_statefile_is_another_generation(pool: PoolDir) -> None:
    """HA that is enabled anew makes every older record a stranger's, and other hosts learn it from the statefile."""

    async def story() -> None:
        before = read_generation(pool.statefile).uuid
        port = DaemonPort(pool, 0, Supervisor(), lambda: None)
        assert await port.perform(Operation("enable", "daemon", "set_init")) == ("ok", {})
        after = read_generation(pool.statefile).uuid
        assert before != after == port.client.settings.generation == pool.settings(1).generation

    asyncio.run(story())


def test_without_a_statefile_the_daemon_is_not_started(pool: PoolDir) -> None:
    """no_statefile when it is gone, failed when it cannot be believed; gone when nobody runs."""

    async def story() -> None:
        port = DaemonPort(pool, 0, Supervisor(states=["absent", "exited"]), lambda: None)
        content = pool.statefile.read_bytes()
        pool.statefile.unlink()
        assert await port.perform(Operation("life", "daemon", "start")) == ("no_statefile", {})
        pool.statefile.write_bytes(b"\xff" * len(content))
        assert await port.perform(Operation("life", "daemon", "start")) == ("failed", {})
        assert port.read(Operation("monitor", "daemon", "query")) == ("gone", {})

    asyncio.run(story())


def test_a_host_whose_daemon_does_not_run_is_excluded_by_a_notice(pool: PoolDir) -> None:
    """Only where HA is active, and never while the daemon may run: the port then answers failed."""

    async def excluded() -> str:
        port = DaemonPort(pool, 1, Supervisor(states=["exited", "exited"]), lambda: None)
        try:
            return (await port.perform(Operation("leave", "daemon", "exclude")))[0]
        except PoolError as error:
            return port.failure(Operation("leave", "daemon", "exclude"), error)[0]

    settings = pool.settings(1)
    assert asyncio.run(excluded()) == "failed"
    declare(settings.statefile, settings.identity, 0, PoolState.ACTIVE)
    assert asyncio.run(excluded()) == "ok"
    statefile = open_statefile(settings.statefile, settings.identity)
    assert statefile.read().excluded == {1}
    statefile.close()
    settings.statefile.unlink()
    assert asyncio.run(excluded()) == "failed"


def left_out(pool: PoolDir) -> Settings:
    """Host 1 is excluded, and HA is active; its settings."""
    settings = pool.settings(1)
    declare(settings.statefile, settings.identity, 0, PoolState.ACTIVE)
    exclude(settings.statefile, settings.identity, 1)
    return settings


@pytest.mark.parametrize(
    ("states", "excluded"),
    [(["running"], {1}), (["exited", "running"], {1}), (["exited", "exited"], set())],
    ids=["before", "meanwhile", "never"],
)
def test_an_exclusion_is_taken_back_while_no_daemon_runs(
    states: list[Literal["running", "absent", "exited"]], excluded: set[int], pool: PoolDir,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It is asked before the file is watched, and again after, for D is long and somebody may start one meanwhile. The
    agent that is asked has started no daemon yet."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def cleared() -> None:
        await DaemonPort(pool, 1, Supervisor(states=list(states)), lambda: None).clear_excluded(ALONE)

    monkeypatch.setattr(asyncio, "sleep", pause)
    settings = left_out(pool)
    with nullcontext() if not excluded else pytest.raises(PoolError, match="the daemon of this host runs"):
        asyncio.run(cleared())
    assert pauses == [settings.timing.drop] * (len(states) - 1)
    statefile = open_statefile(settings.statefile, settings.identity)
    assert statefile.read().excluded == excluded
    statefile.close()


def test_no_daemon_starts_while_an_exclusion_is_taken_back(pool: PoolDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage may hang between the question whether one runs and the notice: a start waits for the end of it."""
    begun, hangs, seen = threading.Event(), threading.Event(), list[str]()

    class Starts(Supervisor):
        async def start_daemon(self, arguments: Mapping[str, object] | None = None) -> bool:
            seen.append("started")
            raise PoolError("enough")

    def cleared(*_: object) -> None:
        begun.set()
        hangs.wait(5)
        seen.append("cleared")

    async def story() -> None:
        client = DaemonClient(left_out(pool), Starts(states=["exited", "exited"]))
        client.settings = evolve(client.settings, target=0.8)
        clearing = asyncio.create_task(client.clear_excluded(ALONE))
        await asyncio.to_thread(begun.wait, 5)
        starting = asyncio.create_task(client.start())
        await asyncio.sleep(0.02)
        hangs.set()
        await asyncio.gather(clearing, starting)

    monkeypatch.setattr(client_module, "clear_excluded", cleared)
    asyncio.run(story())
    assert seen == ["cleared", "started"]


def test_a_daemon_is_disarmed_once_it_is_gone(pool: PoolDir) -> None:
    """One that does not answer may hold its lease for all we know."""

    async def story() -> None:
        supervisor = Supervisor(states=["running", "running", "exited"])
        port = DaemonPort(pool, 0, supervisor, lambda: None)
        assert await port.perform(Operation("leave", "daemon", "disarm")) == ("disarmed", {})
        assert not supervisor.states
        with pytest.raises(KeyError):
            port.failure(Operation("leave", "daemon", "disarm"), PoolError("nobody there"))

    asyncio.run(story())


def test_a_statefile_of_another_pool_is_not_attached(pool: PoolDir, tmp_path: Path) -> None:
    """attached only when it is this pool's; what is there stays as it is."""
    port, attach = StoragePort(pool, 1), Operation("join", "storage", "attach")
    assert asyncio.run(port.perform(attach)) == ("attached", {})
    other = PoolDir.create(tmp_path / "o", PoolFile.default(2, 1), 2.0)
    content = other.statefile.read_bytes()
    pool.statefile.write_bytes(content)
    with pytest.raises(PoolError, match="another pool") as refusal:
        asyncio.run(port.perform(attach))
    assert port.failure(attach, refusal.value) == ("failed", {})
    assert pool.statefile.read_bytes() == content


# --- alerts ---------------------------------------------------------------------------------------


def test_an_alert_is_a_line_with_names_and_reasons(tmp_path: Path) -> None:
    """Whoever reads it need not know the indices of hosts."""
    reasons = {"vm1": "host1 is full", "": "without host2, vm1 has no place"}
    port = AlertsPort(tmp_path / "alerts", lambda: 1.5, reasons.__getitem__, ["host1", "host2"])
    port.signal(Signal("alerts", "nowhere", {"vm": "vm1"}))
    port.signal(Signal("alerts", "hosts_failed", {"who": frozenset({1, 0})}))
    port.signal(Signal("alerts", "overcommitted"))
    lines = [json.loads(line) for line in (tmp_path / "alerts").read_text().splitlines()]
    reason = reasons["vm1"]
    assert lines[1]["who"] == ["host1", "host2"]
    assert lines[1]["text"] == "host1, host2 left the liveset: failed, fenced, or shut down"
    assert lines[2]["text"].endswith(reasons[""])
    assert lines[0] == {"time": 1.5, "alert": "nowhere", "vm": "vm1", "text": f"vm1 cannot be restarted: {reason}"}


def test_a_promise_to_go_on_alone_is_among_the_alerts(tmp_path: Path) -> None:
    """No row fires for it, so nothing else tells of it; and nothing is told where it was refused."""

    async def clear(promise: str) -> None:
        if promise != ALONE:
            raise PoolError("whoever takes it back promises more")

    port = AlertsPort(tmp_path / "alerts", lambda: 1.5, str)
    public = Public(cast(Any, SimpleNamespace(daemon=SimpleNamespace(clear_excluded=clear), alerts=port)))
    assert not asyncio.run(public.clear_exclusion("yes"))["accepted"]
    assert not port.path.exists()
    assert asyncio.run(public.clear_exclusion(ALONE))["accepted"]
    assert ALONE in json.loads(port.path.read_text())["text"]
