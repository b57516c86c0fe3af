"""Whose log lies at a place, and whether one may be made there: the checks before a write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from hosts.errors import PoolError
from hosts.redo_log.disk import FileDisk
from hosts.redo_log.format import SECTOR, VERSION, Identity, unpack_identity


@contextmanager
def reported(place: str, what: str, remedy: str) -> Iterator[None]:
    """An OSError inside becomes one line: the place, what failed and why, the remedy."""
    try:
        yield
    except OSError as error:
        raise PoolError(f"{place}: {what}: {error.strerror or error}; {remedy}") from error


def pool_uuid(place: str, pool: str) -> UUID:
    """The pool's uuid from its text; PoolError when it is none."""
    try:
        return UUID(pool)
    except ValueError:
        raise PoolError(f"{place}: {pool!r} is no pool uuid; give 32 hexadecimal digits") from None


def checked_identity(sector: bytes, pool: UUID, place: str) -> Identity:
    """The identity that the first sector holds, when it is this pool's."""
    identity = unpack_identity(sector)
    if identity is None:
        if any(sector):
            raise PoolError(f"{place}: no redo log, or its first sector is damaged; restore it or name another")
        raise PoolError(f"{place}: empty, it was never made a redo log; create one there")
    if identity.version != VERSION:
        raise PoolError(f"{place}: format version {identity.version}, not {VERSION}; use the program that made it")
    if identity.pool != pool:
        raise PoolError(f"{place}: of another pool ({identity.pool}, not {pool}); name this pool's own log")
    return identity


def refuse_used(disk: FileDisk, identity: Identity, place: str) -> None:
    """Nothing but zeros may be written over."""
    if disk.device and disk.size < identity.size:
        raise PoolError(f"{place}: the device has {disk.size} bytes, not {identity.size}; give a smaller size")
    if disk.is_zero(identity.size if disk.device else disk.size):
        return
    checked_identity(disk.read(0, SECTOR), identity.pool, place)
    raise PoolError(f"{place}: this pool's log is there already, with its acknowledged changes; open it")
