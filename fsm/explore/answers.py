"""A pool that is asked everything twice: once as it is, once under other names.

Two states that differ by a renaming behave alike if every answer under the new names is the old answer, renamed. The
answers are those of a world (what may happen, what an effect does, what a host sees, reads and is, the facts) and of
the machines (a turn, a restart). Each question that is asked is asked again under all permutations, one exchange of
two hosts or names after the other: then the answers are the same in all states that are permutations of those that were
looked into. Nothing is sampled. The first difference is a `SpecError` (not-symmetric).

This takes time: a world is asked as often as in a search without symmetry, as a whole, whatever parts it has
(`fsm.explore.parted`). Symmetry saves states, and so memory and the time of arrays; it does not save Python.

Machines are asked too, by `fsm.explore.checked_joint`.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import permutations, product
from math import factorial, prod
from typing import Any

from attrs import define, field, frozen

from fsm.engine.turn import Effects, Event, Operation
from fsm.errors import Place, SpecError
from fsm.explore.calls import items
from fsm.explore.parted import effects_key
from fsm.explore.renaming import Renaming
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value

MOST = 720
"""Orders of the effects of one turn that are tried."""
Waits = tuple[tuple[tuple[str, str], ...], ...]


@frozen
class Keyed:
    """Something that cannot be hashed, by what tells it apart."""

    key: Hashable
    value: Any = field(eq=False)


@define(eq=False)
class Held:
    """A world, one object for all that are equal, with what it is under other names, as far as that was asked."""

    world: Any
    renamed: dict[Renaming, Held] = field(factory=dict)


@frozen
class Happening:
    """An action without its words."""

    world: Held
    fault: str | None
    host: int | None
    event: Any
    restart: frozenset[int]
    prompt: bool
    label: str = field(eq=False)


@frozen
class Kind:
    """A kind of question.

    Arguments:
        name: what it is called, in messages.
        ask: gives the answer, of the arguments.
        args: the arguments under other names.
        answer: an answer under other names; the arguments come first.
        closing: what it becomes is asked under every exchange again, and not only in the order of the tour.
    """

    name: str
    ask: Callable[..., Any]
    args: Callable[..., tuple[Any, ...]]
    answer: Callable[..., Any]
    closing: bool = False


class Different(Exception):
    """An answer under other names that is not the answer, renamed."""

    def __init__(self, kind: Kind, to: Renaming, args: tuple[Any, ...], given: Any, expected: Any) -> None:
        super().__init__(kind.name)
        self.kind, self.to, self.args_, self.given, self.expected = kind, to, args, given, expected


class Questions:
    """What was asked, and compared.

    Arguments:
        exchanges: of two hosts, or of two names.
        tour: indices of exchanges that lead through all permutations, one after the other.

    `failure` is the first complaint; from then on nothing is compared any more.
    """

    def __init__(self, exchanges: Sequence[Renaming], tour: Sequence[int]) -> None:
        self.exchanges, self._tour = exchanges, [exchanges[index] for index in tour]
        self.failure: SpecError | None = None
        self._known: set[tuple[str, tuple[Any, ...]]] = set()

    def ask(self, kind: Kind, args: tuple[Any, ...], complain: Callable[[Different], SpecError]) -> None:
        """Asks a question, and all that it becomes under other names. Errors: `SpecError` (not-symmetric)."""
        if self.failure is None and (kind.name, args) not in self._known:
            try:
                self._around(kind, args)
            except Different as difference:
                self.failure = complain(difference)
                raise self.failure from None
            except Exception:
                self._known.clear()  # what was not compared to the end was not compared
                raise

    @property
    def unordered(self) -> bool:
        """Whether names are exchanged, so that machines of one host may be told something in another order."""
        return any(to.names for to in self.exchanges)

    def wanted(self, effects: Effects) -> Keyed:
        """Effects, hashable; in no order, where that may change."""
        key: Any = effects_key(effects)
        if self.unordered:
            key = tuple(frozenset(Counter(part).items()) for part in key)
        return Keyed(key, effects)

    def _around(self, kind: Kind, args: tuple[Any, ...]) -> None:
        """Through all permutations: each answer is the one before, renamed; so is the one to a question that comes
        again, which is where a permutation leaves the question as it is."""
        answers = {args: kind.ask(*args)}
        asked = [args]
        while asked:
            args = asked.pop()
            for to in self.exchanges if kind.closing else self._tour:
                again, expected = kind.args(to, *args), kind.answer(to, args, answers[args])
                if again not in answers:
                    answers[again] = kind.ask(*again)
                    asked += [again] if kind.closing else []
                if answers[again] != expected:
                    raise Different(kind, to, args, answers[again], expected)
                args = args if kind.closing else again
        self._known.update((kind.name, args) for args in answers)


class CheckedWorld:
    """A world whose answers are compared.

    Arguments:
        world: the world; it has `permuted`.
        questions: what was asked.
        at: where complaints point.
        called: the name of its class.
    """

    def __init__(self, world: Any, questions: Questions, at: Place, called: str) -> None:
        self.world, self.questions, self._at, self._called = world, questions, at, called
        self.facts, self.faults, self.clauses = world.facts, world.faults, world.clauses
        self._held: dict[Any, Held] = {}
        self._views: dict[Renaming, dict[tuple[int, Any], Any]] = {to: {} for to in questions.exchanges}
        self._lawful = Kind("permuted", self._back, lambda to, w: (self.renamed(to, w),), _same)
        self._alive = Kind("alive", lambda w, host: world.alive(w.world, host), self._place, _same)
        self._view = Kind("view", lambda w, host: world.view(w.world, host), self._place, self._looking, True)
        self._read = Kind("read", self._reads, self._reading, _heard)
        self._perform = Kind("perform", self._performs, self._performing, lambda to, _, after: self.renamed(to, after))
        self._actions = Kind("actions", self._happenings, self._waiting, self._happening)
        self._facts = Kind("state_facts", lambda w: dict(world.state_facts(w.world)), self._lawful.args, self._telling)

    def hold(self, w: Any) -> Held:
        """The one object of a world."""
        held = self._held.get(w)
        if held is None:
            held = self._held[w] = Held(w)
        return held

    def renamed(self, to: Renaming, held: Held) -> Held:
        """A world under other names."""
        found = held.renamed.get(to)
        if found is None:
            found = held.renamed[to] = self.hold(self.world.permuted(held.world, to))
        return found

    def permuted(self, w: Any, to: Renaming) -> Any:
        """The same, as the world has it."""
        return self.renamed(to, self.hold(w)).world

    def seen(self, to: Renaming, host: int, view: Any) -> Any:
        """What a host sees, under other names; somebody has looked before."""
        return self._views[to][host, view]

    def initial(self) -> Iterable[Any]:
        """Those of the world: a beginning may tell hosts apart."""
        return self.world.initial()  # type: ignore[no-any-return]

    def alive(self, w: Any, host: int) -> bool:
        """That of the world."""
        held = self.hold(w)
        self._ask(self._lawful, held)
        self._ask(self._alive, held, host)
        return self.world.alive(w, host)  # type: ignore[no-any-return]

    def view(self, w: Any, host: int) -> Any:
        """That of the world."""
        self._ask(self._view, self.hold(w), host)
        return self.world.view(w, host)

    def read(self, view: Any, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """That of the world."""
        self._ask(self._read, view, host, _asked(operation))
        return self.world.read(view, host, operation)  # type: ignore[no-any-return]

    def perform(self, w: Any, host: int, effects: Effects) -> Any:
        """That of the world."""
        self._ask(self._perform, self.hold(w), host, self.questions.wanted(effects))
        return self.world.perform(w, host, effects)

    def actions(self, w: Any, pending: Pending) -> Iterable[Action[Any]]:
        """Those of the world."""
        waits = tuple(tuple(of_host) for of_host in pending)
        self._ask(self._actions, self.hold(w), waits)
        return self.world.actions(w, waits)  # type: ignore[no-any-return]

    def state_facts(self, w: Any) -> Mapping[str, Value]:
        """Those of the world."""
        self._ask(self._facts, self.hold(w))
        return self.world.state_facts(w)  # type: ignore[no-any-return]

    def _ask(self, kind: Kind, *args: Any) -> None:
        self.questions.ask(kind, args, self._complaint)

    def _complaint(self, found: Different) -> SpecError:
        kind, to, given, expected = found.kind, found.to, found.given, found.expected
        shown = ", ".join(map(_shown, found.args_))
        message = f"{self._called} tells {exchanged(to)} apart: "
        if kind is self._actions:
            lost, more = list((expected - given).elements()), list((given - expected).elements())
            there = "is not possible" if lost else "becomes possible"
            message += f"the action {(lost or more)[0].label!r} {there} in {shown} with the two exchanged"
        elif kind is self._lawful:
            message = (
                f"{self._called}: permuted() of {shown} does not come back to it when {exchanged(to)} are exchanged"
            )
        else:
            message += f"{kind.name}({shown}) with the two exchanged gives {_shown(given)}, "
            message += f"where {_shown(expected)} would be the same"
        return SpecError(self._at, f"{message}; explore without symmetry", "not-symmetric")

    def _back(self, w: Held) -> bool:
        """Whether two exchanges done again and again come back, as permutations do."""
        for one in self.questions.exchanges:
            for other in self.questions.exchanges:
                after = w
                for _ in range(order(one, other)):
                    after = self.renamed(one, self.renamed(other, after))
                if after is not w:
                    raise Different(self._lawful, one, (w,), after, w)
        return True

    def _place(self, to: Renaming, w: Held, host: int) -> tuple[Any, ...]:
        return self.renamed(to, w), to.host(host)

    def _looking(self, to: Renaming, args: tuple[Any, ...], view: Any) -> Any:
        """What is seen there: it depends on what is seen here, and on no more of the world."""
        w, host = args
        there = self.world.view(self.renamed(to, w).world, to.hosts[host])
        return self._views[to].setdefault((host, view), there)

    def _reads(self, view: Any, host: int, operation: Keyed) -> Any:
        outcome, payload = self.world.read(view, host, operation.value)
        return outcome, dict(payload)

    def _reading(self, to: Renaming, view: Any, host: int, operation: Keyed) -> tuple[Any, ...]:
        return self.seen(to, host, view), to.host(host), _asked(to.operation(operation.value))

    def _performs(self, w: Held, host: int, effects: Keyed) -> Held:
        after = self.hold(self.world.perform(w.world, host, effects.value))
        for ordered in self._orders(effects.value) if self.questions.unordered else ():
            other = self.hold(self.world.perform(w.world, host, ordered))
            if other is not after:
                raise Different(self._perform, self.questions.exchanges[-1], (w, host, effects), other, after)
        return after

    def _orders(self, effects: Effects) -> Iterator[Effects]:
        """The same effects in every order."""
        lists: tuple[Sequence[Any], ...] = effects.operations, effects.abandoned, effects.signals, effects.replies
        if prod(factorial(len(each)) for each in lists) > MOST:
            message = f"{self._called}: one turn wants more done than can be tried in every order"
            raise SpecError(self._at, f"{message}; explore without symmetry", "too-large")
        orders: Iterator[tuple[Any, ...]] = product(*map(permutations, lists))
        for operations, abandoned, signals, replies in orders:
            yield Effects(effects.host, effects.pool, (), signals, replies, operations, abandoned)

    def _performing(self, to: Renaming, w: Held, host: int, effects: Keyed) -> tuple[Any, ...]:
        return self.renamed(to, w), to.host(host), self.questions.wanted(to.effects(effects.value))

    def _waiting(self, to: Renaming, w: Held, waits: Waits) -> tuple[Any, ...]:
        return self.renamed(to, w), to.pending(waits)

    def _happenings(self, w: Held, waits: Waits) -> Counter[Happening]:
        return Counter(
            Happening(
                self.hold(a.world),
                a.fault,
                None if a.event is None else a.host,
                told(a.event),
                frozenset(a.restart),
                a.prompt,
                a.label,
            )
            for a in self.world.actions(w.world, waits)
        )

    def _happening(self, to: Renaming, _: Any, found: Counter[Happening]) -> Counter[Happening]:
        renamed: Counter[Happening] = Counter()
        for a, times in found.items():
            event = None if a.event is None else told(to.event(a.event.value))
            world, restart = self.renamed(to, a.world), to.hosts_of(a.restart)
            renamed[Happening(world, a.fault, to.host(a.host), event, restart, a.prompt, a.label)] += times
        return renamed

    def _telling(self, to: Renaming, _: Any, facts: Mapping[str, Value]) -> dict[str, Value]:
        domains: Mapping[str, Domain] = self.facts
        return {to.name(name): to.value(domains[name], v) if name in domains else v for name, v in facts.items()}


def exchanged(to: Renaming) -> str:
    """What is exchanged, in words."""
    hosts = [f"host {host}" for host, other in enumerate(to.hosts) if host != other]
    return " and ".join(hosts or sorted(to.names))


def order(one: Renaming, other: Renaming) -> int:
    """How often two exchanges are done one after the other until nothing has changed."""
    if one is other:
        return 1
    moved = [{h for h, there in enumerate(to.hosts) if h != there} | set(to.names) for to in (one, other)]
    return 3 if moved[0] & moved[1] else 2


def told(event: Event | None) -> Any:
    """An event, hashable."""
    return None if event is None else Keyed((event.machine, event.name, items(event.payload), event.call), event)


def _asked(o: Operation) -> Keyed:
    return Keyed((o.machine, o.port, o.name, items(o.arguments), o.targets, o.joined), o)


def _shown(value: Any) -> str:
    return reprlib.repr(value.value if isinstance(value, Keyed) else value.world if isinstance(value, Held) else value)


def _same(to: Renaming, args: tuple[Any, ...], answer: Any) -> Any:
    return answer


def _heard(to: Renaming, args: tuple[Any, ...], answer: tuple[str, dict[str, Value]]) -> Any:
    outcome, payload = answer
    operation = args[2].value
    return outcome, to.outcome(f"{operation.port}.{operation.name}", outcome, payload)
