"""The agent of one host, put together: its machines, its ports, its door. A process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fsm.spec import Machine
from hosts.pool_dir import PoolDir

MACHINES = ("life", "election", "monitor", "restart", "guest", "enable", "join", "disable", "leave")
"""The specs of an agent's machines."""


def main(pool: PoolDir, index: int, machines: Sequence[Machine], parameters: Mapping[str, float]) -> None:
    """The program "agent" of a supervisor.

    Arguments:
        pool, index: which host of which pool.
        machines: the specs of `MACHINES`.
        parameters: of the specs, in seconds, by name.
    """
