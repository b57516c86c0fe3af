"""Machines that test an adapter: a good one passes, and each kind of planted bug is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from fsm.drivers.adapters import Outcome
from fsm.engine.node import Node
from fsm.engine.turn import Operation, Signal
from fsm.language.load import Library
from fsm.testing import AdapterFault, adapter_machine, stories
from fsm.testing.performing import ERRORS

PRINTER = """
language: 1
machine: printer
essay: prints what it is given, after a look at the tray
ports: [device]
variables:
  pages: {type: "0..9", store: memory, initial: 0, why: "how many were printed"}
  work: {type: opaque, store: memory, initial: none, why: "what is to be printed"}
events: {job: {text: opaque}, drop: {}}
initial: idle
states: [idle, looking, printing]
rows:
- {from: idle, on: job, to: looking, set: {work: text}, do: device.tray, tell: device.blink,
   why: "is there paper"}
- {from: looking, on: device.paper, if: "sheets > 0", to: printing, do: "device.print(text=work)", why: "there is"}
- {from: looking, on: device.paper, if: else, to: idle, why: "there is none"}
- {from: printing, on: device.printed, to: idle, set: {pages: pages_now}, why: "it is done"}
- {from: printing, on: device.broken, to: idle, why: "it is not done"}
- {from: printing, on: drop, to: idle, why: "nobody wants it any more"}
ignore:
- {in: [printing], on: [job], why: "one at a time"}
- {in: [idle], on: [drop], why: "nothing to drop"}
"""
DEVICE = """
language: 1
port: device
essay: a printer
operations:
  tray: {instant: true, outcomes: {paper: {sheets: "0..3"}}}
  print: {idempotent: true, arguments: {text: opaque}, outcomes: {printed: {pages_now: "0..9"}, broken: {}}}
