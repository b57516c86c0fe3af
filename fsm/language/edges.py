"""A row as an edge of a picture or a line of a table: its kind, where it starts, what it waits for, what it writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fsm.language.expressions import Expr
from fsm.language.spec import ELSE, Machine, Row

KINDS = ("event", "timer", "outcome", "fault")
FAULTS = {"failed", "lost", "some_failed", "gone"}
"""Outcomes which say that an operation did not succeed, whatever port they come from."""


def kind(machine: Machine, row: Row) -> str:
    """What kind of edge a row is: event, timer, outcome or fault."""
    if row.scope is not None:
        return "timer"
    port, _, name = row.event.partition(".")
    asked = name and row.event not in machine.serves and name not in machine.ports[port].events
    if not asked and row.event not in ("all_ok", "some_failed"):
        return "event"
    return "fault" if (name or row.event) in FAULTS else "outcome"


def source(row: Row) -> str:
    """The state, group or `*` that a row is written for."""
    return row.id.partition(".")[2].partition("/")[0]


def happens(row: Row) -> str:
    """What a row waits for, in words."""
    return f"after {row.duration}" if row.scope is not None else row.event


def condition(row: Row) -> str:
    """The guard of a row as it is written; empty without one."""
    return "" if row.guard is None else ELSE if row.guard == ELSE else getattr(row.guard, "text", "")


def writes(machine: Machine, updates: Iterable[tuple[str, Expr]]) -> Iterator[tuple[str, bool]]:
    """The updates of a row or hook: (text, whether it is durable)."""
    for name, expr in updates:
        yield f"{name} := {expr.text}", machine.variables[name].store != "memory"
