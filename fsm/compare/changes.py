"""What is different between two versions of a spec, by the names that its parts keep: rows by their ids, others by kind
and name.

Every spec is described as *entries*: for each (kind, name) its parts as texts, for the row `election.idle/master_lost`
its guard, target, do and so on. Two descriptions are compared entry by entry and part by part, so that layout, comments
and the order of lines are no change. Nor are essays, which promise nothing that a machine keeps; a `why` is one, for
operators are told it.

- A machine is described as it is loaded, so that two ways to write one thing are one. Its name is left out of the ids
  of rows: a machine may be compared with one of another name.
- A row for a group is not changed where the group is: that is said of the group.
- Any other spec (system, model, port, what machines share) is described as it is written.

Left out: guesses. A row that was renamed is one removed and one added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from fsm.language.document import Item
from fsm.language.edges import condition
from fsm.language.expressions import Expr
from fsm.language.spec import Fields, Hook, Ignore, Machine, Row, Tell

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
Entries = Mapping[tuple[str, str], Mapping[str, str]]
"""For each (kind, name) its parts."""
SINGULAR = {
    "states": "state", "variables": "variable", "events": "event", "properties": "property", "actions": "action",
    "machines": "machine", "faults": "fault", "operator": "order of an operator", "sets": "set", "fair": "fairness",
    "settings": "setting", "indices": "index", "parameters": "parameter", "operations": "operation",
    "signals": "signal", "instances": "instances of", "host": "initially on a host", "pool": "initially in the pool",
}  # fmt: skip
"""What one entry of a section is called; that of another section is called as the section is."""
WHY = "why"
"""The part that is prose: it changes what people are told, and no behaviour."""
NO_CHANGE = ("language", "essay", "system", "model", "port")
"""Sections that are prose, or what the document is called."""


@frozen
class Change:
    """One difference.

    Arguments:
        sign: added, removed or changed.
        kind: row, state, variable, property, …
        name: its name; of a row its id without the machine.
        parts: (part, before, after) of every part that differs, "" where there is none.
    """

    sign: str
    kind: str
    name: str
    parts: tuple[tuple[str, str, str], ...] = ()


def changes(old: Entries, new: Entries) -> tuple[Change, ...]:
    """The differences between two descriptions, in the order of the new one; what is removed stands behind what was
    before it in the old one."""
    order, behind = list(new), -1
    for key in old:
        behind = order.index(key) if key in new else behind + 1
        if key not in new:
            order.insert(behind, key)
    return tuple(change for key in order if (change := _change(key, old.get(key), new.get(key))) is not None)


def _change(key: tuple[str, str], before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> Change | None:
    sign = ADDED if before is None else REMOVED if after is None else CHANGED
    was, now = before or {}, after or {}
    names = dict.fromkeys([*now, *was])
    parts = tuple((name, was.get(name, ""), now.get(name, "")) for name in names if was.get(name) != now.get(name))
    return Change(sign, *key, parts) if parts or sign != CHANGED else None


def of_machine(machine: Machine) -> Entries:
    """A machine as entries."""
    entries: dict[tuple[str, str], Mapping[str, str]] = {("head", ""): _whole(machine)}
    entries |= {("group", name): _spare({"states": ", ".join(g), **_hooks(machine, name)})
                for name, g in machine.groups.items()}  # fmt: skip
    entries |= {("state", name): _spare({"final": "yes" if name in machine.final else "", **_hooks(machine, name)})
                for name in machine.states}  # fmt: skip
    for v in machine.variables.values():
        entries["variable", v.name] = {"type": str(v.domain), "store": v.store, "initial": text(v.initial),
                                       "why": v.why}  # fmt: skip
    entries |= {("event", name): _spare({"payload": _fields(fields)}) for name, fields in machine.events.items()}
    entries |= {("call served", call): _spare({"cancelled by": ", ".join(s.cancelled_by)})
                for call, s in machine.serves.items()}  # fmt: skip
    entries |= {("row", inner(row.id)): _row(row) for row in machine.rows}
    for word, passed in (("ignore", machine.ignores), ("defer", machine.defers)):
        entries |= {(word, f"{where}/{event}"): {"why": each.why}
                    for each in passed for where in _where(machine, each) for event in each.events}  # fmt: skip
    return entries


def inner(row: str) -> str:
    """The id of a row without the name of its machine."""
    return row.partition(".")[2]


def of_document(document: Item) -> Entries:
    """Any other spec as entries, by its sections."""
    entries: dict[tuple[str, str], Mapping[str, str]] = {}
    for section, item in document.mapping("a spec").items():
        if section in NO_CHANGE:
            continue
        kind, value = SINGULAR.get(section, section), item.value
        if isinstance(value, dict):
            entries |= {(kind, name): _parts(child.plain()) for name, child in value.items()}
        elif isinstance(value, list):
            entries |= _listed(kind, [child.plain() for child in value])
        else:
            entries[section, ""] = {"": text(value)}
    return entries


def text(value: Any) -> str:
    """A value on one line, as specs write it."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, frozenset):
        return f"{{{', '.join(map(str, sorted(value)))}}}"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return " ".join(str(value).split())


