"""How fast `fsm verify` explores: against SPIN, TLC's rate, the pool's failover, and how much memory it takes.

    tools/bench checker [commit] [hosts] [reference] [failover] [memory] [--rounds N]

Every figure is of a search that found exactly what it has to find; a wrong count ends the benchmark. Each search runs
in a process of its own. Times are those of the processor, because the machine is shared; ratios are taken inside one
round, the search and SPIN one after the other, and the figure is the median of the rounds.

- Against SPIN 6.5.2 (`apt-get install spin`; gcc is needed too): the same models, written in Promela by hand with
  variables of few bits, compiled with -O2, partial order reduction off, a hash table with more entries than states.
  Neither spin nor gcc is counted, nor are our imports and reading the file; all else is, from the call to the result.
  Both only explore: SPIN has no properties to check (-DSAFETY, no assertion), so neither have we.
- "with its properties" is what a user gets: the invariants, steps and what must be reachable are decided as well.
- 20,000 states/s is TLC's rate for two-phase commit with 7 managers on two shared cores.
- The bar of the failover of three hosts, in which hosts crash, agents restart and hosts boot any number of times, is
  for its invariants; a prototype took 18 s for a story of 1.3 million states. What the story promises of the future is
  told without a bar. The story nearest to that of the prototype is the second: crashes, restarts and losses of the
  statefile any number of times, one boot and one return of the statefile, 1.5 million states. With any number of these
  two as well it has more than 49 million, and was not explored to its end.
- The memory bar is that of 20 million states in 2 GiB, 107 bytes each. A model of 25 bits, five dials, is no test of
  it, for a bitmap is enough there; fourteen philosophers take 56 bits.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from attrs import frozen

from fsm.locate import specs
from hosts.errors import PoolError
from tools.benches import Row

ROOT = Path(__file__).resolve().parents[2]
PROMELA = Path(__file__).parent / "promela"
COMPILE = ("gcc", "-O2", "-DNOREDUCE", "-DSAFETY", "-w", "-o", "pan", "pan.c")
PAN = ("./pan", "-w24", "-m2000000", "-E", "-n")  # 2^24 entries; a stack deep enough; dead ends are no errors here
LONGEST = 900.0  # seconds, for one search on a busy machine

COMMIT_BAR, HOSTS_BAR = 1.0, 10.0  # times the rate of SPIN
REFERENCE_BAR = 20_000.0  # states/s
FAILOVER_BAR = 15.0  # s
BYTES_BAR = 2 * 2**30 / 20e6  # of memory for a state

SEARCH = """
import json, sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import process_time
from attrs import evolve
from fsm.explore import pool_kernel, pool_space
from fsm.models import model_kernel, model_space
from fsm.search import fast, liveness
from fsm.search.explore import explore
from fsm.search.load import load_space
path, engine, kinds, settings = json.loads(sys.argv[1])
space = load_space(Path(path), settings)
kept = [p for p in space.properties if kinds is None or p.kind in kinds]
if hasattr(space, "model"):
    space = model_space.ModelSpace(evolve(space.model, properties=tuple(kept)))
    space.grounded
else:
    space = pool_space.PoolSpace(evolve(space.system, properties=tuple(kept)))
