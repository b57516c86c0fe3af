"""How many faults it takes: a letter that one loss destroys, a postman who stands one knock and no more, and crashes
that do no harm, however many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from fsm.cli import main
from fsm.search.explore import explore
from fsm.search.frontier import ANY, LEVELS, Frontier, Promise, frontier
from fsm.search.frontier_table import as_markdown, text
from fsm.search.load import load_space
from fsm.search.result import HOLDS, VIOLATED, Limits
from fsm.search.space import Space

POST = """
language: 1
model: post
essay: A letter, a postman and what befalls them.
variables:
  letter: {type: [home, road, there, gone]}
  up: {type: bool, initial: "true"}
  knocks: {type: "0..3"}
faults: {loss: 0, crash: any, knock: 1}
actions:
- {action: send, if: "letter == home and up", set: {letter: road}, why: "off it goes"}
- {action: deliver, if: "letter == road and up", set: {letter: there}, why: "it arrives"}
- {action: rise, if: "not up", set: {up: "true"}, why: "up again"}
- {action: lose, if: "letter == road", set: {letter: gone}, fault: loss, why: "it falls into the river"}
- {action: crash, if: "up", set: {up: "false"}, fault: crash, why: "down he falls"}
- {action: knock, if: "knocks < 3", set: {knocks: "knocks + 1"}, fault: knock, why: "a dog"}
fair: {weak: ["*"]}
properties:
  kept: {always: "letter != gone", why: "no letter is lost"}
  patient: {always: "knocks < 2", why: "he is knocked down once at most"}
  both: {always: "letter != gone or knocks < 3", why: "not all at once"}
  down: {reachable: "not up", why: "he falls"}
  sent: {reachable: "letter == road", why: "it is sent"}
  never: {reachable: "letter == gone and letter == there", why: "nobody gets what is lost"}
  comes: {recoverable: "letter in [gone, there]", why: "it comes, or nobody can help"}
  soon: {recoverable: "letter in [gone, there]", counting_on: [knock], why: "the same, but a knock may help"}
"""


@pytest.fixture
def post(tmp_path: Path) -> Path:
    """The model."""
    (tmp_path / "post.yaml").write_text(POST, encoding="utf-8")
    return tmp_path / "post.yaml"


def _frontier(path: Path, at_once: int = 2, limits: Limits = Limits()) -> tuple[Frontier, list[str]]:  # noqa: B008
    """The frontier, and what was said on the way."""

    def space_with(settings: Sequence[tuple[str, str]], without: Sequence[str]) -> Space[object]:
        return load_space(path, settings, without)

    said: list[str] = []
    search = partial(explore, engine="reference", limits=limits)
    return frontier(space_with, search, ["loss", "crash", "knock"], at_once, said.append), said


def test_one_loss_breaks_it_and_crashes_never_do(post: Path) -> None:
    """Each alone, any number of times, with the steps of the shortest story; and the largest set that does no harm."""
    found, _ = _frontier(post)
    assert found.alone == {"loss": {"kept": 2}, "crash": {}, "knock": {"patient": 2}}
    assert found.together == (("crash",),)


def test_the_smallest_budgets(post: Path) -> None:
    """One loss; two knocks; for `both` a loss and any number of knocks, which two are not enough for. What is reached
    needs a crash, nothing, or cannot be. Order of the vectors: loss, crash, knock."""
    found, _ = _frontier(post)
    assert found.smallest == {
        "kept": {(1, 0, 0): 2}, "patient": {(0, 0, 2): 2}, "both": {(1, 0, ANY): 5}, "down": {(0, 1, 0): 1},
        "sent": {(0, 0, 0): 1}, "never": {}, "comes": {}, "soon": {},
    }  # fmt: skip
    assert found.settled >= {"never", "comes", "soon"}
    assert found.counted == {"soon": ("knock",)}
    assert not found.unknown


def test_what_follows_is_not_tried(post: Path) -> None:
    """Above one loss or two knocks nothing is asked of these promises; each vector is tried once at most."""
    found, said = _frontier(post)
    vectors = [run.vector for run in found.runs]
    assert len(vectors) == len(set(vectors)) == len(said)
    assert len(vectors) < 30 < len(list(product(LEVELS, repeat=3)))
    assert (2, 2, 0) not in vectors  # (any, any, 0) has told what is not violated, and (1, 0, 0) what is
    assert said[:4] == ["run 1: no fault", "run 2: loss any", "run 3: crash any", "run 4: knock any"]


def test_what_is_deduced_is_what_a_run_says(post: Path) -> None:
    """Every vector explored by itself gives the verdicts that follow from the frontier."""
    found, _ = _frontier(post, at_once=3)
    for vector in product(range(len(LEVELS)), repeat=3):
        settings = [(f"faults.{kind}", LEVELS[level]) for kind, level in zip(found.kinds, vector, strict=True)]
        result = explore(load_space(post, settings), engine="reference")
        for verdict in result.verdicts:
            name = verdict.property.name
            above = any(all(a <= b for a, b in zip(least, vector, strict=True)) for least in found.smallest[name])
            assert (verdict.verdict == HOLDS) == (above if name in found.reach else not above), (name, vector)


STORM = """
language: 1
model: storm
essay: What is built falls by itself, by a storm sooner; after a flood somebody comes who builds it up.
variables: {a: {type: "0..4", initial: "1"}, b: {type: bool}, wet: {type: bool}}
faults: {storm: any, flood: any}
actions:
- {action: up, if: "0 < a and a < 3", set: {a: "a + 1"}, why: "it is built"}
- {action: storm, if: "0 < a and a < 4", set: {b: "true", a: "0"}, fault: storm, why: "a storm comes"}
- {action: flood, if: "a == 0 or a == 3", set: {a: "4"}, fault: flood, why: "a flood comes"}
fair: {weak: ["*"]}
properties:
  low: {always: "a < 3 or a == 4", why: "it stays low, and does not"}
  calm: {always: "not b", why: "no storm"}
  again: {leads_to: {from: "b", to: "a == 4"}, counting_on: [flood], why: "after a storm there is a flood"}
