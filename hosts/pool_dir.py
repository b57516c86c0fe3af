"""A pool on disk: where everything of it lies, and who it is.

    <pool>/pool.json              name, T, hosts with their addresses and memory, VMs; written once
    <pool>/shared/statefile       pool state, heartbeats, mark (hosts/daemon)
    <pool>/shared/redo.log        the pool database (hosts/redo_log)
    <pool>/shared/secret          whoever can read it commands the pool
    <pool>/shared/disks/VM.disk   one for each VM
    <pool>/hosts/HOST/            everything that one host keeps for itself: variables, term, journals, sockets

Its rules: a pool is made in a directory that is empty or missing, and nothing that is there is ever overwritten;
`pool.json` is written last, so a pool that was half made is none. The agents' addresses and the daemons' are ports of
the loopback address that were free when the pool was made.

What is left out: hosts on several machines (there each has `shared` mounted, and addresses of its own), and changing
hosts or VMs of a pool that is made.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from attrs import asdict, field, frozen
from attrs.validators import and_, ge, gt, le, matches_re, min_len
from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError, transform_error

from hosts.agent.host_store import JsonHostStore
from hosts.daemon.layout import SECTION, Identity
from hosts.daemon.settings import JOURNAL as DAEMON_JOURNAL
from hosts.daemon.settings import SOCKET, Settings
from hosts.daemon.settings import Address as UdpAddress
from hosts.daemon.statefile import create_statefile, read_generation
from hosts.daemon.timing import Timing
from hosts.database import Database, DatabaseStore, Host, Pool, Vm
from hosts.errors import PoolError
from hosts.pool_file import NAME, HostEntry, PoolFile, Priority, VmEntry
from hosts.redo_log import RedoLog
from hosts.rpc import Address
from hosts.secret import create_secret
from hosts.supervisor.config import CONTROL_SOCKET, INIT_SOCKET, socket_path

FORMAT = 1
"""Version of `pool.json`; another one is refused."""

LOG_BYTES = 256 * 1024
_ROOM = 8
"""Times the first database that its redo log holds, if that is more: two halves, variables, and changes in between."""
FIRST_TERM = 1
_LOOPBACK = "127.0.0.1"


@frozen
class HostPlace:
    """A host of the pool as `pool.json` has it: its uuid, and the ports of its agent (TCP) and its daemon (UDP)."""

    name: str = field(validator=matches_re(NAME))
    memory: int = field(validator=gt(0))
    uuid: str
    agent: int = field(validator=and_(ge(1), le(65535)))
    daemon: int = field(validator=and_(ge(1), le(65535)))


@frozen
class _Record:
    """`pool.json` as it is written."""

    format: int
    uuid: str
    name: str
    timeout: float
    hosts: tuple[HostPlace, ...] = field(validator=min_len(1))
    vms: tuple[VmEntry, ...]
    default_restart_priority: Priority = "restart"


@frozen
class PoolDir:
    """A pool on disk. Get one from `create` or `open`.

    Arguments:
        path: absolute, of its directory.
        uuid, name: who it is.
        timeout: T in seconds.
        hosts, vms: in the order of their indices.
        default_restart_priority: of VMs that were described without one of their own.
    """

    path: Path
    uuid: UUID
    name: str
    timeout: float
    hosts: tuple[HostPlace, ...]
    vms: tuple[VmEntry, ...]
    default_restart_priority: Priority = "restart"

    @classmethod
    def create(cls, path: Path, file: PoolFile, timeout: float) -> PoolDir:
        """Make a pool with HA off and host 0 as master.

        Arguments:
            path: a directory that is empty or does not exist.
            file: its hosts and VMs.
            timeout: T in seconds.
        Errors: `PoolError` for a directory that holds anything or cannot be written, a T that is too short, and paths
            that are too long for sockets; nothing was overwritten.
        """
        Timing.derive(timeout)
        path = path.absolute()
        pool = cls(path, uuid4(), file.name, timeout, _places(file), file.vms, file.default_restart_priority)
        for index in range(len(pool.hosts)):
            for name in (CONTROL_SOCKET, INIT_SOCKET, SOCKET):
                socket_path(pool.host_dir(index) / name)
        _claim(path)
        with _told(path):
            pool._fill()
        return pool

    @classmethod
    def open(cls, path: Path) -> PoolDir:
        """The pool in a directory. Errors: `PoolError` where there is none that can be read."""
        path = path.absolute()
        place = path / "pool.json"
        try:
            said = json.loads(place.read_bytes())
        except FileNotFoundError:
            inside = path / "pool"  # what a demo keeps is the pool and whatever lies beside it
            remedy = f"did you mean {inside}?" if (inside / place.name).exists() else "name the directory of one"
            raise PoolError(f"{place}: there is no pool here; {remedy}") from None
        except OSError as error:
            raise PoolError(f"{place}: cannot be read: {error.strerror}; make it readable") from None
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise PoolError(f"{place}: this describes no pool in format {FORMAT}; restore it from a copy")
        try:
            record = Converter(forbid_extra_keys=True).structure(said, _Record)
            Timing.derive(record.timeout)
            default = record.default_restart_priority
            return cls(path, UUID(record.uuid), record.name, record.timeout, record.hosts, record.vms, default)
        except BaseValidationError as error:
            reason = transform_error(error, format_exception=_said)[0]
            raise PoolError(f"{place}: {reason}; restore it from a copy") from None
        except ValueError as error:
            raise PoolError(f"{place}: {error}; restore it from a copy") from None

    @property
    def file(self) -> PoolFile:
        """Its hosts and VMs as a pool file describes them."""
        hosts = tuple(HostEntry(host.name, host.memory) for host in self.hosts)
        return PoolFile(self.name, hosts, self.vms, self.default_restart_priority)

    @property
    def statefile(self) -> Path:
        """The shared statefile."""
        return self.path / "shared" / "statefile"

    @property
    def redo_log(self) -> Path:
        """The redo log of the pool database."""
        return self.path / "shared" / "redo.log"

    @property
    def secret(self) -> Path:
        """The file with the pool's secret."""
        return self.path / "shared" / "secret"

    def disk(self, vm: str) -> Path:
        """The disk of a VM."""
        return self.path / "shared" / "disks" / f"{vm}.disk"

    def host_dir(self, index: int) -> Path:
        """The directory of a host."""
        return self.path / "hosts" / self.hosts[index].name

    def agent_journal(self, index: int) -> Path:
        """The journal of a host's agent."""
        return self.host_dir(index) / "agent.journal"

    def daemon_journal(self, index: int) -> Path:
        """The journal of a host's daemon."""
        return self.host_dir(index) / DAEMON_JOURNAL

    def obituaries(self, index: int) -> Path:
        """The deaths of a host, as its supervisors saw them: one JSON object a line."""
        return self.host_dir(index) / "obituaries"

    def address(self, index: int) -> Address:
        """Where the agent of a host answers."""
        return Address(_LOOPBACK, self.hosts[index].agent)

    def identity(self, generation: UUID) -> Identity:
        """The pool as its statefile names it, with HA enabled for the time `generation`."""
        return Identity(self.uuid, generation, tuple(UUID(host.uuid) for host in self.hosts))

    def settings(self, index: int, generation: UUID | None = None) -> Settings:
        """What the daemon of a host is started with.

        Arguments:
            index: of the host.
            generation: of HA's being enabled; None for the one that the statefile bears now.
        Errors: `StatefileError` when the statefile cannot say; nothing is written.
        """
        identity = self.identity(generation or read_generation(self.statefile).uuid)
        addresses: tuple[UdpAddress, ...] = tuple((_LOOPBACK, host.daemon) for host in self.hosts)
        return Settings(
            me=index,
            pool=identity.pool,
            generation=identity.generation,
            hosts=identity.hosts,
            addresses=addresses,
            statefile=self.statefile,
            secret=self.secret,
            directory=self.host_dir(index),
            target=self.timeout,
        )

    def database(self) -> Database:
        """The first pool database: what `pool.json` says, and nothing that has happened since."""
        return Database(
            Pool(str(self.uuid), self.name, default_restart_priority=self.default_restart_priority),
            {
                index: Host(index, host.uuid, host.name, str(self.address(index)), host.memory)
                for index, host in enumerate(self.hosts)
            },
            {
                vm.name: Vm(str(uuid4()), vm.name, vm.memory, vm.restart_priority, vm.order, vm.start_delay)
                for vm in self.vms
            },
        )

    def _fill(self) -> None:
        self.disk("any").parent.mkdir(parents=True)
        for index in range(len(self.hosts)):
            self.host_dir(index).mkdir(parents=True)
            JsonHostStore(self.host_dir(index) / "host.json").commit({"role": 0, "armed": False, "reign": FIRST_TERM})
        create_secret(self.secret)
        create_statefile(self.statefile, self.identity(uuid4()), 0)
        database = self.database()
        size = max(LOG_BYTES, _ROOM * len(json.dumps(database.to_json())) // SECTION * SECTION)
        log = RedoLog.create(self.redo_log, str(self.uuid), size, len(self.hosts))
        try:
            DatabaseStore.start(log, FIRST_TERM, database)
        finally:
            log.close()
        default = self.default_restart_priority
        record = _Record(FORMAT, str(self.uuid), self.name, self.timeout, self.hosts, self.vms, default)
        (self.path / "pool.json").write_text(json.dumps(asdict(record), indent=1) + "\n")


def _said(error: BaseException, kind: type | None) -> str:
    """What is wrong with one field: attrs puts it first, behind it come its own objects."""
    if isinstance(error, ForbiddenExtraKeysError):
        return f"{min(error.extra_fields)!r} is no field of it"
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str([*error.args, error][0])


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """An OSError inside becomes one line that names the directory."""
    try:
        yield
    except OSError as error:
        raise PoolError(f"{path}: no pool can be made here: {error.strerror}; name a directory you can write") from None


def _claim(path: Path) -> None:
    """Make the directory, or see that it is empty."""
    with _told(path):
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise PoolError(f"{path}: something is there already; nothing was overwritten, name an empty directory")
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")


def _places(file: PoolFile) -> tuple[HostPlace, ...]:
    """The hosts with ports that are free; all are held until the last is found, so that they differ."""
    with ExitStack() as held:

        def free(kind: socket.SocketKind) -> int:
            found = held.enter_context(socket.socket(socket.AF_INET, kind))
            found.bind((_LOOPBACK, 0))
            return int(found.getsockname()[1])

        return tuple(
            HostPlace(host.name, host.memory, str(uuid4()), free(socket.SOCK_STREAM), free(socket.SOCK_DGRAM))
            for host in file.hosts
        )
