"""The outer supervisor: what a service processor is to a server. It outlives its host and says when it is dead.

It starts the guard, waits, and when the guard or the first process of the namespace has died it kills what is left of
the other, reaps until it has no child left (orphans fall to it, so then nothing that ever descended from this host
lives) and publishes the obituary at once. Then it writes `fenced.json` and ends; a host never starts again by itself.

It answers `control.sock` for operators: status, power_off, freeze (stop guard, init, daemon and agent, not the VMs:
what a hung host looks like), kill {program} and shutdown (a death without obituary, if no lease is held; with `reboot`
its starter is told by the exit status to start the host again). SIGTERM is shutdown.

It does not run in the namespace, is not stopped by freeze, and dies with whoever started it; when it is killed, the
guard and so the host go with it, without obituary: then the survivors wait for the lease to end.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping

from attrs import define, field

from hosts.errors import PoolError
from hosts.supervisor import guard, init, kernel, namespace
from hosts.supervisor.config import CONTROL_SOCKET, FENCED_FILE, HostConfig, Obituary
from hosts.supervisor.jsonlines import Fields, Handler, serve, text
from hosts.supervisor.process import die_with, die_with_holder, fork, log
from hosts.supervisor.record import write_durably
from hosts.supervisor.slate import Held, Slate

FENCED_STATUS = 1  # exit status of an outer supervisor whose host died otherwise than by shutdown
REBOOT_STATUS = 3  # after a shutdown, when the host is to be started again
READY = b"ok "
BURIED = "supervisor: every process of"
LEASE_ENDED = "the lease ended and the kernel's timer killed the guard"
KILLED = "a process of the supervisor was killed from outside"
_DATAGRAM = 4096


def epitaph(written: str | None, asked: str | None, held: Held | None, now: float) -> str:
    """Why a host died. Pure.

    written: what the guard left on the slate; asked: what an operator asked for; held: its lease; now: seconds of
    CLOCK_BOOTTIME.
    """
    ended = LEASE_ENDED if held and held.deadline <= now else KILLED
    return written or asked or ended


@define
class Outer:
    """What an outer supervisor holds. ready: a pipe to whoever started it, closed once the host is up.

    processes: pidfds of guard, init, daemon and agent, as far as they have been started. asked: what an operator asked
    for, with whether the host may go without obituary, and whether its starter is to start it again.
    """

    config: HostConfig
    slate: Slate
    channel: socket.socket
    ready: int
    processes: dict[str, int] = field(factory=dict)
    contained: bool = False
    up: bool = False
    asked: str | None = None
    silent: bool = False
    reboot: bool = False
    over: asyncio.Event = field(factory=asyncio.Event)

    async def serve(self) -> int:
        """Watch over the host until it is dead and return the exit status of this process."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self.processes["guard"], self._dead)
        loop.add_reader(self.channel, self._announced)
        loop.add_signal_handler(signal.SIGTERM, self._shutdown)
        async with await serve(self.config.path(CONTROL_SOCKET), self.handlers()):
            await self.over.wait()
        if self.reboot:
            return REBOOT_STATUS
        return 0 if self.silent else FENCED_STATUS

    def _announced(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self.channel, _DATAGRAM, 1)
        if not data:
            asyncio.get_running_loop().remove_reader(self.channel)
            return
        message = json.loads(data)
        name = message["name"]
        if name in self.processes:
            os.close(self.processes[name])
        self.processes[name] = descriptors[0]
        if name == "init":
            self.contained = not message["note"]
            asyncio.get_running_loop().add_reader(descriptors[0], self._dead)
            self._tell_ready(message["note"])

    def _tell_ready(self, note: str) -> None:
        if note:
            log(f"supervisor: {note}")
        os.write(self.ready, READY + note.encode())
        os.close(self.ready)
        self.up = True

    def _signal(self, number: signal.Signals, *names: str) -> list[str]:
        """Send a signal to the named processes that live; returns their names."""
        sent = []
        for name in names:
            try:
                signal.pidfd_send_signal(self.processes[name], number)
                sent.append(name)
            except (KeyError, ProcessLookupError):
                continue
        return sent

    def _dead(self) -> None:
        """Guard or init has died: bury the host and say so."""
        loop = asyncio.get_running_loop()
        for name in ("guard", "init"):
            if name in self.processes:
                loop.remove_reader(self.processes[name])
        self._signal(signal.SIGKILL, "init", "guard")
        bury(self.contained)
        held, dead = self.slate.held, kernel.now()
        reason = epitaph(self.slate.reason, self.asked, held, dead)
        self.silent = self.silent and held is None
        if self.up and not self.silent:
            self._publish(
                Obituary(
                    self.config.name,
                    reason,
                    held.incarnation if held else None,
                    held.deadline if held else None,
                    dead,
                )
            )
        log(f"{BURIED} {self.config.name} is dead: {reason}")
        self.over.set()

    def _publish(self, obituary: Obituary) -> None:
        try:
            self.config.obituary(obituary)
        except Exception:
            log(f"supervisor: the obituary was not published:\n{traceback.format_exc()}")
        path = self.config.path(FENCED_FILE)
        record = {
            "reason": obituary.reason,
            "incarnation": obituary.incarnation,
            "deadline": obituary.deadline,
            "dead": obituary.dead,
        }
        try:
            write_durably(path, record)
        except OSError as error:
            log(f"supervisor: {path} cannot be written ({error.strerror}): {record}")

    def _shutdown(self) -> None:
        self.asked, self.silent = "shut down", True
        self._signal(signal.SIGKILL, "init", "guard")

    async def status(self, request: Fields) -> Mapping[str, object]:
        """Answer with process ids as seen from here and the lease."""
        held = self.slate.held
        processes = {name: _process_id(pidfd) for name, pidfd in self.processes.items()}
        return {
            "processes": {name: process for name, process in processes.items() if process > 0},
            "contained": self.contained,
            "incarnation": held.incarnation if held else None,
            "deadline": held.deadline if held else None,
        }

    async def power_off(self, request: Fields) -> Mapping[str, object]:
        """Answer when the kill is sent; the obituary follows."""
        self.asked = "power off"
        self._signal(signal.SIGKILL, "init", "guard")
        return {}

    async def freeze(self, request: Fields) -> Mapping[str, object]:
        """Answer with the processes that are stopped."""
        return {"stopped": self._signal(signal.SIGSTOP, "guard", "init", "daemon", "agent")}

    async def kill(self, request: Fields) -> Mapping[str, object]:
        """Answer when the kill is sent."""
        program = text(request, "program")
        if program not in ("agent", "daemon"):
            raise PoolError(f"kill: the programs of a host are agent and daemon, not {program!r}")
        if not self._signal(signal.SIGKILL, program):
            raise PoolError(f"kill: no {program} runs on {self.config.name}")
        return {}

    async def shutdown(self, request: Fields) -> Mapping[str, object]:
        """Answer when the kill is sent; stop the VMs before. `reboot`: whether the host is to be started again."""
        self.reboot = request.get("reboot", False) is True
        self._shutdown()
        return {}

    def handlers(self) -> Mapping[str, Handler]:
        """The requests by their names."""
        return {h.__name__: h for h in (self.status, self.power_off, self.freeze, self.kill, self.shutdown)}


