"""The subcommands of `fsm`, a module each, and what commands have in common."""
