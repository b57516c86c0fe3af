"""How much memory this process occupies, as Linux says it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_PAGES = Path("/proc/self/statm")


def resident() -> float:
    """MiB of memory that are this process's now; where there is no /proc, the most that it ever had."""
    try:
        return int(_PAGES.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
