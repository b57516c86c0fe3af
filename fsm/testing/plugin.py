"""The pytest plug-in: options and settings, the table at the end, and the golden trace below a test that failed.

    pytest --fsm-cover=specs:door,lock --fsm-floor=state:100,row:95,pair:60 --fsm-cover-json=cover.json

    [pytest]
    fsm_cover = specs
    fsm_floor = row:90

Installing liveset installs it, so it costs nothing unless it is asked for: this module imports neither hypothesis nor
the loader, and without `--fsm-cover` nothing is recorded. `-p no:liveset` leaves it out altogether.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

SETTINGS = {
    "fsm_cover": "specs whose coverage is measured: FOLDER, or FOLDER:MACHINE,... for some of its machines",
    "fsm_floor": "percentages that each machine has to reach, as in state:100,row:95,pair:60",
    "fsm_cover_json": "write the coverage to this file",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option for each setting, which goes before the setting."""
    group = parser.getgroup("liveset", "coverage of state machines (liveset)")
    for name, what in SETTINGS.items():
        group.addoption(f"--{name.replace('_', '-')}", default=None, help=what)
        parser.addini(name, what, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Begins to record, if that is asked for."""
    asked = {name: str(config.getoption(name) or config.getini(name)) for name in SETTINGS}
    if not any(asked.values()):
        return
    if not asked["fsm_cover"]:
        raise pytest.UsageError("--fsm-floor and --fsm-cover-json say nothing without --fsm-cover=FOLDER")
    from fsm.testing.coverage_run import CoverageRun

    run = CoverageRun.begun(config, asked["fsm_cover"], asked["fsm_floor"], asked["fsm_cover_json"])
    config.pluginmanager.register(run, "liveset-coverage")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Below a test that failed stands the story that it was told last, which is the shortest that Hypothesis found."""
    report = yield
    stories = sys.modules.get("fsm.testing.stories")
    if stories is not None and call.when == "call":
        if report.failed and stories.LAST:
            report.sections.append((stories.LAST[-1].title, stories.LAST[-1].trace()))
        stories.LAST.clear()
    return report
