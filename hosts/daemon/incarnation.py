"""The number of this host's newest incarnation, on the host's own disk, so that none is ever taken twice.

An incarnation is numbered above all that the statefile shows of its host. That is not enough when a machine dies before
its first write has landed: the statefile shows nothing of it, yet its heartbeats may have been heard under that number,
and its write may land still. A second life under the same number would answer for the heartbeats of the first, and two
writes would meet on one sector. So the number is on the host's own disk before a lease is taken for it.

What it leaves out: a host whose own disk is lost counts by the statefile alone.
"""

from __future__ import annotations

import json
from pathlib import Path

from hosts.errors import PoolError
from hosts.supervisor.record import write_durably

_DISK = "its directory must be there, and on a disk that can be written and has room"
_END = (1 << 32) - 1  # the one after it still has room in a sector of the statefile


def take(path: Path, shown: int) -> int:
    """The next incarnation of this host, noted in the file `path` when this returns.

    Arguments:
        path: the host's own record of it; missing before its first life.
        shown: the highest incarnation of this host that the statefile shows.

    Raises:
        PoolError: the record cannot be read or written; the number may not be used.
    """
    try:
        incarnation = 1 + max(_taken(path), shown)
        write_durably(path, {"incarnation": incarnation})
    except OSError as error:
        raise PoolError(f"{path}: the incarnation cannot be noted ({error.strerror}); {_DISK}") from None
    except (ValueError, KeyError, TypeError):
        what = "remove it once no write of a former life of this host can land any more"
        raise PoolError(f"{path}: it does not say which incarnation was the last; {what}") from None
    return incarnation


def _taken(path: Path) -> int:
    """The number that the record says, 0 where there is none. Raises ValueError where it says no such number."""
    if not path.exists():
        return 0
    said = json.loads(path.read_bytes())["incarnation"]
    if type(said) is not int or not 0 <= said < _END:
        raise ValueError(said)
    return said
