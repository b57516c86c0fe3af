"""Every engine counts the ladder of examples as others have counted it, and says of it what others have said.

The rows are tests/data/oracles.yaml, which tells what each number means and where it comes from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from fsm.cli import main
from fsm.errors import SpecError
from fsm.language.document import read
from fsm.locate import specs
from fsm.models.model import Model
from fsm.models.model_space import ModelSpace, State
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.result import Result
from fsm.search.space import Edge, Space

LADDER = specs() / "examples"


@frozen
class Oracle:
    """A row of the file, as it explains."""

    file: str
    distinct: int
    depth: int
    verdicts: Mapping[str, str]
    source: str
    generated: int | None = None
    orbits: int | str | None = None
    set: Mapping[str, int] = {}
    steps: Mapping[str, int] = {}
    instead: Mapping[str, str] = {}
    engine: str | None = None

    def __str__(self) -> str:
        settings = [f"{name}={value}" for name, value in self.set.items()]
        return " ".join([self.file, *settings, *(["changed"] if self.instead else [])])

    def space(self, folder: Path) -> Space[Any]:
        """What is explored."""
        path = LADDER / f"{self.file}.yaml"
        if self.instead:
            text = path.read_text("utf-8")
            for old, new in self.instead.items():
                assert old in text, f"{self}: {old!r} does not stand in {path.name} any more"
                text = text.replace(old, new)
            path = folder / path.name
            path.write_text(text, "utf-8")
        model = Model.load(path)
        for name, value in self.set.items():
            model = model.with_setting(name, str(value))
        return ModelSpace(model)

    def wrong(self, result: Result) -> list[str]:
        """One line for each number or verdict that is not what it has to be."""
        distinct = self.orbits if result.symmetry else self.distinct
        generated = None if result.symmetry else self.generated
        found: dict[str, Any] = {"distinct": result.distinct, "generated": result.generated, "depth": result.depth}
        right: dict[str, Any] = {"distinct": distinct, "generated": generated, "depth": self.depth}
        for verdict in result.verdicts:
            name = verdict.property.name
            found[name], right[name] = verdict.verdict, self.verdicts.get(name, "no verdict")
            if name in self.steps:
                found[f"steps of {name}"] = None if verdict.trace is None else len(verdict.trace)
                right[f"steps of {name}"] = self.steps[name]
        how = f"{result.engine} engine" + (" with symmetry" if result.symmetry else "")
        return [
            f"{self}, {how}: {what} should be {right[what]}, found {found[what]} ({self.source})"
            for what in right
            if right[what] is not None and found[what] != right[what]
        ]


def rows() -> list[Oracle]:
    """Every row."""
    return [Oracle(**row) for row in read(Path(__file__).parent / "data" / "oracles.yaml").plain()]


ROWS = rows()
RUNS = [(row, engine) for row in ROWS for engine in (REFERENCE, FAST) if row.engine in (engine, None)]


@pytest.mark.parametrize(("row", "engine"), RUNS, ids=[f"{row} {engine}" for row, engine in RUNS])
def test_counts_depth_and_verdicts(row: Oracle, engine: str, tmp_path: Path) -> None:
    """Both engines find every state and decide every property; with symmetry they find every orbit, decide the same,
    and no counterexample is longer."""
    space = row.space(tmp_path)
    result = explore(space, engine=engine)
    wrong = row.wrong(result)
    if isinstance(row.orbits, int):
        wrong += row.wrong(explore(space, engine=engine, symmetry=True))
    assert not wrong, "\n".join(["", *wrong])
    assert len(result.verdicts) == len(row.verdicts)


@pytest.mark.parametrize("engine", [REFERENCE, FAST])
@pytest.mark.parametrize("row", [row for row in ROWS if row.orbits == "refused"], ids=str)
def test_symmetry_is_refused_where_members_are_told_apart(row: Oracle, engine: str, tmp_path: Path) -> None:
    """The message has the place that tells them apart; nothing is counted."""
    with pytest.raises(SpecError, match=rf"{row.file}\.yaml:\d+:\d+: .*interchangeable.*\[not-symmetric\]"):
        explore(row.space(tmp_path), engine=engine, symmetry=True)


class Forgetful(ModelSpace):
    """A checker with a bug: it never takes the last of several moves."""

    def edges(self, state: State) -> Sequence[Edge[State]]:
        edges = super().edges(state)
        return edges[:-1] if len(edges) > 1 else edges


def test_a_checker_that_reports_fewer_states_is_told_so(tmp_path: Path) -> None:
    """The line names the row, the engine, what is right, what was found and who says so."""
    row = next(row for row in ROWS if str(row) == "10-two-phase-commit n=3")
    space = row.space(tmp_path)
    assert isinstance(space, ModelSpace)
    lost = row.wrong(explore(Forgetful(space.model), engine=REFERENCE))
    assert lost[0].startswith("10-two-phase-commit n=3, reference engine: distinct should be 288, found ")
    assert lost[0].endswith("(tlaplus/Examples TwoPhase, stateright 2pc; permutations)")
    one_less = evolve(explore(space, engine=FAST), distinct=287)
    assert [line.partition(" (")[0] for line in row.wrong(one_less)] == [
        "10-two-phase-commit n=3, fast engine: distinct should be 288, found 287"
    ]


def test_every_rung_has_an_oracle() -> None:
    """Rungs are numbered without a gap, and each has a row, also at the size that the file itself says."""
    names = sorted(path.stem for path in LADDER.glob("*.yaml"))
    assert [name[:2] for name in names] == [f"{number:02}" for number in range(1, len(names) + 1)]
    for name in names:
        own = Model.load(LADDER / f"{name}.yaml").parameters
        assert any(row.file == name and {**own, **row.set} == own and not row.instead for row in ROWS), name


def test_the_index_of_the_ladder_says_what_is_tested() -> None:
    """Each rung stands there with its link, and each count is that of a row."""
    name, named, told = "", [], []
    for line in (LADDER / "README.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 8 or not cells[3].replace(",", "").isdigit():
            continue
        if cells[0]:
            name = cells[0][1:].partition("]")[0]
            named.append(name)
            assert cells[0] == f"[{name}]({name}.yaml)"
        told.append((name, cells[2].strip("`"), *(cell.replace(",", "") for cell in cells[3:7])))
    assert named == sorted(path.stem for path in LADDER.glob("*.yaml"))
    for name, setting, distinct, generated, depth, orbits in told:
        own = {key: str(value) for key, value in Model.load(LADDER / f"{name}.yaml").parameters.items()}
        asked = own | dict([setting.split("=")] if setting else [])
        row = next(
            row for row in ROWS
            if row.file == name and not row.instead and own | {k: str(v) for k, v in row.set.items()} == asked
        )  # fmt: skip
        assert (str(row.distinct), str(row.generated), str(row.depth)) == (distinct, generated, depth), name
        assert orbits == (str(row.orbits) if isinstance(row.orbits, int) else "-"), name


@pytest.mark.parametrize("engine", [REFERENCE, FAST])
def test_the_command_prints_the_counts(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsm verify FILE --set n=5 --json` says distinct, depth, generated and the verdicts."""
    path = LADDER / "10-two-phase-commit.yaml"
    assert main(["verify", str(path), "--set", "n=5", "--engine", engine, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["distinct"], told["depth"], told["generated"]) == (8832, 17, 58146)
    assert set(told["verdicts"].values()) == {"holds"}
    assert main(["verify", str(LADDER / "02-die-hard.yaml"), "--engine", engine, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["distinct"], told["depth"], told["generated"], told["verdicts"]) == (
        16,
        8,
        97,
        {"unsolved": "violated"},
    )
