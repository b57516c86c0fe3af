"""What a spec is once it is loaded: immutable values, every name resolved, nesting flattened.

A machine keeps its rows in the order of the file. A row that is written for several states or several events is one
`Row` for each event, with all its leaf states as sources; groups and `*` are replaced by their leaves, and the
innermost declaration wins, so that for one leaf and one event all candidate rows come from one level.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, field, frozen

from fsm.errors import Place
from fsm.language.domains import Domain, Value
from fsm.language.expressions import Expr

ELSE = "else"
SAME = "same"
Fields = Mapping[str, Domain]


@frozen
class Variable:
    """A typed variable. `store` is memory (lost with the process), host (survives a restart) or pool (the database).

    `shared` variables are declared once in `state.yaml` and are seen by every machine that lists them."""

    name: str
    domain: Domain
    store: str
    initial: Value
    why: str
    shared: bool
    at: Place = field(eq=False, repr=False)


@frozen
class OperationDecl:
    """An operation of a port: its arguments, its outcomes with their payload, and how it behaves.

    instant: read-only and never blocking; its outcome is consumed in the same step. to_host: a call to other hosts,
    which may be fanned out. idempotent: a restarted machine may ask again."""

    name: str
    arguments: Fields
    outcomes: Mapping[str, Fields]
    instant: bool = False
    to_host: bool = False
    idempotent: bool = False


@frozen
class Port:
    """What machines may ask of the world: operations, signals (which cannot fail) and events that come unasked."""

    name: str
    essay: str
    operations: Mapping[str, OperationDecl]
    signals: Mapping[str, Fields]
    events: Mapping[str, Fields]
    at: Place = field(eq=False, repr=False)


@frozen
class Do:
    """The operation a row starts. `targets` is None for a local one, else the expression of the hosts it goes to;
    `joined` says that it is a fan-out with the outcomes all_ok and some_failed."""

    port: str
    operation: str
    arguments: tuple[tuple[str, Expr], ...]
    targets: Expr | None
    joined: bool
    text: str

    @property
    def name(self) -> str:
        """`port.operation`."""
        return f"{self.port}.{self.operation}"


@frozen
class Tell:
    """An event for a sibling machine, delivered in the same step, or a signal of a port."""

    target: str
    name: str
    arguments: tuple[tuple[str, Expr], ...]
    signal: bool
    text: str


@frozen
class Row:
    """One edge. `guard` is None (always), `ELSE`, or an expression; `target` is a leaf state or `SAME`.

    `scope` is the state or group that an `after` row belongs to, and `seconds` its duration as written."""

    id: str
    sources: tuple[str, ...]
    event: str
    guard: Expr | str | None
    target: str
    do: Do | None
    set: tuple[tuple[str, Expr], ...]
    tell: tuple[Tell, ...]
    reply: tuple[str, tuple[tuple[str, Expr], ...]] | None
    why: str
    label: str
    scope: str | None
    duration: str | None
    at: Place = field(eq=False, repr=False)
    depth: int = 0


@frozen
class Ignore:
    """Events that a machine deliberately lets pass in some states, and why."""

    states: tuple[str, ...]
    events: tuple[str, ...]
    why: str
    at: Place = field(eq=False, repr=False)


@frozen
class Hook:
    """The effects of entering or leaving a state or group. They cannot fail, so there is no operation and no reply."""

    state: str
    set: tuple[tuple[str, Expr], ...]
    tell: tuple[Tell, ...]
    why: str
    at: Place = field(eq=False, repr=False)


@frozen
class Serve:
    """A call that the machine answers, and the calls that cancel it while it is under way."""

    call: str
    cancelled_by: tuple[str, ...]
    at: Place = field(eq=False, repr=False)


@frozen
class Machine:
    """A whole machine.

    `enter` and `exit` are keyed by state or group. `defers` are events that are kept until a state takes them.
    `digest` names what the file says, whatever its layout and comments: 12 hex digits of a SHA-256."""

    name: str
    essay: str
    instance: str | None
    ports: Mapping[str, Port]
    variables: Mapping[str, Variable]
    siblings: Mapping[str, Domain]
    events: Mapping[str, Fields]
    serves: Mapping[str, Serve]
    states: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    initial: str
    final: tuple[str, ...]
    rows: tuple[Row, ...]
    enter: Mapping[str, Hook]
    exit: Mapping[str, Hook]
    ignores: tuple[Ignore, ...]
    defers: tuple[Ignore, ...]
    parameters: Mapping[str, str]
    digest: str
    at: Place = field(eq=False, repr=False)

    def candidates(self, state: str, event: str) -> tuple[Row, ...]:
        """The rows that may fire for an event in a leaf state: those of the innermost level that has any."""
        rows = [row for row in self.rows if row.event == event and state in row.sources]
        deepest = max((row.depth for row in rows), default=0)
        return tuple(row for row in rows if row.depth == deepest)

    def ignored(self, state: str, event: str) -> bool:
        """Whether the machine says that it lets the event pass in this state."""
        return any(state in ignore.states and event in ignore.events for ignore in self.ignores)

    def deferred(self, state: str, event: str) -> bool:
        """Whether the machine says that it keeps the event in this state for a later one."""
        return any(state in defer.states and event in defer.events for defer in self.defers)

    def within(self, state: str) -> tuple[str, ...]:
        """The groups that a leaf state lies in, outermost first, and itself."""
        return (*(name for name, leaves in self.groups.items() if state in leaves), state)

    def left(self, state: str, target: str) -> tuple[str, ...]:
        """What a transition leaves, in the order of leaving: the state, then groups from the innermost on."""
        inside = self.within(target) if target != state else self.within(target)[:-1]
        return () if target == SAME else tuple(name for name in reversed(self.within(state)) if name not in inside)

    def entered(self, state: str, target: str) -> tuple[str, ...]:
        """What a transition enters, in the order of entering: groups from the outermost on, then the state."""
        return () if target == SAME else tuple(reversed(self.left(target, state)))

    def pending(self, state: str) -> Do | None:
        """The operation that a state waits for: that of the rows leading to it (they must agree)."""
        return next((row.do for row in self.rows if row.target == state and row.do is not None), None)

    def without_timers(self) -> Machine:
        """The same, but for what it does by itself after a time."""
        return evolve(self, rows=tuple(row for row in self.rows if row.scope is None))

    def timers(self, state: str) -> tuple[Row, ...]:
        """One `after` row for each timer that runs in a leaf state: its own and those of its groups."""
        found: dict[str, Row] = {}
        for row in self.rows:
            if row.scope is not None and state in row.sources:
                found.setdefault(row.scope, row)
        return tuple(found.values())

    def outcome_fields(self, event: str) -> Fields | None:
        """The payload of an event that a port sends: an outcome, a joined one, or one unasked."""
        if event == "all_ok":
            return {}
        if event == "some_failed":
            return {"bad": Domain("hosts")}
        port_name, _, name = event.partition(".")
        port = self.ports.get(port_name)
        if port is None:
            return None
        if name in port.events:
            return port.events[name]
        for operation in port.operations.values():
            if name in operation.outcomes:
                return operation.outcomes[name]
        return None
