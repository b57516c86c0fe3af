"""What clients may ask an agent: the pool's state, HA on and off, a VM to be started. Each is an event or a look.

An answer to a request is the sentence of the row that fired: accepted when that row left its state or set something.
What follows takes its time; `Host.progress` tells what happens, and `pool.status` what came of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import define

from fsm import Event, Signal
from fsm.engine.turn import Turn
from hosts.agent.alerts_port import PROMISE, SWITCHED_OFF
from hosts.agent.steps import OPERATIONS
from hosts.errors import PoolError
from hosts.pool_file import VmEntry

if TYPE_CHECKING:
    from hosts.agent.process import Agent

SERVING = ("running", "plain")
"""The states of life in which a host whose role is its own acts as master."""

_AT_REST = ("running", "plain", "out")
"""The states of life in which nothing is awaited. In all others what an operation has decided, or left behind, may be
carried out still."""

TEST_VARIABLE = "LIVESET_TEST"
"""Set to 1 where calls that injure a host are allowed."""

_HANDED_OVER = "refused: a change of master is under way here"
_GOING = "refused: this host is being taken out of HA already"
_LONGEST_HOLD = 86_400
_SETTLING = 0.02  # s, between two looks whether the starts in flight have ended
_NOT_HELD = "refused: restarts cannot be held back now"
_NO_MASTER = "refused: it runs already, or this host is not the acting master of a pool with HA on"


def _unprotected(vm: str) -> str:
    """What status says of a VM without a restart priority."""
    return f"{vm} has no restart priority: if its host fails, nobody restarts it"


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
            "pool.hand_over": self.hand_over,
            "pool.force_master": self.force_master,
            "pool.prevent_restarts": self.prevent_restarts,
            "pool.plan_out_of_date": self.plan_out_of_date,
            "VM.start": self.start_vm,
            "Host.progress": self.progress,
            "Host.shutdown": self.shutdown,
            "Host.may_shut_down": self.may_shut_down,
            "Host.emergency_disable": self.emergency_disable,
            "Host.force_out": self.force_out,
            "Host.rejoin": self.rejoin,
            "Host.clear_exclusion": self.clear_exclusion,
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
            "withdrawn": agent.value("withdrawn"),
            "live": None if live is None else sorted(live),
            "daemon": phase,
            "hold": agent.state("hold"),
            "overcommitted": agent.value("outlook.overcommitted") if acting else None,
            "default_restart_priority": agent.pool.default_restart_priority,
            "warnings": [_unprotected(vm.name) for vm in agent.pool.vms if not vm.restart_priority],
            "vms": {vm.name: self._vm(vm, acting) for vm in agent.pool.vms},
        }

    async def progress(self, since: int) -> dict[str, Any]:
        """What the operations of an operator do here: the steps after number `since`, the number of the last one, which
        life of the agent counts them, and the machines that are not at rest."""
        agent = self.agent
        busy = [machine for machine in OPERATIONS if agent.state(machine) != "idle"]
        busy += ["life"] if agent.state("life") not in _AT_REST else []
        return {"now": agent.steps.now, "lives": self._lives(), "steps": agent.steps.since(since), "busy": busy}

    async def enable_ha(self) -> dict[str, Any]:
        """Switch HA on for the pool; the acting master alone can."""
        return await self._ask("enable", "enable", "refused: HA is being enabled already")

    async def disable_ha(self) -> dict[str, Any]:
        """Switch HA off for the pool; the acting master alone can."""
        return await self._ask("disable", "disable", "refused: HA is being switched off already")

    async def hand_over(self) -> dict[str, Any]:
        """Make this host the master, in order, with HA off."""
        return await self._order("handover", "hand_over", _HANDED_OVER)

    async def force_master(self, down: list[int], promise: str) -> dict[str, Any]:
        """Make this host the master though its master does not hand over, with HA off.

        Arguments:
            down: the hosts that need not answer, by their indices.
            promise: `SWITCHED_OFF`, word by word, of these.
        """
        if promise != SWITCHED_OFF:
            return {"accepted": False, "why": f"refused: whoever forces this promises: {SWITCHED_OFF}"}
        return await self._order("handover", "force", _HANDED_OVER, {"down": frozenset(down)})

    async def start_vm(self, vm: str) -> dict[str, Any]:
        """Have a VM run; the acting master of a pool with HA on alone can."""
        row = next((row for row in self.agent.pool.vms if row.name == vm), None)
        if row is None:
            return {"accepted": False, "why": f"refused: there is no VM {vm!r} in this pool"}
        if not row.restart_priority:
            return {"accepted": False, "why": f"refused: {vm} has no restart priority, so HA leaves it alone"}
        return await self._ask(f"restart[{vm}]", "start_vm", _NO_MASTER)

    async def prevent_restarts(self, seconds: float) -> dict[str, Any]:
        """Have this host restart no VM for so many seconds, 0 to let it. Answers once nothing is being restarted."""
        if not 0 <= seconds <= _LONGEST_HOLD:
            return {"accepted": False, "why": f"refused: restarts are held back for 0 to {_LONGEST_HOLD} s"}
        if not seconds:
            return await self._order("hold", "allow", _NOT_HELD)
        answer = await self._order("hold", "prevent", _NOT_HELD, {"length": seconds})
        while self.agent.state("hold") == "settling":
            await asyncio.sleep(_SETTLING)
        return answer

    async def plan_out_of_date(self) -> dict[str, Any]:
        """Have the acting master plan anew at its next look."""
        return await self._order(
            "outlook", "out_of_date", "refused: a plan is due, or this host is not the acting master"
        )

    async def shutdown(self, reboot: bool) -> dict[str, Any]:
        """Take this host down in order; with `reboot` its starter is to start it again. Its VMs are stopped before."""
        return await self._order("shutdown", "shutdown", "refused: it is going down", {"reboot": bool(reboot)})

    async def may_shut_down(self) -> dict[str, Any]:
        """Whether this host could be shut down now."""
        return await self._order("shutdown", "precheck", "refused: it is going down")

    async def emergency_disable(self, soft: bool) -> dict[str, Any]:
        """Take this host out of HA, whatever the pool says; `soft`: until its agent restarts. Its VMs are stopped."""
        return await self._order("withdraw", "disable", _GOING, {"soft": bool(soft)})

    async def force_out(self, promise: str) -> dict[str, Any]:
        """Take this host out of HA without a proof that its VMs are stopped, and have it serve without asking others.

        Arguments:
            promise: `PROMISE`, word by word.
        """
        if promise != PROMISE:
            return {"accepted": False, "why": f"refused: whoever forces this promises: {PROMISE}"}
        return await self._order("withdraw", "force", _GOING)

    async def rejoin(self) -> dict[str, Any]:
        """Put this host back into HA."""
        return await self._order("withdraw", "rejoin", _GOING)

    async def clear_exclusion(self, promise: str) -> dict[str, Any]:
        """Let this host, which is excluded, go on alone: the others are gone for good. No machine hears of it, so the
        alert is all that is left of what was promised.

        Arguments:
            promise: `ALONE`, word by word.
        """
        try:
            await self.agent.daemon.clear_excluded(promise)
        except PoolError as error:
            return {"accepted": False, "why": f"refused: {error}"}
        self.agent.alerts.signal(Signal("alerts", "cleared"))
        return {"accepted": True, "why": "this host is not excluded any more, and may go on alone"}

    async def cut(self, peers: list[int], statefile: bool = False, deaf: list[int] | None = None) -> None:
        """For tests: hear and send nothing from and to `peers`, and hear nothing from `deaf`, nor let the daemon; nor
        reach the statefile."""
        unheard = frozenset(deaf or ())
        self.agent.cut.clear()
        self.agent.cut.update(peers)
        self.agent.deaf.clear()
        self.agent.deaf.update(peers, unheard)
        with suppress(PoolError):  # no daemon, no datagrams
            await self.agent.daemon.client.cut(frozenset(peers), statefile, unheard)

    def _vm(self, entry: VmEntry, acting: bool) -> dict[str, Any]:
        vm = entry.name
        agent, restart = self.agent, f"restart[{vm}]"
        return {
            "restart_priority": entry.restart_priority,
            "restart": agent.state(restart),
            "guest": agent.state(f"guest[{vm}]"),
            "resident": agent.value(f"{restart}.resident") if acting else None,
            "target": agent.value(f"{restart}.target") if acting else None,
            "reason": agent.planner.reasons.get(vm) if acting else None,
        }

    def _now(self) -> dict[str, Any]:
        """From where on an order is followed: the number of the last step, and which life of the agent counts it."""
        return {"since": self.agent.steps.now, "lives": self._lives()}

    def _lives(self) -> str:
        return self.agent.host.commands.incarnation

    async def _order(
        self, machine: str, event: str, ignored: str, payload: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """An order to this host: what its machine said last in the turn, for it may look before it refuses."""
        before = self._now()
        turn: Turn = await self.agent.driver.send(Event(machine, event, dict(payload or {})))
        said = [row.why for row in turn.fired if row.machine == machine]
        why = turn.refused or (said[-1] if said else ignored)
        return {"accepted": turn.refused is None and not why.startswith("refused"), "why": why, **before}

    async def _ask(self, machine: str, event: str, ignored: str) -> dict[str, Any]:
        before = self._now()
        turn: Turn = await self.agent.driver.send(Event(machine, event))
        if turn.refused is not None:
            return {"accepted": False, "why": turn.refused}
        if not turn.fired:
            return {"accepted": False, "why": ignored}
        first = turn.fired[0]
        return {"accepted": first.target != first.source or bool(first.set), "why": first.why, **before}
