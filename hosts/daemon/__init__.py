"""The liveset daemon of one host: who is alive, who holds the master lock, what state the pool's HA is in.

Its decisions are rows of `specs/machines/membership.yaml` and `specs/machines/lock.yaml`; the modules here read and
write the statefile, send and receive heartbeats, keep the books that the rows' guards look at, and run the process.
"""
