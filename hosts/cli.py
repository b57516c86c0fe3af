"""The command `liveset`: demo, status and explain of a pool of real processes, and the orders of its operator."""

from __future__ import annotations

import sys

from fsm.commands.command_line import CommandLine
from hosts.errors import PoolError

_ORDERS = (
    "enable", "disable", "shutdown", "emergency-disable", "rejoin", "hand-over", "prevent-restarts", "clear-exclusion",
)  # fmt: skip
COMMAND_LINE = CommandLine(
    prog="liveset",
    description="High availability of hypervisor pools by explicit, verified state machines.",
    example="liveset demo --kill master --how power",
    commands={
        "demo": "hosts.demo.command",
        "status": "hosts.status_command",
        "explain": "hosts.explain_command",
        **dict.fromkeys(_ORDERS, "hosts.orders_command"),
    },
    errors=(PoolError,),
    interrupted="interrupted; everything has been stopped",
)
main = COMMAND_LINE.main

if __name__ == "__main__":
    sys.exit(main())