start = process_time()
result = explore(space, engine=engine)
seconds = process_time() - start
told = {"distinct": result.distinct, "generated": result.generated, "depth": result.depth, "seconds": seconds}
told["peak"] = getrusage(RUSAGE_SELF).ru_maxrss * 1024
told["bad"] = [verdict.property.name for verdict in result.verdicts if verdict.verdict != "holds"]
print(json.dumps(told))
"""


@frozen
class Sized:
    """What is explored, and what is known of it.

    Arguments:
        name: what the rows call it.
        file: inside the folder of specs.
        settings: as `--set` takes them.
        distinct, generated: what a search has to find.
        promela: the same for SPIN, in the folder beside this file.
    """

    name: str
    file: str
    settings: Mapping[str, str]
    distinct: int
    generated: int
    promela: str = ""


COMMIT = Sized(
    "two-phase commit, 8 managers", "examples/10-two-phase-commit.yaml", {"n": "8"}, 1_745_408, 18_507_778,
    "two-phase-commit.pml",
)  # fmt: skip
COMMIT_7 = Sized(
    "two-phase commit, 7 managers", "examples/10-two-phase-commit.yaml", {"n": "7"}, 296_448, 2_744_706
)  # fmt: skip
HOSTS = Sized("hosts in 20 bits", "examples/17-hosts.yaml", {}, 439_744, 4_836_817, "hosts.pml")
FAILOVER = Sized("failover of 3 hosts", "systems/failover.yaml", {"hosts": "3"}, 621_229, 5_795_363)
LOSSES = Sized(
    "failover of 3 hosts, statefile lost too", "systems/failover.yaml",
    {"hosts": "3", "faults.statefile": "any", "faults.boot": "1", "faults.back": "1"}, 1_508_860, 0,
)  # fmt: skip
DIALS = Sized("5 dials", "examples/08-linear-walk.yaml", {"n": "29", "dials": "5"}, 20_511_149, 102_555_746)
TABLE = Sized("14 philosophers", "examples/13-philosophers-ordered.yaml", {"n": "14"}, 18_378_370, 0)
SAFETY = ("always", "step", "reachable")


@frozen
class Found:
    """What one search found, how many seconds of the processor it took, and its peak of memory in bytes."""

    distinct: int
    seconds: float
    peak: int = 0

    @property
    def rate(self) -> float:
        """States for a second."""
        return self.distinct / self.seconds


def search(what: Sized, engine: str = "fast", kinds: Sequence[str] | None = ()) -> Found:
    """Explore in a process of its own.

    Arguments:
        kinds: of the properties that are decided; None for all of the file.
    Errors: `PoolError` where it did not find what there is, or a property does not hold.
    """
    asked = [str(specs() / what.file), engine, kinds, list(what.settings.items())]
    command = [sys.executable, "-c", SEARCH, json.dumps(asked)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST)
    if run.returncode:
        raise PoolError(f"{what.name}: {run.stderr.strip().rpartition(chr(10))[2]}")
    told = json.loads(run.stdout)
    exactly(what, f"the {engine} engine", told["distinct"], told["generated"])
    if told["bad"]:
        raise PoolError(f"{what.name}: {', '.join(told['bad'])} should hold")
    return Found(told["distinct"], told["seconds"], told["peak"])


def exactly(what: Sized, who: str, distinct: int, generated: int) -> None:
    """Nothing is measured of a search that did other work. Errors: `PoolError`."""
    for found, right, unit in ((distinct, what.distinct, "states"), (generated, what.generated, "generated")):
        if right and found != right:
            raise PoolError(f"{what.name}: {who} found {found:,} {unit}, and there are {right:,}")


@frozen
class Spin:
    """A verifier that SPIN has made, in a folder of its own."""

    what: Sized
    folder: Path

    @classmethod
    def of(cls, what: Sized, folder: Path) -> Spin:
        """Make it. Errors: `PoolError` where spin or gcc refuses."""
        for command in (("spin", "-a", str(PROMELA / what.promela)), COMPILE):
            run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if run.returncode:
                raise PoolError(f"{' '.join(command)}: {(run.stdout + run.stderr).strip()}")
        return cls(what, folder)

    def search(self) -> Found:
        """Run it. Errors: `PoolError` where it did not find what there is."""
        before = _of_children()
        run = subprocess.run(PAN, cwd=self.folder, capture_output=True, text=True, check=False, timeout=LONGEST)
        seconds = _of_children() - before
        counts = re.search(r"(\d+) states, stored.*?(\d+) transitions", run.stdout, re.DOTALL)
        if run.returncode or counts is None or "errors: 0" not in run.stdout:
            raise PoolError(f"pan of {self.what.promela}: {(run.stdout + run.stderr).strip()}")
        exactly(self.what, "SPIN", int(counts[1]), int(counts[2]))
        return Found(int(counts[1]), seconds)


def _of_children() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def against_spin(what: Sized, bar: float, rounds: int) -> Iterator[Row]:
    """Our rate, SPIN's, and the ratio; without spin the row of the ratio says so and misses its bar."""
    ours: list[Found] = []
    theirs: list[Found] = []
    with tempfile.TemporaryDirectory() as folder:
        missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
        spin = None if missing else Spin.of(what, Path(folder))
        for _ in range(rounds):
            ours.append(search(what))
            if spin is not None:
                theirs.append(spin.search())
    yield Row(f"{what.name}: fast engine", statistics.median(found.rate for found in ours), "states/s")
    yield Row(f"{what.name}: with its properties", search(what, kinds=SAFETY).rate, "states/s")
    if missing:
        yield Row(
            f"{what.name}: fast / SPIN not measured, install {' and '.join(missing)}", 0.0, "times", 0.0, bar, False
        )
        return
    yield Row(f"{what.name}: SPIN", statistics.median(found.rate for found in theirs), "states/s")
    ratio = statistics.median(mine.rate / its.rate for mine, its in zip(ours, theirs, strict=True))
    yield Row(f"{what.name}: fast / SPIN at least", ratio, "times", ratio / bar, bar, ratio >= bar)


