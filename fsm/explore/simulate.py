"""A pool on a virtual clock: the moves that the checker explores, one at a time, in the order in which they fall due.

A world says what may happen next, not when. A system that names latencies says when: for each kind of action of the
world, by its label, how long after it became possible it happens.

    latency:
      "host * leaves the liveset": "0.85*T + cycle"   # the first pattern that matches decides; * is any text
      "* does not start on *": never                  # happens only where it is caused
      "*": "5ms"

Rules.
- The clock counts whole microseconds, so that sums of durations come out even. Of two things due at one moment the one
  that was scheduled first happens first; what becomes possible at once is scheduled in the order of the world.
- An action of the world is due its latency after it became possible, and no more once it is impossible. One that an
  operation brings about is timed from the start of that operation.
- A timer is due its seconds after the turn that started it, which is what drivers do.
- Faults and operators never come by themselves: `cause` makes them happen, now.
- Promises (`always`, `step`) are looked at after every move. A turn that is refused ends the run.

Same system, same causes, same moments: nothing here is random, and no order comes from a hash.

Left out: chance. A scheduler that draws latencies from distributions would find other stories, and replay none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import count

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Event, Turn
from fsm.errors import Place, SpecError
from fsm.explore.joint import Choice, Joint, JointState, Move
from fsm.explore.pool_step import PoolStep, step_of
from fsm.explore.properties import Formula, Observer
from fsm.explore.system import System
from fsm.language.document import suggest
from fsm.language.domains import Value
from fsm.search.space import Property
from fsm.search.trace import show

MICRO = 1_000_000
"""Ticks of the clock in a second."""

Due = tuple[int, int]
"""When something falls due, in microseconds, and its place among what is due at that moment."""


@frozen
class Happening:
    """What tells one possible action from another: two that bear the same label are told apart by the machine that
    hears of them, and then by their order."""

    label: str
    host: int | None
    machine: str
    event: str
    nth: int


@frozen
class Moment:
    """One move on the clock.

    Arguments:
        seconds: since the beginning.
        step: what happened, as traces show it.
        violated: the names of promises that do not hold after it.
        still: nothing is different after it, as with a poll that finds nothing new.
    """

    seconds: float
    step: PoolStep
    violated: tuple[str, ...]
    still: bool


def carried(event: Event | None) -> str:
    """The payload of an event as it is written: `(reboot=true)`, or `()`."""
    payload = event.payload if event else {}
    return f"({', '.join(f'{name}={show(value)}' for name, value in payload.items())})"


@define(eq=False)
class Simulation:
    """A system that runs, from its first initial state on.

    Arguments:
        system: what runs. Its `latency` must have a pattern for every action that becomes possible.
    Errors: `SpecError` where the system cannot be built.
    """

    system: System
    joint: Joint = field(init=False)
    observer: Observer = field(init=False)
    state: JointState = field(init=False)
    rows: set[str] = field(factory=set, init=False)
    _now: int = field(default=0, init=False)
    _number: int = field(default=0, init=False)
    _order: Iterator[int] = field(factory=count, init=False)
    _timers: dict[tuple[int, str, str], tuple[Due, Event]] = field(factory=dict, init=False)
    _due: dict[Happening, Due] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.joint = Joint(self.system)
        self.observer = Observer(self.system, self.joint)
        self.state = self.joint.initial()[0]

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self._now / MICRO

    def names(self) -> Mapping[str, Value]:
        """What properties see now, by name: sets, pool variables, facts of the world."""
        return self.observer.named(self.observer.observe(self.state))

    def goal(self, text: str, at: Place) -> Formula:
        """A condition on the pool, in the language of properties. Errors: `SpecError` at `at`."""
        property_ = Property("goal", "always", text, "what is waited for", at)
        return Observer(evolve(self.system, properties=(property_,)), self.joint).formulas[0]

    def holds(self, goal: Formula) -> bool:
        """Whether a condition holds now."""
        return goal.holds(self.observer.observe(self.state))

    def possible(self) -> list[str]:
        """The labels of everything that may be caused now, in a fixed order."""
        return [choice.action.label for choice in self.joint.choices(self.state)]

    def cause(self, label: str, payload: str = "") -> Moment:
        """Something happens now: a fault, an order of an operator, or an action before its time.

        Arguments:
            payload: what its event carries, written `(reboot=true)`; "" for the first that bears the label.
        Errors: `LookupError` where nothing of that label is possible; the message names the nearest.
        """
        told = list[str]()
        for choice in self.joint.choices(self.state):
            if choice.action.label == label:
                told.append(carried(choice.action.event))
                if payload in ("", told[-1]):
                    return self._take(choice)
        if told:
            raise LookupError(f"{label!r} with {payload} cannot happen now; it can with {', '.join(told)}")
        raise LookupError(f"{label!r} cannot happen now{suggest(label, self.possible())}")

    def run(self, seconds: float, goal: Formula | None = None) -> Iterator[Moment]:
        """Let things happen until a goal holds, or so many seconds have passed, or a turn is refused.

        Arguments:
            seconds: at most; if the goal does not come, the clock stands there afterwards.
            goal: None to let all this time pass.
        """
        end = self._now + round(seconds * MICRO)
        while goal is None or not self.holds(goal):
            found = self._next()
            if found is None or found[0][0] > end:
                self._now = end
                return
            (self._now, _), choice = found
            moment = self._take(choice)
            yield moment
            if moment.step.refused is not None:
                return

    def _next(self) -> tuple[Due, Choice] | None:
        """What falls due first, and when."""
        choices = self._schedule()
        waiting = [(due, choices[key]) for key, due in self._due.items()]
        if self._timers:
            (host, _, _), (due, event) = min(self._timers.items(), key=lambda timer: timer[1][0])
            own = self.joint.own(self.state.world, host, self.state.locals[host])
            waiting.append((due, next(choice for choice in own if choice.action.event == event)))
        return min(waiting, key=lambda item: item[0], default=None)

    def _schedule(self) -> dict[Happening, Choice]:
        """Gives a time to what has become possible, and forgets what is impossible now."""
        choices: dict[Happening, Choice] = {}
        for choice in self.joint.by_world(self.state):
            action = choice.action
            if action.fault is not None or (latency := self._latency(action.label)) is None:
                continue
            machine, event = (action.event.machine, action.event.name) if action.event else ("", "")
            key = Happening(action.label, action.host, machine, event, 0)
            while key in choices:
                key = evolve(key, nth=key.nth + 1)
            choices[key] = choice
            if key not in self._due:
                self._due[key] = self._at(latency)
        self._due = {key: due for key, due in self._due.items() if key in choices}
        return choices

    def _at(self, seconds: float) -> Due:
        return self._now + round(seconds * MICRO), next(self._order)

    def _latency(self, label: str) -> float | None:
        for pattern, seconds in self.system.latency:
            if fnmatchcase(label, pattern):
                return seconds
        message = f"no latency for {label!r}: give it a pattern, a last '*' takes all that is left"
        raise SpecError(self.system.at, message, "no-latency")

    def _take(self, choice: Choice) -> Moment:
        """One move; the clock stands where it happens."""
        move = self.joint.take(self.state, choice)
        before, source = self.observer.observe(self.state), self.state
        if move.target is not None:
            self.state = move.target
        after = self.observer.observe(self.state)
        self._set_clocks(move)
        self._number += 1
        if move.turn is not None:
            self.rows.update(fired.row for fired in move.turn.fired)
        violated = tuple(
            formula.property.name
            for formula in self.observer.formulas
            if formula.property.kind in ("always", "step") and not formula.holds(
                *((after,) if formula.property.kind == "always" else (before, after))
            )
        )  # fmt: skip
        old, new = self.observer.named(before), self.observer.named(after)
        changes = {name: (old[name], new[name]) for name in old if old[name] != new[name]}
        step = step_of(self._number, move, changes)
        return Moment(self.now, step, violated, step.refused is None and self.state == source)

    def _set_clocks(self, move: Move) -> None:
        """Timers and times that end with a move, and those that begin with it."""
        action, turn = move.choice.action, move.turn
        self._timers = {key: timer for key, timer in self._timers.items() if key[0] not in action.restart}
        started = {operation.machine for operation in turn.effects.operations} if turn else set()
        self._due = {
            key: due
            for key, due in self._due.items()
            if key.label != action.label
            and key.host not in action.restart
            and (key.host != action.host or key.machine not in started)
        }
        if turn is not None and action.host is not None:
            self._set_timers(action.host, action.event, turn)

    def _set_timers(self, host: int, event: Event | None, turn: Turn) -> None:
        for key in [key for key, (_, fired) in self._timers.items() if key[0] == host and fired == event]:
            del self._timers[key]
        for timer in turn.effects.timers:
            if timer.seconds is None:
                self._timers.pop((host, timer.machine, timer.scope), None)
            else:
                when = self._at(timer.seconds), Event(timer.machine, timer.event)
                self._timers[host, timer.machine, timer.scope] = when
