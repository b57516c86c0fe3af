"""Entry and exit effects and deferred events: their order, what they see, and that a turn stays whole."""

from __future__ import annotations

from typing import Any

import pytest

from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation, Turn
from fsm.errors import SpecError
from fsm.language.load import Library

PORT = """
language: 1
port: bell
essay: it is heard
operations: {look: {instant: true, outcomes: {seen: {}}}, pull: {outcomes: {pulled: {}}}}
signals: {ring: {tone: opaque, number: "0..9"}}
events: {rung: {}}
"""
DOOR = """
language: 1
machine: door
essay: a door
ports: [bell]
variables:
  count: {type: "0..9", store: memory, initial: 0, why: "how often something happened"}
  kept: {type: "0..9", store: host, initial: 0, why: "what survives"}
  word: {type: opaque, store: memory, initial: none, why: "what was said"}
events: {go: {said: opaque}, turn: {}, step: {}, stay: {}, stop: {}, again: {}, rest: {number: "0..9"}}
initial: out
states: [out, {house: [hall, {flat: [kitchen, bedroom]}]}]
rows:
- {from: out, on: go, to: kitchen, set: {word: said, count: "count + 1"}, tell: "bell.ring(tone=word, number=count)",
   why: "a visitor comes"}
- {from: kitchen, on: step, to: bedroom, do: bell.pull, tell: "bell.ring(tone=word, number=count)",
   why: "to bed with him"}
- {from: kitchen, on: turn, to: kitchen, why: "he turns round"}
- {from: house, on: stay, to: same, why: "he stays where he is"}
- {from: bedroom, on: [stop, bell.pulled], to: out, why: "out with him"}
- {from: [kitchen, hall], on: stop, to: out, why: "out with him"}
- {from: hall, on: again, to: same, set: {count: "0"}, why: "it counts from the beginning"}
- {from: hall, on: rest, to: same, set: {kept: number}, why: "a number is kept"}
- {from: bedroom, on: step, to: hall, why: "he is up again"}
- {from: hall, on: step, to: out, why: "he leaves"}
enter:
  house: {set: {count: "count + 1"}, tell: "bell.ring(tone=word, number=count)", why: "the house counts"}
  flat: {set: {kept: count}, why: "the flat keeps"}
  kitchen: {tell: "bell.ring(tone=word, number=kept)", why: "the kitchen is heard"}
exit:
  kitchen: {set: {count: "count + 2"}, tell: "bell.ring(tone=word, number=count)", why: "the kitchen counts two"}
  house: {set: {count: "0"}, why: "the house forgets"}
ignore:
- {in: [out], on: [turn, step, stay, stop, again, rest, bell.rung], why: "nobody is there"}
- {in: [hall, bedroom], on: turn, why: "no room to turn"}
- {in: [house], on: [go, bell.rung], why: "somebody is here"}
defer:
- {in: [kitchen, bedroom], on: [again, rest], why: "not now"}
"""


def door(**edits: str) -> Node:
    """The door, alone; each edit replaces a text by another."""
    text = DOOR
    for old, new in edits.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    return Node([Library.of({"machines/door.yaml": text, "ports/bell.yaml": PORT}).machine("door")], 0, 1, {}, {})


def walk(node: Node, *events: Event | str, read: Any = None) -> list[Turn]:
    """The turns of events, from the beginning; none may be refused."""
    local, pool, turns = node.boot(), node.pool(), []
    for event in events:
        turn = node.step(local, pool, Event("door", event) if isinstance(event, str) else event)
        assert turn.refused is None
        local, pool = turn.local, turn.pool
        turns.append(turn)
    return turns


GO = Event("door", "go", {"said": "a"})


def heard(turn: Turn) -> list[tuple[str, int]]:
    """What a turn said to the bell."""
    return [(signal.arguments["tone"], signal.arguments["number"]) for signal in turn.effects.signals]


def test_the_row_comes_before_the_groups_and_those_before_the_state() -> None:
    """The row sets the word and counts 1, the house counts 2, the flat keeps 2, the kitchen says what was kept."""
    node = door()
    (turn,) = walk(node, GO)
    assert heard(turn) == [("a", 1), ("a", 2), ("a", 2)]
    assert turn.fired[0].set == {"door.word": "a", "door.count": 2, "door.kept": 2}
    assert turn.effects.host == {"door.kept": 2}
    assert node.value(turn.local, turn.pool, "door.count") == 2


def test_exit_effects_come_before_the_row() -> None:
    """The kitchen adds two before the row says the number; the flat is not left, so nothing of it happens."""
    turns = walk(door(), GO, "step")
    assert heard(turns[1]) == [("a", 4), ("a", 4)]
    assert turns[1].effects.host == {}
    assert turns[1].effects.operations == (Operation("door", "bell", "pull"),)


