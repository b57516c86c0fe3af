"""The pieces of a demonstration: what is planned, what is seen, when the pool has recovered, how progress is told."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from rich.console import Console

from hosts.agent.planner_port import EARLIER
from hosts.demo import command, fault, findings, progress
from hosts.demo.evidence import Evidence, Fence
from hosts.demo.plan import Plan
from hosts.demo.progress import Progress
from hosts.demo.report import screen
from hosts.demo.running import RunningPool, Seen
from hosts.demo.story import Story
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile, VmEntry

FILE = PoolFile.default(3, 2)


def vm(resident: int | None = None, guest: str = "absent", reason: str | None = None) -> Mapping[str, Any]:
    """What an agent says of a VM."""
    return {"restart": "settled", "guest": guest, "resident": resident, "target": None, "reason": reason}


def seen(index: int, **said: Any) -> Seen:
    """What an agent that serves says; vm1 and vm2 run on host 2 unless something else is said."""
    guest = "running" if index == 2 else "absent"
    acting = bool(said.get("acting", False))
    known = vm(2 if acting else None, guest)
    answer = {"index": index, "life": "running", "acting": acting, "term": 1, "ha": "on" if acting else None}
    return Seen.of({**answer, "live": [1, 2], "vms": {"vm1": known, "vm2": known}, **said})


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    """Host 0 of three was master and is dead; 1 is master, and all VMs run on 2."""
    plan = Plan.of(FILE, 2.0, "master", "power", False, True)
    directory = PoolDir.create(tmp_path / "p", FILE, 2.0)
    told = Story(plan, directory, Progress(screen(io.StringIO())))
    asyncio.run(_attach(told, directory))
    monkeypatch.setattr(RunningPool, "dead", lambda pool: frozenset({0}))
    told.pool._outers.update({0: 0, 1: 1, 2: 2})
    told.pool.seen.update({1: seen(1, acting=True), 2: seen(2)})
    return told


async def _attach(told: Story, directory: PoolDir) -> None:
    told.pool = RunningPool(directory)


def test_a_pool_has_recovered_when_its_master_serves_and_the_vms_run(story: Story) -> None:
    """A master whose liveset is exactly the hosts that live, all of them serving, and each protected VM seen to run."""
    assert story._recovered(0)


@pytest.mark.parametrize(
    "change",
    [
        {1: seen(1)},  # nobody acts as master
        {1: seen(1, acting=True, live=None)},
        {1: seen(1, acting=True, live=[0, 1, 2])},  # the dead host is not out yet
        {2: seen(2, life="starting")},
        {2: None},  # it does not answer
        {2: seen(2, vms={"vm1": vm(), "vm2": vm()})},  # the database says that they run, their host does not
        {1: seen(1, acting=True, vms={"vm1": vm(), "vm2": vm(2)})},
        {1: seen(1, acting=True, vms={"vm1": vm(reason=EARLIER), "vm2": vm(2)})},  # its turn will come
    ],
)
def test_a_pool_has_not_recovered_while_anything_is_missing(story: Story, change: dict[int, Seen | None]) -> None:
    """Each part is waited for."""
    for index, said in change.items():
        story.pool.seen.pop(index)
        if said:
            story.pool.seen[index] = said
    assert not story._recovered(0)


def test_a_vm_that_has_no_host_is_not_waited_for(story: Story) -> None:
    """The master's reason counts as an answer, and is kept."""
    story.pool.seen[1] = seen(1, acting=True, vms={"vm1": vm(reason="it needs 9 MiB"), "vm2": vm(2)})
    assert story._recovered(0)
    assert story.pool.unplaced() == {"vm1": "it needs 9 MiB"}


def test_of_two_masters_the_one_of_the_higher_term_counts(story: Story) -> None:
    """A host that is cut off may believe in itself until it is fenced."""
    story.pool.seen[2] = seen(2, acting=True, term=7)
    master = story.pool.master()
    assert master is not None
    assert master.index == 2


