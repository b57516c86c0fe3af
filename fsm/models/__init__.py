"""Models written as data: variables, guarded actions and properties in one file, no machine and no Python."""
