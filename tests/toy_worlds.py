"""Worlds of the toy systems in tests/data/toys: small enough to be counted by hand."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping

from attrs import evolve, field, frozen

from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.calls import Calls, Leg, Routes
from fsm.explore.renaming import Renaming
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value


class Nothing:
    """Nothing behind the ports: one world that never changes."""

    facts: Mapping[str, Domain] = {}
    faults: tuple[str, ...] = ()
    clauses: Collection[str] = ()

    def __init__(self, n: int, off: frozenset[str], faults: frozenset[str], routes: Routes) -> None:
        self.n, self.off, self.routes = n, off, routes

    def initial(self) -> Iterable[Hashable]:
        return [()]

    def alive(self, w: Hashable, host: int) -> bool:
        return True

    def view(self, w: Hashable, host: int) -> Hashable:
        return None

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        raise AssertionError("no instant operations here")

    def perform(self, w: Hashable, host: int, effects: Effects) -> Hashable:
        return w

    def actions(self, w: Hashable, pending: Pending) -> Iterable[Action[Hashable]]:
        return []

    def state_facts(self, w: Hashable) -> Mapping[str, Value]:
        return {}

    def permuted(self, w: Hashable, to: Renaming) -> Hashable:
        return w


class Ring(Nothing):
    """Tokens under way, as the sorted tuple of the hosts they go to. K1: a token goes to the next host only."""

    facts: Mapping[str, Domain] = {"coming": Domain("hosts")}
    faults = ("duplicate",)
    clauses: Mapping[str, str] = {"K1": "a token goes to the next host only"}

    def initial(self) -> Iterable[tuple[int, ...]]:
        return [(0,)]

    def perform(self, w: Hashable, host: int, effects: Effects) -> tuple[int, ...]:
        assert isinstance(w, tuple)
        passed = sum(signal.name == "pass_on" for signal in effects.signals)
        return tuple(sorted((*w, *[(host + 1) % self.n] * passed)))

    def actions(self, w: Hashable, pending: Pending) -> Iterator[Action[Hashable]]:
        assert isinstance(w, tuple)
        for host in sorted(set(w)):
            rest = list(w)
            rest.remove(host)
            yield Action(f"token reaches host {host}", tuple(rest), None, host, Event("station", "link.token"))
            yield Action(f"token for host {host} duplicated", tuple(sorted((*w, host))), "duplicate")
            if "K1" in self.off:
                yield Action("token goes astray", tuple(sorted((*rest, (host + 1) % self.n))))

    def state_facts(self, w: Hashable) -> Mapping[str, Value]:
        assert isinstance(w, tuple)
        return {"coming": frozenset(w)}

    def permuted(self, w: Hashable, to: Renaming) -> Hashable:
        assert isinstance(w, tuple)
        return tuple(sorted(to.hosts[host] for host in w))


class Liar(Ring):
    """Says what its own domains do not allow."""

    def state_facts(self, w: Hashable) -> Mapping[str, Value]:
        return {"coming": frozenset({7})}


class Moody(Ring):
    """No function of its arguments: what may happen in a world happens to be possible once only."""

    def __init__(self, n: int, off: frozenset[str], faults: frozenset[str], routes: Routes) -> None:
        super().__init__(n, off, faults, routes)
        self.asked: set[Hashable] = set()

    def actions(self, w: Hashable, pending: Pending) -> Iterator[Action[Hashable]]:
        if w not in self.asked:
            self.asked.add(w)
            yield from super().actions(w, pending)


@frozen
class Under:
    """The world of `Pool`: calls under way, and which hosts are down."""

    calls: Calls = field(factory=Calls)
    down: frozenset[int] = frozenset()


class Pool(Nothing):
    """Hosts that call each other. A restart takes a host's memory; loss and late are fates of calls."""

    facts: Mapping[str, Domain] = {"orphaned": Domain("bool")}
    faults = ("loss", "late", "restart", "crash", "outage")

    def initial(self) -> Iterable[Under]:
        return [Under()]

    def alive(self, w: Hashable, host: int) -> bool:
        assert isinstance(w, Under)
        return host not in w.down

    def perform(self, w: Hashable, host: int, effects: Effects) -> Under:
        assert isinstance(w, Under)
        calls = w.calls
        for reply in effects.replies:
            calls = calls.reply(host, reply)
        for machine in effects.abandoned:
            calls = calls.abandon(host, machine)
        for operation in effects.operations:
            calls = calls.start(host, operation)
        return evolve(w, calls=calls)

    def actions(self, w: Hashable, pending: Pending) -> Iterator[Action[Hashable]]:
        assert isinstance(w, Under)
        calls = w.calls
        for leg in calls.deliverable():
            if leg.target not in w.down:
                after, event = calls.deliver(leg, self.routes)
                yield Action(f"{name(leg)} arrives", evolve(w, calls=after), None, leg.target, event)
            if leg.caller != leg.target:
                fault = None if leg.target in w.down else "loss"
                yield Action(f"request {name(leg)} lost", evolve(w, calls=calls.lose_request(leg)), fault)
        for leg in calls.legs("running"):
            yield Action(f"{name(leg)} given up", evolve(w, calls=calls.give_up(leg)), "late")
        for leg in calls.legs("ok"):
            if leg.caller != leg.target:
                yield Action(f"reply to {name(leg)} lost", evolve(w, calls=calls.lose_reply(leg)), "loss")
        for caller, event, after in calls.finished():
            yield Action(f"outcome for host {caller}", evolve(w, calls=after), None, caller, event)
        for host in range(self.n):
            gone = calls.target_restarted(host).caller_restarted(host)
            if host in w.down:
                yield Action(f"boot of host {host}", evolve(w, down=w.down - {host}))
                continue
            yield Action(f"restart of host {host}", evolve(w, calls=gone), "restart", restart=(host,))
            yield Action(f"crash of host {host}", Under(gone, w.down | {host}), "crash", restart=(host,))
        everywhere = tuple(range(self.n))
        yield Action("all restart", Under(), "outage", restart=everywhere)

    def state_facts(self, w: Hashable) -> Mapping[str, Value]:
        assert isinstance(w, Under)
        return {"orphaned": bool(w.calls.orphans)}

    def permuted(self, w: Hashable, to: Renaming) -> Under:
        assert isinstance(w, Under)
        return Under(w.calls.renamed(to), to.hosts_of(w.down))


def name(leg: Leg) -> str:
    """A leg in the words of a trace."""
    return f"{leg.call} of host {leg.caller} to host {leg.target}"
