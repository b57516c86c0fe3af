"""`fsm coverage`: who has seen each row and state, what nobody has, and what is declared of that."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from fsm.cli import main
from fsm.compare.coverage import SOME, Explored, Seen, journaled, matrix
from fsm.compare.unreached import unreached
from fsm.errors import SpecError
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import specs
from fsm.search.explore import explore
from fsm.search.load import load_space

TOYS = Path(__file__).parent / "data" / "toys"
RING = ("--systems", "ring", "--set", "ring.faults.duplicate=1")


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    """The toys, with the machine of the ring alone."""
    root = Path(shutil.copytree(TOYS, tmp_path / "specs"))
    for file in [*root.glob("machines/*.yaml"), *root.glob("systems/*.yaml")]:
        if file.stem not in ("station", "ring"):
            file.unlink()
    return root


def said(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str]:
    """The exit code of `fsm coverage`, and what it says on stdout."""
    code = main(["coverage", str(root), *words])
    return code, capsys.readouterr().out


def report(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """The same as JSON."""
    code, text = said(capsys, root, *words, "--json")
    return code, json.loads(text)


def declare(root: Path, *entries: str) -> None:
    """Writes unreached.yaml."""
    lines = "".join(f"- {entry}\n" for entry in entries)
    (root / "unreached.yaml").write_text(f"language: 1\nessay: what nobody reaches\nunreached:\n{lines}", "utf-8")


def dead_row(root: Path) -> None:
    """Gives the station a row that nothing reaches, to a state that nothing else leads to."""
    file = root / "machines" / "station.yaml"
    text = file.read_text("utf-8").replace("states: [waiting, holding]", "states: [waiting, holding, lost]")
    text += '- {from: lost, after: "T", to: lost, why: "it stays lost"}\n'
    file.write_text(text, "utf-8")


def test_all_is_reached(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, a line for each row and state, and a summary."""
    code, text = said(capsys, toys, "--systems", "ring")
    assert code == 0
    assert "2 of 2 rows reached, 0 declared unreached; 2 of 2 states reached" in text
    assert text.splitlines()[1].split() == ["station.waiting/link.token", "x", "·"]


