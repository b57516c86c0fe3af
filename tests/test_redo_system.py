"""S7 of the redo log: the shipped writer on two hosts and one disk, and what breaks it.

Every mutant is one row changed, as somebody might; each must lose an acknowledged update, or acknowledge what it must
not, and its shortest way there is told.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from attrs import evolve

from fsm import specs
from fsm.explore.system import System
from fsm.search.result import Result
from tests.exploring import explore

QUIET = ("settings.updates=1",)


def system(root: Path, *settings: str) -> System:
    """The system of a folder of specs with some settings."""
    found = System.load(root / "systems" / "redo_log.yaml")
    for setting in (*QUIET, *settings):
        path, _, value = setting.partition("=")
        found = found.with_setting(path, value)
    return found


def verdicts(result: Result) -> dict[str, str]:
    """What was found of each property."""
    assert result.refusals == ()
    return {v.property.name: v.verdict for v in result.verdicts}


@pytest.fixture(name="folder")
def made_folder(tmp_path: Path) -> Path:
    """A copy of the specs to be changed."""
    shutil.copytree(specs(), tmp_path / "specs")
    return tmp_path / "specs"


def mutate(folder: Path, machine: str, changes: dict[str, str]) -> None:
    """Change rows of a machine, written without their columns; each old text occurs."""
    path = folder / "machines" / f"{machine}.yaml"
    text = re.sub(r"(?<=\S) +", " ", path.read_text("utf-8"))
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def way(result: Result, name: str) -> list[str]:
    """The labels of the shortest counterexample."""
    verdict = result.verdict(name)
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    return [step.label for step in verdict.trace.steps]


def test_what_is_acknowledged_survives_a_takeover_and_a_late_write() -> None:
    """Two takeovers, a crash, one update: what is promised holds in every state. `make verify` adds a write that fails
    and another update."""
    found = verdicts(explore(system(specs(), "faults.failure=0")))
    assert {found[name] for name in ("S7", "one_writer", "healed")} == {"holds"}


def test_calls_that_are_repeated_take_too_long_or_end_lose_nothing() -> None:
    """A claim again, a database that is brought, a writer that is given up or closes: the system redo_calls."""
    found = verdicts(explore(System.load(specs() / "systems" / "redo_calls.yaml")))
    assert set(found.values()) == {"holds"}


COMMIT = 'do: "disk.append(half=half)", label: here'
WRITTEN = "from: appending, on: disk.written, to: open, tell: caller.acknowledged"
REPLAY = 'to: reading, do: "disk.replay(known=held)"'
TAKEN = 'to: idle, set: {held: true}, tell: "redo_log.taken'
MUTANTS = {
    "acknowledges before it is written": (
        "redo_log",
        {COMMIT: f"{COMMIT}, tell: caller.acknowledged", WRITTEN: "from: appending, on: disk.written, to: open"},
        (),
        "host 0 makes update 0: room here",
    ),
    "ignores a higher term": (
        "redo_log",
        {"on: disk.stale, to: superseded, tell: caller.stale": "on: disk.stale, to: open, tell: caller.acknowledged"},
        ("faults.takeover=2",),
        "append of host 0: stale",
    ),
    "goes on after a failed write without a full database": (
        "redo_log",
        {
            'to: broken, set: {alarmed: true}, tell: [caller.refused, alerts.log_broken], why: "nobody knows whether': (
                'to: open, tell: caller.refused, why: "nobody knows whether'
            )
        },
        ("faults.failure=1", "settings.updates=2"),
        "late append of host 0: lands",
    ),
    "writes the header before the database is complete": (
        "flush",
        {
            'to: filling, do: "disk.fill(half=into, what=body)"': 'to: sealing, do: "disk.seal(half=into)"',
            'from: filling, on: disk.written, to: sealing, do: "disk.seal(half=into)"': (
                "from: filling, on: disk.written, to: marking, do: disk.mark"
            ),
            "from: sealing, on: disk.written, to: marking, do: disk.mark,": (
                'from: sealing, on: disk.written, to: filling, do: "disk.fill(half=into, what=body)",'
            ),
        },
        (),
        "seal of host 0: written",
    ),
    "reads before it marks": (
        "claim",
        {
            "on: disk.free, to: marking, do: disk.mark": f"on: disk.free, {REPLAY}",
            f"from: marking, on: disk.written, {REPLAY}": "from: marking, on: disk.written, to: idle",
            TAKEN: TAKEN.replace("to: idle", "to: marking, do: disk.mark"),
            "on: disk.mine, if: else, to: marking, do: disk.mark": f"on: disk.mine, if: else, {REPLAY}",
        },
        ("faults.takeover=2",),
        "",
    ),
    "writes the full database over the half that counts": (
        "redo_log",
        {"half=1 - half": "half=half"},
        ("faults.takeover=2",),
        "append of host 0: written",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_loses_what_it_has_acknowledged(folder: Path, name: str) -> None:
    """S7 falls, by a shortest way that ends where the row was changed."""
    machine, changes, settings, last = MUTANTS[name]
    mutate(folder, machine, changes)
    none = ("faults.takeover=1", "faults.crash=0", "faults.failure=0")
    whole = system(folder, *none, *settings)
    only = evolve(whole, properties=tuple(p for p in whole.properties if p.name == "S7"))  # others may fall before it
    assert way(explore(only, stop_at_first=True, limit_seconds=240), "S7")[-1].startswith(last)


@pytest.mark.parametrize(("clause", "falls"), [("look", "one_writer"), ("ended", "S7"), ("unique", "S7")])
def test_what_is_assumed_of_the_disk_is_needed(clause: str, falls: str) -> None:
    """Without the second look, where writes end when they like, or two hosts have one term, a promise falls."""
    found = system(specs(), "faults.crash=0").without(clause)
    assert way(explore(found, stop_at_first=True, limit_seconds=240), falls)
