"""Who is to blame where a search breaks off: a world is code from outside, and its mistakes are no traceback."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsm.errors import SpecError
from fsm.search.space import Space


@contextmanager
def blamed(space: Space[Any]) -> Iterator[None]:
    """Says of an exception inside where it comes from, in one line at the space's world.

    Errors: `SpecError` (bad-world); a `SpecError` goes on as it is, and so does whatever ends a process.
    """
    try:
        yield
    except (SpecError, MemoryError):
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__}: {error}".rstrip(": ").replace("\n", " ")
        where = f"{last.filename}:{last.lineno}"
        message = (
            f"what stands behind {space.name} broke off with {said} ({where}); `fsm.explore.world` says what it owes"
        )
        raise SpecError(space.at, message, "bad-world") from error
