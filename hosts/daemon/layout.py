"""The statefile byte by byte: xhad's layout, and the sectors of ours that hosts trust.

One global section of 4096 bytes, then 64 host elements of 4096 bytes (host i at 4096 * (1 + i)), little endian, packed
to 4 bytes. Within a host element:

    offset       bytes  what
    0            1024   xhad's host element (632 used), written for its tools; no host of ours believes it
    1024 + 512k  512    our record, k = incarnation mod 4
    3072         512    obituary, written by the supervisor once everything of an incarnation has died
    3584         512    notice, written by the operator's commands while no daemon runs on that host

Rules. A sector of ours is self-contained: magic, version, owner, generation and a CRC over all 512 bytes, so a torn,
misplaced or foreign sector is recognised and counts as no record. A new incarnation of a daemon writes another sector
than the one before, so a late write of the old one cannot hide the new one; readers take the highest incarnation.
Within one generation the pool state goes only forward (init, active, invalid) and the master mark carries a version:
the greatest anywhere wins, so nobody's late write can take either back. The global section shows both to xhad's tools
and is never believed alone.

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
RECORDS = 4
RECORD_AT = 1024
OBITUARY_AT = 3072
NOTICE_AT = 3584
VERSION = 1

# magic, version, sector kind, owner, crc, incarnation, tag of the generation
_HEAD = Struct("<IHBBII8s")
_RECORD = Struct("<Q6BHQQQQQI64I")
_NOTICE = Struct("<BB")
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
    """Who took the master lock last, with its version; host None before anybody did."""

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
        """Eight bytes that name pool and generation in every sector."""
        return tag_of(self.pool, self.generation)


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
        incarnation: the newest incarnation of that host when it was written; a later one overrules `excluded`.
        excluded: the host is excluded.
        pool: the pool state, as in a record.
    """

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


def tag_of(pool: UUID, generation: UUID) -> bytes:
    """Eight bytes that name a pool and its generation."""
    return blake2b(pool.bytes + generation.bytes, digest_size=8).digest()


def _sealed(kind: int, owner: int, incarnation: int, tag: bytes, body: bytes) -> bytes:
    """A sector of ours: head and body padded with zeros, with the CRC of all of it."""
    plain = (_HEAD.pack(_MAGIC, VERSION, kind, owner, 0, incarnation, tag) + body).ljust(SECTOR, b"\0")
    return plain[:8] + zlib.crc32(plain).to_bytes(4, "little") + plain[12:]


def _opened(sector: bytes, kind: int, owner: int) -> tuple[int, bytes, bytes] | None:
    """Incarnation, tag and body of a sector; None when it is empty.

    Raises:
        Damaged: torn, misplaced, of another version or overwritten by something else.
    """
    if not any(sector):
        return None
    magic, version, found, writer, crc, incarnation, tag = _HEAD.unpack_from(sector)
    if zlib.crc32(sector[:8] + bytes(4) + sector[12:]) != crc:
        raise Damaged("checksum")
    if (magic, version, found, writer) != (_MAGIC, VERSION, kind, owner):
        raise Damaged("not a sector of this place and version")
    return incarnation, tag, sector[_HEAD.size :]


def pack_record(owner: int, tag: bytes, record: Record) -> bytes:
    """The 512 bytes of a record."""
    grantee, number = (_NOBODY, 0) if record.grant is None else record.grant
    holder = _NOBODY if record.mark.host is None else record.mark.host
    body = _RECORD.pack(
        record.sequence, record.phase, record.excluded, record.pool, grantee, holder, 0, 0,
        bitmap(record.live), bitmap(record.heard), bitmap(record.stay), record.request, number, record.mark.version,
        *(record.listed.get(host, 0) for host in range(MAX_HOSTS)),
    )  # fmt: skip
    return _sealed(_RECORD_KIND, owner, record.incarnation, tag, body)


def unpack_record(owner: int, sector: bytes) -> tuple[bytes, Record] | None:
    """The tag and record of a sector of `owner`; None when it is empty.

    Raises:
        Damaged: the sector cannot be believed.
    """
    opened = _opened(sector, _RECORD_KIND, owner)
    if opened is None:
        return None
    incarnation, tag, body = opened
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
    return tag, record


def pack_obituary(owner: int, tag: bytes, incarnation: int) -> bytes:
    """The 512 bytes that say: everything of this incarnation of `owner`, and of those before, is dead."""
    return _sealed(_OBITUARY_KIND, owner, incarnation, tag, b"")


def unpack_obituary(owner: int, sector: bytes) -> int:
    """The incarnation that an obituary buries, 0 when there is none.

    Raises:
        Damaged: the sector cannot be believed.
    """
    opened = _opened(sector, _OBITUARY_KIND, owner)
    return 0 if opened is None else opened[0]


def pack_notice(owner: int, tag: bytes, notice: Notice) -> bytes:
    """The 512 bytes of a notice."""
    body = _NOTICE.pack(notice.pool, notice.excluded)
    return _sealed(_NOTICE_KIND, owner, notice.incarnation, tag, body)


def unpack_notice(owner: int, sector: bytes) -> tuple[bytes, Notice] | None:
    """The tag and notice of a sector of `owner`; None when it is empty.

    Raises:
        Damaged: the sector cannot be believed.
    """
    opened = _opened(sector, _NOTICE_KIND, owner)
    if opened is None:
        return None
    incarnation, tag, body = opened
    state, excluded = _NOTICE.unpack_from(body)
    try:
        return tag, Notice(incarnation=incarnation, excluded=bool(excluded), pool=PoolState(state))
    except ValueError as error:
        raise Damaged(str(error)) from None
