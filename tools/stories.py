"""The explorations that prove the shipped systems, as tests/data/stories.yaml lists them, each with what it found.

An entry is one exploration: the system, how many hosts, which kinds of fault how often, what an operator may do, other
settings; and the states, edges and depth that were found when it was written down. A count that moves says that the
machines or the world do something else than before. One that collapses is an alarm: promises hold for nothing where
nothing happens. Where faults or orders are counted, states that differ only by fewer of them to come are counted once.

What is shown to be needed, and how many faults it takes, is in `tools.clauses` and `tools.budgets`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.language.document import read
from fsm.language.load import Library
from fsm.locate import specs
from fsm.search import explore as search
from fsm.search.result import HOLDS, NOT_REACHED, OPEN, VACUOUS, Limits, Result

FILE = Path(__file__).resolve().parent.parent / "tests" / "data" / "stories.yaml"
ALWAYS = ("boot", "back", "heal", "room")
"""Ways back, which are as the system says where an entry does not say otherwise; all other kinds do not happen then."""
KEYS = (
    "system",
    "in",
    "hosts",
    "faults",
    "operator",
    "set",
    "not_asked",
    "limit",
    "states",
    "edges",
    "depth",
    "seconds",
    "why",
)


@frozen
class Story:
    """One exploration.

    Arguments:
        system: its name.
        within: "test": every `make test` makes it; "verify": only `make verify`, which takes minutes; "once": it takes
            minutes itself, and is made by `tools/prove --once`.
        hosts: how many; 0 for as many as the system has.
        faults: kind -> "any" or a number; kinds that are not named do not happen.
        operator: how often each order may be given, "" for as often as the system says.
        set: other settings, (name, value).
        not_asked: promises of the system that are not asked here; `why` says why.
        limit: seconds after which it is cut, because it has no end in sight; 0 where it is finished.
        states, edges, depth: what was found.
        seconds: of CPU, when it was measured last.
        why: what this one shows that others do not.
    """

    system: str
    within: str
    hosts: int = 0
    faults: Mapping[str, str] = field(factory=dict, hash=False)
    operator: str = ""
    set: tuple[tuple[str, str], ...] = ()
    not_asked: tuple[str, ...] = ()
    limit: float = 0.0
    states: int = 0
    edges: int = 0
    depth: int = 0
    seconds: float = 0.0
    why: str = ""

    @property
    def name(self) -> str:
        """It in a few words, unique."""
        faults = ", ".join(kind if often == "any" else f"{often} {kind}" for kind, often in self.faults.items())
        parts = [self.system, f"{self.hosts} hosts" if self.hosts else "", faults or "no fault"]
        parts += [f"operator {self.operator}" if self.operator else "", *(f"{n}={v}" for n, v in self.set)]
        return " · ".join(part for part in parts if part)

    def load(self, folder: Path | None = None) -> System:
        """The system so. Arguments: folder: of the specs. Errors: `SpecError`."""
        system = System.load((folder or specs()) / "systems" / f"{self.system}.yaml")
        if self.hosts:
            system = system.with_setting("hosts", str(self.hosts))
        for kind in {**system.faults, **self.faults}:
            if kind in self.faults or kind not in ALWAYS:
                system = system.with_setting(f"faults.{kind}", self.faults.get(kind, "0"))
        for order in system.operator if self.operator else ():
            system = system.with_setting(f"operator.{order.machine}.{order.event}", self.operator)
        for name, value in self.set:
            system = system.with_setting(name, value)
        return evolve(system, properties=tuple(p for p in system.properties if p.name not in self.not_asked))

    def promises(self) -> tuple[str, ...]:
        """The names of what is promised of every state and run: all that is asked but what is to be reached.

        Errors: `SpecError` where the system's file cannot be read."""
        said = Library(specs()).document(f"systems/{self.system}.yaml").plain()
        own = [name for name, kind in said["properties"].items() if "reachable" not in kind]
        return tuple(n for n in [*own, *(f"begins_{n}" for n in said.get("then", {}))] if n not in self.not_asked)

    def world(self) -> str:
        """What the system's world is called: `hosts.worlds.pool:PoolWorld`. Errors: as of `promises`."""
        return str(Library(specs()).document(f"systems/{self.system}.yaml").plain()["world"])

    def clauses(self) -> Mapping[str, str]:
        """The clauses of that world, with what they say. Errors: as of `promises`."""
        module, _, name = self.world().partition(":")
        clauses = getattr(getattr(import_module(module), name), "clauses", None) if name else None
        return clauses if isinstance(clauses, Mapping) else {}

    def explore(self) -> Result:
        """All of it, or as much as the limit allows. Errors: `SpecError`."""
        space = PoolSpace(self.load())
        return search.explore(space, subsume=bool(space.joint.budgets), limits=Limits(seconds=self.limit or None))

    def space(self, settings: Sequence[tuple[str, str]], without: Sequence[str]) -> PoolSpace:
        """What is explored with other settings and without some clauses; what is to be reached is not asked there.

        Errors: `SpecError`."""
        system = self.load()
        for name, value in settings:
            system = system.with_setting(name, value)
        for clause in without:
            system = system.without(clause)
        return PoolSpace(evolve(system, properties=tuple(p for p in system.properties if p.kind != "reachable")))

    def wrong(self, result: Result) -> Iterator[str]:
        """What does not hold, or is not as it was written down, a line each."""
        open_ = (HOLDS, OPEN, NOT_REACHED) if self.limit else (HOLDS,)
        for verdict in result.verdicts:
            if verdict.verdict == VACUOUS and verdict.property.name.startswith("begins_"):
                continue  # a small story need not come to where another begins
            if verdict.verdict not in open_:
                yield f"{verdict.property.name}: {verdict.verdict}"
        yield from (refusal.message for refusal in result.refusals)
        if self.limit:
            return
        if not result.finished:
            yield f"not finished: {result.distinct:,} states"
        found, told = (result.distinct, result.edges, result.depth), (self.states, self.edges, self.depth)
        if found != told:
            yield f"(states, edges, depth) are {found}, not {told}"

    def found(self, result: Result, seconds: float) -> Story:
        """The entry with what was found now. Arguments: seconds: of CPU."""
        return evolve(self, states=result.distinct, edges=result.edges, depth=result.depth, seconds=round(seconds, 1))

    def line(self) -> str:
        """The entry as it stands in the file."""
        said: dict[str, object] = {"system": self.system, "in": self.within}
        said |= {"hosts": self.hosts, "faults": dict(self.faults), "operator": self.operator, "set": dict(self.set)}
        said |= {"not_asked": list(self.not_asked), "limit": f"{self.limit:g}" if self.limit else ""}
        said |= {"states": self.states, "edges": self.edges, "depth": self.depth, "seconds": self.seconds}
        return entry_line({**said, "why": json.dumps(self.why, ensure_ascii=False)})


