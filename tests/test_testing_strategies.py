"""Strategies: what they draw is possible and inside its domains, reaches far, and shrinks to little."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, find, given, settings

from fsm import Library, Node, specs
from fsm.engine.turn import Event
from fsm.testing import Recorder, events, sequences
from fsm.testing.example import DOOR, LOCK, door
from fsm.testing.stories import Story, Teller, vocabulary
from tests.toy_node import toy_node

HA = ["life", "election", "monitor", "restart", "guest", "hold", "enable", "join", "disable", "leave"]
FEW = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def ha() -> Node:
    """The machines of a host of three, with two VMs."""
    return Node.load(specs(), HA, 1, 3, {"vm": ("vm1", "vm2")})


def test_every_event_of_a_story_was_possible(ha: Node) -> None:
    """Nothing is refused but where the machines have no answer, payloads are inside their domains, and an outcome or
    timer comes only to whom it is due."""
    seen = set[tuple[str, str]]()

    @FEW
    @given(sequences(ha, samples={"vm": ["vm1", "vm2"]}))
    def told(story: Story) -> None:
        for step in story.steps:
            pending = {machine for machine, _ in ha.pending(step.before)}
            machine, _ = ha.layout.instances[step.event.machine]
            fields = ha.layout.payload(machine, step.event.name) or {}
            assert step.event.payload.keys() == fields.keys()
            assert all(domain.holds(step.event.payload[name], 3) for name, domain in fields.items())
            if step.event.name.startswith("after"):
                assert (step.event.machine, step.event.name) in ha.timers(step.before)
            elif step.event.name in ("all_ok", "some_failed"):
                assert step.event.machine in pending
            assert "is no" not in (step.turn.refused or ""), step
            seen.update((fired.machine, fired.row) for fired in step.turn.fired)

    told()
    assert len(seen) > 60


def test_stories_reach_far() -> None:
    """A hundred stories fire every row of the door and see every pair of its rows."""
    node = door()
    with Recorder(node.machines) as recorder:
        settings(max_examples=100, deadline=None, database=None)(given(sequences(node))(lambda story: None))()
    (covered,) = recorder.covered()
    assert [covered.percent(kind) for kind in ("state", "row", "pair")] == [100.0, 100.0, 100.0]


def test_a_failing_story_shrinks_to_the_fewest_events() -> None:
    """The third jam of the lock, after shutting the door once: seven events, each payload the first that will do."""

    def bad(story: Story) -> bool:
        rows = [fired.row for step in story.steps for fired in step.turn.fired]
        return rows.count("door.releasing/lock.jammed") == 2 and "door.open/close" in rows

    story = find(sequences(door()), bad, settings=settings(max_examples=2000, deadline=None, database=None))
    assert len(story.steps) == 7
    assert {step.event.payload.get("force", 1) for step in story.steps} == {1}


def test_events_are_those_of_the_state() -> None:
    """Without a state any event of the vocabulary; with one only what is possible there."""
    node = door()
    story = Story(node)

    def kinds() -> set[str]:
        found = set()
        settings(max_examples=60, database=None)(given(events(node, local=story.local))(lambda e: found.add(e.name)))()
        return found

    assert kinds() == {"push", "close"}
    story.happen(Event("door", "push", {"force": 3}))
    assert kinds() == {"push", "close", "lock.released", "lock.jammed"}
    assert {kind.event for kind in vocabulary(node)} == kinds() | {"after"}


def test_samples_are_what_opaque_fields_carry(tmp_path: Path) -> None:
    """And served calls have numbers, fan-outs joined outcomes, instant operations an answer."""
    node = toy_node(tmp_path)
    found = find(
        sequences(node, samples={"what": ["tea"]}),
        lambda story: (
            {"worker.serving/job.done", "worker.asking/some_failed", "worker.looking/job.busy"}
            <= {fired.row for step in story.steps for fired in step.turn.fired}
        ),
        settings=settings(max_examples=3000, deadline=None, database=None, derandomize=True),
    )
    assert {step.event.payload["what"] for step in found.steps if "what" in step.event.payload} == {"tea"}
    assert {step.event.call for step in found.steps if step.event.name == "host.work"} - {None}


def test_a_machine_alone_is_put_on_a_node() -> None:
    """And what nothing can come to is said at once."""
    machine = Library.of({"machines/door.yaml": DOOR, "ports/lock.yaml": LOCK}).machine("door")
    assert find(events(machine, n=2), lambda event: True).machine == "door"
    dead = "language: 1\nmachine: dead\nessay: a stone\nstates: [still]\ninitial: still\nrows: []\n"
    with pytest.raises(ValueError, match=r"nothing can come to Node\(dead; me=0, n=1\)"):
        sequences(Library.of({"machines/dead.yaml": dead}).machine("dead"))


def test_a_script_with_anything_cut_out_is_a_script() -> None:
    """Every part of a script tells a story of as many events."""
    teller = Teller(door(), {})
    script = [3, 999, 70000, 12, 5, 1 << 19, 8, 8]
    for cut in range(len(script)):
        assert len(teller.tell(script[:cut] + script[cut + 1 :]).steps) == len(script) - 1
