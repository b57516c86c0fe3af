"""What a supervisor does when every process of its host is dead: it says so, by message and on the statefile.

It runs in the supervisor's process, which outlives the host. The message goes first: it takes a millisecond, and a
statefile that hangs must not hold it up.
"""

from __future__ import annotations

import socket

from hosts.daemon.heartbeat import Heartbeat, Kind, encode
from hosts.daemon.settings import Settings
from hosts.daemon.statefile import write_obituary


def publish_obituary(settings: Settings, incarnation: int) -> None:
    """Tell all daemons of the pool that this incarnation of the host's daemon, and all else of the host, is dead.

    Arguments:
        settings: those of the daemon that died.
        incarnation: the one that held the lease.

    Raises:
        PoolError: the secret cannot be read, or the statefile cannot be written; the survivors then wait for D.
    """
    dead = Heartbeat(host=settings.me, incarnation=incarnation, kind=Kind.OBITUARY)
    datagram = encode(dead, settings.identity, settings.key())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for peer, address in enumerate(settings.addresses):
            if peer != settings.me:
                _send(sender, datagram, address)
    write_obituary(settings.statefile, settings.me, incarnation)


def _send(sender: socket.socket, datagram: bytes, address: tuple[str, int]) -> None:
    try:
        sender.sendto(datagram, address)
    except OSError:
        return  # that peer reads it from the statefile
