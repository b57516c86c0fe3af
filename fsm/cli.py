"""The command `fsm`: check, format, draw, verify and replay specs."""

from __future__ import annotations

import sys

from fsm.command_line import CommandLine

COMMANDS = {
    "check": "fsm.check_command",
    "fmt": "fsm.fmt_command",
    "draw": "fsm.draw_command",
    "schema": "fsm.schema_command",
    "verify": "fsm.verify_command",
    "replay": "fsm.replay_command",
    "stubs": "fsm.stubs_command",
    "import-transitions": "fsm.import_transitions_command",
}
main = CommandLine(
    prog="fsm",
    description="State machines that are read, checked, explored, drawn and run from one declarative spec.",
    example="fsm check specs",
    commands=COMMANDS,
).main

if __name__ == "__main__":
    sys.exit(main())
