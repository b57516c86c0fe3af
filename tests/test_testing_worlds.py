"""A world as oracle for adapters: good ones pass whatever is possible, bad ones answer what no world allows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from fsm.drivers.adapters import Outcome
from fsm.engine.turn import Operation, Signal
from fsm.explore.system import System
from fsm.explore.world import Action
from fsm.testing import AdapterFault, stories, world_machine
from tests.lock_world import FILES


@define
class Disk:
    """What both hosts see."""

    holder: int | None = None


@define
class DiskLock:
    """A lock of one host on the disk."""

    disk: Disk
    me: int

    async def perform(self, operation: Operation) -> Outcome:
        for _ in range(10):  # it takes a while, in which others look and ask
            await asyncio.sleep(0)
        if operation.name == "give":
            self.disk.holder = None
            return "given", {}
        if self.disk.holder is not None:
            return "refused", {}
        self.disk.holder = self.me
        return "granted", {}

    def read(self, operation: Operation) -> Outcome:
        return "held", {"by": self.disk.holder}

    def signal(self, signal: Signal) -> None:
        raise NotImplementedError

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        return {"holder": ("held", {"by": None}), "take": ("refused", {}), "give": ("given", {})}[operation.name]


class Generous(DiskLock):
    """Whoever asks gets it."""

    async def perform(self, operation: Operation) -> Outcome:
        outcome, payload = await super().perform(operation)
        return "granted" if outcome == "refused" else outcome, payload


class Keeper(DiskLock):
    """What is given is kept."""

    async def perform(self, operation: Operation) -> Outcome:
        return ("given", {}) if operation.name == "give" else await super().perform(operation)


class Blind(DiskLock):
    """It sees its own lock only."""

    def read(self, operation: Operation) -> Outcome:
        return "held", {"by": self.disk.holder if self.disk.holder == self.me else None}


class Shy(DiskLock):
    """It never gets what it asks for, although the lock is free."""

    async def perform(self, operation: Operation) -> Outcome:
        return "refused", {}


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The file of the system."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path / "systems" / "locks.yaml"


def compared(system: Path, kind: type[DiskLock], causes: dict[str, Callable[[Any, Action[Any]], object]]) -> None:
    """Runs the generated machine for two adapters that share a disk."""

    def make() -> list[DiskLock]:
        disk = Disk()
        return [kind(disk, 0), kind(disk, 1)]

    few = settings(
        max_examples=40, stateful_step_count=15, database=None, report_multiple_bugs=False, derandomize=True,
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    run_state_machine_as_test(world_machine(system, make, causes=causes), settings=few)


def nothing(adapters: list[DiskLock], action: Action[Any]) -> None:
    """The lock of a dead host stays as it is."""


def run_out(adapters: list[DiskLock], action: Action[Any]) -> None:
    """The lease of a dead host runs out at once."""
    if adapters[0].disk.holder == action.host:
        adapters[0].disk.holder = None


def lost(adapters: list[DiskLock], action: Action[Any]) -> None:
    """A crash takes the lock from whoever holds it."""
    adapters[0].disk.holder = None


def test_an_adapter_that_does_what_a_world_allows_passes(system: Path) -> None:
    """Without faults; with a lease that never runs out; with one that does, which the world leaves open."""
    compared(system, DiskLock, {})
    compared(system, DiskLock, {"host * dies *": nothing})
    compared(system, DiskLock, {"host * dies *": run_out})


FAULTS = [
    (Generous, {}, r"lock.take of host [01] answered lock.granted; the world allows lock.refused"),
    (Keeper, {}, r"lock.holder of host [01] answered held\(by=[01]\); the world allows held\(by=null\)"),
    (Blind, {}, r"lock.holder of host [01] answered held\(by=null\); the world allows held\(by=[01]\)"),
    (DiskLock, {"host * dies *": lost}, r"lock.holder of host [01] answered held\(by=null\); the world allows held"),
]


@pytest.mark.parametrize(("kind", "causes", "message"), FAULTS, ids=["generous", "keeper", "blind", "lost"])
def test_an_answer_that_no_world_allows_is_found(
    system: Path, kind: type[DiskLock], causes: dict[str, Any], message: str
) -> None:
    """By the operation, the host, the answer, and what would have been allowed; the story ends there."""
    with pytest.raises(AdapterFault, match=message):
        compared(system, kind, causes)
    story = stories.LAST[-1].trace().splitlines()
    assert any(line.endswith(": send owner.want reading lock.held(by=none)") for line in story)
    assert len([line for line in story if not line.startswith(" ")]) <= 8


def test_a_fault_is_allowed_where_the_system_has_any(system: Path) -> None:
    """A failure that the world calls a fault: with a budget it may happen, with a budget of 0 or none it may not."""
    text = FILES["systems/locks.yaml"]
    system.write_text(text.replace("{crash: any}", "{crash: any, denial: 1}"), "utf-8")
    compared(system, Shy, {})
    for faults in ("{crash: any}", "{crash: any, denial: 0}"):
        system.write_text(text.replace("{crash: any}", faults), "utf-8")
        with pytest.raises(AdapterFault, match=r"answered lock.refused; the world allows lock.granted"):
            compared(system, Shy, {})


def test_hosts_without_adapters_are_said(system: Path) -> None:
    """One adapter for two hosts."""
    with pytest.raises(ValueError, match="adapters were made for 1 hosts; the system has 2"):
        world_machine(System.load(system), lambda: [DiskLock(Disk(), 0)])()
