"""The world of a pool whose HA is off: power, calls between hosts, and the redo log, which knows who has reigned last.

Terms are small numbers here, and the reigns of a story few, for every fault that begins one has a budget. The redo log
is what the port `database` says of it: a host that takes it over names the term of which it holds itself to be master,
and is superseded where the log has seen a later one that is not its own. Its own is what it has claimed itself, which
it keeps.

Faults: crash (a host loses power), restart (its agent dies and starts again, perhaps after it has claimed the log and
before it knows), loss (a request or a reply between hosts), late (a request arrives when its caller has given up), disk
(the log cannot be read or written), boot (a host that is down boots).

Left out: what the database holds (the story of the redo log), the liveset daemon (there is none with HA off).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.calls import SENT, Calls, Items, Leg, Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value

DOWN, FRESH, AWAKE = "down", "fresh", "awake"
"""Without power; with an agent that is about to start; with one that runs."""
BOOT = Event("life", "boot")
NO_CALLS = Calls()
CLAUSES = {"log": "the redo log is not given to a host of whose reign it has seen the end"}
LATE = "late"
"""The number of calls that nobody waits for."""
BEYOND = 2
"""A host that seizes the log takes the term after the next, for the next one may have been decided on."""


@frozen(cache_hash=True)
class Pool:
    """One world.

    Arguments:
        power: of each host.
        roles: for each host whom it has written down as master.
        calls: those under way.
        term: the highest that the log has seen.
        writer: the host that may write it, or None.
        claimed: for each host the highest term in which it has claimed the log itself, or wanted to.
        strays: requests that nobody waits for any more, and that may still arrive: (caller, machine, call, arguments,
            target).
        broken_oath: an operator has said that a host is switched off which was not.
    """

    power: tuple[str, ...]
    claimed: tuple[int, ...]
    roles: tuple[int, ...]
    calls: Calls = NO_CALLS
    term: int = 0
    writer: int | None = None
    broken_oath: bool = False
    strays: tuple[tuple[int, str, str, Items, int], ...] = ()

    def with_power(self, host: int, power: str) -> Pool:
        """The same, with one host's power changed."""
        return evolve(self, power=(*self.power[:host], power, *self.power[host + 1 :]))

    def claim(self, host: int, term: int) -> Pool:
        """A host has claimed the log."""
        return evolve(self.wants(host, term), term=term, writer=host)

    def wants(self, host: int, term: int) -> Pool:
        """A host holds itself to be the master of a term."""
        own = max(term, self.claimed[host])
        return evolve(self, claimed=(*self.claimed[:host], own, *self.claimed[host + 1 :]))

    def forget(self, host: int) -> Pool:
        """The agent of a host is gone, with all that it asked and served; it writes nothing."""
        calls = self.calls.caller_restarted(host).target_restarted(host)
        return evolve(self, calls=calls, writer=None if self.writer == host else self.writer)


