"""The mutants of a system: one place of one of its machines changed, or one fault of its world taken away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from fsm.checks.check import check, check_node
from fsm.checks.facts import Facts
from fsm.checks.unused import unused_in_folder
from fsm.errors import SpecError
from fsm.explore.joint import Joint
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import FOLDER, System
from fsm.language.document import Item
from fsm.language.load import Library
from fsm.language.spec import Machine, Row
from fsm.mutation.moved_writes import moved_writes
from fsm.mutation.mutants import Mutant, Refused
from fsm.mutation.operators import TIMED, Change, Vocabulary, item, listed, mutants
from fsm.mutation.untouched import Taken, turns, untouched
from fsm.search.load import load_system
from fsm.search.space import Space

DROP_FAULT = "drop a fault"


@define(eq=False)
class SystemSubject:
    """A system and its mutants.

    Arguments:
        system: the system, with its settings.
        library: the folder of its machines, read.

    `findings` are what the checks say of each machine as it is: only what else they find kills a mutant.
    """

    system: System
    library: Library
    _findings: dict[str, frozenset[tuple[str, str]]] = field(factory=dict, init=False)

    @classmethod
    def load(cls, path: Path, settings: Sequence[tuple[str, str]] = (), without: Sequence[str] = ()) -> SystemSubject:
        """The system in a file; arguments and errors are those of `fsm.search.load.load_space`."""
        folder = path.resolve().parent
        root = folder.parent if folder.name in (FOLDER, "machines") else folder
        return cls(load_system(path, settings, without), Library(root))

    @property
    def name(self) -> str:
        """The name of the system."""
        return self.system.name

    def judged_by(self, names: Sequence[str]) -> SystemSubject:
        """The same with these of its properties alone."""
        kept = tuple(property_ for property_ in self.system.properties if property_.name in names)
        return evolve(self, system=evolve(self.system, properties=kept))

    def original(self) -> Space[Any]:
        """The system's space."""
        return PoolSpace(self.system)

    @cached_property
    def mutants(self) -> Sequence[Mutant]:
        """Those of the machines, in their order, and those of the world."""
        found = [self._named(number, machine, change) for number, (machine, change) in enumerate(self._changes)]
        for kind in self._faults:
            what = f"{kind} never happens"
            found.append(Mutant(len(found), "", (f"fault {kind}",), DROP_FAULT, what, kind))
        return found

    def changed(self, number: int) -> Space[Any] | Refused:
        """The space of a mutant, or what refuses it."""
        mutant = self.mutants[number]
        if mutant.fault is not None:
            kept = {kind: budget for kind, budget in self.system.faults.items() if kind != mutant.fault}
            return PoolSpace(evolve(self.system, faults=kept))
        machine, change = self._changes[number]
        try:
            loaded, found = self._read(machine, item(change.plain, machine.at))
        except SpecError as error:
            return Refused("loader", error.rule)
        if machine.name not in self._findings:
            original = self.library.machine_document(machine.name).plain()
            self._findings[machine.name] = self._read(machine, item(original, machine.at))[1]
        if new := found - self._findings[machine.name]:
            return Refused("check", min(new)[0])
        try:
            return PoolSpace(self.system.with_machine(loaded))
        except SpecError as error:
            return Refused("loader", error.rule)

    def untouched(self, space: Space[Any]) -> bool:
        """Whether every turn in which a changed row would fire comes out the same."""
        assert isinstance(space, PoolSpace)  # `changed` gives no other
        if self.system.faults != space.system.faults:
            return False
        machines = zip(self.system.machines, space.system.machines, strict=True)
        return all(old is new or untouched(old, new, space.joint, self._turns) for old, new in machines)

    @cached_property
    def _turns(self) -> Mapping[str, Sequence[Taken]]:
        return turns(Joint(self.system))

    @cached_property
    def _faults(self) -> Sequence[str]:
        return [kind for kind, budget in self.system.faults.items() if budget != 0]

    @cached_property
    def _changes(self) -> Sequence[tuple[Machine, Change]]:
        return [(machine, change) for machine in self.system.machines for change in self._of(machine)]

    def _of(self, machine: Machine) -> Iterator[Change]:
        """Every mutant of a machine. Time is left out of an exploration, so nothing is done to durations."""
        plain = self.library.machine_document(machine.name).plain()
        yield from (change for change in mutants(plain, Vocabulary.of(machine)) if change.operator not in TIMED)
        yield from moved_writes(plain, Facts(machine, self.library), self._lines(machine))

    def _lines(self, machine: Machine) -> list[tuple[Row, ...]]:
        """For each row of the file as it is written, the rows that it stands for."""
        written = self.library.machine_document(machine.name).mapping("a machine")["rows"].value
        rows = self.library.machine(machine.name).rows
        return [tuple(row for row in rows if row.at == line.value["from"].at) for line in written]

    def _named(self, number: int, machine: Machine, change: Change) -> Mutant:
        if change.key == "rows":
            names = tuple(row.id for row in self._lines(machine)[change.index])
        elif change.index < 0:
            names = (f"{machine.name}, {change.key}",)
        else:
            entry = self.library.machine_document(machine.name).plain()[change.key][change.index]
            names = tuple(f"{machine.name}.{state}, {change.key}" for state in listed(entry["in"]))
        return Mutant(number, machine.name, names, change.operator, change.what)

    def _read(self, machine: Machine, document: Item) -> tuple[Machine, frozenset[tuple[str, str]]]:
        """A machine by another document, and (rule, message) of all that the checks say of it among the others."""
        paths = [f"{kind}/{name}.yaml" for kind in ("machines", "ports") for name in self.library.listed(kind)]
        paths += ["state.yaml"] if self.library.has("state.yaml") else []
        documents = {path: self.library.document(path) for path in paths}
        library = Library.of({**documents, f"machines/{machine.name}.yaml": document})
        loaded = library.machine(machine.name)
        together = [loaded if other.name == loaded.name else other for other in self.system.machines]
        found = [*check(loaded, library), *check_node(together), *unused_in_folder(library, together)]
        return loaded, frozenset((error.rule, error.message) for error in found)
