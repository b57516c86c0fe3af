"""The orders of an operator: `liveset enable`, `disable`, `shutdown`, `emergency-disable`, `rejoin`, `hand-over`,
`prevent-restarts` and `clear-exclusion`.

Each is one public call to the agent of one host, and decides nothing: what is printed are the sentences of the rows
that fire there. One that changes the pool is followed until it is over, and what came of it is said. Those that rest on
something that no host can know want it promised word by word.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from hosts.errors import PoolError
from hosts.order_followed import LIMIT, Goal, follow

if TYPE_CHECKING:
    from hosts.pool_dir import PoolDir

PATIENCE = 30.0
"""Seconds for an answer: restarts that are under way are waited for. An order that watches the pool has D more."""

_SETTLED = {
    "plain": "follows another host",
    "running": "follows another host",
    "out": "stays so until its agent restarts",
    "pausing": "cannot open the database yet",
    "emergency": "finds no master yet",
}
"""The states of life in which a host out of HA stays, and what it does there when it is not the master."""

Call = tuple[str, tuple[Any, ...]]


@frozen
class Order:
    """An order: what its `--help` says, its options, and the call that it makes.

    host: whether it is for a certain host; else it is for the acting master, unless one is named.
    call: from the words of the command and the names of the hosts, a method of the agent with its parameters.
    goal: what is followed until it is over; None for an order whose answer is all.
    watches: whether the host watches the pool for D before it answers.
    """

    help: str
    example: str
    host: bool
    call: Callable[[argparse.Namespace, list[str]], Call]
    options: Callable[[argparse.ArgumentParser], object] = lambda parser: None
    goal: Goal | None = None
    watches: bool = False


def _shutdown(args: argparse.Namespace, names: list[str]) -> Call:
    return ("Host.may_shut_down", ()) if args.check else ("Host.shutdown", (args.reboot,))


def _shutdown_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reboot", action="store_true", help="whoever started the host is told to start it again")
    parser.add_argument("--check", action="store_true", help="only ask whether it could be shut down now")


def _disable(args: argparse.Namespace, names: list[str]) -> Call:
    if args.force is None:
        return "Host.emergency_disable", (args.soft,)
    if args.soft:
        raise PoolError("--force: what is forced is not soft; leave out one of the two")
    return "Host.force_out", (args.force,)


def _disable_options(parser: argparse.ArgumentParser) -> None:
    from hosts.agent.alerts_port import PROMISE

    parser.add_argument("--soft", action="store_true", help="only until its agent restarts")
    what = f'without a proof that its VMs have ended, and let it serve; PROMISE is, word by word: "{PROMISE}"'
    parser.add_argument("--force", metavar="PROMISE", help=what)


def _is_out(said: Mapping[str, Any]) -> bool:
    """Whether a host is out of HA, and knows what it is now."""
    return (not said["armed"] or said["life"] == "out") and said["life"] in _SETTLED


def _out_of_ha(said: Mapping[str, Any]) -> str:
    """What a host is that is out of HA: it may serve by force, or have found that another one does."""
    now = "serves as the master" if said["acting"] else _SETTLED[said["life"]]
    return f"this host is out of HA, and {now}"


def _hand_over(args: argparse.Namespace, names: list[str]) -> Call:
    unknown = [name for name in args.down if name not in names]
    if unknown:
        raise PoolError(f"--down {unknown[0]}: no such host; there are {', '.join(names)}")
    if args.host in args.down:
        raise PoolError(f"--down {args.host}: it is to be the master; name hosts that are switched off")
    if args.force is None:
        if args.down:
            raise PoolError("--down: in order, every host must answer; leave it out, or promise with --force")
        return "pool.hand_over", ()
    return "pool.force_master", ([names.index(name) for name in args.down], args.force)


def _hand_over_options(parser: argparse.ArgumentParser) -> None:
    from hosts.agent.alerts_port import SWITCHED_OFF

    parser.add_argument("--down", metavar="HOST", action="append", default=[], help="a host that need not answer")
    what = f'though the master does not hand over; PROMISE is, word by word: "{SWITCHED_OFF}"'
    parser.add_argument("--force", metavar="PROMISE", help=what)


def _alone_option(parser: argparse.ArgumentParser) -> None:
    from hosts.daemon.notices import ALONE

    what = f'PROMISE is, word by word: "{ALONE}"; if one of them lives, this ends with two masters'
    parser.add_argument("--force", metavar="PROMISE", default="", help=what)


def _prevent_restarts(args: argparse.Namespace, names: list[str]) -> Call:
    if not math.isfinite(args.seconds):
        raise PoolError(f"--seconds {args.seconds}: how long restarts are to be held back, in seconds")
    return "pool.prevent_restarts", (args.seconds,)


def _seconds_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, required=True, metavar="N", help="for so long; 0 lets them go on")


ORDERS = {
    "enable": Order(
        "switch HA on for the pool", "POOL", False, lambda *_: ("pool.enable_ha", ()),
        goal=Goal(
            "enable", lambda _: "HA is on", lambda said: said["ha"] == "on", ("enable.verifying/daemon.liveset",),
        ),
    ),
    "disable": Order(
        "switch HA off for the pool", "POOL", False, lambda *_: ("pool.disable_ha", ()),
        goal=Goal(
            "disable", lambda _: "HA is off", lambda said: said["ha"] == "off",
            ("disable.releasing", "disable.reclaiming", "disable.reclaimed"),
        ),
    ),
    "prevent-restarts": Order(
        "have the master restart no VM for a while", "POOL --seconds 60", False,
        _prevent_restarts, _seconds_option,
    ),
    "hand-over": Order(
        "make a host the master, with HA off", "POOL host2", True, _hand_over, _hand_over_options,
        Goal(
            "handover", lambda _: "this host is the master", lambda said: bool(said["acting"]),
            ("handover.committing", "handover.deposing/all_ok"),
        ),
    ),
    "shutdown": Order("take a host down in order", "POOL host2 --reboot", True, _shutdown, _shutdown_options),
    "emergency-disable": Order(
        "take a host out of HA, whatever the pool says; its VMs are stopped", "POOL host2 --soft", True,
        _disable, _disable_options,
        Goal("withdraw", _out_of_ha, _is_out, ("withdraw.excluding",)),
    ),
    "rejoin": Order("put a host back into HA", "POOL host2", True, lambda *_: ("Host.rejoin", ())),
    "clear-exclusion": Order(
        "let a host that was taken out of HA go on alone, because the others are gone for good",
        "POOL host2 --force PROMISE", True,
        lambda args, _: ("Host.clear_exclusion", (args.force,)), _alone_option, watches=True,
    ),
}  # fmt: skip
"""The orders by their names."""


_EXIT = {
    False: "0 accepted, 1 refused, 2 not asked or not answered.",
    True: f"0 done, 1 refused or not done, 2 not asked, not answered, or not over in {LIMIT:g} s.",
}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    for name, order in ORDERS.items():
        parser = subparsers.add_parser(
            name,
            help=order.help,
            description=f"Order: {order.help}. Exit code {_EXIT[order.goal is not None]}",
            epilog=f"example: liveset {name} {order.example.replace('POOL', '/tmp/liveset-k3n/pool')}",
        )
        parser.add_argument("pool", metavar="POOL_DIR", type=Path, help="the directory of a pool")
        whose = "the name of one of its hosts" if order.host else "one of its hosts; by default its master"
        parser.add_argument("host", metavar="HOST", nargs=None if order.host else "?", help=whose)
        order.options(parser)


def run(args: argparse.Namespace) -> int:
    """Give the order and print what the host says to it; the exit code.

    Errors: `PoolError` where there is no such pool or host, or it does not answer.
    """
    from hosts.pool_dir import PoolDir

    pool = PoolDir.open(args.pool)
    names = [host.name for host in pool.hosts]
    if args.host is not None and args.host not in names:
        raise PoolError(f"{args.pool}: no host {args.host!r}; there are {', '.join(names)}")
    order = ORDERS[args.command]
    call = order.call(args, names)
    try:
        index = asyncio.run(_master(pool)) if args.host is None else names.index(args.host)
        return asyncio.run(_give(pool, index, order, call))
    except (LookupError, TypeError, ValueError) as error:
        raise PoolError(f"{pool.path}: an answer makes no sense ({error!r}); install one version everywhere") from None


async def _master(pool: PoolDir) -> int:
    """The host that acts as master. Errors: `PoolError` when none says so."""
    from hosts.status_command import ask

    for said in (await ask(pool)).values():
        if said and said["acting"]:
            return int(said["index"])
    raise PoolError(f"{pool.path}: nobody acts as master; `liveset status` shows who answers")


async def _give(pool: PoolDir, index: int, order: Order, call: Call) -> int:
    from hosts.daemon.timing import Timing
    from hosts.rpc import Door, Failure, Unanswered
    from hosts.secret import read_secret

    name, door = pool.hosts[index].name, Door(pool.address(index), read_secret(pool.secret))
    patience = PATIENCE + (Timing.derive(pool.timeout).drop if order.watches else 0.0)
    try:
        answer = await door.request(call[0], *call[1], timeout=patience)
        if order.goal is None or not answer["accepted"]:
            print(f"{name}: {answer['why']}")
            return 0 if answer["accepted"] else 1
        return 0 if await follow(door, name, order.goal, answer) else 1
    except (Failure, Unanswered) as error:
        raise PoolError(f"{name}: {error}; its log is {pool.host_dir(index) / 'supervisor.log'}") from None
    finally:
        await door.close()
