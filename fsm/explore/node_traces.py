"""Golden traces of one node without a world: what came to it is said by the trace, what it did stands below.

    machine door
    ----
    ok

    send door.push(force=2)
    ----
    door closed -> releasing                          door.closed/push(force=2)  door.pushed := 2
    do lock.release

    outcome door.lock.jammed(of="rust")
    ----
    door releasing -> closed                          door.releasing/lock.jammed(of=rust)
    signal lock.complain(of="rust")

Commands.
    machine NAME... [, host ME of N] [, PARAMETER = KEY...]   the machines of one host, from their beginning
    send MACHINE.EVENT(FIELD=VALUE, ...) [as CALL]            an event or a served call comes from outside
    outcome MACHINE.PORT.OUTCOME(FIELD=VALUE, ...)            the operation that the machine waits for ends
    timer MACHINE.after                                       a timer that runs is over
Each of the last three may end in `reading PORT.OUTCOME(...), ...`: what the instant operations of the turn answer, in
the order in which they are asked. Values are written as in specs, those of opaque fields as JSON. A payload may end in
`...`: fields that are not written are false, nobody, none, or the first value there is.

Below a command stand the rows that fired, then timers that start, signals, replies and operations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from fsm.engine.node import Node
from fsm.engine.turn import Effects, Event, Fired, Operation, Refused, Turn
from fsm.errors import BadValues, Place, SpecError
from fsm.language.document import suggest
from fsm.language.domains import Domain, Value
from fsm.language.load import Library
from fsm.language.spec import Do, Fields, Machine
from fsm.search.trace import show

VERBS = ("machine", "send", "outcome", "timer")
ROW_COLUMN = 50
Answer = tuple[str, str, Mapping[str, Value]]
"""The machine that asked, `port.outcome` and the payload of an instant operation, as turns record it."""

_HOST = re.compile(r"host (\d+) of (\d+)")
_EVENT = re.compile(r"(?P<machine>[a-z]\w*(?:\[[^\]]*\])?)\.(?P<event>after(?: \w+)?|[\w.]+)")
_ANSWER = re.compile(r"[\w.]+")
_FIELD = re.compile(r"(\w+)=")
_SET = re.compile(r"\{((?:\d+(?:, )?)*)\}")
_VALUE = re.compile(r"\{[^}]*\}|[^,()\s]+")


def row_line(prefix: str, fired: Fired) -> str:
    """One row that fired: where, from what to what, its id with the payload, what it set."""
    way = fired.source if fired.target == fired.source else f"{fired.source} -> {fired.target}"
    shown = ", ".join(f"{name}={show(value)}" for name, value in fired.payload.items())
    text = f"{f'{prefix}{fired.machine} {way}':<{ROW_COLUMN}} {fired.row}" + (f"({shown})" if shown else "")
    return text + "".join(f"  {name} := {show(value)}" for name, value in fired.set.items())


def written(values: Mapping[str, Value], fields: Fields) -> str:
    """`(field=value, ...)` such that it can be read again, where JSON can carry what is opaque; or nothing."""
    shown = [f"{name}={_value(value, fields.get(name))}" for name, value in values.items()]
    return f"({', '.join(shown)})" if shown else ""


def _value(value: Value, domain: Domain | None) -> str:
    if domain is not None and domain.kind != "opaque":
        return show(value)
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(repr(value))


def _first(domain: Domain, n: int) -> Value:
    """What a field is that a trace does not write: none where that is possible."""
    if domain.kind == "opaque" or domain.optional:
        return None
    return frozenset[int]() if domain.kind == "hosts" else next(iter(domain.values(n)))


def opening(node: Node) -> str:
    """The command that makes a node."""
    clauses = [" ".join(machine.name for machine in node.machines)]
    clauses += [f"host {node.me} of {node.n}"] if node.n > 1 else []
    used = {machine.instance for machine in node.machines}
    clauses += [f"{name} = {' '.join(keys)}" for name, keys in node.instances.items() if name in used]
    return f"machine {', '.join(clauses)}"


def command(node: Node, local: tuple[Any, ...], event: Event, reads: Sequence[Answer] = ()) -> str:
    """The command that brings an event to a node that stands in `local`."""
    verb = "outcome" if event.name in awaited(node, local, event.machine) else "send"
    verb = "timer" if (event.machine, event.name) in node.timers(local) else verb
    fields = node.layout.payload(node.layout.instances[event.machine][0], event.name) or {}
    text = f"{verb} {event.machine}.{event.name}{written(event.payload, fields)}"
    text += f" as {event.call}" if event.call is not None else ""
    answers = [f"{name}{written(payload, _fields(node, asker, name))}" for asker, name, payload in reads]
    return text + (f" reading {', '.join(answers)}" if answers else "")


def _fields(node: Node, machine: str, answer: str) -> Fields:
    return node.layout.instances[machine][0].outcome_fields(answer) or {}


def endings(machine: Machine, do: Do) -> tuple[str, ...]:
    """The events that may end an operation: a fan-out ends in `all_ok` or `some_failed`, a call to one host may be
    `lost`."""
    if do.joined:
        return "all_ok", "some_failed"
    declared = machine.ports[do.port].operations[do.operation]
    return tuple(dict.fromkeys(f"{do.port}.{name}" for name in (*declared.outcomes, *["lost"] * declared.to_host)))


def awaited(node: Node, local: tuple[Any, ...], name: str) -> tuple[str, ...]:
    """The events that may end the operation that a machine of a node waits for; none where it waits for nothing."""
    machine = node.layout.instances[name][0]
    do = machine.pending(node.state(local, name))
    return endings(machine, do) if do is not None else ()


def output(node: Node, turn: Turn) -> list[str]:
    """What stands below a command: what came of it."""
    if turn.refused is not None:
        return [f"REFUSED: {turn.refused}"]
    lines = [row_line("", fired) for fired in turn.fired] or ["no row fires"]
    return [*lines, *_effects(node, turn.effects)]


def _effects(node: Node, effects: Effects) -> Iterator[str]:
    ports = {name: port for machine in node.machines for name, port in machine.ports.items()}
    for timer in effects.timers:
        if timer.seconds is not None:
            yield f"timer {timer.machine}.{timer.event} in {timer.seconds:g} s"
    for signal in effects.signals:
        yield f"signal {signal.port}.{signal.name}{written(signal.arguments, ports[signal.port].signals[signal.name])}"
    for reply in effects.replies:
        yield f"reply {reply.call} {reply.outcome}{written(reply.payload, {})}"
    for do in effects.operations:
        fields = ports[do.port].operations[do.name].arguments
        to = "" if do.targets is None else f" to {show(frozenset(do.targets))}"
        yield f"do {do.port}.{do.name}{written(do.arguments, fields)}{to}"


@frozen
class Asked:
    """A command as it was read: the event, and what instant operations answer."""

    event: Event
    reads: tuple[tuple[str, Mapping[str, Value]], ...]


@define(eq=False)
class NodePlayer:
    """Plays the commands of a trace on one node. `rows` takes the ids of the rows that fire.

    Errors of its methods: `SpecError` at the place that they are given."""

    node: Node
    rows: set[str]
    local: tuple[Any, ...] = field(init=False)
    pool: tuple[Any, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.local, self.pool = self.node.boot(), self.node.pool()

    @classmethod
    def opened(cls, text: str, root: Path, at: Place, rows: set[str]) -> NodePlayer:
        """The player of `machine TEXT`, with specs from the folder `root`."""
        first, *clauses = [clause.strip() for clause in text.split(",")]
        library, me, n, instances = Library(root), 0, 1, dict[str, tuple[str, ...]]()
        for clause in clauses:
            name, equals, keys = clause.partition("=")
            if match := _HOST.fullmatch(clause):
                me, n = int(match[1]), int(match[2])
            elif equals and keys.split():
                instances[name.strip()] = tuple(keys.split())
            else:
                raise SpecError(at, "write 'machine NAME..., host ME of N, PARAMETER = KEY...'", "bad-command")
        for name in first.split() or [""]:
            if name not in library.names():
                raise SpecError(at, f"there is no machine {name!r}{suggest(name, library.names())}", "unknown-name")
        try:
            machines = [library.machine(name) for name in first.split()]
            return cls(Node(machines, me, n, instances, library.parameters()), rows)
        except BadValues as error:
            raise SpecError(at, str(error), "bad-command") from None

    def run(self, verb: str, rest: str, at: Place) -> list[str]:
        """The output of `send`, `outcome` or `timer`."""
        asked = _Reader(self.node, rest, at).asked()
        event, answers = asked.event, list(asked.reads)
        running = self.node.timers(self.local)
        if verb == "outcome" and event.name not in (known := awaited(self.node, self.local, event.machine)):
            waits = f"an end by {', '.join(known)}" if known else "nothing"
            raise SpecError(at, f"{event.machine} waits for {waits}; {event.name} cannot come now", "impossible")
        if verb == "timer" and (event.machine, event.name) not in running:
            known = tuple(f"{machine}.{name}" for machine, name in running)
            message = (
                f"the timer {event.machine}.{event.name} does not run; those that do: {', '.join(known) or 'none'}"
            )
            raise SpecError(at, message, "impossible")

        def read(operation: Operation) -> tuple[str, Mapping[str, Value]]:
            if not answers:
                raise Refused(f"{operation.port}.{operation.name} is asked; say what it answers behind 'reading'")
            name, payload = answers.pop(0)
            return name.partition(".")[2], payload

        turn = self.node.step(self.local, self.pool, event, read)
        self.local, self.pool = turn.local, turn.pool
        self.rows.update(fired.row for fired in turn.fired)
        if answers and turn.refused is None:
            raise SpecError(at, f"nothing asks for {answers[0][0]}; leave it out", "impossible")
        return output(self.node, turn)


@define(eq=False)
class _Reader:
    """Reads `MACHINE.EVENT(...) [as CALL] [reading ANSWER, ...]` from left to right."""

    node: Node
    text: str
    at: Place
    here: int = 0

    def asked(self) -> Asked:
        match = self.taken(_EVENT, "MACHINE.EVENT")
        machine, name = match["machine"], match["event"]
        instances = self.node.layout.instances
        if machine not in instances:
            raise SpecError(
                self.at, f"no machine here is called {machine!r}{suggest(machine, instances)}", "unknown-name"
            )
        fields = self.node.layout.payload(instances[machine][0], name)
        if fields is None and name.startswith("after "):  # the next word was no group, as in 'after reading'
            self.here -= len(name) - len("after")
            name, fields = "after", self.node.layout.payload(instances[machine][0], "after")
        if fields is None:
            raise SpecError(self.at, f"{machine} knows no event {name!r}", "unknown-event")
        payload = self.values(fields)
        call = self.taken(re.compile(r"\S+"), "a call")[0] if self.word(" as ") else None
        reads: list[tuple[str, Mapping[str, Value]]] = []
        if self.word(" reading "):
            while not reads or self.word(", "):
                answer = self.taken(_ANSWER, "PORT.OUTCOME")[0]
                reads.append((answer, self.values(self.answer_fields(answer))))
        if self.here < len(self.text):
            raise SpecError(self.at, f"nothing is known of {self.text[self.here :]!r} here", "bad-command")
        return Asked(Event(machine, name, payload, call), tuple(reads))

    def answer_fields(self, answer: str) -> Fields:
        for machine in self.node.machines:
            if (fields := machine.outcome_fields(answer)) is not None:
                return fields
        raise SpecError(self.at, f"no port here answers {answer!r}", "unknown-event")

    def word(self, word: str) -> bool:
        """Takes a word that may stand here."""
        found = self.text.startswith(word, self.here)
        self.here += len(word) if found else 0
        return found

    def taken(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        match = pattern.match(self.text, self.here)
        if match is None:
            raise SpecError(self.at, f"{what} is missing before {self.text[self.here :]!r}", "bad-command")
        self.here = match.end()
        return match

    def values(self, fields: Fields) -> dict[str, Value]:
        """The payload in brackets; none without brackets. The node itself refuses one that is not whole."""
        values: dict[str, Value] = {}
        if self.word("("):
            while not values or self.word(", "):
                if self.word("..."):
                    values = {name: _first(domain, self.node.n) for name, domain in fields.items()} | values
                    break
                name = self.taken(_FIELD, "FIELD=VALUE")[1]
                if name not in fields:
                    raise SpecError(self.at, f"there is no field {name!r}{suggest(name, fields)}", "unknown-name")
                values[name] = self.value(fields[name])
            if not self.word(")"):
                raise SpecError(self.at, f"')' is missing before {self.text[self.here :]!r}", "bad-command")
        return values

    def value(self, domain: Domain) -> Value:
        if domain.kind == "opaque":
            try:
                value, self.here = json.JSONDecoder().raw_decode(self.text, self.here)
            except ValueError:
                message = f"an opaque value is written as JSON, not as {self.text[self.here :]!r}"
                raise SpecError(self.at, message, "bad-value") from None
            return value
        if domain.kind == "hosts" and (match := _SET.match(self.text, self.here)):
            self.here = match.end()
            return frozenset(int(host) for host in match[1].split(",") if host)
        known = {show(value): value for value in domain.values(self.node.n)} if domain.kind != "hosts" else {}
        text = next((k for k in sorted(known, key=len, reverse=True) if self.text.startswith(k, self.here)), None)
        if text is None:
            said = self.taken(_VALUE, "a value")[0]
            raise SpecError(self.at, f"{said} is no {domain} of {self.node.n} hosts", "bad-value")
        self.here += len(text)
        return known[text]
