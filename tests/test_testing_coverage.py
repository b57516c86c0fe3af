"""Coverage of machines: what counts as covered, the floor, workers, and a user's own project from end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from fsm.drivers.adapters import Outcome
from fsm.drivers.bound import Bound
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation
from fsm.language.spec import Machine
from fsm.testing import Recorder
from fsm.testing.coverage import pairs_of
from fsm.testing.coverage_run import read_floor, read_machines
from fsm.testing.example import DOOR, LOCK, Lock, door
from tests.toy_node import toy_node

PUSH, CLOSE, JAMMED = (
    Event("door", "push", {"force": 1}),
    Event("door", "close"),
    Event("door", "lock.jammed", {"of": 1}),
)


def walked(node: Node, *events: Event) -> None:
    """Steps a node from its beginning on."""
    local, pool = node.boot(), node.pool()
    for event in events:
        turn = node.step(local, pool, event)
        local, pool = turn.local, turn.pool


def seen(recorder: Recorder, kind: str) -> set[object]:
    """What of a kind was seen of the first machine."""
    return set(recorder.covered()[0].seen[kind])


def test_states_rows_and_pairs_are_counted() -> None:
    """A refused or ignored event counts for the state alone, and does not part a pair."""
    node = door()
    with Recorder(node.machines) as recorder:
        walked(node, PUSH, PUSH, Event("door", "after"), JAMMED, PUSH)
    assert seen(recorder, "state") == {"closed", "releasing"}
    assert seen(recorder, "row") == {"door.closed/push", "door.releasing/lock.jammed"}
    push, jammed = "door.closed/push", "door.releasing/lock.jammed"
    assert seen(recorder, "pair") == {(push, jammed), (jammed, push)}
    assert recorder.covered()[0].times == {push: 2, jammed: 1}


class Stuck(Lock):
    """A lock for a driver without event loop."""

    def perform(self, operation: Operation) -> Outcome:  # type: ignore[override]
        return "jammed", {"of": "rust"}


def test_what_a_program_sends_counts_and_what_it_asks_does_not() -> None:
    """A driver has a shorter way than `Node.step`; it does not take it while somebody records."""
    node = door()
    with Recorder(node.machines) as recorder:
        bound = Bound.start(node.machines[0], {"lock": Stuck()})
        assert bound.may_push(force=1)
        assert bound.push(force=0)
    assert seen(recorder, "row") == {"door.closed/push/else"}


def test_pairs_follow_the_walk_and_not_the_clock() -> None:
    """Two walks that take turns, and two that branch: only what came after one another in a walk is a pair."""
    node = door()
    with Recorder(node.machines) as recorder:
        first = node.step(node.boot(), node.pool(), PUSH)
        walked(node, PUSH)
        for outcome in (Event("door", "lock.released"), JAMMED):
            node.step(first.local, first.pool, outcome)
    assert seen(recorder, "pair") == {
        ("door.closed/push", "door.releasing/lock.released"), ("door.closed/push", "door.releasing/lock.jammed"),
    }  # fmt: skip


def test_the_pairs_that_there_are() -> None:
    """The second fires where the first leads to; a row that stays leads to each of its states."""
    pairs = pairs_of(door().machines[0])
    assert ("door.closed/push", "door.releasing/lock.jammed") in pairs
    assert ("door.closed/push/else", "door.closed/push") in pairs
    assert ("door.closed/push", "door.open/after") not in pairs
    assert len(pairs) == 2 + 2 + 2 + 2 + 2 + 2


def test_nothing_is_recorded_afterwards_nor_of_a_changed_machine() -> None:
    """`step` is put back as it was; a machine counts by its digest."""
    before, node = Node.step, door()
    with Recorder([evolve(node.machines[0], digest="another")]) as recorder:
        walked(node, PUSH)
    assert Node.step is before
    walked(node, PUSH)
    assert not seen(recorder, "row")
    assert not seen(recorder, "state")


def test_instances_and_siblings_count_each_for_its_machine(tmp_path: Path) -> None:
    """A row that a sibling was told to fire counts for the sibling."""
    node = toy_node(tmp_path)
    with Recorder(node.machines) as recorder:
        walked(node, Event("worker", "go", {"what": 1}), Event("worker", "drop"), Event("worker", "go", {"what": 1}))
    worker, boss = recorder.covered()
    assert boss.seen["pair"] == {("boss.calm/noted", "boss.pleased/noted")}
    assert ("worker.idle/go", "worker.running/drop") in worker.seen["pair"]


def test_what_workers_saw_adds_up() -> None:
    """The counts of two processes are those of one that did both."""
    node = door()
    with Recorder(node.machines) as both:
        with Recorder(node.machines) as one:
            walked(node, PUSH, JAMMED)
        with Recorder(node.machines) as other:
            walked(node, PUSH)
            walked(node, CLOSE)
    one.add(json.loads(json.dumps(other.to_wire())))
    assert [covered.to_json() for covered in one.covered()] == [covered.to_json() for covered in both.covered()]


def test_the_floor_is_read() -> None:
    """Kinds with percentages, and anything else is said in a line."""
    assert read_floor("state:100, row:95.5") == {"state": 100.0, "row": 95.5}
    assert read_floor("") == {}
    for bad in ("rows:95", "row", "row:x", "row:101", "row:-1", "row:nan", ","):
        with pytest.raises(pytest.UsageError, match="is none of state:P, row:P, pair:P"):
            read_floor(bad)


def test_specs_that_cannot_be_measured_are_said(project: Path) -> None:
    """A folder that is none, a machine that is not there, one that does not load."""

    def names(text: str) -> list[Machine]:
        return read_machines(text, project)

    assert [machine.name for machine in names("specs:door")] == ["door"]
    with pytest.raises(pytest.UsageError, match=r"nowhere is no folder of specs; name one with machines/ in it"):
        names("nowhere")
    with pytest.raises(pytest.UsageError, match=r"specs has no machine 'dor'; did you mean 'door'"):
        names("specs:dor")
    (project / "specs/machines/door.yaml").write_text("language: 2\n", "utf-8")
    with pytest.raises(pytest.UsageError, match=r"door.yaml:1:11: a spec starts with 'language: 1' \[language\]"):
        names("specs")


TESTS = '''
"""All that the user of a lock needs to test it."""
from hypothesis import given, settings
from fsm import Node
from fsm.testing import adapter_machine, sequences
from my_lock import Lock

settings.register_profile("few", max_examples=25, stateful_step_count=15, derandomize=True)
settings.load_profile("few")
NODE = Node.load("specs", ["door"], 0, 1)
TestLock = adapter_machine(NODE, lambda: {"lock": Lock()}).TestCase


@given(sequences(NODE))
def test_a_door_has_an_answer_to_everything(story):
    assert story.refused is None


def test_a_door_that_opens():
    assert NODE.state(NODE.boot(), "door") == "closed"
'''
STORY = """
from hypothesis import given, settings
from fsm import Node
from fsm.testing import play, sequences


