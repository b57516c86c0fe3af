"""Worlds in parts: what a world is made of, and on which of its parts each of its answers depends.

A world of many parts has far more values than any of them has: three daemons, a statefile and the calls of three hosts
make a million worlds of a few dozen values each. So a world may say that it is a tuple of *parts*, and what it does is
then asked part by part and remembered by these parts alone:

- a *source* of actions reads some parts and hears what some hosts wait for;
- an *update* changes some parts and reads no others: what an action or a turn's effects bring about is a sequence of
  updates, each remembered for itself. The crash of a host is one of its daemon, and one of each other host's calls.

Whoever asks hands over the world with `None` in the place of every part that is not named, so that an answer cannot
depend on more than it says.

A world that says nothing of parts is one part (`Whole`): all its answers depend on all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from attrs import frozen

from fsm.engine.turn import Effects
from fsm.explore.calls import items
from fsm.explore.world import Action, Pending, World
from fsm.language.domains import Value

Parts = tuple[Any, ...]
"""A world in parts; None stands for a part that an answer may not depend on."""


@frozen
class Update:
    """A change of some parts.

    Arguments:
        of: the parts that it reads, all that it changes among them.
        by: gives the world after it, of a world in which only these are filled in.
        args: what `by` is called with besides.
    """

    of: tuple[int, ...]
    by: Callable[..., Parts]
    args: tuple[Any, ...] = ()

    def __call__(self, w: Parts) -> Parts:
        """The world after it."""
        return self.by(w, *self.args)


@frozen
class Then:
    """An action that goes on: `action.world` is the world after its source's own part, `updates` follow in order."""

    action: Action[Parts]
    updates: tuple[Update, ...] = ()

    def whole(self) -> Action[Parts]:
        """The action with everything in its world."""
        w = self.action.world
        for update in self.updates:
            w = update(w)
        a = self.action
        return Action(a.label, w, a.fault, a.host, a.event, a.restart, a.prompt)


@frozen
class Source:
    """Actions that depend on little.

    Arguments:
        of: the parts that they read and change.
        hears: the hosts whose pending operations they depend on; those of others are handed over as empty.
        act: gives them, of a world and what is pending. What an update brings may lie outside of `of`.
        port: of what is pending, only operations of this port concern it; "" for all.
        waiting: it has no actions where none of these is pending.
    """

    of: tuple[int, ...]
    hears: tuple[int, ...]
    act: Callable[[Parts, Pending], Iterable[Then]]
    port: str = ""
    waiting: bool = False

    def heard(self, pending: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Of what a host waits for that which concerns it."""
        return tuple(pair for pair in pending if not self.port or pair[1].startswith(f"{self.port}."))


@runtime_checkable
class Parted(Protocol):
    """What a world offers besides `World` to be taken apart. Its values are tuples, all of one length."""

    @property
    def sources(self) -> Sequence[Source]:
        """All actions are theirs."""

    def updates(self, host: int, effects: Effects) -> Sequence[Update]:
        """What `perform` is made of."""

    def lives_by(self, host: int) -> tuple[int, ...]:
        """The parts that `alive` depends on."""

    def seen_by(self, host: int) -> tuple[int, ...]:
        """The parts that `view` depends on."""

    def told_by(self) -> tuple[int, ...]:
        """The parts that `state_facts` depends on."""


def effects_key(effects: Effects) -> Hashable:
    """What tells effects apart, hashable; timers are the explorer's own."""
    operations = tuple((o.machine, o.port, o.name, items(o.arguments), o.targets, o.joined) for o in effects.operations)
    signals = tuple((s.port, s.name, items(s.arguments)) for s in effects.signals)
    replies = tuple((r.call, r.outcome, items(r.payload)) for r in effects.replies)
    return items(effects.host), items(effects.pool), signals, replies, operations, effects.abandoned


ALL = (0,)


def actions_of(sources: Sequence[Source], w: Parts, pending: Pending) -> Iterable[Action[Parts]]:
    """`World.actions` of a world in parts."""
    for source in sources:
        for then in source.act(w, pending):
            yield then.whole()


def performed(updates: Sequence[Update], w: Parts) -> Parts:
    """`World.perform` of a world in parts."""
    for update in updates:
        w = update(w)
    return w


class Whole:
    """A world that is one part.

    Arguments:
        world: any world.
    """

    def __init__(self, world: World[Any], n: int) -> None:
        self._world, self._everybody = world, tuple(range(n))
        self._effects: dict[Hashable, Effects] = {}

    def taken(self, world: Any) -> Parts:
        """A world as its one part."""
        return (_Part(world),)

    def given(self, w: Parts) -> Any:
        """The world that is the one part."""
        return w[0].world

    @property
    def sources(self) -> Sequence[Source]:
        """One."""
        return (Source(ALL, self._everybody, self._act),)

    def updates(self, host: int, effects: Effects) -> Sequence[Update]:
        """One."""
        key = effects_key(effects)
        self._effects.setdefault(key, effects)
        return (Update(ALL, self._perform, (host, key)),)

    def lives_by(self, host: int) -> tuple[int, ...]:
        """The one part."""
        return ALL

    def seen_by(self, host: int) -> tuple[int, ...]:
        """The one part."""
        return ALL

    def told_by(self) -> tuple[int, ...]:
        """The one part."""
        return ALL

    def alive(self, w: Parts, host: int) -> bool:
        """That of the world."""
        return self._world.alive(w[0].world, host)

    def view(self, w: Parts, host: int) -> Any:
        """That of the world."""
        return self._world.view(w[0].world, host)

    def state_facts(self, w: Parts) -> Mapping[str, Value]:
        """Those of the world."""
        return self._world.state_facts(w[0].world)

    def _perform(self, w: Parts, host: int, key: Hashable) -> Parts:
        return (_Part(self._world.perform(w[0].world, host, self._effects[key])),)

    def _act(self, w: Parts, pending: Pending) -> Iterable[Then]:
        for a in self._world.actions(w[0].world, pending):
            yield Then(Action(a.label, (_Part(a.world),), a.fault, a.host, a.event, a.restart, a.prompt))


@frozen
class _Part:
    """The one part of a world that has no parts."""

    world: Any
