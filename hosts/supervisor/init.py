"""Init: the first process of a host's PID namespace, parent of its daemon, its agent and its VMs.

It performs and reports, and decides one thing: an agent that ended is started again (0.2 s later, then 0.4 s, up to
5 s; a *toolstack restart*, over which the VMs run on because they are not the agent's children). A daemon that ended
stays ended: whether HA starts again is for the agent to ask. When init itself fails the host is dead: the kernel ends
the namespace with its first process.

What a dead agent has asked and nobody has read yet is never carried out: the next agent is told what runs here, and a
VM that started after that would be one that it does not know of.

It answers `init.sock` (lines of JSON, see `client.py`): start_daemon, stop_daemon, daemon_status, start_vm, stop_vm,
await_vm, list_vms, stop_all. For each daemon that it starts it makes a new lease channel, gives one end to the daemon
and the other to the guard and keeps neither, so that the guard sees the daemon's end at once and init is in nobody's
way.

To the outer supervisor it sends a pidfd of itself and of each daemon and agent: numbers of processes in here mean
nothing outside, and a pidfd cannot come to mean another process. Trap for programs: /proc shows the outer numbering,
so /proc/self is right and /proc/<getpid()> is somebody else.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import define, field

from hosts.errors import PoolError
from hosts.supervisor.children import Child, Children
from hosts.supervisor.config import INIT_SOCKET, HostConfig
from hosts.supervisor.jsonlines import Fields, Handler, serve, text, whole
from hosts.supervisor.lease import CHANNEL_VARIABLE
from hosts.supervisor.process import log
from hosts.supervisor.vm import VmStart
from hosts.supervisor.vms import Vms

Program = Callable[[], None]
ARGUMENTS_VARIABLE = "LIVESET_ARGUMENTS"
DAEMON_STOP_SECONDS = 5.0  # between SIGTERM and SIGKILL; a daemon that holds a lease then takes its host with it
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0  # s, between the end of an agent and its next start
STEADY_SECONDS = 10.0  # an agent that ran as long starts again after the first pause


def next_pause(previous: float | None, ran: float) -> float:
    """Seconds to wait before an agent is started again: after `previous` (None: never) and `ran` seconds of life."""
    return FIRST_PAUSE if previous is None or ran >= STEADY_SECONDS else min(2 * previous, LAST_PAUSE)


def started_arguments() -> Mapping[str, object]:
    """The arguments that this daemon was started with, as `start_daemon` was given them."""
    arguments: Mapping[str, object] = json.loads(os.environ.get(ARGUMENTS_VARIABLE, "{}"))
    return arguments


@define
class Init:
    """What init holds. guard and outer: its channels to those two. ghosts: ids of the agents that have died."""

    programs: Mapping[str, Program]
    guard: socket.socket
    outer: socket.socket
    children: Children
    vms: Vms
    daemon: Child | None = None
    ghosts: set[int] = field(factory=set)

    async def keep_agent(self) -> None:
        """Run the agent, and again whenever it has ended."""
        pause: float | None = None
        clock = asyncio.get_running_loop().time
        while "agent" in self.programs:
            began = clock()
            agent = self.children.start(self.programs["agent"])
            self.ghosts.discard(agent.process)
            self._announce("agent", agent.process)
            status = await agent.ended
            self.ghosts.add(agent.process)
            pause = next_pause(pause, clock() - began)
            log(f"init: the agent ended with {status}; started again in {pause:g} s")
            await asyncio.sleep(pause)

    def _announce(self, name: str, process: int) -> None:
        pidfd = os.pidfd_open(process)
        try:
            socket.send_fds(self.outer, [json.dumps({"name": name}).encode()], [pidfd], socket.MSG_DONTWAIT)
        except BlockingIOError:
            log(f"init: the supervisor does not listen: it does not know this {name}")
        finally:
            os.close(pidfd)

    async def start_daemon(self, request: Fields) -> Mapping[str, object]:
        """Answer `started: false` when one runs already."""
        arguments = request.get("arguments", {})
        if "daemon" not in self.programs:
            raise PoolError("start_daemon: this host was started without a daemon program")
        if not isinstance(arguments, dict):
            raise PoolError(f"start_daemon: arguments must be an object, not {arguments!r}")
        if self.daemon is not None and not self.daemon.ended.done():
            return {"started": False}
        self.daemon = self._launch_daemon(json.dumps(arguments))
        self._announce("daemon", self.daemon.process)
        return {"started": True}

    def _launch_daemon(self, arguments: str) -> Child:
        of_guard, of_daemon = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def main() -> None:
            os.environ[CHANNEL_VARIABLE] = str(of_daemon.fileno())
            os.environ[ARGUMENTS_VARIABLE] = arguments
            self.programs["daemon"]()

        with of_guard, of_daemon:
            socket.send_fds(self.guard, [b"daemon"], [of_guard.fileno()])
            return self.children.start(main, keep=(of_daemon.fileno(),))

    async def stop_daemon(self, request: Fields) -> Mapping[str, object]:
        """Answer once it is reaped; `stopped: false` when none ran."""
        if self.daemon is None or self.daemon.ended.done():
            return {"stopped": False}
        await self.daemon.stop(DAEMON_STOP_SECONDS)
        return {"stopped": True}

    async def daemon_status(self, request: Fields) -> Mapping[str, object]:
        """Answer running, absent (never started) or exited with a code."""
        if self.daemon is None:
            return {"state": "absent"}
        if not self.daemon.ended.done():
            return {"state": "running"}
        return {"state": "exited", "code": self.daemon.ended.result()}

    async def start_vm(self, request: Fields) -> Mapping[str, object]:
        """Answer once its first line is on its disk."""
        disk, host = text(request, "disk"), text(request, "host")
        if not os.path.isabs(disk) or not disk.isprintable():
            raise PoolError(f"start_vm: disk must be an absolute path, not {disk!r}")
        await self.vms.start(VmStart(text(request, "vm"), Path(disk), whole(request, "incarnation"), host))
        return {}

    async def stop_vm(self, request: Fields) -> Mapping[str, object]:
        """Answer once it is reaped; `stopped: false` when it did not run here."""
        return {"stopped": await self.vms.stop(text(request, "vm"))}

    async def await_vm(self, request: Fields) -> Mapping[str, object]:
        """Answer once no process of it lives here."""
        await self.vms.ended(text(request, "vm"))
        return {}

    async def list_vms(self, request: Fields) -> Mapping[str, object]:
        """Answer with the VMs whose processes live, those about to start or stop included."""
        return {"vms": [{"vm": n, "incarnation": v.start.incarnation} for n, v in self.vms.running.items()]}

    async def stop_all(self, request: Fields) -> Mapping[str, object]:
        """Answer once every VM is reaped."""
        await self.vms.stop_all()
        return {}

    def handlers(self) -> Mapping[str, Handler]:
        """The requests by their names."""
        daemon = (self.start_daemon, self.stop_daemon, self.daemon_status)
        seen = (self.await_vm, self.list_vms)
        return {h.__name__: h for h in (*daemon, self.start_vm, self.stop_vm, *seen, self.stop_all)}


async def _serve(config: HostConfig, init: Init, note: str) -> None:
    init.children.watch()
    server = await serve(config.path(INIT_SOCKET), init.handlers(), init.ghosts.__contains__)
    socket.send_fds(init.outer, [json.dumps({"name": "init", "note": note}).encode()], [os.pidfd_open(os.getpid())])
    async with server, asyncio.TaskGroup() as tasks:
        tasks.create_task(init.keep_agent())
        tasks.create_task(server.serve_forever())


def run(
    config: HostConfig,
    programs: Mapping[str, Program],
    guard: socket.socket,
    outer: socket.socket,
    keep: frozenset[int],
    note: str,
) -> None:
    """Be init until the end of the host.

    keep: descriptors that every process of the host holds; note: one line for the operator, or "".
    """
    children = Children(keep)
    asyncio.run(_serve(config, Init(programs, guard, outer, children, Vms(children)), note))
