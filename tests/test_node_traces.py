"""Golden traces of one node: what is told is read again, and what cannot be done names its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fsm.engine.node import Node
from fsm.engine.turn import Event
from fsm.errors import SpecError
from fsm.explore.node_traces import command, written
from fsm.explore.traces import play
from fsm.language.domains import Domain
from fsm.language.load import Library
from fsm.locate import specs
from fsm.testing import Story, sequences
from fsm.testing.example import DOOR, LOCK
from tests.spec_folder import ENGINE
from tests.toy_node import write_specs

GOLDEN = """\
# A jammed lock is complained of, and the door tries again.
machine door
----
ok

send door.push(force=2)
----
door closed -> releasing                           door.closed/push(force=2)  door.pushed := 2
do lock.release

send door.push(force=0)
----
no row fires

outcome door.lock.jammed(of="rust")
----
door releasing -> closed                           door.releasing/lock.jammed(of=rust)
signal lock.complain(of="rust")

send door.push(force=1)
----
door closed -> releasing                           door.closed/push(force=1)  door.pushed := 1
do lock.release

outcome door.lock.released
----
door releasing -> open                             door.releasing/lock.released
timer door.after in 30 s

timer door.after
----
door open -> closed                                door.open/after
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the door."""
    for name, text in (("machines/door.yaml", DOOR), ("ports/lock.yaml", LOCK)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def played(root: Path, text: str) -> str:
    """What a trace gives."""
    path = root / "trace.txt"
    path.write_text(text, "utf-8")
    return play(path, root).text


def test_a_trace_is_played_as_it_stands(root: Path) -> None:
    """Commands, rows, effects; and the rows that fired are known."""
    assert played(root, GOLDEN) == GOLDEN
    assert len(play(root / "trace.txt", root).rows) == 4


def test_a_changed_spec_is_seen(root: Path) -> None:
    """The text is another one, and says what happens now."""
    (root / "machines/door.yaml").write_text(DOOR.replace('after: "30s"', 'after: "20s"'), "utf-8")
    assert played(root, GOLDEN) == GOLDEN.replace("in 30 s", "in 20 s")


@pytest.mark.parametrize(
    ("machines", "n", "instances"),
    [(["worker", "boss"], 3, {}), (["election", "join", "enable", "restart"], 2, {"vm": ("vm1", "vm2")})],
)
def test_every_story_is_played_again(
    tmp_path: Path, machines: list[str], n: int, instances: dict[str, tuple[str, ...]]
) -> None:
    """The trace of any story, refused turns, calls, reads, sets and opaque values included, plays as it was told."""
    root = write_specs(tmp_path) if "worker" in machines else ENGINE
    library = Library(root)
    node = Node([library.machine(name) for name in machines], 1, n, instances, library.parameters())
    path = tmp_path / "trace.txt"

    @settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(sequences(node, most=30, samples={"what": ['a "b", c', None, {"x": [1, 2]}], "tag": ["a) b"]}))
    def told(story: Story) -> None:
        path.write_text(story.trace() + "\n", "utf-8")
        assert play(path, root).text == story.trace() + "\n"

    told()


def test_values_are_written_as_specs_write_them() -> None:
    """What JSON cannot carry is written as text, which is another value then."""
    fields = {"who": Domain("hosts"), "on": Domain("bool"), "any": Domain("opaque")}
    assert written({"who": frozenset({2, 0}), "on": True, "any": b"\xff"}, fields) == (
        "(who={0, 2}, on=true, any=\"b'\\\\xff'\")"
    )
    assert written({}, fields) == ""


def test_the_verb_says_what_came(root: Path) -> None:
    """An outcome that nobody waits for is sent."""
    node = Node([Library(root).machine("door")], 0, 1, {}, {})
    assert command(node, node.boot(), Event("door", "lock.released")) == "send door.lock.released"


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (["send door.push(force=1)"], "1:1: nothing runs yet; begin with 'machine NAME...'"),
        (["machine dor"], "1:1: there is no machine 'dor'; did you mean 'door'?"),
        (["machine"], "1:1: there is no machine ''"),
        (["machine door, host 3 of 3"], "1:1: me = 3 is no host of a pool of n = 3"),
        (["machine door, vm"], "1:1: write 'machine NAME..., host ME of N, PARAMETER = KEY...'"),
        (["machine door", "sent door.push"], "4:1: there is no command 'sent'; did you mean 'send'?"),
        (["machine door", "send dor.push"], "4:1: no machine here is called 'dor'; did you mean 'door'?"),
        (["machine door", "send door.shove"], "4:1: door knows no event 'shove'"),
        (["machine door", "send push"], "4:1: MACHINE.EVENT is missing before 'push'"),
        (["machine door", "send door.push(forse=1)"], "4:1: there is no field 'forse'; did you mean 'force'?"),
        (["machine door", "send door.push(force=7)"], "4:1: 7 is no 0..3 of 1 hosts"),
        (["machine door", "send door.push(force=1"], "4:1: ')' is missing before ''"),
        (["machine door", "send door.push(force)"], "4:1: FIELD=VALUE is missing before 'force)'"),
        (["machine door", "send door.lock.jammed(of=rust)"], "4:1: an opaque value is written as JSON"),
        (["machine door", "send door.close now"], "4:1: nothing is known of ' now' here"),
        (["machine door", "send door.close reading lock.x"], "4:1: no port here answers 'lock.x'"),
        (
            ["machine door", "send door.close reading lock.released"],
            "4:1: nothing asks for lock.released",
        ),
        (["machine door", "outcome door.lock.released"], "4:1: door waits for nothing"),
        (["machine door", "timer door.after"], "4:1: the timer door.after does not run; those that do: none"),
        (["machine door", "show door"], "4:1: nothing runs yet; begin with 'system NAME'"),
    ],
)
def test_a_command_that_cannot_be_done_names_its_line(root: Path, commands: list[str], message: str) -> None:
    """And what would be right."""
    with pytest.raises(SpecError) as caught:
        played(root, "\n\n".join(f"{said}\n----" for said in commands))
    assert message in str(caught.value)


def test_a_timer_may_be_followed_by_what_is_read() -> None:
    """`after reading` is a group's timer only where there is such a group."""
    path = Path(__file__).parent / "traces" / "monitor_of_a_master.txt"
    assert "\ntimer monitor.after reading daemon.gone\n" in play(path, specs()).text


def test_a_payload_may_leave_out_what_is_nothing(tmp_path: Path) -> None:
    """Behind `...` are false, nobody, none, or the first value; a field that is written counts."""
    path = tmp_path / "some.txt"
    command = "send lock.seen(granted={1}, taken=true, ...)"
    path.write_text(f"machine lock membership, host 0 of 2\n----\n\n{command}\n----\n", "utf-8")
    carried = "live={}, asker=none, preempted=false, granted={1}, void=false, taken=true"
    assert f"lock.idle/seen({carried})" in play(path, specs()).text


def test_what_is_refused_or_not_answered_is_said(tmp_path: Path) -> None:
    """In the output, for it is the node that says no."""
    root = write_specs(tmp_path)
    text = played(root, "machine worker boss\n----\n\nsend worker.look\n----\n\nsend worker.go\n----\n")
    assert "REFUSED: job.peek is asked; say what it answers behind 'reading'\n" in text
    assert text.endswith("REFUSED: worker: the event go carries ['what'], not nothing\n")
