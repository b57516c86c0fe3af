"""A world as oracle: the same events go to the model and to the real adapters, whose answers the model must allow.

    TestLocks = world_machine("specs/systems/mutex.yaml", lambda: [FileLock(path), FileLock(path)]).TestCase

A world is nondeterministic, so what is kept is the set of all worlds that may stand, given what was answered. What
happens by itself inside them (an action without an event, that is no fault and brings no restart) may have happened at
any time; and an operation may have taken place at any time between its begin and its answer, though in a world both are
one action. An answer that none of the worlds can give is a fault of the adapter, or of the model.

- Operators and timers speak to the hosts that are alive in each of the worlds.
- Outcomes come from the adapters; a failure that a world calls a fault is allowed if the system has that kind of fault,
  with a budget above 0.
- Reads are answered by the adapters, and worlds that would answer something else are dropped.
- Other actions of the world, faults above all, happen only where the test says how they are brought about: `causes`.

Left out: calls between hosts, pool variables that a dead master leaves to the next, and budgets of faults.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from attrs import evolve, frozen
from hypothesis.stateful import RuleBasedStateMachine, rule

from fsm.drivers.adapters import Outcome
from fsm.engine.turn import Event, Operation
from fsm.explore.calls import Items, items
from fsm.explore.joint import Joint
from fsm.explore.node_traces import command, output, written
from fsm.explore.system import System
from fsm.explore.world import Action
from fsm.testing import stories
from fsm.testing.adapters import NUMBERS
from fsm.testing.performing import ERRORS, PATIENCE, AdapterFault, Performer

MOST_WORLDS = 2000
"""Worlds that may stand at once; more means that the model says too little about what happens by itself."""
Causes = Mapping[str, Callable[[Any, Action[Any]], object]]
"""By pattern of an action's label what brings it about: called with the adapters of each host, and the action."""


Entry = tuple[int, str, str, Items]
"""An operation that has taken place: host, machine, and the event that will end it."""


@frozen(cache_hash=True)
class Candidate:
    """A world that may stand, and what has taken place in it although no answer has come yet."""

    world: Hashable
    done: frozenset[Entry] = frozenset()

    def waiting(self, waiting: Sequence[Sequence[tuple[str, str]]]) -> list[list[tuple[str, str]]]:
        """Of what each host waits for that which has not taken place."""
        over = {(host, machine) for host, machine, _, _ in self.done}
        return [[pair for pair in pairs if (host, pair[0]) not in over] for host, pairs in enumerate(waiting)]

    def without(self, gone: Callable[[Entry], bool]) -> frozenset[Entry]:
        """What has taken place, but for some of it."""
        return frozenset(entry for entry in self.done if not gone(entry))


