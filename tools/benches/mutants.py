"""How many one-place mutants of the shipped machines `fsm check` alone catches.

    tools/bench mutants [MACHINE ...] [--survivors]

The figures of all machines are recorded in fsm/checks/rules.yaml and stand on the page of the rules.

A mutant is a machine's file with one place changed, by one of the operators of `fsm.mutation.operators`. It is killed
where the loader refuses it or a check of the machine, or of the machines together, finds something. Nothing is explored
and no trace is played: what survives here is for `fsm mutate` and the scenarios.

Some mutants are as good as the original (a `why` that is dropped is not among the operators, but a row that goes where
another goes too may be); they count as survivors. All is deterministic; there are no samples.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from attrs import define, field

from fsm.checks.check import check, check_node
from fsm.checks.unused import unused_in_folder
from fsm.errors import SpecError
from fsm.language.document import Item
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import specs
from fsm.mutation.operators import OPERATORS, Change, Plain, Vocabulary, item, mutants
from tools.benches import Row


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
        plain = self.documents[f"machines/{name}.yaml"].plain()
        return mutants(plain, Vocabulary.of(machine))

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
        for change in self.changes(name):
            killed = self.kills(name, change.plain)
            counted[change.operator, killed] += 1
            if survived is not None and not killed:
                survived.append(f"{name}: {change.operator}: {change.key} {change.index + 1}: {change.what}")
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
