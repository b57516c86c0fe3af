"""What ends a driver, and what it says then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fsm.drivers.adapters import Declined
from fsm.engine.turn import Effects
from fsm.errors import BadValues
from fsm.language.domains import Value


class Fatal(Exception):
    """The turn cannot be completed, and neither can any later one."""


def unwritten(error: Exception) -> Fatal:
    """What a journal's exception is. Not by `fatal`, whose context costs more than a step."""
    return Fatal(f"the journal cannot be written: {str(error) or type(error).__name__}")


def not_durable(values: Mapping[str, Value]) -> str:
    """What is said of variables whose commit failed."""
    return f"variables could not be made durable ({', '.join(values)})"


@contextmanager
def fatal(what: str) -> Iterator[None]:
    """Turns any exception into the end of the driver, with a message that says what could not be done."""
    try:
        yield
    except Exception as error:
        raise Fatal(f"{what}: {str(error) or type(error).__name__}") from error


@contextmanager
def durable(effects: Effects) -> Iterator[None]:
    """As `fatal`, around a commit of pool variables; that the store declines is left to the caller."""
    declined: Declined | None = None
    with fatal(f"pool {not_durable(effects.pool)}"):
        try:
            yield
        except Declined as error:
            declined = error
    if declined is not None:
        raise declined


@contextmanager
def at(place: str) -> Iterator[None]:
    """Gives `BadValues` the place where the values stand."""
    try:
        yield
    except BadValues as error:
        raise BadValues(f"{place}: {error}; put it right there") from None
