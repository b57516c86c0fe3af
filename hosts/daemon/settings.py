"""What a daemon is told when it is started: its place in the pool, the channels, the times. JSON, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from attrs import field, frozen

from hosts.daemon.layout import Identity
from hosts.daemon.timing import KILL, Timing
from hosts.errors import PoolError
from hosts.secret import read_secret

SOCKET = "daemon.sock"
JOURNAL = "daemon.journal"
INCARNATION = "incarnation.json"
Address = tuple[str, int]


@frozen(kw_only=True)
class Settings:
    """One daemon of a pool.

    Arguments:
        me: index of its host.
        pool, generation, hosts: see `Identity`; all daemons of a pool are given the same.
        addresses: (IP address, UDP port) of each host, in the order of `hosts`; this daemon binds its own.
        statefile: the shared statefile.
        secret: the file with the pool's secret.
        directory: of this host, for socket and journal.
        target: T in seconds; kill: K in seconds.

    Raises:
        PoolError: the numbers do not fit together.
    """

    me: int
    pool: UUID
    generation: UUID
    hosts: tuple[UUID, ...] = field(converter=tuple[UUID, ...])
    addresses: tuple[Address, ...] = field(converter=tuple[Address, ...])
    statefile: Path = field(converter=Path)
    secret: Path = field(converter=Path)
    directory: Path = field(converter=Path)
    target: float
    kill: float = KILL

    def __attrs_post_init__(self) -> None:
        if len(self.addresses) != len(self.hosts) or not 0 <= self.me < len(self.hosts):
            raise PoolError(
                f"daemon settings: host {self.me} of {len(self.hosts)} hosts with {len(self.addresses)} addresses;"
                " give one address for each host"
            )

    @property
    def identity(self) -> Identity:
        """Pool, generation and hosts."""
        return Identity(self.pool, self.generation, self.hosts)

    @property
    def timing(self) -> Timing:
        """The durations for T and K. Raises PoolError when T is too short."""
        return Timing.derive(self.target, self.kill)

    def key(self) -> bytes:
        """The pool's secret, which seals heartbeats. Raises PoolError when it cannot be read."""
        return bytes.fromhex(read_secret(self.secret))

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values, the inverse of `settings_of`."""
        return {
            "me": self.me,
            "pool": str(self.pool),
            "generation": str(self.generation),
            "hosts": [str(host) for host in self.hosts],
            "addresses": [list(address) for address in self.addresses],
            "statefile": str(self.statefile),
            "secret": str(self.secret),
            "directory": str(self.directory),
            "target": self.target,
            "kill": self.kill,
        }


def settings_of(arguments: Mapping[str, Any]) -> Settings:
    """The settings in JSON values.

    Raises:
        PoolError: something is missing or is not what it should be.
    """
    try:
        return Settings(
            me=int(arguments["me"]),
            pool=UUID(arguments["pool"]),
            generation=UUID(arguments["generation"]),
            hosts=tuple(UUID(host) for host in arguments["hosts"]),
            addresses=tuple((str(address), int(port)) for address, port in arguments["addresses"]),
            statefile=Path(arguments["statefile"]),
            secret=Path(arguments["secret"]),
            directory=Path(arguments["directory"]),
            target=float(arguments["target"]),
            kill=float(arguments["kill"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PoolError(f"daemon settings cannot be read: {type(error).__name__}: {error}") from None
