"""Where the processes of a host live: a PID namespace, or below a reaper where the kernel forbids namespaces.

As root a PID namespace is free to make; anybody else needs a user namespace around it, in which he keeps his own user
and group (an unmapped user could not create a file). Both may be forbidden: containers without CAP_SYS_ADMIN,
user.max_user_namespaces = 0, AppArmor on some distributions. Some of them grant the user namespace and then refuse its
maps, and nobody comes back out of one: so a child tries first.

Then the host still runs and is still fenced, with a weaker containment, and says so in one line: each process is tied
to its parent (PDEATHSIG), orphans fall to the outer supervisor, which kills until it has no child left. The obituary
stays true, since no child left means no descendant left; what is lost is the bound on the time it takes (a process
that forks faster than it is killed) and the case that the outer supervisor is itself killed first. Refusing to run
was the alternative; it would leave everybody who tries this in an ordinary container with nothing.
"""

from __future__ import annotations

import os
import sys

from hosts.supervisor import kernel
from hosts.supervisor.process import fork

FORBIDDEN = (
    "PID namespaces are forbidden here ({reason}): falling back to killing process by process, which a program that "
    "forks without end could outrun; run as root with CAP_SYS_ADMIN or allow user namespaces"
)


def leave() -> str | None:
    """Make the next child of this process the first of a new PID namespace.

    Returns None, or where the kernel forbids it the one line that says so; then the next child is an ordinary one.
    """
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
    except OSError:
        if refused := os.waitstatus_to_exitcode(os.waitpid(fork(_try), 0)[1]):
            return FORBIDDEN.format(reason=os.strerror(refused))
        _leave_as_user()
    return None


def _try() -> None:
    """Be a child that leaves, and ends with the number of the error that it met."""
    try:
        _leave_as_user()
    except OSError as error:
        sys.exit(error.errno)


def _leave_as_user() -> None:
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWPID | kernel.CLONE_NEWUSER)
    # "deny" first: without it the kernel lets nobody but root map a group.
    for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{file}", "w", encoding="utf-8") as handle:
            handle.write(text)
