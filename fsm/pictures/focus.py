"""What of a machine a picture shows, and what it points out.

Five ways to look at a machine that is too large for one look: the neighbourhood of a state or group; some kinds of
edges hidden; a path highlighted, with the rest aside in grey; the rows that a test run never fired, dashed; what is
different from another version of it (`fsm.compare`). A path is named by its rows, or is read from what tells of a run:
a journal, a golden trace, or a counterexample.

Left out: the order of a path. A row that fires twice is one edge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.language.edges import KINDS, kind, source
from fsm.language.spec import Machine, Row


@frozen
class Focus:
    """What is shown, and how.

    Arguments:
        near: a state or group; only its rows are shown, and the states at their other ends.
        hidden: kinds of edges that are not shown.
        path: ids of rows that stand out; None where there is no path.
        fired: how often a test run fired each row, by its id; a row that is not there never fired. None without a run.
        changed: what became of rows, by id, and of states, by name: added, removed, changed, or before (how a row was
            that is drawn as it is now besides); what is not there is as it was. None where nothing is compared.
    """

    near: str | None = None
    hidden: frozenset[str] = frozenset()
    path: frozenset[str] | None = None
    fired: Mapping[str, int] | None = None
    changed: Mapping[str, str] | None = None

    def shows(self, machine: Machine, row: Row) -> bool:
        """Whether a row is in the picture."""
        leaves = self._leaves(machine)
        near = bool(leaves.intersection(row.sources)) or row.target in leaves
        return near and kind(machine, row) not in self.hidden

    def needs(self, machine: Machine, state: str, rows: Iterable[Row]) -> bool:
        """Whether a leaf state is in the picture, given the rows that are."""
        return state in self._leaves(machine) or any(state in (row.target, source(row)) for row in rows)

    def tone(self, machine: Machine, row: Row) -> str:
        """What a row is drawn as: its kind, or what a comparison, a test run (fired, missed) or a path makes of it."""
        if self.changed is not None:
            return self.changed.get(row.id, "aside")
        if self.fired is not None:
            return "fired" if self.fired.get(row.id) else "missed"
        return kind(machine, row) if self.path is None or row.id in self.path else "aside"

    def stroke(self, row: Row) -> str:
        """How the edge of a row is drawn: thick on the path, dashed where a test run missed it, else plain; of two
        versions, thick what is new, dashed what is no more."""
        if self.changed is not None:
            return CHANGES[self.changed.get(row.id, "")][0]
        if self.fired is not None:
            return "plain" if self.fired.get(row.id) else "dashed"
        return "thick" if self.path is not None and row.id in self.path else "plain"

    def count(self, row: Row) -> str:
        """How often a test run fired the row, for a label; empty without a run."""
        return "" if self.fired is None else f" ×{self.fired.get(row.id, 0)}"

    def sign(self, row: Row) -> str:
        """What stands before the row on a label, for those who see no colours; empty where nothing is compared."""
        return "" if self.changed is None else CHANGES[self.changed.get(row.id, "")][1]

    def _leaves(self, machine: Machine) -> frozenset[str]:
        if self.near is None:
            return frozenset(machine.states)
        return frozenset(machine.groups.get(self.near, (self.near,)))


WHOLE = Focus()
CHANGES = {
    "": ("plain", ""),
    "added": ("thick", "+ "),
    "removed": ("dashed", "− "),
    "changed": ("thick", "~ "),
    "before": ("dashed", "~ "),
}
"""For what became of a row (nothing: "") the stroke of its edge and its sign."""
UNKNOWN = "unknown-name"


def near(machine: Machine, name: str) -> str:
    """A state or group of the machine. Errors: `SpecError` with the rule unknown-name."""
    known = {*machine.states, *machine.groups}
    if name not in known:
        raise SpecError(
            Place("--near"), f"{machine.name} has no state or group {name!r}{suggest(name, known)}", UNKNOWN
        )
    return name


def kinds(names: str) -> frozenset[str]:
    """Kinds of edges, from names with commas between them. Errors: `SpecError` with the rule unknown-name."""
    for name in names.split(","):
        if name not in KINDS:
            raise SpecError(Place("--hide"), f"there is no kind of edge {name!r}{suggest(name, KINDS)}", UNKNOWN)
    return frozenset(names.split(","))


def path(machine: Machine, names: str) -> frozenset[str]:
    """Ids of rows, from ids with commas between them; the machine's name may be left out.

    Errors: `SpecError` with the rule unknown-name."""
    ids = [name if name.startswith(f"{machine.name}.") else f"{machine.name}.{name}" for name in names.split(",")]
    return _known(machine, ids, "--path", "")


def journey(machine: Machine, file: Path) -> frozenset[str]:
    """Ids of the machine's rows that fired in a run, as its journal, golden trace or counterexample says.

    Errors: `OSError`; `SpecError` for a file that names no row of the machine, or one that it has not."""
    found: list[str] = []
    for line in _text(file).splitlines():
        found += _journaled(machine, line) if line.startswith("{") else _traced(machine, line)
    if not found:
        raise SpecError(
            Place(str(file)), f"no row of {machine.name} fires in it; is it a journal or a trace?", "no-rows"
        )
    return _known(machine, found, str(file), "; was it written with another version of the machine?")


def coverage(machine: Machine, file: Path) -> dict[str, int]:
    """How often a test run fired each row of the machine.

    Arguments:
        file: JSON, `{"machines": {"MACHINE": {"fired": {"MACHINE.STATE/EVENT": 3}}}}`, as pytest writes it when it is
            asked to by `--fsm-cover-json=FILE`.
    Errors: `OSError`; `SpecError` for a file that is something else, or names a row that the machine has not.
    """
    place = Place(str(file))
    try:
        said = json.loads(_text(file))
    except (ValueError, RecursionError) as error:
        raise SpecError(place, f"is no JSON: {error}", "coverage-shape") from None
    for key in ("machines", machine.name, "fired"):
        said = said.get(key) if isinstance(said, dict) else None
    if not isinstance(said, dict) or not all(type(count) is int and count >= 0 for count in said.values()):
        message = f"says nothing of {machine.name}; it is written by pytest --fsm-cover=… --fsm-cover-json={file}"
        raise SpecError(place, message, "coverage-shape")
    _known(machine, list(said), str(file), "; was it written with another version of the machine?")
    return said


def _journaled(machine: Machine, line: str) -> list[str]:
    """The machine's row on a line of a journal; a line that is torn says nothing."""
    try:
        row = json.loads(line).get("row")
    except (ValueError, RecursionError):
        return []
    return [row] if isinstance(row, str) and row.startswith(f"{machine.name}.") else []


def _traced(machine: Machine, line: str) -> list[str]:
    """The machine's row on a line of a trace, as in `host 0: election idle -> proposing  election.idle/master_lost`,
    or without a host in a trace of one node."""
    name = re.escape(machine.name)
    who = rf"(?:\bhost \d+: .*?|^ *{name}(?:\[[^\]]*\])? \w+(?: -> \w+)? +)"
    match = re.search(rf"{who}(?<![\w.])({name}\.[\w*]+/[^\s(\]]+)", line)
    if match is None:
        return []
    whole = [row.id for row in machine.rows if line.startswith(row.id, match.start(1))]
    return [max(whole, key=len, default=match[1])]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SpecError(Place(str(file)), "is no text in UTF-8", "encoding") from None


def _known(machine: Machine, ids: Sequence[str], place: str, remedy: str) -> frozenset[str]:
    """Ids that the machine has, all of them. Errors: `SpecError`."""
    known = [row.id for row in machine.rows]
    for name in ids:
        if name not in known:
            raise SpecError(
                Place(place), f"{machine.name} has no row {name!r}{remedy or suggest(name, known)}", UNKNOWN
            )
    return frozenset(ids)
