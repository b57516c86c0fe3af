"""The secret of a pool: whoever can read it may command every host of the pool.

It is one file, made once when the pool is made and read by each agent at its start. Its rules: only the owner
can read it, it is never overwritten, and a file that anybody else could have read is refused rather than
used, because its secret is no longer one. The file holds 32 random bytes as 64 hexadecimal digits and a
newline.

What is left out: changing the secret of a pool that runs. Stop the pool, move the file away, make a new one.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from hosts.errors import PoolError

SECRET_BYTES = 32
_DIGITS = SECRET_BYTES * 2
_SECRET = re.compile(rb"[0-9a-f]{%d}\n?" % _DIGITS)


def create_secret(path: Path) -> str:
    """Make a new secret in the file `path`, which must not exist, and return its 64 hexadecimal digits.

    Raises PoolError when the file exists or cannot be written. The file is created with mode 0600 by the call
    that creates it: there is no moment at which others could open it.
    """
    secret = secrets.token_hex(SECRET_BYTES)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise PoolError(
            f"{path}: there is a pool secret already; nothing was overwritten, use it or move it away"
        ) from None
    except OSError as error:
        raise PoolError(f"{path}: cannot make the pool secret: {error.strerror}; make its directory writable") from None
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(secret.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            os.unlink(path)  # ours, made above: half a secret would be refused for ever
        raise PoolError(f"{path}: cannot write the pool secret: {error.strerror}; free some space") from None
    return secret


def read_secret(path: Path) -> str:
    """Return the 64 hexadecimal digits of the secret in the file `path`.

    Raises PoolError when the file is missing, is no regular file, can be read or written by its group or by
    others, or does not hold exactly one secret.
    """
    try:
        # Without O_NONBLOCK a named pipe in its place would make the agent hang before it can complain.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise PoolError(f"{path}: there is no pool secret; copy it from another host of the pool") from None
    except OSError as error:
        raise PoolError(f"{path}: cannot read the pool secret: {error.strerror}; run as its owner") from None
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise PoolError(f"{path}: the pool secret is no regular file; put the secret's file there")
        if mode & 0o077:
            raise PoolError(
                f"{path}: group or others can reach the pool secret (mode {stat.S_IMODE(mode):04o}); make a "
                f"new secret if they may have read it, else: chmod 600 {path}"
            )
        text = os.read(fd, _DIGITS + 2)
    finally:
        os.close(fd)
    if not _SECRET.fullmatch(text):
        raise PoolError(f"{path}: a pool secret is {_DIGITS} hexadecimal digits; copy it again from another host")
    return text.strip().decode()
