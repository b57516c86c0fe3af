"""Starting a host: one fork of the caller, which has imported everything that the host's programs need."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Mapping

from hosts.errors import PoolError
from hosts.supervisor import outer
from hosts.supervisor.config import CONTROL_SOCKET, INIT_SOCKET, LOCK_FILE, LOG_FILE, HostConfig, socket_path
from hosts.supervisor.init import Program
from hosts.supervisor.process import fork

_log = logging.getLogger(__name__)


def start_host(config: HostConfig, programs: Mapping[str, Program]) -> int:
    """Start the process tree of a host and return the process id of its outer supervisor once it answers.

    programs: "agent", started at once and again whenever it ends, and "daemon", started on request; each is called in
    a process of its own, forked from this one. The caller must wait for the returned process (exit status 0 after a
    shutdown, 3 after one that asked for another start, 1 when the host died otherwise); the host dies with the caller.

    Raises PoolError when the host runs already, its directory cannot be used or its processes cannot start. Call it
    in the main thread and before other threads are started: the kernel ties the host to the *thread* that forked it.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start_host must be called in the main thread: the host dies with the thread that forks it")
    for name in (INIT_SOCKET, CONTROL_SOCKET):
        socket_path(config.path(name))
    lock = _lock(config)
    try:
        log = os.open(config.path(LOG_FILE), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        os.close(lock)
        raise PoolError(f"{config.path(LOG_FILE)}: cannot be written: {error.strerror}; make it writable") from None
    read, ready = os.pipe()
    starter = os.getpid()
    try:
        process = fork(lambda: outer.run(config, programs, starter, ready, lock), keep={ready, lock}, output=log)
    finally:
        for descriptor in (ready, lock, log):
            os.close(descriptor)
    with open(read, "rb") as pipe:
        told = pipe.read()
    if not told.startswith(outer.READY):
        os.waitpid(process, 0)
        raise PoolError(f"the host {config.name} did not start: {_last_line(config)}; its log: {config.path(LOG_FILE)}")
    if note := told.removeprefix(outer.READY).decode():
        _log.warning("%s: %s", config.name, note)
    return process


def _last_line(config: HostConfig) -> str:
    """What the log of a host ends with: the reason of a failure, of a traceback as of a plain line. What the outer
    supervisor found afterwards is the reason only where nobody wrote one."""
    said = [line.strip() for line in config.path(LOG_FILE).read_text(errors="replace").split("\n") if line.strip()]
    reasons = [line for line in said if outer.BURIED not in line]
    return (reasons or said or ["it says nothing"])[-1]


def _lock(config: HostConfig) -> int:
    """Lock the directory of the host for all processes that inherit the descriptor, until the last of them is dead.

    That makes "a host that starts again has nothing left of its former life" true by construction: every process of a
    host, VMs included, holds it.
    """
    path = config.path(LOCK_FILE)
    try:
        config.directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PoolError(f"{path}: cannot be made: {error.strerror}; give the host a directory of its own") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise PoolError(f"{path}: the host {config.name} runs already; shut it down or wait for its end") from None
    return lock
