"""The journal replays without divergence, and every change of it is found; torn ends and several lives are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsm.cli
from fsm.drivers.journal import Journal, plain
from fsm.drivers.replay import Replayed, replay
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation
from fsm.errors import SpecError
from fsm.explore.traces import play
from fsm.language.load import Library
from fsm.locate import specs
from fsm.search.walk_traces import names_in
from tests.chance_walk import OPAQUE, Walk, walked
from tests.toy_node import toy_node, write_specs


@cache
def shipped() -> Node:
    """All machines that are shipped, as host 1 of three, with two VMs."""
    instances = {"vm": ("vm1", "vm2")}
    return Node.load(specs(), Library(specs()).names(), 1, 3, instances, {"T": 3.0})


def rows(lines: list[str]) -> int:
    """How many rows fired."""
    return sum("row" in json.loads(line) for line in lines)


def test_a_journal_of_the_shipped_machines_replays() -> None:
    """Thousands of chance turns, refused ones, other lives and new pools among them."""
    walk = walked(shipped(), Random(7), 1500)
    done = replay(walk.lines, specs())
    assert done.divergence is None
    assert (done.rows, done.torn) == (walk.fired, ())
    assert done.lives > 10
    assert walk.fired > 300
    assert walk.refused > 100


@pytest.fixture(scope="module", name="root")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy's specs."""
    return write_specs(tmp_path_factory.mktemp("specs"))


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    """Hundreds of replays of the same specs need not read them hundreds of times."""
    load, nodes = Node.load, dict[tuple[Path, str], Node]()

    def load_once(root: Path, *arguments: Any) -> Node:
        key = root, repr(arguments)
        if key not in nodes:
            nodes[key] = load(root, *arguments)
        return nodes[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Node, "load", load_once)
        yield


@settings(max_examples=40, deadline=None)
@given(random=st.randoms(use_true_random=False), steps=st.integers(0, 60))
def test_any_journal_replays(root: Path, random: Random, steps: int) -> None:
    """Whatever happens to a node, in any order."""
    walk = walked(_toy(root), random, steps)
    done = replay(walk.lines, root)
    assert (done.divergence, done.rows) == (None, walk.fired)


@cache
def _toy(root: Path) -> Node:
    return toy_node(root)


def walk_of(root: Path, seed: int = 3, steps: int = 40) -> Walk:
    """A walk of the toy that has several rows, reads and refusals."""
    return walked(_toy(root), Random(seed), steps)


def other(value: Any) -> Any:
    """A JSON value of the same kind that differs."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "?"
    if isinstance(value, list):
        return [*value, "more"]
    return {**value, "more": 1} if isinstance(value, dict) else "something"


def test_a_change_of_any_field_is_found_at_its_line(root: Path) -> None:
    """Each field of each row, one at a time; what a turn was made of is found at the turn's first line."""
    lines = walk_of(root).lines
    tried = 0
    for number, line in enumerate(lines, start=1):
        said = json.loads(line)
        if "row" not in said:
            continue
        for key in said.keys() - {"time", "outside", "reads"}:
            changed = [*lines[: number - 1], json.dumps({**said, key: other(said[key])}), *lines[number:]]
            divergence = replay(changed, root).divergence
            assert divergence is not None, (number, key)
            assert (divergence.line, divergence.what) == (number, key)
            assert divergence.got == other(said[key])
            assert divergence.expected == said[key]
            tried += 1
    assert tried > 100


def test_a_line_that_is_missing_or_doubled_is_found(root: Path) -> None:
    """At the line that follows in its place. The last line is another matter: a death may have cut it off."""
    walk = Walk(_toy(root), Random(5))
    for _ in range(20):
        walk.turn()
    lines = walk.lines
    assert rows(lines) > 10
    for number in range(1, len(lines) - 1):
        missing = replay([*lines[:number], *lines[number + 1 :]], root).divergence
        assert missing is not None
        assert missing.line == number + 1
        doubled = replay([*lines[: number + 1], *lines[number:]], root).divergence
        assert doubled is not None
        assert doubled.line == number + 2


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('"do":"job.peek"', '"do":"job.poke"', "reads"),
        ('"busy",{"who":[1]}]]', '"busy",{"who":[2]}]]', "effects"),
        ('"reads":[', '"reads":[[{"do":"job.more"},"free",{}],', "reads"),
        ('{"who":[1]}]]', '{"who":[1]}],[{"do":"job.more"},"free",{}]]', "reads"),
    ],
)
def test_other_answers_of_instant_operations_are_found(root: Path, old: str, new: str, what: str) -> None:
    """Another question, another answer, one that was never asked for: all at the first line of the turn."""
    node, event, answer = _toy(root), Event("worker", "look"), ("busy", {"who": frozenset({1})})
    walk = Walk(node, Random(1))
    turn = node.step(walk.local, walk.pool, event, lambda _: answer)
    walk.journal.turn(node, 0.0, event, turn, [(Operation("worker", "job", "peek"), *answer)])
    header, looked, found = walk.lines
    assert replay(walk.lines, root).divergence is None
    assert looked.count(old) == 1
    divergence = replay([header, looked.replace(old, new), found], root).divergence
    assert divergence is not None
    assert (divergence.line, divergence.what) == (2, what)


