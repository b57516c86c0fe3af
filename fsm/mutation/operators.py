"""Mutants of a machine: its file as plain data, with one place changed.

An operator is applied wherever it applies: a row as it is written is one place, whatever number of states and events it
stands for. All is deterministic; there are no samples. Some mutants are as good as the original (a row that goes where
another goes too may be): whoever counts them has to say what becomes of those.

Left out: a durable write that is moved (`fsm.mutation.moved_writes`), for that needs the whole machine; the effects of
entering and leaving a state; and a `why`, which nothing but a reader can check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from fsm.errors import Place
from fsm.language.document import Item
from fsm.language.spec import Machine

Plain = dict[str, Any]


@frozen
class Change:
    """One mutant.

    Arguments:
        operator: what was done.
        key, index: the place: an entry of a list of the file (`rows`, `ignore`, `defer`); -1 where it is no list.
        what: the change in words.
        plain: the file after it.
    """

    operator: str
    key: str
    index: int
    what: str
    plain: Plain


@frozen
class Vocabulary:
    """What the operators choose from: the leaf states and groups of a machine, and the outcomes of its ports."""

    states: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    outcomes: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, machine: Machine) -> Vocabulary:
        """Those of a loaded machine."""
        outcomes = {
            port.name: tuple(
                dict.fromkeys(f"{port.name}.{o}" for operation in port.operations.values() for o in operation.outcomes)
            )
            for port in machine.ports.values()
        }
        return cls(machine.states, machine.groups, outcomes)

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
TIMED = ("change a duration",)
"""Operators whose mutants behave as the original wherever time is left out, as in every exploration."""


def mutants(top: Plain, words: Vocabulary) -> Iterator[Change]:
    """Every mutant of a machine's file, in the order of `OPERATORS`.

    Arguments:
        top: the file as plain data.
        words: what may stand in it.
    """
    for operator, change in ROWS.items():
        for index, row in enumerate(top["rows"]):
            for mutant in change(row, words):
                rows = [*top["rows"][:index], *([mutant] if mutant is not None else []), *top["rows"][index + 1 :]]
                yield Change(operator, "rows", index, difference(row, mutant), {**top, "rows": rows})
    yield from _swapped(top)
    for key, names in (("ignore", "on"), ("defer", "on")):
        for index, entry in enumerate(top.get(key, [])):
            events = listed(entry[names])
            for event in events:
                kept = [{**entry, names: [other for other in events if other != event]}] if len(events) > 1 else []
                changed = [*top[key][:index], *kept, *top[key][index + 1 :]]
                yield Change("drop an ignore", key, index, f"{key} without {event}", {**top, key: changed})
    for name, said in top.get("variables", {}).items():
        for store in ("memory", "host", "pool"):
            if store != said["store"]:
                changed_to = {**top, "variables": {**top["variables"], name: {**said, "store": store}}}
                yield Change("change a store", "variables", -1, f"{name} lies in {store}", changed_to)


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
                yield Change("swap with else", "rows", other, "swaps its guard with the else", {**top, "rows": changed})


def difference(row: Plain, mutant: Plain | None) -> str:
    """What is different in the mutant of a row, in words."""
    if mutant is None:
        return "no such row"
    found = []
    for key in [*row, *(key for key in mutant if key not in row)]:
        if key not in mutant:
            found.append(f"without {key} {_shown(row[key])}")
        elif key == "set" and key in row:
            found += [f"without set {name}" for name in row[key] if name not in mutant[key]]
        elif row.get(key) != mutant[key]:
            found.append(f"{key} {_shown(mutant[key])}" + (f" instead of {_shown(row[key])}" if key in row else ""))
    return ", ".join(found)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(inner)}" for key, inner in value.items()) + "}"
    return f"[{', '.join(map(_shown, value))}]" if isinstance(value, list) else str(value)


def item(plain: Any, at: Place) -> Item:
    """Plain data as a document, all of it at one place."""
    if isinstance(plain, dict):
        return Item({key: item(value, at) for key, value in plain.items()}, at)
    return Item([item(value, at) for value in plain] if isinstance(plain, list) else plain, at)
