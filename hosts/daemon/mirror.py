"""The parts of the statefile that are about the file: xhad's fields, for its tools, and whose file it is.

Facts of xhad's layout (xenserver/xha, release f655242): little endian, packed to 4 bytes, a checksum that adds up the
32-bit words between the header and the end marker, sequence numbers as signs of life. Any daemon may write its global
section at any time, so that a late write can leave anything there: it is a mirror of words that are in force elsewhere,
and is never read.

The second sector names the pool and the version of the format. It is written once, before anything else, so that a file
of another pool, of an older program, or of something else is told from ours before a byte is written.

What it leaves out: believing any of xhad's fields.
"""

from __future__ import annotations

import zlib
from struct import Struct
from uuid import UUID

from hosts.daemon.layout import (
    MAX_HOSTS,
    SECTION,
    SECTOR,
    VERSION,
    Damaged,
    Identity,
    MarkWord,
    Phase,
    PoolState,
    Record,
    bitmap,
)

ELEMENT = 1024
"""Bytes that xhad writes of a host element (632 used)."""

_VERSION = 2
_GLOBAL_MAGIC, _GLOBAL_END = 0x6C6F6F70, 0x70646E65
_HOST_MAGIC, _HOST_END = 0x74736F68, 0x68646E65
_GLOBAL = Struct("<7I32sI32sII")
_HOST = Struct("<5I32sII64i64iiQQQQIQIII")
# magic, version, crc, pool
_OWNER = Struct("<IHHI16s")
_OWNER_MAGIC = 0x31495653  # "SVI1"
_FORMAT_1_AT = 128
"""Where format 1 had its own identity, in the first sector."""
_NOBODY = b"0" * 32
_STARTING, _STARTED = 0, 1


class OtherFormat(Damaged):
    """A statefile of ours in another version of the format."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"a statefile of format {version}, and this program reads format {VERSION}; disable HA with the program"
            " that made it, move the file away and enable HA again"
        )


def _text(uuid: UUID) -> bytes:
    return uuid.hex.encode()


def _sum(packed: bytes, start: int, end: int) -> int:
    words = (int.from_bytes(packed[at : at + 4], "little") for at in range(start, end, 4))
    return sum(words) & 0xFFFFFFFF


def _signed(packed: bytes, magic: int, start: int, end: int) -> bytes:
    inverse = (~magic >> 3) & 0xFFFFFFFF
    head = b"".join(word.to_bytes(4, "little") for word in (magic, inverse, _sum(packed, start, end)))
    return head + packed[12:]


def pack_global(identity: Identity, state: PoolState, mark: MarkWord) -> bytes:
    """The 512 bytes of xhad's global section."""
    holder = _NOBODY if mark.host is None else _text(identity.hosts[mark.host])
    plain = _GLOBAL.pack(
        0, 0, 0, _VERSION, SECTION, SECTION, MAX_HOSTS,
        _text(identity.generation), state, holder, len(identity.hosts), _GLOBAL_END,
    )  # fmt: skip
    return _signed(plain, _GLOBAL_MAGIC, 12, 100).ljust(SECTOR, b"\0")


def pack_owner(pool: UUID) -> bytes:
    """The 512 bytes that say whose file it is."""
    block = _OWNER.pack(_OWNER_MAGIC, VERSION, 0, 0, pool.bytes)
    return (block[:8] + zlib.crc32(block).to_bytes(4, "little") + block[12:]).ljust(SECTOR, b"\0")


def unpack_owner(first: bytes) -> UUID | None:
    """The pool whose statefile begins with these two sectors; None when they are empty.

    Raises:
        OtherFormat: it is a statefile, of another version.
        Damaged: they are neither empty nor what `pack_owner` wrote.
    """
    if not any(first):
        return None
    sector = first[SECTOR:]
    magic, version, _, _, pool = _OWNER.unpack_from(sector)
    if magic != _OWNER_MAGIC:
        magic, version, *_ = _OWNER.unpack_from(first, _FORMAT_1_AT)
        if magic == _OWNER_MAGIC:
            raise OtherFormat(version)
        raise Damaged("it does not begin like a statefile")
    if version != VERSION:
        raise OtherFormat(version)
    if sector != pack_owner(UUID(bytes=pool)):
        raise Damaged("wrong checksum of the sector that names the pool")
    return UUID(bytes=pool)


def pack_element(identity: Identity, owner: int, record: Record, fresh: frozenset[int]) -> bytes:
    """The 1024 bytes of xhad's host element for `owner`.

    Arguments:
        record: what its daemon says.
        fresh: hosts whose records it sees change (xhad's sfdomain).
    """
    starting = record.phase is Phase.JOINING
    grant = 0 if record.grant is None else bitmap({record.grant[0]})
    unknown = [-1] * MAX_HOSTS
    plain = _HOST.pack(
        0, 0, 0, record.sequence & 0xFFFFFFFF, owner, _text(identity.hosts[owner]), record.excluded, starting,
        *unknown, *unknown, -1,
        bitmap(record.live), bitmap(record.stay), bitmap(record.heard), bitmap(fresh),
        record.request != 0, grant, _STARTING if starting else _STARTED, 1, _HOST_END,
    )  # fmt: skip
    return _signed(plain, _HOST_MAGIC, 12, 628).ljust(ELEMENT, b"\0")
