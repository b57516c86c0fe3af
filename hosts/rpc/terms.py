"""The highest term this host has seen.

A term is the number of a reign: a new master raises it on every live host before it acts, and from then on
nothing that an older master sends is obeyed. That must outlive a restart, or a host that comes back would
obey a master that everybody else has left: so the number is on disk before anything is done in its name.

No two masters ever have the same one, for each host has terms of its own (`RedoLog.own_term`): of two that take over at
once one is the newer, to every host and to the redo log. The term that a candidate is decided on for, with HA off, is
only compared; to act it claims one of its own.

It only rises. Whoever sees a higher one (a call arrived, this host became master) raises it with the same
function.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from hosts.errors import PoolError

MAX_TERM = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

_FORMAT = 1


def is_term(value: object) -> bool:
    """Whether `value` is a term: a whole number from 0 to MAX_TERM (True is none, though Python counts with
    it).
    """
    return type(value) is int and 0 <= value <= MAX_TERM


def as_term(value: object) -> int:
    """A term that another host has sent: whatever is none counts as 0, which is older than any."""
    return value if type(value) is int and is_term(value) else 0


class TermKeeper:
    """The durable term of one host, in one file of the host's directory; 0 where no file has been written
    yet.

    Raises PoolError when the file exists and cannot be read as a term: guessing 0 there would obey an old
    master.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._term = self._load()

    @property
    def term(self) -> int:
        """The highest term that is on disk."""
        return self._term

    def raise_to(self, term: int) -> None:
        """Make the durable term at least `term` (0 to MAX_TERM); nothing happens when it is as high already.

        Blocks for two fsyncs: an event loop calls it in a thread. Raises PoolError when the disk refuses,
        with the old term still in force, and ValueError for a number that is no term.
        """
        if not is_term(term):
            raise ValueError(f"a term is a whole number from 0 to {MAX_TERM}, not {term}")
        with self._writing:
            if term > self._term:
                self._write(term)
                self._term = term

    def _load(self) -> int:
        try:
            with self._path.open("rb") as file:
                kept = json.loads(file.read(1000))
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise PoolError(f"{self._path}: cannot read the term: {error.strerror}; make it readable") from None
        except (ValueError, RecursionError):
            kept = None
        match kept:
            case {"format": form, "term": int(term)} if form == _FORMAT and is_term(term):
                return term
        raise PoolError(
            f"{self._path}: this is no term of format {_FORMAT}; move it away, but only when no former master of the "
            "pool can still be running: without it this host obeys any of them"
        )

    def _write(self, term: int) -> None:
        """Replace the file as a whole: a crash at any point leaves the old term or the new one, never
        neither.
        """
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with fresh.open("wb") as file:
                file.write(json.dumps({"format": _FORMAT, "term": term}).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise PoolError(f"{self._path}: cannot keep term {term}: {error.strerror}; make it writable") from None
