"""A spec built in Python is the spec that YAML would have been."""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import fields, frozen
from attrs.exceptions import FrozenInstanceError

from fsm.convert.build import (
    Defer,
    Event,
    Group,
    Hook,
    Ignore,
    MachineSpec,
    Operation,
    PortSpec,
    Row,
    Serve,
    SharedSpec,
    Specs,
    Variable,
)
from fsm.errors import SpecError
from fsm.language.load import MACHINE_KEYS, Library
from fsm.language.rows import ROW_KEYS
from fsm.locate import specs

DATA = Path(__file__).parent / "data"
FOLDERS = {"shipped": specs(), "engine": DATA / "engine", "toys": DATA / "toys"}

DOOR_YAML = """\
language: 1
machine: door
essay: A door.
ports: [lock]
events: {push: {}, code: {digits: "0..999"}}
variables:
  tries: {type: "0..3", store: memory, initial: 0, why: "wrong codes so far"}
states: [open, {shut: [locked, unlocked]}]
initial: locked
rows:
- {from: locked, on: code, if: "digits == 421", to: unlocked, set: {tries: 0}, why: "the right digits"}
- {from: locked, on: code, if: "else", to: same, set: {tries: "tries + 1 if tries < 3 else 3"}, why: "wrong digits"}
- {from: unlocked, on: push, to: open, why: "somebody goes through"}
- {from: open, on: push, to: locked, why: "it falls shut behind them"}
- {from: unlocked, after: 5, to: locked, do: "lock.check(deep=false)", why: "nobody went through"}
- {from: locked, on: lock.ok, to: same, why: "the bolt is in its place"}
enter:
  locked: {tell: lock.bolt, why: "shut means locked"}
exit:
  shut: {set: {tries: 0}, why: "a new visitor starts afresh"}
ignore:
- {in: locked, on: push, why: "the bolt holds"}
defer:
- {in: [open, unlocked], on: [code], why: "asked for once it is shut"}
"""
LOCK_YAML = """\
language: 1
port: lock
essay: The bolt.
signals: {bolt: {}}
operations:
  check: {arguments: {deep: bool}, outcomes: {ok: {}}, idempotent: true}
"""


def _lock() -> PortSpec:
    check = Operation({"ok": {}}, arguments={"deep": bool}, idempotent=True)
    return PortSpec("lock", essay="The bolt.", signals={"bolt": {}}, operations={"check": check})


def _door(**changed: Any) -> MachineSpec:
    said: dict[str, Any] = {
        "essay": "A door.",
        "ports": [_lock()],
        "events": {"push": {}, "code": {"digits": range(1000)}},
        "variables": {"tries": Variable("0..3", store="memory", initial=0, why="wrong codes so far")},
        "states": ["open", Group("shut", ["locked", "unlocked"])],
        "initial": "locked",
        "rows": [
            Row("locked", on="code", if_="digits == 421", to="unlocked", set={"tries": 0}, why="the right digits"),
            Row("locked", on="code", if_="else", to="same", set={"tries": "tries + 1 if tries < 3 else 3"},
                why="wrong digits"),
            Row("unlocked", on="push", to="open", why="somebody goes through"),
            Row("open", on="push", to="locked", why="it falls shut behind them"),
            Row("unlocked", after=5, to="locked", do="lock.check(deep=false)", why="nobody went through"),
            Row("locked", on="lock.ok", to="same", why="the bolt is in its place"),
        ],
        "enter": {"locked": Hook(tell="lock.bolt", why="shut means locked")},
        "exit": {"shut": Hook(set={"tries": 0}, why="a new visitor starts afresh")},
        "ignore": [Ignore("locked", on="push", why="the bolt holds")],
        "defer": [Defer(["open", "unlocked"], on=["code"], why="asked for once it is shut")],
    }  # fmt: skip
    return MachineSpec("door", **(said | changed))


def test_the_same_machine_in_python_and_in_yaml_is_equal() -> None:
    """Machine, digest and port, whichever way they were written."""
    written = Library.of({"machines/door.yaml": DOOR_YAML, "ports/lock.yaml": LOCK_YAML}).machine("door")
    built = _door().machine()
    assert built == written
    assert built.digest == written.digest
    assert built.ports["lock"] == written.ports["lock"]


def test_a_machine_that_says_something_else_is_not_equal() -> None:
    """The comparison above can fail."""
    assert _door(initial="open").machine() != _door().machine()
    assert _door(initial="open").machine().digest != _door().machine().digest


