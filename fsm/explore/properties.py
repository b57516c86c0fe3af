"""What properties may speak of, and properties compiled to functions.

Names. A condition of `sets` speaks of one host, `me`: states of machines by their name (`all_in`, `any_in` or a
quantifier where a machine has instances), shared variables by theirs, a machine's own variables as `machine_variable`,
and all facts of the world. A property speaks of the pool: the sets, the facts of the world, the pool variables. A
`step` property speaks of two states: plain names of the source, `next_name` of the target. Both may speak of all hosts
and VMs (`fsm.explore.quantifiers`).

What a property can see of a state is its *observation*: (sets, pool variables, facts). States outnumber observations by
far, so the checker decides each property once for each observation, and for each pair of them that an edge joins.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from fsm.errors import Place, SpecError
from fsm.explore.joint import Joint, JointState, Local
from fsm.explore.quantifiers import Grounder, plain
from fsm.explore.system import System
from fsm.language.domains import Domain, Value
from fsm.language.expressions import BOOL, HOST, HOSTS, NotOne, compile_source, parse_expression
from fsm.search.space import Property

Facts = tuple[Value, ...]
Observation = tuple[tuple[frozenset[int], ...], tuple[Value, ...], Facts]


@frozen
class Formula:
    """A property as a function: of the observation of a state, or of those of an edge's two ends (`step`)."""

    property: Property
    function: Callable[[Any, Any, Any], Value]

    def holds(self, source: Observation, target: Observation | None = None) -> bool:
        """Whether it holds there. Errors: `SpecError` where the formula has no value."""
        try:
            return bool(self.function(source, target, None))
        except NotOne as error:
            message = f"{self.property.name} has no value in a state that is reached: {error}; test one(…) first"
            raise SpecError(self.property.at, message, "no-value") from None


