"""Types for the programs that use a machine, written as a Python module by `fsm stubs`.

For each machine: `DoorState`, `DoorGroup` and `DoorEvent` are the names there are, `DoorPushPayload` what an event
carries. For each port: a class for every outcome, `LockDone(who=1)`, which is the pair that a driver wants and knows
its payload; the union of what an operation may come to, `LockOpenOutcome`; and the Protocols `LockPort` and
`AsyncLockPort` of what stands behind it, with a method for each operation and signal. `door_ports` and
`async_door_ports` take one object for each port and give a driver's adapters (`fsm.drivers.port_methods` says how).
Last `DoorMachine` and `AsyncDoorMachine`, which is what `door_machine` and `async_door_machine` make of a `Bound` one:

    door = door_machine(Bound.start("door.yaml", door_ports(lock=Lock())))
    door.push(force=3)

Rules.
- A name that is not there, a payload of the wrong type, an outcome that the port does not declare and a port that is
  missing are errors of a type checker. What only values show, such as an int outside its range, the driver refuses.
- The text depends on nothing but the specs: names are sorted, every list has one entry a line, so that a diff of two
  versions shows which name came or went, and the formatter leaves it alone at any line length.
- The header names each machine with the digest of its spec: a module that is older than the spec says so (`--check`).

Left out: served calls, which come from other hosts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set

from attrs import fields as attributes_of
from attrs import frozen

from fsm.convert.typed_text import WIDTH, annotation, camel, define, literal, payload, quoted, signature, union
from fsm.drivers.bound import AsyncBound, Bound
from fsm.drivers.port_methods import method_name, python_name
from fsm.errors import SpecError
from fsm.language.domains import Domain
from fsm.language.spec import Fields, Machine, OperationDecl, Port

Asked = Set[tuple[str, str, bool]]
"""(port, operation, whether as a fan-out) of every operation that a machine starts."""

TALL = ("class ", "def ")
SOURCES = {
    "fsm": (
        "Adapter", "AsyncBound", "AsyncDriver", "AsyncMethods", "Bound", "Methods", "Operation", "SyncAdapter",
        "SyncDriver",
    ),
    "typing": ("Any", "Literal", "Protocol", "Self", "TypedDict", "cast", "overload"),
}  # fmt: skip


def stubs(machines: Sequence[Machine]) -> str:
    """The module of machines and of all their ports.

    Arguments:
        machines: in any order.
    Errors: `SpecError` where two names of the specs would become one name of the module.
    """
    machines = sorted(machines, key=lambda machine: machine.name)
    ports = {name: port for machine in machines for name, port in machine.ports.items()}
    asked = {(do.port, do.operation, do.joined) for m in machines for row in m.rows if (do := row.do)}
    blocks = [block for machine in machines for block in names(machine)]
    blocks += common(asked, ports)
    for name in sorted(ports):
        blocks += _Port(ports[name], asked).blocks()
    blocks += [block for machine in machines for block in (*adapters(machine), *bound(machine))]
    once(blocks, machines)
    return header(machines) + joined(blocks)


def header(machines: Sequence[Machine]) -> str:
    """What the module is, and from which specs."""
    made = "".join(f"    {machine.name} {machine.digest}\n" for machine in machines)
    return (
        '"""Types of state machines and of the ports that they use.\n\n'
        "Written by `fsm stubs`, not by hand. The machines, each with the digest of its spec:\n\n"
        f'{made}"""\n\nfrom __future__ import annotations\n\n'
    )


def joined(blocks: Sequence[str]) -> str:
    """The imports that the blocks need, and the blocks, with the empty lines between them that a formatter wants."""
    words = set(re.findall(r"[A-Za-z]\w*", "".join(blocks)))
    lines = {
        module: imported(module, found)
        for module, known in SOURCES.items()
        if (found := [name for name in known if name in words])
    }
    groups = [lines.pop("typing", ""), "".join(lines.values())]
    text, before = "\n".join(group for group in groups if group), ""
    for block in blocks:
        apart = block.startswith(TALL) or before.startswith(TALL)
        text += ("\n\n" if apart else "" if before else "\n") + block
        before = block
    return text


