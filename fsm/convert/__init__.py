"""Other forms of a spec: declared in Python, taken over from `transitions`, written out as types."""
