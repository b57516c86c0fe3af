"""What stands behind the ports of a pool, as a small pure model: the other half of everything that is explored.

A world is nondeterministic: `actions` lists whatever may happen next, and whoever drives it (the checker, a simulator)
picks one. It is hashable, so that states can be compared, and it says which faults it can inject and which named
assumptions (clauses) about the real thing it makes, so that each can be switched off.

Rules.
- Every method is a function of its arguments: same in, same out; a world's class holds constants only.
- One move is an action (or a timer, or an operator's event), then the restarts it brings, then the turn of the node
  that receives the event, then `perform` with what that turn wants done. Nothing lies between.
- Timers and operators are not the world's: whoever drives it lets them fire on every host that is `alive`.
- What is pending is the nodes' business: `perform` brings each new operation in, `Effects.abandoned` names machines
  that wait no longer, and `actions` is told what every host waits for now.
- A budget of faults belongs to the system, not to the world: an action says which kind of fault it is, no more.

A class of worlds is called with the keywords `n` (hosts), `off` (frozenset of clauses switched off), `faults`
(frozenset of the kinds that may happen), `routes` (`fsm.explore.calls.Routes`, which machine serves which call) and the
settings of the system file.

A world may offer more: that it has parts (`fsm.explore.parted`), and what it is with its hosts in another order
(`fsm.explore.symmetry`).

Left out: time. Worlds order things, they do not measure them; a race that real time decides is a clause.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from attrs import frozen

from fsm.engine.turn import Effects, Event, Operation
from fsm.language.domains import Domain, Value

W = TypeVar("W", bound=Hashable)

OPERATOR = "operator"
"""What stands as the kind of fault where an operator speaks: like a fault, nobody may count on it."""

Pending = Sequence[Sequence[tuple[str, str]]]
"""For each host (machine, `port.operation`) of every machine that waits."""


@frozen
class Action(Generic[W]):
    """Something that may happen.

    Arguments:
        label: what happened, for traces: "crash of host 1".
        world: the world after it, before the effects of the node's own turn.
        fault: the kind of fault, counted against the system's budgets, or OPERATOR; None is normal behaviour.
        host: the node that receives `event`.
        event: what that node is told, or None.
        restart: nodes that lose their memory before `event`: they boot again from their host variables.
        prompt: it happens at once. Where such an action is possible nothing else is, but other such actions and those
            that restart a node. One that a budget counts makes nobody wait: with less left, less would have to wait.
    """

    label: str
    world: W
    fault: str | None = None
    host: int | None = None
    event: Event | None = None
    restart: tuple[int, ...] = ()
    prompt: bool = False


class World(Protocol[W]):
    """A model of what stands behind the ports. Hosts are indices 0..n-1."""

    @property
    def facts(self) -> Mapping[str, Domain]:
        """Names that properties may use, with their domains; a boolean of each host is a set of hosts."""

    @property
    def faults(self) -> Sequence[str]:
        """The kinds of fault that it can inject."""

    @property
    def clauses(self) -> Collection[str]:
        """The named assumptions that can be switched off; a mapping tells what each says, in a sentence."""

    def initial(self) -> Iterable[W]:
        """Every world that may stand at the beginning."""

    def alive(self, w: W, host: int) -> bool:
        """Whether the host's node runs: its timers may fire and operators may speak to it."""

    def view(self, w: W, host: int) -> Hashable:
        """Everything that the instant operations of a host can see; as little as possible, for turns are shared
        by all worlds that look the same."""

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """The outcome and payload of an instant operation."""

    def perform(self, w: W, host: int, effects: Effects) -> W:
        """The world once the effects of one turn of a host have entered it; `effects.timers` is empty."""

    def actions(self, w: W, pending: Pending) -> Iterable[Action[W]]:
        """Everything that may happen next besides timers and operators: outcomes of pending operations, calls
        delivered or lost, spontaneous changes, faults."""

    def state_facts(self, w: W) -> Mapping[str, Value]:
        """The value of every name of `facts`."""
