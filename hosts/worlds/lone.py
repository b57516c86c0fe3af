"""One host of a pool, and whatever the rest of the pool may say: for the story of one machine, or of a few.

One host is explored; the others are voices. What is asked of them ends in any way, and they call at any time. Of
the host itself the world keeps what its operations have done, so that promises can speak of it: its daemon, the lock,
the storage, a VM, power. The contracts that it keeps are `CLAUSES`. A daemon may leave at any time, as when it reads
that the pool state is invalid. Storage that cannot be used may be attached all the same.

Facts of a turn are those of the last one: `heard` (the outcome that the host was told), `said` (what it replied) and
`alert`. `others` is how far the calls of this host have taken the pool.

Faults: call (another host calls), restart (the agent dies and starts again), leave (the daemon leaves).

Left out: marks that a daemon remembers which has lost the statefile, and everything that ties the answers of others
together, which the world of pools has (`hosts.worlds.pool`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value

OFF, LIVE, DISARMED = "off", "live", "disarmed"
NOTHING = "nothing"
STAGES = ("clean", "prepared", "invited", "joined", "silenced", "unarmed", "stopping")
BEGUN = {"preconfigure": "prepared", "join": "invited", "disarm": "unarmed", "stop_daemon": "stopping"}
"""What is so as soon as some of the others may have heard of it."""
QUERY, ASK = "daemon.query", "host.ask_ha"
INSTANT = (QUERY, "toolstack.find", "toolstack.look")
FLAGS = ("locked", "mounted", "busy", "excluded", "owned", "revoked", "dark")
CLAUSES = {
    "there": "a daemon that is there already counts as started, or says that it was disarmed",
    "going": "a start fails if the daemon was told to go meanwhile",
    "live": "only a live daemon is granted the lock",
    "marked": "at most one host is marked, and it is in the liveset",
    "whole": "a liveset without the statefile is the whole pool, and shows no mark",
    "itself": "who answers as master names itself, and was asked",
    "backed": "nobody is superseded who takes the database over with a liveset",
}
Seen = tuple[frozenset[int], frozenset[int], bool]
Ending = tuple[str, dict[str, Any], "Lone"]


@frozen(cache_hash=True)
class Lone:
    """One world.

    Arguments:
        up: the agent runs.
        daemon: off, live or disarmed.
        seen: what a query shows of a daemon (liveset, marked, statefile); None: it is starting.
        busy: a VM runs here.
        locked, mounted, excluded: this host holds the master's lock; its storage is attached; the statefile says that
            it is excluded. revoked: the pool state was set invalid. dark: it has no power.
        backed: the database is being taken over with a liveset. owned: it was taken over since the daemon was started,
            or asked for the lock. doomed: the daemon was told to go since it was started.
        asked: the hosts that were asked about HA since its daemon was started.
        others: one of `STAGES`.
        calls: those of others under way here.
        heard, said, alert: in the last turn; `fresh`: what was heard is of the turn that comes.
    """

    up: bool
    daemon: str
    seen: Seen | None
    busy: bool = False
    mounted: bool = False
    others: str = "clean"
    locked: bool = False
    excluded: bool = False
    revoked: bool = False
    owned: bool = False
    backed: bool = False
    doomed: bool = False
    dark: bool = False
    asked: frozenset[int] = frozenset()
    calls: frozenset[str] = frozenset()
    heard: str = NOTHING
    said: str = NOTHING
    alert: str = NOTHING
    fresh: bool = False

    def left(self) -> Lone:
        """The same without a daemon."""
        return evolve(self, daemon=OFF, seen=None, locked=False, doomed=True)

    def quiet(self) -> Lone:
        """The same with nothing of the last turn."""
        return evolve(self, heard=NOTHING, said=NOTHING, alert=NOTHING)


@define(eq=False)
class LoneWorld:
    """The world of one host.

    Arguments:
        n: hosts of the pool.
        off, faults: clauses that do not hold, kinds of fault that may happen.
        routes: which machine serves which call.
        calls: those that come from others, of the port host.
        daemon: that of this host at the beginning.
        busy, mounted: a VM runs here at the beginning; the storage is attached.
        others: how far the pool has been taken.
        me: the host that is explored; -1 is the last.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    calls: Sequence[str] = ()
    daemon: str = OFF
    busy: bool = False
    mounted: bool = False
    others: str = "clean"
    me: int = -1
    voice: int = field(init=False)
    facts: Mapping[str, Domain] = field(init=False)
    _livesets: Sequence[frozenset[int]] = field(init=False)
    _shown: Sequence[Seen | None] = field(init=False)
    clauses = CLAUSES
    faults = ("call", "restart", "leave")

    def __attrs_post_init__(self) -> None:
        self.me = range(self.n)[self.me]
        self.voice = 0 if self.me else self.n - 1
        self._livesets = list(dict.fromkeys((frozenset({self.me}), frozenset(range(self.n)))))
        ports = {port.name: port for machine in self.routes.machines for port in machine.ports.values()}
        outcomes = [f"{p.name}_{o}" for p in ports.values() for op in p.operations.values() for o in op.outcomes]
        heard = dict.fromkeys((NOTHING, "all_ok", "some_failed", "host_lost", *outcomes))
        said = dict.fromkeys(f"{call}_{o}" for call in self.calls for o in ports["host"].operations[call].outcomes)
        alerts = ports["alerts"].signals if "alerts" in ports else ()
        self.facts = {
            **dict.fromkeys(("live", "harmless", "asked", "members", "shown", "reached", *FLAGS), Domain("hosts")),
            "others": Domain("enum", STAGES),
            "heard": Domain("enum", tuple(heard)),
            "said": Domain("enum", (NOTHING, *said)),
            "alert": Domain("enum", (NOTHING, *alerts)),
        }
        asked = [row.do for machine in self.routes.machines for row in machine.rows if row.do is not None]
        unknown = [do.name for do in asked if do.name not in (*ENDINGS, *INSTANT, ASK) and not do.joined]
        if unknown:
            raise ValueError(f"it does not say how {unknown[0]} ends")
        self._shown = list(self._may_show()) if any(do.name == QUERY for do in asked) else [None]

    def _may_show(self) -> Iterator[Seen | None]:
        yield None
        nobody, everybody = frozenset[int](), frozenset(range(self.n))
        for live in self._livesets:
            marks = [nobody, *(frozenset({host}) for host in live)]
            if "marked" in self.off:
                marks += [frozenset({host}) for host in everybody - live] + ([everybody] if self.n > 1 else [])
            yield from ((live, marked, True) for marked in marks)
            if live == everybody or "whole" in self.off:
                yield live, nobody, False

    def initial(self) -> Iterable[Lone]:
        """One for whatever a query may show."""
        up = all(machine.name != "life" for machine in self.routes.machines)
        for seen in self._shown if self.daemon != OFF else [None]:
            yield Lone(up, self.daemon, seen, self.busy, self.mounted, self.others)

    def alive(self, w: Lone, host: int) -> bool:
        """The others are voices."""
        return host == self.me and w.up and not w.dark

    def view(self, w: Lone, host: int) -> Hashable:
        """What a query shows, None without a daemon; whether a VM runs."""
        return None if w.daemon == OFF else (w.seen,), w.busy

    def read(self, view: Any, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """The answer of an instant operation."""
        shown, running = view
        if operation.port == "toolstack":
            return {"find": "here" if running else "absent", "look": "plugged"}[operation.name], {}
        if operation.name != "query":
            raise KeyError(f"{operation.port}.{operation.name}")
        if shown is None:
            return "gone", {}
        if shown[0] is None:
            return "starting", {}
        live, marked, statefile = shown[0]
        return "liveset", {"live": live, "marked": marked, "statefile": statefile}

    def perform(self, w: Lone, host: int, effects: Effects) -> Lone:
        """What a turn brings about at once; what is begun counts as done where others may know of it."""
        ended = {reply.call: reply.outcome for reply in effects.replies}
        said = next((f"{call.removeprefix('from ')}_{ended[call]}" for call in reversed(ended)), NOTHING)
        alert = next((signal.name for signal in effects.signals if signal.port == "alerts"), NOTHING)
        w = evolve(w, heard=w.heard if w.fresh else NOTHING, fresh=False, said=said, alert=alert)
        w = evolve(w, calls=w.calls - {call.removeprefix("from ") for call in ended})
        for signal in effects.signals:
            if (signal.port, signal.name) == ("daemon", "quit"):
                w = w.left()
            elif (signal.port, signal.name) == ("storage", "detach"):
                w = evolve(w, mounted=False)
        for operation in effects.operations:
            w = self._begun(w, operation)
        return w

    def _begun(self, w: Lone, operation: Operation) -> Lone:
        if operation.port == "daemon" and operation.name == "start":
            return evolve(w, owned=False, doomed=False, asked=frozenset())
        if operation.port == "daemon" and operation.name == "propose":
            return evolve(w, owned=False)
        if operation.port == "database":
            return evolve(w, backed=bool(operation.arguments.get("live")))
        if operation.joined:
            return evolve(w, others=BEGUN.get(operation.name, w.others))
        return evolve(w, asked=w.asked.union(operation.targets)) if operation.targets is not None else w

    def actions(self, w: Lone, pending: Pending) -> Iterator[Action[Lone]]:
        """Outcomes of what is pending, calls, what a query would show, the daemon leaves, the agent dies and starts."""
        if w.dark:
            return
        w = w.quiet()
        if not w.up:
            yield Action("the agent starts", evolve(w, up=True), host=self.me, event=Event("life", "boot"))
            return
        for machine, name in pending[self.me]:
            for outcome, payload, after in self._endings(w, name):
                told = outcome if outcome in ("all_ok", "some_failed") else f"{name.partition('.')[0]}.{outcome}"
                said = ", ".join(f"{key}={value}" for key, value in payload.items())
                event, now = Event(machine, told, payload), evolve(after, heard=told.replace(".", "_"), fresh=True)
                yield Action(f"{name} of host {self.me}: {told}({said})", now, host=self.me, event=event)
            if name.startswith("power."):
                yield Action("the host goes down", evolve(w.left(), dark=True, busy=False), restart=(self.me,))
        yield from self._called(w)
        for seen in self._shown:
            if seen != w.seen and w.daemon != OFF:
                yield Action(f"a query would show {seen}", evolve(w, seen=seen))
        if w.daemon != OFF:
            yield Action("the daemon leaves", w.left(), "leave")
        yield Action("the agent dies", evolve(w, up=False, calls=frozenset()), "restart", restart=(self.me,))

    def _called(self, w: Lone) -> Iterator[Action[Lone]]:
        """Calls of another host; one of a kind at a time."""
        for call in self.calls:
            machine, _ = self.routes.table[f"host.{call}"]
            fields = next(m.ports["host"].operations[call].arguments for m in self.routes.machines if m.name == machine)
            if call not in w.calls:
                payload = dict.fromkeys(fields, self.voice)
                event = Event(machine, f"host.{call}", payload, f"from {call}")
                now = evolve(w, calls=w.calls | {call})
                yield Action(f"host.{call} of host {self.voice}", now, "call", host=self.me, event=event)

    def _endings(self, w: Lone, operation: str) -> Iterator[Ending]:
        """How an operation may end: outcome, payload, the world then."""
        if operation in ENDINGS:
            yield from ENDINGS[operation](self, w)
        else:
            yield from self._of_hosts(w, operation.removeprefix("host."))

    def _of_hosts(self, w: Lone, name: str) -> Iterator[Ending]:
        if name != "ask_ha":
            stage = {"join": "joined", "disable_decisions": "silenced", "release": "clean"}.get(name, w.others)
            yield "all_ok", {}, evolve(w, others=stage)
            yield "some_failed", {"bad": frozenset({self.voice})}, evolve(w, others="clean") if name == "release" else w
            return
        for outcome in ("off", "on"):
            masters = [host for host in range(self.n) if host in w.asked - {self.me} or "itself" in self.off]
            yield from ((outcome, {"master": host}, w) for host in masters)
        yield from ((outcome, {}, w) for outcome in ("changing", "failed", "lost"))

    def _daemon_start(self, w: Lone) -> Iterator[Ending]:
        if w.daemon != OFF:
            yield ("started" if w.daemon == LIVE else "disarmed"), {}, w
            if "there" not in self.off:
                return
        if w.doomed and "going" not in self.off:
            yield "failed", {}, w
            return
        yield "started", {}, evolve(w, daemon=LIVE)
        yield from (("invalid", {"master": master}, w) for master in (None, *range(self.n)))
        yield from ((outcome, {}, w) for outcome in ("no_statefile", "failed"))

    def _daemon_propose(self, w: Lone) -> Iterator[Ending]:
        if w.daemon == LIVE or "live" in self.off:
            for live in self._livesets:
                yield "granted", {"live": live}, evolve(w, locked=True)
        yield ("gone" if w.daemon == OFF else "refused"), {}, w

    def _daemon_set_init(self, w: Lone) -> Iterator[Ending]:
        yield "ok", {}, evolve(w, revoked=False)
        yield "failed", {}, w

    def _daemon_set_invalid(self, w: Lone) -> Iterator[Ending]:
        yield "ok", {}, evolve(w, revoked=True)
        yield "failed", {}, w

    def _daemon_disarm(self, w: Lone) -> Iterator[Ending]:
        yield "disarmed", {}, evolve(w, daemon=DISARMED, locked=False) if w.daemon != OFF else w.left()

    def _daemon_exclude(self, w: Lone) -> Iterator[Ending]:
        yield "ok", {}, evolve(w.left(), excluded=True)
        yield "failed", {}, w

    def _storage_attach(self, w: Lone) -> Iterator[Ending]:
        yield "attached", {}, evolve(w, mounted=True)
        yield "failed", {}, evolve(w, mounted=True)

    def _database_read(self, w: Lone) -> Iterator[Ending]:
        yield "ok", {"term": 0}, w
        yield "failed", {}, w

    def _database_take_over(self, w: Lone) -> Iterator[Ending]:
        yield "ok", {"term": 0}, evolve(w, owned=True)
        yield "failed", {}, w
        if not w.backed or "backed" in self.off:
            yield "superseded", {}, w

    def _toolstack_stop_all(self, w: Lone) -> Iterator[Ending]:
        yield "stopped", {}, evolve(w, busy=False)
        yield "failed", {}, w

    def _toolstack_start(self, w: Lone) -> Iterator[Ending]:
        yield "started", {}, evolve(w, busy=True)
        yield "failed", {}, w

    def _power_off(self, w: Lone) -> Iterator[Ending]:
        yield "failed", {}, w

    def state_facts(self, w: Lone) -> Mapping[str, Value]:
        """The values of `facts`."""
        mine, nobody = frozenset({self.me}), frozenset[int]()
        flags = {name: mine if getattr(w, name) else nobody for name in FLAGS}
        flags |= {"live": mine if w.daemon == LIVE else nobody, "harmless": mine if w.daemon == DISARMED else nobody}
        live, marked, statefile = w.seen or (nobody, nobody, False)
        query = {"members": live, "shown": live & marked, "reached": mine if statefile else nobody}
        turn = {"heard": w.heard, "said": w.said, "alert": w.alert}
        return {**flags, **query, **turn, "others": w.others, "asked": w.asked}


ENDINGS: Mapping[str, Callable[[LoneWorld, Lone], Iterator[Ending]]] = {
    "daemon.start": LoneWorld._daemon_start,
    "daemon.propose": LoneWorld._daemon_propose,
    "daemon.set_init": LoneWorld._daemon_set_init,
    "daemon.set_invalid": LoneWorld._daemon_set_invalid,
    "daemon.disarm": LoneWorld._daemon_disarm,
    "daemon.exclude": LoneWorld._daemon_exclude,
    "storage.attach": LoneWorld._storage_attach,
    "database.read": LoneWorld._database_read,
    "database.take_over": LoneWorld._database_take_over,
    "toolstack.stop_all": LoneWorld._toolstack_stop_all,
    "toolstack.start": LoneWorld._toolstack_start,
    "power.off": LoneWorld._power_off,
    "power.cut": LoneWorld._power_off,
}
"""How the operations of this host may end; those on the others, all of a kind, have `_of_hosts`."""
