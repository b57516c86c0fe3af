"""xhad's part of the statefile: its global section and host elements, written so that its tools show our pool.

Facts of the layout (xenserver/xha, release f655242): little endian, packed to 4 bytes, a checksum that adds up the
32-bit words between the header and the end marker, sequence numbers as signs of life. Besides xhad's 104 bytes the
global sector holds our own identity block at 128: pool, generation and the configured hosts, so that a file of
another pool is told from ours before anything is written.

What it leaves out: believing any of it. Hosts of ours read only the identity from here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from hashlib import blake2b
from struct import Struct
from uuid import UUID

from attrs import frozen

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
_IDENTITY_AT = 128
# magic, version, crc, pool, generation, digest of the hosts
_IDENTITY = Struct("<IHHI16s16s16s")
_IDENTITY_MAGIC = 0x31495653  # "SVI1"
_NOBODY = b"0" * 32
_STARTING, _STARTED = 0, 1


@frozen
class Label:
    """Whose statefile it is: pool, generation, a digest of the configured hosts; and the pool state it shows."""

    pool: UUID
    generation: UUID
    hosts: bytes
    state: PoolState

    def matches(self, identity: Identity) -> bool:
        """Whether the file belongs to this pool and to this enabling of HA."""
        return self == label_of(identity, self.state)


def _digest(hosts: Iterable[UUID]) -> bytes:
    return blake2b(b"".join(host.bytes for host in hosts), digest_size=16).digest()


def label_of(identity: Identity, state: PoolState) -> Label:
    """The label that a file of `identity` bears."""
    return Label(identity.pool, identity.generation, _digest(identity.hosts), state)


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
    """The 512 bytes of the global section: what xhad's tools read, and our identity block."""
    holder = _NOBODY if mark.host is None else _text(identity.hosts[mark.host])
    plain = _GLOBAL.pack(
        0, 0, 0, _VERSION, SECTION, SECTION, MAX_HOSTS,
        _text(identity.generation), state, holder, len(identity.hosts), _GLOBAL_END,
    )  # fmt: skip
    block = _IDENTITY.pack(
        _IDENTITY_MAGIC, VERSION, 0, 0, identity.pool.bytes, identity.generation.bytes, _digest(identity.hosts)
    )
    sealed = block[:8] + zlib.crc32(block).to_bytes(4, "little") + block[12:]
    section = _signed(plain, _GLOBAL_MAGIC, 12, 100).ljust(_IDENTITY_AT, b"\0") + sealed
    return section.ljust(SECTOR, b"\0")


def unpack_global(section: bytes) -> Label | None:
    """The label of a statefile; None when the section is empty.

    Raises:
        Damaged: it is neither empty nor a section that `pack_global` wrote.
    """
    if not any(section):
        return None
    magic, inverse, checksum, version, *_, state, _, _, end = _GLOBAL.unpack_from(section)
    if (magic, inverse, end) != (_GLOBAL_MAGIC, (~_GLOBAL_MAGIC >> 3) & 0xFFFFFFFF, _GLOBAL_END):
        raise Damaged("it does not begin like a statefile")
    if checksum != _sum(section, 12, 100):
        raise Damaged("wrong checksum of the global section")
    if version != _VERSION:
        raise Damaged(f"version {version} instead of {_VERSION}")
    block = section[_IDENTITY_AT : _IDENTITY_AT + _IDENTITY.size]
    mark, ours, _, crc, pool, generation, hosts = _IDENTITY.unpack(block)
    if (mark, ours) != (_IDENTITY_MAGIC, VERSION) or crc != zlib.crc32(block[:8] + bytes(4) + block[12:]):
        raise Damaged("no identity block of this version: a file of another program")
    try:
        return Label(UUID(bytes=pool), UUID(bytes=generation), hosts, PoolState(state))
    except ValueError as error:
        raise Damaged(str(error)) from None


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
