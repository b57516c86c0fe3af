"""How systems join on to each other: what is frozen in one, where it begins, which ones begin where it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.errors import SpecError
from fsm.explore.system import System
from fsm.search.load import load_space
from fsm.search.result import VACUOUS, VIOLATED
from tests.exploring import explore

LAMP = """\
language: 1
machine: lamp
essay: A lamp that goes out by itself.
events: {press: {}}
states: [off, on]
initial: off
rows:
- {from: off, on: press,    to: on,  why: "somebody wants light"}
- {from: on,  on: press,    to: off, why: "somebody has enough light"}
- {from: on,  after: "1s",  to: off, why: "it saves by itself"}
"""
SYSTEM = """\
language: 1
system: {name}
essay: One lamp.
world: any
hosts: 1
machines: [lamp]
operator: {{lamp.press: 1}}
sets: {{lit: "lamp == on", dark: "lamp == off"}}
{more}
properties:
  dark_again: {{step: "empty(lit) or not empty(next_lit)", why: "it never goes out"}}
"""


def folder(tmp_path: Path, **more: str) -> Path:
    """A folder of the lamp and systems of these names, each with more keys; where the systems lie."""
    (tmp_path / "machines").mkdir()
    (tmp_path / "systems").mkdir()
    (tmp_path / "machines" / "lamp.yaml").write_text(LAMP)
    for name, text in more.items():
        (tmp_path / "systems" / f"{name}.yaml").write_text(SYSTEM.format(name=name, more=text))
    return tmp_path / "systems"


def verdicts(path: Path) -> dict[str, str]:
    """Each property of a system with its verdict."""
    result = explore(load_space(path).system)  # type: ignore[attr-defined]
    return {verdict.property.name: verdict.verdict for verdict in result.verdicts}


def test_a_frozen_machine_answers_but_does_nothing_by_itself(tmp_path: Path) -> None:
    """Its timers never fire, also when it is replaced by a mutant."""
    systems = folder(tmp_path, evening="", morning="frozen: [lamp]")
    assert verdicts(systems / "evening.yaml")["dark_again"] == VIOLATED
    assert verdicts(systems / "morning.yaml")["dark_again"] == "holds"
    system = System.load(systems / "morning.yaml")
    whole = System.load(systems / "evening.yaml").machines[0]
    assert [row.event for row in system.with_machine(whole).machines[0].rows] == ["press", "press"]


def test_a_frozen_machine_must_be_there(tmp_path: Path) -> None:
    """A misspelt name would leave it running."""
    with pytest.raises(SpecError, match="'lamb' is no machine here; did you mean 'lamp'"):
        System.load(folder(tmp_path, morning="frozen: [lamb]") / "morning.yaml")


def test_a_story_begins_as_it_says(tmp_path: Path) -> None:
    """Its own beginning is looked at when it is read."""
    systems = folder(tmp_path, right='begins: "empty(lit)"', wrong='begins: "one(lit)"')
    assert System.load(systems / "right.yaml").name == "right"
    with pytest.raises(SpecError, match="wrong does not begin so"):
        System.load(systems / "wrong.yaml")


def test_where_one_story_ends_the_next_one_begins(tmp_path: Path) -> None:
    """As a promise of its own, which breaks where it does not, and says nothing where the end is never reached."""
    night = 'begins: "empty(lit)"'
    systems = folder(
        tmp_path,
        night=night,
        good='then: {night: "one(dark)"}',
        bad='then: {night: "one(lit)"}',
        never='then: {night: "one(lit & dark)"}',
    )
    assert verdicts(systems / "good.yaml")["begins_night"] == "holds"
    assert verdicts(systems / "bad.yaml")["begins_night"] == VIOLATED
    assert verdicts(systems / "never.yaml")["begins_night"] == VACUOUS


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ("nobody", "there is no system 'nobody' beside this one"),
        ("other", "the system other does not say how it begins"),
    ],
)
def test_the_next_story_must_say_how_it_begins(tmp_path: Path, then: str, message: str) -> None:
    """Else there is nothing to be checked."""
    systems = folder(tmp_path, other="", evening=f'then: {{{then}: "one(dark)"}}')
    with pytest.raises(SpecError, match=message):
        System.load(systems / "evening.yaml")