def test_the_canonical_text_of_what_was_built_loads_to_an_equal_machine() -> None:
    """Python to YAML and back."""
    text = {"machines/door.yaml": _door().yaml(), "ports/lock.yaml": _lock().yaml()}
    assert Library.of(text).machine("door") == _door().machine()


IN_LISTS = {"rows": Row, "ignore": Ignore, "defer": Defer}
BY_NAME = {"enter": Hook, "exit": Hook, "variables": Variable, "serves": Serve, "operations": Operation}


def _structured(declared: type[Any], plain: Mapping[str, Any]) -> Any:
    """A declaration from the plain data of a document, by the keys that its fields say they are."""
    names = {a.metadata.get("key", a.name): a.name for a in fields(declared) if a.name != "at"}
    return declared(**{names[k]: _part(k, v) for k, v in plain.items() if k != "language"})


def _part(key: str, value: Any) -> Any:
    if key in IN_LISTS:
        return [_structured(IN_LISTS[key], entry) for entry in value]
    if key in BY_NAME and isinstance(value, dict):
        return {name: _structured(BY_NAME[key], entry) for name, entry in value.items()}
    return [_group(state) for state in value] if key == "states" else value


def _group(state: Any) -> Any:
    if isinstance(state, str):
        return state
    [(name, inside)] = state.items()
    return Group(name, [_group(inner) for inner in inside])


def _rebuilt(root: Path) -> Specs:
    library = Library(root)
    machines = [_structured(MachineSpec, library.document(f"machines/{n}.yaml").plain()) for n in library.names()]
    ports = [_structured(PortSpec, library.document(f"ports/{n}.yaml").plain()) for n in library.listed("ports")]
    shared = _structured(SharedSpec, library.document("state.yaml").plain()) if library.has("state.yaml") else None
    return Specs(machines, ports, shared)


@pytest.mark.parametrize("root", FOLDERS.values(), ids=FOLDERS)
def test_whatever_there_is_in_yaml_can_be_built(root: Path) -> None:
    """Every machine, port and shared variable of a folder, rebuilt from declarations, is equal to the loaded one."""
    loaded, built = Library(root), _rebuilt(root).library()
    assert loaded.names() == built.names() != []
    assert [built.machine(name) for name in built.names()] == [loaded.machine(name) for name in loaded.names()]
    assert built.shared() == loaded.shared()
    assert built.parameters() == loaded.parameters()


@pytest.mark.parametrize("root", FOLDERS.values(), ids=FOLDERS)
def test_whatever_is_built_can_be_written_and_read_again(root: Path) -> None:
    """The canonical text of every document of a folder gives equal machines."""
    built = _rebuilt(root)
    again = Library.of(built.texts())
    assert [again.machine(m.name) for m in built.machines] == [built.machine(m.name) for m in built.machines]


@pytest.mark.parametrize(("declared", "keys"), [(MachineSpec, MACHINE_KEYS), (Row, ROW_KEYS)])
def test_the_builder_has_every_key_of_the_language(declared: type[Any], keys: tuple[str, ...]) -> None:
    """A key that the loader learns and the builder does not is seen here."""
    own = {a.metadata.get("key", a.name) for a in fields(declared)} - {"at"}
    assert own == set(keys) - {"language"}


SOURCE = """\
from fsm.convert.build import MachineSpec, Row
machine = MachineSpec(
    "lamp",
    essay="A lamp.",
    events={"go": {}, "other": {"n": range(5)}},
    states=["a"],
    initial="a",
    rows=[Row("a", on="go", to="a", why="it goes on"),
          Row("a", on="other", to="same", if_="n < 3", why="it stays so"),
          Row("a", on="other", to="same", if_="else", why="it stays so")],
)
"""


def _run(tmp_path: Path, source: str) -> MachineSpec:
    file = tmp_path / "lamp.py"
    file.write_text(source, "utf-8")
    linecache.checkcache(str(file))
    scope: dict[str, Any] = {}
    exec(compile(source, str(file), "exec"), scope)
    machine = scope["machine"]
    assert isinstance(machine, MachineSpec)
    return machine