def imported(module: str, names: Sequence[str]) -> str:
    """An import as a formatter writes it: on one line if that is short."""
    line = f"from {module} import {', '.join(names)}\n"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n{''.join(f'    {name},' + chr(10) for name in names)})\n"


def once(blocks: Sequence[str], machines: Sequence[Machine]) -> None:
    """Errors: `SpecError` where the module defines a name twice."""
    defined = Counter(re.split(r"\W", block.removeprefix("class ").removeprefix("def "))[0] for block in blocks)
    for name, count in sorted(defined.items()):
        if count > 1:
            raise SpecError(machines[0].at, f"two names would both be {name} in Python; rename one", "stub-name")


def names(machine: Machine) -> Iterator[str]:
    """States, groups, events and what events carry."""
    name, unasked = camel(machine.name), port_events(machine)
    yield literal(f"{name}State", machine.states)
    if machine.groups:
        yield literal(f"{name}Group", machine.groups)
    if machine.events or unasked:
        yield literal(f"{name}Event", [*machine.events, *unasked])
    for event in sorted(machine.events):
        if machine.events[event]:
            yield payload(camel(machine.name, event, "payload"), machine.events[event], f"the event {event}")


def port_events(machine: Machine) -> dict[str, Fields]:
    """The events that come to a machine unasked, and what they carry."""
    return {f"{port.name}.{event}": fields for port in machine.ports.values() for event, fields in port.events.items()}


def common(asked: Asked, ports: Mapping[str, Port]) -> Iterator[str]:
    """What outcomes of several ports share."""
    outcomes = [fields for port in ports.values() for o in port.operations.values() for fields in o.outcomes.values()]
    fan_out = any(joined for _, _, joined in asked)
    if fan_out or not all(outcomes):
        yield 'class NoPayload(TypedDict):\n    """What an outcome carries that carries nothing."""\n'
    if fan_out:
        yield from outcome("all_ok", {}, "AllOk", "The outcome of a fan-out where every host answered ok.")
        what = "The outcome of a fan-out where the hosts in `bad` did not answer ok."
        yield from outcome("some_failed", {"bad": Domain("hosts")}, "SomeFailed", what)


def outcome(name: str, fields: Fields, cls: str, what: str) -> Iterator[str]:
    """The class of an outcome, and that of its payload where it has any."""
    carried = f"{cls}Payload" if fields else "NoPayload"
    if fields:
        yield payload(carried, fields, f"the outcome {name}")
    given = ", ".join(f"{quoted(key)}: {python_name(key)}" for key in sorted(fields))
    made = f"        return super().__new__(cls, ({quoted(name)}, {{{given}}}))\n"
    if len(made) > WIDTH:
        inner = "".join(f"            {quoted(key)}: {python_name(key)},\n" for key in sorted(fields))
        made = f"        payload: {carried} = {{\n{inner}        }}\n"
        made += f"        return super().__new__(cls, ({quoted(name)}, payload))\n"
    yield (
        f'class {cls}(tuple[Literal[{quoted(name)}], {carried}]):\n    """{what}"""\n\n    __slots__ = ()\n\n'
        + signature("__new__", "cls", fields, "Self", "The outcome with what it carries.")
        + made
    )


def adapters(machine: Machine) -> Iterator[str]:
    """The functions that take an object for each port."""
    used = sorted(name for name, port in machine.ports.items() if port.operations or port.signals)
    for prefix, methods, adapter, driver in (
        ("", "Methods", "SyncAdapter", "a driver without event loop"),
        ("async", "AsyncMethods", "Adapter", "an asyncio driver"),
    ):
        function = f"{prefix}_{machine.name}_ports".lstrip("_")
        types = {python_name(name): f"{camel(prefix, name)}Port" for name in used}
        said = f"The ports of {machine.name} as adapters of {driver}."
        lines = "".join(f"        {quoted(name)}: {methods}({python_name(name)}),\n" for name in used)
        if used:
            head = define(function, [], types, f"dict[str, {adapter}]", said, "")
            yield f"{head}    return {{\n{lines}    }}\n"


