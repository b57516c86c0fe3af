"""From files to `Machine`s: one folder holds `machines/`, `ports/` and `state.yaml`; a `Library` is that folder, read.

Everything that can be said of a machine without running it and without walking through domains is refused here:
unknown keys, names and types. What needs the whole table (missing pairs, overlapping guards) is `fsm.checks.check`;
but rows that share a name are told apart here, by their guards, for nothing can be said of them after that.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from keyword import iskeyword
from pathlib import Path

from attrs import define, field

from fsm.errors import Place
from fsm.language.document import Item, describe, parse, read, suggest
from fsm.language.domains import Domain, Value, parse_domain
from fsm.language.expressions import parse_duration
from fsm.language.rows import RowReader
from fsm.language.spec import Fields, Machine, OperationDecl, Port, Serve, Variable

NAME = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = {"same", "else", "all_ok", "some_failed", "after", "cancel", "me", "true", "false", "none"}
STORES = ("memory", "host", "pool")
MACHINE_KEYS = ("language", "machine", "essay", "instance", "ports", "shared", "variables", "siblings", "events",
                "serves", "states", "initial", "final", "rows", "enter", "exit", "ignore", "defer")  # fmt: skip

OTHER_KINDS = {"model": "a model", "port": "a port", "system": "a system", "parameters": "what machines share"}
"""What a file holds that is none of a machine, by a key that tells."""


def named(name: str, item: Item, what: str) -> str:
    """`name` if it may name something. Errors: `SpecError`."""
    if name in RESERVED:
        raise item.fail(f"{name!r} cannot name {what}; it is a word of the language, so take another", "bad-name")
    if not NAME.fullmatch(name):
        raise item.fail(f"{name!r} cannot name {what}; use lower case, digits and _", "bad-name")
    return name


def parameter_name(name: str, item: Item) -> str:
    """`name` if it may name a parameter; these may be capitals, as in formulas. Errors: `SpecError`."""
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise item.fail(f"{name!r} cannot name a parameter; use letters, digits and _", "bad-name")
    return name


def fields(item: Item | None, what: str) -> Fields:
    """A mapping of payload fields to their domains. Errors: `SpecError`."""
    if item is None or item.value is None:
        return {}
    return {named(name, child, "a field"): parse_domain(child) for name, child in item.mapping(what).items()}


@define
class Library:
    """The machines, ports and shared variables of one folder, each read at its first use.

    Machines lie in `machines/` of the folder, or in the folder itself where there is none; ports in `ports/`.

    Arguments:
        root: the folder; None for documents that are in memory.
        settings: values of parameters that replace those of `state.yaml`, by name.
    """

    root: Path | None
    settings: Mapping[str, float] = field(factory=dict)
    _documents: dict[str, Item] = field(factory=dict)
    _machines: dict[str, Machine] = field(factory=dict, init=False)
    _ports: dict[str, Port] = field(factory=dict, init=False)

    @classmethod
    def of(cls, documents: Mapping[str, Item | str], settings: Mapping[str, float] | None = None) -> Library:
        """A library of documents in memory.

        Arguments:
            documents: by their paths in a folder of specs (`machines/door.yaml`), as text or read already.
            settings: as above.
        Errors: `SpecError`.
        """
        items = {path: parse(said, path) if isinstance(said, str) else said for path, said in documents.items()}
        return cls(None, settings or {}, items)

    def document(self, path: str) -> Item:
        """A document below the root; messages call it by its path below the root. Errors: `SpecError`."""
        if path not in self._documents:
            where = (self.root or Path()) / path
            self._documents[path] = read(where, str(where))
        item = self._documents[path]
        language = item.mapping("a spec").get("language")
        if language is None or language.value is True or language.value != 1:
            raise (language or item).fail("a spec starts with 'language: 1'", "language")
        return item

    def has(self, path: str) -> bool:
        """Whether there is a document of this path."""
        return path in self._documents or (self.root is not None and (self.root / path).exists())

    def listed(self, folder: str) -> list[str]:
        """The names of the documents of a folder (`machines`, `ports`; "" for the root), sorted."""
        pattern = f"{folder}/*.yaml" if folder else "*.yaml"
        found = {path.stem for path in self.root.glob(pattern)} if self.root is not None else set[str]()
        return sorted(found | {Path(path).stem for path in self._documents if str(Path(path).parent) == folder})

    def machine(self, name: str) -> Machine:
        """The machine `name`. Errors: `SpecError`."""
        if name not in self._machines:
            self._machines[name] = self._read_machine(name)
        return self._machines[name]

    def machine_document(self, name: str) -> Item:
        """The document of the machine `name`. Errors: `SpecError`."""
        alone = self.root is not None and not (self.root / "machines").is_dir()
        return self.document(f"{name}.yaml" if alone else f"machines/{name}.yaml")

    def names(self) -> list[str]:
        """The names of all machines of the folder, sorted."""
        if self.root is None or (self.root / "machines").is_dir():
            return self.listed("machines")
        return [name for name in self.listed("") if name not in ("state", "unreached")]

    def port(self, name: str, used: Item) -> Port:
        """The port `name` of `ports/`; `used` is where it is named. Errors: `SpecError`."""
        if name not in self._ports:
            known = self.listed("ports")
            if name not in known:
                raise used.fail(f"there is no port {name!r}{suggest(name, known)}", "unknown-name")
            self._ports[name] = read_port(name, self.document(f"ports/{name}.yaml"))
        return self._ports[name]

    def parameters(self) -> dict[str, float]:
        """The value of each parameter, in seconds, those of `settings` before those of `state.yaml`."""
        values: dict[str, float] = {}
        if not self.has("state.yaml"):
            return dict(self.settings)
        declared = self.document("state.yaml").mapping("state.yaml").get("parameters")
        for name, item in (declared.mapping("parameters") if declared else {}).items():
            text = item.value if isinstance(item.value, str) else str(item.value)
            values[parameter_name(name, item)] = self.settings.get(name, parse_duration(text, values, item.at))
        return values

    def shared(self) -> dict[str, Variable]:
        """The variables of `state.yaml`, by name."""
        if not self.has("state.yaml"):
            return {}
        document = self.document("state.yaml").mapping("state.yaml", ("language", "essay", "variables", "parameters"))
        return read_variables(document.get("variables"), shared=True)

    def states_of(self, name: str, used: Item) -> tuple[str, ...]:
        """The leaf states of a sibling, read without its rows, so that machines may look at each other."""
        if name not in self.names():
            raise used.fail(f"there is no machine {name!r}{suggest(name, self.names())}", "unknown-name")
        states, _ = read_states(self.machine_document(name).mapping("a machine"))
        return states

    def _read_machine(self, name: str) -> Machine:
        document = self.machine_document(name)
        said = document.mapping("a machine")
        other = next((what for key, what in OTHER_KINDS.items() if key in said and "machine" not in said), None)
        if other is not None:
            explored = "; `fsm verify` explores it" if "system" in said else ""
            raise document.fail(f"this is {other}{explored}; name the file of a machine", "no-spec")
        top = document.mapping("a machine", MACHINE_KEYS)
        for key in ("machine", "essay", "states", "initial", "rows"):
            if key not in top:
                raise document.fail(f"a machine needs the key {key!r}", "missing-key")
        if top["machine"].text("the name") != name:
            said = top["machine"].value
            raise top["machine"].fail(f"the file is {name}.yaml, the machine {said!r}; give both one name", "bad-name")
        named(name, top["machine"], "a machine")
        variables = self._visible(top)
        ports = {p.text("a port"): self.port(p.value, p) for p in _list(top, "ports")}
        states, groups = read_states(top)
        instance = (
            named(top["instance"].text("instance"), top["instance"], "an instance") if "instance" in top else None
        )
        siblings = {s.text("a machine"): self._sibling(s, instance) for s in _list(top, "siblings")}
        events = read_events(top.get("events"))
        serves = read_serves(top.get("serves"), ports)
        reader = RowReader(
            machine=name, states=states, groups=groups, variables=variables, ports=ports, events=events,
            serves=serves, siblings=siblings, instance=instance, parameters=self.parameters(), library=self,
        )  # fmt: skip
        return Machine(
            name=name, essay=top["essay"].text("the essay"), instance=instance, ports=ports, variables=variables,
            siblings=siblings, events=events, serves=serves, states=states, groups=groups,
            initial=one_state(top["initial"], states), final=tuple(one_state(i, states) for i in _list(top, "final")),
            rows=tuple(reader.rows(top["rows"])),
            enter=reader.hooks(top.get("enter")), exit=reader.hooks(top.get("exit")),
            ignores=tuple(reader.passed(i, "an ignore") for i in _list(top, "ignore")),
            defers=tuple(reader.deferred(i) for i in _list(top, "defer")),
            parameters={k: repr(v) for k, v in self.parameters().items()}, digest=digest(document), at=document.at,
        )  # fmt: skip

    def _visible(self, top: Mapping[str, Item]) -> dict[str, Variable]:
        shared = self.shared()
        variables = read_variables(top.get("variables"), shared=False)
        for item in _list(top, "shared"):
            name = item.text("a shared variable")
            if name not in shared:
                raise item.fail(f"state.yaml has no variable {name!r}{suggest(name, shared)}", "unknown-name")
            variables[name] = shared[name]
        return variables

    def _sibling(self, item: Item, instance: str | None) -> Domain:
        states = self.states_of(item.value, item)
        other = self.machine_document(item.value).mapping("a machine").get("instance")
        many = other is not None and other.value != instance
        return Domain("enums" if many else "enum", states)


def digest(document: Item) -> str:
    """Names what a document says, whatever its layout: 12 hex digits of a SHA-256."""
    said = json.dumps(document.plain(), sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _list(top: Mapping[str, Item], key: str) -> list[Item]:
    return top[key].sequence(key) if key in top else []


def one_state(item: Item, states: tuple[str, ...]) -> str:
    """The name of a leaf state. Errors: `SpecError`."""
    name = item.text("a state")
    if name not in states:
        raise item.fail(f"there is no state {name!r}{suggest(name, states)}", "unknown-state")
    return name


def read_states(top: Mapping[str, Item]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The leaf states in order, and the leaves of each group. Errors: `SpecError`."""
    leaves: list[str] = []
    groups: dict[str, tuple[str, ...]] = {}

    def walk(item: Item) -> list[str]:
        if isinstance(item.value, str):
            if item.value in leaves or item.value in groups:
                raise item.fail(f"the state {item.value!r} stands here twice", "duplicate-state")
            leaves.append(named(item.value, item, "a state"))
            return [item.value]
        inner: list[str] = []
        if item.value is None:
            raise item.fail("a state must be a name, or a group with its states, not nothing", "document-shape")
        for name, children in item.mapping("a group of states").items():
            if name in leaves or name in groups:
                raise children.fail(f"the state {name!r} stands here twice", "duplicate-state")
            groups[named(name, children, "a group")] = ()
            own = [leaf for child in children.sequence("the states of a group") for leaf in walk(child)]
            if not own:
                raise children.fail(f"the group {name!r} has no states; drop it", "document-shape")
            groups[name] = tuple(own)
            inner += own
        return inner

    for item in top["states"].sequence("states") if "states" in top else []:
        walk(item)
    return tuple(leaves), groups


