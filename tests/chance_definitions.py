"""Chance definitions in the part of the language that `transitions` has too, each for a spec and for a stock machine.

Both write down what they do in the same words: the row's own effects by its tag, `enter_s1`, `exit_g0`, each with the
count at that moment, so that the order shows even where two effects set the same variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from attrs import define, field, frozen

from fsm.engine.node import Node
from fsm.errors import Place
from fsm.language.document import Item
from fsm.language.load import Library

Test = Callable[["Book"], bool]
Logged = tuple[str, int]

TESTS: Mapping[str, Test] = {
    "b": lambda book: book.b,
    "not b": lambda book: not book.b,
    "c == 0": lambda book: book.c == 0,
    "c == 1": lambda book: book.c == 1,
    "c == 2": lambda book: book.c == 2,
    "c < 1": lambda book: book.c < 1,
    "c >= 1": lambda book: book.c >= 1,
}
UPDATES: Mapping[tuple[str, str], Callable[[Book], Any]] = {
    ("b", "not b"): lambda book: not book.b,
    ("b", "c == 0"): lambda book: book.c == 0,
    ("b", "true"): lambda book: True,
    ("c", "c + 1 if c < 2 else 0"): lambda book: (book.c + 1) % 3,
    ("c", "2 if b else c"): lambda book: 2 if book.b else book.c,
    ("c", "0"): lambda book: 0,
}
ELSE = ("else",)
COMPLETE: tuple[tuple[tuple[str, ...], ...], ...] = (
    ((),),
    (("b",), ("not b",)),
    (("c == 0",), ("c == 1",), ("c == 2",)),
    (("c < 1",), ELSE),
    (("b", "c >= 1"), ("not b", "c == 2"), ELSE),
)
PARTIAL = ((("b",),), (("c == 0",), ("c == 2",)), (("b", "c < 1"), ("not b",)))


@define
class Book:
    """What a stock machine works on: the two variables and what was done, in order."""

    b: bool = False
    c: int = 0
    log: list[Logged] = field(factory=list)
    operations: list[int] = field(factory=list)
    finals: int = 0

    def assign(self, updates: tuple[tuple[str, str], ...]) -> None:
        """All at once: each sees the values before."""
        for name, value in [(update[0], UPDATES[update](self)) for update in updates]:
            setattr(self, name, value)


@frozen
class Edge:
    """A row. `target` None is internal; `test` is a conjunction, or `ELSE` of the tests in `others`."""

    tag: str
    sources: tuple[str, ...]
    event: str
    test: tuple[str, ...]
    others: tuple[tuple[str, ...], ...]
    target: str | None
    updates: tuple[tuple[str, str], ...]
    operation: bool


@frozen
class Chart:
    """A definition. `tree` nests: a leaf is a name, a group is (name, children); `hooks` by `enter_s0`, `exit_g1`."""

    tree: tuple[Any, ...]
    leaves: tuple[str, ...]
    events: tuple[str, ...]
    final: tuple[str, ...]
    lenient: tuple[str, ...]
    edges: tuple[Edge, ...]
    hooks: Mapping[str, tuple[tuple[str, str], ...]]

    def node(self) -> Node:
        """Ours."""
        documents = {"machines/m.yaml": self.spec(), "ports/log.yaml": self.port()}
        library = Library.of({path: item(data) for path, data in documents.items()})
        return Node([library.machine("m")], 0, 1, {}, {})

    def port(self) -> dict[str, Any]:
        """Where effects are written down: a signal for each, so that the order of all of them is kept."""
        names, fields = [*(edge.tag for edge in self.edges), *self.hooks], item({"c": "0..2"})
        work = {"idempotent": True, "arguments": fields, "outcomes": {"done": {}}}
        signals = dict.fromkeys(names, fields)
        return {"language": 1, "port": "log", "essay": "e", "operations": {"work": work}, "signals": signals}

    def spec(self) -> dict[str, Any]:
        """The machine as plain data."""
        variables = {
            "b": {"type": "bool", "store": "memory", "initial": False, "why": "one to test"},
            "c": {"type": "0..2", "store": "memory", "initial": 0, "why": "one to count"},
        }
        known = {(state, edge.event) for edge in self.edges for state in edge.sources}
        deaf = {s: [e for e in self.events if not {(s, e), ("*", e)} & known] for s in self.lenient}
        data: dict[str, Any] = {
            "language": 1, "machine": "m", "essay": "e", "ports": ["log"], "variables": variables,
            "events": {event: {} for event in self.events}, "initial": self.leaves[0], "final": list(self.final),
            "states": [nested(entry) for entry in self.tree], "rows": [row(edge) for edge in self.edges],
            "ignore": [{"in": [s], "on": events, "why": "it is lenient"} for s, events in deaf.items() if events],
        }  # fmt: skip
        for kind in ("enter", "exit"):
            found = {name: updates for name, updates in self.hooks.items() if name.startswith(kind)}
            if found:
                data[kind] = {name.partition("_")[2]: effects(name, updates) for name, updates in found.items()}
        return data


def effects(name: str, updates: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """`set` and `tell` of a row or a hook."""
    said = {"tell": f"log.{name}(c=c)", "why": "it is said"}
    return {**({"set": dict(updates)} if updates else {}), **said}


def row(edge: Edge) -> dict[str, Any]:
    """An edge as a row of the spec."""
    said = {"from": list(edge.sources), "on": edge.event, "to": edge.target or "same", "label": edge.tag}
    guard = {"if": " and ".join(edge.test)} if edge.test else {}
    do = {"do": "log.work(c=c)"} if edge.operation else {}
    return {**said, **guard, **do, **effects(edge.tag, edge.updates)}


def nested(entry: Any) -> Any:
    """A state as the spec writes it."""
    return entry if isinstance(entry, str) else {entry[0]: [nested(child) for child in entry[1]]}


def item(data: Any) -> Item:
    """Plain data as a document that was read."""
    if isinstance(data, Item):
        return data
    if isinstance(data, dict):
        data = {key: item(value) for key, value in data.items()}
    elif isinstance(data, list):
        data = [item(value) for value in data]
    return Item(data, Place("chance"))


@define
class Drawing:
    """Draws charts from `random`; `nests` for groups of states, `quiet` for exits that set nothing."""

    random: Random
    nests: bool = False
    quiet: bool = False
    edges: list[Edge] = field(factory=list, init=False)

    def chart(self) -> Chart:
        """One definition."""
        count = self.random.randint(2, 4)
        leaves = tuple(f"s{i}" for i in range(count))
        tree, groups = self.groups(leaves) if self.nests else (leaves, {})
        events = tuple(f"e{i}" for i in range(self.random.randint(1, 3)))
        for event in events:
            self.sources(event, leaves, groups)
        names = [f"{kind}_{name}" for kind in ("enter", "exit") for name in (*leaves, *groups)]
        quiet = ("exit",) if self.quiet else ()
        hooks = {n: () if n.startswith(quiet) else self.updates() for n in names if self.random.random() < 0.5}
        # a nested stock machine counts a group final with its children, and hears no event that it does not know
        final, lenient = (
            tuple(s for s in leaves if not self.nests and self.random.random() < 0.2) for _ in ("final", "lenient")
        )
        return Chart(tree, leaves, events, final, lenient, tuple(self.edges), hooks)

    def groups(self, leaves: tuple[str, ...]) -> tuple[tuple[Any, ...], dict[str, tuple[str, ...]]]:
        """One group round the first leaves, perhaps one inside it, perhaps one beside it."""
        cut = self.random.randint(1, len(leaves))
        inner, outer = list[Any](leaves[:cut]), list[Any](leaves[cut:])
        groups = {"g0": tuple(leaves[:cut])}
        if self.random.random() < 0.5:
            deep = self.random.randint(1, cut)
            inner, groups["g1"] = [*inner[deep:], ("g1", tuple(inner[:deep]))], tuple(inner[:deep])
        if outer and self.random.random() < 0.5:
            outer, groups["g2"] = [("g2", tuple(outer))], tuple(outer)
        return (("g0", tuple(inner)), *outer), groups

    def sources(self, event: str, leaves: tuple[str, ...], groups: Mapping[str, tuple[str, ...]]) -> None:
        """Edges for an event: for all states, or for lists of them, each list with guards that are disjoint."""
        if not self.nests and self.random.random() < 0.15:
            return self.family(event, ("*",), leaves)
        left = [state for state in (*leaves, *groups) if self.random.random() < 0.7]
        self.random.shuffle(left)
        while left:
            size = 1 if self.nests else self.random.randint(1, 3)
            taken, left = tuple(left[:size]), left[size:]
            self.family(event, taken, leaves)

    def family(self, event: str, sources: tuple[str, ...], leaves: tuple[str, ...]) -> None:
        """The candidates of one (list of states, event). A group's would be asked after a leaf's that all say no there,
        and never here, so in nests nobody says no."""
        tests = self.random.choice(COMPLETE if self.nests else COMPLETE + PARTIAL)
        for test in tests:
            target = None if self.random.random() < 0.2 else self.random.choice(leaves)
            if len(sources) == 1 and sources[0] in leaves and self.random.random() < 0.1:
                target = sources[0]
            others = tuple(other for other in tests if other is not ELSE) if test is ELSE else ()
            operation = target is not None and self.random.random() < 0.2
            tag = f"r{len(self.edges)}"
            self.edges.append(Edge(tag, sources, event, test, others, target, self.updates(), operation))

    def updates(self) -> tuple[tuple[str, str], ...]:
        """Nothing, one variable, or both at once."""
        b, c = ([update for update in UPDATES if update[0] == name] for name in "bc")
        picked = [self.random.choice(found) for found in (b, c) if self.random.random() < 0.4]
        return tuple(picked)
