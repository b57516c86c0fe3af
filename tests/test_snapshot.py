"""Snapshots: going on is exact with the same specs, refused with the list where they changed, upgraded where asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.drivers.adapters import Outcome
from fsm.drivers.clock import VirtualClock
from fsm.drivers.replay import Replayed, replay
from fsm.drivers.resume import resume
from fsm.drivers.snapshot import SpecChanged, Upgrade
from fsm.drivers.sync import SyncDriver
from fsm.engine.node import Node
from fsm.engine.turn import Event
from fsm.errors import BadValues
from fsm.language.load import Library
from tests.toy_node import BOSS, BUMP, DROP, FAN, GO, HOST, JOB, LOOK, STATE, WORKER, Rig, rest
from tests.toy_sync import DONE, Queue, SyncRig, state

GATE = """
language: 1
machine: gate
essay: it finishes what it has begun before it stops
ports: [job]
events: {go: {}, stop: {why: opaque}}
variables: {tries: {type: "0..3", store: memory, initial: 0, why: "how often it was begun"}}
initial: idle
states: [idle, {active: [working, resting]}, stopped]
rows:
- {from: idle, on: go, to: working, set: {tries: "1"}, do: "job.run(what=tries)", why: "it begins"}
- {from: working, on: job.done, to: resting, why: "it has worked"}
- {from: working, on: job.broken, to: resting, why: "that was too much"}
- {from: resting, after: "2", to: idle, why: "it has rested"}
- {from: [idle, stopped], on: stop, to: stopped, why: "it is enough"}
- {from: stopped, on: go, to: idle, why: "it goes on"}
defer:
- {in: [working, resting], on: [stop], why: "what was begun is finished"}
"""
PRESS = """
language: 1
port: job
essay: a press
operations:
  run: {idempotent: true, arguments: {what: "0..3"}, outcomes: {done: {}, broken: {why: opaque}}}
  pull: {idempotent: true, arguments: {what: "0..3"}, outcomes: {pulled: {}, torn: {}}}
