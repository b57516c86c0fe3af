"""`recoverable` properties, and settings of worlds and beginnings: small systems, written where they are used."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from pathlib import Path

import pytest

from fsm.engine.turn import Event
from fsm.errors import SpecError
from fsm.explore.system import System
from fsm.explore.world import Action, Pending
from fsm.search.result import HOLDS, OPEN, VIOLATED
from tests.exploring import explore
from tests.toy_worlds import Nothing

LAMP = """
language: 1
machine: lamp
essay: A lamp with a bulb that breaks; whoever is asked to may mend it.
shared: [spare]
events: {break_it: {}, mend: {}}
initial: lit
states: [lit, dark, spent]
rows:
- {from: lit, after: "T", to: dark, why: "it goes out"}
- {from: dark, after: "T", to: lit, why: "it comes back"}
- {from: [lit, dark], on: break_it, if: "spare", to: dark, why: "the spare is used up", set: {spare: false}}
- {from: [lit, dark], on: break_it, if: else, to: spent, why: "no spare is left"}
- {from: spent, on: mend, to: lit, why: "somebody came"}
ignore:
- {in: [spent], on: [break_it], why: "it is broken"}
- {in: [lit, dark], on: [mend], why: "nothing is broken"}
"""
STATE = """
language: 1
essay: One key.
parameters: {T: "1s"}
variables: {spare: {type: bool, store: host, initial: true, why: "a spare bulb"}}
"""
SYSTEM = """
language: 1
system: lamps
essay: Lamps that break.
world: tests.test_recovery:Breaking
hosts: 1
machines: [lamp]
faults: {blow: any, visit: any}
sets: {lit: "lamp == lit"}
properties:
  lights: {recoverable: "lit == everybody", why: "it shines again"}
  visited: {recoverable: "lit == everybody", counting_on: [visit], why: "it shines again once somebody came"}
"""


class Breaking(Nothing):
    """Bulbs blow, and visitors mend them: both come from outside."""

    faults = ("blow", "visit")

    def actions(self, w: Hashable, pending: Pending) -> Iterable[Action[Hashable]]:
        for host in range(self.n):
            yield Action(f"the bulb of {host} blows", w, "blow", host, Event("lamp", "break_it"))
            yield Action(f"somebody visits {host}", w, "visit", host, Event("lamp", "mend"))


@pytest.fixture
def lamps(tmp_path: Path) -> Path:
    """The file of the system."""
    for name, text in (("machines/lamp", LAMP), ("state", STATE), ("systems/lamps", SYSTEM)):
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path / "systems" / "lamps.yaml"


def test_a_state_from_which_no_way_leads_to_the_goal_is_a_violation(lamps: Path) -> None:
    """With the shortest story to it: two bulbs blow, and nothing that happens by itself lights the lamp again."""
    verdict = explore(System.load(lamps)).verdict("lights")
    assert verdict.verdict == VIOLATED
    assert verdict.trace is not None
    assert [step.fault for step in verdict.trace.steps] == ["blow", "blow"]


def test_what_a_property_counts_on_may_help(lamps: Path) -> None:
    """The same states, where somebody comes."""
    assert explore(System.load(lamps)).verdict("visited").verdict == HOLDS


def test_what_has_no_budget_left_does_not_help(lamps: Path) -> None:
    """A visit that came too early is used up, and the second broken bulb stays broken."""
    verdict = explore(System.load(lamps).with_setting("faults.visit", "1")).verdict("visited")
    assert verdict.verdict == VIOLATED
    assert verdict.trace is not None
    faults = [step.fault for step in verdict.trace.steps]
    assert sorted(map(str, faults)) == ["blow", "blow", "visit"]
    assert faults[-1] == "blow"


def test_nobody_may_count_on_an_operator(lamps: Path) -> None:
    """An order that would mend it is part of the search, and of no way out."""
    text = lamps.read_text("utf-8").replace("faults:", "operator: {lamp.mend: any}\nfaults:")
    lamps.write_text(text, "utf-8")
    assert explore(System.load(lamps)).verdict("lights").verdict == VIOLATED


def test_one_fault_less_and_it_recovers(lamps: Path) -> None:
    """The spare lasts for one."""
    result = explore(System.load(lamps).with_setting("faults.blow", "1"))
    assert (result.verdict("lights").verdict, result.exit_code) == (HOLDS, 0)


def test_a_search_that_was_cut_short_leaves_it_open(lamps: Path) -> None:
    """A way may lead through a state that was not looked into."""
    assert explore(System.load(lamps), limit_states=1).verdict("lights").verdict == OPEN


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("counting_on: [visit]", "counting_on: [visits]", "no fault 'visits' to count on; did you mean 'visit'?"),
        ("counting_on: [visit]", "counting_on: visit", "counting_on must be a list"),
        ('everybody", counting', 'everybody", always: "true", counting', "says one of always, step, reachable, recov"),
        ('visited: {recoverable: "', 'visited: {always: "', "only a recoverable property, eventually and"),
    ],
)
def test_a_wrong_property_is_one_line(lamps: Path, old: str, new: str, says: str) -> None:
    """With its place, as everywhere."""
    text = lamps.read_text("utf-8")
    assert old in text
    lamps.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(SpecError, match=says) as caught:
        System.load(lamps)
    assert str(caught.value).startswith(f"{lamps}:")


def test_worlds_and_beginnings_can_be_set(lamps: Path) -> None:
    """Without its spare a lamp is lost with the first bulb; what the world or the nodes do not know is refused."""
    system = System.load(lamps)
    result = explore(system.with_setting("host.spare", "false"))
    trace = result.verdict("lights").trace
    assert trace is not None
    assert len(trace) == 1
    with pytest.raises(SpecError, match="no such variable 'spares'"):
        explore(system.with_setting("host.spares", "1"))
    with pytest.raises(SpecError, match="no such variable 'spare'"):
        explore(system.with_setting("pool.spare", "1"))
    with pytest.raises(SpecError, match="has no setting 'colour'; "):
        explore(system.with_setting("settings.colour", "red"))


def test_a_setting_inside_a_setting_is_named_with_dots(lamps: Path) -> None:
    """The others of the same mapping stay, and so does the first system."""
    text = lamps.read_text("utf-8").replace("hosts: 1", "settings: {}\nhosts: 2\nhost: [{spare: false}, {spare: true}]")
    lamps.write_text(text, "utf-8")
    system = System.load(lamps)
    other = (
        system.with_setting("settings.a.b", "1").with_setting("settings.a.c", "x").with_setting("host.spare", "true")
    )
    assert (dict(system.settings), dict(other.settings)) == ({}, {"a": {"b": 1, "c": "x"}})
    assert other.host is not None
    assert other.host.plain() == [{"spare": True}, {"spare": True}]
