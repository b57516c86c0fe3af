"""`liveset explain`: what a host did last, and why: the rows of its journal with their sentences."""

from __future__ import annotations

import argparse
from pathlib import Path

from hosts.errors import PoolError


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

    Errors: `PoolError` where there is no such pool, host or journal.
    """
    from rich.text import Text

    from hosts.demo.evidence import read_evidence
    from hosts.demo.report import columns, screen
    from hosts.pool_dir import PoolDir

    pool = PoolDir.open(args.pool)
    names = [host.name for host in pool.hosts]
    if args.host not in names:
        raise PoolError(f"{args.pool}: no host {args.host!r}; there are {', '.join(names)}")
    if args.last < 1:
        raise PoolError(f"--last {args.last}: at least one row")
    journal = pool.agent_journal(names.index(args.host))
    found = read_evidence(names, {}, {args.host: journal}, {})
    if found.missing:
        raise PoolError(f"{journal}: cannot be read; has the host ever run, and may you read it?")
    rows = [entry for entry in found.entries if args.machine in (None, entry.machine, entry.machine.partition("[")[0])]
    whole = {"no_wrap": True}
    table = columns(("time", {"justify": "right", **whole}), ("machine", whole), ("row", {}), ("why", {"style": "dim"}))
    for entry in rows[-args.last :]:
        row = entry.row.partition(".")[2] or entry.event
        table.add_row(*(Text(cell) for cell in (f"{entry.time:.2f} s", entry.machine or "agent", row, entry.why)))
    console = screen()
    console.print(table)
    console.print(Text(f"the last {min(args.last, len(rows))} of {len(rows)} rows of {journal}", style="dim"))
    return 0
