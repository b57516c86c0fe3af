"""What the redo log is written to: bytes at offsets, durable when a write returns.

A `Disk` performs and reports. A file is opened O_DSYNC, so that each write is on stable storage when it
returns (about 0.15 ms on an idle machine, some ms under load: a caller with an event loop runs it in a
thread). The page cache stays in use, for on one machine all processes share it; a block device may be shared
between machines, so there the cached pages are dropped before each read.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Protocol

_CHUNK = 1 << 20


class Disk(Protocol):
    """Bytes at offsets. Both calls block and raise OSError."""

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer where the disk ends."""

    def write(self, offset: int, data: bytes) -> None:
        """All of `data`, durable on return; after an OSError any part of it may have been written."""

    def close(self) -> None:
        """Give the disk back. A second call does nothing."""


class FileDisk:
    """A regular file or a block device.

    Arguments:
        path: where it is.
        create: make an empty file when there is none.

    Errors: OSError when it cannot be opened for reading and writing, or is neither file nor block device.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = False) -> None:
        # O_NONBLOCK: opening a FIFO must not wait for its other end; files and disks ignore it.
        flags = os.O_RDWR | os.O_DSYNC | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_CREAT if create else 0)
        self._fd = os.open(path, flags, 0o600)
        mode = os.fstat(self._fd).st_mode
        self.device = stat.S_ISBLK(mode)
        if not (self.device or stat.S_ISREG(mode)):
            self.close()
            raise OSError(errno.EINVAL, "neither a regular file nor a block device")
        self._directory = os.path.dirname(os.path.abspath(path))

    @property
    def size(self) -> int:
        """Bytes of the file or of the device."""
        return os.lseek(self._fd, 0, os.SEEK_END)

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; from the medium, not the cache, on a device."""
        if self.device:
            os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_DONTNEED)
        return os.pread(self._fd, length, offset)

    def write(self, offset: int, data: bytes) -> None:
        """All of `data`, durably; a short write is an OSError."""
        written = os.pwrite(self._fd, data, offset)
        if written != len(data):
            raise OSError(errno.EIO, f"short write: {written} of {len(data)} bytes")

    def is_zero(self, length: int) -> bool:
        """Whether the first `length` bytes, as far as they exist, are all zero."""
        return not any(any(self.read(at, min(_CHUNK, length - at))) for at in range(0, length, _CHUNK))

    def preallocate(self, length: int) -> None:
        """Fill a zeroed file up to `length` bytes, durably, together with its name.

        With real zeros: space that is only reserved makes each later write change the file's metadata too,
        and an O_DSYNC write waits for that.
        """
        for at in range(self.size, length, _CHUNK):
            self.write(at, bytes(min(_CHUNK, length - at)))
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