class Observer:
    """Conditions and properties of a system, compiled.

    Arguments:
        system: the system.
        joint: its nodes and world.
    Errors: `SpecError` for a formula that names nothing, or has no truth value.
    """

    def __init__(self, system: System, joint: Joint) -> None:
        self.joint, self.world_at = joint, system.world.at
        self.facts = dict(joint.world.facts)
        self.sets = tuple(condition.name for condition in system.sets)
        self.sets_at = system.sets[0].at if system.sets else system.at
        layout = joint.nodes[0].layout
        self.pool = tuple(plain(name) for name in layout.pool_slots)
        self._conditions = [[self._condition(c.text, c.at, host) for c in system.sets] for host in range(joint.n)]
        pool = {plain(name): layout.domain(name) for name in layout.pool_slots}
        parts: tuple[Mapping[str, Domain], ...] = (dict.fromkeys(self.sets, HOSTS), pool, self.facts)
        self._scope: dict[str, Domain] = {}
        self._codes: dict[str, str] = {}
        for part, names in enumerate(parts):
            for index, (name, domain) in enumerate(names.items()):
                if name in self._scope:
                    raise SpecError(system.at, f"{name!r} names two things here; rename the set", "duplicate-name")
                self._scope[name], self._codes[name] = domain, f"L[{part}][{index}]"
        self._parts = {
            (property_.name, part): self._formula(property_, part)
            for property_ in system.properties
            for part in ("text", "goal", "needs")
            if getattr(property_, part)
        }
        self.formulas = tuple(self._parts[property_.name, "text"] for property_ in system.properties)

    def facts_of(self, w: Any, world: Any = None) -> Facts:
        """The facts of a world, by another one's word for it if one is given.

        Errors: `SpecError` where the world does not keep to its own domains."""
        values = (world or self.joint.world).state_facts(w)
        for name, domain in self.facts.items():
            if name not in values or not domain.holds(values[name], self.joint.n):
                message = f"the world says that {name!r} is {values.get(name)!r}; it declares {domain}"
                raise SpecError(self.world_at, message, "bad-world")
        return tuple(values[name] for name in self.facts)

    def conditions(self, host: int, local: Local, pool: tuple[Value, ...], facts: Facts) -> tuple[bool, ...]:
        """For each set whether the host is in it."""
        try:
            return tuple(bool(condition(local, pool, facts)) for condition in self._conditions[host])
        except NotOne as error:
            message = f"a set has no value in a state that is reached: {error}; test one(…) first"
            raise SpecError(self.sets_at, message, "no-value") from None

    def observation(self, rows: tuple[tuple[bool, ...], ...], pool: tuple[Value, ...], facts: Facts) -> Observation:
        """The observation made of each host's `conditions`."""
        sets = tuple(frozenset(host for host, row in enumerate(rows) if row[i]) for i in range(len(self.sets)))
        return sets, pool, facts

    def observe(self, state: JointState) -> Observation:
        """The observation of a state."""
        facts = self.facts_of(state.world)
        rows = tuple(self.conditions(host, local, state.pool, facts) for host, local in enumerate(state.locals))
        return self.observation(rows, state.pool, facts)

    def part(self, name: str, part: str) -> Formula:
        """A formula of a property: "text", "goal" or "needs"."""
        return self._parts[name, part]

    def named(self, observation: Observation) -> dict[str, Value]:
        """An observation by names: sets, pool variables, facts."""
        names = (*self.sets, *self.pool, *self.facts)
        return dict(zip(names, (value for part in observation for value in part), strict=True))

    def _formula(self, property_: Property, part: str) -> Formula:
        text: str = getattr(property_, part)
        scope, codes = dict(self._scope), dict(self._codes)
        if property_.kind == "step" and part == "text":
            scope |= {f"next_{name}": domain for name, domain in self._scope.items()}
            codes |= {f"next_{name}": code.replace("L", "P", 1) for name, code in self._codes.items()}
        function = self._compiled(text, property_.at, scope, codes, 0)
        _refuse_me(text, property_.at)
        return Formula(property_, function)

    def _compiled(
        self, text: str, at: Place, scope: Mapping[str, Domain], codes: Mapping[str, str], me: int
    ) -> Callable[[Any, Any, Any], Value]:
        """A formula as a function, its quantifiers written out: what they range over gets names of its own."""
        n, instances = self.joint.n, self.joint.system.instances
        hosts = {str(host): HOST for host in range(n)} if " for " in text else {}
        expression = parse_expression(text, {**scope, **hosts}, at, BOOL, Grounder(n, instances, at).visit)
        return compile_source(expression.source({**codes, **{host: host for host in hosts}}), me, n)

    def _condition(self, text: str, at: Place, host: int) -> Callable[[Any, Any, Any], Value]:
        """A condition as a function of (local, pool, facts)."""
        layout = self.joint.nodes[host].layout
        scope: dict[str, Domain] = dict(self.facts)
        codes = {name: f"p[{index}]" for index, name in enumerate(self.facts)}
        for name, (store, slot) in layout.variable_slot.items():
            scope[plain(name)] = layout.domain(name)
            codes[plain(name)] = f"{'P' if store == 'pool' else 'L'}[{slot}]"
        for machine in self.joint.system.machines:
            slots = [layout.state_slot[k] for k, (m, _) in layout.instances.items() if m.name == machine.name]
            read = "".join(f"L[{slot}], " for slot in slots)
            scope[machine.name] = Domain("enums" if machine.instance else "enum", machine.states)
            codes[machine.name] = f"frozenset(({read}))" if machine.instance else f"L[{slots[0]}]"
        for name, (machine, key) in layout.instances.items():
            if key is not None and plain(name) not in scope:
                scope[plain(name)] = Domain("enum", machine.states)
                codes[plain(name)] = f"L[{layout.state_slot[name]}]"
        return self._compiled(text, at, scope, codes, host)


def _refuse_me(text: str, at: Place) -> None:
    """A property speaks of the whole pool, so nobody in it is `me`."""
    if any(isinstance(node, ast.Name) and node.id == "me" for node in ast.walk(ast.parse(text.strip()))):
        raise SpecError(at, "'me' has no meaning in a property; put the condition in 'sets'", "unknown-name")
