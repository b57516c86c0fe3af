"""How many one-place mutants of the shipped machines `fsm check` alone catches.

    tools/bench mutants [MACHINE ...] [--survivors]

The figures of all machines are recorded in fsm/checks/rules.yaml and stand on the page of the rules.

A mutant is a machine's file with one place changed, by one of the operators below, at every place where the operator
applies: a row as it is written is one place, whatever number of states and events it stands for. It is killed where the
loader refuses it or a check of the machine, or of the machines together, finds something. Nothing is explored and no
trace is played: what survives here is for `fsm verify` and the scenarios.

Some mutants are as good as the original (a `why` that is dropped is not among the operators, but a row that goes where
another goes too may be); they count as survivors. All is deterministic; there are no samples.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from fsm.checks.check import check, check_node
from fsm.checks.unused import unused_in_folder
from fsm.errors import Place, SpecError
from fsm.language.document import Item
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import specs
from tools.benches import Row

Plain = dict[str, Any]
Change = tuple[str, str, Plain]
"""The operator, the place in words, the machine's file as plain data."""


@frozen
class Vocabulary:
    """What the operators choose from: the leaf states and groups of a machine, and the outcomes of its ports."""

    states: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    outcomes: Mapping[str, tuple[str, ...]]

    def other(self, event: str) -> str | None:
        """Another outcome of the same port, or the other joined one; None for what is no outcome."""
        if event in ("all_ok", "some_failed"):
            return "some_failed" if event == "all_ok" else "all_ok"
        own = self.outcomes.get(event.partition(".")[0], ())
        return own[(own.index(event) + 1) % len(own)] if event in own and len(own) > 1 else None


def listed(value: Any) -> list[Any]:
    """What may be written as one value or as a list, as a list."""
    return list(value) if isinstance(value, list) else [value]