signals: {}
"""


@cache
def loaded(text: str) -> Node:
    """The node of a gate, from its text."""
    return Node([Library.of({"machines/gate.yaml": text, "ports/job.yaml": PRESS}).machine("gate")], 0, 1, {}, {})


@cache
def toy() -> Node:
    """The toy, from memory."""
    documents = {"state.yaml": STATE, "machines/worker.yaml": WORKER, "machines/boss.yaml": BOSS, "ports/job.yaml": JOB}
    documents["ports/host.yaml"] = HOST
    library = Library.of(documents)
    return Node([library.machine("worker"), library.machine("boss")], 0, 3, {}, library.parameters())


class Life:
    """A driver whose operations end when an action says so."""

    def __init__(self, node: Node, snapshot: str | None = None, begin: float = 0.0) -> None:
        self.rig, self.queue = SyncRig(node, clock=VirtualClock(begin)), Queue()
        self.rig.script.answer = lambda: ("busy", {"who": frozenset({0})})
        resumed = None if snapshot is None else resume(node, snapshot)
        self.driver = self.rig.driver(self.queue, resumed=resumed, host_store=None, pool_store=None)

    def act(self, number: int, action: str) -> None:
        """One thing that happens."""
        events = GATE_EVENTS if "gate" in self.driver.node.layout.instances else TOY_EVENTS
        if action in events:
            self.driver.post(events[action])
        elif action == "call" and events is TOY_EVENTS:
            self.driver.serve(Event("worker", "host.work", {"what": number}, f"c{number}"))
        elif action == "time":
            self.rig.clock.advance(2.0)
        elif action in ("good", "bad") and self.queue.waiting:
            self.rig.script.said.append(lambda: self.ends(action))
            self.queue.waiting.pop()()
            self.rig.script.said.clear()

    def ends(self, action: str) -> Outcome:
        if self.rig.script.operations[-1].joined:
            return ("all_ok", {}) if action == "good" else ("some_failed", {"bad": frozenset({1})})
        return DONE if action == "good" else ("broken", {"why": "it broke"})


TOY_EVENTS: Mapping[str, Event] = {"go": GO, "stop": DROP, "look": LOOK, "fan": FAN, "bump": BUMP}
GATE_EVENTS = {"go": Event("gate", "go"), "stop": Event("gate", "stop", {"why": [1, {"x": None}]})}
ACTIONS = ("go", "stop", "look", "fan", "bump", "call", "good", "bad", "time")


@pytest.mark.parametrize("node", [toy, lambda: loaded(GATE)], ids=["toy", "gate"])
@settings(max_examples=80, deadline=None)
@given(actions=st.lists(st.sampled_from(ACTIONS), max_size=24), data=st.data())
def test_going_on_is_as_if_never_interrupted(node: Callable[[], Node], actions: list[str], data: st.DataObject) -> None:
    """Cut anywhere, through JSON, on another clock: the same steps follow, and the same state at the end."""
    cut = data.draw(st.integers(0, len(actions)))
    whole = Life(node())
    for number, action in enumerate(actions[:cut]):
        whole.act(number, action)
    first, before = json.dumps(whole.driver.snapshot()), len(whole.rig.steps)
    again = Life(node(), first, begin=1000.0)
    assert json.dumps(again.driver.snapshot()) == first
    for number, action in enumerate(actions[cut:], start=cut):
        whole.act(number, action)
        again.act(number, action)
    assert (again.driver.local, again.driver.pool) == (whole.driver.local, whole.driver.pool)
    ours = [step[2:] for step in whole.rig.steps[before:]]
    assert [step[2:] for step in again.rig.steps] == ours
    assert json.dumps(again.driver.snapshot()) == json.dumps(whole.driver.snapshot())


def test_a_snapshot_says_all_that_a_driver_has() -> None:
    """State, variables, what is deferred, the operation under way with its arguments, the timers with the time left."""
    life = Life(loaded(GATE))
    life.act(0, "go")
    life.act(1, "stop")
    said = life.driver.snapshot()
    assert said["machines"] == {
        "gate": {"state": "working", "call": None, "deferred": [["stop", {"why": [1, {"x": None}]}]]}
    }
    assert said["variables"] == {"gate.tries": 1}
    (operation,) = said["operations"]
    assert (operation["port"], operation["name"], operation["arguments"]) == ("job", "run", {"what": 1})
    life.act(2, "good")
    life.rig.clock.advance(0.5)
    said = life.driver.snapshot()
    assert said["operations"] == []
    assert said["timers"] == [{"machine": "gate", "scope": "resting", "event": "after", "left": 1.5}]


def test_a_call_that_is_being_served_is_not_begun_again() -> None:
    """The caller comes again with its number, and gets the reply that the call has."""
    node = toy()
    before = Life(node)
    before.act(1, "call")
    after = Life(node, json.dumps(before.driver.snapshot()))
    reply = after.driver.serve(Event("worker", "host.work", {"what": 1}, "c1"))
    after.act(2, "good")
    assert reply.result(0).outcome == "ok"


def test_the_asyncio_driver_goes_on_too() -> None:
    """Its operation is asked again, its timer runs on, and its host variables are durable where it begins anew."""
    taken: list[dict[str, Any]] = []

    async def first(rig: Rig, driver: Any) -> None:
        await driver.send(GO)
        taken.append(await driver.snapshot())

    rig = Rig(toy())

    async def lives(begin: Callable[[Rig, Any], Any], resumed: Any) -> None:
        driver = rig.driver()
        driver.start(resumed)
        await begin(rig, driver)
        await driver.stop()

    async def second(rig: Rig, driver: Any) -> None:
        await rest()
        assert rig.log == ["host {'armed': True}", "journal", "do job.run"]
        rig.clock.advance(8.0)
        await rest()
        assert driver.node.state(driver.local, "worker") == "idle"

    asyncio.run(lives(first, None))
    rig.log.clear()
    rig.host.values.clear()
    asyncio.run(lives(second, resume(rig.node, taken[0])))


def test_an_opaque_value_that_json_changes_cannot_be_written() -> None:
    """Whoever asks is told which; the driver goes on."""
    life = Life(toy())
    life.driver.send(Event("worker", "go", {"what": (1, 2)}))
    with pytest.raises(BadValues, match=r"^worker.work = \(1, 2\) cannot be written as JSON; let machines carry"):
        life.driver.snapshot()
    assert life.driver.send(DROP).refused is None


def snap(node: Node, *actions: str) -> dict[str, Any]:
    """The snapshot after some actions."""
    life = Life(node)
    for number, action in enumerate(actions):
        life.act(number, action)
    said: dict[str, Any] = json.loads(json.dumps(life.driver.snapshot()))
    return said


def changed(said: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A snapshot with another value somewhere; None takes it away."""
    *outer, last = path.split("/")
    inner: Any = said
    for key in outer:
        inner = inner[int(key) if isinstance(inner, list) else key]
    if value is None:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return said


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("snapshot", 2, "the snapshot has format 2, not 1; use its own version"),
        ("snapshot", None, "this is no snapshot: it says no version of the format"),
        ("n", 4, "the snapshot is of host 0 of 4, not of 0 of 1"),
        ("specs/gate", None, "the snapshot says nothing of the machine 'gate'"),
        ("machines/gate", None, "the snapshot says nothing of the machine 'gate'"),
        ("machines/gait", {}, "the snapshot has a machine 'gait', which is not on this node; did you mean 'gate'?"),
        ("machines/gate/state", "wrking", "the snapshot does not fit its own spec: gate is in 'wrking', which is no"),
        ("machines/gate/call", ["x", "1"], "the snapshot does not fit its own spec: gate serves 'x', which is no call"),
        ("machines/gate/deferred/0/0", "go", "the snapshot does not fit its own spec: gate keeps the event 'go'"),
        ("variables/gate.tries", 9, "the snapshot does not fit its own spec: gate.tries = 9 is no 0..3 of 1 hosts"),
        ("variables/gate.tries", None, "the snapshot has no value of gate.tries"),
        ("operations/0/name", "ran", "the snapshot does not fit its own spec: job.ran of gate is no operation"),
        ("operations/0/machine", "x", "the snapshot has an operation of 'x', which is not on this node"),
        ("operations/0/targets", [7], "job.run of gate goes to [7], which are no hosts of 1"),
        ("operations/0/arguments", {}, "the snapshot does not fit its own spec: job.run of gate carries ['what'], not"),
        ("operations", None, "this is no whole snapshot (KeyError: 'operations')"),
        ("operations", 7, "this is no whole snapshot (TypeError: 'int' object is not iterable)"),
        ("timers", [{"machine": "gate", "scope": "idle", "event": "after", "left": 1}], "the snapshot has a timer of"),
    ],
)  # fmt: skip
def test_garbage_is_refused_in_one_line(path: str, value: Any, message: str) -> None:
    """Another version, an unknown machine, values out of their domains, parts that are missing."""
    node = loaded(GATE)
    with pytest.raises(BadValues) as refused:
        resume(node, changed(snap(node, "go", "stop"), path, value))
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert not isinstance(refused.value, SpecChanged)