def _process_id(pidfd: int) -> int:
    """The process of a pidfd as numbered here; -1 when it is dead."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="utf-8") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))


def bury(contained: bool) -> None:
    """Reap until this process has no child left; without namespace (`contained` False), kill each one first.

    A process that dies leaves its children to this one before it can be reaped, so what is killed next is all that
    is left of it, and when no child is left no descendant is.
    """
    while True:
        if not contained:
            for process in _children():
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    """The processes whose parent is this one, the dead ones included."""
    me = os.getpid()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    parent = file.read().rpartition(")")[2].split()[1]
            except OSError:
                continue  # gone meanwhile
            if int(parent) == me:
                found.append(int(entry))
    return found


def run(config: HostConfig, programs: Mapping[str, init.Program], starter: int, ready: int, lock: int) -> None:
    """Be the outer supervisor of a host until it is dead; ends the process.

    starter: the process id of whoever started it; ready: a pipe told `ok note` when the host is up; lock: the
    descriptor that every process of the host holds.
    """
    os.setsid()  # a Ctrl-C in the starter's terminal is the starter's to handle
    die_with(starter)
    kernel.adopt_orphans()
    kernel.run_first()
    slate = Slate()
    mine, of_init = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    me = os.getpid()

    def be_guard() -> None:
        kernel.run_first()  # before the namespace: a user namespace has no right to it, but keeps what it had
        note = namespace.leave() or ""
        die_with(me)

        def start_init(channel: socket.socket, lifeline: int) -> int:
            def be_init() -> None:
                die_with_holder(lifeline)
                slate.close()
                kernel.adopt_orphans()
                kernel.run_first()
                init.run(config, programs, channel, of_init, frozenset({lock}), note)

            return fork(be_init, keep={channel.fileno(), lifeline, of_init.fileno(), lock})

        guard.run(start_init, slate, config.path(FENCED_FILE), config.fencing)

    guard_process = fork(be_guard, keep={of_init.fileno(), lock})
    of_init.close()
    processes = {"guard": os.pidfd_open(guard_process)}
    sys.exit(asyncio.run(Outer(config, slate, mine, ready, processes).serve()))
