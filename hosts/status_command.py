"""`liveset status`: what each host of a pool says of itself now."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosts.errors import PoolError

if TYPE_CHECKING:
    from hosts.pool_dir import PoolDir

ANSWER = 2.0
"""Seconds for an agent to answer."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    status = subparsers.add_parser(
        "status",
        help="what each host of a pool says of itself now",
        description="Ask every agent of a pool. Exit code 1 when nobody acts as master.",
        epilog="example: liveset status /tmp/liveset-k3n/pool",
    )
    status.add_argument("pool", metavar="POOL_DIR", type=Path, help="the directory of a pool")
    status.add_argument("--json", action="store_true", help="print the answers as JSON; null: no answer")


def run(args: argparse.Namespace) -> int:
    """Ask and print; the exit code. Errors: `PoolError` where there is no pool, or an answer of another version."""
    from hosts.pool_dir import PoolDir

    pool = PoolDir.open(args.pool)
    answers = asyncio.run(ask(pool))
    if args.json:
        print(json.dumps(answers, indent=1))
    else:
        try:
            _show(pool, answers)
        except (KeyError, TypeError) as error:
            raise PoolError(f"an agent's status makes no sense ({error!r}); install one version everywhere") from None
    return 0 if any(said and said["acting"] for said in answers.values()) else 1


async def ask(pool: PoolDir) -> Mapping[str, Any]:
    """Host -> what its agent says, None where it does not answer."""
    from hosts.rpc import Door, Failure, Unanswered
    from hosts.secret import read_secret

    secret = read_secret(pool.secret)

    async def one(index: int) -> Any:
        door = Door(pool.address(index), secret)
        try:
            return await door.request("pool.status", timeout=ANSWER)
        except (Failure, Unanswered):
            return None
        finally:
            await door.close()

    names = [host.name for host in pool.hosts]
    return dict(zip(names, await asyncio.gather(*map(one, range(len(names)))), strict=True))


def _notes(answers: Mapping[str, Any]) -> Iterator[str]:
    """What an operator has ordered and may have forgotten, and what HA cannot promise."""
    for name, said in answers.items():
        if said is None:
            continue
        if said["withdrawn"] or said["life"] == "out":
            yield f"{name} was taken out of HA by an operator; `liveset rejoin` puts it back."
        if said["hold"] != "free":
            yield f"{name} starts no VM: an operator holds restarts back."
        if said["overcommitted"]:
            yield "Not all protected VMs would find a place after another failure."


def _show(pool: PoolDir, answers: Mapping[str, Any]) -> None:
    from rich.text import Text

    from hosts.demo.report import columns, screen

    names = [host.name for host in pool.hosts]
    table = columns(*((name, {}) for name in ("host", "life", "daemon", "liveset", "VMs", "role")))
    for name, said in answers.items():
        if said is None:
            table.add_row(name, Text("no answer", style="red"))
            continue
        live = " ".join(names[index] for index in said["live"] or ())
        vms = " ".join(vm for vm, at in said["vms"].items() if at["guest"] == "running")
        acts = Text(f"master, HA {said['ha']}" if said["acting"] else "", style="bold green")
        table.add_row(name, said["life"], said["daemon"], live, vms, acts)
    console = screen()
    console.print(table)
    for note in _notes(answers):
        console.print(note)
    for warning in next((said["warnings"] for said in answers.values() if said), ()):
        console.print(f"Warning: {warning}.")
    if not any(answers.values()):
        console.print("No agent answers: nothing of this pool runs.")
