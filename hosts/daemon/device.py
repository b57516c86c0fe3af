"""Positioned, durable reads and writes of one shared file or block device.

Every write is one positioned write with O_DSYNC: when it returns, the bytes are on stable storage. O_DIRECT is added
where the file system takes it, because on a SAN each host has a page cache of its own, and a read answered from there
would show peers as silent that are not. Where it is refused (some network and memory file systems) one machine's page
cache is shared by all who open the file, so plain O_DSYNC is right there too. All processes of a pool probe the same
file and so choose the same way, which matters: the two ways mixed need not see each other's writes.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

_ALIGNED = 512


class Device:
    """An open file of which whole sectors are read and written; not to be used by two threads at a time.

    Arguments:
        path: the file or block device, which must exist.
        longest: the most bytes of one read or write.

    Raises:
        OSError: it cannot be opened for reading and writing.
    """

    def __init__(self, path: Path, longest: int) -> None:
        self.path = path
        self._buffer = mmap.mmap(-1, longest)  # anonymous memory begins on a page, as O_DIRECT demands
        flags = os.O_RDWR | os.O_DSYNC | os.O_CLOEXEC
        try:
            self._fd = self._probed(os.open(path, flags | os.O_DIRECT))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._fd = os.open(path, flags)

    def _probed(self, fd: int) -> int:
        try:
            os.preadv(fd, [memoryview(self._buffer)[:_ALIGNED]], 0)
        except OSError:
            os.close(fd)
            raise
        return fd

    def size(self) -> int:
        """Bytes of the file or device."""
        return os.lseek(self._fd, 0, os.SEEK_END)

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer where the file ends.

        Raises:
            OSError: the storage failed.
        """
        done = os.preadv(self._fd, [memoryview(self._buffer)[:length]], offset)
        return self._buffer[:done]

    def write(self, offset: int, data: bytes) -> None:
        """Write `data`, whole sectors, at `offset` in one call.

        Raises:
            OSError: the storage failed, or took only a part; the bytes may be there or may appear later.
        """
        self._buffer[: len(data)] = data
        done = os.pwritev(self._fd, [memoryview(self._buffer)[: len(data)]], offset)
        if done != len(data):
            raise OSError(errno.EIO, f"only {done} of {len(data)} bytes were written", str(self.path))

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        os.close(self._fd)