@settings(derandomize=True)
@given(sequences(Node.load("specs", ["door"], 0, 1)))
def test_a_door_that_never_opens(story):
    assert story.node.state(story.local, "door") != "open"


def test_the_story_is_played():
    assert play("story.txt", "specs").text == open("story.txt").read()
"""
ADAPTER = """
import asyncio

class Lock:
    async def perform(self, operation):
        await asyncio.sleep(0)
        return "OUTCOME", {}

    def read(self, operation):
        raise NotImplementedError

    def signal(self, signal):
        pass

    def failure(self, operation, error):
        return "jammed", {"of": str(error)}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project: specs, an adapter, its tests."""
    files = {
        "specs/machines/door.yaml": DOOR, "specs/ports/lock.yaml": LOCK, "test_lock.py": TESTS,
        "my_lock.py": ADAPTER.replace("OUTCOME", "released"),
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\npythonpath = .\n", "utf-8")
    return tmp_path


def run(project: Path, *options: str) -> tuple[int, str]:
    """The exit status and output of pytest in the project."""
    command = [sys.executable, "-m", "pytest", "-q", *options]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_a_users_project_passes_with_its_table(project: Path) -> None:
    """Strategy, adapter and coverage in twenty lines of tests, on two workers; the counts are written down."""
    status, said = run(
        project, "-n", "2", "--fsm-cover=specs", "--fsm-floor=state:100,row:100", "--fsm-cover-json=c.json"
    )
    assert status == 0, said
    assert "coverage of state machines" in said
    assert "machine          states            rows       row pairs\ndoor         3/3  100 %      6/6  100 %" in said
    written = json.loads((project / "c.json").read_text("utf-8"))
    assert written["below"] == []
    assert written["machines"]["door"]["rows"] == {"known": 6, "seen": 6, "missing": []}
    assert min(written["machines"]["door"]["fired"].values()) > 0


def test_a_floor_that_is_not_reached_fails_the_run(project: Path) -> None:
    """The tests pass, the run does not; the settings say the same as the options."""
    with (project / "pytest.ini").open("a", encoding="utf-8") as ini:
        ini.write("fsm_cover = specs\nfsm_floor = row:50\n")
    status, said = run(project, "-k", "that_opens")
    assert status == 1
    assert "1 passed" in said
    assert "  never fired: door.open/after\n" in said
    assert "BELOW THE FLOOR: door: row coverage is 0.0 %, its floor is 50 %" in said


def test_a_broken_adapter_fails_with_a_trace(project: Path) -> None:
    """What is wrong in a line, and the shortest story that shows it, as it can be pasted."""
    (project / "my_lock.py").write_text(ADAPTER.replace("OUTCOME", "open"), "utf-8")
    status, said = run(project)
    assert status == 1
    assert "the adapter answered ('open', {}) to lock.release, which may answer released, jammed(of)" in said
    assert "golden trace, for a file of tests/traces" in said
    assert "\nmachine door\n----\nok\n\nsend door.push(force=1)\n----\ndoor closed -> releasing " in said
    assert "coverage of state machines" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fsm-floor=row:1"], "--fsm-floor and --fsm-cover-json say nothing without --fsm-cover=FOLDER"),
        (["--fsm-cover=spec"], "is no folder of specs"),
        (["--fsm-cover=specs", "--fsm-cover-json=no/c.json"], "no/c.json cannot be written: No such file or directory"),
    ],
)
def test_bad_options_are_one_line(project: Path, options: list[str], message: str) -> None:
    """And pytest could not run."""
    status, said = run(project, *options)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert message in said
    assert "Traceback" not in said


def test_a_trace_that_was_printed_is_played(project: Path) -> None:
    """Pasted into a file as it stands; it fails once the spec says something else."""
    (project / "test_lock.py").write_text(STORY, "utf-8")
    status, said = run(project, "-k", "never_opens")
    assert status == 1
    printed = said.partition("golden trace, for a file of tests/traces")[2].partition("\n")[2]
    (project / "story.txt").write_text(printed.partition("\n===")[0] + "\n", "utf-8")
    assert run(project, "-k", "played")[0] == 0
    (project / "specs/machines/door.yaml").write_text(DOOR.replace('after: "30s"', 'after: "20s"'), "utf-8")
    assert run(project, "-k", "played")[0] == 1


def test_without_hypothesis_the_extra_is_named(tmp_path: Path) -> None:
    """By whoever imports what needs it."""
    code = "import sys; sys.modules['hypothesis'] = None; from fsm.testing import sequences"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.endswith("fsm.testing.sequences needs hypothesis; try pip install 'liveset[test]'\n")


def test_the_plugin_costs_nothing_when_it_is_not_asked(project: Path) -> None:
    """Neither hypothesis nor the loader is imported for a test that needs neither, and nothing is recorded."""
    (project / "test_lock.py").write_text(
        "import sys\ndef test_nothing(request):\n"
        "    assert request.config.pluginmanager.has_plugin('liveset')\n"
        "    heavy = {'fsm.language.load', 'fsm.engine.node', 'ruamel.yaml', 'fsm.testing.coverage'}\n"
        "    assert not heavy & set(sys.modules)\n",
        "utf-8",
    )
    status, said = run(project, "-p", "no:hypothesispytest")
    assert status == 0, said
