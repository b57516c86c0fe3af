"""The world of a pool whose HA is off: power, calls between hosts, and the redo log, which knows who has reigned last.

Terms are small numbers here, and the reigns of a story few. In truth a term says which host has claimed it
(`RedoLog.own_term`), and terms are further apart; here the log says beside the newest term whose it is. The redo log is
what the port `database` says of it: a host that takes it over names the term of which it holds itself to be master, and
is superseded where the log has seen a later one that is another's. What it claims it writes down here first, so that it
never wants one term twice, and then in the log; either write may fail, or be the last before its agent dies.

Faults: crash (a host loses power), restart (its agent dies and starts again, perhaps while it claims the log, or has
claimed it and does not know), loss (a request or a reply between hosts), stray (a request arrives that was lost, or
that its caller has abandoned on its way, as `fsm.explore.calls` says), disk (the log cannot be read or written, or
fails after it was claimed), boot (a host that is down boots).

Left out: what the database holds (the story of the redo log), the liveset daemon (there is none with HA off).

A world is in parts: of each host its power; what it keeps; the calls that it began. Then, once, the log.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event, Operation, Reply
from fsm.explore.calls import SENT, Calls, Items, Leg, Routes, items
from fsm.explore.parted import Parts, Source, Then, Update, actions_of, performed
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.worlds import pool_moves as moves
from hosts.worlds.pool_moves import ended, put

DOWN, FRESH, AWAKE = "down", "fresh", "awake"
"""Without power; with an agent that is about to start; with one that runs."""
BOOT = Event("life", "boot")
BEYOND = 2
"""A host that seizes the log takes the term after the next, for the next one may have been decided on."""
CLAUSES = {"log": "the redo log is not given to a host of whose reign it has seen the end"}


@frozen(cache_hash=True)
class Kept:
    """Whom a host follows, and of which term; and while it takes the log over, of which it holds itself to be
    master."""

    role: int
    held: int = 0
    reign: int = 0


@frozen(cache_hash=True)
class Log:
    """The redo log, and what hosts have written down of it.

    Arguments:
        wanted: of each host, the highest term with which it wanted to claim the log, 0 for one that the log has seen.
        term: the highest that the log has seen.
        owner: who has claimed it with that.
        writer: who may write it.
        broken_oath: an operator has said that a host is switched off which was not.
        denied: a host that was told to follow another by force has answered that it does not, and did.
    """

    wanted: tuple[int, ...]
    term: int = 0
    owner: int | None = None
    writer: int | None = None
    broken_oath: bool = False
    denied: bool = False

    def wanted_by(self, host: int, term: int) -> Log:
        """A host has written down that it wants to claim the log with a term."""
        return evolve(self, wanted=(*self.wanted[:host], term, *self.wanted[host + 1 :]))

    def claimed_by(self, host: int, term: int) -> Log:
        """And has claimed it."""
        later = tuple(wanted if wanted > term else 0 for wanted in self.wanted)
        return evolve(self, wanted=later, term=term, owner=host, writer=host)


@define(eq=False)
class HandoverWorld:
    """The world of `n` hosts with HA off.

    Arguments:
        n: hosts.
        off: clauses that do not hold.
        faults: kinds of fault that may happen.
        routes: which machine serves which call.
        master: the host that is master at the beginning.
        reigns: how many terms a story has; nobody takes the log over after them.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    master: int = 0
    reigns: int = 9
    _sources: tuple[Source, ...] = field(init=False)
    clauses = CLAUSES
    faults = ("crash", "restart", "loss", "stray", "disk", "boot")

    def __attrs_post_init__(self) -> None:
        self._sources = tuple(self._all_sources())

    @property
    def facts(self) -> Mapping[str, Domain]:
        """The hosts with power, the one that may write the database; whether all hosts have written down the same
        master, the story has no more reigns, an operator's word was broken, and a host has denied whom it follows."""
        hosts, yes = Domain("hosts"), Domain("bool")
        return {"up": hosts, "writer": hosts, "agreed": yes, "spent": yes, "broken_oath": yes, "denied": yes}

    def state_facts(self, w: Parts) -> Mapping[str, Value]:
        """The values of `facts`."""
        log, nobody = w[self.log], frozenset[int]()
        return {
            "up": self._up(w),
            "writer": nobody if log.writer is None else frozenset({log.writer}),
            "agreed": len({w[place].role for place in self.all_kept}) == 1,
            "spent": max(log.term, *log.wanted) + BEYOND > self.reigns,
            "broken_oath": log.broken_oath,
            "denied": log.denied,
        }

    def initial(self) -> Iterable[Parts]:
        """All hosts have power, and no agent runs yet."""
        log = Log((0,) * self.n)
        calls = Calls(late=self.routes.changing if "stray" in self.may else frozenset())
        yield (*[FRESH] * self.n, *[Kept(self.master)] * self.n, *[calls] * self.n, log)

    def alive(self, w: Parts, host: int) -> bool:
        """A host with power has an agent, but for the moment before its first start."""
        return bool(w[host] == AWAKE)

    def view(self, w: Parts, host: int) -> Hashable:
        """Terms are compared without looking at anything."""
        return None

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """The order of terms."""
        return order_of_terms(operation)

    def perform(self, w: Parts, host: int, effects: Effects) -> Parts:
        """One turn's effects: calls begin and end, something is written down."""
        return performed(self.updates(host, effects), w)

    def actions(self, w: Parts, pending: Pending) -> Iterable[Action[Parts]]:
        """Everything that may happen next."""
        return actions_of(self.sources, w, pending)

    # -- in parts

    @property
    def powers(self) -> tuple[int, ...]:
        """Where the power of each host is."""
        return tuple(range(self.n))

    @property
    def all_kept(self) -> tuple[int, ...]:
        """Where what each host keeps is."""
        return tuple(range(self.n, 2 * self.n))

    @property
    def calls(self) -> tuple[int, ...]:
        """Where the calls are that each host began."""
        return tuple(range(2 * self.n, 3 * self.n))

    @property
    def log(self) -> int:
        """Where the log is."""
        return 3 * self.n

    @property
    def sources(self) -> Sequence[Source]:
        """All that may happen, by what it depends on."""
        return self._sources

    def lives_by(self, host: int) -> tuple[int, ...]:
        """Its power."""
        return (host,)

    def seen_by(self, host: int) -> tuple[int, ...]:
        """Nothing."""
        return ()

    def told_by(self) -> tuple[int, ...]:
        """All but the calls."""
        return (*self.powers, *self.all_kept, self.log)

    def updates(self, host: int, effects: Effects) -> Sequence[Update]:
        """What the effects of a turn change."""
        return tuple(self._updates(host, effects))

    def _updates(self, host: int, effects: Effects) -> Iterator[Update]:
        own, kept = self.calls[host], self.all_kept[host]
        for machine in effects.abandoned:
            yield Update((own,), moves.abandoned, (own, host, machine))
        for reply in effects.replies:
            at = self.calls[moves.caller_of(reply.call)]
            if reply.outcome == "failed":
                yield Update((at, kept, self.log), _denied, (at, kept, self.log, host, reply.call))
            yield Update((at,), _replied, (at, host, reply.call, reply.outcome, items(reply.payload)))
        for name in effects.host.keys() & {"role", "reign"}:
            yield Update((kept,), _noted, (kept, name, effects.host[name]))
        for operation in effects.operations:
            if operation.name == "take_over":
                yield Update((kept,), _noted, (kept, "held", operation.arguments["reign"]))
            if operation.targets is not None:
                asked = (operation.machine, operation.port, operation.name, items(operation.arguments))
                yield Update((own,), moves.called, (own, host, *asked, operation.targets, operation.joined))
            if operation.name == "depose":
                said_off = tuple(h for h in range(self.n) if h not in (host, *(operation.targets or ())))
                yield Update((*self.powers, self.log), _sworn, (self.log, said_off))

    def _all_sources(self) -> Iterator[Source]:
        for host in range(self.n):
            yield Source((host,), (), partial(self.power, host))
            yield Source((host, self.all_kept[host], self.log), (host,), partial(self.database, host), "database", True)
            yield Source((*self.powers, self.calls[host]), (), partial(self.talk, host))
            if "stray" in self.may:
                yield Source((*self.powers, self.calls[host]), (), partial(self.arrives, host))

    def _up(self, w: Parts) -> frozenset[int]:
        return frozenset(host for host in range(self.n) if w[host] != DOWN)

    # -- power and agents

    def power(self, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
        """Hosts boot and lose power, agents start and restart."""
        awake = put(w, host, AWAKE)
        if w[host] == DOWN:
            yield Then(Action(f"host {host} boots", awake, "boot", host, BOOT, (host,)), (self._forgets(host),))
            return
        gone = self._gone(host)
        yield Then(Action(f"host {host} loses power", put(w, host, DOWN), "crash", restart=(host,)), gone)
        if w[host] == FRESH:
            yield Then(Action(f"the agent of host {host} starts", awake, host=host, event=BOOT), (self._forgets(host),))
        else:
            yield Then(Action(f"the agent of host {host} restarts", w, "restart", host, BOOT, (host,)), gone)

    def _gone(self, host: int) -> tuple[Update, ...]:
        """The agent is gone, with all that it asked and served; it writes nothing."""
        return (
            self._forgets(host),
            Update((self.log,), _let_go, (self.log, host)),
            Update((self.all_kept[host],), _noted, (self.all_kept[host], "held", 0)),
        )

    def _forgets(self, host: int) -> Update:
        """Calls are lost with an agent, and requests to it that nobody waits for."""
        return Update(self.calls, moves.forgotten, (self.calls, host))

    # -- the database

    def database(self, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
        """How a pending operation of the database may end."""
        log, at = w[self.log], self.all_kept[host]
        kept, over = w[at], _noted(w, at, "held", 0)
        for machine, operation in pending[host] if w[host] == AWAKE else ():
            if not operation.startswith("database."):
                continue
            name = operation.partition(".")[2]
            failed = ended(host, machine, "database", name, "failed", over)
            yield Then(evolve(failed.action, fault="disk"))
            if name == "read":
                yield ended(host, machine, "database", name, "ok", w, {"term": log.term})
            elif name == "take_over" and self.superseded(host, kept, log) and "log" not in self.off:
                yield ended(host, machine, "database", name, "superseded", over)
            else:
                yield from self.claimed(host, machine, name, kept.held, over)

    def superseded(self, host: int, kept: Kept, log: Log) -> bool:
        """Whether the log has seen a later reign than the host holds to be its own, of another host."""
        return log.term > kept.held and log.owner != host

    def own_term(self, host: int, above: int) -> int:
        """The term that a host claims, over all that it has seen."""
        return above + 1

    def claimed(self, host: int, machine: str, name: str, held: int, w: Parts) -> Iterator[Then]:
        """A host claims the log, in two writes: its own, and that of the log. After each it may die, or fail."""
        log, ahead = w[self.log], BEYOND - 1 if name == "seize" else 0
        term = self.own_term(host, max(log.term, log.wanted[host], held) + ahead)
        if term > self.reigns:
            return
        wanted, claimed = (put(w, self.log, after(host, term)) for after in (log.wanted_by, log.claimed_by))
        yield ended(host, machine, "database", name, "ok", claimed, {"term": term})
        for how, after in (("wants to claim", wanted), ("has claimed", claimed)):
            label = f"host {host} {how} the log, and its agent restarts"
            yield Then(Action(label, after, "restart", host, BOOT, (host,)), self._gone(host))
            failed = ended(host, machine, "database", name, "failed", after).action
            label = f"host {host} {how} the log, which fails"
            let_go = Update((self.log,), _let_go, (self.log, host))
            yield Then(evolve(failed, label=label, fault="disk"), (let_go,))

    # -- calls

    def talk(self, caller: int, w: Parts, pending: Pending) -> Iterator[Then]:
        """The fates of the calls that a host began. It makes none to itself."""
        at = self.calls[caller]
        calls: Calls = w[at]
        for leg in calls.legs(SENT):
            there = w[leg.target] == AWAKE
            if there:
                after, event = calls.deliver(leg, self.routes)
                yield Then(Action(_way(leg), put(w, at, after), host=leg.target, event=event))
            lost = put(w, at, calls.lose_request(leg, down=not there))
            yield Then(Action(f"{_way(leg)} is lost", lost, "loss" if there else None))
        for leg in calls.legs("ok"):
            label = f"the reply to {leg.call} from host {leg.target} to host {leg.caller} is lost"
            yield Then(Action(label, put(w, at, calls.lose_reply(leg)), "loss"))
        for host, event, after in calls.finished():
            yield Then(Action(f"host {host} has its answer: {event.name}", put(w, at, after), host=host, event=event))

    def arrives(self, caller: int, w: Parts, pending: Pending) -> Iterator[Then]:
        """A request arrives for which nobody waits any more."""
        at = self.calls[caller]
        calls: Calls = w[at]
        for stray in calls.strays:
            if w[stray.target] == AWAKE:
                after, event = calls.arrive(stray, self.routes)
                label = f"{stray.call} from host {caller} arrives late at host {stray.target}"
                yield Then(Action(label, put(w, at, after), "stray", stray.target, event))


def order_of_terms(operation: Operation) -> tuple[str, Mapping[str, Value]]:
    """What the port `terms` answers where terms are small numbers."""
    if operation.name == "succeed":
        return "number", {"term": operation.arguments["term"] + 1}
    kept, heard = operation.arguments["kept"], operation.arguments["heard"]
    if heard <= kept:
        return ("older" if heard < kept else "equal"), {"term": heard}
    return ("next" if heard == kept + 1 else "newer"), {"term": heard}


def _noted(w: Parts, place: int, what: str, value: int) -> Parts:
    """A host writes down something that it keeps."""
    return put(w, place, evolve(w[place], **{what: value}))


def _let_go(w: Parts, place: int, host: int) -> Parts:
    """A host writes the log no more."""
    log = w[place]
    return put(w, place, evolve(log, writer=None)) if log.writer == host else w


def _sworn(w: Parts, place: int, said_off: tuple[int, ...]) -> Parts:
    """An operator has said that hosts are switched off."""
    return put(w, place, evolve(w[place], broken_oath=True)) if any(w[h] != DOWN for h in said_off) else w


def _denied(w: Parts, place: int, kept: int, log: int, host: int, call: str) -> Parts:
    """A host answers that it has not done what it was asked for: perhaps to follow whom it follows."""
    leg = w[place].served(host, call)
    if leg is None or leg.call != "host.depose":
        return w
    asked = dict(next(live.arguments for live in w[place].live if live.machine == leg.machine))
    follows = (w[kept].role, w[kept].reign) == (asked["address"], asked["term"])
    return put(w, log, evolve(w[log], denied=True)) if follows else w


def _replied(w: Parts, place: int, host: int, call: str, outcome: str, payload: Items) -> Parts:
    """A host replies to a call."""
    return put(w, place, w[place].reply(host, Reply(call, outcome, dict(payload))))


def _way(leg: Leg) -> str:
    return f"{leg.call} from host {leg.caller} to host {leg.target}"
