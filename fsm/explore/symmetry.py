"""Which hosts and VMs of a system are interchangeable, and what their permutations make of a state.

A world that has interchangeable hosts says so:

    fixed = frozenset({0})                          # hosts, and names of instances, that it tells apart; may be missing

    def permuted(self, w, to):                      # the world under other names (`fsm.explore.renaming.Renaming`)
        return evolve(w, down=to.hosts_of(w.down), calls=w.calls.renamed(to))

Exchanged are hosts that are not fixed, and names of instances (`instances: {vm: [v, w]}`), those of one parameter with
each other. A name that two parameters have stays, and so does one that a formula names outside of a quantifier.

What the world says is not believed: every answer that a search uses is compared (`fsm.explore.answers`). Formulas are
looked at as they are written: no host has a name in them, so that only `lowest` orders hosts.

What need not be symmetric: the beginning, for a state and its permutation have permuted futures whichever of them is
reached; and fairness, for what rests on it is decided without symmetry. Faults, budgets and orders of an operator are
the same for all hosts.

All permutations are gone through by exchanges of neighbours: each is the one before with two neighbours exchanged
(Steinhaus, Johnson, Trotter), so that nothing but exchanges is ever computed.

Left out: symmetries that are no permutations of all these hosts, such as a ring that may be turned.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import factorial, prod
from typing import Any, Protocol, runtime_checkable

from attrs import frozen

from fsm.errors import Place, SpecError
from fsm.explore.checked_joint import CheckedJoint
from fsm.explore.joint import Joint, JointState
from fsm.explore.quantifiers import plain
from fsm.explore.renaming import Renaming
from fsm.explore.system import System

MOST = 5040
"""Permutations of one state that are ever made: those of seven hosts."""


@runtime_checkable
class Interchanging(Protocol):
    """What a world offers besides `fsm.explore.world.World`."""

    def permuted(self, w: Any, to: Renaming) -> Any:
        """A world under other names. Asked for an exchange of two hosts, or of two names."""


@frozen(eq=False)
class Symmetry:
    """The permutations of a system.

    Arguments:
        exchanges: of two neighbours each.
        tour: indices of exchanges: done one after the other, they lead through all permutations but the first.
        joint: the system, all answers of which are compared.
    """

    exchanges: tuple[Renaming, ...]
    tour: tuple[int, ...]
    joint: CheckedJoint

    @classmethod
    def of(cls, system: System, joint: Joint) -> Symmetry:
        """That of a system. Errors: `SpecError` (not-symmetric; too-large)."""
        called, world = system.world.value, joint.world
        if not isinstance(world, Interchanging):
            message = f"{called} does not say what a world is with its hosts in another order: it has no permuted()"
            raise SpecError(system.world.at, f"{message}; explore without symmetry", "not-symmetric")
        orbits = _orbits(system, joint, frozenset(getattr(world, "fixed", ())))
        layout, everybody = joint.nodes[0].layout, tuple(range(joint.n))
        exchanges = []
        for orbit in orbits:
            for one, other in pairwise(orbit):
                swap = {one: other, other: one}
                hosts = tuple(swap.get(host, host) for host in everybody)
                exchanges.append(Renaming(hosts, {k: v for k, v in swap.items() if isinstance(k, str)}, layout))
        number = prod(factorial(len(orbit)) for orbit in orbits)
        if number > MOST:
            message = f"{system.name} has {number} permutations of hosts and instances, of which {MOST} are tried"
            raise SpecError(system.at, f"{message}; take fewer, or explore without symmetry", "too-large")
        indices = tuple(tour([len(orbit) for orbit in orbits]))
        return cls(tuple(exchanges), indices, CheckedJoint(system, exchanges, indices))

    def images(self, state: JointState) -> Iterator[JointState]:
        """What a state becomes under every permutation, itself first."""
        yield state
        for index in self.tour:
            state = self.exchanged(self.exchanges[index], state)
            yield state

    def exchanged(self, to: Renaming, state: JointState) -> JointState:
        """A state under other names."""
        locals_ = to.by_host(map(to.local, state.locals))
        return JointState(locals_, to.pool(state.pool), self.joint.checked.permuted(state.world, to), state.budgets)

    def believed(self) -> Symmetry:
        """Itself, as long as no answer has told hosts apart. Errors: `SpecError` (not-symmetric)."""
        if self.joint.questions.failure is not None:
            raise self.joint.questions.failure
        return self


def tour(sizes: Sequence[int]) -> Iterator[int]:
    """Exchanges that lead through all permutations of some orders of these sizes, each permuted for itself.

    Exchange i of an order is that of its members i and i + 1; those of the orders are numbered one after the other."""
    if not sizes:
        return
    others, first = list(tour(sizes[:-1])), sum(size - 1 for size in sizes[:-1])
    yield from others
    for index in plain_changes(sizes[-1]):
        yield first + index
        yield from others


def plain_changes(size: int) -> Iterator[int]:
    """The exchanges of neighbours, i with i + 1, that lead through all orders of `size` things."""
    if size < 2:
        return
    yield from range(size - 2, -1, -1)
    for turn, index in enumerate(plain_changes(size - 1)):
        yield index + 1 - turn % 2
        yield from range(size - 1) if turn % 2 == 0 else range(size - 2, -1, -1)


def _orbits(system: System, joint: Joint, fixed: frozenset[Any]) -> list[list[Any]]:
    """Hosts, and names of each parameter, that may be exchanged with each other; at least two each."""
    hosts = [host for host in range(joint.n) if host not in fixed]
    named = frozenset(_named(system, joint))
    keys = [key for keys in system.instances.values() for key in keys]
    names = [
        [key for key in keys_ if key not in fixed | named and keys.count(key) == 1]
        for keys_ in system.instances.values()
    ]
    every: list[list[Any]] = [hosts, *names]
    orbits = [orbit for orbit in every if len(orbit) > 1]
    if not orbits:
        message = f"{system.name} has no two hosts or instances that may be exchanged"
        if fixed:
            message += f": {system.world.value} tells {', '.join(map(str, sorted(fixed, key=str)))} apart"
        raise SpecError(system.world.at, f"{message}; explore without symmetry", "not-symmetric")
    if len(hosts) > 1:
        for text, at in _formulas(system):
            if any(isinstance(node, ast.Name) and node.id == "lowest" for node in ast.walk(_tree(text))):
                message = f"lowest() in {text!r} tells hosts apart, so they are not interchangeable"
                raise SpecError(at, f"{message}; explore without symmetry", "not-symmetric")
    return orbits


def _formulas(system: System) -> Iterator[tuple[str, Place]]:
    for condition in system.sets:
        yield condition.text, condition.at
    for promised in system.properties:
        yield from ((text, promised.at) for text in (promised.text, promised.goal, promised.needs) if text)


def _tree(text: str) -> ast.expr:
    return ast.parse(text.strip(), mode="eval").body


def _named(system: System, joint: Joint) -> Iterator[str]:
    """Names of instances that formulas name outside of a quantifier."""
    layout = joint.nodes[0].layout
    words: dict[str, str] = {}
    for name, (machine, key) in layout.instances.items():
        if key is not None:
            words |= {key: key, plain(name): key}
            words |= {plain(f"{name}.{variable}"): key for variable in machine.variables}
    words |= {f"next_{word}": key for word, key in words.items()}
    for text, _ in _formulas(system):
        yield from (words[word] for word in _free(_tree(text), frozenset()) if word in words)


def _free(node: ast.AST, bound: frozenset[str]) -> Iterator[str]:
    """The names in a formula that no quantifier around them binds."""
    if isinstance(node, ast.Name) and node.id not in bound and node.id.removeprefix("next_") not in bound:
        yield node.id
    if isinstance(node, ast.GeneratorExp):
        for one in node.generators:
            yield from _free(one.iter, bound)
            bound |= {one.target.id} if isinstance(one.target, ast.Name) else set()
            for condition in one.ifs:
                yield from _free(condition, bound)
        yield from _free(node.elt, bound)
        return
    for child in ast.iter_child_nodes(node):
        yield from _free(child, bound)