def _parts(value: Any) -> Mapping[str, str]:
    return {name: text(each) for name, each in value.items()} if isinstance(value, dict) else {"": text(value)}


def _listed(kind: str, values: Sequence[Any]) -> Entries:
    """A list: an entry that is a mapping is named by its first value, the second of a name is `NAME (2)`."""
    entries, seen = {}, Counter[str]()
    for value in values:
        first, *others = value.items() if isinstance(value, dict) and value else [("", value)]
        name = text(first[1])
        seen[name] += 1
        name += f" ({seen[name]})" if seen[name] > 1 else ""
        entries[kind, name] = {part: text(each) for part, each in others}
    return entries


def _whole(machine: Machine) -> Mapping[str, str]:
    return _spare(
        {
            "initial": machine.initial,
            "one for each": machine.instance or "",
            "ports": ", ".join(machine.ports),
            "siblings": ", ".join(machine.siblings),
        }
    )


def _row(row: Row) -> Mapping[str, str]:
    """The parts of a row; where it leaves from, the event and the label are its id."""
    reply = None if row.reply is None else f"{row.reply[0]}{_arguments(row.reply[1])}"
    return _spare(
        {
            "guard": condition(row),
            "after": row.duration or "",
            "to": row.target,
            "do": row.do.text if row.do else "",
            "set": _updates(row.set),
            "tell": _tells(row.tell),
            "reply": reply or "",
            "why": row.why,
        }
    )


def _hooks(machine: Machine, name: str) -> Mapping[str, str]:
    """What is done on entry and exit, and why."""
    return {
        word: _hook(hooks[name]) for word, hooks in (("enter", machine.enter), ("exit", machine.exit)) if name in hooks
    }


def _hook(hook: Hook) -> str:
    return "; ".join(filter(None, (_updates(hook.set), _tells(hook.tell), hook.why)))


def _updates(updates: Iterable[tuple[str, Expr]]) -> str:
    return ", ".join(f"{name} := {expr.text}" for name, expr in updates)


def _arguments(arguments: Sequence[tuple[str, Expr]]) -> str:
    return f"({', '.join(f'{name}={expr.text}' for name, expr in arguments)})" if arguments else ""


def _tells(tells: Iterable[Tell]) -> str:
    return ", ".join(tell.text for tell in tells)


def _fields(fields: Fields) -> str:
    return ", ".join(f"{name}: {domain}" for name, domain in fields.items())


def _where(machine: Machine, passed: Ignore) -> Sequence[str]:
    """The states of an ignore or defer, as one word where one says it."""
    if set(passed.states) == set(machine.states):
        return ("*",)
    group = next((name for name, leaves in machine.groups.items() if set(leaves) == set(passed.states)), None)
    return passed.states if group is None else (group,)


def _spare(parts: Mapping[str, str]) -> Mapping[str, str]:
    """Without the parts that say nothing."""
    return {name: said for name, said in parts.items() if said}
