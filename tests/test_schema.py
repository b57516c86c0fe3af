"""The published JSON Schemas: what the loader takes they take, and they know the same keys as loader and writer."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from fsm import cli
from fsm.commands.schema_command import KINDS, schema
from fsm.compare.unreached import unreached
from fsm.errors import Place, SpecError
from fsm.explore.system import System
from fsm.explore.system_values import LARGEST_BUDGET, MOST_HOSTS
from fsm.language import write
from fsm.language.document import Item, read
from fsm.language.load import MACHINE_KEYS, RESERVED, STORES, Library
from fsm.language.rows import ROW_KEYS
from fsm.locate import specs

DATA = Path(__file__).parent / "data"
ROOTS = (specs(), DATA / "engine", DATA / "toys")
SCHEMAS: dict[str, dict[str, Any]] = {kind: json.loads(schema(kind)) for kind in KINDS}
VALIDATORS: dict[str, Validator] = {kind: Draft202012Validator(SCHEMAS[kind]) for kind in KINDS}
FOLDERS = {"machines": "machine", "ports": "port", "systems": "system", "examples": "model"}
SPECS = [path for root in ROOTS for path in sorted(root.rglob("*.yaml")) if path.parent.name != "pools"]

LAMP: dict[str, Any] = {
    "machines/lamp.yaml": {
        "language": 1, "machine": "lamp", "essay": "A lamp.", "instance": "room",
        "ports": ["bulb"], "shared": ["level"], "siblings": ["lamp"],
        "variables": {"tries": {"type": "0..3", "store": "memory", "initial": 0, "why": "how often it was asked"}},
        "events": {"press": {"hand": ["left", "right"]}, "hold": None},
        "serves": {"bulb.reach": {"busy": "refuse", "cancelled_by": ["bulb.reach"]}},
        "states": ["dark", {"bright": ["warm", {"hot": ["red", "white"]}]}], "initial": "dark", "final": ["white"],
        "rows": [
            {"from": "dark", "on": "press", "if": "hand == left", "to": "warm", "do": "bulb.light(level=level)",
             "set": {"tries": "tries + 1 if tries < 3 else 3", "level": True}, "why": "pressed by the left hand"},
            {"from": ["dark"], "on": ["press"], "if": "else", "to": "same", "set": {"tries": 0}, "label": "other",
             "why": "pressed by the right hand"},
            {"from": "bright", "after": 5, "to": "dark", "tell": ["bulb.off", "lamp.hold"], "why": "long enough"},
            {"from": "*", "on": "bulb.reach", "to": "same", "reply": "failed", "why": "not today"},
        ],
        "enter": {"bright": {"set": {"tries": 0}, "tell": "bulb.off", "why": "it begins anew"}},
        "exit": {"warm": {"why": "nothing, and said so"}},
        "ignore": [{"in": "*", "on": ["bulb.lit", "bulb.broken", "cancel"], "why": "late"}],
        "defer": [{"in": ["bright"], "on": "press", "why": "later"}],
    },
    "ports/bulb.yaml": {
        "language": 1, "port": "bulb", "essay": "A bulb.",
        "operations": {
            "light": {"arguments": {"level": "bool"}, "outcomes": {"lit": {}, "broken": None}, "idempotent": True},
            "look": {"outcomes": {"seen": {"who": "host?"}}, "instant": True, "why": "looks"},
            "reach": {"to": "host", "outcomes": {"failed": {}}, "idempotent": False},
        },
        "signals": {"off": {}}, "events": {"blown": {"by": "opaque"}},
    },
    "state.yaml": {
        "language": 1, "essay": "Shared.", "parameters": {"T": 2, "half": "T/2"},
        "variables": {"level": {"type": "bool", "store": "pool", "initial": False, "why": "how bright"}},
    },
}  # fmt: skip
RING = read(DATA / "toys" / "systems" / "ring.yaml").plain()
RING |= {"settings": {}, "host": {}, "pool": {}, "operator": {}, "latency": {"*": "1s", "x": "never"}, "instances": {}}
RING |= {"frozen": [], "begins": "true", "then": {}}
RING["fair"] = {"weak": ["*"], "strong": ["host *"]}
RING["properties"] |= {
    "ends": {"eventually": "true", "counting_on": ["duplicate"], "needs": "true", "why": "it ends"},
    "goes": {"leads_to": {"from": True, "to": "true"}, "why": "it goes on"},
    "stuck": {"deadlock": False, "why": "it is never stuck"},
}
RING["properties"]["back"] = {"recoverable": "one(holding)", "counting_on": ["duplicate"], "why": "it comes back"}


def kind_of(path: Path) -> str:
    """The kind of a document, by where it lies."""
    return FOLDERS.get(path.parent.name, "unreached" if path.name == "unreached.yaml" else "state")


def item(value: Any) -> Item:
    """Plain data as the loader reads it."""
    if isinstance(value, dict):
        value = {key: item(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [item(child) for child in value]
    return Item(value, Place("memory"))


def load(documents: dict[str, Any]) -> None:
    """All of it. Errors: `SpecError`."""
    library = Library.of({name: item(document) for name, document in documents.items()})
    library.shared()
    for name in library.names():
        library.machine(name)
    for name in documents:
        if name.startswith("ports/"):
            library.port(name[6:-5], item(name))


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one(kind: str) -> None:
    """Of draft 2020-12, with an identity, a title and a description, and closed: no other keys than those it names."""
    Draft202012Validator.check_schema(SCHEMAS[kind])
    assert SCHEMAS[kind]["$id"] == f"urn:liveset:language:1:{kind}"
    assert SCHEMAS[kind]["description"]
    for found in objects(SCHEMAS[kind]):
        if found.get("type") == "object" and "properties" in found:
            assert found["additionalProperties"] is False
            assert all("description" in entry or "$ref" in entry for entry in found["properties"].values())


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping inside of a value."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(child)


def test_what_schemas_share_is_the_same() -> None:
    """Each is a file of its own, so that an editor needs no other; so what they share stands in each."""
    definitions: dict[str, Any] = {}
    for kind in KINDS:
        for name, definition in SCHEMAS[kind]["$defs"].items():
            assert definitions.setdefault(name, definition) == definition, name


@pytest.mark.parametrize("path", SPECS, ids=lambda path: f"{path.parents[1].name}/{path.parent.name}/{path.stem}")
def test_every_spec_is_valid(path: Path) -> None:
    """The shipped ones, and those that the tests load."""
    errors = [f"{e.json_path}: {e.message}" for e in VALIDATORS[kind_of(path)].iter_errors(read(path).plain())]
    assert errors == []


def test_everything_that_may_be_said_is_valid() -> None:
    """One folder and one system with every key there is; the loader takes them too."""
    load(LAMP)
    for name, document in LAMP.items():
        assert [e.message for e in VALIDATORS[kind_of(Path(name))].iter_errors(document)] == []
    assert [e.message for e in VALIDATORS["system"].iter_errors(RING)] == []
    for kind, document in [*((kind_of(Path(name)), document) for name, document in LAMP.items()), ("system", RING)]:
        assert set(document) >= set(SCHEMAS[kind]["properties"]) - {"world"}


def changed(document: Any, path: str, value: Any) -> Any:
    """A document with one place replaced, or dropped where the value is `...`; the path is keys between slashes."""
    document = copy.deepcopy(document)
    *outer, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    inner = document
    for key in outer:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return document


BROKEN = [
    ("machines/lamp.yaml", "language", 2),
    ("machines/lamp.yaml", "language", ...),
    ("machines/lamp.yaml", "essay", ""),
    ("machines/lamp.yaml", "essay", ...),
    ("machines/lamp.yaml", "colour", "red"),
    ("machines/lamp.yaml", "states", ...),
    ("machines/lamp.yaml", "states", "dark"),
    ("machines/lamp.yaml", "states/0", "Dark"),
    ("machines/lamp.yaml", "states/0", "same"),
    ("machines/lamp.yaml", "states/0", 7),
    ("machines/lamp.yaml", "states/1/bright", "warm"),
    ("machines/lamp.yaml", "initial", ["dark"]),
    ("machines/lamp.yaml", "ports", "bulb"),
    ("machines/lamp.yaml", "events/Press", {}),
    ("machines/lamp.yaml", "events/press/hand", "fingers"),
    ("machines/lamp.yaml", "events/press/hand", []),
    ("machines/lamp.yaml", "events/press/hand", ["left", "left"]),
    ("machines/lamp.yaml", "events/press/me", "bool"),
    ("machines/lamp.yaml", "variables/tries/type", "0-3"),
    ("machines/lamp.yaml", "variables/tries/store", "disk"),
    ("machines/lamp.yaml", "variables/tries/initial", ...),
    ("machines/lamp.yaml", "variables/tries/why", " "),
    ("machines/lamp.yaml", "variables/tries/unit", "s"),
    ("machines/lamp.yaml", "serves/bulb.reach/busy", "queue"),
    ("machines/lamp.yaml", "serves/bulb.reach/busy", ...),
    ("machines/lamp.yaml", "rows/0", "dark"),
    ("machines/lamp.yaml", "rows/0/from", ...),
    ("machines/lamp.yaml", "rows/0/from", 3),
    ("machines/lamp.yaml", "rows/0/to", ...),
    ("machines/lamp.yaml", "rows/0/to", ["warm"]),
    ("machines/lamp.yaml", "rows/0/on", ...),
    ("machines/lamp.yaml", "rows/0/after", "5s"),
    ("machines/lamp.yaml", "rows/0/if", True),
    ("machines/lamp.yaml", "rows/0/do", ["bulb.light"]),
    ("machines/lamp.yaml", "rows/0/set", ["tries"]),
    ("machines/lamp.yaml", "rows/0/set/tries", 0.5),
    ("machines/lamp.yaml", "rows/0/why", ...),
    ("machines/lamp.yaml", "rows/0/why", "pressed"),
    ("machines/lamp.yaml", "rows/0/because", "it is dark"),
    ("machines/lamp.yaml", "rows/2/tell", {}),
    ("machines/lamp.yaml", "rows/2/after", True),
    ("machines/lamp.yaml", "enter/bright/do", "bulb.light"),
    ("machines/lamp.yaml", "enter/bright/why", ...),
    ("machines/lamp.yaml", "exit/warm", "lamp.off"),
    ("machines/lamp.yaml", "ignore/0/in", ...),
    ("machines/lamp.yaml", "defer/0/why", None),
    ("machines/lamp.yaml", "defer/0/to", "dark"),
    ("ports/bulb.yaml", "port", ...),
    ("ports/bulb.yaml", "essay", None),
    ("ports/bulb.yaml", "operations/light/outcomes", ...),
    ("ports/bulb.yaml", "operations/light/outcomes", ["lit"]),
    ("ports/bulb.yaml", "operations/light/to", "all"),
    ("ports/bulb.yaml", "operations/light/instant", "yes"),
    ("ports/bulb.yaml", "operations/light/idempotent", 1),
    ("ports/bulb.yaml", "operations/light/why", 7),
    ("ports/bulb.yaml", "operations/light/retries", 3),
    ("ports/bulb.yaml", "signals/off", "now"),
    ("state.yaml", "parameters/half-time", "1s"),
    ("state.yaml", "parameters/T", [2]),
    ("state.yaml", "variables/level/type", ...),
    ("state.yaml", "machines", []),
]


@pytest.mark.parametrize(("name", "path", "value"), BROKEN, ids=lambda part: str(part)[-24:])
def test_what_is_broken_is_refused_by_both(name: str, path: str, value: Any) -> None:
    """One place of a sound folder is spoiled: the schema sees it, and so does the loader."""
    document = changed(LAMP[name], path, value)
    assert not VALIDATORS[kind_of(Path(name))].is_valid(document)
    with pytest.raises(SpecError):
        load({**LAMP, name: document})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("world", ...),
        ("world", 3),
        ("hosts", 9),
        ("hosts", "2"),
        ("machines", "station"),
        ("faults/duplicate", "often"),
        ("faults/duplicate", -1),
        ("latency/x", 3),
        ("sets/holding", ["station"]),
        ("sets/a-b", "true"),
        ("properties/alone/why", ...),
        ("properties/alone/step", "true"),
        ("properties/alone/counting_on", ["duplicate"]),
        ("properties/alone/always", ...),
        ("properties/alone/for_ever", "true"),
        ("properties/alone/needs", 3),
        ("properties/goes/leads_to/from", ...),
        ("properties/goes/leads_to/via", "true"),
        ("properties/goes/leads_to", "true"),
        ("fair/weak", "*"),
        ("fair/often", ["*"]),
        ("story", "a ring"),
    ],
    ids=str,
)
def test_a_broken_system_is_refused_by_both(tmp_path: Path, path: str, value: Any) -> None:
    """As above, for systems, which are files."""
    toys = tmp_path / "toys"
    for source in (DATA / "toys").rglob("*.yaml"):
        target = toys / source.relative_to(DATA / "toys")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    (toys / "systems" / "ring.yaml").write_text(write.text(RING), "utf-8")
    System.load(toys / "systems" / "ring.yaml")
    document = changed(RING, path, value)
    assert not VALIDATORS["system"].is_valid(document)
    (toys / "systems" / "ring.yaml").write_text(write.text(document), "utf-8")
    with pytest.raises(SpecError):
        System.load(toys / "systems" / "ring.yaml")


SPOILERS = [..., None, True, 0, 1.5, "", "x", "two words", "0..2", [], ["x"], {}, {"x": "y"}, "dark", "bool", ["dark"]]


def places(value: Any, path: str = "") -> Iterator[str]:
    """Every place of a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield f"{path}{key}"
        yield from places(child, f"{path}{key}/")