def test_what_is_neither_reached_nor_declared(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 and a line each; declared with a reason, both are fine."""
    dead_row(toys)
    code, text = said(capsys, toys, "--systems", "ring")
    assert code == 1
    assert "neither reached nor declared: station.lost/after\n" in text
    assert "neither reached nor declared: station.lost\n" in text
    declare(toys, '{row: station.lost/after, why: "nobody is lost"}', '{state: station.lost, why: "nobody is lost"}')
    code, text = said(capsys, toys, "--systems", "ring", "--markdown")
    assert code == 0
    assert "| `station.lost/after` | nobody is lost |" in text
    assert "1 of 3" not in text
    assert "2 of 3 rows reached, 1 declared unreached" in text


def test_what_is_declared_in_vain(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An entry that is reached is wrong, at its place."""
    declare(toys, '{row: station.holding/after, why: "nobody ever lets go"}')
    code, text = said(capsys, toys, "--systems", "ring")
    assert code == 1
    assert "unreached.yaml:4:3: station.holding/after is declared unreached, and ring reaches it" in text
    assert report(capsys, toys, "--systems", "ring")[1]["wrong"][0]["reached by"] == "ring"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('{row: station.gone/after, why: "x"}', "no machine here has the row 'station.gone/after'"),
        ('{state: station.holdin, why: "x"}', "did you mean 'station.holding'?"),
        ('{why: "nothing is named"}', "either a 'row' or a 'state'"),
        ('{row: station.holding/after, state: station.holding, why: "both"}', "either a 'row' or a 'state'"),
        ("{row: station.holding/after}", "needs a 'why'"),
        ('{row: station.holding/after, why: ""}', "says nothing"),
        ('{row: station.holding/after, because: "x"}', "has no key 'because'"),
    ],
)
def test_an_entry_that_says_nothing(toys: Path, capsys: pytest.CaptureFixture[str], entry: str, message: str) -> None:
    """One line with its place, exit 2, before anything is explored."""
    declare(toys, entry)
    assert main(["coverage", str(toys)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "unreached.yaml:4:" in captured.err


def test_an_entry_stands_once(toys: Path) -> None:
    """Two reasons for one row are one too many."""
    declare(toys, *['{row: station.holding/after, why: "nobody lets go"}'] * 2)
    with pytest.raises(SpecError, match="stands here twice"):
        unreached(toys, [Library(toys).machine("station")])


def test_which_fault_a_row_needs(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row that only a second token can fire needs the fault that makes one; others need none."""
    file = toys / "machines" / "station.yaml"
    twice = '- {from: holding, on: link.token, to: same, why: "a second token"}\n'
    file.write_text(file.read_text("utf-8") + twice, "utf-8")
    code, found = report(capsys, toys, *RING)
    assert code == 0
    assert found["rows"]["station.holding/link.token"]["needs"] == ["duplicate"]
    assert found["rows"]["station.holding/after"]["needs"] == []
    assert found["states"]["station.holding"]["needs"] == []


def explored(name: str, rows: str, without: dict[str, str | None], finished: bool = True) -> Explored:
    """What a system reaches, a letter for each row; without a fault, None is not known."""
    left = {fault: (frozenset(said or ""), said is not None) for fault, said in without.items()}
    return Explored(name, 1, 0.0, finished, frozenset(rows), frozenset(), left)


def needs(row: str, *systems: Explored) -> tuple[str, ...]:
    """What a matrix says that a row needs."""
    station = Library(TOYS).machine("station")
    machine = evolved(station, row)
    return matrix([machine], systems, Seen(None, None, None, {})).rows[0].needs


def evolved(machine: Machine, row: str) -> Machine:
    """The machine with one row, of this id."""
    return evolve(machine, rows=(evolve(machine.rows[0], id=row),))


def test_a_fault_is_needed_only_if_no_system_does_without() -> None:
    """In all systems that reach the row and were explored to their end; `some` where one of several will do; ? where it
    is not known."""
    one = explored("one", "ab", {"crash": "", "loss": "ab", SOME: ""})
    assert needs("a", one) == ("crash",)
    assert needs("a", one, explored("two", "a", {"loss": "", SOME: ""})) == (SOME,)
    assert needs("a", one, explored("free", "a", {})) == ()
    assert needs("a", one, explored("other", "b", {})) == ("crash",)
    assert needs("a", explored("either", "a", {"crash": "a", "loss": "a", SOME: ""})) == (SOME,)
    assert needs("a", explored("part", "a", {"crash": None, "loss": "", SOME: ""})) == ("crash?", "loss")
    cut = explored("cut", "a", {"crash": None, SOME: None}, False)
    assert needs("a", cut) == ("?",)
    assert needs("a", cut, one) == ("crash",)
    assert needs("c", one) == ()


def test_tests_and_journals_are_counted(toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By row, and for a state by the rows that lead to it; a journal of another version of the machine counts not."""
    digest = Library(toys).machine("station").digest
    tests, journal = tmp_path / "cover.json", tmp_path / "h1.journal"
    fired = {"station.waiting/link.token": 7, "station.holding/after": 0}
    tests.write_text(json.dumps({"machines": {"station": {"fired": fired}}}), "utf-8")
    lines = [{"row": "station.waiting/link.token", "digest": digest}] * 2
    lines += [{"row": "station.holding/after", "digest": "another"}]
    journal.write_text("\n".join(map(json.dumps, lines)) + '\n{"torn', "utf-8")
    words = ("--systems", "ring", "--tests", str(tests), "--journals", str(journal))
    code, found = report(capsys, toys, *words)
    assert code == 0
    token, holding = found["rows"]["station.waiting/link.token"], found["states"]["station.holding"]
    assert (token["tests"], token["journals"]) == (holding["tests"], holding["journals"]) == (7, 2)
    assert found["rows"]["station.holding/after"]["journals"] == 0
    with pytest.raises(SpecError, match="is it a journal"):
        journaled([tests], [Library(toys).machine("station")])
    tests.write_text("no JSON", "utf-8")
    assert main(["coverage", str(toys), *words]) == 2
    assert "[coverage-shape]" in capsys.readouterr().err


def test_golden_traces_are_played(toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each trace by name, for each row that fires in it."""
    traces = tmp_path / "traces"
    traces.mkdir()
    assert main(["coverage", str(toys), "--systems", "ring", "--traces", str(traces)]) == 2
    assert "no golden traces" in capsys.readouterr().err
    (traces / "token.txt").write_text("machine station\n----\n\nsend station.link.token\n----\n", "utf-8")
    code, found = report(capsys, toys, "--systems", "ring", "--traces", str(traces))
    assert code == 0
    assert found["rows"]["station.waiting/link.token"]["traces"] == ["token"]
    assert found["rows"]["station.holding/after"]["traces"] == []


def test_a_system_that_is_cut_short_says_so(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it reached counts; what is missing may be beyond the bound, and the line says which system was not
    finished."""
    dead_row(toys)
    code, text = said(capsys, toys, *RING, "--limit-states", "2")
    assert code == 1
    assert "ring: not finished: " in text
    assert "neither reached nor declared: station.lost (not finished: ring)" in text


def test_what_cannot_be_covered(toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each."""
    for words, message in (
        ([str(tmp_path)], "no machines in it"),
        ([str(toys), "--systems", "rings"], "did you mean 'ring'?"),
        ([str(toys), "--set", "hosts=2"], "write SYSTEM.NAME=VALUE"),
        ([str(toys), "--set", "other.hosts=2"], "of a system that is explored"),
    ):
        assert main(["coverage", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


def test_the_shipped_specs_say_what_is_not_reached() -> None:
    """Each entry names a row or state, with a sentence of its own, and the smallest system reaches none of them."""
    library = Library(specs())
    entries = unreached(specs(), [library.machine(name) for name in library.names()])
    assert entries
    reasons = [entry.why for entry in entries.values()]
    assert len(set(reasons)) == len(reasons)
    assert all(len(reason.split()) >= 5 for reason in reasons)
    lease = explore(load_space(specs() / "systems" / "lease.yaml"))
    assert lease.finished
    assert not lease.fired & set(entries)
