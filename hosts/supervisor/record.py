"""`fenced.json`: why this host died, when, under which lease; written to survive a crash of the machine."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path


def write_durably(path: Path, record: Mapping[str, object]) -> None:
    """Put `record` as JSON into the file `path`, whole or not at all, and on the disk when this returns.

    Raises OSError when the disk refuses, or takes only a part: then the file is as it was before.
    """
    text = json.dumps(record).encode() + b"\n"
    new = path.with_name(path.name + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        if os.write(fd, text) != len(text):  # a disk that is full takes what fits, without an error
            raise OSError(errno.EIO, "the disk took only a part of it")
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(new, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # else the name may still be the old file's after a crash
    finally:
        os.close(directory)
