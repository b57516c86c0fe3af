"""The pieces of a demonstration: what is planned, what is seen, when the pool has recovered, how progress is told."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hosts.agent.planner_port import EARLIER
from hosts.demo import fault, progress
from hosts.demo.plan import Plan
from hosts.demo.progress import Progress
from hosts.demo.report import screen
from hosts.demo.running import RunningPool, Seen
from hosts.demo.story import Story
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile

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
