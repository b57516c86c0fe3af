"""The calls between the hosts of a pool that are under way, as one immutable value that worlds keep in theirs.

A call goes from a machine of one host to one host or, joined, to several. Each of its *legs* (one target) is
`sent` (the request is under way), `running` (the target serves it), `ok` or `bad` (over). Five fates, uniform for
every call: delivered · request lost (`lose_request`: nothing happened there) · reply lost (`lose_reply`: it happened) ·
still running there when the caller has given up (`give_up`) · target restarted (`target_restarted`). In the last four
the caller sees a failure, and a failure never says which of them it was. The engine never sends a call again.

Rules.
- A caller's machine has one call at a time: its state has one pending operation. A new one replaces it.
- A leg that is running when its caller gives up, restarts or waits no longer becomes an *orphan*: the target goes on,
  and its reply, whenever it comes, is dropped.
- A call is numbered: `caller.machine.number`, where the number is the smallest that no orphan of the same caller's
  machine bears on that target, chosen at delivery. So a reply can never be taken for that of a later call, which
  matters where the later one cancels the earlier in the same turn, or is served by another machine there. And numbers
  stay finite: each orphan occupies a machine of its target (a machine serves one call), so there are at most as many
  numbers as serving machines. The smallest free one is a function of the value, so equal pools have equal values.
- A joined call ends with all_ok or some_failed (payload `bad`: the hosts without the outcome `ok`) once every leg is
  over, a single one with its outcome, or `port.lost`.

- Where requests may be late, one for which nobody waits any more is not gone: it is a *stray*, and may arrive yet. A
  target takes no request that a later one has overtaken: one of the same machine of the same caller (its *lane*), or of
  a later life of the caller. And none that was under way to an earlier life of its own, for it has no way to it.

Left out: which fates are possible and which are faults. A host that cannot be reached is `lose_request`, with or
without a budget; the loopback call of a host to itself is a leg like any other, and it is the world that never loses
it. Equal strays are not counted: of several there is always one more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from fsm.engine.turn import Event, Operation, Reply
from fsm.errors import Place, SpecError
from fsm.language.domains import Value
from fsm.language.spec import SAME, Machine

if TYPE_CHECKING:
    from fsm.explore.renaming import Renaming

SENT, RUNNING, OK, BAD = "sent", "running", "ok", "bad"
Items = tuple[tuple[str, Any], ...]


def items(payload: Mapping[str, Value]) -> Items:
    """A payload as a hashable value, in one order."""
    return tuple(sorted(payload.items()))


@frozen
class Routes:
    """Which machine serves which call, and the argument that picks the instance: `host.start_vm(vm="v")` goes to
    `guest[v]` where `guest` serves it and has the instance parameter `vm`."""

    table: Mapping[str, tuple[str, str | None]]
    at: Place
    machines: tuple[Machine, ...] = field(default=(), repr=False)
    instances: Mapping[str, tuple[str, ...]] = field(factory=dict)

    @classmethod
    def of(
        cls, machines: Iterable[Machine], at: Place, instances: Mapping[str, tuple[str, ...]] | None = None
    ) -> Routes:
        """The routes of machines that stand together, with their instances; `at` is where they are named.

        Errors: `SpecError` where two serve one call, or a call cannot say which instance it means.
        """
        table: dict[str, tuple[str, str | None]] = {}
        for machine in machines:
            for call, serve in machine.serves.items():
                if call in table:
                    message = f"{call} is served by {table[call][0]} and by {machine.name}; one of them has to go"
                    raise SpecError(at, message, "two-servers")
                port, _, operation = call.partition(".")
                if machine.instance and machine.instance not in machine.ports[port].operations[operation].arguments:
                    message = f"{call} needs the argument {machine.instance!r}, to say which {machine.name} it is for"
                    raise SpecError(serve.at, message, "bad-arguments")
                table[call] = machine.name, machine.instance
        return cls(table, at, tuple(machines), instances or {})

    @property
    def changing(self) -> frozenset[str]:
        """The calls that change something where they are served: all but those that are answered at once by rows that
        do nothing else. Nobody can tell whether a question was asked whose answer is dropped."""
        ends = {call for machine in self.machines for serve in machine.serves.values() for call in serve.cancelled_by}
        return frozenset(call for call, (name, _) in self.table.items() if call in ends or self._changes(call, name))

    def _changes(self, call: str, machine: str) -> bool:
        rows = next(m.rows for m in self.machines if m.name == machine)
        return any(
            row.event == call and (row.target != SAME or row.reply is None or row.set or row.tell or row.do)
            for row in rows
        )

    def event(self, call: str, arguments: Items, number: str) -> Event:
        """The event that begins a call at its target. Errors: `SpecError` for a call that no machine serves."""
        if call not in self.table:
            raise SpecError(self.at, f"{call} is called, but no machine here serves it", "no-server")
        machine, parameter = self.table[call]
        payload = dict(arguments)
        name = f"{machine}[{payload[parameter]}]" if parameter else machine
        return Event(name, call, payload, number)


@frozen(order=True)
class Leg:
    """One target of a call that is under way. `call` is `port.operation`."""

    caller: int
    machine: str
    call: str
    target: int

    @property
    def lane(self) -> tuple[int, str, int]:
        """What its number is unique in, and what requests are taken in their order in."""
        return self.caller, self.machine, self.target


@frozen
class Call:
    """A call under way. `legs` gives for each target its status and the number it runs under; `answer` is the
    (outcome, payload) of a single call that was replied to."""

    caller: int
    machine: str
    call: str
    arguments: Items
    joined: bool
    legs: tuple[tuple[int, str, int], ...]
    answer: tuple[str, Items] | None = None

    def status(self, target: int) -> str | None:
        """The status of the leg to a target; None if it goes elsewhere."""
        return next((status for host, status, _ in self.legs if host == target), None)

    def turned(self, target: int, status: str, number: int = 0) -> Call:
        """The call with one leg changed."""
        changed = tuple((h, status, number) if h == target else (h, s, k) for h, s, k in self.legs)
        answer = None if status == BAD else self.answer
        return Call(self.caller, self.machine, self.call, self.arguments, self.joined, changed, answer)

    def outcome(self) -> Event | None:
        """What the caller's machine is told once every leg is over; None before."""
        bad = frozenset(host for host, status, _ in self.legs if status == BAD)
        if any(status in (SENT, RUNNING) for _, status, _ in self.legs):
            return None
        if self.joined:
            return Event(self.machine, "some_failed", {"bad": bad}) if bad else Event(self.machine, "all_ok")
        port = self.call.partition(".")[0]
        if self.answer is None:
            return Event(self.machine, f"{port}.lost")
        return Event(self.machine, f"{port}.{self.answer[0]}", dict(self.answer[1]))


