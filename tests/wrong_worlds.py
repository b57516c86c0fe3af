"""Worlds that do not keep to the rules of worlds, each in one way."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from fsm.engine.turn import Effects, Event
from fsm.explore.calls import Routes
from fsm.explore.parted import Parts, Source, Then, Update, actions_of
from fsm.explore.world import Action, Pending
from fsm.language.domains import Value
from tests.toy_worlds import Nothing, Ring

TOKEN = Event("station", "link.token")


class Counting(Ring):
    """Counts how often it is asked: what it has done is nowhere in its states."""

    def __init__(self, n: int, off: frozenset[str], faults: frozenset[str], routes: Routes) -> None:
        super().__init__(n, off, faults, routes)
        self.asked = 0

    def every(self, number: int) -> bool:
        """Whether this is one of every so many questions."""
        self.asked += 1
        return self.asked % number == 0


class Forgetful(Counting):
    """Every third time nothing happens."""

    def actions(self, w: Hashable, pending: Pending) -> Iterator[Action[Hashable]]:
        if not self.every(3):
            yield from super().actions(w, pending)


class Alternating(Counting):
    """Every second token gets lost, in step with the hosts that pass it on."""

    def perform(self, w: Hashable, host: int, effects: Effects) -> Any:
        return w if self.every(2) else super().perform(w, host, effects)


class Fickle(Counting):
    """Its facts change while its states do not."""

    def state_facts(self, w: Hashable) -> Mapping[str, Value]:
        return {"coming": frozenset({int(self.every(2))})}


class Tokens(list[int]):
    """A value that changes, and is one and the same to whoever compares it."""

    def __hash__(self) -> int:  # type: ignore[override]
        return 1


class Mutable(Ring):
    """A token that is passed on is put into the state that there is."""

    def initial(self) -> Iterable[Any]:
        return [Tokens([0])]

    def perform(self, w: Any, host: int, effects: Effects) -> Any:
        w += [(host + 1) % self.n] * sum(signal.name == "pass_on" for signal in effects.signals)
        return w

    def actions(self, w: Any, pending: Pending) -> Iterator[Action[Hashable]]:
        for host in sorted(set(w)):
            rest = Tokens(w)
            rest.remove(host)
            yield Action(f"token reaches host {host}", rest, None, host, TOKEN)

    def state_facts(self, w: Any) -> Mapping[str, Value]:
        return {"coming": frozenset(w)}


@frozen(eq=False)
class Alone:
    """A world that equals itself only."""

    tokens: Any


class Unequal(Ring):
    """No two of its states are equal, so that no state is found again."""

    def initial(self) -> Iterable[Any]:
        return [Alone((0,))]

    def perform(self, w: Any, host: int, effects: Effects) -> Any:
        return Alone(super().perform(w.tokens, host, effects))

    def actions(self, w: Any, pending: Pending) -> Iterator[Action[Any]]:
        for action in super().actions(w.tokens, pending):
            yield evolve(action, world=Alone(action.world))

    def state_facts(self, w: Any) -> Mapping[str, Value]:
        return super().state_facts(w.tokens)


class Nowhere(Ring):
    """There is no state at the beginning."""

    def initial(self) -> Iterable[Any]:
        return []


class Doing(Ring):
    """Has one action."""

    action: Action[Any] = Action("it happens", (), None, 0, TOKEN)

    def actions(self, w: Hashable, pending: Pending) -> Iterator[Action[Any]]:
        yield self.action


class HostBefore(Doing):
    """Of a host before the first, which python takes for the last."""

    action = Action("it happens", (), None, -1, TOKEN)


class HostBeyond(Doing):
    """Of a host that is not there."""

    action = Action("it happens", (), None, 3, TOKEN)


class RestartBeyond(Doing):
    """Restarts a host that is not there."""

    action = Action("it happens", (), restart=(3,))


class ForNobody(Doing):
    """An event for no host."""

    action = Action("it happens", (), event=TOKEN)


class UnknownFault(Doing):
    """A kind of fault that is not among its own."""

    action = Action("it happens", (), "duplicat")


class TwoParts(Nothing):
    """In two parts; what happens is said to be about the first."""

    faults = ("duplicate",)

    def initial(self) -> Iterable[Any]:
        return [("a", "x")]

    def actions(self, w: Any, pending: Pending) -> Iterable[Action[Any]]:
        return actions_of(self.sources, w, pending)

    @property
    def sources(self) -> Sequence[Source]:
        return (Source((0,), (), lambda w, pending: [self.happens(w)]),)

    def happens(self, w: Parts) -> Then:
        """What does."""
        return Then(Action("it happens", ("b", w[1])))

    def updates(self, host: int, effects: Effects) -> Sequence[Update]:
        return ()

    def lives_by(self, host: int) -> tuple[int, ...]:
        return ()

    def seen_by(self, host: int) -> tuple[int, ...]:
        return ()

    def told_by(self) -> tuple[int, ...]:
        return ()


class Spilling(TwoParts):
    """It changes the other one too."""

    def happens(self, w: Parts) -> Then:
        return Then(Action("it happens", ("b", "y")))


def _spilled(w: Parts) -> Parts:
    return "c", "y"


class SpillingLater(TwoParts):
    """So does what follows it."""

    def happens(self, w: Parts) -> Then:
        return Then(Action("it happens", ("b", w[1])), (Update((0,), _spilled),))


class Losing(TwoParts):
    """The part that it is about is gone."""

    def happens(self, w: Parts) -> Then:
        return Then(Action("it happens", (None, w[1])))


class Raising(Ring):
    """Divides by what may be nothing."""

    def actions(self, w: Hashable, pending: Pending) -> Iterator[Action[Hashable]]:
        assert isinstance(w, tuple)
        yield Action(f"share {1 // (len(w) - 1)}", w)


class Listless(Ring):
    """Has nothing to say, and says not even that."""

    def actions(self, w: Hashable, pending: Pending) -> Iterator[Action[Hashable]]:
        return None  # type: ignore[return-value]
