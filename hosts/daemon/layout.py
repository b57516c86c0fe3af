"""The statefile byte by byte: xhad's layout, and the sectors of ours that hosts trust.

One global section of 4096 bytes, then 64 host elements of 4096 bytes (host i at 4096 * (1 + i)), little endian, packed
to 4 bytes. Within the global section:

    0            512    xhad's global section, written for its tools; no host of ours believes it
    512          512    whose file it is and in which format (`mirror.py`); never changes once the file is made

Within a host element:

    offset       bytes  what
    0            1024   xhad's host element (632 used), written for its tools; no host of ours believes it
    1024 + 512k  512    our record, k = incarnation mod 3
    2560         512    obituary, written by the supervisor once everything of an incarnation has died
    3072 + 512k  512    notice, k = its number mod 2, written by the operator's commands of that host

Rules. A sector of ours is self-contained: magic, version, owner, generation and a CRC over all 512 bytes, so a torn,
misplaced or foreign sector is recognised and counts as no record. A sector is written by its host alone, and by one
writer at a time: a new incarnation of a daemon writes another sector than the one before, and a new notice another
than the last, so a late write of the old one cannot hide the new one.

What all hosts share has no sector. Generation, pool state and master mark are versioned words in every record and
notice, and readers take the greatest (`in_force.py`): nobody's late write can take one back. A word that all write into
one place is whatever was written last; a daemon that died or left with a write under way would decide what it is.

What it leaves out: xhad's fields (`mirror.py`), reading and writing (`statefile.py`), and what any of it means
(`evidence.py`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from enum import IntEnum
from hashlib import blake2b
from struct import Struct
from uuid import UUID

from attrs import field, frozen

SECTOR = 512
SECTION = 4096
MAX_HOSTS = 64
FILE_SIZE = SECTION * (1 + MAX_HOSTS)
RECORDS = 3
RECORD_AT = 1024
OBITUARY_AT = 2560
NOTICES = 2
NOTICE_AT = 3072
VERSION = 2

# magic, version, sector kind, owner, crc, incarnation, number and uuid of the generation, digest of pool and hosts
_HEAD = Struct("<IHBBIII16s8s")
_RECORD = Struct("<Q6BHQQQQQQ64I")
_NOTICE = Struct("<IBB")
_MAGIC = 0x31535653  # "SVS1"
_RECORD_KIND, _OBITUARY_KIND, _NOTICE_KIND = 1, 2, 3
_NOBODY = 255


class PoolState(IntEnum):
    """State of the pool's HA as xhad numbers it; the greatest on the statefile is in force."""

    NONE = 0
    INIT = 1
    ACTIVE = 2
    INVALID = 3


class Phase(IntEnum):
    """What a record says about its writer."""

    JOINING = 1
    LIVE = 2
    BYE = 3


@frozen(order=True)
class MarkWord:
    """Who took the master lock last; host None before anybody did.

    The version is the number of the request that was granted. Requests are numbered above all that their host has seen,
    and whoever takes the lock has seen the request of the holder before it, which every member granted. So of two marks
    the later holder's is the greater, even if the other reached the disk after its host was dropped.
    """

    version: int = 0
    host: int | None = field(default=None, order=lambda host: -1 if host is None else host)


@frozen
class Identity:
    """Which pool a statefile or heartbeat belongs to.

    Arguments:
        pool: the pool.
        generation: this enabling of HA; a new one makes every older record a stranger's.
        hosts: the configured hosts, 1 to 64; a host's index is its place here.
    """

    pool: UUID
    generation: UUID
    hosts: tuple[UUID, ...] = field()

    @hosts.validator
    def _count(self, _: object, hosts: tuple[UUID, ...]) -> None:
        if not 1 <= len(hosts) <= MAX_HOSTS or len(set(hosts)) != len(hosts):
            raise ValueError(f"a pool has 1 to {MAX_HOSTS} different hosts, not {len(hosts)}")

    @property
    def tag(self) -> bytes:
        """Eight bytes that name pool and hosts in every sector."""
        return blake2b(b"".join((self.pool.bytes, *(host.bytes for host in self.hosts))), digest_size=8).digest()


@frozen
class Generation:
    """One enabling of HA, as sectors name it.

    Arguments:
        number: 1, 2, ... of this statefile.
        uuid: tells two of the same number apart, which two hosts that enable at once can make.
        tag: of pool and hosts.
    """

    number: int
    uuid: UUID
    tag: bytes

    def serves(self, identity: Identity) -> bool:
        """Whether this is the generation of that pool, with those hosts."""
        return self.uuid == identity.generation and self.tag == identity.tag


NO_GENERATION = Generation(0, UUID(int=0), bytes(8))


@frozen(kw_only=True)
class Record:
    """What one incarnation of a host's daemon says of itself.

    Arguments:
        incarnation: 1, 2, ... of that host; each start of its daemon takes the next.
        sequence: grows with each write; that it grows is the sign of life.
        phase: joining, live, or the goodbye.
        live: its liveset (of a joiner: the liveset that it hopes to enter).
        heard: the hosts it exchanges heartbeats with, both ways.
        stay: the verdict that it publishes or obeys: the hosts that may stay.
        listed: incarnation of each member of `live` that it means.
        request: number of its request for the master lock, 0 for none.
        grant: the host and request number that it grants the lock to.
        excluded: the host is excluded from the pool until it has joined again.
        pool, mark: the greatest pool state and mark known to it.
    """

    incarnation: int
    sequence: int
    phase: Phase
    live: frozenset[int] = frozenset()
    heard: frozenset[int] = frozenset()
    stay: frozenset[int] = frozenset()
    listed: Mapping[int, int] = field(factory=dict)
    request: int = 0
    grant: tuple[int, int] | None = None
    excluded: bool = False
    pool: PoolState = PoolState.NONE
    mark: MarkWord = MarkWord()


