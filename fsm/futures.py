"""How a driver answers those who wait: with a value, or with word that nothing comes. Some have gone by then."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

T = TypeVar("T")


class DriverFailed(Exception):
    """The driver has ended; the message says why. The event was not taken, or it is not known how far it got."""


def settle(waiter: asyncio.Future[T] | None, value: T) -> None:
    """Give somebody who may wait, or have given up, what he waits for."""
    if waiter is not None and not waiter.done():
        waiter.set_result(value)


def refuse(waiter: asyncio.Future[Any] | None, reason: str) -> None:
    """Tell somebody who may wait that nothing comes."""
    if waiter is not None and not waiter.done():
        waiter.set_exception(DriverFailed(reason))
        waiter.exception()  # looked at: asyncio need not complain when nobody else does