def read_variables(item: Item | None, shared: bool) -> dict[str, Variable]:
    """Declared variables by name. Errors: `SpecError`."""
    variables: dict[str, Variable] = {}
    for name, child in (item.mapping("variables") if item else {}).items():
        entry = child.mapping(f"the variable {name}", ("type", "store", "initial", "why"))
        for key in ("type", "store", "initial", "why"):
            if key not in entry:
                raise child.fail(f"a variable says type, store, initial and why; {key!r} is missing", "missing-key")
        domain = parse_domain(entry["type"])
        if entry["store"].value not in STORES:
            raise entry["store"].fail(f"a store is one of {', '.join(STORES)}", "bad-store")
        initial = read_value(entry["initial"], domain)
        if iskeyword(name):
            raise child.fail(f"{name!r} cannot name a variable; in an expression it is a word of Python's", "bad-name")
        variables[named(name, child, "a variable")] = Variable(
            name, domain, entry["store"].value, initial, entry["why"].why(), shared, child.at
        )
    return variables


def read_value(item: Item, domain: Domain) -> Value:
    """A literal value of a domain. Errors: `SpecError`."""
    value = item.plain()
    value = None if value == "none" else frozenset() if value == "nobody" else domain.from_json(value)
    if not domain.holds(value, 64):
        raise item.fail(f"{item.plain()!r} is no value of {domain}", "bad-value")
    return value


