"""A machine of the library `transitions` as a spec, and what of it a spec does not carry.

    >>> from transitions import Machine
    >>> switch = Machine(states=["off", "on"], initial="off", auto_transitions=False)
    >>> switch.add_transition("flip", "off", "on", conditions="powered", after="say")
    >>> switch.add_transition("flip", "on", "off")
    >>> imported = convert(switch, "switch")
    >>> [row.if_ for row in imported.specs.machines[0].rows]
    ['powered', 'else', None]
    >>> for callback in imported.callbacks:
    ...     print(callback)
    conditions powered (flip from off to on): now the payload field flip.powered; compute it where you send the event
    after say (flip from off to on): now the signal switch_callbacks.say; perform it in the adapter of that port

Rules.
- States, events, the order of transitions and what happens without one are carried as they are. A name that a spec
  cannot have is changed, and the change is told.
- The code of a callback is never carried: `fsm.convert.imported_callbacks` says what becomes of each.
- A timeout that triggers an event is a row that does at once what the event does there, without telling it.
- `transitions` takes the first transition whose conditions hold. Rows exclude each other, so a row says that the
  conditions of those before it do not hold; where none holds, a row says that nothing happens.
- Of parallel states nothing is carried (`NotCarried`), nor tags, volatile scopes and the arguments of triggers.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, fields, frozen

from fsm.convert.build import Group, Hook, Ignore, MachineSpec, PortSpec, Row, Specs
from fsm.convert.imported_callbacks import AUTOMATIC, LEFT_OUT, Callback, Callbacks, Names
from fsm.convert.transitions_source import Edge, NotCarried, Path, Source
from fsm.drivers.bound import Bound

__all__ = ["Callback", "Imported", "NotCarried", "convert"]

VIEWED = {name for name in (*dir(Bound), *(own.name for own in fields(Bound))) if not name.startswith("_")}
"""What a bound machine has of its own: an event of such a name is no method of it."""


@frozen
class Imported:
    """The spec, and what to know of it.

    callbacks: every callback, once for each way in which it was attached. notes: other differences, as sentences.
    states, events: what those of the `transitions` machine are called in the spec."""

    specs: Specs
    callbacks: tuple[Callback, ...]
    notes: tuple[str, ...]
    states: Mapping[str, str]
    events: Mapping[str, str]


def convert(machine: Any, name: str, origin: str = "a program") -> Imported:
    """A spec of a `transitions` machine.

    Arguments:
        machine: a `transitions.Machine`, or a subclass such as `HierarchicalMachine` or `AsyncMachine`.
        name: what the machine of the spec is to be called.
        origin: where the machine was found, for the essay.
    Errors: `NotCarried`.
    """
    name = Names().of(name)
    return _Converter(Source(machine), name, Callbacks(f"{name}_callbacks")).imported(origin)


@frozen
class _Way:
    """What an event does in configurations that share it: a row without its sources.

    guard: as in a row. none: it stands for the case in which no condition holds."""

    guard: str | None
    target: str
    tell: tuple[str, ...] = ()
    none: bool = False


@define(eq=False)
class _Converter:
    """One conversion: the names that are given, and what is to be told about it."""

    source: Source
    name: str
    callbacks: Callbacks
    states: dict[Path, str] = field(factory=dict)
    """The names of all states, groups included."""
    leaves: dict[Path, str] = field(factory=dict)
    """The names of the configurations."""
    events: dict[str, str] = field(factory=dict)
    payloads: dict[str, dict[str, type[bool]]] = field(factory=dict)
    notes: dict[str, None] = field(factory=dict)

    def imported(self, origin: str) -> Imported:
        """The whole result."""
        self.give_names()
        rows, missing = self.rows()
        enter, leave = self.hooks("on_enter"), self.hooks("on_exit")
        rows += self.timeouts()
        for kind in LEFT_OUT:
            self.callbacks.leave_out(getattr(self.source.machine, kind, None) or (), kind, "the machine")
        machine = MachineSpec(
            self.name, essay=_essay(origin), ports=self.ports(origin), events=self.payloads,
            states=self.tree(()), initial=self.leaves[self.source.initial],
            final=[leaf for path, leaf in self.leaves.items() if self.source.states[path].final],
            rows=rows, enter=enter, exit=leave, ignore=self.ignores(missing),
        )  # fmt: skip
        names = {self.source.name(path): leaf for path, leaf in self.leaves.items()}
        self.note(names | self.events)
        return Imported(Specs([machine]), tuple(self.callbacks.found), tuple(self.notes), names, self.events)

    def give_names(self) -> None:
        """In the order of the machine, so that the same machine is imported the same way every time."""
        names = Names()
        self.states = {path: names.of("_".join(path), path) for path in self.source.states}
        for path in self.source.configurations():
            around = (*path, "itself")
            self.leaves[path] = names.of("_".join(around), around) if self.source.children(path) else self.states[path]
        names = Names()
        self.events = {event: names.of(event) for event in self.source.events()}
        self.payloads = {name: {} for name in self.events.values()}
        triggers = filter(self.source.triggers, self.events)
        self.callbacks.told = {event: f"{self.name}.{self.events[event]}" for event in triggers}
        self.callbacks.asking, self.callbacks.queued = self.source.asking(), bool(self.source.machine.has_queue)

    def ports(self, origin: str) -> list[PortSpec]:
        """The port of the callbacks, if there are any with effects."""
        essay = f"What the callbacks of {origin} did: each signal was one. Perform them in the adapter of this port."
        signals: dict[str, dict[str, str]] = {name: {} for name in self.callbacks.signals.given.values()}
        return [PortSpec(self.callbacks.port, essay=textwrap.fill(essay, 116), signals=signals)] if signals else []

    def tree(self, around: Path) -> list[str | Group]:
        """The states inside a state. A group that can be rested in has a state for that as its first."""
        found: list[str | Group] = [self.leaves[around]] if around in self.leaves else []
        for path in self.source.children(around):
            inside = self.source.children(path)
            found.append(Group(self.states[path], self.tree(path)) if inside else self.leaves[path])
        return found

    def rows(self) -> tuple[list[Row], dict[Path, list[str]]]:
        """A row for each way of an event, for all configurations that share its ways; and where it has none."""
        rows: list[Row] = []
        missing: dict[Path, list[str]] = {}
        edges = {path: self.source.edges(path) for path in self.leaves}
        for event, name in self.events.items():
            shared: dict[tuple[_Way, ...], list[Path]] = {}
            for path in self.leaves:
                own = [edge for edge in edges[path] if edge.event == event]
                if own:
                    shared.setdefault(tuple(self.ways(path, own)), []).append(path)
                else:
                    missing.setdefault(path, []).append(name)
            for ways, paths in shared.items():
                rows += self.shared_rows(name, ways, self.collapsed(paths))
        return rows, missing

    def shared_rows(self, event: str, ways: Sequence[_Way], sources: list[str]) -> Iterator[Row]:
        """The rows of an event in some states."""
        guarded = sum(way.guard not in (None, "else") for way in ways)
        for number, way in enumerate(ways, 1):
            came = "every state" if sources == ["*"] else ", ".join(sources)
            what = f"{event} in {came}" if way.target == "same" else f"{event} from {came} to {way.target}"
            yield Row(
                _one(sources),
                on=event,
                if_=way.guard,
                to=way.target,
                tell=_one(way.tell),
                label=f"choice_{number}" if guarded > 1 and number <= guarded else None,
                why=f"imported: {f'no condition of {event} holds, so nothing happens' if way.none else what}",
            )

    def ways(self, path: Path, edges: Sequence[Edge]) -> list[_Way]:
        """What an event does in a configuration: its transitions in their order, each where those before may not go."""
        ways: list[_Way] = []
        earlier: list[str] = []
        for number, edge in enumerate(edges):
            where = self.where(edge)
            self.callbacks.leave_out(edge.transition.prepare, "prepare", where)
            own = [self.condition(condition, edge) for condition in edge.transition.conditions]
            target = "same" if edge.target is None else self.leaves[edge.target]
            guard = " and ".join([*earlier, *own]) if own else "else" if earlier else None
            ways.append(_Way(guard, target, tuple(self.tells(path, edge))))
            if not own:
                for dead in (later for later in edges[number + 1 :] if later.source == edge.source):
                    self.notes[f"{self.where(dead)} never fires: one before it has no conditions; it is left out"] = (
                        None
                    )
                return ways
            earlier.append(_negated(own))
        return [*ways, _Way("else", "same", none=True)]

    def condition(self, condition: Any, edge: Edge) -> str:
        """A condition as a part of a guard."""
        event = self.events[edge.event]
        name = self.callbacks.condition(condition, event, self.where(edge))
        self.payloads[event][name] = bool
        return name if condition.target else f"not {name}"

    def tells(self, path: Path, edge: Edge) -> list[str]:
        """The effects of a transition; entering and leaving states are for `hooks`.

        But a transition to a group from inside of it leaves and enters that group; a row does not, so it says both."""
        machine, transition, states = self.source.machine, edge.transition, self.source.states
        said = self.callbacks.said
        dest, target = edge.dest or (), edge.target or ()
        around = [path[:k] for k in range(len(dest), len(path) + 1) if self.source.children(path[:k])]
        again = [group for group in around if dest and group == target[: len(group)]]
        tells = said(machine.before_state_change, "before_state_change", "the machine")
        tells += said(transition.before, "before", self.where(edge))
        for group in reversed(again):
            tells += said(states[group].on_exit, "on_exit", self.source.name(group))
        for group in again:
            tells += said(states[group].on_enter, "on_enter", self.source.name(group))
        tells += said(transition.after, "after", self.where(edge))
        return tells + said(machine.after_state_change, "after_state_change", "the machine")

    def where(self, edge: Edge) -> str:
        """A transition in words, by the names that it has in `transitions`."""
        source = self.source.name(edge.source)
        return (
            f"{edge.event} in {source}"
            if edge.dest is None
            else f"{edge.event} from {source} to {self.source.name(edge.dest)}"
        )

    def hooks(self, kind: str) -> dict[str, Hook]:
        """What entering (`on_enter`) or leaving (`on_exit`) each state and group tells."""
        found: dict[str, list[str]] = {}
        for path, state in self.source.states.items():
            name = self.states[path]
            found[name] = self.callbacks.said(getattr(state, kind), kind, self.source.name(path))
            if kind == "on_enter" and path in self.leaves and state.final:
                found.setdefault(self.leaves[path], []).extend(self.finished(path))
        return {
            name: Hook(tell=_one(tells), why=f"imported: {kind} of {name}") for name, tells in found.items() if tells
        }

    def finished(self, path: Path) -> Iterator[str]:
        """What a final state tells: its own, then those around it, of which it is all there is, then the machine."""
        for state in (path[:k] for k in range(len(path), 0, -1)):
            callbacks = getattr(self.source.states[state], "on_final", ())
            yield from self.callbacks.said(callbacks, "on_final", self.source.name(state))
        yield from self.callbacks.said(self.source.machine.on_final, "on_final", "the machine")

    def timeouts(self) -> list[Row]:
        """A row for each state with the feature `Timeout`."""
        rows = []
        for path, state in self.source.states.items():
            if getattr(state, "timeout", 0):
                way = self.timed(path, state)
                why = f"imported: {self.states[path]} has lasted too long"
                if way.tell or not way.none:
                    row = Row(self.states[path], after=state.timeout, to=way.target, tell=_one(way.tell), why=why)
                    rows.append(row)
        return rows

    def timed(self, path: Path, state: Any) -> _Way:
        """What a timeout does: what its callback says or, where that is one event, what the event does in that state.

        In a group an event may do several things, and where it has conditions there is nobody to compute them: then
        the timer tells, like any callback."""
        where, said = self.source.name(path), self.callbacks.said
        triggers = [callback for callback in state.on_timeout if self.callbacks.event(callback)]
        ways = {way for event in triggers for way in self.ways_inside(path, event)}
        if len(triggers) != 1 or any(way.guard and not way.none for way in ways) or len(ways) > 1:
            return _Way(None, "same", tuple(said(state.on_timeout, "on_timeout", where)))
        [event], [way] = triggers, ways
        others = said([callback for callback in state.on_timeout if callback != event], "on_timeout", where)
        if way.none:
            self.callbacks.leave_out([event], "on_timeout", where, "the event has no transition from there")
        else:
            becomes, remedy = (
                f"the row `after: {state.timeout}` of {self.states[path]}",
                f"it does what {event} does there",
            )
            self.callbacks.found[Callback(event, "on_timeout", where, becomes, remedy)] = None
        return _Way(None, way.target, (*others, *way.tell), way.none)

    def ways_inside(self, path: Path, event: str) -> Iterator[_Way]:
        """What an event does in the configurations of a state."""
        for leaf in (leaf for leaf in self.leaves if leaf[: len(path)] == path):
            yield from self.ways(leaf, [edge for edge in self.source.edges(leaf) if edge.event == event])

    def ignores(self, missing: Mapping[Path, list[str]]) -> list[Ignore]:
        """What passes without a row. Where nothing says that it may, `transitions` raises, and the spec refuses."""
        shared: dict[tuple[str, ...], list[Path]] = {}
        refused = 0
        for path, events in missing.items():
            if self.source.ignores(path):
                shared.setdefault(tuple(events), []).append(path)
            else:
                refused += len(events)
        if refused:
            pairs = (
                f"{refused} pairs of state and event have no transition"
                if refused > 1
                else "1 pair of state and event has no transition"
            )
            self.notes[
                f"{pairs}: `transitions` raises MachineError, here the event is refused; `fsm check` lists them"
            ] = None
        why = "imported: ignore_invalid_triggers lets it pass"
        return [Ignore(_one(self.collapsed(paths)), on=events, why=why) for events, paths in shared.items()]

    def collapsed(self, paths: Sequence[Path]) -> list[str]:
        """States by the fewest names: `*` for all, a group for all inside of it."""
        if 1 < len(paths) == len(self.leaves):
            return ["*"]
        found: list[str] = []
        covered: set[Path] = set()
        for path, name in self.states.items():
            inside = {leaf for leaf in self.leaves if leaf[: len(path)] == path} - covered
            if len(inside) > 1 and inside <= set(paths):
                found.append(name)
                covered |= inside
            elif path in paths and path not in covered:
                found.append(self.leaves[path])
        return found

    def note(self, names: Mapping[str, str]) -> None:
        """Adds what is to be told of the whole machine."""
        automatic = self.source.automatic
        for _, event, transition in self.source.transitions():
            if event in automatic:
                for kind in ("prepare", "before", "after"):
                    self.callbacks.leave_out(getattr(transition, kind), kind, event, AUTOMATIC)
        for old, new in self.events.items():
            if new in VIEWED:
                self.notes[
                    f"a bound machine has a {new} of its own: the event {old!r} goes through trigger({new!r})"
                ] = None
        if automatic:
            some = ", ".join(automatic[:3]) + (", …" if len(automatic) > 3 else "")
            self.notes[f"the automatic events ({some}) are left out: write a row for each that you use"] = None
        for unknown in self.source.unknown:
            self.notes[f"{unknown}; it is left out"] = None
        for old, new in names.items():
            if old != new:
                self.notes[f"{old!r} is called {new}"] = None


def _one(several: Sequence[str]) -> str | Sequence[str]:
    """A list of one as that one."""
    return several[0] if len(several) == 1 else several


def _negated(literals: Sequence[str]) -> str:
    if len(literals) > 1:
        return f"not ({' and '.join(literals)})"
    return literals[0].removeprefix("not ") if literals[0].startswith("not ") else f"not {literals[0]}"


def _essay(origin: str) -> str:
    first = f"Imported from {origin}, a machine of the library transitions."
    rules = (
        "Rules. States, events and the order in which transitions are tried are those of the original. What its "
        "conditions asked comes with the event; what its callbacks did is told to a port."
    )
    left_out = "Left out: the code of the callbacks, and the automatic transitions that none of them names."
    return "\n\n".join(textwrap.fill(paragraph, 116) for paragraph in (first, rules, left_out)) + "\n"
