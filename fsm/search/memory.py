"""How much memory this process occupies."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_PAGES = Path("/proc/self/statm")


def occupied() -> float:
    """MiB resident now; where the system does not say, the most that it ever was."""
    try:
        return int(_PAGES.read_text().split()[1]) * resource.getpagesize() / 2**20
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (2**20 if sys.platform == "darwin" else 2**10)