def test_every_snapshot_that_is_cut_off_is_refused() -> None:
    """At any byte, and so is what never was one."""
    node = loaded(GATE)
    text = json.dumps(snap(node, "go", "stop"))
    for cut in range(len(text)):
        with pytest.raises(
            BadValues, match=r"^(the snapshot is no JSON, it may have been cut off|this is no snapshot)"
        ):
            resume(node, text[:cut])
    for bad in ("[]", "7", b"\xff", "[" * 100_000):
        with pytest.raises(BadValues, match=r"^(the snapshot is no JSON|this is no snapshot)"):
            resume(node, bad)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3), st.lists, max_leaves=3
)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), value=JSON)
def test_any_change_of_a_snapshot_goes_on_or_is_refused(data: st.DataObject, value: Any) -> None:
    """One value somewhere replaced by any other: never another exception, never two lines."""
    node = loaded(GATE)
    said: Any = snap(node, "go", "stop") if data.draw(st.booleans()) else snap(node, "go", "good")
    inner = said
    while True:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if not isinstance(inner[key], dict | list) or not inner[key] or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = value
    message = ""
    try:
        resume(node, said)
    except BadValues as refused:
        message = str(refused)
    assert "\n" not in message


NEWER = (
    GATE.replace("resting", "pausing").replace('type: "0..3"', 'type: "0..1"').replace("tries", "begun")
    .replace("stopped]", "stopped, gone]")
)  # fmt: skip


def test_a_spec_that_changed_is_refused_with_the_list() -> None:
    """The states and variables that are kept, gone and new, and what the machine was in the middle of."""
    said = snap(loaded(GATE), "go", "good")
    with pytest.raises(SpecChanged) as refused:
        resume(loaded(NEWER), said)
    old, new = (loaded(text).machines[0].digest for text in (GATE, NEWER))
    assert refused.value.changes == (
        f"gate was {old} and is {new}",
        "gate: states kept: idle, working, stopped",
        "gate: states gone: resting",
        "gate: states new: pausing, gone",
        "gate: variables gone: tries",
        "gate: variables new: begun",
        "gate is in 'resting', which is no state of it; it may be one of gone, idle, pausing, stopped, working",
    )
    narrow = GATE.replace("0..3", "0..0").replace('set: {tries: "1"}, ', "")
    with pytest.raises(SpecChanged, match=r"tries was 0..3 and is .*; gate.tries = 1 is no "):
        resume(loaded(narrow.replace("0..0", "2..3").replace("initial: 0", "initial: 2")), said)


def upgrade(old: str, new: str, **more: Any) -> Upgrade:
    """An upgrade between two texts of the gate."""
    return Upgrade("gate", loaded(old).machines[0].digest, loaded(new).machines[0].digest, **more)


