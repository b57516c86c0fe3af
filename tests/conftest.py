"""Settings that every test shares."""

from __future__ import annotations

import pytest
from hypothesis import settings

# No deadline: two cores run the suite in parallel beside real process trees, so the time of one example says
# nothing about the code.
settings.register_profile("liveset", deadline=None)
settings.load_profile("liveset")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rewrite-traces` writes down what the golden traces give now, instead of comparing."""
    parser.addoption(
        "--rewrite-traces", action="store_true", help="write tests/traces anew; commit only what you understand"
    )
