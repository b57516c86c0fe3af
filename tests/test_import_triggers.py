"""A callback that names an event of its machine triggers it, here too: told after the row, or done when time is up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transitions import Machine
from transitions.extensions import HierarchicalMachine
from transitions.extensions.states import Timeout, add_state_features

from fsm.checks.check import check
from fsm.convert.build import Event
from fsm.convert.import_transitions import Imported, convert
from fsm.drivers.bound import Bound
from fsm.engine.turn import Signal
from tests.chance_imports import CONDITIONS, EVENTS, FLAT, NotingModel, chance_machines

TimedMachine: type[Machine] = add_state_features(Timeout)(type("TimedMachine", (Machine,), {}))


def _job(on_timeout: Any, *more: Any, **arguments: Any) -> Machine:
    """A machine that should have ended five seconds after it began."""
    running = {"name": "running", "timeout": 5, "on_timeout": on_timeout}
    transitions = [["begin", "idle", "running"], ["fail", "running", "failed", None, None, None, "mourn"], *more]
    return TimedMachine(
        model=None, states=["idle", running, "failed"], initial="idle", transitions=transitions,
        auto_transitions=False, ignore_invalid_triggers=True, **arguments,
    )  # fmt: skip


def _account(imported: Imported) -> dict[tuple[str, str], str]:
    return {(callback.kind, callback.name): str(callback) for callback in imported.callbacks}


def test_a_timeout_that_is_an_event_does_what_the_event_does() -> None:
    """Its target and effects, in a row of its own; the check finds nothing to say."""
    imported = convert(_job(["log", "fail"], ["retry", "failed", "idle"]), "job")
    library = imported.specs.library()
    machine = library.machine("job")
    [timer] = [row for row in machine.rows if row.duration]
    assert (timer.sources, timer.duration, timer.target) == (("running",), "5", "failed")
    assert [tell.name for tell in timer.tell] == ["log", "mourn"]
    assert _account(imported)["on_timeout", "fail"] == (
        "on_timeout fail (running): now the row `after: 5` of running; it does what fail does there"
    )
    assert [finding.rule for finding in check(machine, library)] == []


def test_a_timeout_whose_event_has_conditions_is_told_to_be_unfinished() -> None:
    """Nobody computes the payload when time is up: a signal is told, and the account says who can."""
    imported = convert(
        _job("give_up", {"trigger": "give_up", "source": "running", "dest": "idle", "unless": "busy"}), "j"
    )
    [timer] = [row for row in imported.specs.machine("j").rows if row.duration]
    assert (timer.target, [tell.text for tell in timer.tell]) == ("same", ["j_callbacks.give_up"])
    assert "compute them in the adapter of that port and post the event" in _account(imported)["on_timeout", "give_up"]


def test_the_adapter_can_do_what_the_account_says() -> None:
    """An event with a payload, posted from where its signal is performed, moves the machine."""
    machine = _job("fail", {"trigger": "ask", "source": "running", "dest": None, "after": "give_up"},
                   {"trigger": "give_up", "source": "running", "dest": "idle", "unless": "busy"})  # fmt: skip

    class Adapter:
        def signal(self, signal: Signal) -> None:
            bound.driver.post(Event("j", signal.name, {"busy": False}))

    spec = convert(machine, "j").specs.machine("j")
    adapter: Any = Adapter()
    bound = Bound.start(spec, {"j_callbacks": adapter})
    assert (bound.begin(), bound.ask(), bound.state) == (True, True, "idle")


def test_a_timeout_whose_event_goes_nowhere_is_no_row() -> None:
    """There is nothing for it to do, and that is said."""
    imported = convert(_job("begin"), "job")
    assert not [row for row in imported.specs.machine("job").rows if row.duration]
    assert _account(imported)["on_timeout", "begin"].endswith("left out; the event has no transition from there")


def test_a_timeout_of_a_group_tells_where_its_event_does_several_things() -> None:
    """One row for the whole group, whose timer runs on from state to state."""
    kind = add_state_features(Timeout)(type("TimedTree", (HierarchicalMachine,), {}))
    work: dict[str, Any] = {"name": "work", "initial": "a", "children": ["a", "b"], "timeout": 9, "on_timeout": "fail"}
    machine = kind(None, states=["idle", work, "bad", "worse"], initial="idle", auto_transitions=False)
    for event, source, dest in (("go", "idle", "work"), ("fail", "work_a", "bad"), ("fail", "work_b", "worse")):
        machine.add_transition(event, source, dest)
    [timer] = [row for row in convert(machine, "m").specs.machine("m").rows if row.duration]
    assert (timer.scope, timer.target, [tell.text for tell in timer.tell]) == ("work", "same", ["m.fail"])


@pytest.mark.parametrize("queued", [False, True])
def test_a_callback_that_is_an_event_is_told_by_the_machine_to_itself(queued: bool) -> None:
    """In the turn that told it; where the original ran it at once, that is said to be different."""
    machine = _job("fail", {"trigger": "again", "source": "failed", "dest": "idle", "after": "begin"}, queued=queued)
    imported = convert(machine, "job")
    node = imported.specs.node()
    local = node.boot()
    for event, state, fired in (("begin", "running", 1), ("fail", "failed", 1), ("again", "running", 2)):
        turn = node.step(local, node.pool(), Event("job", event))
        local = turn.local
        assert (node.state(local, "job"), len(turn.fired)) == (state, fired)
    said = _account(imported)["after", "begin"]
    assert said.startswith("after begin (again from failed to idle): now the event job.begin; the machine tells itself")
    assert ("at once" in said) != queued


def test_a_method_of_the_name_of_an_event_is_a_callback() -> None:
    """`transitions` does not replace what a model has, so there the name is no trigger."""

    class Model:
        def fail(self) -> None:
            """What is called instead."""

    machine = Machine(Model(), states=["a", "b"], initial="a", auto_transitions=False)
    machine.add_transition("fail", "b", "a")
    machine.add_transition("go", "a", "b", after="fail")
    row = convert(machine, "m").specs.machine("m").rows[1]
    assert [tell.text for tell in row.tell] == ["m_callbacks.fail"]


def test_an_automatic_event_is_carried_where_a_callback_names_it() -> None:
    """The others are left out, and what was attached to them is named."""
    machine = Machine(states=["a", "b"], initial="a", transitions=[["go", "a", "b", None, None, None, "to_a"]])
    machine.events["to_b"].add_callback("before", "look")
    imported = convert(machine, "m")
    assert list(imported.events) == ["to_a", "go"]
    node = imported.specs.node()
    turn = node.step(node.boot(), node.pool(), Event("m", "go"))
    assert node.state(turn.local, "m") == "a"
    assert _account(imported)["before", "look"].startswith("before look (to_b): left out; its event is automatic")


def test_an_event_that_a_bound_machine_has_already_is_named() -> None:
    """`value` is a method of the view: the event goes through `trigger`, and `start` does not need to."""
    machine = Machine(states=["a", "b"], initial="a", auto_transitions=False)
    for event in ("value", "start", "machine"):
        machine.add_transition(event, "*", "b")
    imported = convert(machine, "m")
    assert imported.notes == tuple(
        f"a bound machine has a {name} of its own: the event {name!r} goes through trigger({name!r})"
        for name in ("value", "machine")
    )
    bound = Bound.start(imported.specs.machine("m"))
    assert (bound.trigger("value"), bound.state, bound.start()) == (True, "b", True)


TOLD = ("rise", "soar")
TIME = "time"


@st.composite
def _telling(draw: st.DrawFn) -> tuple[type[Machine], dict[str, Any], dict[str, list[str]]]:
    """A chance machine that triggers itself, and what it does in each state when time is up.

    What is told only goes up, so that it ends. It is told in one place of a transition: where several tell, the order
    is not the same (before, exit, enter, after there; exit, the row, enter here)."""
    kind, arguments = draw(chance_machines())
    leaves = FLAT if kind is Machine else ["a", "b_1", "b_2_x", "b_2_y", "c"]
    for event in TOLD:
        for low in range(len(leaves) - 1):
            high = draw(st.sampled_from([*range(low + 1, len(leaves)), 0] if low else range(1, len(leaves))))
            if high:
                arguments["transitions"].append({"trigger": event, "source": leaves[low], "dest": leaves[high]})
    arguments["transitions"].append({"trigger": "fall", "source": "*", "dest": leaves[0]})
    told = st.sampled_from([(), ("rise",), ("rise", "soar"), ("soar", "rise")])
    place = draw(st.sampled_from(["row", "on_enter", "on_exit"]))
    if place == "row":
        for kinds, things in (
            (("before_state_change", "after_state_change"), [arguments]),
            (("before", "after"), arguments["transitions"]),
        ):
            for thing in things:
                for name in kinds:
                    thing[name] = [*thing.get(name, ()), *draw(told)]
    for state in _all(arguments["states"]) if place != "row" else ():
        state[place] = [*state[place], *draw(told)]
    # One event in each: of two, the second would come here before what the first one tells, and there after it.
    timed = {leaf: draw(st.sampled_from([[], ["soar"], ["do_1", "rise"]])) for leaf in leaves}
    return kind, arguments | {"ignore_invalid_triggers": True, "queued": True}, timed


def _all(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for state in states for found in (state, *_all(state.get("children", [])))]


_WALKS = st.lists(
    st.tuples(st.sampled_from([*EVENTS, *TOLD, "fall", TIME]), st.tuples(*[st.booleans()] * 3)), min_size=8, max_size=16
)


@settings(max_examples=100, deadline=None)
@given(definition=_telling(), walk=_WALKS)
def test_a_machine_that_triggers_itself_does_what_a_queued_one_does(
    definition: tuple[type[Machine], dict[str, Any], dict[str, list[str]]], walk: list[tuple[str, tuple[bool, ...]]]
) -> None:
    """The same states and the same effects after each event and each timeout, for random machines."""
    kind, arguments, timed = definition
    model: Any = NotingModel()
    machine = kind(model, **arguments)
    for name, callbacks in timed.items():  # set here, for the feature itself starts threads
        state: Any = machine.get_state(name)
        state.timeout, state.on_timeout = 5, callbacks
    imported = convert(machine, "m")
    spec, node = imported.specs.machine("m"), imported.specs.node()
    local, pool = node.boot(), node.pool()
    for event, answers in walk:
        model.said.clear()
        model.values = dict(zip(CONDITIONS, answers, strict=True))
        if event == TIME:
            for callback in timed.get(model.state, ()):
                getattr(model, callback)()
            if not spec.timers(node.state(local, "m")):
                assert not model.said
                continue
            happened = Event("m", "after")
        elif event in imported.events:
            model.trigger(event)
            happened = Event("m", event, {name: model.values[name] for name in spec.events[event]})
        else:
            continue
        turn = node.step(local, pool, happened)
        assert turn.refused is None
        assert sorted(model.said) == sorted(signal.name for signal in turn.effects.signals)
        local, pool = turn.local, turn.pool
        assert imported.states[model.state] == node.state(local, "m")
