"""From a loaded machine to `step`: the table, the compiled functions, the turn."""
