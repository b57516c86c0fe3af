"""The journal of a node: what happened to it and what it did about it, one JSON object a line.

    {"journal": 1, "node": "h1", "me": 0, "n": 3, "machines": […], "instances": {…}, "parameters": {…},
     "digests": {…}, "host": {…}, "pool": {…}, "time": …}                  a life of the node begins: it has booted,
                                                                           or goes on from the state in "snapshot": {…}
    {"n": 1, "turn": 1, "time": …, "machine": "election", "row": "election.idle/master_lost", "from": "idle",
     "event": "master_lost", "payload": {}, "to": "proposing", "set": {}, "why": "…", "digest": "…",
     "outside": {"machine": …, "name": …, "payload": {…}, "call": null}, "rows": 2, "reads": […], "effects": {…}}
    {"turn": 2, …, "outside": {…}, "rows": 0, …}                           an event that no row fired for
    {"turn": 3, "time": …, "refused": "why", "outside": {…}, "reads": […]} an event that changed nothing
    {"time": …, "pool": {…}}                                               pool variables came in from outside
    {"time": …, "failed": "why"}                                           the driver gave up, closed

Rules.
- One line for each row that fired. The first line of a turn also carries what a replay needs: the event from outside,
  what instant operations answered (`reads`), how many rows there are, and what was asked of the world (`effects`).
- A turn is one write, after its variables were made durable and before anything of it can be seen elsewhere: what is
  in a journal was committed, and whatever others have seen of this node is in its journal, up to the kernel's keeping.
- A restarted node writes on into the same file, beginning with a new header: several lives, one journal.
- A line that is torn, by a death in the middle of a write, may stand at the end of a life. Nowhere else.
- Variables and payloads are written as their domains say. An opaque value is written as it is if JSON can carry it,
  else as its `repr`; so is a refused payload that lies outside its domain.

Left out: fsync. The journal is evidence and no state: nothing is ever recovered from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field

from fsm.drivers.snapshot import snapshot
from fsm.engine.node import Node
from fsm.engine.turn import Effects, Event, Fired, Operation, Turn
from fsm.language.domains import Value

LARGE = 2**64
"""A number of this size may have more digits than Python writes."""

FORMAT = 1
"""Version of the lines; another one is refused by the reader."""

Read = tuple[Operation, str, Mapping[str, Value]]
"""An instant operation with its outcome and payload."""


def plain(value: Value) -> Any:
    """A value of any domain as JSON can carry it: sets of hosts as sorted lists, what JSON does not know as `repr`."""
    if value is None or isinstance(value, bool | str) or (type(value) is int and -LARGE < value < LARGE):
        return value
    if isinstance(value, frozenset) and all(type(member) is int for member in value):
        return sorted(value)
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return _described(value)
    return value


def _described(value: Value) -> str:
    """The `repr` of a value, or of what it is where it has none: no event may keep the journal from being written."""
    try:
        return repr(value)
    except Exception:
        return object.__repr__(value)


def plain_all(values: Mapping[str, Value]) -> dict[str, Any]:
    """`plain` of each value."""
    return {name: plain(value) for name, value in values.items()}


def plain_event(node: Node, event: Event) -> dict[str, Any]:
    """An event as JSON. A field outside its domain becomes its `repr`, so that it cannot come back as a valid one."""
    found = node.layout.instances.get(event.machine)
    fields = (found and node.layout.payload(found[0], event.name)) or {}
    payload = {
        str(name): plain(value) if name not in fields or fields[name].holds(value, node.n) else _described(value)
        for name, value in event.payload.items()
    }
    return {"machine": event.machine, "name": event.name, "payload": payload, "call": event.call}


def plain_row(node: Node, fired: Fired) -> dict[str, Any]:
    """A row that fired as JSON: what a line says of it besides its numbers and its time."""
    return {
        "machine": fired.machine,
        "row": fired.row,
        "from": fired.source,
        "event": fired.event,
        "payload": plain_all(fired.payload),
        "to": fired.target,
        "set": plain_all(fired.set),
        "why": fired.why,
        "digest": digest(node, fired.machine),
    }


def digest(node: Node, machine: str) -> str:
    """The digest of the text of a machine, by the name of an instance."""
    return node.layout.instances[machine][0].digest


def digests(node: Node) -> dict[str, str]:
    """The digest of each machine of a node, by the name of its spec."""
    return {machine.name: machine.digest for machine in node.machines}


def plain_operation(operation: Operation) -> dict[str, Any]:
    """An operation as JSON."""
    return {
        "machine": operation.machine,
        "do": f"{operation.port}.{operation.name}",
        "arguments": plain_all(operation.arguments),
        "targets": None if operation.targets is None else list(operation.targets),
        "joined": operation.joined,
    }


def plain_effects(effects: Effects) -> dict[str, Any]:
    """What a turn wants done as JSON, in the order of doing; what is empty is left out."""
    said: dict[str, Any] = {
        "host": plain_all(effects.host),
        "pool": plain_all(effects.pool),
        "timers": [[timer.machine, timer.scope, timer.seconds] for timer in effects.timers],
        "signals": [[f"{signal.port}.{signal.name}", plain_all(signal.arguments)] for signal in effects.signals],
        "replies": [[reply.call, reply.outcome, plain_all(reply.payload)] for reply in effects.replies],
        "operations": [plain_operation(operation) for operation in effects.operations],
        "abandoned": list(effects.abandoned),
    }
    return {name: value for name, value in said.items() if value}


def plain_reads(reads: Sequence[Read]) -> list[Any]:
    """What instant operations were asked and answered, as JSON."""
    return [[plain_operation(asked), outcome, plain_all(payload)] for asked, outcome, payload in reads]


def plain_turn(node: Node, event: Event, turn: Turn, reads: Sequence[Read]) -> list[dict[str, Any]]:
    """The lines of a turn without numbers and time: one for each row, at least one."""
    if turn.refused is not None:
        return [{"refused": turn.refused, **_outside(node, event, reads)}]
    return plain_rows(node, event, turn.fired, turn.effects, reads)


def plain_rows(
    node: Node, event: Event, fired: Sequence[Fired], effects: Effects, reads: Sequence[Read]
) -> list[dict[str, Any]]:
    """The lines of a turn that was not refused."""
    lines = [plain_row(node, one) for one in fired]
    first = {**_outside(node, event, reads), "rows": len(lines), "effects": plain_effects(effects)}
    return [{**lines[0], **first}, *lines[1:]] if lines else [first]


def _outside(node: Node, event: Event, reads: Sequence[Read]) -> dict[str, Any]:
    return {"outside": plain_event(node, event), "reads": plain_reads(reads)}


class Records(Protocol):
    """Where a driver writes what happened: a `Journal`, or `fsm.drivers.steps.Steps`. An exception ends the driver."""

    def begin(self, node: Node, name: str, local: tuple[Any, ...], pool: tuple[Any, ...], time: float) -> None:
        """A life begins in this state."""

    def turn(self, node: Node, time: float, event: Event, turn: Turn, reads: Sequence[Read] = ()) -> None:
        """An event from outside, whatever came of it."""

    def pool(self, node: Node, time: float, pool: tuple[Any, ...]) -> None:
        """Pool variables came in from outside."""

    def failed(self, time: float, reason: str) -> None:
        """The driver gives up."""


@define(eq=False)
class Journal:
    """Writes a journal.

    Arguments:
        write: takes the bytes of whole lines and keeps them, all or with a tear at the end. It may raise OSError.
        close: gives up what `write` uses.
    """

    write: Callable[[bytes], object]
    close: Callable[[], object] = lambda: None
    _turn: int = field(default=0, init=False)
    _row: int = field(default=0, init=False)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """A journal in a file, which is made or written on. Errors: `OSError`."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            os.write(fd, b"\n")  # what an earlier life left torn must not swallow our header
        return cls(lambda data: _write_whole(fd, data), lambda: os.close(fd))

    def begin(self, node: Node, name: str, local: tuple[Any, ...], pool: tuple[Any, ...], time: float) -> None:
        """A life begins.

        Arguments:
            node, name: the machines, and the name of the host they are of.
            local, pool: the state to begin in; after booting, its host and pool variables are written, else all of it.
            time: seconds, as in every line.
        """
        self._turn = self._row = 0
        layout = node.layout
        host = {variable: plain(local[slot]) for variable, slot in layout.host_slots.items()}
        said = {
            "journal": FORMAT,
            "node": name,
            "me": node.me,
            "n": node.n,
            "machines": [machine.name for machine in node.machines],
            "instances": {parameter: list(keys) for parameter, keys in node.instances.items()},
            "parameters": dict(node.parameters),
            "digests": digests(node),
            "host": host,
            "pool": {variable: plain(pool[slot]) for variable, slot in layout.pool_slots.items()},
            "time": _seconds(time),
        }
        if local != node.boot({variable: local[slot] for variable, slot in layout.host_slots.items()}):
            said["snapshot"] = snapshot(node, local, pool)
        self._append(said)

    def turn(self, node: Node, time: float, event: Event, turn: Turn, reads: Sequence[Read] = ()) -> None:
        """An event from outside, whatever came of it. `reads` are the answers of instant operations, in order."""
        self.add(time, plain_turn(node, event, turn, reads))

    def add(self, time: float, lines: Sequence[Mapping[str, Any]]) -> None:
        """A turn, as the lines that `plain_turn` makes of it."""
        self._turn += 1
        numbered = []
        for line in lines:
            numbers = {"turn": self._turn, "time": _seconds(time)}
            if "row" in line:
                self._row += 1
                numbers = {"n": self._row, **numbers}
            numbered.append({**numbers, **line})
        self._append(*numbered)

    def pool(self, node: Node, time: float, pool: tuple[Any, ...]) -> None:
        """Pool variables came in from outside: all their values."""
        values = {variable: plain(pool[slot]) for variable, slot in node.layout.pool_slots.items()}
        self._append({"time": _seconds(time), "pool": values})

    def failed(self, time: float, reason: str) -> None:
        """The driver gives up."""
        self._append({"time": _seconds(time), "failed": reason})

    def _append(self, *lines: Mapping[str, Any]) -> None:
        self.write("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode())


def _seconds(time: float) -> float:
    return round(time, 6)


def _write_whole(fd: int, data: bytes) -> None:
    """One write; a disk that is full takes a part and says no to the rest."""
    while data:
        data = data[os.write(fd, data) :]
