"""Marks tests that need the program `dot`: without it they are skipped, and the summary of pytest says why."""

from __future__ import annotations

import shutil

import pytest

needs_graphviz = pytest.mark.skipif(
    shutil.which("dot") is None, reason="Graphviz is not installed (apt-get install graphviz)"
)