@define(eq=False)
class HandoverWorld:
    """The world of `n` hosts with HA off.

    Arguments:
        n: hosts.
        off: clauses that do not hold.
        faults: kinds of fault that may happen.
        routes: which machine serves which call.
        master: the host that is master at the beginning.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    master: int = 0
    clauses = CLAUSES
    faults = ("crash", "restart", "loss", "late", "disk", "boot")

    @property
    def facts(self) -> Mapping[str, Domain]:
        """The hosts with power, the one that may write the database, whether all hosts have written down the same
        master, and whether an operator's word was broken."""
        hosts, yes = Domain("hosts"), Domain("bool")
        return {"up": hosts, "writer": hosts, "agreed": yes, "broken_oath": yes}

    def state_facts(self, w: Pool) -> Mapping[str, Value]:
        """The values of `facts`."""
        writer: frozenset[int] = frozenset() if w.writer is None else frozenset({w.writer})
        return {"up": self._up(w), "writer": writer, "agreed": len(set(w.roles)) == 1, "broken_oath": w.broken_oath}

    def initial(self) -> Iterable[Pool]:
        """All hosts have power, and no agent runs yet."""
        yield Pool((FRESH,) * self.n, (0,) * self.n, (self.master,) * self.n)

    def alive(self, w: Pool, host: int) -> bool:
        """A host with power has an agent, but for the moment before its first start."""
        return w.power[host] == AWAKE

    def view(self, w: Pool, host: int) -> Hashable:
        """Terms are compared without looking at anything."""
        return None

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """The order of terms."""
        if operation.name == "succeed":
            return "number", {"term": operation.arguments["term"] + 1}
        kept, heard = operation.arguments["kept"], operation.arguments["heard"]
        if heard <= kept:
            return ("older" if heard < kept else "equal"), {}
        return ("next" if heard == kept + 1 else "newer"), {"term": heard}

    def perform(self, w: Pool, host: int, effects: Effects) -> Pool:
        """Calls begin and end."""
        calls = w.calls
        for machine in effects.abandoned:
            calls = calls.abandon(host, machine)
        for reply in effects.replies:
            calls = calls.reply(host, reply)
        for operation in effects.operations:
            if operation.targets is not None:
                calls = calls.start(host, operation)
            if operation.name == "take_over":
                w = w.wants(host, operation.arguments["reign"])
            if operation.name == "depose":
                said_off = frozenset(range(self.n)) - {host} - frozenset(operation.targets or ())
                w = evolve(w, broken_oath=w.broken_oath or bool(said_off & self._up(w)))
        roles = (*w.roles[:host], effects.host.get("role", w.roles[host]), *w.roles[host + 1 :])
        return evolve(w, calls=calls, roles=roles)

    def actions(self, w: Pool, pending: Pending) -> Iterator[Action[Pool]]:
        """Everything that may happen next."""
        for host in range(self.n):
            yield from self._power(w, host)
        for host in sorted(self._up(w)):
            for machine, operation in pending[host]:
                if operation.startswith("database."):
                    yield from self._database(w, host, machine, operation.partition(".")[2])
        yield from self._talk(w)

    def _up(self, w: Pool) -> frozenset[int]:
        return frozenset(host for host, power in enumerate(w.power) if power != DOWN)

    def _power(self, w: Pool, host: int) -> Iterator[Action[Pool]]:
        if w.power[host] == DOWN:
            yield Action(f"host {host} boots", w.with_power(host, AWAKE), "boot", host, BOOT, (host,))
            return
        yield Action(f"host {host} loses power", w.forget(host).with_power(host, DOWN), "crash", restart=(host,))
        if w.power[host] == FRESH:
            yield Action(f"the agent of host {host} starts", w.with_power(host, AWAKE), host=host, event=BOOT)
        else:
            yield Action(f"the agent of host {host} restarts", w.forget(host), "restart", host, BOOT, (host,))

    # -- the database

    def _database(self, w: Pool, host: int, machine: str, name: str) -> Iterator[Action[Pool]]:
        def answer(outcome: str, after: Pool, fault: str | None = None, **payload: Value) -> Action[Pool]:
            event = Event(machine, f"database.{outcome}", payload)
            return Action(f"database.{name} of host {host}: {outcome}", after, fault, host, event)

        yield answer("failed", w, "disk")
        if name == "read":
            yield answer("ok", w, term=w.term)
        elif name == "take_over" and self._superseded(w, host):
            yield answer("superseded", w)
        else:
            after = w.claim(host, w.term + (1 if name == "take_over" else BEYOND))
            yield answer("ok", after, term=after.term)
            label = f"host {host} has claimed the log, and its agent restarts"
            yield Action(label, after.forget(host), "restart", host, BOOT, (host,))

    def _superseded(self, w: Pool, host: int) -> bool:
        """Whether a later reign has begun than the one that this host holds to be its own."""
        return "log" not in self.off and w.term > w.claimed[host]

    # -- calls

    def _talk(self, w: Pool) -> Iterator[Action[Pool]]:
        """The five fates of calls. A host never loses a call to itself, for there is none."""
        calls, up = w.calls, {host for host in range(self.n) if w.power[host] == AWAKE}
        for leg in calls.legs(SENT):
            if leg.target in up:
                after, event = calls.deliver(leg, self.routes)
                yield Action(_way(leg), evolve(w, calls=after), host=leg.target, event=event)
            lost = evolve(w, calls=calls.lose_request(leg))
            yield Action(f"{_way(leg)} is lost", lost, "loss" if leg.target in up else None)
            call = next(c for c in calls.live if (c.caller, c.machine) == (leg.caller, leg.machine))
            stray = leg.caller, leg.machine, leg.call, call.arguments, leg.target
            yield Action(f"{_way(leg)} is late", evolve(lost, strays=tuple(sorted((*w.strays, stray)))), "late")
        for stray in w.strays:
            yield from self._stray(w, stray)
        for leg in calls.legs("ok"):
            label = f"the reply to {leg.call} from host {leg.target} to host {leg.caller} is lost"
            yield Action(label, evolve(w, calls=calls.lose_reply(leg)), "loss")
        for host, event, after in calls.finished():
            yield Action(f"host {host} has its answer: {event.name}", evolve(w, calls=after), host=host, event=event)

    def _stray(self, w: Pool, stray: tuple[int, str, str, Items, int]) -> Iterator[Action[Pool]]:
        """A request arrives that nobody waits for any more."""
        caller, _, call, arguments, target = stray
        if w.power[target] == AWAKE:
            rest = list(w.strays)
            rest.remove(stray)
            event = self.routes.event(call, arguments, LATE)
            label = f"{call} from host {caller} arrives late at host {target}"
            yield Action(label, evolve(w, strays=tuple(rest)), host=target, event=event)


def _way(leg: Leg) -> str:
    return f"{leg.call} from host {leg.caller} to host {leg.target}"
