"""A machine of `transitions` becomes a spec that does the same, and what is not carried is said."""

from __future__ import annotations

import functools
from collections import Counter
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transitions import Machine, MachineError
from transitions.extensions import HierarchicalMachine
from transitions.extensions.states import Timeout, add_state_features

from fsm.checks.check import check
from fsm.convert.build import Event, Row
from fsm.convert.import_transitions import Imported, NotCarried, convert
from tests.chance_imports import CONDITIONS, EVENTS, NotingModel, chance_machines


def _matter() -> Machine:
    """The machine of the README of transitions."""
    return Machine(
        states=["solid", "liquid", "gas", "plasma"],
        initial="liquid",
        transitions=[
            {"trigger": "melt", "source": "solid", "dest": "liquid"},
            {"trigger": "evaporate", "source": "liquid", "dest": "gas"},
            {"trigger": "sublimate", "source": "solid", "dest": "gas"},
            {"trigger": "ionize", "source": "gas", "dest": "plasma"},
            ["heat", "*", "liquid"],
        ],
    )


def _rows(imported: Imported) -> list[tuple[Any, ...]]:
    rows: list[Row] = list(imported.specs.machines[0].rows)
    return [(row.source, row.on, row.if_, row.to) for row in rows]


def test_the_machine_of_the_readme_becomes_its_table() -> None:
    """States, initial state and rows are those that the README shows; a row for all states is one row."""
    imported = convert(_matter(), "matter")
    machine = imported.specs.machine("matter")
    assert machine.states == ("solid", "liquid", "gas", "plasma")
    assert machine.initial == "liquid"
    assert _rows(imported) == [
        ("solid", "melt", None, "liquid"),
        ("liquid", "evaporate", None, "gas"),
        ("solid", "sublimate", None, "gas"),
        ("gas", "ionize", None, "plasma"),
        ("*", "heat", None, "liquid"),
    ]
    assert imported.callbacks == ()
    assert imported.notes == (
        "12 pairs of state and event have no transition: `transitions` raises MachineError, here the event is refused; "
        "`fsm check` lists them",
        "the automatic events (to_solid, to_liquid, to_gas, …) are left out: write a row for each that you use",
    )


def test_the_check_finds_the_pairs_that_transitions_raises_for() -> None:
    """Nothing is made up for them: the spec loads, and each is a finding. Without `to_solid` nothing leads to
    solid, which is one more."""
    library = convert(_matter(), "matter").specs.library()
    found = Counter(finding.rule for finding in check(library.machine("matter"), library))
    assert found == {"missing-pair": 10, "unreachable-state": 1}


def test_what_was_ignored_is_ignored() -> None:
    """`ignore_invalid_triggers` of the machine and of a single state, which goes before it."""
    loud = {"name": "loud", "ignore_invalid_triggers": False}
    machine = Machine(states=["off", "on", loud], initial="off", ignore_invalid_triggers=True, auto_transitions=False)
    machine.add_transition("go", "off", "on")
    imported = convert(machine, "m")
    assert imported.specs.machine("m").ignored("on", "go")
    assert not imported.specs.machine("m").ignored("loud", "go")
    assert imported.notes[0].startswith("1 pair of state and event has no transition")


class _Recorder:
    def noted(self) -> None:
        """An effect that is a bound method."""

    def __call__(self) -> None:
        """An effect that is an object."""

    __hash__ = None  # type: ignore[assignment]


def _of_every_kind() -> Machine:
    recorder = _Recorder()
    machine = Machine(
        states=[{"name": "a", "on_exit": "leave_a"}, {"name": "b", "on_enter": ["enter_b", "log"], "final": True}],
        initial="a", auto_transitions=False, prepare_event="early", finalize_event="always", on_exception="caught",
        before_state_change="log", after_state_change="late", on_final="over",
    )  # fmt: skip
    machine.add_transition(
        "go", "a", "b", conditions=["is_warm", lambda: True], unless="is_wet", prepare="look",
        before=functools.partial(recorder.noted), after=[recorder, lambda: None],
    )  # fmt: skip
    return machine


def test_every_callback_is_named_with_what_became_of_it() -> None:
    """Each kind, each way to give one: nothing is dropped without a word."""
    imported = convert(_of_every_kind(), "m")
    said = {(c.kind, c.name, c.where): c.becomes for c in imported.callbacks}
    go = "go from a to b"
    assert said == {
        ("prepare", "look", go): None,
        ("conditions", "is_warm", go): "the payload field go.is_warm",
        ("conditions", "<lambda>", go): "the payload field go.go_condition",
        ("unless", "is_wet", go): "the payload field go.is_wet",
        ("before_state_change", "log", "the machine"): "the signal m_callbacks.log",
        ("before", "noted", go): "the signal m_callbacks.noted",
        ("after", "_Recorder", go): "the signal m_callbacks.recorder",
        ("after", "<lambda>", go): "the signal m_callbacks.after_go_from_a_to_b",
        ("after_state_change", "late", "the machine"): "the signal m_callbacks.late",
        ("on_enter", "enter_b", "b"): "the signal m_callbacks.enter_b",
        ("on_enter", "log", "b"): "the signal m_callbacks.log",
        ("on_final", "over", "the machine"): "the signal m_callbacks.over",
        ("on_exit", "leave_a", "a"): "the signal m_callbacks.leave_a",
        ("prepare_event", "early", "the machine"): None,
        ("finalize_event", "always", "the machine"): None,
        ("on_exception", "caught", "the machine"): None,
    }
    assert all(callback.remedy for callback in imported.callbacks)


