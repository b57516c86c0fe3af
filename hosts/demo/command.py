"""`liveset demo`: a pool of real processes on this machine loses a host, and everybody can see what becomes of it.

Exit codes: 0 every promise held and every protected VM runs again, 1 not so, 2 it could not run, 130 interrupted. The
report goes to standard output, what happens meanwhile to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.errors import PoolError

if TYPE_CHECKING:
    from hosts.demo.plan import Plan
    from hosts.demo.progress import Progress
    from hosts.demo.report import Report
    from hosts.demo.story import Story

_EXAMPLE = """\
example:
  liveset demo --kill master --how freeze --timeout 2

hosts that are hit (--kill) and how (--how):
  power      the host and its VMs are gone at once
  daemon     its liveset daemon dies: the host is fenced
  agent      its agent dies and is started again
  freeze     its programs stop, its VMs run on until fencing cuts them off
  partition  it hears no other host; the statefile stays within reach, and its VMs run on until it is fenced

exit codes:
  0  every promise held, and every protected VM runs again
  1  not so
  2  it could not run
  130  interrupted; nothing is left
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    demo = subparsers.add_parser(
        "demo",
        help="make a pool of real processes, break a host of it, and check every promise",
        description="Make a pool of real processes on this machine, enable HA, start VMs, break a host, and check what "
        "was promised from what is on the disks.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.add_argument("--hosts", type=int, metavar="N", help="hosts of the pool (3)")
    demo.add_argument("--vms", type=int, metavar="N", help="VMs of the pool (6)")
    demo.add_argument("--timeout", type=float, default=2.0, metavar="T", help="seconds until a silent host is out (2)")
    demo.add_argument("--kill", choices=("master", "slave", "none"), default="master", help="the host to hit (master)")
    hows = ("power", "daemon", "agent", "freeze", "partition")
    demo.add_argument("--how", choices=hows, help="how it is hit (power)")
    demo.add_argument("--pool", metavar="FILE", help="a pool description in YAML, instead of --hosts and --vms")
    demo.add_argument("--keep", action="store_true", help="keep the pool's directory, and say where it is")
    demo.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the demonstration and answer its exit code.

    Errors: `SpecError`, `PoolError` and `OSError` for what cannot be used; nothing is left running.
    """
    from hosts.demo.plan import NO_FENCING, Plan, choose
    from hosts.demo.report import screen

    file = choose(args.pool, args.hosts, args.vms)
    plan = Plan.of(file, args.timeout, args.kill, args.how, args.keep, os.environ.get(NO_FENCING) != "1")
    report, kept = _play(plan)
    if args.json:
        from hosts.demo.report import as_json

        print(json.dumps(as_json(report) | {"kept": str(kept) if kept else None}, indent=1))
    else:
        from hosts.demo.report import show

        console = screen()
        console.print()
        show(report, console)
        if kept:
            console.print(f"kept in {kept}", soft_wrap=True)
    return 0 if report.good else 1


def _play(plan: Plan) -> tuple[Report, Path | None]:
    """Play it in a directory of its own; the report, and the directory when it is kept."""
    from rich.text import Text

    from hosts.demo.progress import Progress
    from hosts.demo.report import screen

    console = screen(sys.stderr)
    console.print(Text(f"liveset demo · {plan.title}", style="bold"))
    progress = Progress(console)
    for warning in plan.warnings():
        progress.say("!", warning, "bold yellow")
    from hosts.demo.findings import report  # a second of imports, before there is anything to be removed
    from hosts.demo.story import Story
    from hosts.pool_dir import PoolDir

    path = Path(tempfile.mkdtemp(prefix="liveset-"))
    keep = False
    try:
        with _warnings_told(progress):
            story = Story(plan, PoolDir.create(path / "pool", plan.file, plan.timeout), progress)
            try:
                asyncio.run(_until_interrupted(story))
                keep = plan.keep
                if not story.ready:
                    raise PoolError(f"nothing could be shown: {story.failures[0]}")
            except PoolError as error:
                keep = plan.keep
                raise PoolError(f"{error}; {f'kept in {path}' if keep else '--keep keeps the logs'}") from None
            found = report(story)
        return found, path / "pool" if plan.keep else None
    finally:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)


async def _until_interrupted(story: Story) -> None:
    """Play; the first SIGINT, SIGTERM or SIGHUP ends it in order. Errors: `KeyboardInterrupt` then."""
    loop, playing = asyncio.get_running_loop(), asyncio.ensure_future(story.play())
    told: list[int] = []

    def interrupt(number: int) -> None:
        if not told:  # the end is on its way, and a second Ctrl-C would only break it off
            told.append(number)
            playing.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # under nohup it is to go on
            loop.add_signal_handler(number, interrupt, number)
    try:
        await playing
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@contextmanager
def _warnings_told(progress: Progress) -> Iterator[None]:
    """What a host's start warns of (no PID namespaces here) is said once, in the place of everything else."""
    said: set[str] = set()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warning = str(record.args[-1]) if isinstance(record.args, tuple) and record.args else record.getMessage()
            if warning not in said:
                said.add(warning)
                progress.say("!", warning, "yellow")

    handler, logger = Told(), logging.getLogger("hosts.supervisor.start")
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