def read_events(item: Item | None) -> dict[str, Fields]:
    """Declared events and their payload. Errors: `SpecError`."""
    entries = item.mapping("events") if item else {}
    return {named(name, child, "an event"): fields(child, f"the event {name}") for name, child in entries.items()}


def read_serves(item: Item | None, ports: Mapping[str, Port]) -> dict[str, Serve]:
    """The calls that a machine answers. Errors: `SpecError`."""
    serves: dict[str, Serve] = {}
    for call, child in (item.mapping("serves") if item else {}).items():
        entry = child.mapping(f"serves {call}", ("busy", "cancelled_by"))
        if "busy" not in entry or entry["busy"].value != "refuse":
            raise child.fail("say what happens while an earlier call is under way: 'busy: refuse'", "missing-key")
        cancellers = tuple(i.text("a call") for i in _list(entry, "cancelled_by"))
        for name in (call, *cancellers):
            port, _, operation = name.partition(".")
            declared = ports[port].operations.get(operation) if port in ports else None
            if declared is None or not declared.to_host:
                calls = [f"{p.name}.{o.name}" for p in ports.values() for o in p.operations.values() if o.to_host]
                raise child.fail(f"{name!r} is no call of a port of this machine{suggest(name, calls)}", "unknown-name")
            if "failed" not in declared.outcomes:
                raise child.fail(f"{name!r} needs the outcome 'failed', which a busy host answers", "busy-outcome")
        serves[call] = Serve(call, cancellers, child.at)
    return serves


