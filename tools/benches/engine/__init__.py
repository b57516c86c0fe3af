"""What an event costs, against a dict step, transitions, python-statemachine and sismic; and what an instance costs.

The rounds of all contenders are interleaved and every ratio is taken inside one round, because the clock of a shared
machine wanders by a half from round to round; the figure is the median of the ratios. Times are those of the processor:
nobody here waits for anything, and a longer turn must not pay for the neighbours that it meets. A contender's turn
begins with a garbage collection and collects as usual while it runs. After it the contender must stand where the cycle
ends and must have run its entry action once for each event.

The bars are those of the step: `Node.step` decides, assigns, and says what is to be done, through its run-to-completion
queue; "and journal" appends all that a `Step` holds, copied where it could change, to a journal in memory. All else is
told in multiples of the dict step, without a bar:
- "and every Step read": the `Step` objects, which are made when somebody looks, are made too, for each event.
- `SyncDriver.send` also calls the adapter, keeps threads apart, and makes the journal's time; "of a new Event" also
  makes the event, which the others have at hand. What it costs above the step is the world outside.
- `Bound.trigger` takes the name of an event.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import process_time

from hosts.errors import PoolError
from tools.benches import Row, benchmark
from tools.benches.engine.ours import (
    Driven,
    Journalled,
    NewEvents,
    PureStep,
    ReadSteps,
    Recorded,
    RecordedStep,
    Triggered,
    another,
    moved,
)
from tools.benches.engine.peers import DictStep, Sismic, Statemachine, Transitions
from tools.benches.engine.ring import CYCLE, Contender
from tools.benches.load import machines

STEP_BAR, STOCK_BAR, RECORD_BAR = 2.5, 15.0, 5.0  # times the dict step; times faster than stock; times the dict step
BYTES_BAR, INSTANCES, INSTANCES_BAR = 150.0, 100_000, 1.0  # bytes; instances made in seconds

BASE, STOCK, STEP, RECORD = "dict step", "transitions", "Node.step", "Node.step and journal"
CONTENDERS: Mapping[str, tuple[Callable[[], Contender], int]] = {
    BASE: (DictStep, 1),
    STOCK: (Transitions, 10),
    "python-statemachine": (Statemachine, 100),
    "sismic": (Sismic, 100),
    STEP: (PureStep, 1),
    RECORD: (RecordedStep, 1),
    "Node.step, journal and every Step read": (ReadSteps, 1),
    "SyncDriver.send": (Driven, 1),
    "SyncDriver.send and journal": (Recorded, 1),
    "SyncDriver.send and journal in JSON": (Journalled, 20),
    "SyncDriver.send of a new Event": (NewEvents, 1),
    "Bound.trigger": (Triggered, 1),
}
"""How each is made, and the part of a round's cycles that it runs: a slow one needs fewer to be measured well."""


def rows(arguments: Sequence[str]) -> Iterable[Row]:
    """Nanoseconds for an event and the ratios that have bars; then what instances, the import and loading cost.

    Errors: `PoolError` for a contender that did not do the work, or options that measure nothing.
    """
    parser = argparse.ArgumentParser(prog="tools/bench engine", description=__doc__)
    parser.add_argument("--rounds", type=int, default=31, help="rounds that count (31)")
    parser.add_argument("--cycles", type=int, default=400, help="cycles of 13 events in a round (400)")
    wanted = parser.parse_args(arguments)
    if wanted.rounds < 1 or wanted.cycles < 1:
        raise PoolError(f"--rounds {wanted.rounds} --cycles {wanted.cycles}: at least one of each")
    times = race(wanted.rounds, wanted.cycles)
    yield from figures(times)
    yield from instances(another(), moved())
    yield from benchmark("import").rows([])
    yield from machines()


def race(rounds: int, cycles: int) -> dict[str, list[float]]:
    """Nanoseconds for an event, by contender, one figure for each round. A round that is not counted warms up."""
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for counted in range(-1, rounds):
        for name, (make, part) in CONTENDERS.items():
            try:
                contender, runs = make(), max(1, cycles // part)
            except ImportError as error:
                raise PoolError(f"{name}: {error}; install what this checkout needs: pip install -e '.[dev]'") from None
            gc.collect()
            start = process_time()
            contender.drive(runs)
            took = process_time() - start
            if contender.end() != ("s0", runs * len(CYCLE)):
                raise PoolError(f"{name} did not do the work: it ends with (state, actions) = {contender.end()}")
            if counted >= 0:
                times[name].append(took / runs / len(CYCLE) * 1e9)
    return times


def ratio(times: Mapping[str, list[float]], name: str, base: str) -> float:
    """The median over the rounds of what one took in multiples of another."""
    return statistics.median(mine / theirs for mine, theirs in zip(times[name], times[base], strict=True))


def figures(times: Mapping[str, list[float]]) -> Iterable[Row]:
    """The rows of a race."""
    for name, taken in times.items():
        yield Row(name, statistics.median(taken), "ns", ratio(times, name, BASE))
    step, stock, record = ratio(times, STEP, BASE), ratio(times, STOCK, STEP), ratio(times, RECORD, BASE)
    yield Row(f"{STEP} / {BASE}", step, "times", step / STEP_BAR, STEP_BAR, step <= STEP_BAR)
    yield Row(f"{STOCK} / {STEP} at least", stock, "times", stock / STOCK_BAR, STOCK_BAR, stock >= STOCK_BAR)
    yield Row(f"{RECORD} / {BASE}", record, "times", record / RECORD_BAR, RECORD_BAR, record <= RECORD_BAR)


def instances(make: Callable[[], object], moved: Callable[[], object]) -> Iterable[Row]:
    """What a further instance costs in bytes, one that has left its initial state too, and how long very many take."""
    for name, one in (("a further instance", make), ("a further instance that has moved", moved)):
        size = bytes_of(one)
        yield Row(name, size, "bytes", size / BYTES_BAR, BYTES_BAR, size <= BYTES_BAR)
    held: list[object] = [None] * INSTANCES
    gc.collect()
    start = process_time()
    for i in range(INSTANCES):
        held[i] = make()
    took = process_time() - start
    yield Row(f"{INSTANCES:,} instances", took, "s", took / INSTANCES_BAR, INSTANCES_BAR, took <= INSTANCES_BAR)


def bytes_of(make: Callable[[], object]) -> float:
    """What one more of something takes: the mean of a thousand, after a first that makes what they share."""
    held: list[object] = [make(), *[None] * 1000]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(1, 1001):
        held[i] = make()
    size = (tracemalloc.get_traced_memory()[0] - before) / 1000
    tracemalloc.stop()
    return size