"""


def test_what_is_violated_without_a_fault_is_blamed_on_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said once, above the tables, which are about the rest; numbers are said to be steps."""
    (tmp_path / "storm.yaml").write_text(STORM, encoding="utf-8")
    flags = ["verify", str(tmp_path / "storm.yaml"), "--engine", "reference", "--frontier"]
    assert main(flags) == 0
    shown = capsys.readouterr().out
    assert "without any fault: low, after 2 steps; the tables are about the rest\n" in shown
    assert shown.count("low") == 1
    assert "storm                calm after 1 step\n" in shown
    assert "flood                nothing\n" in shown
    assert "nothing more breaks: flood\n" in shown
    assert main([*flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frontier"]["without_faults"] == {"low": 2}


def test_a_promise_is_asked_where_what_it_counts_on_may_happen(tmp_path: Path) -> None:
    """`again` counts on floods: that it does not hold where there is none is no fault of storms; with floods it holds,
    whatever the budget of storms, and that is settled."""
    (tmp_path / "storm.yaml").write_text(STORM, encoding="utf-8")
    path = tmp_path / "storm.yaml"
    search = partial(explore, engine="reference")
    found = frontier(lambda settings, without: load_space(path, settings, without), search, ["storm", "flood"])
    assert explore(load_space(path, [("faults.flood", "0")])).verdict("again").verdict == VIOLATED
    assert found.alone["storm"] == {"calm": 1}
    assert found.smallest["again"] == {}
    assert "again" in found.settled
    assert "asked where flood may happen any number of times, on which it counts: again" in list(text(found))
    assert Promise("again", False, (1,)).asked((0, ANY))
    assert not Promise("again", False, (1,)).asked((ANY, 2))


def test_what_a_limit_cut_short_is_not_known(post: Path) -> None:
    """It says so, and nothing holds but so far."""
    found, _ = _frontier(post, limits=Limits(states=4))
    assert found.unknown["comes"]
    assert not found.settled
    shown = "\n".join(text(found))
    assert "not finished: " in shown
    assert "comes     holds so far" in shown
    assert found.alone["crash"] is None


def test_more_kinds_than_were_tried_are_an_upper_bound(post: Path) -> None:
    """With one kind at a time, `both` is known to break with all of them only, and that is said."""
    found, _ = _frontier(post, at_once=1)
    assert found.smallest["both"] == {(ANY, ANY, ANY): 5}
    assert "both: smaller budgets of more than one kind of fault were not tried" in list(text(found))


def test_the_tables(post: Path) -> None:
    """A row for each smallest vector: the same on a terminal and in Markdown."""
    found, _ = _frontier(post)
    lines, page = list(text(found)), list(as_markdown(found))
    assert ["patient", "violated", ".", ".", "2", "2"] in [line.split() for line in lines]
    assert "| patient | violated | . | . | 2 | 2 |" in page
    assert "| never | not reached | . | . | . |  |" in page
    assert "any number of times together, and nothing breaks: crash" in lines


def test_the_command(post: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsm verify --frontier` for programs; a file without faults is refused in one line."""
    assert main(["verify", str(post), "--engine", "reference", "--frontier", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["frontier"]
    assert found["smallest"]["patient"] == [{"budgets": {"loss": "0", "crash": "0", "knock": "2"}, "steps": 2}]
    assert found["together"] == [["crash"]]
    words = [line for line in POST.splitlines() if "fault" not in line and "soon" not in line]
    post.write_text("\n".join(words), encoding="utf-8")
    assert main(["verify", str(post), "--frontier"]) == 2
    assert "post names no kind of fault; write them under 'faults'" in capsys.readouterr().err