@frozen(kw_only=True)
class Notice:
    """What an operator's command wrote for a host whose daemon does not run.

    Arguments:
        number: 1, 2, ... of that host; the newest one tells whether the host is excluded.
        incarnation: the newest incarnation of that host when it was written; a later one overrules `excluded`.
        excluded: the host is excluded.
        pool: the pool state, as in a record.
    """

    number: int
    incarnation: int
    excluded: bool
    pool: PoolState = PoolState.NONE


class Damaged(Exception):
    """A sector that is neither empty nor whole."""


def bitmap(hosts: Iterable[int]) -> int:
    """The 64-bit set of hosts as xhad writes it: bit i is host i."""
    return sum(1 << host for host in hosts)


def hosts_of(bits: int) -> frozenset[int]:
    """The hosts of a 64-bit set."""
    return frozenset(host for host in range(MAX_HOSTS) if bits >> host & 1)


def _sealed(kind: int, owner: int, incarnation: int, of: Generation, body: bytes) -> bytes:
    """A sector of ours: head and body padded with zeros, with the CRC of all of it."""
    head = _HEAD.pack(_MAGIC, VERSION, kind, owner, 0, incarnation, of.number, of.uuid.bytes, of.tag)
    plain = (head + body).ljust(SECTOR, b"\0")
    return plain[:8] + zlib.crc32(plain).to_bytes(4, "little") + plain[12:]


def _opened(sector: bytes, kind: int, owner: int) -> tuple[int, Generation, bytes] | None:
    """Incarnation, generation and body of a sector; None when it is empty.

    Raises:
        Damaged: torn, misplaced, of another version or overwritten by something else.
    """
    if not any(sector):
        return None
    magic, version, found, writer, crc, incarnation, number, uuid, tag = _HEAD.unpack_from(sector)
    if zlib.crc32(sector[:8] + bytes(4) + sector[12:]) != crc:
        raise Damaged("checksum")
    if (magic, version, found, writer) != (_MAGIC, VERSION, kind, owner):
        raise Damaged("not a sector of this place and version")
    return incarnation, Generation(number, UUID(bytes=uuid), tag), sector[_HEAD.size :]


def pack_record(owner: int, of: Generation, record: Record) -> bytes:
    """The 512 bytes of a record."""
    grantee, number = (_NOBODY, 0) if record.grant is None else record.grant
    holder = _NOBODY if record.mark.host is None else record.mark.host
    body = _RECORD.pack(
        record.sequence, record.phase, record.excluded, record.pool, grantee, holder, 0, 0,
        bitmap(record.live), bitmap(record.heard), bitmap(record.stay), record.request, number, record.mark.version,
        *(record.listed.get(host, 0) for host in range(MAX_HOSTS)),
    )  # fmt: skip
    return _sealed(_RECORD_KIND, owner, record.incarnation, of, body)


def unpack_record(owner: int, sector: bytes) -> tuple[Generation, Record] | None:
    """The generation and record of a sector of `owner`; None when it is empty.

    Raises:
        Damaged: the sector cannot be believed.
    """
    opened = _opened(sector, _RECORD_KIND, owner)
    if opened is None:
        return None
    incarnation, of, body = opened
    (sequence, phase, excluded, state, grantee, holder, _, _, live, heard, stay, request, number,
     mark_version, *listed) = _RECORD.unpack_from(body)  # fmt: skip
    try:
        record = Record(
            incarnation=incarnation,
            sequence=sequence,
            phase=Phase(phase),
            live=hosts_of(live),
            heard=hosts_of(heard),
            stay=hosts_of(stay),
            listed={host: number for host, number in enumerate(listed) if number},
            request=request,
            grant=None if grantee == _NOBODY else (grantee, number),
            excluded=bool(excluded),
            pool=PoolState(state),
            mark=MarkWord(mark_version, None if holder == _NOBODY else holder),
        )
    except ValueError as error:
        raise Damaged(str(error)) from None
    return of, record


def pack_obituary(owner: int, incarnation: int) -> bytes:
    """The 512 bytes that say: everything of this incarnation of `owner`, and of those before, is dead."""
    return _sealed(_OBITUARY_KIND, owner, incarnation, NO_GENERATION, b"")


def unpack_obituary(owner: int, sector: bytes) -> int:
    """The incarnation that an obituary buries, 0 when there is none.

    Raises:
        Damaged: the sector cannot be believed.
    """
    opened = _opened(sector, _OBITUARY_KIND, owner)
    return 0 if opened is None else opened[0]


def pack_notice(owner: int, of: Generation, notice: Notice) -> bytes:
    """The 512 bytes of a notice."""
    body = _NOTICE.pack(notice.number, notice.pool, notice.excluded)
    return _sealed(_NOTICE_KIND, owner, notice.incarnation, of, body)


def unpack_notice(owner: int, sector: bytes) -> tuple[Generation, Notice] | None:
    """The generation and notice of a sector of `owner`; None when it is empty.

    Raises:
        Damaged: the sector cannot be believed.
    """
    opened = _opened(sector, _NOTICE_KIND, owner)
    if opened is None:
        return None
    incarnation, of, body = opened
    number, state, excluded = _NOTICE.unpack_from(body)
    try:
        return of, Notice(number=number, incarnation=incarnation, excluded=bool(excluded), pool=PoolState(state))
    except ValueError as error:
        raise Damaged(str(error)) from None
