"""Starting a host of a pool on this machine: its supervisor, with the agent and the daemon as its programs.

The process that starts hosts imports everything that an agent and a daemon need, reads the specs once, and forks: a
restarted agent is up in milliseconds (a fresh interpreter would take 0.7 s). When a host has died its supervisor says
so to the daemons of the pool, and into `obituaries` in the directory of the host.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

from attrs import asdict

from fsm import specs
from fsm.language.load import Library
from fsm.language.spec import Machine
from hosts.agent import process as agent
from hosts.agent.process import MACHINES
from hosts.daemon import process as daemon
from hosts.daemon.obituary import publish_obituary
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.redo_log import writer_node
from hosts.supervisor import HostConfig, Obituary, start_host
from hosts.supervisor.process import log

_SLOW = ("aiohttp.web", "networkx")
"""Imported late by those who use them; here before the fork, where it is done once."""


def start(pool: PoolDir, index: int, fencing: bool = True, obituaries: Callable[[Obituary], None] | None = None) -> int:
    """Start a host of a pool and return the process id of its outer supervisor, which the caller must wait for.

    Arguments:
        pool, index: which.
        fencing: False only for the control experiment that must fail.
        obituaries: called in the supervisor's process when the host has died, after the pool was told.
    Errors: `PoolError` as `hosts.supervisor.start_host`.
    """
    for name in _SLOW:
        importlib.import_module(name)
    machines, parameters = _specs(pool.timeout)
    writer_node(pool.timeout)  # kept, and found by the agent after the fork
    programs: dict[str, Callable[[], None]] = {"agent": partial(agent.main, pool, index, machines, parameters)}
    programs["daemon"] = daemon.main
    bury = partial(_bury, pool, index, obituaries)
    return start_host(HostConfig(pool.hosts[index].name, pool.host_dir(index), bury, fencing), programs)


@cache
def _specs(timeout: float) -> tuple[Sequence[Machine], Mapping[str, float]]:
    """The machines of an agent and their parameters for T = `timeout`; a starter of many hosts reads them once."""
    library = Library(specs(), {"T": timeout})
    return [library.machine(name) for name in MACHINES], library.parameters()


def _bury(pool: PoolDir, index: int, obituaries: Callable[[Obituary], None] | None, obituary: Obituary) -> None:
    """Tell the pool first: it waits. A host that held no lease is in nobody's liveset."""
    try:
        if obituary.incarnation is not None:
            publish_obituary(pool.settings(index), obituary.incarnation)
    except PoolError as error:
        log(f"the obituary of {obituary.host} does not reach the statefile: {error}")
    with pool.obituaries(index).open("a") as file:
        file.write(json.dumps(asdict(obituary)) + "\n")
    if obituaries is not None:
        obituaries(obituary)