def load(path: Path = FILE) -> Sequence[Story]:
    """All entries. Errors: `SpecError` for a file that cannot be read, `ValueError` for one that makes no sense."""
    stories = [story(entry) for entry in read(path, str(path)).plain()["stories"]]
    names = [story.name for story in stories]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path}: {name} stands there twice")
    return stories


def save(stories: Sequence[Story], path: Path = FILE) -> None:
    """Write the entries anew, below the essay of the file."""
    rewrite(path, "stories", [story.line() for story in stories])


def rewrite(path: Path, key: str, lines: Sequence[str]) -> None:
    """Write the list that ends a file anew. Arguments: key: its name; lines: its entries."""
    head = path.read_text("utf-8").partition(f"\n{key}:")[0]
    path.write_text(f"{head}\n{key}:\n" + "".join(f"{line}\n" for line in lines), "utf-8")


def entry_line(said: Mapping[str, object]) -> str:
    """An entry of such a list; what is empty, or 0, is left out."""
    shown = [f"{key}: {_written(value)}" for key, value in said.items() if value not in (0, "", {}, [])]
    return f"- {{{', '.join(shown)}}}"


def story(entry: Mapping[str, Any]) -> Story:
    """An entry as it was read. Errors: `ValueError` for one that makes no sense."""
    unknown = sorted(entry.keys() - set(KEYS))
    if unknown or entry.get("in") not in ("test", "verify", "once"):
        raise ValueError(f"{entry}: an entry has the keys {', '.join(KEYS)}, and is in test, verify or once")
    return Story(
        entry["system"], entry["in"], entry.get("hosts", 0),
        {kind: str(often) for kind, often in entry.get("faults", {}).items()}, str(entry.get("operator", "")),
        tuple((name, _text(value)) for name, value in entry.get("set", {}).items()),
        tuple(entry.get("not_asked", ())), float(entry.get("limit", 0)),
        entry.get("states", 0), entry.get("edges", 0), entry.get("depth", 0), float(entry.get("seconds", 0)),
        entry.get("why", ""),
    )  # fmt: skip


def _text(value: object) -> str:
    """A setting as a command line has it."""
    return str(value) if value is not None and not isinstance(value, bool) else json.dumps(value)


def _written(value: object) -> str:
    """A value in a line of YAML."""
    if isinstance(value, dict):
        entries = (f"{json.dumps(key) if '.' in key else key}: {_written(of)}" for key, of in value.items())
        return f"{{{', '.join(entries)}}}"
    if isinstance(value, list):
        return f"[{', '.join(json.dumps(one) if one in ('true', 'false') else _written(one) for one in value)}]"
    return str(value)
