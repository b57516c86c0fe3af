"""The command `fsm`: check, format, draw, verify and replay specs."""

from __future__ import annotations

import sys

from fsm.commands.command_line import CommandLine

COMMANDS = {
    "check": "fsm.commands.check_command",
    "fmt": "fsm.commands.fmt_command",
    "draw": "fsm.commands.draw_command",
    "schema": "fsm.commands.schema_command",
    "verify": "fsm.commands.verify_command",
    "walk": "fsm.commands.walk_command",
    "mutate": "fsm.commands.mutate_command",
    "diff": "fsm.commands.diff_command",
    "coverage": "fsm.commands.coverage_command",
    "replay": "fsm.commands.replay_command",
    "stubs": "fsm.commands.stubs_command",
    "import-transitions": "fsm.commands.import_transitions_command",
}
main = CommandLine(
    prog="fsm",
    description="State machines that are read, checked, explored, drawn and run from one declarative spec.",
    example="fsm check --explain trap",
    commands=COMMANDS,
).main

if __name__ == "__main__":
    sys.exit(main())
