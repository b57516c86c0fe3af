"""Every duration of the liveset daemon, derived in one place from the target T.

The right to run is a lease: a host may act for W after the *start* of its newest evidence, needs at most K more to
be dead, and is dropped by the others after D of silence. Safety rests on one inequality, D >= W + K + 2 skew, where
skew is the worst error of one host's clock over one such interval (the owner's slow, the survivor's fast).
Everything else here is a matter of speed and of false alarms, never of safety.
"""

from __future__ import annotations

from attrs import frozen

from hosts.errors import PoolError

SKEW = 0.001
"""Worst relative error of a clock: NTP slews by at most 500 ppm, and the crystal may err as much again."""

KILL = 0.3
"""K in seconds: lateness of a kernel timer (0.225 measured) plus the kill of a tree (0.075), on two loaded cores."""


@frozen(kw_only=True)
class Timing:
    """The durations of one pool; all are seconds of CLOCK_BOOTTIME. Make one with `Timing.derive`.

    Arguments:
        target: T, what the operator asked for: about this long after a fault a host is out of the liveset.
        cycle: c, pause between two turns (write own record, read all) of the statefile.
        heartbeat: h, between two heartbeats to each peer.
        link: H, a peer not heard for this long is a lost link.
        settle: S, published links that stay the same for this long are settled, so that a verdict is made of them.
        drop: D, silence on both channels after which a peer may be dropped.
        stranger: silence on both channels after which a joiner takes a host for gone. That host asks its liveset for
            evidence and not the joiner, so it may go on for Ws, and K more.
        kill: K, from the deadline of a lease until nothing of its host runs.
        skew: worst error of one clock over D.
        lease: W, life after the start of the newest evidence.
        statefile_lease: Ws, longest life after the start of the last confirmed write while evidence comes by network.
        join: after this long a joiner gives up.

    Raises:
        PoolError: the inequality D >= W + K + 2 skew, or Ws >= W, does not hold.
    """

    target: float
    cycle: float
    heartbeat: float
    link: float
    settle: float
    drop: float
    stranger: float
    kill: float
    skew: float
    lease: float
    statefile_lease: float
    join: float

    def __attrs_post_init__(self) -> None:
        # The sums of floats that derive() makes equal may differ in the last bit.
        if self.drop + 1e-9 < self.lease + self.kill + 2 * self.skew:
            raise PoolError(
                f"a host dropped after {self.drop:g} s may live {self.lease + self.kill + 2 * self.skew:g} s:"
                " shorten the lease or wait longer"
            )
        if self.stranger + 1e-9 < self.statefile_lease + self.kill + 2 * self.skew:
            raise PoolError(f"a joiner that waits {self.stranger:g} s may form beside a live host; let it wait longer")
        if self.statefile_lease < self.lease:
            raise PoolError(f"the lease without statefile, {self.statefile_lease:g} s, is below the lease; raise it")

    @classmethod
    def derive(cls, target: float, kill: float = KILL) -> Timing:
        """The durations recommended for the target T and the kill time K, both in seconds.

        D is 0.85 T because a crash is noticed up to a turn late and needs one more turn: T >= D + c + 4 latencies.

        Raises:
            PoolError: T leaves a lease shorter than three turns of the statefile: hosts would die of any hiccup.
        """
        drop = 0.85 * target
        skew = SKEW * drop
        lease = drop - kill - 2 * skew
        cycle = target / 20
        if lease < 3 * cycle:
            least = kill / (0.85 * (1 - 2 * SKEW) - 3 / 20)
            raise PoolError(f"timeout {target:g} s leaves no room for a lease; use {least + 0.05:.1f} s or more")
        return cls(
            target=target,
            cycle=cycle,
            heartbeat=target / 20,
            link=0.4 * target,
            settle=0.075 * target,
            drop=drop,
            stranger=drop + kill + 2 * skew,
            kill=kill,
            skew=skew,
            lease=lease,
            statefile_lease=drop,
            # A joiner waits at most one silence of a dead predecessor, for a stranger's time, and four turns. The floor
            # is for pools whose processes take seconds to start on a busy machine: hosts started first must not have
            # given up by then.
            join=max(10.0, 2 * (drop + kill + 2 * skew + 8 * cycle)),
        )