TAKEN = frozenset({*dir(Bound), *dir(AsyncBound), *(field.name for field in attributes_of(AsyncBound))})
"""Names of the view of a machine; events that are called so go through `trigger`."""


def bound(machine: Machine) -> Iterator[str]:
    """The types of a bound machine, and the functions that give a bound machine its type."""
    for prefix, view in (("", "Bound"), ("Async", "AsyncBound")):
        name = f"{prefix}{camel(machine.name)}Machine"
        said = f"What a program sees of the machine {machine.name}, by `{view}`."
        members = "\n".join(members_of(machine, "async " if prefix else ""))
        yield f'class {name}(Protocol):\n    """{said}"""\n\n{members}'
        function = f"{prefix.lower()}_{machine.name}_machine".lstrip("_")
        head = define(function, [f"bound: {view}"], {}, name, f"The machine {machine.name}, typed.", "")
        yield f"{head}    return cast({name}, bound)\n"


def members_of(machine: Machine, start: str) -> Iterator[str]:
    """Attributes and methods; `start` stands before what waits for a turn."""
    name, events = camel(machine.name), {**machine.events, **port_events(machine)}
    yield f"    driver: {'AsyncDriver' if start else 'SyncDriver'}\n"
    yield "    @property\n" + define("state", ["self"], {}, f"{name}State", "The leaf state.", "    ")
    where = {"state": f"{name}State | {name}Group" if machine.groups else f"{name}State"}
    what = "Whether the machine is in a state or group."
    yield define("is_in", ["self"], where, "bool", what, "    ", keywords=False)
    nothing: Fields = {}
    values = {key: (nothing, annotation(variable.domain)) for key, variable in machine.variables.items()}
    yield from overloads("value", "variable", values, "The value of a variable.")
    sent = {event: (fields, "bool") for event, fields in events.items()}
    yield from overloads("trigger", "event", sent, "Send an event; whether a row fired.", start)
    asked = {event: (fields, "str | None") for event, fields in events.items()}
    yield from overloads("why_not", "event", asked, "Why no row would fire; None where one would.")
    yield from attributes(machine, start).values()


def attributes(machine: Machine, start: str) -> dict[str, str]:
    """The methods that are called like an event or a state, by name. Where two have one name, the first is had."""
    methods: dict[str, str] = {}
    for event in sorted(machine.events):
        fields = machine.events[event]
        methods[event] = called(event, [], fields, "bool", f"Send {event}; whether a row fired.", start)
    for event in sorted(machine.events):
        what = f"Whether a row would fire for {event}."
        methods.setdefault(f"may_{event}", called(f"may_{event}", [], machine.events[event], "bool", what))
    for state in sorted({*machine.states, *machine.groups}):
        what = f"Whether the machine is in {state}."
        methods.setdefault(f"is_{state}", define(f"is_{state}", ["self"], {}, "bool", what, "    "))
    return {name: method for name, method in methods.items() if name not in TAKEN and python_name(name) == name}


def overloads(
    name: str, first: str, cases: Mapping[str, tuple[Fields, str]], what: str, start: str = ""
) -> Iterator[str]:
    """A method whose first argument decides what else it takes and what it returns: names that agree in both are one
    overload."""
    alike: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for case, (fields, returned) in sorted(cases.items()):
        takes = tuple(f"{key}: {annotation(fields[key])}" for key in sorted(fields))
        alike.setdefault((takes, returned), []).append(case)
    for (_, returned), names in alike.items():
        words = [f"{first}: Literal[{', '.join(quoted(name) for name in names)}]", "/"]
        method = called(name, words, cases[names[0]][0], returned, "" if len(alike) > 1 else what, start)
        yield f"    @overload\n{method}" if len(alike) > 1 else method


