"""Which clauses and faults a promise uses: the verdicts that move when one of them is taken away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from fsm.cli import main
from fsm.errors import Place, SpecError
from fsm.search.ablation import NO_ANSWER, Ablation, Cell, Column, ablate
from fsm.search.explore import explore
from fsm.search.load import load_space
from fsm.search.result import HOLDS, NOT_REACHED, OPEN, VIOLATED, Limits, Result
from fsm.search.space import Space

TOYS = Path(__file__).parent / "data" / "toys"
RING = """
language: 1
system: circle
essay: A token goes round, and is doubled once.
world: tests.toy_worlds:Ring
hosts: 3
machines: [station]
faults: {duplicate: 1}
sets: {holding: "station == holding"}
properties:
  order: {step: "empty(coming) or empty(next_coming) or not empty(coming & next_coming)", why: "it gets there"}
  alone: {always: "size(holding) <= 1", why: "one token, one holder"}
  two: {reachable: "size(coming) == 2", why: "two tokens under way"}
"""
STILL = """
language: 1
model: still
essay: Nothing goes wrong here.
variables: {a: {type: bool}}
actions: [{action: turn, set: {a: "not a"}, why: "it turns"}]
properties: {turned: {reachable: "a", why: "it turns"}}
"""
SAYS = {"K1": "a token goes to the next host only"}


@pytest.fixture
def circle(tmp_path: Path) -> Path:
    """The ring with other promises."""
    for part in ("machines/station.yaml", "ports/link.yaml", "state.yaml"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).write_text((TOYS / part).read_text("utf-8"), encoding="utf-8")
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "circle.yaml").write_text(RING, encoding="utf-8")
    return tmp_path / "systems" / "circle.yaml"


def _ablation(path: Path, limits: Limits = Limits()) -> Ablation:  # noqa: B008 - it is immutable
    def space_with(settings: Sequence[tuple[str, str]], without: Sequence[str]) -> Space[object]:
        return load_space(path, settings, without)

    return ablate(space_with, partial(explore, engine="reference", limits=limits), SAYS, ["duplicate"])


def test_a_cell_shows_what_moves_and_nothing_else(circle: Path) -> None:
    """Without K1 a token goes astray in one step, without a fault; without the fault there never are two, and no
    node meets one that it has no answer to."""
    found = _ablation(circle)
    clause, fault = found.columns
    assert {name: cell.verdict for name, cell in found.before.items()} == {
        "order": HOLDS, "alone": VIOLATED, "two": HOLDS, NO_ANSWER: VIOLATED,
    }  # fmt: skip
    assert dict(clause.moved) == {"order": Cell(VIOLATED, 1)}
    assert dict(fault.moved) == {"alone": Cell(HOLDS), "two": Cell(NOT_REACHED), NO_ANSWER: Cell(HOLDS)}
    assert (clause.fault, fault.fault) == (False, True)
    assert fault.states < found.states


def test_the_table_names_the_faults_of_a_story(circle: Path) -> None:
    """Property by clause; a dot where nothing moves, steps and faults where a promise is broken."""
    head, order, alone, two, refused = _ablation(circle).table()
    assert head == ["property", "verdict", "without K1", "no duplicate"]
    assert order == ["order", "holds", "after 1", "."]
    assert alone[1].startswith("violated after ")
    assert alone[1].partition(": ")[2] == "duplicate"
    assert alone[2:] == [".", "holds"]
    assert two == ["two", "holds", ".", "not reached"]
    assert refused == ["no answer", "violated after 3: duplicate", ".", "holds"]
    assert Cell(VIOLATED, 9, {"crash": 2, "loss": 1}).text() == "after 9: 2 crash, loss"


def test_what_holds_now_and_was_not_known_before_has_not_moved(circle: Path) -> None:
    """A search that was cut short tells nothing of what moves one that was not."""

    def search(space: Space[object]) -> Result:
        first = not space.system.faults["duplicate"]  # type: ignore[attr-defined]
        return explore(space, engine="reference", limits=Limits() if first else Limits(states=1))

    found = ablate(lambda settings, _: load_space(circle, settings), search, {}, ["duplicate"])
    assert found.before["order"].verdict == OPEN
    assert "order" not in found.columns[0].moved


def test_what_moves_nothing_has_no_column() -> None:
    """It is named below, one line for all, unless its search was cut short; what clauses say stands there too."""
    unmoved = Column("K2", False, {}, 5, True, says="tokens are round")
    moved = Column("K1", False, {"two": Cell(VIOLATED, 2)}, 5, True)
    short = Column("K3", False, {}, 3, False)
    found = Ablation("ring", 5, True, {"two": Cell(HOLDS)}, (unmoved, moved, Column("loss", True, {}, 5, True), short))
    assert found.table() == [["property", "verdict", "without K1"], ["two", "holds", "after 2"]]
    below = list(found.text())[3:]
    assert below[1:] == [
        "nothing moves without K2, loss", "K2: tokens are round", "without K3: not finished, 3 states",
    ]  # fmt: skip
    assert "nothing moves without K2\n" in "\n".join([*Ablation("ring", 5, True, {}, (unmoved,)).text(), ""])


def test_a_model_with_nothing_to_take_away_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table without a column would say nothing."""
    (tmp_path / "still.yaml").write_text(STILL, encoding="utf-8")
    assert main(["verify", str(tmp_path / "still.yaml"), "--ablate"]) == 2
    said = capsys.readouterr().err
    assert "still has no clause and no kind of fault that may happen; write them under 'faults'" in said


def test_a_search_that_was_cut_short_says_so(circle: Path) -> None:
    """What was not found is open, not kept."""
    found = _ablation(circle, Limits(states=3))
    assert not found.finished
    assert found.before["order"].verdict == OPEN
    assert [column.finished for column in found.columns] == [False, False]
    assert "without K1: not finished" in " ".join(found.text())


def test_what_cannot_be_explored_without_a_clause_is_said_below(circle: Path) -> None:
    """The message is the answer of its column, and the others are there."""

    def space_with(settings: Sequence[tuple[str, str]], without: Sequence[str]) -> Space[object]:
        if without:
            raise SpecError(Place("circle.yaml"), "a formula has no value", "no-value")
        return load_space(circle, settings)

    found = ablate(space_with, partial(explore, engine="reference"), SAYS, ["duplicate"])
    assert [row[2:] for row in found.table()[1:]] == [["!", "."], ["!", "holds"], ["!", "not reached"], ["!", "holds"]]
    assert "without K1: a formula has no value [no-value]" in list(found.text())


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_the_command_prints_the_table(circle: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    """`fsm verify --ablate`, for a terminal, a page and a program; exit 0, for the table is the answer."""
    flags = [] if form == "text" else [f"--{form}"]
    assert main(["verify", str(circle), "--engine", "reference", "--ablate", *flags]) == 0
    said = capsys.readouterr().out
    if form == "json":
        columns = json.loads(said)["ablation"]["without"]
        assert [(column["name"], column["kind"]) for column in columns] == [("K1", "clause"), ("duplicate", "fault")]
        assert columns[0]["says"] == SAYS["K1"]
        assert columns[0]["moved"] == {"order": {"verdict": "violated", "steps": 1, "faults": {}}}
    else:
        row = "| order | holds | after 1 | . |" if form == "markdown" else "order      holds "
        assert row in said
