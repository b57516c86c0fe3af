"""One daemon, an operator who orders anything at any moment, and a statefile that shows anything a read may show.

What was ordered, what a read showed and what the daemon told its agent and its guard are facts for one step, so that a
promise can say what follows from what. The records of the other hosts are not there; host 1 is a name that reads show.
Reads differ in what the setting `shows` names: in what members are about (joiners, the gone, links, verdicts), or in
what the master lock is about. Nobody is proposed as master in the first.

Left out: time, so that every timer fires at any moment; two hosts that act on what the other has written, which is the
matter of the systems `lock`, `generation`, `lease` and others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event, Signal
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.worlds.instantless import Instantless

ME, PEER = frozenset({0}), frozenset({1})
NOBODY, BOTH = frozenset[int](), frozenset({0, 1})
NOTHING, HUNG = "nothing", "hung"
PAYLOAD: Mapping[str, Value] = {
    "pool": "active", "excluded": False, "online": False, "closure": NOBODY, "listed": False, "absent": NOBODY,
    "gone": NOBODY, "first": None, "joiners": NOBODY, "mutual": PEER, "ruled_out": False, "deciding": False,
    "decided": BOTH, "split": False, "settled": False, "verdict": BOTH, "asker": None, "preempted": False,
    "granted": NOBODY, "void": False, "taken": False,
}  # fmt: skip
"""A read that shows nothing of interest."""
POOLS = ("init", "active", "invalid")
EITHER = (False, True)
WRITTEN: Mapping[str, Value] = {"deadline": 0}
DAEMON = ("start", "stop", "exclude", "invalidate")
NETWORK: Mapping[str, Mapping[str, Value]] = {
    "acked": WRITTEN, "unanimous": WRITTEN, "missed": {"who": 1}, "left": {}, "hurry": {},
}  # fmt: skip
HEARD = (NOTHING, "seen", "failed", "wrote", "said", *NETWORK)
ASKED = (NOTHING, *DAEMON, "propose")
TOLD = (NOTHING, "granted", "refused", "kept")
GIVEN = ("free", "own", "foreign")


FLAGS = ("waits", "armed", "renewed", "fenced", "requested", "marked", "hurried", "anew")
"""Fields of `Daemon` that are facts as they stand."""
SHOWN = ("excluded", "online", "listed", "first", "ruled_out", "deciding", "settled", "split", "asker", "preempted",
         "void", "taken")  # fmt: skip
SETS = ("absent", "gone", "joiners", "mutual", "decided", "verdict", "grantors")
KEPT = ("pool", "mutual", "decided", "verdict")
"""Fields that stand in `shown` even where they are as in `PAYLOAD`."""
VERDICTS: tuple[Mapping[str, Value], ...] = (
    {"ruled_out": True, "decided": ME},
    {"ruled_out": True, "deciding": True, "settled": True},
    {"deciding": True, "settled": True, "verdict": ME, "split": True, "mutual": NOBODY},
    {"deciding": True, "settled": True, "split": True},
    {"deciding": True, "decided": ME},
    {"settled": True, "decided": ME, "split": True, "mutual": NOBODY},
)
"""What a live host may read of a verdict."""


def varied(**fields: tuple[Value, ...]) -> Iterator[Mapping[str, Value]]:
    """Reads that differ in these fields; whoever is gone or absent exchanges no heartbeats."""
    for values in product(*fields.values()):
        said = {**PAYLOAD, **dict(zip(fields, values, strict=True))}
        yield {**said, "mutual": NOBODY} if said["gone"] or said["absent"] else said


def reads(phase: str, shows: str) -> Iterator[Mapping[str, Value]]:
    """What a read may show a host before it has written, while it joins, and as a live one."""
    some = (NOBODY, PEER)
    if phase == "read":
        yield from varied(pool=POOLS, excluded=EITHER)
    elif phase == "write_joining":
        yield from varied(pool=POOLS, absent=some, gone=some, first=(None, 0, 1))
        yield from varied(pool=POOLS, online=(True,), closure=(PEER,), listed=EITHER)
        yield from varied(online=(True,), closure=(PEER,), listed=EITHER, absent=(PEER,))
    elif shows == "members":
        yield from varied(pool=POOLS, gone=some, joiners=some, split=EITHER)
        yield from ({**PAYLOAD, **said, "pool": pool} for said in VERDICTS for pool in POOLS)
    else:
        yield from varied(pool=("invalid",))
        yield from varied(gone=(PEER,))
        yield from varied(split=(True,), asker=(1,))
        for asker, preempted in ((None, False), (1, False), (1, True)):
            yield from varied(
                asker=(asker,), preempted=(preempted,), granted=(NOBODY, ME, BOTH), void=EITHER, taken=EITHER
            )


@frozen(cache_hash=True)
class Daemon:
    """One world.

    Arguments:
        asked, heard: what was ordered, or came from statefile and network, in the last step. shown: of a read.
        told: what the agent heard in the last step. waits: it waits for the answer to a proposal.
        armed: the guard ends this host unless renewed; renewed: in the last step. fenced: it was told to end it.
        requested, given, marked: what the lock wants to be written. hurried: soon, as of the last step.
        anew: the daemon was replaced by another in the last step.
        phase: the last operation but a read, or that it never ends.
        moved: the last step was an action of this world, not a timer.
    """

    asked: str = NOTHING
    heard: str = NOTHING
    shown: tuple[tuple[str, Any], ...] = ()
    told: str = NOTHING
    waits: bool = False
    armed: bool = False
    renewed: bool = False
    fenced: bool = False
    requested: bool = False
    given: str = "free"
    marked: bool = False
    hurried: bool = False
    anew: bool = False
    phase: str = "read"
    moved: bool = False

    def later(self) -> Daemon:
        """The same a step later."""
        return evolve(
            self,
            asked=NOTHING,
            heard=NOTHING,
            shown=(),
            told=NOTHING,
            renewed=False,
            hurried=False,
            anew=False,
            moved=True,
        )

    def signalled(self, signal: Signal) -> Daemon:
        """The same once the guard, the agent or the next write has been told something."""
        match signal.port, signal.name:
            case "supervisor", "arm":
                return evolve(self, armed=True)
            case "supervisor", "drop":
                return evolve(self, armed=False)
            case "supervisor", "renew":
                return evolve(self, renewed=True)
            case "supervisor", "fence":
                return evolve(self, fenced=True)
            case "statefile", "ask":
                return evolve(self, requested=True, marked=False)
            case "statefile", "withdraw":
                return evolve(self, requested=False, marked=False)
            case "statefile", "grant":
                to = signal.arguments["to"]
                return evolve(self, given="free" if to is None else "own" if to == 0 else "foreign")
            case "statefile", "mark":
                return evolve(self, marked=True)
            case "statefile", "hurry":
                return evolve(self, hurried=True)
            case "agent", _:
                return evolve(self, told=signal.name, waits=self.waits and signal.name == "kept")
        return self


@define(eq=False)
class TurnsWorld(Instantless):
    """The world of one daemon in a pool of two.

    Arguments:
        n: 2.
        off: there are no clauses.
        faults: restart (the daemon is gone and another begins), hang (a goodbye is never written).
        routes: not used, no host calls another.
        shows: what reads differ in: members, or lock.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    shows: str = "members"
    clauses: Mapping[str, str] = field(factory=dict, init=False)
    faults = ("restart", "hang")

    def __attrs_post_init__(self) -> None:
        if self.n != 2 or self.shows not in ("members", "lock"):
            raise ValueError("there are 2 hosts, and reads differ in what is said of members, or of the lock")

    @property
    def facts(self) -> Mapping[str, Domain]:
        """Those of `Daemon`, and the fields of a read; `first`, `asker`: that is this host, there is one."""
        yes, hosts = Domain("bool"), Domain("hosts")
        words = {"asked": ASKED, "heard": HEARD, "told": TOLD, "given": GIVEN, "shown": (NOTHING, *POOLS)}
        said = {name: Domain("enum", members) for name, members in words.items()}
        return {**said, **dict.fromkeys((*FLAGS, *SHOWN), yes), **dict.fromkeys(SETS, hosts)}

    def state_facts(self, w: Daemon) -> Mapping[str, Value]:
        """The values of `facts`."""
        read = {**PAYLOAD, "mutual": NOBODY, "decided": NOBODY, "verdict": NOBODY, **dict(w.shown)}
        plain = {name: getattr(w, name) for name in ("asked", "heard", "told", "given", *FLAGS)}
        named = {**read, "grantors": read["granted"], "first": read["first"] == 0, "asker": read["asker"] is not None}
        shown = read["pool"] if w.shown else NOTHING
        return {**plain, "shown": shown, **{name: named[name] for name in (*SHOWN, *SETS)}}

    def initial(self) -> Iterable[Daemon]:
        """The daemon was not started yet."""
        yield Daemon()

    def alive(self, w: Daemon, host: int) -> bool:
        """The one daemon is, whose timers fire at any moment."""
        return host == 0

    def perform(self, w: Daemon, host: int, effects: Effects) -> Daemon:
        """What the daemon tells others, and what it asks of the statefile."""
        w = evolve(w if w.moved else w.later(), moved=False)
        for signal in effects.signals:
            w = w.signalled(signal)
        for operation in effects.operations:
            if operation.name != "read":
                w = evolve(w, phase=operation.name)
        return w

    def actions(self, w: Daemon, pending: Pending) -> Iterator[Action[Daemon]]:
        """Orders, what the network brings, and how an operation ends."""
        now = w.later()
        for order in DAEMON:
            yield Action(f"order: {order}", evolve(now, asked=order), host=0, event=Event("membership", order))
        if self.shows == "lock":
            asked = evolve(now, asked="propose", waits=True)
            yield Action("order: propose", asked, host=0, event=Event("lock", "propose"))
        for name, said in NETWORK.items() if w.armed else ():
            yield Action(
                f"network: {name}", evolve(now, heard=name), host=0, event=Event("membership", f"network.{name}", said)
            )
        for _, operation in pending[0] if w.phase != HUNG else ():
            yield from self.ends(now, operation.partition(".")[2])
        yield Action("another daemon begins", Daemon(anew=True), "restart", restart=(0,))

    def ends(self, w: Daemon, name: str) -> Iterator[Action[Daemon]]:
        """How an operation may end."""
        failed = Event("membership", "statefile.failed")
        yield Action(f"{name} fails", evolve(w, heard="failed"), host=0, event=failed)
        if name == "read":
            for said in reads(w.phase, self.shows):
                if (said["void"] and w.given != "foreign") or (said["granted"] and w.given != "own"):
                    continue  # the record of this host is among those that were read
                shown = tuple((key, value) for key, value in said.items() if value != PAYLOAD[key] or key in KEPT)
                label = f"a read shows {', '.join(f'{key}={value}' for key, value in shown)}"
                event = Event("membership", "statefile.seen", said)
                yield Action(label, evolve(w, heard="seen", shown=shown), host=0, event=event)
        else:
            outcome, payload = ("said", {}) if name == "write_bye" else ("wrote", WRITTEN)
            event = Event("membership", f"statefile.{outcome}", payload)
            yield Action(f"{name}: {outcome}", evolve(w, heard=outcome), host=0, event=event)
        if name == "write_bye":
            yield Action(f"{name} hangs", evolve(w, phase=HUNG, moved=False), "hang")
