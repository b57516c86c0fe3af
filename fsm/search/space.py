"""What the search is given: a space, said plainly, and a kernel, which says the same of many states at once.

A *space* is states, moves and formulas: pools of hosts (`fsm.explore.pool_space`) and models written as data
(`fsm.models.model_space`) are two. It is slow and obviously right: the reference engine walks it state by state, traces
and whoever walks by hand take their moves from it.

A *kernel* packs each state into one unsigned integer of 64 bits (or 32) and answers for whole arrays. It may be as
clever as it likes, for the tests explore thousands of small systems both ways, and nothing may differ: states,
generated, edges, depth, verdicts and the length of each counterexample.

What is counted, the same on both.
- distinct: states kept.
- generated: initial states, and every move out of every state, those that lead nowhere new or change nothing included;
  a move whose target the constraint of a model cuts off is generated, its target is not kept.
- edges: moves that change the state; two moves to one state are two.
- depth: levels of the breadth-first search; the initial states are level 1, as TLC counts.

Left out: how a search is bounded, shown and decided (`fsm.search.explore`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from attrs import field, frozen

from fsm.errors import Place
from fsm.language.domains import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Packed = NDArray[np.unsignedinteger[Any]]
    """uint64; uint32 where a kernel's states have at most 31 bits, which is faster. One kernel gives one kind."""
    Positions = NDArray[np.int64]
    Mask = NDArray[np.bool_]

S = TypeVar("S", bound=Hashable)

KINDS = ("always", "step", "reachable", "recoverable", "eventually", "leads_to", "deadlock")


@frozen
class Property:
    """A promise.

    Arguments:
        name: what it is called.
        kind: always (in every state) · step (on every move that changes the state) · reachable (in some state) ·
            recoverable (from every state some way leads to one with it, without operators and without faults but those
            of `counting_on`) · eventually (every fair run comes to it) · leads_to (whenever `text` holds, every fair
            run comes to `goal`) · deadlock (nothing is stuck but where `text` holds).
        text: the formula; of leads_to the one that leads.
        why: what it promises, in a sentence.
        goal: where leads_to leads, else "".
        needs: a formula that has to be reached, for the property says nothing where it is not; "" asks for nothing.
        counting_on: kinds of fault that recoverable, eventually and leads_to may count on.
    """

    name: str
    kind: str
    text: str
    why: str
    at: Place = field(eq=False, repr=False)
    counting_on: tuple[str, ...] = ()
    goal: str = ""
    needs: str = ""


@frozen
class Fairness:
    """Which groups of moves are treated fairly: patterns over the names of groups, with `*` and `?`.

    weak: a group that is possible without a break is taken some time. strong: one that is possible again and again is.
    A move that is a fault or an operator's order is in no such group, but for kinds of fault that a property counts on.
    `at` is where that is said, None where nothing is.
    """

    weak: tuple[str, ...] = ()
    strong: tuple[str, ...] = ()
    at: Place | None = field(default=None, eq=False, repr=False)


@frozen
class Edge(Generic[S]):
    """A move out of a state.

    Arguments:
        label: what happens, unique among the moves of one state where they differ: "host 1 loses power", "take(p=0)".
        target: the state after it, which may be the same; None where a node refused the turn.
        group: what fairness is about: the same for all outcomes of one operation of one machine of one host, for all
            moves of one action of a model with one set of arguments.
        fault: the kind of fault; "operator" for an operator's order; None for what happens by itself.
        refused: what the node said that refused the turn.
        cut: the target is not kept, for the model's constraint does not hold there.
        detail: what `Space.told` needs to tell it: a `fsm.explore.joint.Move`, or the action of a model.
    """

    label: str
    target: S | None
    group: str
    fault: str | None = None
    refused: str | None = None
    cut: bool = False
    detail: Any = None


@frozen
class Firing:
    """A row that fired in an edge: `machine` went from `source` to `target` and set variables; of a model's action
    source and target are empty, and `machine` is the model."""

    machine: str
    source: str
    target: str
    set: Mapping[str, Value]
    row: str
    why: str


@frozen
class Told:
    """An edge as people read it.

    Arguments:
        at: where it happens: "host 1", of a model its arguments, as "r=2"; "" for what happens outside of all of them.
        notes: lines on what was asked, heard and read there, before anything fired.
        firings: the rows, in their order.
        sender: who brings it about there: another host, whose call it is, the place itself, as with a timer, or
            "operator"; "" for what comes from outside.
        replies: (to whom, what) of the calls that it answers.
    """

    at: str
    notes: tuple[str, ...]
    firings: tuple[Firing, ...]
    sender: str = ""
    replies: tuple[tuple[str, str], ...] = ()


