"""Two versions of a machine in one picture: what is new in green, what is no more in red, what is otherwise in amber.

A picture is made of one machine, so the two become one: the new one with what only the old one has. A row that leads
elsewhere now is drawn twice, thick as it is and dashed as it was.

Left out: groups that only the old one has; their rows leave from each of their states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve

from fsm.compare.changes import CHANGED, REMOVED, Change, inner
from fsm.language.edges import source
from fsm.language.spec import Machine, Row
from fsm.pictures.focus import Focus
from fsm.pictures.picture import Picture, picture

BEFORE = " (before)"
STATED = ("state", "ignore", "defer")


def painted(old: Machine, new: Machine, found: Sequence[Change]) -> Picture:
    """The picture of two versions of a machine.

    Arguments:
        old, new: the versions.
        found: the differences between them (`fsm.compare.changes`).
    """
    rows = {change.name: change for change in found if change.kind == "row"}
    tones = {f"{new.name}.{name}": change.sign for name, change in rows.items()}
    gone = list(_gone(old, new, rows))
    tones |= {row.id: "before" if row.id.endswith(BEFORE) else REMOVED for row in gone}
    both = _both(old, new, gone)
    return picture(both, Focus(changed=tones | _states(found, both)))


def _gone(old: Machine, new: Machine, rows: Mapping[str, Change]) -> Iterator[Row]:
    """The rows as they were, of which the picture of the new machine has none."""
    for row in old.rows:
        change = rows.get(inner(row.id))
        if change is None or not (change.sign == REMOVED or any(part == "to" for part, _, _ in change.parts)):
            continue
        mark, start = BEFORE if change.sign == CHANGED else "", source(row)
        place, known = inner(row.id), {*new.states, *old.states, *new.groups, "*"}
        for each in (start,) if start in known else row.sources:
            yield evolve(row, id=f"{new.name}.{each}{place[len(start) :]}{mark}")


def _both(old: Machine, new: Machine, gone: Sequence[Row]) -> Machine:
    """The new machine with what only the old one has."""
    lost = [name for name in old.states if name not in new.states]
    groups = {
        name: (*leaves, *(state for state in lost if state in old.groups.get(name, ())))
        for name, leaves in new.groups.items()
    }
    return evolve(
        new,
        states=(*new.states, *lost),
        groups=groups,
        final=(*new.final, *(name for name in old.final if name in lost)),
        rows=(*new.rows, *gone),
        ports={**old.ports, **new.ports},
        variables={**old.variables, **new.variables},
        serves={**old.serves, **new.serves},
        enter={**{name: hook for name, hook in old.enter.items() if name in lost}, **new.enter},
        exit={**{name: hook for name, hook in old.exit.items() if name in lost}, **new.exit},
    )


def _states(found: Sequence[Change], both: Machine) -> dict[str, str]:
    """What became of states: one in which an event is ignored or deferred now, or no more, is changed."""
    tones: dict[str, str] = {}
    for change in found:
        name = change.name.partition("/")[0]
        if change.kind in STATED and name in both.states:
            sign = change.sign if change.kind == "state" else CHANGED
            tones[name] = sign if change.kind == "state" else tones.get(name, sign)
    return tones