signals: {blink: {}}
"""


def printer() -> Node:
    """A node with every kind of thing that an adapter does."""
    library = Library.of({"machines/printer.yaml": PRINTER, "ports/device.yaml": DEVICE})
    return Node([library.machine("printer")], 0, 1, {}, {})


class Device:
    """A device that does everything right, a little later."""

    def __init__(self) -> None:
        self.printed: set[Any] = set()

    async def perform(self, operation: Operation) -> Outcome:
        await asyncio.sleep(0)
        self.printed.add(operation.arguments["text"])
        return "printed", {"pages_now": len(self.printed)}

    def read(self, operation: Operation) -> Outcome:
        return "paper", {"sheets": 3 if len(self.printed) < 3 else 0}

    def signal(self, signal: Signal) -> None:
        assert signal.name == "blink"

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        return ("broken", {}) if operation.name == "print" else ("paper", {"sheets": 0})


class Plain(Device):
    """As good, without a coroutine."""

    def perform(self, operation: Operation) -> Outcome:  # type: ignore[override]
        return "printed", {"pages_now": 1}


class Raises(Device):
    """It raises, which is no fault: `failure` says what that means."""

    async def perform(self, operation: Operation) -> Outcome:
        raise OSError("no cable")

    def read(self, operation: Operation) -> Outcome:
        raise TimeoutError if self.printed else OSError


class Misspelt(Device):
    async def perform(self, operation: Operation) -> Outcome:
        return "print", {}


class Endless(Device):
    async def perform(self, operation: Operation) -> Outcome:
        return "printed", {"pages_now": 10}


class Flaky(Device):
    warm: bool = False

    async def perform(self, operation: Operation) -> Outcome:
        if not self.warm:
            self.warm = True
            raise TimeoutError("it warms up")
        return "printed", {"pages_now": 1}


class Twice(Device):
    async def perform(self, operation: Operation) -> Outcome:
        first = operation.arguments["text"] not in self.printed
        await super().perform(operation)
        return ("printed", {"pages_now": 1}) if first else ("broken", {})


class Angry(Device):
    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        if isinstance(error, TimeoutError):
            raise KeyError("cable")
        return super().failure(operation, error)


class Slipped(Device):
    """It never gets as far as printing, and `failure` says `broken`, as of any error."""

    async def perform(self, operation: Operation) -> Outcome:
        return self.print_it(operation)  # type: ignore[attr-defined, no-any-return]


class Blind(Device):
    def read(self, operation: Operation) -> Outcome:
        raise KeyError("tray")


class Narrow(Device):
    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        return "unknown", {}


class Eater(Device):
    """Every look takes a sheet."""

    sheets = 3

    def read(self, operation: Operation) -> Outcome:
        self.sheets = max(0, self.sheets - 1)
        return "paper", {"sheets": self.sheets}


class Stubborn(Device):
    async def perform(self, operation: Operation) -> Outcome:
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                await asyncio.sleep(1)


class Sore(Device):
    async def perform(self, operation: Operation) -> Outcome:
        try:
            for _ in range(20):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise ValueError("half a page") from None
        return await super().perform(operation)


class Silent(Device):
    async def perform(self, operation: Operation) -> Outcome:
        await asyncio.sleep(60)
        return await super().perform(operation)


class Deaf(Device):
    def signal(self, signal: Signal) -> None:
        raise OSError("no lamp")


def try_out(
    make: Callable[[], Any], examples: int, patience: float = 1.0, errors: tuple[type[Exception], ...] = ERRORS
) -> None:
    """Runs the generated machine for an adapter."""
    machine = adapter_machine(printer(), make, patience=patience, errors=errors)
    few = settings(
        max_examples=examples, stateful_step_count=15, database=None, report_multiple_bugs=False, derandomize=True,
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=few)


@pytest.mark.parametrize("adapter", [Device, Plain, Raises, Flaky])
def test_a_good_adapter_passes(adapter: type[Device]) -> None:
    """One with coroutines, one without, one whose exceptions have outcomes, and one that succeeds when asked again."""
    try_out(adapter, 30)


FAULTS = [
    (Misspelt, r"answered \('print', {}\) to device.print, which may answer printed\(pages_now\), broken"),
    (Endless, r"answered \('printed', {'pages_now': 10}\) to device.print"),
    (Twice, "device.print is declared idempotent; it answered 'printed', and asked again 'broken'"),
    (Angry, r"failure has no outcome for TimeoutError\('tried by a test'\) of device.print: it raised KeyError"),
    (Slipped, r"device.print raised AttributeError\(.*'print_it'\"\), none of OSError, TimeoutError; name in `errors`"),
    (Blind, r"device.tray raised KeyError\('tray'\), none of OSError, TimeoutError; name in `errors`"),
    (Narrow, r"answered \('unknown', {}\) to device.(print|tray)"),
    (Eater, r"the read device.tray answered \('paper', {'sheets': 2}\) and at once \('paper', {'sheets': 1}\)"),
    (Stubborn, "device.print goes on 0.02 s after it was cancelled|device.print has not answered for 0.02 s"),
    (Sore, r"device.print was cancelled and raised ValueError\('half a page'\)"),
    (Silent, "device.print has not answered for 0.02 s"),
    (Deaf, r"the signal device.blink raised OSError\('no lamp'\); it cannot fail"),
]


@pytest.mark.parametrize(("adapter", "message"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_each_kind_of_fault_is_found(adapter: type[Device], message: str) -> None:
    """By its own message, in a story of the fewest events that show it."""
    with pytest.raises(AdapterFault, match=message):
        try_out(adapter, 50, patience=0.02 if adapter in (Stubborn, Silent) else 1.0)
    story = stories.LAST[-1]
    assert isinstance(story, stories.Story)
    assert 1 <= len(story.steps) <= 2


def test_an_adapter_may_raise_what_it_is_said_to() -> None:
    """Then `failure` says what that means, as in a driver."""
    try_out(Blind, 20, errors=(OSError, LookupError))


def test_a_fault_shows_its_story() -> None:
    """The trace ends where the adapter answered; what it answered before stands in it."""
    with pytest.raises(AdapterFault):
        try_out(Twice, 50)
    assert stories.LAST[-1].trace().splitlines() == [
        "machine printer", "----", "ok", "",
        'send printer.job(text="a") reading device.paper(sheets=3)', "----",
        "printer idle -> looking                            printer.idle/job(text=a)  printer.work := a",
        "printer looking -> printing                        printer.looking/device.paper(sheets=3)",
        "signal device.blink", 'do device.print(text="a")',
    ]  # fmt: skip


def test_adapters_may_be_a_context_and_one_for_each_port() -> None:
    """It is entered before the first operation and left after the last; a port without an adapter is said."""
    log: list[str] = []

    @contextmanager
    def made() -> Iterator[dict[str, Device]]:
        log.append("made")
        yield {"device": Device()}
        log.append("closed")

    try_out(made, 5)
    assert log == ["made", "closed"] * (len(log) // 2)
    assert log
    with pytest.raises(ValueError, match="no adapter for device; there are those for lock"):
        try_out(lambda: {"lock": Device()}, 5)
