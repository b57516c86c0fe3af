"""`liveset demo`: a pool of real processes on one machine, a fault, and what the evidence says about it."""