def test_every_torn_end_is_tolerated_and_told(root: Path) -> None:
    """The last turn cut at any byte: what is whole is replayed, and the line of the tear is named."""
    lines = walk_of(root, seed=5, steps=12).lines
    whole = replay(lines, root)
    last = lines[-1]
    for cut in range(1, len(last)):
        done = replay([*lines[:-1], last[:cut]], root)
        assert done.divergence is None
        assert done.torn == ((len(lines),) if cut < len(last) - 1 else whole.torn), cut


def test_a_turn_that_lacks_its_last_lines_is_torn_at_the_end_of_a_life_only(root: Path) -> None:
    """A death may fall between two lines of one turn; in the middle of a life, lines do not vanish."""
    node = _toy(root)
    walk = Walk(node, Random(1))
    for name, payload in (("go", {"what": 1}), ("drop", {})):
        event = Event("worker", name, payload)
        turn = node.step(walk.local, walk.pool, event)
        walk.journal.turn(node, 0.0, event, turn)
        walk.local, walk.pool = turn.local, turn.pool
    header, go, noted, drop = walk.lines
    assert replay([header, go], root) == Replayed(1, 1, 1, (2,), None)
    assert replay([header, go, header, go, noted, drop], root) == Replayed(2, 3, 4, (2,), None)
    found = replay([header, go, drop], root).divergence
    assert found is not None
    assert found.line == 3


def test_damage_in_the_middle_of_a_life_is_refused(root: Path) -> None:
    """It cannot come from a death; so does a journal without header, of another format, or of no sense."""
    lines = walk_of(root).lines
    cases: list[tuple[list[str], str]] = [
        ([*lines[:3], lines[3][:20], *lines[4:]], "j:4:1: this is no JSON object, and no life ends here"),
        (lines[1:], "j:1:1: a journal begins with its header"),
        ([lines[0].replace('"journal":1', '"journal":2')], "j:1:1: this journal has format 2, not 1"),
        ([lines[0], '{"outside": 7}'], r"j:2:1: this is no line of a journal \(TypeError"),
        (['{"journal": 1}'], r"j:1:1: this is no line of a journal \(KeyError"),
    ]
    for changed, message in cases:
        with pytest.raises(SpecError, match=f"^{message}.*\\[journal\\]$"):
            replay(changed, root, "j")


@pytest.mark.parametrize("lines", [[], [""], ["\x7fELF", "\x00", "x"], ["7", "[]"]])
def test_a_file_without_a_header_is_no_journal(root: Path, lines: list[str]) -> None:
    """Nothing was replayed there, so nothing can be said to agree."""
    with pytest.raises(SpecError, match=r"^j:1:1: this is no journal: .*\[journal\]$"):
        replay(lines, root, "j")


def test_a_journal_of_other_specs_is_refused_by_the_name_of_the_machine(root: Path, tmp_path: Path) -> None:
    """A sentence was changed in one machine: its journal tells of other specs."""
    lines = walk_of(root).lines
    path = write_specs(tmp_path) / "machines" / "boss.yaml"
    path.write_text(path.read_text().replace("work has begun", "work has started"))
    with pytest.raises(
        SpecError, match=r"^j:1:1: the machine 'boss' was [0-9a-f]{12} when this was written, here it is"
    ):
        replay(lines, tmp_path, "j")


def test_two_lives_in_one_file(root: Path, tmp_path: Path) -> None:
    """The second agent writes on behind a line that the first left torn, and begins with a header."""
    path, node = tmp_path / "agent.journal", _toy(root)
    for host in ({}, {"armed": True}):
        journal = Journal.open(path)
        local, pool = node.boot(host), node.pool()
        journal.begin(node, "h0", local, pool, 1.0)
        event = Event("worker", "bump")
        journal.turn(node, 2.0, event, node.step(local, pool, event))
        journal.close()
        with path.open("ab") as file:
            file.write(b'{"n":2,"turn')
    with path.open() as lines:
        assert replay(lines, root) == Replayed(2, 2, 2, (3, 6), None)
    headers = [json.loads(line) for line in path.read_text().splitlines() if line.startswith('{"journal"')]
    assert [header["host"] for header in headers] == [{"armed": False}, {"armed": True}]


