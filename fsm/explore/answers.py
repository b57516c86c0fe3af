"""A pool that is asked everything twice: once as it is, once under other names.

Two states that differ by a renaming behave alike if every answer under the new names is the old answer, renamed. The
answers are those of a world (what may happen, what an effect does, what a host sees, reads and is, the facts) and of
the machines (a turn, a restart). Each question that is asked is asked again under each exchange of two hosts or names,
and each of these questions likewise, until no new one comes: then the answers are the same under all permutations, and
in all states that are permutations of those that were looked into. Nothing is sampled. The first difference is a
`SpecError` (not-symmetric).

Machines are asked too, by `fsm.explore.checked_joint`.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import permutations, product
from math import factorial, prod
from typing import Any

from attrs import field, frozen

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


@frozen
class Happening:
    """An action without its words."""

    world: Any
    fault: str | None
    host: int | None
    event: Any
    restart: frozenset[int]
    label: str = field(eq=False)


@frozen
class Kind:
    """A kind of question.

    Arguments:
        name: what it is called, in messages.
        ask: gives the answer, of the arguments.
        args: the arguments under other names.
        answer: an answer under other names; the arguments come first.
    """

    name: str
    ask: Callable[..., Any]
    args: Callable[..., tuple[Any, ...]]
    answer: Callable[..., Any]


class Different(Exception):
    """An answer under other names that is not the answer, renamed."""

    def __init__(self, kind: Kind, to: Renaming, args: tuple[Any, ...], given: Any, expected: Any) -> None:
        super().__init__(kind.name)
        self.kind, self.to, self.args_, self.given, self.expected = kind, to, args, given, expected


class Questions:
    """What was asked, and compared.

    Arguments:
        exchanges: of two hosts, or of two names.

    `failure` is the first complaint; from then on nothing is compared any more.
    """

    def __init__(self, exchanges: Sequence[Renaming]) -> None:
        self.exchanges = exchanges
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
        self._known.add((kind.name, args))
        asked = [args]
        while asked:
            args = asked.pop()
            answer = kind.ask(*args)
            for to in self.exchanges:
                again = kind.args(to, *args)
                given, expected = kind.ask(*again), kind.answer(to, args, answer)
                if given != expected:
                    raise Different(kind, to, args, given, expected)
                if (kind.name, again) not in self._known:
                    self._known.add((kind.name, again))
                    asked.append(again)


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
        self._renamed: dict[Renaming, dict[Any, Any]] = {to: {} for to in questions.exchanges}
        self._views: dict[Renaming, dict[tuple[int, Any], Any]] = {to: {} for to in questions.exchanges}
        self._lawful = Kind("permuted", self._back, lambda to, w: (self.renamed(to, w),), _same)
        self._alive = Kind("alive", world.alive, self._place, _same)
        self._view = Kind("view", world.view, self._place, self._looking)
        self._read = Kind("read", self._reads, self._reading, _heard)
        self._perform = Kind("perform", self._performs, self._performing, lambda to, _, after: self.renamed(to, after))
        self._actions = Kind("actions", self._happenings, self._waiting, self._happening)
        self._facts = Kind("state_facts", lambda w: dict(world.state_facts(w)), self._lawful.args, self._telling)

    def renamed(self, to: Renaming, w: Any) -> Any:
        """A world under other names."""
        known = self._renamed[to]
        if w not in known:
            known[w] = self.world.permuted(w, to)
        return known[w]

    def seen(self, to: Renaming, host: int, view: Any) -> Any:
        """What a host sees, under other names; somebody has looked before."""
        return self._views[to][host, view]

    def initial(self) -> Iterable[Any]:
        """Those of the world: a beginning may tell hosts apart."""
        return self.world.initial()  # type: ignore[no-any-return]

    def alive(self, w: Any, host: int) -> bool:
        """That of the world."""
        self._ask(self._lawful, w)
        self._ask(self._alive, w, host)
        return self.world.alive(w, host)  # type: ignore[no-any-return]

    def view(self, w: Any, host: int) -> Any:
        """That of the world."""
        self._ask(self._view, w, host)
        return self.world.view(w, host)

    def read(self, view: Any, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """That of the world."""
        self._ask(self._read, view, host, _asked(operation))
        return self.world.read(view, host, operation)  # type: ignore[no-any-return]

    def perform(self, w: Any, host: int, effects: Effects) -> Any:
        """That of the world."""
        self._ask(self._perform, w, host, self.questions.wanted(effects))
        return self.world.perform(w, host, effects)

    def actions(self, w: Any, pending: Pending) -> Iterable[Action[Any]]:
        """Those of the world."""
        waits = tuple(tuple(of_host) for of_host in pending)
        self._ask(self._actions, w, waits)
        return self.world.actions(w, waits)  # type: ignore[no-any-return]

    def state_facts(self, w: Any) -> Mapping[str, Value]:
        """Those of the world."""
        self._ask(self._facts, w)
        return self.world.state_facts(w)  # type: ignore[no-any-return]

    def _ask(self, kind: Kind, *args: Any) -> None:
        self.questions.ask(kind, args, self._complaint)

    def _complaint(self, found: Different) -> SpecError:
        kind, to, given, expected = found.kind, found.to, found.given, found.expected
        shown = ", ".join(reprlib.repr(arg.value if isinstance(arg, Keyed) else arg) for arg in found.args_)
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
            message += f"{kind.name}({shown}) with the two exchanged gives {reprlib.repr(given)}, "
            message += f"where {reprlib.repr(expected)} would be the same"
        return SpecError(self._at, f"{message}; explore without symmetry", "not-symmetric")

    def _back(self, w: Any) -> bool:
        """Whether two exchanges done again and again come back, as permutations do."""
        for one in self.questions.exchanges:
            for other in self.questions.exchanges:
                after = w
                for _ in range(order(one, other)):
                    after = self.renamed(one, self.renamed(other, after))
                if after != w:
                    raise Different(self._lawful, one, (w,), after, w)
        return True

    def _place(self, to: Renaming, w: Any, host: int) -> tuple[Any, ...]:
        return self.renamed(to, w), to.host(host)

    def _looking(self, to: Renaming, args: tuple[Any, ...], view: Any) -> Any:
        """What is seen there: it depends on what is seen here, and on no more of the world."""
        w, host = args
        there = self.world.view(self.renamed(to, w), to.hosts[host])
        return self._views[to].setdefault((host, view), there)

    def _reads(self, view: Any, host: int, operation: Keyed) -> Any:
        outcome, payload = self.world.read(view, host, operation.value)
        return outcome, dict(payload)

    def _reading(self, to: Renaming, view: Any, host: int, operation: Keyed) -> tuple[Any, ...]:
        return self.seen(to, host, view), to.host(host), _asked(to.operation(operation.value))

    def _performs(self, w: Any, host: int, effects: Keyed) -> Any:
        after = self.world.perform(w, host, effects.value)
        for ordered in self._orders(effects.value) if self.questions.unordered else ():
            other = self.world.perform(w, host, ordered)
            if other != after:
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

    def _performing(self, to: Renaming, w: Any, host: int, effects: Keyed) -> tuple[Any, ...]:
        return self.renamed(to, w), to.host(host), self.questions.wanted(to.effects(effects.value))

    def _waiting(self, to: Renaming, w: Any, waits: Waits) -> tuple[Any, ...]:
        return self.renamed(to, w), to.pending(waits)

    def _happenings(self, w: Any, waits: Waits) -> Counter[Happening]:
        return Counter(
            Happening(
                a.world, a.fault, None if a.event is None else a.host, told(a.event), frozenset(a.restart), a.label
            )
            for a in self.world.actions(w, waits)
        )

    def _happening(self, to: Renaming, _: Any, found: Counter[Happening]) -> Counter[Happening]:
        renamed: Counter[Happening] = Counter()
        for a, times in found.items():
            event = None if a.event is None else told(to.event(a.event.value))
            world, restart = self.renamed(to, a.world), to.hosts_of(a.restart)
            renamed[Happening(world, a.fault, to.host(a.host), event, restart, a.label)] += times
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


def _same(to: Renaming, args: tuple[Any, ...], answer: Any) -> Any:
    return answer


def _heard(to: Renaming, args: tuple[Any, ...], answer: tuple[str, dict[str, Value]]) -> Any:
    outcome, payload = answer
    operation = args[2].value
    return outcome, to.outcome(f"{operation.port}.{operation.name}", outcome, payload)
