"""How a driver answers those who wait: with a value, or with word that nothing comes. Some have gone by then."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class DriverFailed(Exception):
    """The driver has ended; the message says why. The event was not taken, or it is not known how far it got."""


class Waiter(Protocol[T_contra]):
    """What futures of asyncio and of threads have in common."""

    def done(self) -> bool:
        """Whether nobody waits any more."""

    def set_result(self, value: T_contra, /) -> None:
        """Give the value."""

    def set_exception(self, error: Any, /) -> None:
        """Say that there is none."""

    def exception(self) -> BaseException | None:
        """What was said, if nothing was given."""


def settle(waiter: Waiter[T] | None, value: T) -> None:
    """Give somebody who may wait, or have given up, what he waits for."""
    if waiter is not None and not waiter.done():
        waiter.set_result(value)


def refuse(waiter: Waiter[Any] | None, reason: str) -> None:
    """Tell somebody who may wait that nothing comes."""
    if waiter is not None and not waiter.done():
        waiter.set_exception(DriverFailed(reason))
        waiter.exception()  # looked at: asyncio need not complain when nobody else does