@given(data=st.data(), name=st.sampled_from(sorted(LAMP)), spoiler=st.sampled_from(SPOILERS))
@settings(max_examples=200, deadline=None)
def test_no_false_alarms(data: st.DataObject, name: str, spoiler: Any) -> None:
    """Whatever stands in one place: what the loader takes, an editor does not mark as wrong."""
    path = data.draw(st.sampled_from(list(places(LAMP[name]))))
    document = changed(LAMP[name], path, spoiler)
    if not VALIDATORS[kind_of(Path(name))].is_valid(document):
        with pytest.raises(SpecError):
            load({**LAMP, name: document})


def test_loader_writer_and_schema_know_the_same_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys that the loader asks for while it reads everything there is, by kind of mapping."""
    known: dict[str, tuple[str, ...]] = {}
    original = Item.mapping

    def mapping(self: Item, what: str, keys: Any = None) -> Any:
        if keys is not None:
            known[next((word for word in WORDS if what.startswith(word)), what)] = tuple(keys)
        return original(self, what, keys)

    monkeypatch.setattr(Item, "mapping", mapping)
    load(LAMP)
    System.load(DATA / "toys" / "systems" / "ring.yaml")
    unreached(specs(), [Library(specs()).machine(name) for name in Library(specs()).names()])
    assert set(known) == set(WORDS)
    for what, (kind, definition, written) in WORDS.items():
        found = SCHEMAS[kind]["$defs"][definition] if definition else SCHEMAS[kind]
        assert set(found["properties"]) == set(known[what]) == set(written), what


WORDS = {
    "a machine": ("machine", "", MACHINE_KEYS),
    "a port": ("port", "", write.PORT_KEYS),
    "state.yaml": ("state", "", write.STATE_KEYS),
    "a system": ("system", "", write.SYSTEM_KEYS),
    "a row": ("machine", "row", ROW_KEYS),
    "an ignore": ("machine", "passed", write.PASSED_KEYS),
    "a defer": ("machine", "passed", write.PASSED_KEYS),
    "an effect": ("machine", "hook", write.HOOK_KEYS),
    "the variable": ("machine", "variable", write.VARIABLE_KEYS),
    "serves": ("machine", "serve", write.SERVE_KEYS),
    "the operation": ("port", "operation", write.OPERATION_KEYS),
    "a property": ("system", "property", write.PROPERTY_KEYS),
    "unreached.yaml": ("unreached", "", write.UNREACHED_KEYS),
    "an unreached entry": ("unreached", "unreached", write.UNREACHED_ENTRY_KEYS),
}


def test_values_that_both_list_are_the_same() -> None:
    """Reserved words, stores, the largest numbers."""
    machine, system = SCHEMAS["machine"], SCHEMAS["system"]
    assert set(machine["$defs"]["name"]["not"]["enum"]) == RESERVED
    assert tuple(machine["$defs"]["variable"]["properties"]["store"]["enum"]) == STORES
    assert system["properties"]["hosts"]["maximum"] == MOST_HOSTS
    assert system["$defs"]["budget"]["anyOf"][1]["maximum"] == LARGEST_BUDGET


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_prints_it(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As it lies in the package."""
    assert cli.main(["schema", kind]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMAS[kind]


def test_another_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the kinds that there are."""
    with pytest.raises(SystemExit):
        cli.main(["schema", "pool"])
    assert "'machine', 'port', 'state', 'system'" in capsys.readouterr().err