def commit(rounds: int) -> Iterator[Row]:
    """Two-phase commit against SPIN."""
    return against_spin(COMMIT, COMMIT_BAR, rounds)


def hosts(rounds: int) -> Iterator[Row]:
    """The host model against SPIN."""
    return against_spin(HOSTS, HOSTS_BAR, rounds)


def reference(rounds: int) -> Iterator[Row]:
    """The reference engine against the rate of TLC."""
    rate = search(COMMIT_7, "reference", SAFETY).rate
    yield Row(
        f"{COMMIT_7.name}: reference engine at least", rate, "states/s", rate / REFERENCE_BAR, REFERENCE_BAR,
        rate >= REFERENCE_BAR,
    )  # fmt: skip


def failover(rounds: int) -> Iterator[Row]:
    """The story of the pool that crashes, with its invariants; then with what it promises of the future as well."""
    found = search(FAILOVER, kinds=SAFETY)
    yield Row(f"{FAILOVER.name}: states", found.distinct, "states")
    yield Row(
        f"{FAILOVER.name}, any crash, restart and boot", found.seconds, "s", found.seconds / FAILOVER_BAR,
        FAILOVER_BAR, found.seconds <= FAILOVER_BAR,
    )  # fmt: skip
    lost = search(LOSSES, kinds=SAFETY)
    yield Row(
        f"{LOSSES.name}, {lost.distinct:,} states", lost.seconds, "s", lost.seconds / FAILOVER_BAR, FAILOVER_BAR,
        lost.seconds <= FAILOVER_BAR,
    )  # fmt: skip
    whole = search(FAILOVER, kinds=None).seconds
    yield Row(f"{FAILOVER.name}, with all its properties", whole, "s", whole / FAILOVER_BAR)


def memory(rounds: int) -> Iterator[Row]:
    """The peak of a whole process, its interpreter and numpy included: of packed states that a bitmap can hold, and
    of those that it cannot, for each state."""
    for what in (DIALS, TABLE):
        found = search(what)
        peak, each = found.peak / 2**20, found.peak / found.distinct
        yield Row(f"{what.name}: {found.distinct:,} states", found.rate, "states/s")
        yield Row(f"{what.name}: peak of memory", peak, "MiB")
        yield Row(f"{what.name}: a state, at most", each, "bytes", each / BYTES_BAR, BYTES_BAR, each <= BYTES_BAR)


PARTS: Mapping[str, Callable[[int], Iterator[Row]]] = {
    "commit": commit, "hosts": hosts, "reference": reference, "failover": failover, "memory": memory,
}  # fmt: skip


def rows(arguments: Sequence[str]) -> Iterable[Row]:
    """All figures, or those of some parts. Errors: `PoolError` for a wrong count."""
    parser = argparse.ArgumentParser(
        prog="tools/bench checker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=3, help="rounds against SPIN (3)")
    wanted = parser.parse_args(arguments)
    unknown = [part for part in wanted.parts if part not in PARTS]
    if unknown or wanted.rounds < 1:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}" if unknown else "--rounds: at least one")
    for part in wanted.parts or PARTS:
        yield from PARTS[part](wanted.rounds)
