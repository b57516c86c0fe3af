"""What no system reaches, and why: `unreached.yaml` of a folder of specs.

    language: 1
    essay: ...
    unreached:
    - {row: life.starting/daemon.failed/alone, why: "a pool of one host; the systems have two and three"}
    - {state: membership.fencing, why: "..."}

Of a row that no system reaches nothing is proved. That may be right; then it is said here, each with its own reason. An
entry that is reached after all is wrong, and so is one that names nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

from fsm.errors import Place
from fsm.language.document import Item, suggest
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.language.write import UNREACHED_ENTRY_KEYS, UNREACHED_KEYS

FILE = "unreached.yaml"
KINDS = ("row", "state")


@frozen
class Unreached:
    """One entry. kind: row or state; name: its id, MACHINE.STATE/EVENT or MACHINE.STATE."""

    kind: str
    name: str
    why: str
    at: Place


def unreached(root: Path, machines: Iterable[Machine]) -> Mapping[str, Unreached]:
    """The entries of a folder of specs by name; none where it has no such file.

    Arguments:
        root: the folder.
        machines: all of it, which the entries are about.
    Errors: `SpecError`, also for an entry that names nothing or stands twice.
    """
    library = Library(root)
    if not library.has(FILE):
        return {}
    top = library.document(FILE).mapping("unreached.yaml", UNREACHED_KEYS)
    known = {
        "row": {row.id for machine in machines for row in machine.rows},
        "state": {f"{machine.name}.{state}" for machine in machines for state in machine.states},
    }
    found: dict[str, Unreached] = {}
    for item in top["unreached"].sequence("unreached") if "unreached" in top else []:
        entry = _entry(item, known)
        if entry.name in found:
            raise item.fail(f"{entry.name} stands here twice; keep one", "duplicate-name")
        found[entry.name] = entry
    return found


def _entry(item: Item, known: Mapping[str, set[str]]) -> Unreached:
    said = item.mapping("an unreached entry", UNREACHED_ENTRY_KEYS)
    kinds = [kind for kind in KINDS if kind in said]
    if len(kinds) != 1:
        raise item.fail("an entry names either a 'row' or a 'state'", "missing-key")
    if "why" not in said:
        raise item.fail("an entry needs a 'why': what keeps every system from it", "missing-why")
    name = said[kinds[0]].text(f"a {kinds[0]}")
    if name not in known[kinds[0]]:
        message = f"no machine here has the {kinds[0]} {name!r}{suggest(name, known[kinds[0]])}"
        raise said[kinds[0]].fail(message, "unknown-name")
    return Unreached(kinds[0], name, said["why"].why(), item.at)
