"""What clients may ask an agent: the pool's state, HA on and off, a VM to be started. Each is an event or a look.

An answer to a request is the sentence of the row that fired: accepted when that row left its state or set something.
What follows takes its time, and `pool.status` shows it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import define

from fsm import Event
from fsm.engine.turn import Turn
from hosts.errors import PoolError

if TYPE_CHECKING:
    from hosts.agent.process import Agent

SERVING = ("running", "plain")
"""The states of life in which a host whose role is its own acts as master."""

TEST_VARIABLE = "LIVESET_TEST"
"""Set to 1 where calls that injure a host are allowed."""

_NO_MASTER = "refused: it runs already, or this host is not the acting master of a pool with HA on"


@define(eq=False)
class Public:
    """The public calls to one agent."""

    agent: Agent

    def methods(self) -> Mapping[str, Callable[..., Awaitable[Any]]]:
        """The calls by name."""
        calls: dict[str, Callable[..., Awaitable[Any]]] = {
            "pool.status": self.status,
            "pool.enable_ha": self.enable_ha,
            "pool.disable_ha": self.disable_ha,
            "VM.start": self.start_vm,
        }
        if os.environ.get(TEST_VARIABLE) == "1":
            calls["test.cut"] = self.cut
        return calls

    async def status(self) -> dict[str, Any]:
        """Everything that this host knows, as JSON values."""
        agent = self.agent
        life, role, acting = agent.state("life"), agent.value("role"), agent.acting()
        phase = agent.daemon.phase()
        live = agent.daemon.newest.live if agent.daemon.newest is not None and phase == "live" else None
        return {
            "host": agent.pool.hosts[agent.me].name,
            "index": agent.me,
            "life": life,
            "role": role,
            "acting": acting,
            "term": agent.terms.term,
            "ha": agent.value("ha") if acting else None,
            "armed": agent.value("armed"),
            "live": None if live is None else sorted(live),
            "daemon": phase,
            "vms": {vm.name: self._vm(vm.name, acting) for vm in agent.pool.vms},
        }

    async def enable_ha(self) -> dict[str, Any]:
        """Switch HA on for the pool; the acting master alone can."""
        return await self._ask("enable", "enable", "refused: HA is being enabled already")

    async def disable_ha(self) -> dict[str, Any]:
        """Switch HA off for the pool; the acting master alone can."""
        return await self._ask("disable", "disable", "refused: HA is being switched off already")

    async def start_vm(self, vm: str) -> dict[str, Any]:
        """Have a VM run; the acting master of a pool with HA on alone can."""
        row = next((row for row in self.agent.pool.vms if row.name == vm), None)
        if row is None:
            return {"accepted": False, "why": f"refused: there is no VM {vm!r} in this pool"}
        if not row.restart_priority:
            return {"accepted": False, "why": f"refused: {vm} has no restart priority, so HA leaves it alone"}
        return await self._ask(f"restart[{vm}]", "start_vm", _NO_MASTER)

    async def cut(self, peers: list[int]) -> None:
        """For tests: hear and send nothing from and to these hosts, nor let the daemon."""
        self.agent.cut.clear()
        self.agent.cut.update(peers)
        with suppress(PoolError):  # no daemon, no datagrams
            await self.agent.daemon.client.cut(frozenset(peers))

    def _vm(self, vm: str, acting: bool) -> dict[str, Any]:
        agent, restart = self.agent, f"restart[{vm}]"
        return {
            "restart": agent.state(restart),
            "guest": agent.state(f"guest[{vm}]"),
            "resident": agent.value(f"{restart}.resident") if acting else None,
            "target": agent.value(f"{restart}.target") if acting else None,
            "reason": agent.planner.reasons.get(vm) if acting else None,
        }

    async def _ask(self, machine: str, event: str, ignored: str) -> dict[str, Any]:
        turn: Turn = await self.agent.driver.send(Event(machine, event))
        if turn.refused is not None:
            return {"accepted": False, "why": turn.refused}
        if not turn.fired:
            return {"accepted": False, "why": ignored}
        first = turn.fired[0]
        return {"accepted": first.target != first.source or bool(first.set), "why": first.why}
