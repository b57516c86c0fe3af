"""Steps: records of the rows that fired, which are log lines, journal lines and what tests compare."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fsm.drivers.journal import Journal
from fsm.drivers.replay import replay
from fsm.drivers.steps import Step, Steps
from fsm.drivers.sync import SyncDriver
from fsm.engine.node import Node
from fsm.engine.turn import Effects, Event, Operation
from tests.chance_walk import Walk
from tests.toy_node import BUMP, DROP, toy_node
from tests.toy_sync import SyncRig


@pytest.fixture(scope="module", name="root")
def made_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy's specs."""
    root = tmp_path_factory.mktemp("specs")
    toy_node(root)
    return root


@pytest.fixture(scope="module", name="node")
def made_node(root: Path) -> Node:
    """The toy, loaded once."""
    return toy_node(root)


class Both(Journal):
    """A journal that tells another one everything, too."""

    steps = Steps()

    def begin(self, *said: Any) -> None:
        self.steps.begin(*said)
        super().begin(*said)

    def turn(self, *said: Any) -> None:
        self.steps.turn(*said)
        super().turn(*said)

    def pool(self, *said: Any) -> None:
        self.steps.pool(*said)
        super().pool(*said)


def test_the_lines_are_those_of_a_journal(node: Node, root: Path) -> None:
    """Hundreds of chance turns, with calls, reads, refusals, other lives and pools: the same text, and it replays."""
    walk = Walk(node, Random(11))
    walk.lines.clear()
    walk.journal = Both(lambda data: walk.lines.extend(data.decode().splitlines(keepends=True)))
    walk.begin()
    for _ in range(600):
        walk.step()
    steps = Both.steps
    assert steps.lines() == walk.lines
    assert len(steps) == walk.fired > 100
    assert [json.loads(line)["n"] for line in walk.lines if '"row"' in line] == [step.n for step in steps]
    assert replay(steps.lines(), root).divergence is None


def test_a_step_says_all_there_is_of_a_row(node: Node) -> None:
    """Number, time, machine, row, from, event, to, why, digest; the effects of a turn stand in its first step."""
    rig = SyncRig(node)
    driver = rig.driver()
    rig.clock.advance(1.5)
    driver.send(Event("worker", "go", {"what": 7}))
    first, told, last = rig.steps
    assert (first.n, first.time, first.machine, first.row) == (1, 1.5, "worker", "worker.idle/go")
    assert (first.source, first.event, first.target, first.why) == ("idle", "go", "running", "begin a job")
    assert first.digest == node.machines[0].digest
    assert first.set == {"armed": True, "count": 1, "worker.work": 7}
    assert first.effects.operations == (Operation("worker", "job", "run", {"what": 7}),)
    assert (told.machine, told.n, told.effects) == ("boss", 2, Effects())
    assert (last.event, last.n) == ("job.done", 3)
    assert str(first) == "1.500000 worker: idle --go(what=7)--> running armed=True count=1 worker.work=7: begin a job"
    assert str(last) == "1.500000 worker: running --job.done--> idle count=2: the job is done"


def test_steps_are_a_sequence(node: Node) -> None:
    """Indices, slices and comparison; what no row fired for is no step, but has its line."""
    steps = Steps()
    driver = SyncRig(node, steps=steps).driver()
    driver.send(BUMP)
    driver.send(DROP)
    driver.send(BUMP)
    assert (len(steps), len(steps.lines())) == (2, 4)
    assert [step.set["count"] for step in steps] == [2, 3]
    assert steps[0] == steps[-2] == steps[:1][0]
    assert steps[0] != steps[1]
    assert isinstance(steps[1], Step)
    with pytest.raises(IndexError):
        steps[2]


def test_a_payload_that_changes_later_changes_no_record(node: Node) -> None:
    """A caller's dictionary may be used again; the turn, its steps and its lines keep what was sent."""
    steps = Steps()
    driver = SyncRig(node, steps=steps).driver()
    taken: dict[str, Any] = {"what": 7}
    refused: dict[str, Any] = {"what": "no number"}
    turn = driver.send(Event("worker", "go", taken))
    driver.send(Event("worker", "go", refused))
    taken["what"] = refused["what"] = 8
    assert turn.fired[0].payload == steps[0].payload == {"what": 7}
    said = [line["outside"] for line in map(json.loads, steps.lines()) if "outside" in line]
    assert [event["payload"] for event in said if event["name"] == "go"] == [{"what": 7}, {"what": "no number"}]


def test_a_new_life_counts_anew(node: Node) -> None:
    """As in a journal that is written on."""
    steps = Steps()
    for _ in range(2):
        driver = SyncRig(node, steps=steps).driver(pool_store=None)
        driver.send(BUMP)
        driver.send(BUMP)
    assert [step.n for step in steps] == [1, 2, 1, 2]


def test_a_light_instance_keeps_its_steps(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without anything else around it, and when the journal raises the driver ends before anything is done."""
    steps = Steps()
    machines = [machine for machine in node.machines if machine.name == "boss"]
    driver = SyncDriver(Node(machines, 0, 1, {}, {}), journal=steps)
    driver.send(Event("boss", "noted"))
    assert [step.row for step in steps] == ["boss.calm/noted"]
    assert driver.another().journal is None

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Steps, "turn", full)
    before = driver.local
    with pytest.raises(Exception, match=r"^the journal cannot be written: no space$"):
        driver.send(Event("boss", "noted"))
    assert driver.local is before
    assert json.loads(steps.lines()[-1])["failed"] == driver.failed