def test_effects_are_told_when_the_transition_fires() -> None:
    """Those of leaving, of the row, of entering a final state, in that order; each a signal of the port."""
    node = convert(_of_every_kind(), "m").specs.node()
    payload = {"is_warm": True, "go_condition": True, "is_wet": False}
    turn = node.step(node.boot(), node.pool(), Event("m", "go", payload))
    told = [signal.name for signal in turn.effects.signals]
    assert told == ["leave_a", "log", "noted", "recorder", "after_go_from_a_to_b", "late", "enter_b", "log", "over"]
    cold = node.step(node.boot(), node.pool(), Event("m", "go", payload | {"is_warm": False}))
    assert (cold.refused, cold.effects.signals, node.state(cold.local, "m")) == (None, (), "a")


class _Colour(Enum):
    RED = 1
    DARK_GREEN = 2


def test_states_may_be_an_enum_and_in_an_order() -> None:
    """Names become such as a spec has, and the change is told."""
    machine = Machine(states=_Colour, initial=_Colour.RED, ordered_transitions=True, auto_transitions=False)
    imported = convert(machine, "Traffic Light")
    assert _rows(imported) == [("red", "next_state", None, "dark_green"), ("dark_green", "next_state", None, "red")]
    assert imported.specs.machines[0].name == "traffic_light"
    assert "'DARK_GREEN' is called dark_green" in imported.notes


def test_names_that_a_spec_cannot_have_are_changed_and_stay_different() -> None:
    """Reserved words, words of Python, capitals, blanks, digits; two that would be one."""
    machine = Machine(states=["else", "hot spot", "HotSpot", "2nd"], initial="else", auto_transitions=False)
    machine.add_transition("cancel", "else", "hot spot", conditions="not")
    imported = convert(machine, "m")
    assert imported.states == {"else": "else_", "hot spot": "hot_spot", "HotSpot": "hot_spot_2", "2nd": "n2nd"}
    assert _rows(imported) == [("else_", "cancel_", "not_", "hot_spot"), ("else_", "cancel_", "else", "same")]
    imported.specs.machine("m")


def test_transitions_that_can_never_fire_are_named() -> None:
    """One behind an unconditional one, and one that names a state which is not there."""
    machine = Machine(states=["a", "b"], initial="a", auto_transitions=False, ignore_invalid_triggers=True)
    for dest in ("b", "a", "c"):
        machine.add_transition("go", "a", dest)
    machine.add_transition("go", "nowhere", "a")
    imported = convert(machine, "m")
    assert _rows(imported) == [("a", "go", None, "b")]
    assert set(imported.notes) == {
        "go from a to a never fires: one before it has no conditions; it is left out",
        "go from a to c: there is no state 'c'; it is left out",
        "go from nowhere to a: there is no state 'nowhere'; it is left out",
    }


def test_reading_a_machine_does_not_change_it() -> None:
    """The transitions of an event are a defaultdict, in which a look makes a source."""
    machine = _matter()
    before = {name: dict(event.transitions) for name, event in machine.events.items()}
    convert(machine, "matter")
    assert {name: dict(event.transitions) for name, event in machine.events.items()} == before


def test_a_timeout_is_a_timer() -> None:
    """The feature `Timeout` becomes a row that waits as long; what it called is told."""
    with_timeouts = add_state_features(Timeout)(type("WithTimeouts", (Machine,), {}))
    waiting = {"name": "waiting", "timeout": 2.5, "on_timeout": "alarm"}
    imported = convert(with_timeouts(states=["idle", waiting], initial="waiting", auto_transitions=False), "m")
    [row] = imported.specs.machine("m").rows
    assert (row.sources, row.duration, row.tell[0].name) == (("waiting",), "2.5", "alarm")


@pytest.mark.parametrize(
    ("states", "initial", "message"),
    [
        (["i", {"name": "p", "parallel": ["a", "b"]}], "i", "the state 'p' begins in a and b at once"),
        (["a", "b"], ["a", "b"], "the machine begins in a and b at once"),
        (["a"], None, "no initial state"),
    ],
)
def test_what_a_spec_cannot_say_is_refused(states: list[Any], initial: Any, message: str) -> None:
    """Parallel states, and a machine that begins nowhere."""
    machine = HierarchicalMachine(model=None, states=states, initial=initial)
    with pytest.raises(NotCarried, match=message):
        convert(machine, "m")


