"""The host variables of a host: what its machines must know again after a restart (armed, decisions, role).

One small JSON file in the host's directory, replaced as a whole and on the disk before a commit returns: a crash
at any point leaves the old values or the new ones. A file that cannot be read as such is refused rather than taken for
empty: guessing "not armed" there would let a host of a pool with HA boot as one without (S1).

Left out: the domains of the variables, which the driver checks (it knows the machines); and the host's term, which has
a file of its own because calls raise it between turns.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from hosts.errors import PoolError

FORMAT = 1
"""Version of the file; another one is refused."""

_LONGEST = 1_000_000


@define(eq=False)
class JsonHostStore:
    """A `fsm.drivers.adapters.HostStore` in the file `path`, which need not exist yet.

    Errors: `PoolError` where the file cannot be read as host variables; nothing is overwritten then.
    """

    path: Path
    _values: dict[str, Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._values = self._read()

    def __str__(self) -> str:
        return str(self.path)

    def load(self) -> Mapping[str, Any]:
        """All values that were ever committed, by name."""
        return dict(self._values)

    def commit(self, values: Mapping[str, Any]) -> None:
        """Make values durable, and keep all others. Blocks for two fsyncs, some milliseconds on a disk.

        Errors: `PoolError` when the disk refuses; the old values are then still in the file and in `load`.
        """
        after = {**self._values, **values}
        data = json.dumps({"format": FORMAT, "host": after}, indent=1, sort_keys=True).encode() + b"\n"
        try:
            _replace(self.path, data)
        except OSError as error:
            raise PoolError(
                f"{self.path}: cannot keep the host variables: {error.strerror}; make the directory writable, with "
                "some space free, and start the agent again"
            ) from None
        self._values = after

    def _read(self) -> dict[str, Any]:
        try:
            with self.path.open("rb") as file:
                kept = json.loads(file.read(_LONGEST))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise PoolError(
                f"{self.path}: cannot read the host variables: {error.strerror}; make it readable"
            ) from None
        except (ValueError, RecursionError):
            kept = None
        match kept:
            case {"format": form, "host": dict(values)} if form == FORMAT and type(form) is int:
                return values
        raise PoolError(
            f"{self.path}: these are no host variables of format {FORMAT}; restore the file, or move it away, but only "
            "when HA is off in the pool: without it this host boots as one that has never joined"
        )


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # else the name may still be the old file's after a crash
    finally:
        os.close(directory)
