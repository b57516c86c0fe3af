"""What of a machine's table a run of tests has seen: its states, its rows, and its pairs of rows.

- A state is covered once a node was stepped while the machine stood in it, or a row passed through it.
- A row is covered once it has fired.
- A pair of rows is covered once the second was the next row that fired in the same machine after the first. The pairs
  that there are: the second may fire in a state that the first leads to, guards left out of account. So some of them
  may be impossible, and a floor of 100 for pairs is seldom right.

Turns are seen where nodes are stepped: while a `Recorder` records, it stands in the place of `Node.step`, and a driver
that is made then takes no way around it. What `may_…` asks is not counted, for it did not happen. Which row fired
before is remembered with the very tuple that the turn gave back, so that many nodes, drivers and walks that branch may
be mixed; a state that a test makes up has no row before it.

A machine is known by its name and digest, so that a changed one of the same name does not count. Left out: processes
that tests start, and drivers that are older than the recorder, such as those that the body of a `conftest.py` makes.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field, frozen

from fsm.engine.node import Node
from fsm.engine.turn import Event, Read, Turn, no_read
from fsm.language.spec import SAME, Machine

KINDS = ("state", "row", "pair")
REMEMBERED = 10_000
"""States of nodes whose last rows are remembered; a walk that comes back to an older one begins anew there."""

Pair = tuple[str, str]
Step = Callable[..., Turn]


def pairs_of(machine: Machine) -> frozenset[Pair]:
    """The pairs of ids of rows of which the second may fire where the first leads to."""
    events = dict.fromkeys(row.event for row in machine.rows)
    leaving = {state: [r.id for e in events for r in machine.candidates(state, e)] for state in machine.states}
    return frozenset(
        (row.id, following)
        for row in machine.rows
        for state in (row.sources if row.target == SAME else (row.target,))
        if row.target != SAME or row in machine.candidates(state, row.event)
        for following in leaving[state]
    )


@frozen
class Covered:
    """What was seen of one machine, out of what there is: `known` and `seen` by kind, in the order of the file."""

    machine: str
    known: Mapping[str, tuple[Any, ...]]
    seen: Mapping[str, frozenset[Any]]
    times: Mapping[str, int]

    def percent(self, kind: str) -> float:
        """How much of a kind was seen, 0 to 100."""
        return 100 * len(self.seen[kind]) / len(self.known[kind]) if self.known[kind] else 100.0

    def missing(self, kind: str) -> list[Any]:
        """What of a kind was not seen."""
        return [one for one in self.known[kind] if one not in self.seen[kind]]

    def to_json(self) -> dict[str, Any]:
        """For each kind how many there are and which are missing, and how often each row fired."""
        kinds = {
            f"{kind}s": {"known": len(self.known[kind]), "seen": len(self.seen[kind]), "missing": self.missing(kind)}
            for kind in KINDS
        }
        return {**kinds, "fired": {row: self.times.get(row, 0) for row in self.known["row"]}}


@define(eq=False)
class Recorder:
    """Records what happens to some machines, wherever nodes are stepped, while it is used as a context.

    >>> from fsm.testing.example import door
    >>> node = door()
    >>> with Recorder(node.machines) as recorder:
    ...     turn = node.step(node.boot(), node.pool(), Event("door", "push", {"force": 1}))
    >>> recorder.covered()[0].seen["row"]
    frozenset({'door.closed/push'})

    Arguments:
        machines: the specs that count.
    """

    machines: Iterable[Machine]
    states: set[tuple[str, str]] = field(factory=set, init=False)
    rows: Counter[tuple[str, str]] = field(factory=Counter, init=False)
    pairs: set[tuple[str, Pair]] = field(factory=set, init=False)
    _digests: dict[str, str] = field(init=False)
    _last: OrderedDict[int, tuple[Any, dict[str, str]]] = field(factory=OrderedDict, init=False)
    _step: Step | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.machines = tuple(self.machines)
        self._digests = {machine.name: machine.digest for machine in self.machines}

    def __enter__(self) -> Recorder:
        inner = self._step = Node.step

        def step(node: Node, local: tuple[Any, ...], pool: tuple[Any, ...], event: Event, read: Read = no_read) -> Turn:
            turn = inner(node, local, pool, event, read)
            self.saw(node, local, turn)
            return turn

        Node.step = step  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._step is not None
        Node.step = self._step  # type: ignore[method-assign]

    def saw(self, node: Node, local: tuple[Any, ...], turn: Turn) -> None:
        """Counts one turn of a node that stood in `local`."""
        known, last = self._last.get(id(local), (None, {}))
        last = dict(last) if known is local else {}
        measured = {
            name: machine.name
            for name, (machine, _) in node.layout.instances.items()
            if self._digests.get(machine.name) == machine.digest
        }
        for name, machine in measured.items():
            self.states.add((machine, node.state(local, name)))
        for fired in turn.fired:
            machine = measured.get(fired.machine, "")
            if not machine:
                continue
            self.states.update([(machine, fired.source), (machine, fired.target)])
            self.rows[machine, fired.row] += 1
            if fired.machine in last:
                self.pairs.add((machine, (last[fired.machine], fired.row)))
            last[fired.machine] = fired.row
        self._last[id(turn.local)] = (turn.local, last)
        self._last.move_to_end(id(turn.local))
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def covered(self) -> list[Covered]:
        """What was seen so far, machine by machine."""
        found = []
        for machine in self.machines:
            known: dict[str, tuple[Any, ...]] = {
                "state": machine.states,
                "row": tuple(row.id for row in machine.rows),
                "pair": tuple(sorted(pairs_of(machine))),
            }
            said: dict[str, set[Any]] = {
                "state": {state for name, state in self.states if name == machine.name},
                "row": {row for name, row in self.rows if name == machine.name},
                "pair": {pair for name, pair in self.pairs if name == machine.name},
            }
            seen = {kind: frozenset(said[kind]) & frozenset(known[kind]) for kind in KINDS}
            times = {row: n for (name, row), n in self.rows.items() if name == machine.name}
            found.append(Covered(machine.name, known, seen, times))
        return found

    def to_wire(self) -> dict[str, Any]:
        """What was seen, as plain values that another process can `add`."""
        rows = [[machine, row, times] for (machine, row), times in self.rows.items()]
        pairs = [[machine, *pair] for machine, pair in self.pairs]
        return {"states": [list(state) for state in self.states], "rows": rows, "pairs": pairs}

    def add(self, wire: Mapping[str, Any]) -> None:
        """Adds what another process has seen."""
        self.states.update((machine, state) for machine, state in wire["states"])
        self.rows.update({(machine, row): times for machine, row, times in wire["rows"]})
        self.pairs.update((machine, (first, second)) for machine, first, second in wire["pairs"])
