"""The bytes of the redo log: pure functions between values and sealed structures, nothing of files.

Every structure ends with, or holds, a CRC-32 over all its other bytes, so that one that was written in part,
or that a disk has spoiled, is told from a good one. Payloads are canonical JSON (sorted keys, no spaces): the
same database is the same bytes. Numbers are big-endian. A sector is 4 KiB, the largest that disks in use
write in one piece.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from attrs import frozen

SECTOR = 4096
VERSION = 3
"""Since 3 the term of a mark says which host has claimed it; a log of before could take one host's for another's."""

_IDENTITY = struct.Struct(">8sH16sQH")
_MARK = struct.Struct(">8sQQ16s")
_HEADER = struct.Struct(">8sQQI")
_RECORD = struct.Struct(">IQQQ")
_CRC = struct.Struct(">I")
_IDENTITY_MAGIC, _MARK_MAGIC, _HEADER_MAGIC = b"LSREDO\r\n", b"LSMARK\r\n", b"LSHALF\r\n"

RECORD_BYTES = _RECORD.size + _CRC.size
END = bytes(RECORD_BYTES)
"""What follows the last record, so that a clean end is told from a torn one."""


@frozen
class Identity:
    """Whose log this is: format version, pool, size of the whole log in bytes, how many hosts have marks in it."""

    version: int
    pool: UUID
    size: int
    hosts: int

    @property
    def halves(self) -> int:
        """Where the halves begin: behind this sector and the marks."""
        return (1 + 2 * self.hosts) * SECTOR

    @property
    def smallest(self) -> int:
        """Bytes of the smallest log for so many hosts."""
        return self.halves + 4 * SECTOR

    @property
    def half(self) -> int:
        """Bytes of one half, its header sector included: whole sectors."""
        return (self.size - self.halves) // (2 * SECTOR) * SECTOR


@frozen(order=True)
class Mark:
    """Who may write, and the newest half when that was written. The highest (term, sequence) counts."""

    term: int = 0
    sequence: int = 0
    writer: bytes = bytes(16)


@frozen
class Header:
    """A half is complete: its sequence, its term, and the bytes of the full database record in it."""

    sequence: int
    term: int
    length: int


@frozen
class Record:
    """A full database or a delta, under the sequence and term of its half, that led to `generation`."""

    sequence: int
    term: int
    generation: int
    payload: Mapping[str, object]


def canonical(value: Mapping[str, object]) -> bytes:
    """The one JSON text of a value; TypeError or ValueError when it has none (a set, a NaN, an object)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _seal(data: bytes) -> bytes:
    return data + _CRC.pack(zlib.crc32(data))


def _unseal(layout: struct.Struct, magic: bytes, data: bytes) -> tuple[Any, ...] | None:
    """The fields after the magic; None when the seal does not hold."""
    body, crc = data[: layout.size], data[layout.size : layout.size + _CRC.size]
    if len(crc) < _CRC.size or _CRC.unpack(crc)[0] != zlib.crc32(body) or not body.startswith(magic):
        return None
    return layout.unpack(body)[1:]


def pack_identity(identity: Identity) -> bytes:
    """The sealed first sector's bytes."""
    return _seal(_IDENTITY.pack(_IDENTITY_MAGIC, identity.version, identity.pool.bytes, identity.size, identity.hosts))


def unpack_identity(data: bytes) -> Identity | None:
    """The identity in a sector; None when its seal does not hold."""
    fields = _unseal(_IDENTITY, _IDENTITY_MAGIC, data)
    if fields is None:
        return None
    version, pool, size, hosts = fields
    return Identity(version, UUID(bytes=pool), size, hosts)


def pack_mark(mark: Mark) -> bytes:
    """The sealed bytes of a mark."""
    return _seal(_MARK.pack(_MARK_MAGIC, mark.term, mark.sequence, mark.writer))


@lru_cache(maxsize=256)
def unpack_mark(data: bytes) -> Mark | None:
    """The mark in a sector; None when its seal does not hold. Looked at twice for each change, and seldom another."""
    fields = _unseal(_MARK, _MARK_MAGIC, data)
    return None if fields is None else Mark(*fields)


def pack_header(header: Header) -> bytes:
    """The sealed bytes of a half's header."""
    return _seal(_HEADER.pack(_HEADER_MAGIC, header.sequence, header.term, header.length))


def unpack_header(data: bytes) -> Header | None:
    """The header in a sector; None when its seal does not hold."""
    fields = _unseal(_HEADER, _HEADER_MAGIC, data)
    return None if fields is None else Header(*fields)


def pack_record(record: Record) -> bytes:
    """Head, checksum and payload of a record; TypeError or ValueError when the payload is not JSON."""
    payload = canonical(record.payload)
    head = _RECORD.pack(len(payload), record.sequence, record.term, record.generation)
    return head + _CRC.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def unpack_record(data: bytes, offset: int) -> tuple[Record, int] | None:
    """The whole record at `offset`, and where the next one begins; None when there is none."""
    if offset + RECORD_BYTES > len(data):
        return None
    head = data[offset : offset + _RECORD.size]
    length, sequence, term, generation = _RECORD.unpack(head)
    (crc,) = _CRC.unpack_from(data, offset + _RECORD.size)
    start = offset + RECORD_BYTES
    payload = data[start : start + length]
    if len(payload) < length or crc != zlib.crc32(payload, zlib.crc32(head)):
        return None
    try:
        value = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    return Record(sequence, term, generation, value), start + length
