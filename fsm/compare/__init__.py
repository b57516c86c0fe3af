"""Two versions of a spec compared, and what all who use a spec have seen of it."""
