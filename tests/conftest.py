"""Settings that every test shares."""

from __future__ import annotations

from hypothesis import settings

# No deadline: two cores run the suite in parallel beside real process trees, so the time of one example says
# nothing about the code.
settings.register_profile("liveset", deadline=None)
settings.load_profile("liveset")