@pytest.mark.parametrize(
    ("right", "wrong", "rule", "shown"),
    [
        ('if_="n < 3"', 'if_="m < 3"', "unknown-name", '"m < 3"'),
        ('to="a"', 'to="b"', "unknown-state", '"b"'),
        ("range(5)", "float", "bad-type", "float"),
        ("range(5)", "range(0, 9, 2)", "bad-type", "range(0, 9, 2)"),
        ('on="go"', 'on=["go", "gone"]', "unknown-event", '"gone"'),
        ('states=["a"]', 'states=["a", "a"]', "duplicate-state", '"a"],'),
        ('if_="n < 3"', "if_=False", "bad-expression", "False"),
        ('initial="a"', 'initial="a", final="a"', "document-shape", '"a",\n    rows'),
        ('"lamp",', "5,", "document-shape", "5,"),
        ('why="it goes on"', 'why=""', "missing-why", '""'),
    ],
)  # fmt: skip
def test_a_message_points_at_the_python_that_says_it(
    tmp_path: Path, right: str, wrong: str, rule: str, shown: str
) -> None:
    """File, line and column of the very argument, in a declaration that goes over many lines."""
    assert _run(tmp_path, SOURCE).machine().name == "lamp"
    source = SOURCE.replace(right, wrong)
    with pytest.raises(SpecError) as caught:
        _run(tmp_path, source).machine()
    place = caught.value.place
    assert caught.value.rule == rule
    assert place.file == str(tmp_path / "lamp.py")
    assert "\n".join(source.splitlines()[place.line - 1 :])[place.column - 1 :].startswith(shown)


def test_without_a_source_text_a_message_points_at_the_line_of_the_call() -> None:
    """What was made by `exec` of a string still has the line that made it."""
    scope: dict[str, Any] = {}
    exec(compile(SOURCE.replace('to="a"', 'to="b"'), "<nowhere>", "exec"), scope)
    with pytest.raises(SpecError) as caught:
        scope["machine"].machine()
    assert (caught.value.place.file, caught.value.place.line) == ("<nowhere>", 8)


def test_a_declaration_does_not_change() -> None:
    """Neither its fields, nor by way of a list, set or mapping that it was given."""
    states = ["a"]
    machine = MachineSpec("m", essay="An m.", states=states, initial="a", rows=[])
    states.append("b")
    assert machine.states == ("a",)
    with pytest.raises(FrozenInstanceError):
        machine.initial = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        machine.events["go"] = {}  # type: ignore[index]


def test_where_a_declaration_stands_is_no_part_of_what_it_says() -> None:
    """Two that say the same are equal, wherever they were written."""
    assert _lock() == _lock()
    assert Row("a", on="go", to="a", why="it goes") == Row("a", on="go", to="a", why="it goes")


def test_two_declarations_of_one_name_must_be_one() -> None:
    """The same port beside two machines is one port; two that differ are refused where the second stands."""
    other = PortSpec("lock", essay="Another bolt.")
    twice = [_door(), _door()]
    assert Specs(twice, ports=[_lock()]).library().names() == ["door"]
    with pytest.raises(SpecError, match=r"'lock' is declared at .*test_build\.py:\d+:\d+ already") as caught:
        Specs([_door()], ports=[other]).documents()
    assert caught.value.place == other.at


def test_machines_of_one_host_share_what_is_declared_once() -> None:
    """Several machines, a sibling that is told, shared state and parameters make one node."""
    shared = SharedSpec(
        essay="What they share.",
        parameters={"T": "2s"},
        variables={"lit": Variable(bool, store="host", initial=False, why="whether it is on"),
                   "seen": Variable("hosts", store="memory", initial={0}, why="who was there"),
                   "last": Variable("host?", store="memory", initial=None, why="who was last")},
    )  # fmt: skip
    switch = MachineSpec(
        "switch", essay="A switch.", events={"flip": {}}, states=["on"], initial="on",
        rows=[Row("on", on="flip", to="same", tell=["lamp.toggle", "lamp.toggle"], why="somebody flips it")],
    )  # fmt: skip
    lamp = MachineSpec(
        "lamp", essay="A lamp.", shared=["lit", "seen", "last"], events={"toggle": {}}, states=["idle"], initial="idle",
        rows=[Row("*", on="toggle", to="same", set={"lit": "not lit", "last": None, "seen": "{me}"}, why="as told"),
              Row("idle", after="2*T", to="same", set={"lit": False}, why="it goes out")],
    )  # fmt: skip
    node = Specs([switch, lamp], state=shared).node(parameters={"T": 3.0})
    assert node.parameters == {"T": 3.0}
    turn = node.step(node.boot(), node.pool(), Event("switch", "flip"))
    assert [fired.set["lit"] for fired in turn.fired[1:]] == [True, False]
    assert node.value(node.boot(), node.pool(), "seen") == frozenset({0})
    assert node.value(node.boot(), node.pool(), "last") is None


@frozen
class _Unknown:
    """Something that no document can hold."""


def test_what_no_document_can_hold_is_refused_by_the_loader() -> None:
    """An object of another kind goes on as its text, and the message shows it."""
    with pytest.raises(SpecError, match="_Unknown"):
        _door(initial=_Unknown()).machine()