def test_a_turn_is_one_write(root: Path) -> None:
    """All its lines at once, so that only a death in the kernel's hands can part them."""
    writes: list[bytes] = []
    node = _toy(root)
    event = Event("worker", "go", {"what": 1})
    Journal(writes.append).turn(node, 0.0, event, node.step(node.boot(), node.pool(), event))
    assert len(writes) == 1
    assert writes[0].count(b"\n") == 2


def test_a_line_says_what_its_readers_need(root: Path) -> None:
    """The first line of a turn, whole: row, values, the event from outside and what was asked of the world."""
    lines: list[bytes] = []
    node = _toy(root)
    event = Event("worker", "go", {"what": (1, b"x")})
    Journal(lines.append).turn(node, 12.3456789, event, node.step(node.boot(), node.pool(), event))
    said = json.loads(lines[0].splitlines()[0])
    payload = {"what": "(1, b'x')"}
    assert said.pop("why") == "begin a job"
    assert said.pop("digest") == node.machines[0].digest
    assert said == {
        "n": 1, "turn": 1, "time": 12.345679, "machine": "worker", "row": "worker.idle/go", "from": "idle",
        "event": "go", "payload": payload, "to": "running",
        "set": {"armed": True, "count": 1, "worker.work": payload["what"]},
        "outside": {"machine": "worker", "name": "go", "payload": payload, "call": None}, "rows": 2, "reads": [],
        "effects": {
            "host": {"armed": True}, "pool": {"count": 1}, "timers": [["worker", "busy", 8.0]],
            "operations": [
                {"machine": "worker", "do": "job.run", "arguments": payload, "targets": None, "joined": False}
            ],
            "abandoned": ["boss"],
        },
    }  # fmt: skip


@pytest.mark.parametrize("value", OPAQUE)
def test_every_value_can_be_written(value: Any) -> None:
    """As it is where JSON can carry it, a set of hosts as a sorted list, else its repr."""
    assert isinstance(json.dumps(plain(value)), str)
    assert plain(frozenset({2, 1})) == [1, 2]
    assert plain(b"x") == "b'x'"


def test_the_command_says_yes_no_or_why_not(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 without divergence, 1 with the first one, 2 where it could not run; tears are told on stderr."""
    path = tmp_path / "agent.journal"
    lines = walk_of(root).lines

    def command(text: str) -> tuple[int, str, str]:
        path.write_text(text)
        code = fsm.cli.main(["replay", str(root), str(path)])
        out, err = capsys.readouterr()
        return code, out.strip(), err.strip()

    code, out, err = command("".join(lines))
    assert (code, err) == (0, "")
    assert out.endswith(f"turns, {rows(lines)} rows: no divergence")
    code, out, err = command("".join(lines) + '{"n"')
    assert (code, err) == (0, f"{path}:{len(lines) + 1}:1: torn: a life ends here in the middle of a write")
    at = next(i for i, line in enumerate(lines) if '"row":' in line)
    tampered = lines[at].replace('"why":"', '"why":"not ')
    code, out, err = command("".join([*lines[:at], tampered, *lines[at + 1 :]]))
    assert code == 1
    row = json.loads(lines[at])
    assert out.startswith(f"{path}:{at + 1}:1: {row['machine']}, row {row['row']}: why: the specs give")
    code, out, err = command("nonsense\n{}\n")
    assert (code, out, err.count("\n")) == (2, "", 0)
    assert err.startswith(f"{path}:1:1: this is no journal: ")
    code, out, err = command("")
    assert (code, out) == (2, "")
    assert err.startswith(f"{path}:1:1: this is no journal, ")
    assert fsm.cli.main(["replay", str(tmp_path / "none")]) == 2
    command("".join(lines))
    assert fsm.cli.main(["replay", str(root / "machines" / "worker.yaml"), str(path)]) == 0
    assert fsm.cli.main(["replay", str(tmp_path), str(path)]) == 2
    assert "no folder with machines in it" in capsys.readouterr().err


def test_what_has_no_end_is_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    """A device is neither a journal nor a trace: one line for `fsm replay`, for who plays it, for who jumps to it."""
    said = "/dev/null:1:1: cannot read it: it is no file of text [unreadable]"
    assert fsm.cli.main(["replay", "/dev/null"]) == 2
    assert capsys.readouterr().err.strip() == said
    for reader in (play, names_in):
        with pytest.raises(SpecError) as caught:
            reader(Path("/dev/null"))
        assert str(caught.value) == said