class Space(Protocol[S]):
    """States, moves and formulas, said plainly. Every method is a function: asked again it answers the same."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def at(self) -> Place:
        """The file that it comes from."""

    @property
    def properties(self) -> Sequence[Property]:
        """The promises, in the order of the file."""

    @property
    def fairness(self) -> Fairness:
        """Which moves are fair."""

    @property
    def rows(self) -> Sequence[str]:
        """The ids of all rows (of a model: the names of its actions), in the order of the files."""

    @property
    def outside(self) -> bool:
        """Whether code from outside answers for it, as a world does: a search asks that again."""

    def initial(self) -> Iterable[S]:
        """The states at the beginning, each once."""

    def edges(self, state: S) -> Iterable[Edge[S]]:
        """Every move out of a state, those that change nothing included."""

    def fired(self, edge: Edge[S]) -> Iterable[str]:
        """The rows that an edge fires."""

    def told(self, edge: Edge[S]) -> Told:
        """What an edge is to people: rows with their reasons."""

    def named(self, state: S) -> Mapping[str, Value]:
        """What properties see of a state, by name."""

    def whole(self, state: S) -> Mapping[str, Mapping[str, Value]]:
        """All of a state that has a name, for people: what each part of it holds. Parts of a pool are its hosts, what
        they share, and what is left of budgets; a model is one part, ""."""

    def foreign(self, label: str) -> bool:
        """Whether a label is known to be that of no move in any state. Of a model that is certain; of a pool timers and
        orders are known, and what its world may say is not."""

    def kernel(self) -> Kernel[S]:
        """The same, packed. Errors: `SpecError` (too-large) where a state does not fit."""

    def images(self, state: S) -> Iterable[S]:
        """What a state becomes under every permutation of the interchangeable hosts, VMs or indices, itself included.

        Errors: `SpecError` (not-symmetric) at the place that tells them apart, where they are not interchangeable."""

    def holds(self, property_: Property, part: str, state: S, target: S | None = None) -> bool:
        """Whether a formula holds in a state, of a step property on the edge to `target`.

        Arguments:
            property_: one of `properties`.
            part: "text", "goal" or "needs".
        Errors: `SpecError` where the formula has no value.
        """


@frozen(eq=False)
class Batch:
    """Moves out of many states: entry i leads from `states[sources[i]]` to `targets[i]`.

    Arguments:
        sources: indices into the states that were asked about; or a function that gives them, for a search that only
            counts never asks.
        targets: packed; moves that change nothing and those that are cut off are left out.
        generated: how many moves it stands for, with those that were left out.
        group: the number of the fairness group of all these moves (`Kernel.groups`), or an array with that of each, or
            a function that gives the array.
        refused: (source, what the node said).
    """

    _sources: Positions | Callable[[], Positions]
    targets: Packed
    generated: int
    _group: int | NDArray[np.int32] | Callable[[], NDArray[np.int32]]
    refused: tuple[tuple[int, str], ...] = ()

    @property
    def sources(self) -> Positions:
        """For each target the index of the state that it comes from."""
        return self._sources() if callable(self._sources) else self._sources

    @property
    def group(self) -> int | NDArray[np.int32]:
        """The number of the fairness group: one for all, or one each."""
        return self._group() if callable(self._group) else self._group


@frozen
class Budget:
    """Bits of a packed state that say how much is left of a kind of fault, or of an order.

    Arguments:
        kind: the fault, or `operator`.
        shift: the lowest bit.
        full: how much there is of it at the beginning; less is left later.
    """

    kind: str
    shift: int
    full: int


class Widened(Exception):
    """States need more room than they had: those that a search holds are worth nothing any more, it begins again.

    The kernel keeps all it has learnt, so what is repeated is cheap."""


class Kernel(Protocol[S]):
    """A space, packed. `bits` is the width of its states, at most 64; no state is all ones."""

    @property
    def space(self) -> Space[S]:
        """What it packs."""

    @property
    def bits(self) -> int:
        """How many of the lower bits a state uses at most."""

    @property
    def groups(self) -> Sequence[tuple[str, str | None]]:
        """(group, fault) of every number that a batch has used so far."""

    @property
    def budgets(self) -> Sequence[Budget]:
        """Where in a state it says how much is left of what is counted, from the lowest bits on; they are its topmost
        bits, and nothing else in the space goes by them but that a move is possible. Empty where nothing is so."""

    def initial(self) -> Packed:
        """The states at the beginning, each once."""

    def pack(self, state: S) -> int:
        """The number of a state."""

    def unpack(self, packed: int) -> S:
        """The state of a number."""

    def expand(self, states: Packed) -> Iterator[Batch]:
        """All moves out of some states, in as many batches as suits; a source's moves may lie in several.

        Raises: `Widened`."""

    def canonical(self, states: Packed) -> Packed:
        """For each state one and the same of all its `images`. Errors: as `Space.images`."""

    def stuck(self, states: Packed) -> Mask:
        """Where nothing can happen: no move but faults and orders of an operator, not even one that changes nothing."""

    def see(self, states: Packed) -> Any:
        """What formulas look at, an array with one entry a state: the states themselves, or numbers of observations."""

    def holds(self, property_: Property, part: str, seen: Any, target: Any = None) -> Mask:
        """`Space.holds` for arrays of `see`."""

    def fired(self) -> Iterable[str]:
        """The rows that fired in all that was expanded so far."""
