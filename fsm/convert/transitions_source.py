"""What a machine of the library `transitions` says, without running any of it.

A `transitions` machine is read from its own objects: `machine.states`, and the transitions of every event, kept by the
name of their source. Nothing is triggered, and no callback is called.

Nested states (`HierarchicalMachine`) are flattened here as `transitions` resolves them at run time. A place in which
the machine can rest is a *configuration*: the path of the innermost state. An event is tried in the innermost scope
first and, where no transition has conditions that hold, in the scopes around it; so the transitions of a configuration
are one list, of which the first that may go goes.

Left out: parallel states, which are several configurations at once. They are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any

from attrs import define, field, frozen

Path = tuple[str, ...]
"""The names of a state and the states around it, outermost first."""
MACHINE_EFFECTS = ("before_state_change", "after_state_change", "on_final")
STATE_EFFECTS = ("on_enter", "on_exit", "on_final", "on_timeout")
TRANSITION_EFFECTS = ("before", "after")


class NotCarried(Exception):
    """The machine says something that a spec cannot say; the message is one line with a remedy."""


@frozen
class Edge:
    """One transition, as it stands for a configuration.

    event: its trigger. source, dest: of the transition as written (`dest` None is internal). target: the configuration
    that is entered. transition: the object of `transitions`, for its conditions and callbacks."""

    event: str
    source: Path
    dest: Path | None
    target: Path | None
    transition: Any = field(eq=False, repr=False)


@define(eq=False)
class Source:
    """A `transitions` machine, read.

    Arguments:
        machine: a `transitions.Machine`, or a subclass such as `HierarchicalMachine` or `AsyncMachine`.
    Errors: `NotCarried` for parallel states and for a machine without an initial state.
    """

    machine: Any
    nested: bool = field(init=False)
    separator: str = field(init=False)
    states: Mapping[Path, Any] = field(init=False)
    initial: Path = field(init=False)
    automatic: tuple[str, ...] = field(init=False)
    """The events `to_…` of the machine, but for those that a callback names."""
    unknown: dict[str, None] = field(factory=dict, init=False)
    """Transitions that name a state which is not there, as sentences."""

    def __attrs_post_init__(self) -> None:
        from transitions.extensions.nesting import HierarchicalMachine

        self.nested = isinstance(self.machine, HierarchicalMachine)
        self.separator = self.machine.state_cls.separator if self.nested else ""
        self.states = dict(self._walk(self.machine.states, ()))
        for path in self.states:
            self._entered(path)
        self.initial = self._initial()
        attribute = self.machine.model_attribute
        prefix = "to_" if attribute == "state" or self.nested else f"to_{attribute}_"
        own = {prefix + self.name(path) for path in self.states} if self.machine.auto_transitions else set()
        named = {callback for callback in self._effects() if isinstance(callback, str) and self.triggers(callback)}
        self.automatic = tuple(name for name in self.machine.events if name in own - named)
        self._name_unknown()

    def name(self, path: Path) -> str:
        """A state as `transitions` calls it."""
        return self.separator.join(path)

    def children(self, path: Path) -> list[Path]:
        """The states directly inside a state."""
        return [other for other in self.states if other[:-1] == path]

    def events(self) -> list[str]:
        """The names of all events that are not automatic."""
        names = [name for _, events in self._scopes() for name in events]
        return [name for name in dict.fromkeys(names) if name not in self.automatic]

    def transitions(self) -> Iterator[tuple[Path, str, Any]]:
        """Every transition with its scope and its event, as declared."""
        for scope, events in self._scopes():
            for name, event in events.items():
                yield from (
                    (scope, name, transition) for several in event.transitions.values() for transition in several
                )

    def asking(self) -> set[str]:
        """The events that have conditions somewhere."""
        return {name for _, name, transition in self.transitions() if transition.conditions}

    def triggers(self, callback: str) -> bool:
        """Whether a callback is the name of an event, and so the trigger that every model of the machine was given.

        A model that had something of that name before keeps that, and has no trigger."""
        from transitions.extensions.nesting import FunctionWrapper

        given = [getattr(model, "__dict__", {}).get(callback) for model in self.machine.models]
        known = any(callback in events for _, events in self._scopes())
        return known and all(isinstance(bound, partial | FunctionWrapper) for bound in given)

    def configurations(self) -> list[Path]:
        """Every place in which the machine can rest: the innermost states, and states around them that are entered
        without saying which of the inner ones. In the order of the states."""
        leaves = {path for path in self.states if not self.children(path)}
        found, todo = set[Path](), leaves | {self.initial}
        while todo:
            found |= todo
            todo = {edge.target for path in todo for edge in self.edges(path) if edge.target is not None} - found
        return [path for path in self.states if path in found]

    def edges(self, configuration: Path) -> list[Edge]:
        """The transitions that may fire in a configuration: for each event in the order in which they are tried."""
        found: list[Edge] = []
        for scope, events in reversed(self._scopes()):
            if scope != configuration[: len(scope)] or len(scope) == len(configuration):
                continue
            local = configuration[len(scope) :]
            for name in (name for name in events if name not in self.automatic):
                for depth in range(len(local), 0, -1):
                    found += self._edges(name, scope, local[:depth], events[name].transitions)
        return found

    def ignores(self, configuration: Path) -> bool:
        """Whether events without a transition pass in a configuration, instead of raising `MachineError`."""
        own = self.states[configuration].ignore_invalid_triggers
        return bool(self.machine.ignore_invalid_triggers if own is None else own)

    def _edges(self, event: str, scope: Path, local: Path, transitions: Mapping[str, Sequence[Any]]) -> Iterator[Edge]:
        # `transitions` is a defaultdict: indexing it would make a new source
        for transition in transitions.get(self.name(local), ()):
            dest = None if transition.dest is None else scope + self._path(transition.dest)
            if dest is None or dest in self.states:
                target = None if dest is None else self._entered(dest)
                yield Edge(event, scope + local, dest, target, transition)

    def _name_unknown(self) -> None:
        for scope, name, transition in self.transitions():
            for state in (transition.source, transition.dest):
                if state is not None and scope + self._path(state) not in self.states:
                    edge = f"{name} from {transition.source} to {transition.dest}"
                    self.unknown[f"{edge}: there is no state {state!r}"] = None

    def _effects(self) -> Iterator[Any]:
        """Every callback with an effect, as it was given."""
        transitions = [transition for _, _, transition in self.transitions()]
        kinds = (
            (MACHINE_EFFECTS, [self.machine]),
            (STATE_EFFECTS, self.states.values()),
            (TRANSITION_EFFECTS, transitions),
        )
        for names, things in kinds:
            for thing in things:
                for name in names:
                    yield from getattr(thing, name, None) or ()

    def _scopes(self) -> list[tuple[Path, Mapping[str, Any]]]:
        """Where transitions are declared: the machine, and nested states, which name states relative to themselves."""
        inner = [(path, state.events) for path, state in self.states.items()] if self.nested else []
        return [((), self.machine.events), *sorted(inner, key=lambda scope: len(scope[0]))]

    def _walk(self, states: Mapping[str, Any], around: Path) -> Iterator[tuple[Path, Any]]:
        for name, state in states.items():
            yield (*around, name), state
            if self.nested:
                yield from self._walk(state.states, (*around, name))

    def _path(self, name: str) -> Path:
        return tuple(name.split(self.separator)) if self.nested else (name,)

    def _initial(self) -> Path:
        given = self.machine.initial
        if given is None:
            raise NotCarried("the machine has no initial state; give it one, for a spec begins in one")
        return self._entered(self._path(self._single(given, "the machine")))

    def _entered(self, path: Path) -> Path:
        """The configuration in which one rests after a state was entered."""
        state = self.states[path]
        if not self.nested or not state.initial:
            return path
        return self._entered((*path, self._single(state.initial, f"the state {self.name(path)!r}")))

    def _single(self, given: Any, what: str) -> str:
        names = [str(one.name if isinstance(one, Enum) or hasattr(one, "name") else one)
                 for one in (given if isinstance(given, list | tuple) else [given])]  # fmt: skip
        if len(names) > 1:
            both = " and ".join(names)
            remedy = "make each region a machine of its own and import those"
            raise NotCarried(f"{what} begins in {both} at once, which are parallel states; {remedy}")
        return names[0]
