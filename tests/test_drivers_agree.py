"""Whatever drives a node, the same comes of it: state, journal, what is asked of the world; and it replays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import define, field

from fsm.drivers.adapters import Outcome
from fsm.drivers.clock import VirtualClock
from fsm.drivers.drive import AsyncDriver
from fsm.drivers.futures import DriverFailed
from fsm.drivers.replay import replay
from fsm.drivers.steps import Steps
from fsm.drivers.sync import SyncDriver
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation, Signal
from fsm.language.document import Item
from fsm.language.load import Library
from tests.chance_nodes import HOSTS, MACHINES, chance_documents, chance_event
from tests.toy_node import Store, rest

EVENTS = 40


@define(eq=False)
class Port:
    """Answers every operation, fails sometimes, and writes down what it is asked."""

    log: list[str]
    random: Random = field(factory=lambda: Random(1))

    def perform(self, operation: Operation) -> Outcome:
        self.log.append(f"do {operation}")
        if self.random.random() < 0.3:
            raise OSError("no")
        return self.failure(operation, OSError())

    def read(self, operation: Operation) -> Outcome:
        self.log.append(f"read {operation}")
        return ("yes", {"x": self.random.randrange(5)}) if self.random.random() < 0.5 else ("no", {})

    def signal(self, signal: Signal) -> None:
        self.log.append(f"signal {signal}")
        if self.random.random() < 0.1:
            raise OSError("no")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        return ("done" if operation.name == "work" else "ok"), {}


class AsyncPort(Port):
    """The same, to be awaited."""

    async def perform(self, operation: Operation) -> Outcome:  # type: ignore[override]
        return Port.perform(self, operation)


@define(eq=False)
class Run:
    """What came of events: the end, the journal, and what the world was asked, in order."""

    node: Node
    steps: Steps = field(factory=Steps)
    clock: VirtualClock = field(factory=VirtualClock)
    log: list[str] = field(factory=list)
    end: Any = None

    def stores(self) -> dict[str, Any]:
        return {f"{name}_store": Store(name, self.log) for name in ("host", "pool")}

    def alone(self, events: list[Event], **stores: Any) -> Run:
        """In the driver without event loop; without stores its turns are the shortest."""
        driver = SyncDriver(
            self.node, {"log": Port(self.log)}, name="h", clock=self.clock, journal=self.steps, **stores
        )
        with suppress(DriverFailed):
            for event in events:
                driver.send(event)
                self.clock.advance(1.0)
        self.end = driver.local, driver.pool, driver.failed, driver.dropped
        driver.stop()
        return self

    def looped(self, events: list[Event]) -> Run:
        """In the asyncio driver."""

        async def main() -> None:
            port = AsyncPort(self.log)
            driver = AsyncDriver("h", self.node, {"log": port}, self.clock, self.steps, **self.stores())
            driver.start()
            with suppress(DriverFailed):
                for event in events:
                    await driver.send(event)
                    await rest()
                    self.clock.advance(1.0)
                    await rest()
            failed = driver.failed.result() if driver.failed.done() else None
            self.end = driver.local, driver.pool, failed, driver.dropped
            await driver.stop()

        asyncio.run(main())
        return self


def write(root: Path, documents: Mapping[str, Item | str]) -> Path:
    """The documents as files, for whoever replays."""
    for path, document in documents.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document if isinstance(document, str) else json.dumps(document.plain()))
    return root


@pytest.mark.parametrize("part", range(3))
def test_all_drivers_do_the_same_and_it_replays(part: int, tmp_path: Path) -> None:
    """Chance machines, chance events, timers, exceptions: entry and exit effects, deferred events with payloads that
    have no hash, siblings, instant operations, and the end where nothing goes on."""
    deferred, turns = 0, 0
    for seed in range(part * 15, part * 15 + 15):
        random = Random(seed)
        documents = chance_documents(random)
        library = Library.of(documents)
        node = Node([library.machine(name) for name in MACHINES], random.randrange(HOSTS), HOSTS, {}, {})
        events = [chance_event(random, node) for _ in range(EVENTS)]
        alone, looped, bare = Run(node), Run(node).looped(events), Run(node).alone(events)
        alone.alone(events, **alone.stores())
        assert alone.end == looped.end == bare.end, seed
        assert alone.log == looped.log, seed
        assert bare.log == [said for said in alone.log if not said.startswith(("host ", "pool "))], seed
        assert alone.steps.lines() == looped.steps.lines() == bare.steps.lines(), seed
        replayed = replay(alone.steps.lines(), write(tmp_path / str(seed), documents))
        assert replayed.divergence is None, (seed, str(replayed.divergence))
        turns += replayed.turns
        deferred += bool(node.layout.deferred_slot)
    assert turns > 500
    assert deferred
