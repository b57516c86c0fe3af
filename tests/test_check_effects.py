"""Entry and exit effects, deferred events, wildcards and groups: what the checks make of them."""

from __future__ import annotations

import pytest

from fsm.checks.check import check
from fsm.errors import SpecError
from fsm.language.load import Library
from tests.test_check_progress import PORTS, machine

COUNTER = """
events: {up: {}, down: {}}
variables: {n: {type: "0..3", store: memory, initial: 0, why: "how many"}}
states: [idle, {busy: [one, two]}]
rows:
- {from: idle, on: up, if: "n < 3", to: one, why: "begin it"}
- {from: idle, on: up, if: else, to: same, why: "it is full"}
- {from: one, on: up, to: two, why: "go on"}
- {from: two, on: up, to: two, why: "once more"}
- {from: busy, on: down, to: idle, why: "it is over"}
ignore:
- {in: idle, on: [down], why: "nothing to end"}
"""


def found(text: str) -> list[SpecError]:
    """What is found in a machine."""
    library = Library.of({**PORTS, "machines/box.yaml": machine(text)})
    return check(library.machine("box"), library)


def rules(text: str) -> list[str]:
    """The rules that it breaks."""
    return [error.rule for error in found(text)]


@pytest.mark.parametrize(
    ("effects", "message"),
    [
        # entering the group happens in one row, whose guard leaves room; entering `two` in two rows without guard
        ('enter:\n  busy: {set: {n: "n + 1"}, why: "count it"}\n', None),
        ('enter:\n  two: {set: {n: "n + 1"}, why: "count it"}\n', "box.one/up: set n would be 4"),
        # the exit effect comes first: what it leaves room for, the entry effect may fill
        ('exit:\n  idle: {set: {n: 0}, why: "begin at none"}\nenter:\n  busy: {set: {n: "n + 3"}, why: "x y"}\n', None),
        (
            'exit:\n  idle: {set: {n: 1}, why: "begin at one"}\nenter:\n  busy: {set: {n: "n + 3"}, why: "x y"}\n',
            "be 4",
        ),
        # the outer group is entered first, so the state sees what it has set
        ('enter:\n  busy: {set: {n: 0}, why: "x y"}\n  one: {set: {n: "3 - n"}, why: "x y"}\n', None),
        ('enter:\n  busy: {set: {n: 0}, why: "x y"}\n  one: {set: {n: "n - 1"}, why: "x y"}\n', "be -1"),
        # `to` the own state by name leaves and enters the state, and not its group
        ('exit:\n  two: {set: {n: "n - 1"}, why: "x y"}\n', "box.two/up: set n would be -1"),
    ],
)
def test_values_of_effects_are_tried_in_their_order(effects: str, message: str | None) -> None:
    """Exit effects, the row, entry effects from the outside in: each sees what those before have set."""
    errors = found(COUNTER + effects)
    assert [error.rule for error in errors] == ([] if message is None else ["out-of-domain"])
    assert all(message in error.message for error in errors if message)


def test_what_only_an_effect_uses_is_used() -> None:
    """A variable, a port and a sibling that only entry and exit effects name are not unused."""
    text = """
events: {up: {}}
variables: {n: {type: "0..3", store: memory, initial: 0, why: "how many"}}
states: [idle, busy]
rows:
- {from: idle, on: up, to: busy, why: "begin it"}
- {from: busy, on: up, to: idle, why: "end it"}
"""
    assert rules(text) == ["unused-variable"]
    assert rules(text + 'enter:\n  busy: {set: {n: 1}, why: "so many"}\n') == []


def test_an_effect_that_no_row_runs_is_dead() -> None:
    """A group is entered only from outside, and left only to the outside."""
    text = """
events: {up: {}}
states: [{all: [idle, busy]}]
rows:
- {from: idle, on: up, to: busy, why: "begin it"}
- {from: busy, on: up, to: idle, why: "end it"}
enter:
  all: {tell: box.up, why: "never entered"}
exit:
  all: {tell: box.up, why: "never left"}
"""
    errors = [error for error in found(text) if error.rule == "dead-hook"]
    assert [error.message[:17] for error in errors] == ["no row enters all", "no row leaves all"]


DEFER = """
ports: [disk]
events: {go: {}, ring: {}}
states: [idle, writing, ringing]
rows:
- {from: idle, on: go, to: writing, do: disk.write, why: "write it"}
- {from: idle, on: ring, to: ringing, why: "somebody rings"}
- {from: ringing, on: go, to: idle, why: "it is answered"}
- {from: writing, on: [disk.wrote, disk.failed], to: idle, why: "it is over"}
ignore:
- {in: writing, on: [go], why: "it runs"}
- {in: ringing, on: [ring], why: "it rings already"}
defer:
- {in: writing, on: [ring], why: "answered once it is written"}
"""


def test_a_deferred_event_is_not_missing() -> None:
    """Deferring is an answer to the event, as long as some later state has a row for it."""
    assert rules(DEFER) == []
    assert rules(DEFER[: DEFER.index("defer:")]) == ["missing-pair"]
    assert rules(DEFER.replace("in: writing, on: [ring]", "in: [writing, ringing], on: [ring]")) == ["dead-ignore"]
    assert rules(DEFER.replace('why: "answered once it is written"', "why: later")) == ["missing-why"]
    never = DEFER.replace("- {from: idle, on: ring, to: ringing", "- {from: ringing, on: ring, to: same")
    never = never.replace("- {in: ringing, on: [ring]", "- {in: idle, on: [ring]")
    assert "defer-for-ever" in rules(never)
    dropped = DEFER.replace("- {from: idle, on: ring, to: ringing", "- {from: idle, on: go, if: else, to: ringing")
    dropped = dropped.replace("on: [disk.wrote, disk.failed], to: idle", "on: [disk.wrote, disk.failed], to: ringing")
    assert "defer-for-ever" in rules(dropped)  # the state that follows lets it pass


def test_a_group_that_waits_as_a_whole_may_answer() -> None:
    """All its states wait for the same operation, so the row is the group's own; `*` never is."""
    text = """
ports: [disk]
events: {go: {}}
states: [idle, {writing: [first, again]}]
rows:
- {from: idle, on: go, to: first, do: disk.write, why: "write it"}
- {from: first, on: go, to: again, do: disk.write, why: "write it again"}
- {from: writing, on: [disk.wrote, disk.failed], to: idle, why: "it is over"}
ignore:
- {in: again, on: [go], why: "it is written already"}
"""
    assert rules(text) == []
    everywhere = text.replace(
        "from: writing, on: [disk.wrote, disk.failed]", 'from: "*", on: [disk.wrote, disk.failed]'
    )
    assert set(rules(everywhere)) == {"wildcard-swallows"}
    other = text.replace("to: again, do: disk.write", "to: again, do: disk.read").replace("disk.wrote, ", "")
    other += '- {in: idle, on: [go], why: "x y"}\n'
    assert "wildcard-swallows" in rules(other)


def test_an_ignored_outcome_is_swallowed_once() -> None:
    """One finding at the ignore for all states that wait for it, and no second one at the state."""
    text = DEFER.replace("[disk.wrote, disk.failed]", "[disk.wrote]")
    text = text.replace("- {in: writing, on: [go]", "- {in: writing, on: [go, disk.failed]")
    (error,) = found(text)
    assert error.rule == "wildcard-swallows"
    assert "this swallows 'disk.failed' in writing" in error.message