def test_leaving_goes_outwards() -> None:
    """The kitchen adds two, then the house forgets all."""
    node = door()
    turn = walk(node, GO, "stop")[1]
    assert heard(turn) == [("a", 4)]
    assert node.value(turn.local, turn.pool, "door.count") == 0


def test_a_row_to_its_own_state_leaves_and_enters_it_alone() -> None:
    """Two more by the exit, and the entry is heard; the flat and the house see nothing of it."""
    turn = walk(door(), GO, "turn")[1]
    assert heard(turn) == [("a", 4), ("a", 2)]


def test_a_row_that_stays_neither_leaves_nor_enters() -> None:
    """`same` is no transition."""
    turn = walk(door(), GO, "stay")[1]
    assert (heard(turn), turn.fired[0].set) == ([], {})


def test_an_effect_outside_its_domain_refuses_the_whole_turn() -> None:
    """Nine and two is eleven: no state, no count, no signal changes."""
    node = door()
    local = walk(node, GO, *["turn"] * 3)[-1].local
    turn = node.step(local, node.pool(), Event("door", "turn"))
    assert turn.refused == "door.kitchen/turn: door.count cannot be 10"
    assert turn.local == local
    assert turn.effects.signals == ()


def test_a_deferred_event_comes_when_the_machine_takes_it() -> None:
    """`again` waits through kitchen and bedroom and is delivered in the turn that enters the hall, after the row."""
    node = door()
    turns = walk(node, GO, "again", "step", "step")
    assert [len(turn.fired) for turn in turns] == [1, 0, 1, 2]
    assert [fired.row for fired in turns[3].fired] == ["door.bedroom/step", "door.hall/again"]
    assert node.value(turns[3].local, turns[3].pool, "door.count") == 0


def test_a_second_one_of_the_same_name_brings_its_payload_only() -> None:
    """One `rest` is kept, in the place of the first, with the number of the second."""
    first, second = (Event("door", "rest", {"number": number}) for number in (3, 5))
    turns = walk(door(), GO, first, "again", second, "step", "step")
    assert [fired.row for fired in turns[-1].fired] == ["door.bedroom/step", "door.hall/rest", "door.hall/again"]
    assert turns[-1].effects.host == {"door.kept": 5}


def test_what_is_deferred_and_then_ignored_is_gone() -> None:
    """Out of the house nobody waits for `again` any more, and it does not come back later."""
    turns = walk(door(), GO, "again", "stop", GO, "step", "step")
    assert [len(turn.fired) for turn in turns] == [1, 0, 1, 1, 1, 1]


def test_a_state_with_deferred_events_is_a_plain_value() -> None:
    """The checker hashes states: a deferred event is part of it, and equal histories are equal states."""
    node = door()
    first, second = (walk(node, GO, "again")[-1].local for _ in range(2))
    assert len({first, second}) == 1
    assert first != walk(node, GO)[-1].local


def test_a_deferred_event_that_no_row_takes_refuses_the_turn() -> None:
    """Found by `fsm check` before; at run time nothing changes."""
    node = door(**{'- {from: hall, on: again, to: same, set: {count: "0"}, why: "it counts from the beginning"}\n': ""})
    local = walk(node, GO, "again", "step")[-1].local
    turn = node.step(local, node.pool(), Event("door", "step"))
    assert turn.refused == "door in hall has no row for again"
    assert turn.local == local


@pytest.mark.parametrize(
    ("old", "new", "message", "rule"),
    [
        ('  house: {set: {count: "count', '  hause: {set: {count: "count', "did you mean 'house'?", "unknown-state"),
        ('why: "the flat keeps"', "do: bell.pull", "has no key 'do'", "unknown-key"),
        (', why: "the flat keeps"', "", "needs the key 'why'", "missing-why"),
        ('why: "the flat keeps"', "why: kept", "'why' is a sentence", "missing-why"),
        ("{kept: count}, why", "{keep: count}, why", "did you mean 'kept'?", "unknown-name"),
        ("on: [again, rest], why: \"not", "on: [again, bell.pulled], why: \"not", "cannot be deferred", "defer-kind"),
        ("in: [kitchen, bedroom]", "in: [kitchn, bedroom]", "did you mean 'kitchen'?", "unknown-state"),
        ("on: [again, rest], why: \"not now\"", "on: [again, rest]", "'why' is missing", "missing-key"),
    ],
)  # fmt: skip
def test_what_is_no_such_effect_is_refused(old: str, new: str, message: str, rule: str) -> None:
    """With the place and what would be right."""
    with pytest.raises(SpecError) as caught:
        door(**{old: new})
    assert message in caught.value.message
    assert caught.value.rule == rule
    assert caught.value.place.file == "machines/door.yaml"