@frozen
class Stray:
    """A request that nobody waits for any more, and that may arrive yet. `former`: its caller has restarted since.
    `several`: there are more than one of it, how many nobody counts."""

    caller: int
    machine: str
    call: str
    arguments: Items
    target: int
    former: bool = False
    several: bool = False

    @property
    def lane(self) -> tuple[int, str, int]:
        """As of `Leg`."""
        return self.caller, self.machine, self.target

    def on_way(self, caller: int, target: int) -> bool:
        """Whether it goes from one host to another."""
        return (self.caller, self.target) == (caller, target)


@frozen(cache_hash=True)
class Calls:
    """All calls under way, the orphans: (caller, machine, target, number) that still run somewhere, and the strays,
    those of each lane in the order of their sending. `late`: the calls, `port.operation`, whose requests may be late,
    which never changes."""

    live: tuple[Call, ...] = ()
    orphans: tuple[tuple[int, str, int, int], ...] = ()
    strays: tuple[Stray, ...] = ()
    late: frozenset[str] = frozenset()

    def start(self, caller: int, operation: Operation) -> Calls:
        """With a call begun by a machine of `caller`, replacing an earlier one of it."""
        legs = tuple((host, SENT, 0) for host in sorted(operation.targets or ()))
        name = f"{operation.port}.{operation.name}"
        call = Call(caller, operation.machine, name, items(operation.arguments), operation.joined, legs)
        rest = self.abandon(caller, operation.machine)
        return evolve(rest, live=tuple(sorted((*rest.live, call), key=lambda c: (c.caller, c.machine))))

    def legs(self, *statuses: str) -> list[Leg]:
        """The legs with one of these statuses; `ok` is a reply that is under way to its caller."""
        return [
            Leg(call.caller, call.machine, call.call, host)
            for call in self.live
            for host, status, _ in call.legs
            if status in statuses
        ]

    def deliverable(self) -> list[Leg]:
        """The legs whose request is under way."""
        return self.legs(SENT)

    def deliver(self, leg: Leg, routes: Routes) -> tuple[Calls, Event]:
        """The request arrives: the calls, and the event for the target's node.

        Errors: `SpecError` if no machine serves the call; `KeyError` if the request is not under way.
        """
        call = self._call(leg, SENT)
        number = self._free(leg.lane)
        event = routes.event(call.call, call.arguments, call_id(leg.caller, leg.machine, number))
        after = self._with(call, call.turned(leg.target, RUNNING, number))
        return after._but(lambda s: s.on_way(leg.caller, leg.target) and (s.former or s.lane == leg.lane)), event

    def arrive(self, stray: Stray, routes: Routes) -> tuple[Calls, Event]:
        """A stray arrives, and is an orphan from the beginning; as `deliver`."""
        number = self._free(stray.lane)
        event = routes.event(stray.call, stray.arguments, call_id(stray.caller, stray.machine, number))
        of_lane = [other for other in self.strays if other.lane == stray.lane]
        overtaken = [] if stray.several else of_lane[: of_lane.index(stray) + 1]  # the oldest of several overtakes none
        after = self._but(
            lambda s: s in overtaken or (s.former and not stray.former and s.on_way(stray.caller, stray.target))
        )
        orphans = tuple(sorted((*after.orphans, (*stray.lane, number))))
        return evolve(after, orphans=orphans), event

    def refused(self, targets: Collection[int]) -> Calls:
        """Targets take no stray of anybody any more."""
        return self._but(lambda s: s.target in targets)

    def reply(self, target: int, reply: Reply) -> Calls:
        """A reply that `target` sends: it ends the leg that runs there under its number, or is an orphan's and
        dropped."""
        for call in self.live:
            for host, status, number in call.legs:
                if host == target and status == RUNNING and call_id(call.caller, call.machine, number) == reply.call:
                    done = call.turned(host, OK if not call.joined or reply.outcome == "ok" else BAD)
                    answer = None if call.joined else (reply.outcome, items(reply.payload))
                    return self._with(call, evolve(done, answer=answer))
        orphans = tuple(o for o in self.orphans if o[2] != target or call_id(*o[:2], o[3]) != reply.call)
        return evolve(self, orphans=orphans)

    def served(self, target: int, call: str) -> Leg | None:
        """The leg that runs at a target under a number; None for an orphan."""
        for live in self.live:
            for host, status, number in live.legs:
                if (host, status) == (target, RUNNING) and call_id(live.caller, live.machine, number) == call:
                    return Leg(live.caller, live.machine, live.call, host)
        return None

    def lose_request(self, leg: Leg, down: bool = False) -> Calls:
        """The request is lost, or its target is down: nothing happens there, the caller sees a failure. It may arrive
        yet where requests may be late, unless the target was down."""
        call = self._call(leg, SENT)
        after = self._with(call, call.turned(leg.target, BAD))
        return after if down else after._strayed([call], {leg.target})

    def lose_reply(self, leg: Leg) -> Calls:
        """The reply is lost on its way: it is done there, the caller sees a failure."""
        call = self._call(leg, OK)
        return self._with(call, call.turned(leg.target, BAD))

    def give_up(self, leg: Leg) -> Calls:
        """The caller waits no longer for this target, where the call goes on as an orphan."""
        call = self._call(leg, RUNNING)
        return evolve(self._with(call, call.turned(leg.target, BAD)), orphans=self._orphaned([call], {leg.target}))

    def target_restarted(self, host: int) -> Calls:
        """The host has forgotten what it served: those callers see a failure. Requests under way arrive later, but
        for strays."""
        live = tuple(call.turned(host, BAD) if call.status(host) == RUNNING else call for call in self.live)
        orphans = tuple(orphan for orphan in self.orphans if orphan[2] != host)
        return evolve(self.refused((host,)), live=live, orphans=orphans)

    def caller_restarted(self, host: int) -> Calls:
        """The host has forgotten what it asked: requests under way are strays, or dropped; what runs becomes an
        orphan."""
        after = self._without([call for call in self.live if call.caller == host])
        strays = (evolve(s, former=s.former or s.caller == host) for s in after.strays)
        return evolve(after, strays=())._with_strays(strays)

    def abandon(self, caller: int, machine: str) -> Calls:
        """A machine has left the state that waited: as `caller_restarted`, for this machine alone."""
        return self._without([call for call in self.live if (call.caller, call.machine) == (caller, machine)])

    def finished(self) -> list[tuple[int, Event, Calls]]:
        """(caller, what its machine is told, the calls without it) of every call whose legs are all over."""
        return [
            (call.caller, event, evolve(self, live=tuple(other for other in self.live if other is not call)))
            for call in self.live
            if (event := call.outcome()) is not None
        ]

    def renamed(self, to: Renaming) -> Calls:
        """The same calls under other names of hosts and machines."""
        live = [
            Call(
                to.hosts[call.caller], to.machine(call.machine), call.call, to.arguments(call.call, call.arguments),
                call.joined, tuple(sorted((to.hosts[host], status, number) for host, status, number in call.legs)),
                call.answer and (call.answer[0], items(to.outcome(call.call, call.answer[0], dict(call.answer[1])))),
            )
            for call in self.live
        ]  # fmt: skip
        orphans = (
            (to.hosts[caller], to.machine(m), to.hosts[host], number) for caller, m, host, number in self.orphans
        )
        strays = (
            evolve(
                s, caller=to.hosts[s.caller], machine=to.machine(s.machine),
                arguments=to.arguments(s.call, s.arguments), target=to.hosts[s.target],
            )
            for s in self.strays
        )  # fmt: skip
        return Calls(
            tuple(sorted(live, key=lambda call: (call.caller, call.machine))), tuple(sorted(orphans)),
            tuple(sorted(strays, key=lambda stray: stray.lane)), self.late,
        )  # fmt: skip

    def _call(self, leg: Leg, status: str) -> Call:
        for call in self.live:
            if (call.caller, call.machine) == (leg.caller, leg.machine) and call.status(leg.target) == status:
                return call
        raise KeyError(leg)

    def _free(self, lane: tuple[int, str, int]) -> int:
        taken = {k for caller, machine, host, k in self.orphans if (caller, machine, host) == lane}
        return next(k for k in range(len(taken) + 1) if k not in taken)

    def _but(self, gone: Callable[[Stray], bool]) -> Calls:
        strays = tuple(stray for stray in self.strays if not gone(stray))
        return self if len(strays) == len(self.strays) else evolve(self, strays=strays)

    def _strayed(self, calls: Sequence[Call], only: set[int] | None = None) -> Calls:
        new = [
            Stray(call.caller, call.machine, call.call, call.arguments, host)
            for call in calls
            for host, status, _ in call.legs
            if call.call in self.late and status == SENT and host != call.caller and (only is None or host in only)
        ]
        return self._with_strays(new)

    def _with_strays(self, new: Iterable[Stray]) -> Calls:
        strays = self.strays
        for stray in new:
            same = [s for s in strays if evolve(s, several=False) == evolve(stray, several=False)]
            kept = (s for s in strays if s not in same)
            strays = (*kept, evolve(stray, several=stray.several or bool(same)))
        return evolve(self, strays=tuple(sorted(strays, key=lambda stray: stray.lane)))

    def _without(self, gone: Sequence[Call]) -> Calls:
        if not gone:
            return self
        live = tuple(call for call in self.live if call not in gone)
        return evolve(self._strayed(gone), live=live, orphans=self._orphaned(gone))

    def _with(self, old: Call, new: Call) -> Calls:
        return evolve(self, live=tuple(new if call is old else call for call in self.live))

    def _orphaned(self, calls: Sequence[Call], only: set[int] | None = None) -> tuple[tuple[int, str, int, int], ...]:
        running = [
            (call.caller, call.machine, host, number)
            for call in calls
            for host, status, number in call.legs
            if status == RUNNING and (only is None or host in only)
        ]
        return tuple(sorted((*self.orphans, *running)))


def call_id(caller: int, machine: str, number: int) -> str:
    """The number of a call as its target knows it."""
    return f"{caller}.{machine}.{number}"
