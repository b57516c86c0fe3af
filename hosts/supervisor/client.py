"""Two clients: `SupervisorClient`, by which an agent uses its host, and `HostControl`, by which an operator breaks it.

Every refusal is a PoolError whose message is one line, and so is every silence, as `jsonlines.Unanswered`. A silence (a
timeout, a host that died over the request) says nothing about whether it was carried out: all requests but `kill` may
be sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from hosts.supervisor.config import CONTROL_SOCKET, INIT_SOCKET
from hosts.supervisor.jsonlines import Fields, call


@frozen
class DaemonStatus:
    """absent: never started. code: of an exited daemon, its exit status or minus the signal that killed it."""

    state: Literal["running", "absent", "exited"]
    code: int | None = None


@frozen
class RunningVm:
    """A VM whose process lives on this host."""

    vm: str
    incarnation: int


@frozen
class HostStatus:
    """A host seen from outside.

    processes: ids of the living ones among guard, init, daemon and agent, as numbered outside of the host.
    contained: whether a PID namespace holds them. incarnation and deadline (seconds of CLOCK_BOOTTIME): of the lease,
    None without lease.
    """

    processes: Mapping[str, int]
    contained: bool
    incarnation: int | None
    deadline: float | None


@frozen
class SupervisorClient:
    """The requests of an agent to the init of its host.

    directory: of the host. timeout: seconds to wait for an answer; a VM may take 10 s to start.
    """

    directory: Path = field(converter=Path)
    timeout: float = 15.0

    async def start_daemon(self, arguments: Mapping[str, object] | None = None) -> bool:
        """Start the daemon with JSON `arguments`; False when one runs already (with whatever it was given)."""
        reply = await self._call("start_daemon", arguments=dict(arguments or {}))
        return bool(reply["started"])

    async def stop_daemon(self) -> bool:
        """Stop the daemon and return when it is reaped; False when none ran. It is killed after 5 s.

        A daemon that holds a lease and ends without giving it up takes its host with it.
        """
        return bool((await self._call("stop_daemon"))["stopped"])

    async def daemon_status(self) -> DaemonStatus:
        """Whether a daemon runs, never ran, or how the last one ended."""
        reply = await self._call("daemon_status")
        return DaemonStatus(reply["state"], reply.get("code"))

    async def start_vm(self, vm: str, disk: Path, incarnation: int, host: str) -> None:
        """Start `vm`; when this returns its first line is on `disk` (absolute path).

        incarnation: a whole number, written into each line; host: the name of this host, too. Idempotent for a VM
        that runs here as the same incarnation. PoolError with the reason when it does not start.
        """
        await self._call("start_vm", vm=vm, disk=str(disk), incarnation=incarnation, host=host)

    async def stop_vm(self, vm: str) -> bool:
        """Stop `vm` and return when its process is reaped; False when it did not run here. Killed after 2 s."""
        return bool((await self._call("stop_vm", vm=vm))["stopped"])

    async def vm_ended(self, vm: str) -> None:
        """Wait, for ever if need be, until no process of `vm` lives on this host; at once when none does."""
        await call(self.directory / INIT_SOCKET, None, "await_vm", vm=vm)

    async def list_vms(self) -> tuple[RunningVm, ...]:
        """The VMs whose processes live on this host now, whoever started them."""
        return tuple(RunningVm(**vm) for vm in (await self._call("list_vms"))["vms"])

    async def stop_all(self) -> None:
        """Stop every VM of this host and return when all are reaped."""
        await self._call("stop_all")

    async def _call(self, name: str, **fields: object) -> Fields:
        return await call(self.directory / INIT_SOCKET, self.timeout, name, **fields)


@frozen
class HostControl:
    """The requests of an operator to the outer supervisor of a host.

    directory: of the host. timeout: seconds to wait for an answer.
    """

    directory: Path = field(converter=Path)
    timeout: float = 5.0

    async def status(self) -> HostStatus:
        """What runs, and the lease."""
        reply = await self._call("status")
        return HostStatus(reply["processes"], reply["contained"], reply["incarnation"], reply["deadline"])

    async def power_off(self) -> None:
        """Kill every process of the host; its obituary follows."""
        await self._call("power_off")

    async def freeze(self) -> tuple[str, ...]:
        """Stop (SIGSTOP) guard, init, daemon and agent, not the VMs; returns those that were there to be stopped."""
        return tuple((await self._call("freeze"))["stopped"])

    async def kill(self, program: Literal["agent", "daemon"]) -> None:
        """Kill (SIGKILL) that program. PoolError when it does not run."""
        await self._call("kill", program=program)

    async def shutdown(self, *, reboot: bool = False) -> None:
        """End the host without obituary, unless it holds a lease. Stop its VMs before: they are killed.

        reboot: the supervisor ends with the exit status that tells its starter to start the host again.
        """
        await self._call("shutdown", reboot=reboot)

    async def _call(self, name: str, **fields: object) -> Fields:
        return await call(self.directory / CONTROL_SOCKET, self.timeout, name, **fields)
