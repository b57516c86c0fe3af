"""`liveset explain`: what a host did last, and why: the rows of its journal with their sentences."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.errors import PoolError

if TYPE_CHECKING:
    from rich.table import Table

    from hosts.demo.evidence import Entry


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    explain = subparsers.add_parser(
        "explain",
        help="what a host did last, and why",
        description="The last rows of a host's journal, each with its reason.",
        epilog="example: liveset explain /tmp/liveset-k3n/pool host2 --last 20 --machine election",
    )
    explain.add_argument("pool", metavar="POOL_DIR", type=Path, help="the directory of a pool")
    explain.add_argument("host", metavar="HOST", help="the name of one of its hosts")
    explain.add_argument("--last", type=int, default=20, metavar="N", help="so many rows (20)")
    explain.add_argument(
        "--machine", metavar="NAME", help="only of this machine; restart stands for restart[...] of all VMs"
    )


def run(args: argparse.Namespace) -> int:
    """Print the rows.

    Errors: `PoolError` where there is no such pool, host, machine or journal.
    """
    from rich.text import Text

    from hosts.demo.evidence import read_evidence
    from hosts.demo.report import screen
    from hosts.pool_dir import PoolDir

    pool = PoolDir.open(args.pool)
    names = [host.name for host in pool.hosts]
    if args.host not in names:
        raise PoolError(f"{args.pool}: no host {args.host!r}; there are {', '.join(names)}")
    _check_machine(args.machine, [vm.name for vm in pool.vms])
    if args.last < 1:
        raise PoolError(f"--last {args.last}: at least one row")
    journal = pool.agent_journal(names.index(args.host))
    found = read_evidence(names, {}, {args.host: journal}, {})
    if found.missing:
        raise PoolError(f"{journal}: cannot be read; has the host ever run, and may you read it?")
    told = [entry for entry in found.entries if args.machine in (None, entry.machine, entry.machine.partition("[")[0])]
    rows = [index for index, entry in enumerate(told) if entry.machine]  # the others: the agent began, or gave up
    shown = told[rows[-args.last] :] if len(rows) > args.last else told
    console = screen()
    console.print(_table(shown, found.entries[0].time if found.entries else 0.0))
    counted = f"the last {min(args.last, len(rows))} of {len(rows)} rows of {journal}; times count from its first line"
    console.print(Text(counted, style="dim"), soft_wrap=True)
    return 0


def _table(shown: Sequence[Entry], begin: float) -> Table:
    """The entries, with their times from `begin`."""
    from rich.text import Text

    from hosts.demo.report import columns

    whole = {"no_wrap": True}
    table = columns(("time", {"justify": "right", **whole}), ("machine", whole), ("row", {}), ("why", {"style": "dim"}))
    for entry in shown:
        row = entry.row.partition(".")[2] or entry.event
        cells = (f"+{entry.time - begin:.2f} s", entry.machine or "agent", row, entry.why)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _check_machine(name: str | None, vms: Sequence[str]) -> None:
    """Errors: `PoolError` for a machine that no agent has."""
    if name is None:
        return
    from fsm import Library, specs
    from fsm.language.document import suggest
    from hosts.agent.process import MACHINES

    library = Library(specs())
    known = [*MACHINES]
    known += [f"{machine}[{vm}]" for machine in MACHINES if library.machine(machine).instance for vm in vms]
    if name not in known:
        remedy = suggest(name, known) or ("" if "[" in name else f"; it may be one of {', '.join(MACHINES)}")
        raise PoolError(f"--machine {name}: no agent has it{remedy}")
