"""The one error that a boundary of a host answers with: a bad file, socket, disk or command line."""

from __future__ import annotations


class PoolError(Exception):
    """Something outside cannot be used as it is.

    The message is one line that names the place and the remedy; a program shows it as it is and exits with 2.
    Nothing has been overwritten when it is raised.
    """
