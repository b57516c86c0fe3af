"""A system of machines, world and faults as a space: what the reference engine walks, state by state.

A state is a `JointState`, its moves are those of `fsm.explore.joint`, and what properties see is an observation
(`fsm.explore.properties`). Groups of moves, for fairness: all outcomes of one operation for one machine of one host are
one group, "daemon.propose of host 1 [election of host 1]"; so is a timer, "timer of monitor at host 0 [monitor of host
0]"; what happens outside of all machines is a group by its label, "host 2 leaves the liveset".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from attrs import define, field

from fsm.errors import Place
from fsm.explore.joint import Joint, JointState
from fsm.explore.pool_step import told
from fsm.explore.properties import Observation, Observer
from fsm.explore.symmetry import Symmetry
from fsm.explore.system import System
from fsm.explore.world import Action
from fsm.language.domains import Value
from fsm.search.fairness import AT_ONCE
from fsm.search.space import Edge, Fairness, Kernel, Property, Told


def group_of(action: Action[Any]) -> str:
    """The group of an action: its label up to a first `: `, which the outcome follows, and the machine that hears."""
    head = action.label.partition(": ")[0] if action.fault is None else action.label
    heard = head if action.event is None else f"{head} [{action.event.machine} of host {action.host}]"
    return heard + AT_ONCE if action.prompt else heard


@define(eq=False)
class PoolSpace:
    """The space of a system.

    Arguments:
        system: the system.
    Errors: `SpecError` where machines, world, initial variables and properties do not fit together.
    """

    system: System
    joint: Joint = field(init=False)
    observer: Observer = field(init=False)
    _symmetry: Symmetry | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.joint = Joint(self.system)
        self.observer = Observer(self.system, self.joint)

    @property
    def name(self) -> str:
        """The name of the system."""
        return self.system.name

    @property
    def at(self) -> Place:
        """The place of the world in the system's file, which is what most complaints are about."""
        return self.observer.world_at

    @property
    def properties(self) -> Sequence[Property]:
        """Those of the system."""
        return self.system.properties

    @property
    def fairness(self) -> Fairness:
        """That of the system."""
        return self.system.fairness

    @cached_property
    def rows(self) -> Sequence[str]:
        """The ids of the rows of all machines."""
        return tuple(row.id for machine in self.system.machines for row in machine.rows)

    @property
    def outside(self) -> bool:
        """Yes: the world."""
        return True

    def initial(self) -> Iterable[JointState]:
        """One state for each initial world."""
        return dict.fromkeys(self.joint.initial())

    def edges(self, state: JointState) -> Iterator[Edge[JointState]]:
        """Every move."""
        for move in self.joint.moves(state):
            action = move.choice.action
            refused = None if move.turn is None else move.turn.refused
            yield Edge(action.label, move.target, group_of(action), action.fault, refused, detail=move)

    def fired(self, edge: Edge[JointState]) -> Iterable[str]:
        """The rows of the turn."""
        return () if edge.detail.turn is None else [fired.row for fired in edge.detail.turn.fired]

    def told(self, edge: Edge[JointState]) -> Told:
        """The rows that fired, what was heard and read."""
        return told(edge.detail)

    def named(self, state: JointState) -> Mapping[str, Value]:
        """Sets, pool variables and facts."""
        return self.observer.named(self.observer.observe(state))

    def whole(self, state: JointState) -> Mapping[str, Mapping[str, Value]]:
        """Machines and variables of every host, variables of the pool, what is left of budgets."""
        return self.joint.whole(state)

    def foreign(self, label: str) -> bool:
        """Whether it is a timer or an order that no host has."""
        return label.startswith(("timer of ", "operator: ")) and label not in self.joint.labels()

    def kernel(self) -> Kernel[JointState]:
        """The same, packed."""
        from fsm.explore.pool_kernel import PoolKernel

        return PoolKernel(self)

    def images(self, state: JointState) -> Iterable[JointState]:
        """Under the permutations of hosts and VMs."""
        return set(self.symmetric().images(state))

    def symmetric(self) -> Symmetry:
        """The permutations; from the first time on every answer of world and machines is compared with those under
        other names (`fsm.explore.answers`). Errors: `SpecError` (not-symmetric; too-large)."""
        if self._symmetry is None:
            self._symmetry = Symmetry.of(self.system, self.joint)
            self.joint = self.observer.joint = self._symmetry.joint
        return self._symmetry.believed()

    def holds(self, property_: Property, part: str, state: JointState, target: JointState | None = None) -> bool:
        """Whether a formula holds."""
        formula = self.observer.part(property_.name, part)
        seen: Observation = self.observer.observe(state)
        return formula.holds(seen, None if target is None else self.observer.observe(target))