def drop_row(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """The row is not there."""
    yield None


def negate_guard(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """The row fires where it should not, and not where it should."""
    if "if" in row and row["if"] != "else":
        yield {**row, "if": f"not ({row['if']})"}


def drop_guard(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """The row always fires."""
    if "if" in row:
        yield {key: value for key, value in row.items() if key != "if"}


def retarget(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """The row leads to another state, or stays."""
    yield from ({**row, "to": state} for state in (*words.states, "same") if state != row["to"])


def drop_do(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """The operation is not started."""
    if "do" in row:
        yield {key: value for key, value in row.items() if key != "do"}


def drop_set(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """One variable is not set."""
    for name in row.get("set", {}):
        yield {**row, "set": {key: value for key, value in row["set"].items() if key != name}}


def drop_tell(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """One machine or port is not told."""
    told = listed(row["tell"]) if "tell" in row else []
    for index in range(len(told)):
        kept = told[:index] + told[index + 1 :]
        yield {key: value for key, value in row.items() if key != "tell"} | ({"tell": kept} if kept else {})


def drop_reply(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """The call is not answered."""
    if "reply" in row:
        yield {key: value for key, value in row.items() if key != "reply"}


def change_outcome(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """The row is for another outcome."""
    events = listed(row["on"]) if "on" in row else []
    for index, event in enumerate(events):
        if (other := words.other(event)) is not None:
            yield {**row, "on": [*events[:index], other, *events[index + 1 :]]}


def change_duration(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """The timer runs twice as long."""
    if "after" in row:
        yield {**row, "after": f"2*({row['after']})"}


def change_scope(row: Plain, words: Vocabulary) -> Iterator[Plain | None]:
    """The row is for one state less of a group, or for the whole group of its state."""
    for name, leaves in words.groups.items():
        if row["from"] == name:
            yield {**row, "from": list(leaves[:-1])}
        elif row["from"] in leaves:
            yield {**row, "from": name}


ROWS: dict[str, Callable[[Plain, Vocabulary], Iterator[Plain | None]]] = {
    "drop a row": drop_row,
    "negate a guard": negate_guard,
    "drop a guard": drop_guard,
    "retarget a row": retarget,
    "drop a do": drop_do,
    "drop a set": drop_set,
    "drop a tell": drop_tell,
    "drop a reply": drop_reply,
    "change an outcome": change_outcome,
    "change a duration": change_duration,
    "change a scope": change_scope,
}
OPERATORS = (*ROWS, "swap with else", "drop an ignore", "change a store")


def mutants(top: Plain, words: Vocabulary) -> Iterator[Change]:
    """Every mutant of a machine's file."""
    for operator, change in ROWS.items():
        for index, row in enumerate(top["rows"]):
            for number, mutant in enumerate(change(row, words)):
                rows = [*top["rows"][:index], *([mutant] if mutant is not None else []), *top["rows"][index + 1 :]]
                yield operator, f"row {index + 1}, {number + 1}", {**top, "rows": rows}
    yield from _swapped(top)
    for key, names in (("ignore", "on"), ("defer", "on")):
        for index, entry in enumerate(top.get(key, [])):
            events = listed(entry[names])
            for event in events:
                kept = [{**entry, names: [other for other in events if other != event]}] if len(events) > 1 else []
                changed = [*top[key][:index], *kept, *top[key][index + 1 :]]
                yield "drop an ignore", f"{key} {index + 1}, {event}", {**top, key: changed}
    for name, said in top.get("variables", {}).items():
        for store in ("memory", "host", "pool"):
            if store != said["store"]:
                yield "change a store", f"{name}: {store}", _with(top, "variables", name, {**said, "store": store})


def _with(top: Plain, key: str, name: str, value: Any) -> Plain:
    return {**top, key: {**top[key], name: value}}


def _swapped(top: Plain) -> Iterator[Change]:
    """A row and the `else` of its event change places."""
    rows = top["rows"]
    for index, row in enumerate(rows):
        for other, twin in enumerate(rows):
            same = all(row.get(key) == twin.get(key) for key in ("from", "on", "after"))
            if same and row.get("if") == "else" and twin.get("if") not in (None, "else"):
                changed = list(rows)
                labels = [{key: r[key] for key in ("label",) if key in r} for r in (row, twin)]
                bare = [{key: value for key, value in r.items() if key != "label"} for r in (row, twin)]
                changed[index] = {**bare[0], "if": twin["if"], **labels[1]}
                changed[other] = {**bare[1], "if": "else", **labels[0]}
                yield "swap with else", f"rows {other + 1} and {index + 1}", {**top, "rows": changed}


def item(plain: Any, at: Place) -> Item:
    """Plain data as a document, all of it at one place."""
    if isinstance(plain, dict):
        return Item({key: item(value, at) for key, value in plain.items()}, at)
    return Item([item(value, at) for value in plain] if isinstance(plain, list) else plain, at)


@define
class Judge:
    """Says which mutants of the machines of a folder are killed."""

    documents: dict[str, Item] = field(factory=dict)
    machines: dict[str, Machine] = field(factory=dict)

    @classmethod
    def of_shipped(cls) -> Judge:
        """The shipped specs, read once."""
        library = Library(specs())
        found = cls()
        found.machines = {name: library.machine(name) for name in library.names()}
        paths = [f"{kind}/{name}.yaml" for kind in ("machines", "ports") for name in library.listed(kind)]
        found.documents = {path: library.document(path) for path in (*paths, "state.yaml")}
        return found

    def changes(self, name: str) -> Iterator[Change]:
        """Every mutant of one machine."""
        machine = self.machines[name]
        outcomes = {
            port.name: tuple(
                dict.fromkeys(f"{port.name}.{o}" for operation in port.operations.values() for o in operation.outcomes)
            )
            for port in machine.ports.values()
        }
        plain = self.documents[f"machines/{name}.yaml"].plain()
        return mutants(plain, Vocabulary(machine.states, machine.groups, outcomes))

    def kills(self, name: str, mutant: Plain) -> bool:
        """Whether loading or checking finds something."""
        path = f"machines/{name}.yaml"
        library = Library.of({**self.documents, path: item(mutant, self.documents[path].at)})
        try:
            machine = library.machine(name)
        except SpecError:
            return True
        if check(machine, library):
            return True
        together = [machine if other == name else self.machines[other] for other in self.machines]
        return bool(check_node(together) or unused_in_folder(library, together))

    def count(self, name: str, survived: list[str] | None = None) -> Counter[tuple[str, bool]]:
        """How many mutants of a machine there are, by operator and whether they are killed."""
        counted: Counter[tuple[str, bool]] = Counter()
        for operator, where, mutant in self.changes(name):
            killed = self.kills(name, mutant)
            counted[operator, killed] += 1
            if survived is not None and not killed:
                survived.append(f"{name}: {operator}: {where}")
        return counted


def rows(arguments: Sequence[str]) -> Iterator[Row]:
    """The share that is killed, for each machine, each operator and in total; the value is the number killed."""
    judge = Judge.of_shipped()
    parser = argparse.ArgumentParser(prog="tools/bench mutants")
    parser.add_argument("machines", nargs="*", metavar="MACHINE", help="shipped machines; all by default")
    parser.add_argument("--survivors", action="store_true", help="name on stderr what is not killed")
    args = parser.parse_args(arguments)
    total: Counter[tuple[str, bool]] = Counter()
    survived: list[str] = []
    for name in args.machines or judge.machines:
        if name not in judge.machines:
            parser.error(f"there is no machine {name!r}; there are {', '.join(judge.machines)}")
        counted = judge.count(name, survived)
        total += counted
        yield _row(name, *_both(counted))
    for operator in OPERATORS:
        yield _row(operator, total[operator, True], total[operator, False])
    yield _row("all", *_both(total))
    if args.survivors:
        print(*survived, sep="\n", file=sys.stderr)


def _both(counted: Counter[tuple[str, bool]]) -> tuple[int, int]:
    """How many are killed, and how many survive."""
    killed = sum(count for (_, dead), count in counted.items() if dead)
    return killed, sum(counted.values()) - killed


def _row(name: str, killed: int, survived: int) -> Row:
    return Row(name, killed, f"of {killed + survived}", round(killed / max(1, killed + survived), 3))