def test_nested_states_are_groups() -> None:
    """The innermost transition wins; a group is entered at its initial state, or has a state for itself."""
    work = {"name": "work", "initial": "a", "children": ["a", "b"], "transitions": [["go", "a", "b"]]}
    machine = HierarchicalMachine(
        model=None, states=["idle", work, {"name": "open", "children": ["wide"]}], initial="idle",
        transitions=[["start", "idle", "work"], ["go", "work", "idle"], ["show", "*", "open"]],
    )  # fmt: skip
    imported = convert(machine, "m")
    loaded = imported.specs.machine("m")
    assert loaded.groups == {"work": ("work_a", "work_b"), "open": ("open_itself", "open_wide")}
    assert _rows(imported) == [
        ("idle", "start", None, "work_a"),
        ("work_a", "go", None, "work_b"),
        ("work_b", "go", None, "idle"),
        ("*", "show", None, "open_itself"),
    ]


def test_entering_a_group_from_inside_leaves_it_first() -> None:
    """As in transitions: whatever is left and entered again says so, and a final state speaks for those around it."""
    inside = [{"name": "x", "on_exit": "leave_x"}, {"name": "y", "final": True, "on_final": "y_over"}]
    inner: dict[str, Any] = {
        "name": "in",
        "initial": "x",
        "on_exit": "leave_in",
        "on_enter": "enter_in",
        "on_final": "in_over",
    }
    inner["children"] = inside
    outer = {"name": "out", "initial": "in", "on_exit": "leave_out", "on_enter": "enter_out", "children": [inner]}
    machine = HierarchicalMachine(
        model=None, states=[outer], initial="out", auto_transitions=False, on_final="all_over",
        transitions=[["again", "out", "out_in"], ["end", "out", "out_in_y"], ["restart", "out", "out"]],
    )  # fmt: skip
    imported = convert(machine, "m")
    assert _rows(imported) == [
        ("*", "again", None, "out_in_x"),
        ("*", "end", None, "out_in_y"),
        ("*", "restart", None, "out_in_x"),
    ]
    node = imported.specs.node()

    def told(event: str) -> list[str]:
        turn = node.step(node.boot(), node.pool(), Event("m", event))
        return [signal.name for signal in turn.effects.signals]

    assert told("again") == ["leave_x", "leave_in", "enter_in"]
    assert told("end") == ["leave_x", "y_over", "in_over", "all_over"]
    assert told("restart") == ["leave_x", "leave_in", "leave_out", "enter_out", "enter_in"]


def test_states_that_share_a_row_are_named_by_the_fewest_names() -> None:
    """All of a group by the group, once, however it is nested; the rest one by one."""
    tree = {"name": "g", "initial": "x", "children": ["x", {"name": "h", "initial": "y", "children": ["y", "z"]}]}
    machine = HierarchicalMachine(model=None, states=["a", "b", tree], initial="a", auto_transitions=False)
    machine.add_transition("go", ["g", "b"], "a")
    machine.add_transition("stay", ["g_h", "a"], None)
    assert _rows(convert(machine, "m")) == [(("b", "g"), "go", None, "a"), (("a", "g_h"), "stay", None, "same")]


_EVENTS = st.lists(st.tuples(st.sampled_from(EVENTS), st.tuples(*[st.booleans()] * 3)), max_size=12)


@settings(max_examples=150, deadline=None)
@given(definition=chance_machines(), events=_EVENTS)
def test_the_spec_does_what_the_machine_does(
    definition: tuple[type[Machine], dict[str, Any]], events: list[tuple[str, tuple[bool, ...]]]
) -> None:
    """The same states, the same events refused or without effect, and the same effects, for random machines."""
    kind, arguments = definition
    model = NotingModel()
    machine = kind(model, **arguments)
    imported = convert(machine, "m")
    node = imported.specs.node()
    local, pool = node.boot(), node.pool()
    fields = imported.specs.machine("m").events
    assert imported.states[model.state] == node.state(local, "m")
    for event, answers in events:
        if event not in imported.events:
            continue
        model.said.clear()
        model.values = dict(zip(CONDITIONS, answers, strict=True))
        result = _triggered(model, event)
        turn = node.step(local, pool, Event("m", event, {name: model.values[name] for name in fields[event]}))
        assert (result is None) == (turn.refused is not None)
        assert bool(result) == any("no condition" not in fired.why for fired in turn.fired)
        assert sorted(model.said) == sorted(signal.name for signal in turn.effects.signals)
        local, pool = turn.local, turn.pool
        assert imported.states[model.state] == node.state(local, "m")


def _triggered(model: Any, event: str) -> bool | None:
    """What `transitions` answers; None where it raises."""
    try:
        return bool(model.trigger(event))
    except MachineError:
        return None