def test_the_victim_is_the_master_or_the_slave_with_most_vms(story: Story) -> None:
    """So that there is something to be restarted."""
    assert fault.victim(story.pool, "master") == 1
    assert fault.victim(story.pool, "slave") == 2
    story.pool.seen.clear()
    with pytest.raises(PoolError, match="nobody acts as master"):
        fault.victim(story.pool, "master")


def test_an_answer_of_another_version_is_one_line() -> None:
    """Not a traceback out of the middle of a run."""
    with pytest.raises(PoolError, match="status makes no sense"):
        Seen.of({"index": 0})


def told(body: Any, width: int = 60) -> str:
    """What progress writes into a log."""
    file = io.StringIO()
    asyncio.run(body(Progress(Console(file=file, width=width, force_terminal=False))))
    return file.getvalue()


def test_a_step_is_one_line_when_it_has_ended_and_a_sign_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is silent for long, and a log has whole lines only."""
    monkeypatch.setattr(progress, "SIGN", 0.04)

    async def body(progress: Progress) -> None:
        async with progress.step("working", lambda: "2 of 3") as step:
            await asyncio.sleep(0.06)
            step.done = "done"

    lines = [line.split() for line in told(body).splitlines()]
    assert [line[:-2] for line in lines] == [["·", "working:", "2", "of", "3"], ["✓", "done"]]


def test_a_step_of_known_length_gives_no_sign_right_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outcome is the sign."""
    monkeypatch.setattr(progress, "SIGN", 0.04)

    async def body(progress: Progress) -> None:
        async with progress.step("resting", length=0.06):
            await asyncio.sleep(0.06)

    assert [line.split()[0] for line in told(body).splitlines()] == ["✓"]


def test_a_report_says_why_it_went_fast_and_repeats_nothing(story: Story) -> None:
    """An obituary spares the others the wait for D; a VM that never fitted was named before, as was one without
    restart priority; one that lost its host is named with the reason."""
    vms = (VmEntry("big", 1 << 20, "restart"), VmEntry("idle", 1, ""), VmEntry("late", 1, "restart"))
    story.plan = evolve(story.plan, file=evolve(FILE, vms=vms))
    story.fault = fault.Fault("host1", 100.0, "loses its power")
    story.unplaced.update(big="it needs 1 TiB", late="it needs 1 MiB")
    dead = Evidence(("host1",), fences=(Fence("host1", 100.1, "power off"),))
    assert list(findings._notes(story, dead)) == [
        "the supervisor outlived host1 and told the others (an obituary); without it they wait for D = 1.7 s",
        "late has no host: it needs 1 MiB",
    ]
    announced = evolve(dead, fences=(Fence("host1", 100.1, "fenced", confirmed=False),))
    assert list(findings._notes(story, announced)) == ["late has no host: it needs 1 MiB"]
    story.plan = evolve(story.plan, fencing=False)
    assert "FENCING IS SWITCHED OFF" in next(findings._notes(story, announced))


def test_a_step_that_fails_says_nothing_of_success() -> None:
    """What went wrong is told by whoever knows."""

    async def body(progress: Progress) -> None:
        with pytest.raises(PoolError):
            async with progress.step("working"):
                raise PoolError("no")

    assert told(body) == ""


def test_a_long_line_is_wrapped_within_the_width() -> None:
    """The mark stands before the first line only."""

    async def body(progress: Progress) -> None:
        progress.say("!", "word " * 20)

    lines = told(body, 40).splitlines()
    assert len(lines) == 3
    assert [line[:2] for line in lines] == ["! ", "  ", "  "]
    assert max(map(len, lines)) <= 40


def test_what_the_supervisors_warn_of_is_said_once() -> None:
    """Three hosts without PID namespaces are one line of the demo."""

    async def body(progress: Progress) -> None:
        with command._warnings_told(progress):
            for name in ("host1", "host2", "host3"):
                logging.getLogger("hosts.supervisor.start").warning("%s: %s", name, "no PID namespaces here")

    assert told(body) == "! no PID namespaces here\n"