class WorldMachine(RuleBasedStateMachine):
    """The machine that `world_machine` makes classes of."""

    joint: ClassVar[Joint]
    make: ClassVar[Callable[[], Sequence[Any]]]
    causes: ClassVar[Causes]
    errors: ClassVar[tuple[type[Exception], ...]]
    patience: ClassVar[float]
    title = "story of the adapters"

    def __init__(self) -> None:
        super().__init__()
        start = self.joint.initial()
        self.locals, self.pool = list(start[0].locals), start[0].pool
        self.worlds = {Candidate(state.world) for state in start}
        self.known: list[tuple[Candidate, Action[Any]]] | None = None
        self.lines: list[str] = []
        stories.LAST[:] = [self]
        made = type(self).make()
        if len(made) != self.joint.n:
            raise ValueError(f"adapters were made for {len(made)} hosts; the system has {self.joint.n}")
        # none asks again: of a second asking the world knows nothing
        self.performers = [
            Performer(node, partial(made.__getitem__, host), self.errors, self.patience, again=False)
            for host, node in enumerate(self.joint.nodes)
        ]

    def trace(self) -> str:
        """What happened, and at which host. It cannot be played: golden traces of systems have a clock."""
        return "\n".join(self.lines)

    @rule(number=NUMBERS)
    def goes_on(self, number: int) -> None:
        """Something happens, an operation answers, or the test brings something about; as in `AdapterMachine`."""
        self.actions()
        orders, waiting, caused = self.orders(), self.waiting(), self.caused()
        possible: list[Callable[[int], None]] = []
        possible += [lambda pick: self.turn(*orders[pick % len(orders)], self.worlds)] if orders else []
        possible += [lambda pick: self.answers(*waiting[pick % len(waiting)])] if waiting else []
        possible += [lambda pick: self.cause(list(caused.values())[pick % len(caused)])] if caused else []
        if possible:
            possible[number % 3 % len(possible)](number // 3)

    def answers(self, host: int, machine: str) -> None:
        """An operation ends as its adapter says, which one of the worlds must allow."""
        what = f"{self.performers[host].underway[machine]} of host {host}"
        event = self.performers[host].answer(machine)
        entry = (host, machine, event.name, items(event.payload))
        allowed = {Candidate(c.world, c.done - {entry}) for c in self.worlds if entry in c.done}
        if not allowed:
            others = {e for c in self.worlds for e in c.done if e[:2] == (host, machine)}
            known = ", ".join(sorted(f"{name}{written(dict(payload), {})}" for _, _, name, payload in others))
            said = f"{event.name}{written(event.payload, {})}"
            raise AdapterFault(f"{what} answered {said}; the world allows {known or 'no answer now'}")
        self.turn(host, event, allowed)

    def cause(self, actions: list[tuple[Candidate, Action[Any]]]) -> None:
        """The test brings something about: a fault, or what real things do by themselves."""
        action = actions[0][1]
        self.lines.append(f"# {action.label}")
        for host in action.restart:
            self.performers[host].abandon()
            self.locals[host] = self.joint.reboot(host, self.locals[host])
        cause = next(do for pattern, do in self.causes.items() if fnmatchcase(action.label, pattern))
        cause([performer.adapters for performer in self.performers], action)
        worlds = {Candidate(a.world, c.without(lambda e: e[0] in action.restart)) for c, a in actions}
        self.worlds, self.known = worlds, None
        if action.host is not None and action.event is not None:
            self.turn(action.host, action.event, worlds)

    def orders(self) -> list[tuple[int, Event]]:
        """What operators may say now, and timers that run, on hosts that are alive in each of the worlds."""
        found = []
        for host, local in enumerate(self.locals):
            if all(self.joint.world.alive(candidate.world, host) for candidate in self.worlds):
                actions = [choice.action for choice in self.joint.own(None, host, local)]
                found += [(host, action.event) for action in actions if action.event is not None]
        return found

    def waiting(self) -> list[tuple[int, str]]:
        """(host, machine) of every operation that is under way."""
        return [(host, name) for host, performer in enumerate(self.performers) for name in performer.underway]

    def caused(self) -> dict[str, list[tuple[Candidate, Action[Any]]]]:
        """The actions that the test can bring about now, by their labels."""
        found: dict[str, list[tuple[Candidate, Action[Any]]]] = {}
        for candidate, action in self.actions():
            if self.by_test(action):
                found.setdefault(action.label, []).append((candidate, action))
        return dict(sorted(found.items()))

    def actions(self) -> list[tuple[Candidate, Action[Any]]]:
        """Every action of every world that may stand; those worlds are added to that come about by themselves."""
        if self.known is not None:
            return self.known
        pending = [node.pending(local) for node, local in zip(self.joint.nodes, self.locals, strict=True)]
        unseen, found = list(self.worlds), list[tuple[Candidate, Action[Any]]]()
        while unseen:
            candidate = unseen.pop()
            possible = self.joint.world.actions(candidate.world, candidate.waiting(pending))
            actions = [action for action in possible if self.joint.choice(action) is not None]
            found += [(candidate, action) for action in actions]
            new = {after for action in actions if (after := self.after(candidate, action))} - self.worlds
            self.worlds |= new
            unseen += new
            if len(self.worlds) > MOST_WORLDS:
                raise ValueError(f"more than {MOST_WORLDS} worlds may stand; name what the test causes in `causes`")
        self.known = found
        return found

    def by_test(self, action: Action[Any]) -> bool:
        """Whether an action happens only where the test causes it."""
        return any(fnmatchcase(action.label, pattern) for pattern in self.causes)

    def after(self, candidate: Candidate, action: Action[Any]) -> Candidate | None:
        """The world after an action that comes about by itself; None after any other."""
        event, host = action.event, action.host
        if action.restart or self.by_test(action) or self.joint.system.faults.get(action.fault or "") == 0:
            return None
        if event is None or host is None:
            return Candidate(action.world, candidate.done) if action.fault is None else None
        if event.machine not in self.performers[host].underway:
            return None
        return Candidate(action.world, candidate.done | {(host, event.machine, event.name, items(event.payload))})

    def turn(self, host: int, event: Event, worlds: set[Candidate]) -> None:
        """One turn of a host; the worlds that may stand before it are given, those after it are kept."""
        asked: list[tuple[Operation, Outcome]] = []

        def read(operation: Operation) -> Outcome:
            asked.append((operation, self.performers[host].read(operation)))
            return asked[-1][1]

        node, before = self.joint.nodes[host], self.locals[host]
        turn = node.step(before, self.pool, event, read)
        self.lines += [f"host {host}: {command(node, before, event, turn.reads)}"]
        self.lines += [f"    {line}" for line in output(node, turn)]
        if turn.refused is not None:
            raise AdapterFault(f"the machines of host {host} have no answer: {turn.refused}")
        for operation, answer in asked:
            worlds = self.agreeing(host, operation, answer, worlds)
        self.locals[host], self.pool, self.known = turn.local, turn.pool, None
        effects = evolve(turn.effects, timers=())
        over = {(host, machine) for machine in (*effects.abandoned, *(do.machine for do in effects.operations))}
        self.worlds = {
            Candidate(self.joint.world.perform(c.world, host, effects), c.without(lambda entry: entry[:2] in over))
            for c in worlds
        }
        self.performers[host].take(turn.effects)

    def agreeing(self, host: int, operation: Operation, answer: Outcome, worlds: set[Candidate]) -> set[Candidate]:
        """The worlds that answer an instant operation as the adapter did. Errors: `AdapterFault` if there are none."""
        world = self.joint.world
        said = {c: world.read(world.view(c.world, host), host, operation) for c in worlds}
        agreeing = {c for c, (name, payload) in said.items() if (name, dict(payload)) == (answer[0], dict(answer[1]))}
        if not agreeing:
            known = ", ".join(sorted({f"{name}{written(payload, {})}" for name, payload in said.values()}))
            name = f"{operation.port}.{operation.name} of host {host}"
            raise AdapterFault(f"{name} answered {answer[0]}{written(answer[1], {})}; the world allows {known}")
        return agreeing

    def teardown(self) -> None:
        """Whatever is under way is cancelled."""
        for performer in self.performers:
            performer.close()


def world_machine(
    system: System | Path | str, make_adapters: Callable[[], Sequence[Any]], *, causes: Causes | None = None,
    errors: tuple[type[Exception], ...] = ERRORS, patience: float = PATIENCE,
) -> type[WorldMachine]:  # fmt: skip
    """A `RuleBasedStateMachine` that compares real adapters with a world; its `TestCase` is what pytest runs.

    Arguments:
        system: machines and world, or their file in a folder `systems`.
        make_adapters: called for each run; gives for each host what `adapter_machine` wants of `make_adapter`.
        causes: by pattern of the label of an action of the world, a function that does the same to the real thing. It
            is called with the adapters of each host, and the action.
        errors, patience: as for `adapter_machine`.
    Errors: `fsm.errors.SpecError` where the system cannot be loaded.
    """
    given = {
        "joint": Joint(system if isinstance(system, System) else System.load(Path(system))),
        "make": staticmethod(make_adapters), "causes": causes or {}, "errors": errors, "patience": patience,
    }  # fmt: skip
    return type("WorldMachine", (WorldMachine,), {**given, "__module__": __name__})
