"""One writer of the redo log, a caller who asks for anything at any moment, and a disk that answers anything.

What was asked, what came of it, and what the disk has just said are facts for one step, so that a promise can say which
answer belongs to what. The caller may also ask once more while it waits; that is the answer `second` is about. Patience
with the disk ends at any moment. Another master may write whatever it likes between two claims: a log that is read anew
shows any half as the one that counts.

Left out: what the log holds and whether it survives, which is the world of two hosts (`hosts.worlds.redo`); a caller
that gives an answer up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.worlds.instantless import Instantless

NOTHING, TWICE, UNASKED = "nothing", "twice", "unasked"
CALLS: Mapping[str, tuple[str, Mapping[str, Value]]] = {
    "claim_old": ("claim", {"order": "lower"}),
    "claim_again": ("claim", {"order": "same"}),
    "claim_new": ("claim", {"order": "higher"}),
    "begin_old": ("begin", {"order": "lower", "older": False}),
    "begin": ("begin", {"order": "same", "older": False}),
    "begin_older": ("begin", {"order": "same", "older": True}),
    "begin_new": ("begin", {"order": "higher", "older": False}),
    "change": ("commit", {"order": "same", "room": "here"}),
    "change_large": ("commit", {"order": "same", "room": "other"}),
    "change_huge": ("commit", {"order": "same", "room": "nowhere"}),
    "change_old": ("commit", {"order": "lower", "room": "here"}),
}
"""Every way to call, by its name as a fact: the event, and how its term stands to the one that is held."""
SECOND = ("claim_new", "begin", "change")
"""What is asked for while another call waits."""
WRITES = ("mark", "wipe", "fill", "seal", "append")
SAID: Mapping[str, tuple[str, ...]] = {
    "survey": ("mine", "free", "stale", "failed"),
    "recheck": ("ours", "gone", "stale", "failed"),
    **dict.fromkeys(WRITES, ("written", "stale", "failed")),
}
"""How each operation may end, but for replay."""
ANSWERS = ("claimed", "begun", "acknowledged", "refused", "stale", "older", "too_large")


HEARD = (NOTHING, "written", "failed", "stale", "looked", "current", "newer", "patience")
"""What a step has brought from the disk. looked: at the marks; current, newer: all, against what the writer has."""


@frozen(cache_hash=True)
class Call:
    """One world.

    Arguments:
        asked: the call that waits, or that was answered in the last step.
        waits: it has no answer yet.
        answer: what was answered in the last step; `second`: to a call that was made meanwhile.
        heard: what the disk said in the last step, or that patience with it has ended.
        alarm: an operator has heard from this process that the log is broken, and not yet that it is healed.
        no_news: what an operator has heard in the last step he knew already.
        counts: the half that counts on the disk; safe: the one that has what the log held when it was read or filled
            last, which counts again where another is wiped. place, known: arguments of the operation under way.
        moved: the last step was an action of this world, not a timer.
    """

    asked: str = NOTHING
    waits: bool = False
    answer: str = NOTHING
    second: bool = False
    heard: str = NOTHING
    alarm: bool = False
    no_news: bool = False
    counts: int = 1
    safe: int = 1
    place: int = 0
    known: bool = False
    moved: bool = False

    def later(self) -> Call:
        """The same a step later."""
        asked = self.asked if self.waits else NOTHING
        return evolve(self, asked=asked, answer=NOTHING, second=False, heard=NOTHING, no_news=False, moved=True)

    def answered(self, name: str) -> Call:
        """The same once the caller hears something; nobody hears how a log mends itself."""
        if self.answer != NOTHING:
            return evolve(self, answer=TWICE)
        if self.second or self.waits:
            return evolve(self, answer=name, waits=self.second)
        return evolve(self, answer=UNASKED) if name == "acknowledged" else self


@define(eq=False)
class WriterWorld(Instantless):
    """The world of one writer.

    Arguments:
        n: 1.
        off: there are no clauses.
        faults: close (the caller uses the log no more), restart (the process dies and begins anew).
        routes: not used, no host calls another.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    clauses: Mapping[str, str] = field(factory=dict, init=False)
    faults = ("close", "restart")

    def __attrs_post_init__(self) -> None:
        if self.n != 1:
            raise ValueError("there is 1 writer")

    @property
    def facts(self) -> Mapping[str, Domain]:
        """Those of `Call` that properties ask for."""
        return {
            "asked": Domain("enum", (NOTHING, *CALLS)),
            "waits": Domain("bool"),
            "answer": Domain("enum", (NOTHING, *ANSWERS, TWICE, UNASKED)),
            "second": Domain("bool"),
            "heard": Domain("enum", HEARD),
            "alarm": Domain("bool"),
            "no_news": Domain("bool"),
            "counts": Domain("int", low=0, high=1),
            "safe": Domain("int", low=0, high=1),
        }

    def state_facts(self, w: Call) -> Mapping[str, Value]:
        """The values of `facts`."""
        return {name: getattr(w, name) for name in self.facts}

    def initial(self) -> Iterable[Call]:
        """Nobody has asked for anything."""
        yield Call()

    def alive(self, w: Call, host: int) -> bool:
        """Always: the pause between two tries ends at any moment."""
        return True

    def perform(self, w: Call, host: int, effects: Effects) -> Call:
        """The caller and an operator hear what came of it; an operation begins."""
        w = evolve(w if w.moved else w.later(), moved=False)
        for signal in effects.signals:
            if signal.port == "caller":
                w = w.answered(signal.name)
            elif signal.port == "alerts":
                broken = signal.name == "log_broken"
                w = evolve(w, alarm=broken, no_news=broken == w.alarm)
        for operation in effects.operations:
            arguments = operation.arguments
            w = evolve(w, place=arguments.get("half", 0), known=arguments.get("known", False))
        return w

    def actions(self, w: Call, pending: Pending) -> Iterator[Action[Call]]:
        """A call, an answer of the disk, the end of patience or of all."""
        now = w.later()
        for name in SECOND if w.waits else CALLS:
            order, said = CALLS[name]
            called = evolve(now, second=True) if w.waits else evolve(now, asked=name, waits=True)
            payload = {"term": None, **said} if order != "commit" else said
            yield Action(f"the caller asks: {name}", called, host=0, event=Event("redo_log", order, payload))
        for machine, operation in pending[0]:
            for heard, after, event in self.ends(now, machine, operation.partition(".")[2]):
                ended = evolve(after, heard=heard, place=0, known=False)
                yield Action(f"{operation}: {heard}", ended, host=0, event=event)
            tired = evolve(now, heard="patience", place=0, known=False)
            yield Action("patience ends", tired, host=0, event=Event("redo_log", "overdue"))
        over = Call(counts=w.counts, safe=w.safe)
        closed = evolve(over, alarm=w.alarm, moved=True)
        yield Action("the log is closed", closed, "close", 0, Event("redo_log", "close"))
        yield Action("the process begins anew", over, "restart", restart=(0,))

    def ends(self, w: Call, machine: str, name: str) -> Iterator[tuple[str, Call, Event]]:
        """Every way in which an operation may end: what is heard of it, the disk then, the event."""
        if name == "replay":
            for half in (w.counts,) if w.known else (0, 1):
                read = w if w.known else evolve(w, counts=half, safe=half)
                for newer in (False, True):
                    event = Event(machine, "disk.replayed", {"found": half, "newer": newer})
                    yield "newer" if newer else "current", read, event
            yield "failed", w, Event(machine, "disk.failed")
            return
        for said in SAID[name]:
            heard = said if said in HEARD else "looked"
            for after in self.disks(w, name, said):
                yield heard, after, Event(machine, f"disk.{said}")

    def disks(self, w: Call, name: str, said: str) -> Iterator[Call]:
        """What may be on the disk after that: a header counts once it is written, and no more once it is wiped."""
        if name not in ("wipe", "seal"):
            yield w
            return
        done = evolve(w, counts=w.place if name == "seal" else 1 - w.place)
        yield evolve(done, safe=w.place) if (name, said) == ("seal", "written") else done
        if said != "written" and done != w:
            yield w
