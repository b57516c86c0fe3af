"""What becomes of the callbacks of a `transitions` machine, and the account of it.

A spec holds no code. A condition becomes a boolean field of the event's payload: whoever sends the event computes it.
A callback with an effect becomes a signal of a port: the step says that it is due, the adapter performs it. One that
names an event triggers it, and becomes that event, which the machine tells itself. What runs before the conditions,
whatever happens, or when something was raised has no place in a pure step: it is left out.
"""

from __future__ import annotations

import functools
import keyword
import re
from collections.abc import Iterable
from typing import Any

from attrs import define, field, frozen

from fsm.language.load import RESERVED

LEFT_OUT = {
    "prepare": "it runs before the conditions, also in vain: do it where you compute the payload of the event",
    "prepare_event": "it runs before the conditions, also in vain: do it where you send the event",
    "finalize_event": "it runs whatever happens: call it after the step",
    "on_exception": "a step raises nothing: an adapter's exception becomes an outcome, which a row handles",
}
"""Kinds of callbacks that are left out, and what to do instead."""
TOLD = "the machine tells itself: it comes in the same turn, after the row"
AT_ONCE = "; without queued=True it ran at once, in the middle of the transition"
ASKING = (
    "it is an event, but its conditions come with its payload, which a callback does not have: compute them in the "
    "adapter of that port and post the event from there (driver.post)"
)
AUTOMATIC = "its event is automatic and left out: write a row for the event, and this with it"
LAMBDA = (lambda: None).__name__


@frozen
class Callback:
    """A callback of a `transitions` machine.

    name: as in its code. kind: how it was attached (conditions, unless, before, on_enter, …). where: to what.
    becomes: what stands in the spec for it, None where nothing does. remedy: what is left to do."""

    name: str
    kind: str
    where: str
    becomes: str | None
    remedy: str

    def __str__(self) -> str:
        carried = f"now {self.becomes}" if self.becomes else "left out"
        return f"{self.kind} {self.name} ({self.where}): {carried}; {self.remedy}"


@define
class Names:
    """Gives each thing of one kind a name that a spec can have, and no name twice."""

    given: dict[Any, str] = field(factory=dict)

    def of(self, wanted: str, thing: Any = None) -> str:
        """A name as near to `wanted` as may be; for the same `thing` (`wanted` itself by default) the same name."""
        thing = wanted if thing is None else thing
        if thing not in self.given:
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", wanted)
            name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "unnamed"
            name = f"n{name}" if name[0].isdigit() else name
            name += "_" if name in RESERVED or keyword.iskeyword(name) else ""
            number, free = 1, name
            while free in self.given.values():
                number += 1
                free = f"{name}_{number}"
            self.given[thing] = free
        return self.given[thing]


@define(eq=False)
class Callbacks:
    """The callbacks that were met, each once for every way in which it was attached.

    Arguments:
        port: the port whose signals the effects become.
    """

    port: str
    told: dict[str, str] = field(factory=dict)
    """The events that callbacks trigger by their name, and how the machine tells itself each."""
    asking: set[str] = field(factory=set)
    """The events that have a payload, which a callback cannot compute."""
    queued: bool = False
    found: dict[Callback, None] = field(factory=dict)
    fields: Names = field(factory=Names)
    signals: Names = field(factory=Names)

    def condition(self, condition: Any, event: str, where: str) -> str:
        """The payload field of `event` that a condition becomes."""
        name = called(condition.func)
        carried = self.fields.of(f"{event}_condition" if name == LAMBDA else name, _identity(condition.func))
        kind = "conditions" if condition.target else "unless"
        becomes = f"the payload field {event}.{carried}"
        self.found[Callback(name, kind, where, becomes, "compute it where you send the event")] = None
        return carried

    def said(self, callbacks: Iterable[Any], kind: str, where: str) -> list[str]:
        """The signals, and events of the machine itself, that callbacks with effects become, as a row tells them."""
        tells = []
        for callback in callbacks:
            name = called(callback)
            event = self.event(callback)
            if event is not None and event not in self.asking:
                tells.append(self.told[event])
                becomes, remedy = f"the event {tells[-1]}", TOLD if self.queued else TOLD + AT_ONCE
            else:
                signal = self.signals.of(f"{kind} {where}" if name == LAMBDA else name, _identity(callback))
                tells.append(f"{self.port}.{signal}")
                becomes = f"the signal {tells[-1]}"
                remedy = ASKING if event else "perform it in the adapter of that port"
            self.found[Callback(name, kind, where, becomes, remedy)] = None
        return tells

    def event(self, callback: Any) -> str | None:
        """The event that a callback triggers."""
        return callback if isinstance(callback, str) and callback in self.told else None

    def leave_out(self, callbacks: Iterable[Any], kind: str, where: str, remedy: str | None = None) -> None:
        """Tells of callbacks that have no place in a spec; what to do instead is that of their kind by default."""
        for callback in callbacks:
            self.found[Callback(called(callback), kind, where, None, remedy or LEFT_OUT[kind])] = None


def called(callback: Any) -> str:
    """What a callback is called: transitions takes names and whatever can be called."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    return callback if isinstance(callback, str) else str(getattr(callback, "__name__", type(callback).__name__))


def _identity(callback: Any) -> Any:
    """What tells a callback from others of its name; an object that has no hash is told by its address."""
    return callback if getattr(type(callback), "__hash__", None) else id(callback)
