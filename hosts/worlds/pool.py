"""The world of a pool: power, the liveset daemons, the statefile, calls between hosts and the processes of VMs.

A pure model of what the agents' machines talk to, with time left out: whatever may happen, happens in any order that
the clauses allow. They are what the embedded daemon promises: K1 and K4 are explored over its own rows (the systems
lease, joining and lock), the others are tested on real daemons.

    K1  a host leaves a survivor's liveset only once it is down or its daemon was stopped or disarmed
    K2  a daemon that can read "invalid" acts on it before it drops a host that stopped
    K3  the master's mark is on the statefile before it writes "invalid"
    K4  at most one host holds the lock, and it evaporates when its holder has left every liveset
    K5  without the statefile a host is fenced, unless nobody has it and every host is visible
    K6  a start of the daemon fails only while some host is down, disarmed, or has no daemon
    K7  a mark is shown only while its host holds the lock, asks for it, or has just lost it; on the statefile it stays

Faults: crash (a host loses power), restart (its agent dies and starts again), statefile (a host cannot reach it), loss
(a request or a reply between hosts), late (a caller gives up while the call still runs). Two more kinds are named like
faults, because they come from outside and nobody may count on them: boot (a host that is down boots) and back (a host
reaches the statefile again).

Left out: partitions of the network between live daemons, the excluded flag, terms (a request never outlives its caller
here), livesets that shrink host by host, and the loss of the redo log.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.calls import RUNNING, SENT, Calls, Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.worlds.daemon import DISARMED, LIVE, OFF, STARTING, Daemon, Daemons

HOSTS = Domain("hosts")
NOBODY: frozenset[int] = frozenset()
Alone = tuple[tuple[tuple[str, Daemons], ...], list[int]]
"""What daemons may do by themselves, as (label, daemons after it), and the hosts that may fence themselves."""


@frozen(cache_hash=True)
class PoolState:
    """One world: the daemons with their statefile, which hosts have power, where each VM runs, the calls under way.

    fresh: hosts whose agent is about to start. launching: (host, vm) of starts that were asked for and have not
    happened yet."""

    daemons: Daemons
    up: frozenset[int]
    fresh: frozenset[int]
    vms: tuple[tuple[str, frozenset[int]], ...]
    launching: frozenset[tuple[int, str]] = frozenset()
    calls: Calls = field(factory=Calls)

    def running(self, vm: str) -> frozenset[int]:
        """The hosts on which a VM has a live process."""
        return dict(self.vms)[vm]

    def with_vm(self, vm: str, hosts: frozenset[int]) -> PoolState:
        """The world with a VM running exactly there."""
        return evolve(self, vms=tuple((v, hosts if v == vm else h) for v, h in self.vms))

    # What most actions change; a search makes millions of them, and `evolve` takes five times as long.

    def with_daemons(self, daemons: Daemons) -> PoolState:
        """The world with other daemons."""
        return PoolState(daemons, self.up, self.fresh, self.vms, self.launching, self.calls)

    def with_calls(self, calls: Calls) -> PoolState:
        """The world with other calls under way."""
        return PoolState(self.daemons, self.up, self.fresh, self.vms, self.launching, calls)


@define(eq=False)
class PoolWorld:
    """The world of `n` hosts.

    Arguments:
        n: hosts.
        off: clauses that do not hold.
        faults: kinds of fault that may happen.
        routes: which machine serves which call.
        ha: "on": every daemon is live, host `master` holds the lock; "off": no daemon runs.
        master: the host that is master at the beginning.
        patient: a start of a daemon that could still succeed never fails.
        running: for each VM the host that runs it at the beginning, or None.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    ha: str = "on"
    master: int = 0
    patient: bool = False
    running: Mapping[str, int | None] = field(factory=lambda: {"v": None})
    _alone: dict[Hashable, Alone] = field(factory=dict, init=False)
    clauses = ("K1", "K2", "K3", "K4", "K5", "K6", "K7")
    faults = ("crash", "restart", "boot", "statefile", "back", "loss", "late")

    @property
    def facts(self) -> Mapping[str, Domain]:
        """Hosts: with power, a live daemon, a disarmed one, one that is granted nothing (no statefile, or it is not
        active), the first master. Then lock and mark, and the hosts of each VM."""
        names = dict.fromkeys(("up", "live", "disarmed", "barred", "first", *self.running), HOSTS)
        return {**names, "lock": Domain("host", optional=True), "mark": Domain("host", optional=True)}

    def state_facts(self, w: PoolState) -> Mapping[str, Value]:
        """The values of `facts`."""
        d = w.daemons
        return {
            "up": w.up,
            "live": d.those(LIVE),
            "disarmed": d.those(DISARMED),
            "barred": d.those(LIVE) - (d.statefile if d.state == "active" else NOBODY),
            "first": frozenset({self.master}),
            "lock": d.lock,
            "mark": d.mark,
            **dict(w.vms),
        }

    def initial(self) -> Iterable[PoolState]:
        """The one world at the beginning: all hosts have power, no agent runs yet."""
        everybody = frozenset(range(self.n))
        on = self.ha == "on"
        daemon = Daemon(LIVE, everybody) if on else Daemon()
        daemons = Daemons(
            daemons=(daemon,) * self.n,
            statefile=everybody,
            state="active" if on else "none",
            mark=self.master if on else None,
            shown=on,
            lock=self.master if on else None,
            patient=self.patient,
        )
        vms = tuple((vm, NOBODY if host is None else frozenset({host})) for vm, host in sorted(self.running.items()))
        yield PoolState(daemons, everybody, everybody, vms)

    def alive(self, w: PoolState, host: int) -> bool:
        """A host with power has an agent, but for the moment before its first start; a restart is one step."""
        return host in w.up and host not in w.fresh

    def view(self, w: PoolState, host: int) -> Hashable:
        """What the daemon says, and which VMs run here."""
        d = w.daemons
        return d.daemons[host], d.marked(self.off), host in d.statefile, tuple(v for v, hosts in w.vms if host in hosts)

    def read(self, view: Any, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """The instant operations: the liveset, a VM's process here, and where to start a VM."""
        daemon, marked, statefile, here = view
        if operation.name == "find":
            return ("here" if operation.arguments["vm"] in here else "absent"), {}
        if operation.name == "place":
            return self.place(operation.arguments["vm"], sorted(operation.arguments["live"]))
        if daemon.phase in (OFF, STARTING):
            return ("gone" if daemon.phase == OFF else "starting"), {}
        return "liveset", {"live": daemon.live, "marked": marked, "statefile": statefile}

    def place(self, vm: str, live: list[int]) -> tuple[str, Mapping[str, Value]]:
        """Where a VM starts: the first on the highest index, so that a remote host is chosen where there is one, the
        others one after the other from the lowest on."""
        return ("best", {"best": live[(sorted(self.running).index(vm) - 1) % len(live)]}) if live else ("nowhere", {})

    def perform(self, w: PoolState, host: int, effects: Effects) -> PoolState:
        """One turn's effects: calls begin and end, the daemon is started or told to go."""
        calls = w.calls
        for machine in effects.abandoned:
            calls = calls.abandon(host, machine)
        for reply in effects.replies:
            calls = calls.reply(host, reply)
        for signal in effects.signals:
            if (signal.port, signal.name) == ("daemon", "quit"):
                w = w.with_daemons(w.daemons.stopped(host))
        for operation in effects.operations:
            name = f"{operation.port}.{operation.name}"
            if operation.targets is not None:
                calls = calls.start(host, operation)
            elif name == "daemon.start":
                w = w.with_daemons(w.daemons.started(host))
            elif name == "daemon.propose":
                w = w.with_daemons(w.daemons.asked(host))
            elif name == "toolstack.start":
                w = evolve(w, launching=w.launching | {(host, operation.arguments["vm"])})
        return w.with_calls(calls)

    def actions(self, w: PoolState, pending: Pending) -> Iterator[Action[PoolState]]:
        """Everything that may happen next."""
        moves, fenced = self.daemons_alone(w, pending)
        for label, daemons in moves:
            yield Action(label, w.with_daemons(daemons))
        for host in fenced:
            yield self.lose_power(w, host, f"host {host} is fenced", None)
        for host, vm in sorted(w.launching):
            started = w.with_vm(vm, w.running(vm) | {host})
            yield Action(f"{vm} starts on host {host}", evolve(started, launching=w.launching - {(host, vm)}))
            yield Action(f"{vm} does not start on host {host}", evolve(w, launching=w.launching - {(host, vm)}))
        yield from self.happens(w)
        for host in sorted(w.up):
            for machine, operation in pending[host]:
                yield from self.outcomes(w, host, machine, operation)
        yield from self.talk(w)

    def daemons_alone(self, w: PoolState, pending: Pending) -> Alone:
        """What the daemons may do by themselves, and the hosts that may fence themselves: the same in many worlds."""
        awaited, asking = (
            frozenset(host for host in w.up if any(waits == name for _, waits in pending[host]))
            for name in ("daemon.start", "daemon.propose")
        )
        found = self._alone.get(key := (w.daemons, w.up, awaited, asking))
        if found is None:
            moves = tuple(w.daemons.moves(w.up, self.off, awaited, asking))
            found = self._alone[key] = moves, w.daemons.fenced(w.up, self.off)
        return found

    def lose_power(self, w: PoolState, host: int, label: str, fault: str | None) -> Action[PoolState]:
        """Everything of the host is gone; the others do not know it yet."""
        rest, here = self.forget(w, host), frozenset({host})
        vms = tuple((vm, hosts - here) for vm, hosts in w.vms)
        dead = PoolState(w.daemons.dead(host), w.up - here, w.fresh - here, vms, rest.launching, rest.calls)
        return Action(label, dead, fault, restart=(host,))

    def forget(self, w: PoolState, host: int) -> PoolState:
        """What is lost with a host's agent: its calls, the calls it served, starts that had not happened."""
        if not (w.launching or w.calls.live or w.calls.orphans):
            return w
        calls = w.calls.caller_restarted(host).target_restarted(host)
        launching = frozenset(launch for launch in w.launching if launch[0] != host)
        return PoolState(w.daemons, w.up, w.fresh, w.vms, launching, calls)

    def happens(self, w: PoolState) -> Iterator[Action[PoolState]]:
        """Power, agents and the way to the statefile."""
        boot = Event("life", "boot")
        for host in range(self.n):
            if host not in w.up:
                if "boot" in self.may:
                    booted = PoolState(w.daemons, w.up | {host}, w.fresh, w.vms, w.launching, w.calls)
                    yield Action(f"host {host} boots", booted, "boot", host, boot, (host,))
                continue
            if "crash" in self.may:
                yield self.lose_power(w, host, f"host {host} loses power", "crash")
            if host in w.fresh:
                awake = PoolState(w.daemons, w.up, w.fresh - {host}, w.vms, w.launching, w.calls)
                yield Action(f"the agent of host {host} starts", awake, host=host, event=boot)
            elif "restart" in self.may:
                label = f"the agent of host {host} restarts"
                yield Action(label, self.forget(w, host), "restart", host, boot, (host,))
        for host in range(self.n):
            if host not in w.daemons.statefile:
                if "back" in self.may:
                    back = w.daemons.reached_by(w.daemons.statefile | {host})
                    yield Action(f"host {host} reaches the statefile again", w.with_daemons(back), "back")
            elif "statefile" in self.may:
                lost = w.daemons.reached_by(w.daemons.statefile - {host})
                yield Action(f"host {host} loses the statefile", w.with_daemons(lost), "statefile")

    def outcomes(self, w: PoolState, host: int, machine: str, operation: str) -> Iterator[Action[PoolState]]:
        """How a pending local operation may end now."""
        port, _, name = operation.partition(".")

        def ends(outcome: str, daemons: Daemons = w.daemons, **payload: Value) -> Action[PoolState]:
            event = Event(machine, f"{port}.{outcome}", payload)
            return Action(f"{operation} of host {host}: {outcome}", w.with_daemons(daemons), host=host, event=event)

        if port == "daemon":
            answers: Callable[..., Iterable[tuple[Any, ...]]] = getattr(w.daemons, f"answer_{name}")
            for outcome, daemons, payload in answers(host, w.up, self.off):
                yield ends(outcome, daemons, **payload)
        elif operation == "storage.attach":
            yield ends("attached" if host in w.daemons.statefile else "failed")
        elif operation == "database.take_over":
            yield ends("ok" if w.daemons.daemons[host].live <= w.up else "failed")
        elif operation == "toolstack.start":
            vm = machine.partition("[")[2].rstrip("]")
            if (host, vm) not in w.launching:
                yield ends("started" if host in w.running(vm) else "failed")

    def talk(self, w: PoolState) -> Iterator[Action[PoolState]]:
        """Calls between hosts: their five fates. A host never loses a call to itself."""
        if not w.calls.live:
            return
        for leg in w.calls.legs(SENT):
            way = f"{leg.call} from host {leg.caller} to host {leg.target}"
            if self.alive(w, leg.target):
                calls, event = w.calls.deliver(leg, self.routes)
                yield Action(way, w.with_calls(calls), host=leg.target, event=event)
            down = not self.alive(w, leg.target)
            if down or ("loss" in self.may and leg.target != leg.caller):
                lost = w.with_calls(w.calls.lose_request(leg))
                yield Action(f"{way} is lost", lost, None if down else "loss")
        for leg in w.calls.legs(RUNNING):
            if "late" in self.may and leg.target != leg.caller:
                label = f"host {leg.caller} gives up {leg.call} to host {leg.target}, where it still runs"
                yield Action(label, w.with_calls(w.calls.give_up(leg)), "late")
        for leg in w.calls.legs("ok"):
            if "loss" in self.may and leg.target != leg.caller:
                label = f"the reply to {leg.call} from host {leg.target} to host {leg.caller} is lost"
                yield Action(label, w.with_calls(w.calls.lose_reply(leg)), "loss")
        for caller, event, calls in w.calls.finished():
            yield Action(f"host {caller} has its answer: {event.name}", w.with_calls(calls), host=caller, event=event)