def called(name: str, first: Sequence[str], fields: Fields, returned: str, what: str, start: str = "") -> str:
    """A method of a bound machine, which takes a payload as keywords. A name that no keyword can have must do without
    a type."""
    if all(python_name(key) == key for key in fields):
        return signature(name, "self", fields, returned, what, first, start)
    return define(name, ["self", *first, "**payload: Any"], {}, returned, what, "    ", start=start)


@frozen
class _Port:
    """Writes the types of a port. `asked`: the operations that machines start, and whether as a fan-out."""

    port: Port
    asked: Asked

    def blocks(self) -> Iterator[str]:
        """Payloads, outcomes, unions and Protocols."""
        name, operations = self.port.name, self.port.operations
        for event in sorted(self.port.events):
            if self.port.events[event]:
                yield payload(camel(name, event, "payload"), self.port.events[event], f"the event {name}.{event}")
        outcomes = {o: fields for operation in operations.values() for o, fields in self.outcomes(operation).items()}
        for said in sorted(outcomes):
            yield from outcome(said, outcomes[said], camel(name, said), f"The outcome {name}.{said}.")
        for operation in sorted(operations):
            yield union(self.union(operation), [camel(name, o) for o in self.outcomes(operations[operation])])
        if operations:
            fan_out = ["AllOk", "SomeFailed"] if any(self.forms(o)[-1] for o in operations) else []
            yield union(f"{camel(name)}Outcome", [*(camel(name, o) for o in outcomes), *fan_out])
        if operations or self.port.signals:
            yield self.protocol("", "without an event loop")
            yield self.protocol("Async", "in an asyncio program")

    def outcomes(self, operation: OperationDecl) -> Mapping[str, Fields]:
        """What an operation may come to; a call to another host may be lost."""
        return {**({"lost": {}} if operation.to_host else {}), **operation.outcomes}

    def union(self, operation: str) -> str:
        """The name of the union of an operation's outcomes."""
        return camel(self.port.name, operation, "outcome")

    def forms(self, operation: str) -> list[bool]:
        """Whether machines start an operation by itself (False), as a fan-out (True), or both; else by itself."""
        return sorted({do[2] for do in self.asked if do[:2] == (self.port.name, operation)}) or [False]

    def protocol(self, prefix: str, where: str) -> str:
        """What stands behind the port."""
        name, port = f"{prefix}{camel(self.port.name)}Port", self.port
        methods = [self.method(o, fan_out, prefix) for o in sorted(port.operations) for fan_out in self.forms(o)]
        for signal in sorted(port.signals):
            methods.append(signature(python_name(signal), "self", port.signals[signal], "None", f"Say {signal}."))
        if port.operations:
            arguments, returned = {"operation": "Operation", "error": "BaseException"}, f"{camel(port.name)}Outcome"
            said = "Say which outcome stands for an exception."
            methods.append(define("failure", ["self"], arguments, returned, said, "    ", keywords=False))
        return f'class {name}(Protocol):\n    """What stands behind the port {port.name} {where}."""\n\n' + "\n".join(
            methods
        )

    def method(self, name: str, fan_out: bool, prefix: str) -> str:
        """The method of an operation."""
        operation = self.port.operations[name]
        first = ["_hosts: tuple[int, ...]", "/"] if fan_out else ["_host: int", "/"] if operation.to_host else []
        returned = "AllOk | SomeFailed" if fan_out else self.union(name)
        said = f"Answer {name}." if operation.instant else f"Perform {name}."
        start = "async " if prefix and not operation.instant else ""
        return signature(method_name(name, fan_out), "self", operation.arguments, returned, said, first, start)