def test_an_upgrade_carries_the_state_over() -> None:
    """States by their new names, values that are given, initial ones for what is new; timers keep the time left."""
    step = upgrade(GATE, NEWER, states={"resting": "pausing"}, variables={"begun": 1})
    node, said = loaded(NEWER), snap(loaded(GATE), "go", "good", "stop")
    resumed = resume(node, said, [step])
    driver = SyncDriver(node, {"job": SyncRig(node).script}, clock=VirtualClock(), resumed=resumed)
    assert (state(driver, "gate"), driver.node.value(driver.local, driver.pool, "gate.begun")) == ("pausing", 1)
    assert [(timer.scope, left) for timer, left in resumed.timers] == [("pausing", 2.0)]
    plain = resume(node, said, [upgrade(GATE, NEWER, states={"resting": "pausing"})])
    assert node.value(plain.local, plain.pool, "gate.begun") == 0
    with pytest.raises(SpecChanged, match=r"gate.begun = 7 is no 0..1"):
        resume(node, said, [upgrade(GATE, NEWER, states={"resting": "pausing"}, variables={"begun": 7})])


def test_what_an_upgrade_misspells_is_refused() -> None:
    """A value of no variable would not be used, and nobody would know."""
    wrong = upgrade(GATE, NEWER, states={"resting": "pausing", "stopped": "goon"}, variables={"begin": 1})
    with pytest.raises(SpecChanged, match=r"'goon', which is no state of it.*'begin', which is no variable of it"):
        resume(loaded(NEWER), snap(loaded(GATE), "go", "good"), [wrong])


def test_upgrades_make_a_chain() -> None:
    """From digest to digest, in whatever order they are given; one that is missing breaks it."""
    newest = NEWER.replace("pausing", "waiting")
    chain = [upgrade(NEWER, newest, states={"pausing": "waiting"}), upgrade(GATE, NEWER, states={"resting": "pausing"})]
    node, said = loaded(newest), snap(loaded(GATE), "go", "good")
    assert node.state(resume(node, said, chain).local, "gate") == "waiting"
    for one in chain:
        with pytest.raises(SpecChanged):
            resume(node, said, [one])
    with pytest.raises(SpecChanged):
        resume(node, said, [upgrade(GATE, NEWER), upgrade(NEWER, GATE)])


def test_an_operation_under_way_must_be_what_the_new_state_waits_for() -> None:
    """In the same words; a state that waits for nothing abandons it, and one that would wait for ever is refused."""
    other = GATE.replace("job.run", "job.pull").replace("job.done", "job.pulled").replace("job.broken", "job.torn")
    node, working, idle = loaded(other), snap(loaded(GATE), "go"), snap(loaded(GATE))
    with pytest.raises(SpecChanged, match=r"gate waits for job.run, but in 'working' for job.pull$"):
        resume(node, working, [upgrade(GATE, other)])
    away = resume(node, working, [upgrade(GATE, other, states={"working": "idle"})])
    assert (node.state(away.local, "gate"), away.operations) == ("idle", ())
    with pytest.raises(SpecChanged, match=r"gate would wait in 'working' for job.pull, which is not under way"):
        resume(node, idle, [upgrade(GATE, other, states={"idle": "working"})])


def test_a_new_timer_begins_and_an_event_that_is_not_deferred_any_more_is_named() -> None:
    """What a state of the new spec has besides, runs for its whole time."""
    slow = GATE.replace(
        "- {from: resting, after",
        '- {from: working, after: "9", to: idle, why: "that is too long"}\n- {from: resting, after',
    )
    resumed = resume(loaded(slow), snap(loaded(GATE), "go"), [upgrade(GATE, slow)])
    assert [(timer.scope, left) for timer, left in resumed.timers] == [("working", 9.0)]
    prompt = GATE.replace("in: [working, resting]", "in: [resting]").replace(
        "- {from: [idle, stopped], on: stop", "- {from: [idle, stopped, working], on: stop"
    )
    with pytest.raises(SpecChanged, match="gate keeps the event 'stop', which it does not defer in 'working'"):
        resume(loaded(prompt), snap(loaded(GATE), "go", "stop"), [upgrade(GATE, prompt)])


def test_a_journal_of_a_life_that_went_on_replays(tmp_path: Path) -> None:
    """Its header has the state that it began in; another state there is found at the first line that differs."""
    (tmp_path / "ports").mkdir()
    (tmp_path / "gate.yaml").write_text(GATE)
    (tmp_path / "ports" / "job.yaml").write_text(PRESS)
    node = loaded(GATE)
    after = Life(node, json.dumps(snap(node, "go", "stop")))
    after.act(1, "good")
    after.act(2, "time")
    lines = after.rig.steps.lines()
    assert replay(lines, tmp_path) == Replayed(1, 2, 3, (), None)
    lines[0] = lines[0].replace('"state":"working"', '"state":"resting"')
    assert replay(lines, tmp_path).divergence is not None
