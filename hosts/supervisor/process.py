"""A fresh process by fork, from a Python that has imported everything already.

Starting an interpreter with the libraries of an agent takes 0.5 s, a fork of one that has them takes 3 ms, so every
process of a host is forked. The price is what a fork inherits, and this module is the one place that pays it:

- *Signals*: handlers are the parent's code, and its wake-up descriptor belongs to the parent's event loop: a signal
  that came to the child would be reported to the parent. All signals are blocked over the fork and reset after it.
- *Descriptors*: all are closed but the ones named. A socket that a child keeps by accident never reports its end.
- *Objects of the parent*: a Python object that still believes to own a closed descriptor would, when it is collected,
  close whatever has the same number by then. `gc.freeze` takes them out of the collector's sight, and the child runs
  on top of the parent's stack and never returns from it (`os._exit`), so none of them dies by reference count.
- *The event loop*: the child of a process with a running asyncio loop would refuse to run its own.
- *Output*: standard input is empty, output and errors are appended to the host's log.
- *Threads* do not survive a fork but the locks that they held do: fork before starting any.

`die_with` ties the child to its parent. What is left out: exec, and what the processes do.
"""

from __future__ import annotations

import asyncio
import gc
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import NoReturn

from hosts.errors import PoolError
from hosts.supervisor import kernel


def log(line: str) -> None:
    """Append one line to the log of this host, stamped with the time; one write, so that lines do not mix."""
    os.write(2, f"{kernel.now():.6f} {line}\n".encode())


def fork(main: Callable[[], None], *, keep: Iterable[int] = (), output: int = 2) -> int:
    """Run `main` in a fresh child process and return the child's process id at once.

    keep: descriptors that the child may use, everything else above 2 is closed; output: the descriptor of the log.
    The child ends with status 0 when `main` returns, with its status on SystemExit, with 1 on any other exception,
    which is written to the log. Raises OSError when there can be no more processes.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        child = os.fork()
        if child == 0:
            _run(main, {*keep}, output)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return child


def _run(main: Callable[[], None], keep: set[int], output: int) -> NoReturn:
    status = 1
    try:
        _refresh(keep, output)
        main()
        status = 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except PoolError as error:
        log(f"process {os.getpid()}: {error}")
    except BaseException:
        log(f"process {os.getpid()} failed:\n{traceback.format_exc()}")
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(status & 0xFF)


def _refresh(keep: set[int], output: int) -> None:
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    asyncio.events._set_running_loop(None)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    first = 3
    for kept in sorted(keep):
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def die_with(parent: int) -> None:
    """Tie this process to its parent, whose id in the same PID namespace is `parent`; end when that is dead already.

    The kernel sets a child's new parent before it looks for the signal to send, so a parent that died too early to
    send it is one that getppid no longer names.
    """
    kernel.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)


def die_with_holder(lifeline: int) -> None:
    """Tie this process to its parent outside the PID namespace, the only holder of the other end of `lifeline`.

    From inside, getppid says 0 of a living parent and of a dead one. The kernel closes the files of a dying process
    before it signals its children, so a parent that died too early to send the signal has closed the pipe.
    """
    kernel.die_with_parent()
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(1)
    os.close(lifeline)
