"""A pool store that takes nothing now: the turn is taken back and runs once more, on either driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from fsm import Event, Node
from fsm.drivers.adapters import Declined, Outcome
from fsm.drivers.drive import AsyncDriver
from fsm.drivers.futures import DriverFailed
from fsm.drivers.sync import SyncDriver
from fsm.engine.turn import Operation, Signal
from tests.toy_node import BUMP, GO, Rig, rest, run, toy_node

PORT = """
language: 1
port: shelf
essay: "Where things go."
operations:
  find: {instant: true, outcomes: {room: {}, shut: {}}}
"""
MACHINE = """
language: 1
machine: placer
essay: "Puts things where there is room."
ports: [shelf]
variables:
  put: {type: bool, store: pool, initial: false, why: "it has its place"}
events: {want: {}}
states: [idle, looking, placed]
initial: idle
rows:
- {from: idle, on: want, to: looking, do: shelf.find, why: "it needs a place"}
- {from: looking, on: shelf.room, to: placed, set: {put: true}, why: "there is room for it"}
- {from: looking, on: shelf.shut, to: idle, why: "not now"}
ignore:
- {in: placed, on: want, why: "it has one"}
"""


@define
class Declining:
    """A pool store that declines so many commits, and a shelf that is known to be shut once it has."""

    times: int
    declined: int = 0
    asked: int = 0
    knows: bool = True

    def commit(self, values: Mapping[str, Any]) -> None:
        if self.declined < self.times:
            self.declined += 1
            raise Declined("the log is broken")

    def read(self, operation: Operation) -> Outcome:
        self.asked += 1
        return ("shut" if self.knows and self.declined else "room"), {}

    def perform(self, operation: Operation) -> Outcome:
        raise AssertionError(operation)

    def signal(self, signal: Signal) -> None:
        raise AssertionError(signal)

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        raise error


@pytest.fixture(name="driven")
def made_driver(tmp_path: Path) -> Callable[[Declining], SyncDriver]:
    """A synchronous driver of the placer, with its shelf and store."""
    for name, text in (("ports/shelf.yaml", PORT), ("machines/placer.yaml", MACHINE)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, "utf-8")
    node = Node.load(tmp_path, ["placer"])
    return lambda shelf: SyncDriver(node, {"shelf": shelf}, pool_store=shelf)


def test_what_is_asked_anew_may_say_that_there_is_no_use(driven: Callable[[Declining], SyncDriver]) -> None:
    """The event runs once more, the instant operation answers otherwise, and nothing of the first turn is left."""
    shelf = Declining(1)
    driver = driven(shelf)
    turn = driver.send(Event("placer", "want"))
    assert [fired.row for fired in turn.fired] == ["placer.idle/want", "placer.looking/shelf.shut"]
    assert (driver.local[0], driver.pool, shelf.asked, driver.failed) == ("idle", (False,), 2, None)


@pytest.mark.parametrize(("times", "state"), [(1, "placed"), (2, "idle")])
def test_a_store_that_declines_twice_ends_the_driver(
    driven: Callable[[Declining], SyncDriver], times: int, state: str
) -> None:
    """Whoever does not find another way ends, and nothing was acknowledged; one decline alone is got over."""
    driver = driven(Declining(times, knows=False))
    if times == 1:
        assert driver.send(Event("placer", "want")).refused is None
    else:
        with pytest.raises(DriverFailed, match=r"pool variables could not be made durable \(placer.put\): the log"):
            driver.send(Event("placer", "want"))
    assert driver.local[0] == state


@pytest.mark.parametrize("times", [0, 1, 2])
def test_an_asyncio_driver_takes_a_turn_back_as_well(tmp_path: Path, times: int) -> None:
    """Declined once: the second turn is the only one in the journal, which replays. Twice: the driver fails."""

    class Waits(Declining):
        async def commit(self, values: Mapping[str, Any]) -> None:  # type: ignore[override]
            super().commit(values)

    store = Waits(times)

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        sent = driver.send(BUMP)
        if times < 2:
            assert (await sent).effects.pool == {"count": 2}
        else:
            assert (await driver.failed).endswith("(count): the log is broken")
        await rest()
        assert len(rig.lines) == 2
        assert store.declined == times

    run(Rig(toy_node(tmp_path)), scenario, store)


def test_a_turn_whose_host_variables_are_durable_is_not_taken_back(tmp_path: Path) -> None:
    """They would be on the disk and not in the state."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        driver.send(GO)
        assert (await driver.failed).endswith("(count): the log is broken")

    run(Rig(toy_node(tmp_path)), scenario, Declining(1))