def read_flag(item: Item, key: str) -> bool:
    """True or false. Errors: `SpecError`; a `yes` would else be a no, for in YAML 1.2 it is a text."""
    if not isinstance(item.value, bool):
        raise item.fail(f"{key!r} is true or false, not {describe(item.value)}", "bad-value")
    return item.value


def read_port(name: str, document: Item) -> Port:
    """A port. Errors: `SpecError`."""
    top = document.mapping("a port", ("language", "port", "essay", "operations", "signals", "events"))
    if "port" not in top or "essay" not in top or top["port"].value != name:
        raise document.fail(f"a port says 'port: {name}' and has an essay", "missing-key")
    named(name, top["port"], "a port")
    operations: dict[str, OperationDecl] = {}
    events = read_events(top.get("events"))
    carried = dict(events)
    for op, child in (top["operations"].mapping("operations") if "operations" in top else {}).items():
        entry = child.mapping(f"the operation {op}", ("arguments", "outcomes", "instant", "to", "idempotent", "why"))
        if "outcomes" not in entry:
            raise child.fail("an operation names its outcomes", "missing-key")
        outcomes = {
            named(outcome, c, "an outcome"): fields(c, f"the outcome {outcome}")
            for outcome, c in entry["outcomes"].mapping("outcomes").items()
        }
        for outcome, item in entry["outcomes"].mapping("outcomes").items():
            # rows name an outcome without its operation, so the name alone says what comes with it
            if outcome in events or carried.setdefault(outcome, outcomes[outcome]) != outcomes[outcome]:
                raise item.fail(f"{outcome!r} means something else in this port already; rename one", "duplicate-name")
        if "to" in entry and entry["to"].value != "host":
            raise entry["to"].fail("an operation goes 'to: host', or says no 'to' and is local", "bad-value")
        if "why" in entry:
            entry["why"].why()
        flags = {key: key in entry and read_flag(entry[key], key) for key in ("instant", "idempotent")}
        operations[named(op, child, "an operation")] = OperationDecl(
            op, fields(entry.get("arguments"), "arguments"), outcomes, to_host="to" in entry, **flags
        )
    return Port(
        name,
        top["essay"].text("the essay"),
        operations,
        read_events(top.get("signals")),
        events,
        Place(document.at.file),
    )
