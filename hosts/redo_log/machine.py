"""The machines by which a redo log is written, as a node for its driver: `redo_log`, `claim` and `flush`."""

from __future__ import annotations

from functools import cache

from fsm import Node, specs
from fsm.language.load import Library

MACHINES = ("redo_log", "claim", "flush")
"""The specs of a writer's machines."""


@cache
def writer_node(timeout: float | None = None) -> Node:
    """The machines of a writer; read once in a process, and by a starter of hosts before it forks.

    Arguments:
        timeout: T of the pool in seconds, from which the pause between two tries to mend the log follows; None for that
            of the specs.
    Errors: `fsm.errors.SpecError` where the installation is not whole.
    """
    library = Library(specs(), {} if timeout is None else {"T": timeout})
    return Node([library.machine(name) for name in MACHINES], parameters=library.parameters())
