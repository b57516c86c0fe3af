"""A spec built in Python, typed, instead of written in YAML: the same language, the same loader, the same `Machine`.

    >>> lock = PortSpec("lock", essay="The bolt of the door.", signals={"bolt": {}, "free": {}})
    >>> door = MachineSpec(
    ...     "door",
    ...     essay="A door that locks behind whoever goes through it.",
    ...     ports=[lock],
    ...     events={"push": {}, "code": {"digits": range(1000)}},
    ...     states=["open", Group("shut", ["locked", "unlocked"])],
    ...     initial="locked",
    ...     rows=[
    ...         Row("locked", on="code", if_="digits == 421", to="unlocked", why="the right digits free the bolt"),
    ...         Row("locked", on="code", if_="else", to="same", why="wrong digits change nothing"),
    ...         Row("unlocked", on="push", to="open", why="somebody goes through"),
    ...         Row("open", on="push", to="locked", why="it falls shut behind them"),
    ...     ],
    ...     enter={"locked": Hook(tell="lock.bolt", why="shut means locked")},
    ...     exit={"locked": Hook(tell="lock.free", why="it can be pushed now")},
    ...     ignore=[
    ...         Ignore("locked", on="push", why="the bolt holds"),
    ...         Ignore(["open", "unlocked"], on="code", why="nobody asked for it"),
    ...     ],
    ... )
    >>> node = door.node()
    >>> turn = node.step(node.boot(), node.pool(), Event("door", "code", {"digits": 421}))
    >>> node.state(turn.local, "door"), turn.effects.signals
    ('unlocked', (Signal(port='lock', name='free', arguments={}),))

Rules.
- Everything here is a declaration: immutable, and without rules of its own. It only makes the document that a YAML file
  would be, and the loader reads that. So what a machine may say stands in one place, and a machine has the same digest
  whichever way it was written, as long as it says the same.
- Names are those of the YAML keys, but for the words of Python among them (`source` is `from`, `if_` is `if`, the
  `states` of an ignore are `in`) and the `name` of a machine or port. What may be left out there may be left out here.
- Booleans, numbers, `None` and sets of hosts are Python values; a type may be `bool` or a `range`. Expressions,
  operations and tells are text, checked when the machine is loaded.
- A message about a declaration points at the Python file, the line and the column where it was written.

Left out: types of states and events of one machine (`fsm stubs` writes those).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from attrs import Attribute, field, fields, frozen

from fsm.convert import source_places
from fsm.engine.node import Node
from fsm.engine.turn import Event
from fsm.errors import Place, SpecError
from fsm.language.document import Item
from fsm.language.load import Library
from fsm.language.spec import Machine

__all__ = [
    "Defer",
    "Event",
    "Group",
    "Hook",
    "Ignore",
    "MachineSpec",
    "Operation",
    "PortSpec",
    "Row",
    "Serve",
    "SharedSpec",
    "Specs",
    "Variable",
]

Type = str | type[bool] | range | Sequence[str]
"""`bool`, a range of integers, the members of an enumeration; or as in YAML "host", "host?", "hosts", "opaque"."""
Payload = Mapping[str, Type]
Expression = str | bool | int | None
Initial = str | bool | int | None | frozenset[int] | set[int]
Texts = str | Sequence[str]
"""One text or several."""
KEY = "key"
EMPTY: Mapping[str, Any] = MappingProxyType({})


@frozen
class _Immutable:
    """Keeps lists, sets and mappings that it is given as values that cannot change."""

    def __attrs_post_init__(self) -> None:
        for attribute in fields(type(self)):
            object.__setattr__(self, attribute.name, _immutable(getattr(self, attribute.name)))


@frozen
class _Declaration(_Immutable):
    """What knows where it was written, and can be written as the `Item` that the loader reads."""

    at: Place = field(factory=source_places.caller, eq=False, repr=False, kw_only=True)

    def item(self) -> Item:
        """The declaration as a value of a document."""
        return Item(self._entries(), self.at)

    def _entries(self) -> dict[str, Item]:
        own: list[Attribute[Any]] = [attribute for attribute in fields(type(self)) if attribute.name != "at"]
        positional = tuple(attribute.name for attribute in own if not attribute.kw_only)
        given = source_places.arguments(self.at, positional)
        return {
            attribute.metadata.get(KEY, attribute.name): _item(value, given.get(attribute.name), self.at)
            for attribute in own
            if (value := getattr(self, attribute.name)) != attribute.default
        }


@frozen
class Row(_Declaration):
    """One edge: `on` an event, or `after` a time, in `source` states.

    Arguments:
        source: a state, a group, "*" or several of them.
        on: an event, or several; or else
        after: a duration in seconds, or such as "5s" or "2*T".
        if_: a condition, or "else".
        to: the state that is entered, or "same".
        do: the operation that is started, "port.operation(argument=expression)".
        set: new values of variables.
        tell: signals of ports and events of machines of the same host.
        reply: the outcome that ends the served call.
        label: tells rows of one state and event apart.
        why: a sentence that answers an operator's "why did that happen?".
    """

    source: Texts = field(metadata={KEY: "from"})
    on: Texts | None = field(default=None, kw_only=True)
    after: str | float | None = field(default=None, kw_only=True)
    if_: str | None = field(default=None, kw_only=True, metadata={KEY: "if"})
    to: str = field(kw_only=True)
    do: str | None = field(default=None, kw_only=True)
    set: Mapping[str, Expression] = field(default=EMPTY, kw_only=True)
    tell: Texts = field(default=(), kw_only=True)
    reply: str | None = field(default=None, kw_only=True)
    label: str | None = field(default=None, kw_only=True)
    why: str = field(kw_only=True)


@frozen
class Group(_Declaration):
    """States that share rows: a name, and what is inside, states or groups."""

    name: str
    states: Sequence[str | Group]

    def item(self) -> Item:
        """The group as a value of a document: a mapping of its name to what is inside."""
        return Item({str(self.name): self._entries()["states"]}, self.at)


@frozen
class Hook(_Declaration):
    """What happens whenever a state or group is entered or left: `set` and `tell`, which cannot fail."""

    set: Mapping[str, Expression] = field(default=EMPTY, kw_only=True)
    tell: Texts = field(default=(), kw_only=True)
    why: str = field(kw_only=True)


@frozen
class Ignore(_Declaration):
    """Events that the machine deliberately lets pass in some states, and why."""

    states: Texts = field(metadata={KEY: "in"})
    on: Texts = field(kw_only=True)
    why: str = field(kw_only=True)


@frozen
class Defer(_Declaration):
    """Events that are kept, in some states, until the machine is in a state that does not defer them; and why."""

    states: Texts = field(metadata={KEY: "in"})
    on: Texts = field(kw_only=True)
    why: str = field(kw_only=True)


@frozen
class Serve(_Declaration):
    """A call that a machine answers: what it says while an earlier one is under way, and which calls cancel it."""

    busy: Literal["refuse"]
    cancelled_by: Sequence[str] = ()


@frozen
class Variable(_Declaration):
    """A variable: its type, where it lives (memory, host or pool), its first value, and what it is for."""

    type: Type
    store: Literal["memory", "host", "pool"] = field(kw_only=True)
    initial: Initial = field(kw_only=True)
    why: str = field(kw_only=True)


@frozen
class Operation(_Declaration):
    """An operation of a port: its outcomes with their payload, its arguments, and how it behaves.

    Arguments:
        outcomes: for each outcome its payload.
        arguments: the type of each argument.
        instant: read-only and never blocking; its outcome is consumed in the same step.
        to: "host" for a call to other hosts.
        idempotent: a restarted machine may ask again.
        why: what a reader should know of it.
    """

    outcomes: Mapping[str, Payload]
    arguments: Payload = field(default=EMPTY, kw_only=True)
    instant: bool = field(default=False, kw_only=True)
    to: Literal["host"] | None = field(default=None, kw_only=True)
    idempotent: bool = field(default=False, kw_only=True)
    why: str | None = field(default=None, kw_only=True)


@frozen
class _Document(_Declaration):
    """A declaration that is a whole document."""

    def item(self) -> Item:
        """The whole document."""
        return Item({"language": Item(1, self.at), **self._entries()}, self.at)

    def yaml(self) -> str:
        """The document as canonical YAML text, which loads to an equal object."""
        from fsm.language.write import text

        return text(self.item())


@frozen
class PortSpec(_Document):
    """What machines may ask of the world: operations, signals (which cannot fail), events that come unasked."""

    name: str = field(metadata={KEY: "port"})
    essay: str = field(kw_only=True)
    operations: Mapping[str, Operation] = field(default=EMPTY, kw_only=True)
    signals: Mapping[str, Payload] = field(default=EMPTY, kw_only=True)
    events: Mapping[str, Payload] = field(default=EMPTY, kw_only=True)


@frozen
class SharedSpec(_Document):
    """What the machines of a host share: variables, and the parameters that durations are made of."""

    essay: str = field(kw_only=True)
    parameters: Mapping[str, str | float] = field(default=EMPTY, kw_only=True)
    variables: Mapping[str, Variable] = field(default=EMPTY, kw_only=True)


@frozen
class MachineSpec(_Document):
    """A machine. The example at the top of this module shows one.

    Arguments:
        name: lower case; what other machines call it.
        essay: what it is, its rules, what it leaves out.
        ports: ports that are declared beside it, or their names where `Specs` is given them.
        instance: the parameter of a machine of which a host has several (`vm`).
        shared: variables of `SharedSpec` that it uses.
        variables, events, serves, siblings: what it has, hears, answers and looks at.
        states, initial, final: its states.
        rows: its edges.
        enter, exit: effects of entering and leaving a state or group, by its name.
        ignore, defer: what deliberately happens not at all, or later.
    """

    name: str = field(metadata={KEY: "machine"})
    essay: str = field(kw_only=True)
    ports: Sequence[PortSpec | str] = field(default=(), kw_only=True)
    instance: str | None = field(default=None, kw_only=True)
    shared: Sequence[str] = field(default=(), kw_only=True)
    variables: Mapping[str, Variable] = field(default=EMPTY, kw_only=True)
    siblings: Sequence[str] = field(default=(), kw_only=True)
    events: Mapping[str, Payload] = field(default=EMPTY, kw_only=True)
    serves: Mapping[str, Serve] = field(default=EMPTY, kw_only=True)
    states: Sequence[str | Group] = field(kw_only=True)
    initial: str = field(kw_only=True)
    final: Sequence[str] = field(default=(), kw_only=True)
    rows: Sequence[Row] = field(kw_only=True)
    enter: Mapping[str, Hook] = field(default=EMPTY, kw_only=True)
    exit: Mapping[str, Hook] = field(default=EMPTY, kw_only=True)
    ignore: Sequence[Ignore] = field(default=(), kw_only=True)
    defer: Sequence[Defer] = field(default=(), kw_only=True)

    def machine(self) -> Machine:
        """The machine, loaded; `Bound.start` runs it. Errors: `SpecError`, at a line of Python."""
        return Specs([self]).machine(self.name)

    def node(self) -> Node:
        """The machine alone on one host, ready to `step`. Errors: `SpecError`, at a line of Python."""
        return Specs([self]).node()


@frozen
class Specs(_Immutable):
    """Machines of one host with their ports and what they share: what a folder of YAML files would hold.

    Arguments:
        machines: in the order in which they are shown.
        ports: those that machines name only by their names; the ports that they hold are here already.
        state: what the machines share.
    """

    machines: Sequence[MachineSpec]
    ports: Sequence[PortSpec] = ()
    state: SharedSpec | None = None

    def documents(self) -> dict[str, Item]:
        """Every document by its path in a folder of specs. Errors: `SpecError` for a name that is taken twice."""
        held = [port for machine in self.machines for port in machine.ports if isinstance(port, PortSpec)]
        found = _by_path("machines", self.machines) | _by_path("ports", [*held, *self.ports])
        if self.state is not None:
            found["state.yaml"] = self.state
        return {path: declared.item() for path, declared in found.items()}

    def texts(self) -> dict[str, str]:
        """The canonical text of every document by its path in a folder of specs. Errors: as `documents`."""
        from fsm.language.write import text

        return {path: text(item) for path, item in self.documents().items()}

    def library(self, settings: Mapping[str, float] | None = None) -> Library:
        """The documents as a library, like that of a folder.

        Arguments:
            settings: values of parameters that replace those of `state`, in seconds, by name.
        Errors: `SpecError`.
        """
        return Library.of(self.documents(), settings)

    def machine(self, name: str) -> Machine:
        """One machine, loaded. Errors: `SpecError`, at a line of Python."""
        return self.library().machine(name)

    def node(
        self,
        me: int = 0,
        n: int = 1,
        instances: Mapping[str, tuple[str, ...]] | None = None,
        parameters: Mapping[str, float] | None = None,
    ) -> Node:
        """All machines together as host `me` of a pool of `n`, ready to `step`; arguments and errors as of `Node`."""
        library = self.library(parameters)
        machines = [library.machine(machine.name) for machine in self.machines]
        return Node(machines, me, n, instances or {}, library.parameters())


def _by_path(folder: str, declared: Iterable[MachineSpec | PortSpec]) -> dict[str, _Document]:
    """Declarations by the path of their document. Errors: `SpecError` where two that differ have one name."""
    found: dict[str, _Document] = {}
    for one in declared:
        if found.setdefault(path := f"{folder}/{one.name}.yaml", one) != one:
            message = f"{one.name!r} is declared at {found[path].at} already, and differently; rename one"
            raise SpecError(one.at, message, "duplicate-name")
    return found


def _immutable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _immutable(entry) for key, entry in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_immutable(entry) for entry in value)
    return frozenset(value) if isinstance(value, set) else value


def _item(value: Any, node: ast.expr | None, around: Place) -> Item:
    """A value as the loader reads it; what is none of a document's values goes on as its text, to be refused there."""
    at = source_places.place(node, around)
    if isinstance(value, MachineSpec | PortSpec):
        return Item(value.name, at)
    if isinstance(value, _Declaration):
        return value.item()
    if isinstance(value, Mapping):
        return Item({str(k): _item(v, source_places.inside(node, k), at) for k, v in value.items()}, at)
    if isinstance(value, tuple):
        return Item([_item(v, source_places.inside(node, k), at) for k, v in enumerate(value)], at)
    if isinstance(value, frozenset):
        return Item([Item(member, at) for member in sorted(value, key=str)], at)
    if isinstance(value, range) and value.step == 1:
        return Item(f"{value.start}..{value.stop - 1}", at)
    if value is None or value is bool:
        return Item("bool" if value else "none", at)
    return Item(value if isinstance(value, bool | int | float | str) else repr(value), at)
