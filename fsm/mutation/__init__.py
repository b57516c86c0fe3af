"""How good the checks are: one-place mutants of machines and models, and what kills each of them."""
