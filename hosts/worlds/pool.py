"""The world of a pool: power, the liveset daemons, the statefile, calls between hosts and the processes of VMs.

A pure model of what the agents' machines talk to, with time left out: whatever may happen, happens in any order that
the clauses allow. They are what the embedded daemon promises: K1 and K4 are explored over its own rows (the systems
lease, joining and lock), the others are tested on real daemons. `CLAUSES` says what each is.

Faults: crash (a host loses power), restart (its agent dies and starts again), exit (a VM ends by itself), statefile (a
host cannot reach it), loss (a request or a reply between hosts), late (a caller gives up while the call still runs),
stray (a request arrives that was lost, or that its caller has abandoned on its way; the rules are those of
`fsm.explore.calls`), full (the planner gives no place, for some reason). Three more kinds are named like faults,
because they come from outside and nobody may count on them: boot (a host that is down boots), back (a host reaches the
statefile again) and room (the planner has places again). A host that was told to boot again is not counted.

Links: a host may no longer hear another, one way (cut), or the pool falls in two (partition), until all hear each other
again (heal). Calls are lost where they would go unheard. Which live hosts stay is the verdict (K8): untimed, so that
who is ruled out may be fenced at any time, and is dropped, like everybody, only once it is down (K1).

A fickle statefile is the faults statefile and back, any number of each, without a word in the state about who reaches
it: whoever depends on it finds it there, or not. All that could happen may happen, in 2^n times fewer states; livesets
shrink host by host then. It is for stories in which no machine asks whether its host reaches the statefile (a query
says that it does), and says nothing of runs in which it stays away.

Calls that are prompt are a cut, for the largest stories. Nothing happens while a request is on its way or while a reply
waits for its caller, but that an agent or a host dies. What else could come between comes before or after it; a call
that takes its time runs at its target, where everything may happen as ever, and with the fault loss a caller knows
nothing of what was done. Small runs with and without it are compared (tests/test_prompt_calls.py).

Strays are refused where the agents refuse them: by a host that has come into the liveset since, for it ends all
sessions of its door; and by the hosts of a liveset once they have kept the term of a new master. They refuse more than
that: a call to join overtakes all commands of its caller.

Left out: the loss of the redo log, and terms: they refuse strays, and nothing else here.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import define, field

from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.calls import Calls, Routes, items
from fsm.explore.parted import Parts, Source, Update, actions_of, performed
from fsm.explore.renaming import Renaming
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.worlds import pool_answers as answers
from hosts.worlds import pool_daemons as daemons
from hosts.worlds import pool_faults as faults
from hosts.worlds import pool_moves as moves
from hosts.worlds.daemon import DISARMED, LIVE, NOBODY, OFF, STARTING, Daemon, Daemons
from hosts.worlds.pool_state import (
    OPEN,
    RUNNING_AGENT,
    Guests,
    Places,
    PoolState,
    beginning,
    renamed,
)  # fmt: skip

HOSTS = Domain("hosts")
BOOT = Event("life", "boot")
CLAUSES = {
    "K1": "a host leaves a survivor's liveset only once it is down or its daemon was stopped or disarmed",
    "K2": "a daemon that can read 'invalid' acts on it before it drops a host that stopped",
    "K3": "the master's mark is on the statefile before it writes 'invalid'",
    "K4": "at most one host holds the lock, and it evaporates when its holder has left every liveset",
    "K5": "without the statefile a host is fenced, unless nobody has it and every host is visible",
    "K6": "a start of the daemon fails only while some host is down, disarmed, or has no daemon",
    "K7": "a mark is shown only while its host holds the lock, asks for it, or has just lost it; it stays written",
    "K8": "of live daemons that do not all hear each other a largest set that does stays, and the others are fenced",
}


@define(eq=False)
class PoolWorld:
    """The world of `n` hosts.

    Arguments:
        n: hosts.
        off: clauses that do not hold.
        faults: kinds of fault that may happen.
        routes: which machine serves which call.
        ha: "on": every daemon is live, host `master` holds the lock; "off": no daemon runs; "cold": the same, but the
            statefile says active and is marked by `master`: every host lost power while HA was on.
        master: the host that is master at the beginning.
        lag: livesets shrink host by host, not at once.
        fickle: the statefile is there for a host at one moment and not at the next, any number of times.
        patient: a start of a daemon that could still succeed never fails.
        running: for each VM the host that runs it at the beginning, or None.
        best_effort: the VMs that are not protected.
        prompt: requests arrive, and replies are heard, at once; only the death of an agent comes between.
        plugs: a host that boots can run VMs only once its storage and network are plugged.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    ha: str = "on"
    master: int = 0
    patient: bool = False
    lag: bool = False
    fickle: bool = False
    running: Mapping[str, int | None] = field(factory=lambda: {"v": None})
    best_effort: Collection[str] = ()
    plugs: bool = False
    prompt: bool = False
    _places: Places = field(init=False)
    _sources: tuple[Source, ...] = field(init=False)
    clauses = CLAUSES
    faults = (
        "crash", "restart", "boot", "exit", "statefile", "back", "loss", "late", "stray", "full", "room",
        "cut", "partition", "heal",
    )  # fmt: skip

    def __attrs_post_init__(self) -> None:
        self._places = Places(self.n)
        self._sources = tuple(self._all_sources())

    @property
    def facts(self) -> Mapping[str, Domain]:
        """Hosts: with power, a live daemon, a disarmed one, one that is granted nothing (no statefile, or it is not
        active), excluded ones, the first master. Then lock and mark, and the hosts of each VM."""
        names = dict.fromkeys(("up", "live", "disarmed", "barred", "excluded", "first", *self.running), HOSTS)
        return {**names, "lock": Domain("host", optional=True), "mark": Domain("host", optional=True)}

    def state_facts(self, w: Parts) -> Mapping[str, Value]:
        """The values of `facts`."""
        w = PoolState(w)
        d = w.daemons
        return {
            "up": w.up,
            "live": d.those(LIVE),
            "disarmed": d.those(DISARMED),
            "barred": d.those(LIVE) - (d.statefile if d.state == "active" else NOBODY),
            "excluded": d.excluded,
            "first": frozenset({self.master}),
            "lock": d.lock,
            "mark": d.mark,
            **{vm: w.running(vm) for vm in self.running},
        }

    def initial(self) -> Iterable[PoolState]:
        """The one world at the beginning: all hosts have power, no agent runs yet."""
        everybody = frozenset(range(self.n))
        on, used = self.ha == "on", self.ha in ("on", "cold")
        daemon = Daemon(LIVE, everybody) if on else Daemon()
        daemons = Daemons(
            daemons=(daemon,) * self.n,
            statefile=everybody,
            state="active" if used else "none",
            mark=self.master if used else None,
            shown=on,
            lock=self.master if on else None,
            patient=self.patient,
        )
        here = (frozenset(vm for vm, at in self.running.items() if at == host) for host in range(self.n))
        guests = tuple(Guests(vms, plugged=not self.plugs, plugs=self.plugs) for vms in here)
        yield beginning(daemons, guests, Calls(late=self.routes.changing if "stray" in self.may else frozenset()))

    @property
    def fixed(self) -> frozenset[int]:
        """The first master, which the fact `first` is about."""
        return frozenset({self.master})

    def permuted(self, w: Parts, to: Renaming) -> PoolState:
        """The same with other names for hosts and VMs."""
        return renamed(w, to)

    def alive(self, w: Parts, host: int) -> bool:
        """A host with power has an agent, but for the moment before its first start; a restart is one step."""
        return w[self._places.power(host)] in RUNNING_AGENT

    def view(self, w: Parts, host: int) -> Hashable:
        """What the daemon says, which VMs run here, and whether the planner has places."""
        (daemon, reaches), shared = w[self._places.daemon(host)], w[self._places.shared]
        guests = w[self._places.guests(host)]
        return daemon, moves.marked(shared, self.off), reaches, (guests.here, guests.plugged), shared.planner

    def read(self, view: Any, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """The instant operations: the liveset, a VM's process here, whether VMs can run here, where to start one."""
        daemon, marked, statefile, (here, plugged), planner = view
        if operation.name == "find":
            return ("here" if operation.arguments["vm"] in here else "absent"), {}
        if operation.name == "look":
            return ("plugged" if plugged else "unplugged"), {}
        if operation.name == "place":
            return self.place(operation.arguments["vm"], sorted(operation.arguments["live"]), planner)
        if daemon.phase in (OFF, STARTING):
            return ("gone" if daemon.phase == OFF else "starting"), {}
        return "liveset", {"live": daemon.live, "marked": marked, "statefile": statefile}

    def place(self, vm: str, live: list[int], planner: str) -> tuple[str, Mapping[str, Value]]:
        """Where a VM starts: the first on the highest index, so that a remote host is chosen where there is one, the
        others one after the other from the lowest on."""
        spare = vm in self.best_effort
        if live and planner == OPEN:
            return "spare" if spare else "best", {"best": live[(sorted(self.running).index(vm) - 1) % len(live)]}
        refusal = "nowhere" if planner == OPEN else planner
        return "later" if spare and refusal == "nowhere" else refusal, {}

    def perform(self, w: PoolState, host: int, effects: Effects) -> PoolState:
        """One turn's effects: calls begin and end, the daemon is started or told to go."""
        return PoolState(performed(self.updates(host, effects), w))

    def actions(self, w: PoolState, pending: Pending) -> Iterator[Action[PoolState]]:
        """Everything that may happen next."""
        for a in actions_of(self.sources, w, pending):
            yield Action(a.label, PoolState(a.world), a.fault, a.host, a.event, a.restart, a.prompt)

    # -- in parts

    @property
    def sources(self) -> Sequence[Source]:
        """All that may happen, by what it depends on."""
        return self._sources

    def lives_by(self, host: int) -> tuple[int, ...]:
        """Its power."""
        return (self._places.power(host),)

    def seen_by(self, host: int) -> tuple[int, ...]:
        """Its daemon, its VMs, the mark."""
        return self._places.daemon(host), self._places.guests(host), self._places.shared

    def told_by(self) -> tuple[int, ...]:
        """All but the calls."""
        places = self._places
        return (*places.all_of(places.power), *places.daemons, *places.all_of(places.guests))

    def updates(self, host: int, effects: Effects) -> Sequence[Update]:
        """What the effects of a turn change."""
        return tuple(self._updates(host, effects))

    def _updates(self, host: int, effects: Effects) -> Iterator[Update]:
        places = self._places
        replaced = (operation.machine for operation in effects.operations if operation.targets is None)
        for machine in (*effects.abandoned, *replaced):
            yield Update((places.calls(host),), moves.abandoned, (places.calls(host), host, machine))
        for reply in effects.replies:
            at = places.calls(moves.caller_of(reply.call))
            ears = places.links
            yield Update((at, ears), moves.replied, (at, ears, host, reply.call, reply.outcome, items(reply.payload)))
        for signal in effects.signals:
            if (signal.port, signal.name) == ("daemon", "quit"):
                yield Update(places.daemons, moves.daemons_changed, ("stopped", host))
        for operation in effects.operations:
            name = f"{operation.port}.{operation.name}"
            if operation.targets is not None:
                at, arguments = places.calls(host), items(operation.arguments)
                asked = (operation.machine, operation.port, operation.name, arguments, operation.targets)
                yield Update((at,), moves.called, (at, host, *asked, operation.joined))
            elif name in ("daemon.start", "daemon.propose"):
                yield Update(
                    places.daemons, moves.daemons_changed, ("started" if name == "daemon.start" else "asked", host)
                )
            elif name == "toolstack.start":
                yield Update((places.guests(host),), moves.launched, (places.guests(host), operation.arguments["vm"]))
            elif name == "toolstack.stop_all":
                yield Update((places.guests(host),), moves.called_off, (places.guests(host),))
            elif name == "power.off":
                at = places.power(host)
                yield Update((at,), moves.told_to_boot, (at, operation.arguments["reboot"]))

    def _all_sources(self) -> Iterator[Source]:
        """Everything that may happen next."""
        places, hosts = self._places, range(self.n)
        for host in hosts:
            yield Source((places.daemon(host), places.shared), (host,), partial(daemons.leaves, host), "daemon")
        for host in hosts:
            drops = partial(daemons.drops, self.off, self.lag or self.fickle, host)
            yield Source((*places.daemons, places.power(host)), (), drops)
        yield Source(places.daemons, (), daemons.marks)
        for host in hosts:
            yield Source(places.daemons, (host,), partial(daemons.fades, self.off, self.fickle, host), "daemon")
        yield Source(places.linked, (), daemons.arrives)
        yield Source(places.linked, (), partial(daemons.fences, self.off, self.fickle))
        for host in hosts:
            vms = partial(faults.vms, self.may, self.routes, host)
            yield Source((places.guests(host), places.power(host)), (), vms)
        for host in hosts:
            yield Source((places.power(host),), (), partial(faults.power, self.may, host))
        for host in () if self.fickle else hosts:
            yield Source((places.daemon(host),), (), partial(faults.reaches, self.may, host))
        yield Source((places.links,), (), partial(faults.links, self.may))
        if "full" in self.may:
            yield Source((places.shared,), (), partial(faults.plans, self.may))
        for host in hosts:
            yield from self._answers(host)
        for host in hosts:
            at = (places.calls(host), *places.all_of(places.power), places.links)
            yield Source(at, (), partial(moves.talk, self.may, self.routes, self.prompt, host))
            if "stray" in self.may:
                yield Source(at, (), partial(moves.strays, self.routes, host))

    def _answers(self, host: int) -> Iterator[Source]:
        """How pending local operations of a host may end now, by their ports."""
        places, up = self._places, self._places.power(host)
        yield Source(
            (*places.linked, up), (host,), partial(answers.of_daemon, self.off, self.fickle, host), "daemon", True
        )
        yield Source(
            (places.daemon(host), up), (host,), partial(answers.of_storage, self.fickle, host), "storage", True
        )
        reached = (*places.all_of(places.power), places.links)
        yield Source((places.daemon(host), *reached), (host,), partial(answers.of_database, host), "database", True)
        toolstack = partial(answers.of_toolstack, self.routes, host)
        yield Source((places.guests(host), up), (host,), toolstack, "toolstack", True)
        yield Source((up,), (host,), partial(answers.of_timer, host), "timer", True)
        yield Source((up,), (host,), partial(answers.of_power, host), "power", True)
