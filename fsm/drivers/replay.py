"""Replaying a journal: every event from outside goes through `step` again, and everything must come out the same.

A journal that replays proves that what ran is what the specs say, row by row. One whose machines have another digest
is refused at once: it tells of other specs. The reader's rules about tears are those of `fsm.drivers.journal`.

Refused events are refused again, but not for the same words: a payload that was outside its domain is in the journal
only as text. Times are not compared; nothing in a node depends on them.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from fsm.drivers.journal import FORMAT, digests, plain, plain_operation, plain_turn
from fsm.drivers.resume import resume
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation
from fsm.errors import Place, SpecError
from fsm.language.domains import Value

NO_HEADER = "no line of it is a header, with which every life of a node begins; name a journal, or a golden trace"


@frozen
class Divergence:
    """Where a journal and the specs disagree: what the specs give (`expected`) and what the journal says (`got`).

    `where` names the machine and the row of the line as the specs give it, or the event where no row is known."""

    line: int
    where: str
    what: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        said = f"the specs give {_shown(self.expected)}, the journal says {_shown(self.got)}"
        return f"{self.where}: {self.what}: {said}"


@frozen
class Replayed:
    """What came of a replay.

    Fields:
        lives, turns, rows: how much was replayed without divergence.
        torn: numbers of the lines at which a life was cut off in the middle of a write.
        divergence: the first one; None when there is none.
    """

    lives: int
    turns: int
    rows: int
    torn: tuple[int, ...]
    divergence: Divergence | None


def replay(lines: Iterable[str], specs: Path, name: str = "journal") -> Replayed:
    """Replay a journal.

    Arguments:
        lines: of the journal, with or without their ends.
        specs: the folder with `machines/`, `ports/` and `state.yaml`.
        name: of the journal, for messages.
    Errors: `SpecError` where the journal cannot be read (place: its line), has no header, is of other specs, or the
        specs are broken.
    """
    run = _Replay(specs, name)
    try:
        for number, said in run.read(lines):
            run.take(number, said)
        run.end_of_life()
    except _Diverged as diverged:
        return run.result(diverged.divergence)
    if not run.lives:
        raise run.fail(1, f"this is no journal: {NO_HEADER}")
    return run.result(None)


class _Diverged(Exception):
    def __init__(self, line: int, where: Mapping[str, Any], what: str, expected: Any, got: Any) -> None:
        super().__init__(what)
        self.divergence = Divergence(line, _where(where), what, expected, got)


class _OtherRead(Exception):
    """The step asks an instant operation that the journal did not see asked."""


@define(eq=False)
class _Replay:
    specs: Path
    name: str
    node: Node | None = None
    header: dict[str, Any] = field(factory=dict)
    local: tuple[Any, ...] = ()
    pool: tuple[Any, ...] = ()
    lives: int = 0
    turn: int = 0
    row: int = 0
    turns: int = 0
    rows: int = 0
    torn: list[int] = field(factory=list)
    awaited: deque[dict[str, Any]] = field(factory=deque)
    last: int = 0

    def result(self, divergence: Divergence | None) -> Replayed:
        return Replayed(self.lives, self.turns, self.rows, tuple(self.torn), divergence)

    def fail(self, line: int, message: str) -> SpecError:
        return SpecError(Place(self.name, line), message, "journal")

    def read(self, lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The objects of the lines. What is none may stand before a header or at the end."""
        torn: int | None = None
        for number, text in enumerate(lines, start=1):
            try:
                said = json.loads(text)
            except (ValueError, RecursionError):
                said = None
            if torn is not None and not (isinstance(said, dict) and "journal" in said):
                if self.node is None:
                    raise self.fail(1, f"this is no journal: {NO_HEADER}")
                raise self.fail(torn, "this is no JSON object, and no life ends here: the journal is damaged")
            torn = None
            if isinstance(said, dict):
                yield number, said
            else:
                torn = number
                self.torn.append(number)

    def take(self, number: int, said: dict[str, Any]) -> None:
        try:
            if "journal" in said:
                self.end_of_life()
                self.begin(number, said)
            elif self.node is None:
                raise self.fail(number, "a journal begins with its header; this one has lost it")
            elif self.awaited:
                self.compare(number, said)
            elif "outside" in said:
                self.step(self.node, number, said)
            elif "pool" in said:
                self.pool = self.node.pool(said["pool"])
            elif "failed" not in said:
                raise _Diverged(number, said, "the line", "the first line of a turn", said)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise self.fail(number, f"this is no line of a journal ({type(error).__name__}: {error})") from None
        self.last = number

    def end_of_life(self) -> None:
        """A death may have cut the lines of the last turn."""
        if self.awaited and self.last + 1 not in self.torn:
            self.torn.append(self.last)
        self.awaited.clear()

    def begin(self, number: int, said: dict[str, Any]) -> None:
        if said["journal"] != FORMAT:
            raise self.fail(number, f"this journal has format {said['journal']!r}, not {FORMAT}; use its own version")
        shape = {key: said[key] for key in ("me", "n", "machines", "instances", "parameters")}
        if self.node is None or shape != {key: self.header.get(key) for key in shape}:
            instances = {parameter: tuple(keys) for parameter, keys in said["instances"].items()}
            self.node = Node.load(self.specs, said["machines"], said["me"], said["n"], instances, said["parameters"])
        for machine, ours in digests(self.node).items():
            theirs = said["digests"].get(machine)
            if theirs != ours:
                message = f"the machine {machine!r} was {theirs} when this was written, here it is {ours}"
                raise self.fail(number, f"{message}; replay with the specs of that time: fsm replay SPEC JOURNAL")
        self.header, self.turn, self.row = said, 0, 0
        self.local, self.pool = self.node.boot(said["host"]), self.node.pool(said["pool"])
        if "snapshot" in said:
            resumed = resume(self.node, said["snapshot"])
            self.local, self.pool = resumed.local, resumed.pool
        self.lives += 1

    def step(self, node: Node, number: int, said: dict[str, Any]) -> None:
        """A turn begins: steps its event, and knows then which lines must follow."""
        event = decode(node, said["outside"])
        unread = deque(said["reads"])
        reads: list[tuple[Operation, str, Mapping[str, Value]]] = []

        def read(operation: Operation) -> tuple[str, Mapping[str, Value]]:
            asked = plain_operation(operation)
            if not unread or unread[0][0] != _json(asked):
                raise _OtherRead(asked)
            _, outcome, payload = unread.popleft()
            fields = node.layout.payload(node.layout.instances[operation.machine][0], f"{operation.port}.{outcome}")
            answer = _decode_payload(fields or {}, payload)
            reads.append((operation, outcome, answer))
            return outcome, answer

        try:
            turn = node.step(self.local, self.pool, event, read)
        except _OtherRead as other:
            raise _Diverged(number, said, "reads", other.args[0], unread[0][0] if unread else None) from None
        self.turn += 1
        lines = [{"turn": self.turn, **line} for line in plain_turn(node, event, turn, reads)]
        if "refused" in lines[0] and "refused" in said:
            lines[0] = {**said, "turn": self.turn}
        for line in lines:
            if "row" in line:
                self.row += 1
                line["n"] = self.row
        self.local, self.pool = turn.local, turn.pool
        self.turns += 1
        self.awaited.extend(_json(line) for line in lines)
        self.compare(number, said)

    def compare(self, number: int, said: Mapping[str, Any]) -> None:
        expected = self.awaited.popleft()
        for key in [*expected, *said]:
            if key != "time" and _differs(expected.get(key), said.get(key)):
                raise _Diverged(number, expected, key, expected.get(key), said.get(key))
        self.rows += "row" in expected


def decode(node: Node, said: Mapping[str, Any]) -> Event:
    """The event that `journal.plain_event` wrote. Errors: `KeyError`, `TypeError` for what it did not write."""
    found = node.layout.instances.get(said["machine"])
    fields = (found and node.layout.payload(found[0], said["name"])) or {}
    return Event(said["machine"], said["name"], _decode_payload(fields, said["payload"]), said["call"])


def _decode_payload(fields: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, Value]:
    return {name: fields[name].from_json(value) if name in fields else value for name, value in payload.items()}


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _differs(expected: Any, got: Any) -> bool:
    """Whether two JSON values differ; True is not 1, and a NaN that was carried through is the same."""
    return json.dumps(expected, sort_keys=True) != json.dumps(got, sort_keys=True)


def _where(line: Mapping[str, Any]) -> str:
    """The machine and the row of a line; the event, where no row fired; nothing for a line that is of no turn."""
    if "row" in line:
        return f"{line['machine']}, row {line['row']}"
    outside = line.get("outside")
    return f"{outside['machine']}, event {outside['name']}" if isinstance(outside, Mapping) else "between turns"


def _shown(value: Any) -> str:
    text = json.dumps(plain(value))
    return text if len(text) <= 200 else f"{text[:197]}..."
