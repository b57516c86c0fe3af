"""The joint state of a pool (every host's node, the pool's variables, the world, budgets left) and its moves.

This is the plain statement of what may happen: the checker's tables, traces and whoever walks by hand take their moves
from here.

A move is one of: a timer of a living host fires · an operator speaks to a living host · an action of the world. Its
parts happen in this order, as one: the world becomes the action's; hosts that it restarts boot from their host
variables; the node that receives the event runs one turn, seeing the world as it is now; the world takes up the
effects. A turn that is refused ends the story there: the spec has no answer, which is an error of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from attrs import evolve, frozen

from fsm.engine.node import Node
from fsm.engine.turn import Event, Turn
from fsm.errors import SpecError
from fsm.explore.system import System
from fsm.explore.world import OPERATOR, Action, World
from fsm.language.document import Item, suggest
from fsm.language.domains import Value

Local = tuple[Any, ...]


@frozen
class JointState:
    """Everything that the future depends on. `budgets` are what is left of each counted fault and operator event, in
    the order of `Joint.budgets`."""

    locals: tuple[Local, ...]
    pool: tuple[Any, ...]
    world: Any
    budgets: tuple[int, ...]


@frozen
class Choice:
    """Something that may happen now; `budget` is the index of the budget that it uses up."""

    action: Action[Any]
    budget: int | None = None


@frozen
class Move:
    """A choice and what came of it: `target` is None if the turn was refused."""

    choice: Choice
    turn: Turn | None
    target: JointState | None


class Joint:
    """The nodes and the world of a system, built.

    Arguments:
        system: the system.
    Errors: `SpecError` where machines, world and initial variables do not fit together.
    """

    def __init__(self, system: System) -> None:
        self.system, self.n = system, system.n
        self.world: World[Any] = system.build_world()
        self.nodes = [Node(system.machines, me, self.n, system.instances, system.parameters) for me in range(self.n)]
        said = {f"fault {name}": budget for name, budget in system.faults.items()}
        said |= {f"operator {o.machine}.{o.event}": o.budget for o in system.operator}
        counted = {name: budget for name, budget in said.items() if budget is not None}
        self.budgets, self.full = tuple(counted), tuple(counted.values())
        self._operated = [self._orders(host) for host in range(self.n)]
        self._kinds = frozenset(system.faults)
        self._hosts = self._initial_hosts(system.host)
        self._pool = self.nodes[0].pool(self._values(system.pool, self.nodes[0].layout.pool_slots, None))

    def initial(self) -> list[JointState]:
        """The states at the beginning: one for each initial world. Errors: `SpecError` where there is none."""
        worlds = list(self.world.initial())
        if not worlds:
            raise self._wrong("there is no world at the beginning: initial() gives none")
        locals_ = tuple(node.boot(values) for node, values in zip(self.nodes, self._hosts, strict=True))
        return [JointState(locals_, self._pool, w, self.full) for w in worlds]

    def moves(self, state: JointState) -> Iterator[Move]:
        """Every move out of a state, those that change nothing included."""
        for choice in self.choices(state):
            yield self.take(state, choice)

    def choices(self, state: JointState) -> Iterator[Choice]:
        """Everything that may happen in a state, within the budgets that are left."""
        by_world = list(self.by_world(state))
        if any(choice.action.prompt and choice.budget is None for choice in by_world):
            yield from (choice for choice in by_world if choice.action.prompt or choice.action.restart)
            return
        for host, local in enumerate(state.locals):
            if self.world.alive(state.world, host):
                yield from (choice for choice in self.own(state.world, host, local) if _affordable(state, choice))
        yield from by_world

    def by_world(self, state: JointState) -> Iterator[Choice]:
        """Those of `choices` that are actions of the world."""
        pending = [node.pending(local) for node, local in zip(self.nodes, state.locals, strict=True)]
        for action in self.world.actions(state.world, pending):
            choice = self.choice(action)
            if choice is not None and _affordable(state, choice):
                yield choice

    def own(self, w: Any, host: int, local: Local) -> Iterator[Choice]:
        """What may happen to a living host without the world: its timers and the operator's orders."""
        for machine, event in self.nodes[host].timers(local):
            yield Choice(Action(f"timer of {machine} at host {host}", w, None, host, Event(machine, event)))
        for label, event_, budget in self._operated[host]:
            yield Choice(Action(label, w, OPERATOR, host, event_), budget)

    def choice(self, action: Action[Any]) -> Choice | None:
        """An action of the world with its budget; None for a kind of fault that does not happen here.

        Errors: `SpecError` for one that is not as the world says of itself: nobody may take it for one that is."""
        self._check(action)
        if action.fault is None:
            return Choice(action)
        if action.fault not in self._kinds:
            return None
        name = f"fault {action.fault}"
        return Choice(action, self.budgets.index(name) if name in self.budgets else None)

    def take(self, state: JointState, choice: Choice) -> Move:
        """What comes of a choice."""
        action = choice.action
        locals_, pool, w = list(state.locals), state.pool, action.world
        for host in action.restart:
            locals_[host] = self.reboot(host, locals_[host])
        turn = None
        if action.event is not None and action.host is not None:
            turn = self.turn(action.host, locals_[action.host], pool, action.event, self.world.view(w, action.host))
            if turn.refused is not None:
                return Move(choice, turn, None)
            locals_[action.host], pool = turn.local, turn.pool
            w = self.world.perform(w, action.host, evolve(turn.effects, timers=()))
        budgets = tuple(left - (i == choice.budget) for i, left in enumerate(state.budgets))
        return Move(choice, turn, JointState(tuple(locals_), pool, w, budgets))

    def whole(self, state: JointState) -> Mapping[str, Mapping[str, Value]]:
        """What each part of a state holds by name: the hosts, the pool, budgets; the world's own is not known."""
        layout = self.nodes[0].layout
        parts = {
            f"host {host}": {name: local[slot] for name, slot in layout.state_slot.items()}
            | {name: local[slot] for name, (store, slot) in layout.variable_slot.items() if store != "pool"}
            for host, local in enumerate(state.locals)
        }
        parts["pool"] = {name: state.pool[slot] for name, slot in layout.pool_slots.items()}
        parts["left"] = dict(zip(self.budgets, state.budgets, strict=True))
        return {part: values for part, values in parts.items() if values}

    def labels(self) -> frozenset[str]:
        """The labels of every timer and every order, of all hosts."""
        timed = {
            f"timer of {name} at host {host}"
            for name, (machine, _) in self.nodes[0].layout.instances.items()
            for host in range(self.n)
            if any(machine.timers(state) for state in machine.states)
        }
        return frozenset(timed | {label for orders in self._operated for label, _, _ in orders})

    def reboot(self, host: int, local: Local) -> Local:
        """The node of a host that has lost its memory."""
        node = self.nodes[host]
        # not checked again: every value of a state has passed, and a search reboots nodes very often
        return node.layout.boot({name: local[slot] for name, slot in node.layout.host_slots.items()})

    def turn(self, host: int, local: Local, pool: tuple[Any, ...], event: Event, view: Any) -> Turn:
        """One turn of a node that sees `view` of the world."""
        return self.nodes[host].step(local, pool, event, lambda operation: self.world.read(view, host, operation))

    def _check(self, action: Action[Any]) -> None:
        """Refuses an action of no host, or of a kind of fault that the world does not name."""
        if action.event is not None and action.host is None:
            raise self._wrong(f"the action {action.label!r} has an event, and no host that it is for")
        for host in (*action.restart, *(() if action.host is None else (action.host,))):
            if type(host) is not int or not 0 <= host < self.n:
                raise self._wrong(f"the action {action.label!r} is of host {host!r}; hosts are 0 to {self.n - 1}")
        if action.fault is not None and action.fault not in self.world.faults:
            message = f"the action {action.label!r} is a fault {action.fault!r}, which the world does not name"
            raise self._wrong(message + suggest(action.fault, self.world.faults))

    def _wrong(self, message: str) -> SpecError:
        return SpecError(self.system.world.at, f"{self.system.world.value}: {message}", "bad-world")

    def _orders(self, host: int) -> list[tuple[str, Event, int | None]]:
        """Every event that an operator may send to a host, with every payload."""
        orders = []
        layout = self.nodes[host].layout
        for operated in self.system.operator:
            name = f"operator {operated.machine}.{operated.event}"
            budget = self.budgets.index(name) if name in self.budgets else None
            for instance, (machine, _) in layout.instances.items():
                if machine.name != operated.machine:
                    continue
                fields = machine.events[operated.event]
                for values in product(*(domain.values(self.n) for domain in fields.values())):
                    event = Event(instance, operated.event, dict(zip(fields, values, strict=True)))
                    orders.append((f"operator: {instance}.{operated.event} at host {host}", event, budget))
        return orders

    def _initial_hosts(self, item: Item | None) -> list[Mapping[str, Value]]:
        entries = [item] * self.n
        if item is not None and isinstance(item.value, list):
            entries = list(item.value)
            if not 1 <= len(entries) <= self.n:
                message = f"{len(entries)} entries for {self.n} hosts; give an entry a host, or one mapping for all"
                raise item.fail(message, "bad-value")
            entries += entries[-1:] * (self.n - len(entries))  # a pool of more hosts than the file speaks of
        return [self._values(entry, self.nodes[me].layout.host_slots, me) for me, entry in enumerate(entries)]

    def _values(self, item: Item | None, slots: Mapping[str, int], me: int | None) -> Mapping[str, Value]:
        """Initial variables by name; `me` and `none` have their meaning, lists are sets of hosts."""
        layout, values = self.nodes[0].layout, {}
        known: Sequence[str] = list(slots)
        for name, child in (item.mapping("initial variables") if item is not None else {}).items():
            if name not in slots:
                raise child.fail(
                    f"there is no such variable {name!r} to begin with{suggest(name, known)}", "unknown-name"
                )
            domain, plain = layout.domain(name), child.plain()
            if domain.kind == "host":
                plain = {"me": me, "none": None}.get(plain, plain) if isinstance(plain, str) else plain
            value = domain.from_json(plain)
            if not domain.holds(value, self.n):
                raise child.fail(f"{name} cannot be {child.plain()!r}: it is {domain} of {self.n} hosts", "bad-value")
            values[name] = value
        return values


def _affordable(state: JointState, choice: Choice) -> bool:
    return choice.budget is None or state.budgets[choice.budget] > 0
