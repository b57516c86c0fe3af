"""What is declared and never used: by a machine of its own declarations, by a whole folder of its ports and times.

A name that nothing uses is either left over, and misleads whoever reads it, or the row that should use it is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from fsm.checks.facts import Facts
from fsm.errors import SpecError
from fsm.language.document import Item
from fsm.language.expressions import Expr
from fsm.language.load import Library
from fsm.language.spec import Hook, Machine, Row

_NAME = re.compile(r"[A-Za-z_]\w*")
SECTIONS = {"operations": "operation", "signals": "signal", "events": "event"}


def expressions(part: Row | Hook) -> Iterator[Expr]:
    """Every expression of a row, or of an entry or exit effect."""
    named = [part.set, *(tell.arguments for tell in part.tell)]
    if isinstance(part, Row):
        if isinstance(part.guard, Expr):
            yield part.guard
        if part.do is not None:
            named.append(part.do.arguments)
            if part.do.targets is not None:
                yield part.do.targets
        if part.reply is not None:
            named.append(part.reply[1])
    for arguments in named:
        yield from (expr for _, expr in arguments)


def parts(machine: Machine) -> list[Row | Hook]:
    """Everything of a machine that reads, sets and tells: its rows, its entry and exit effects."""
    return [*machine.rows, *machine.enter.values(), *machine.exit.values()]


def unused_names(facts: Facts) -> Iterator[SpecError]:
    """What a machine declares, it uses."""
    machine = facts.machine
    said = parts(machine)
    named = {name for part in said for expr in expressions(part) for name in expr.names}
    named |= {name for part in said for name, _ in part.set}
    events = {row.event for row in machine.rows}
    ports = {event.partition(".")[0] for event in (*events, *machine.serves)}
    ports |= {row.do.port for row in machine.rows if row.do} | {tell.target for part in said for tell in part.tell}
    for variable in machine.variables.values():
        if variable.name not in named:
            key = "shared" if variable.shared else "variables"
            message = f"no row reads or sets the variable {variable.name!r}; drop it"
            yield SpecError(facts.place(key, variable.name), message, "unused-variable")
    for name in machine.events:
        if name not in events:
            yield SpecError(facts.place("events", name), f"no row uses the event {name!r}; drop it", "unused-event")
    for name in machine.ports:
        if name not in ports:
            yield SpecError(facts.place("ports", name), f"no row uses the port {name!r}; drop it", "unused-port")
    for name in machine.siblings:
        if name not in named:
            message = f"no row looks at the machine {name!r}; drop it"
            yield SpecError(facts.place("siblings", name), message, "unused-sibling")


def unused_in_folder(library: Library, machines: Sequence[Machine]) -> list[SpecError]:
    """What the ports and `state.yaml` of a folder declare and none of its machines uses.

    Arguments:
        library: the folder.
        machines: all machines of it.
    """
    used = {use for machine in machines for use in _uses(machine)}
    found: list[SpecError] = []
    for name in library.listed("ports"):
        try:
            document = library.document(f"ports/{name}.yaml")
            if all(name not in machine.ports for machine in machines):
                found.append(document.fail(f"no machine here uses the port {name!r}; drop it", "unused-port"))
            else:
                found += _unused_of_port(name, document.mapping("a port"), used)
        except SpecError as error:
            found.append(error)  # a port that cannot be read is a finding like any other
    return found + list(_unused_state(library, machines))


def _unused_of_port(name: str, top: Mapping[str, Item], used: set[tuple[str, str]]) -> Iterator[SpecError]:
    for section, kind in SECTIONS.items():
        for member, item in _entries(top, section).items():
            if (section, f"{name}.{member}") not in used:
                message = f"no machine here uses the {kind} {name}.{member}; drop it"
                yield item.fail(message, f"unused-{kind}")


def _uses(machine: Machine) -> Iterator[tuple[str, str]]:
    """What a machine uses of its ports, by section."""
    passed = (event for entry in (*machine.ignores, *machine.defers) for event in entry.events)
    yield from (("events", event) for event in (*(row.event for row in machine.rows), *passed))
    yield from (("operations", call) for call in machine.serves)
    yield from (("operations", row.do.name) for row in machine.rows if row.do is not None)
    tells = (tell for part in parts(machine) for tell in part.tell if tell.signal)
    yield from (("signals", f"{tell.target}.{tell.name}") for tell in tells)


def _unused_state(library: Library, machines: Sequence[Machine]) -> Iterator[SpecError]:
    if not library.has("state.yaml"):
        return
    top = library.document("state.yaml").mapping("state.yaml")
    listed = {name for machine in machines for name in machine.variables}
    for name, item in _entries(top, "variables").items():
        if name not in listed:
            yield item.fail(f"no machine here lists the shared variable {name!r}; drop it", "unused-variable")
    times = _entries(top, "parameters")
    waiting = [row.duration or "" for machine in machines for row in machine.rows]
    used: set[str] = set()
    while waiting:
        for name in _NAME.findall(waiting.pop()):
            if name in times and name not in used:
                used.add(name)
                waiting.append(str(times[name].value))
    for name, item in times.items():
        if name not in used:
            yield item.fail(f"no timer here uses the parameter {name!r}; drop it", "unused-parameter")


def _entries(top: Mapping[str, Item], key: str) -> Mapping[str, Item]:
    return top[key].mapping(key) if key in top else {}
