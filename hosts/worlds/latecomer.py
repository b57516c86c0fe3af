"""A host that starts with the statefile beside one that lives without it, in ticks: both are never live at once.

Host 0 and its liveset are as in `survival.py`. The highest host, the latecomer, is down at the beginning, excluded or
not; its daemon starts at any time, reads and writes the statefile, and hears heartbeats of host 0 at once or not at
all. It may take every host but host 0 for gone whenever it likes; for host 0 its books decide, which are those of the
shipped daemon. Its pauses take any time, and so do its reads between their start, the sight of the file and their end;
its writes take none, for nobody here reads them. A write of host 0 lands before it is confirmed, and may land though it
fails.

Clauses: those of `survival.py`, and
    barred  an excluded host forms no liveset

Left out: joins (nobody admits the latecomer), its second start, its own lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.daemon.layout import Phase
from hosts.daemon.timing import Timing
from hosts.worlds import books
from hosts.worlds.instantless import Instantless
from hosts.worlds.survival import CLAUSES as OF_SURVIVAL
from hosts.worlds.survival import HOSTS, Lease, Survival

NOBODY: frozenset[int] = frozenset()
CLAUSES = {**OF_SURVIVAL, "barred": "an excluded host forms no liveset unless all are excluded"}


@frozen(cache_hash=True)
class Late:
    """The latecomer.

    Arguments:
        started, begun: its daemon runs; has an incarnation.
        silence: ticks since host 0 was heard, its record was found changed, or the daemon started.
        reading, quiet, shown: a read is under way; host 0 was silent when that started; whether the file showed news.
        news: the file has something new. phase: what the latecomer wrote last.
        excluded: the statefile says that it is.
    """

    started: bool = False
    begun: bool = False
    silence: int = 0
    reading: bool = False
    quiet: bool = False
    shown: bool | None = None
    news: bool = False
    phase: Phase | None = None
    excluded: bool = False


@frozen(cache_hash=True)
class Scene:
    """Host 0 with its liveset, whether its write under way has landed, and the latecomer."""

    lease: Lease
    landed: bool
    late: Late


@define(eq=False)
class Latecomer(Instantless):
    """The world of `n` hosts, the highest of which starts late.

    Arguments:
        n, off, faults, routes: as of every world; nobody calls.
        life, cap: as of `Survival`, ticks. stranger: silence after which a joiner takes a host for gone, ticks.
        dead: so many hosts below the latecomer are not excluded, and never answer.
        excluded: whether the latecomer is excluded at the beginning.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    life: int = 1
    cap: int = 2
    stranger: int = 3
    dead: int = 0
    excluded: bool = False
    clauses = CLAUSES
    faults = ("clear",)

    @cached_property
    def timing(self) -> Timing:
        """The durations in ticks."""
        return books.ticks(self.life, self.life + 1, self.cap, self.stranger)

    @cached_property
    def survival(self) -> Survival:
        """The world of host 0; rule 2 counts the latecomer unless it is excluded."""
        counted = not self.excluded
        return Survival(
            self.n - 1 + counted, self.off - {"barred"}, self.may, self.routes, self.life, self.cap, self.dead + counted
        )

    @property
    def me(self) -> int:
        """The latecomer."""
        return self.n - 1

    @property
    def facts(self) -> Mapping[str, Domain]:
        """As of `Survival`; and the latecomer."""
        return {**self.survival.facts, "late": HOSTS}

    def state_facts(self, w: Scene) -> Mapping[str, Value]:
        """The values of `facts`."""
        return {**self.survival.state_facts(w.lease), "late": frozenset({self.me})}

    def initial(self) -> Iterable[Scene]:
        """A new lease, and nobody at the highest host."""
        for lease in self.survival.initial():
            yield Scene(lease, False, Late(excluded=self.excluded))

    def perform(self, w: Scene, host: int, effects: Effects) -> Scene:
        """What host 0 begins; what the latecomer begins, with the age at the start of a read."""
        if host != self.me:
            writing = w.lease.write
            lease = self.survival.perform(w.lease, host, effects)
            return evolve(w, lease=lease, landed=w.landed and lease.write == writing)
        late = w.late
        if any(signal.name == "arm" for signal in effects.signals):
            late = evolve(late, begun=True)
        for operation in effects.operations:
            if operation.name == "read":
                quiet = books.finds_silent(self.timing, late.silence, late.phase is Phase.LIVE)
                late = evolve(late, reading=True, quiet=quiet, shown=None)
            else:
                late = evolve(late, phase=books.PHASES[operation.name])
        return evolve(w, late=late)

    def actions(self, w: Scene, pending: Pending) -> Iterator[Action[Scene]]:
        """Everything that may happen next, until host 0 ends or the latecomer is live."""
        if w.late.phase is Phase.LIVE:
            return
        if ("membership", "statefile.write_joining") in pending[self.me]:
            event = Event("membership", "statefile.wrote", {"deadline": self.life})
            yield Action(f"host {self.me} has written", w, host=self.me, event=event)
            return
        for action in self.survival.actions(w.lease, pending):
            yield from self.beside(w, action)
        if w.lease.step < len(self.survival.script) or not w.lease.lives:
            return
        if w.lease.write is not None and not w.landed:
            landed = evolve(w, landed=True, late=evolve(w.late, news=w.late.started))
            yield Action("the write of host 0 lands", landed)
        if "clear" in self.may and w.late.excluded:
            cleared = evolve(w, late=evolve(w.late, excluded=False))
            yield Action(f"the operator takes host {self.me} back", cleared, "clear")
        yield from self.turns(w, [name.removeprefix("statefile.") for _, name in pending[self.me]])

    def beside(self, w: Scene, action: Action[Lease]) -> Iterator[Action[Scene]]:
        """What happens to host 0, and to the time of the latecomer; a write is confirmed once it has landed."""
        late = w.late
        if action.label == "a tick" and late.started:
            late = evolve(late, silence=min(late.silence + 1, self.stranger))
        if not action.label.endswith("statefile.wrote") or w.landed or w.lease.step < len(self.survival.script):
            after = Scene(action.world, w.landed and action.world.write is not None, late)
            yield Action(action.label, after, action.fault, action.host, action.event, action.restart)

    def turns(self, w: Scene, pending: list[str]) -> Iterator[Action[Scene]]:
        """The turns of the latecomer."""
        late, me = w.late, self.me

        def told(what: str, name: str, after: Late, **payload: Value) -> Action[Scene]:
            event = Event("membership", name, payload)
            return Action(f"host {me} {what}", evolve(w, late=after), host=me, event=event)

        if not late.started:
            yield told("starts", "start", evolve(late, started=True))
            return
        if late.silence:
            yield Action(f"a heartbeat of host 0 reaches host {me}", evolve(w, late=evolve(late, silence=0)))
        if late.reading and late.shown is None:
            shown = evolve(late, shown=late.news, news=False)
            yield Action(f"the read of host {me} sees the file", evolve(w, late=shown))
        elif late.reading:
            payload, after = self.seen(late)
            yield told("has read", "statefile.seen", after, **payload)
        elif not pending:
            yield told("begins its next turn", "after", late)

    def seen(self, late: Late) -> tuple[Mapping[str, Value], Late]:
        """What a read shows, and what it changes."""
        me, owner = self.me, frozenset({0})
        members = frozenset(self.survival.members)
        theirs = books.Word(Phase.LIVE, members, 1)
        mine = books.Word(late.phase, NOBODY, 1) if late.phase else books.Word()
        words = (*(theirs,) * me, mine)
        news = bool(late.shown)
        silent = frozenset(range(1, me)) | (owner if late.quiet and not news else NOBODY)
        excluded = frozenset({me}) if late.excluded and "barred" not in self.off else NOBODY
        shown = books.gathered(self.timing, me, words, NOBODY, NOBODY, silent, NOBODY, late.begun, excluded=excluded)
        first = not late.begun and books.first_sight_counts(self.timing)
        silence = 0 if news or first else late.silence
        return shown, evolve(late, reading=False, quiet=False, shown=None, silence=silence)
