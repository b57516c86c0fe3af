"""What the agent of a host may ask its daemon, and what it is shown.

propose               answered once somebody has the master lock: granted with the liveset, or refused
invalidate            HA is switched off: answered once "invalid" stands on the disk
stop                  leave the liveset, disarmed; answered when the goodbye is said
exclude               the same, barred from forming a liveset; refused when HA is not active or the exclusion cannot be
                      written, and then the host may have left
cut {peers, statefile}   for tests: drop all datagrams to and from these hosts; fail every I/O
subscribe             see `door.py`
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import define, field

from fsm import Event
from hosts.errors import PoolError
from hosts.supervisor.jsonlines import Fields, Handler

if TYPE_CHECKING:
    from hosts.daemon.process import Daemon

_STARTING = ("idle", "looking", "join_writing", "join_reading", "join_pause")
_ENDING = ("fencing", "leaving", "stopped")
_FAREWELL_SECONDS = 0.05


@define(eq=False)
class Requests:
    """The requests to one daemon."""

    daemon: Daemon
    _proposals: list[asyncio.Future[bool]] = field(factory=list, init=False)
    _kept: asyncio.Event = field(factory=asyncio.Event, init=False)

    def handlers(self) -> Mapping[str, Handler]:
        """The requests by name."""
        named = (self.propose, self.invalidate, self.stop, self.exclude, self.cut)
        return {handler.__name__: handler for handler in named}

    def snapshot(self) -> Mapping[str, object]:
        """What a subscriber sees, as JSON values; the fields are those of `client.Snapshot`."""
        daemon = self.daemon
        state, lock, view = daemon.state("membership"), daemon.state("lock"), daemon.statefile.view
        phase = "starting" if state in _STARTING else "ending" if state in _ENDING else "live"
        seen = daemon.statefile.snapshot
        # By the liveset of now: the read that let this host in was made before it had any.
        holder = daemon.evidence.holder(seen, daemon.hosts("live")) if seen else None
        return {
            "phase": phase,
            "live": sorted(daemon.hosts("live")) if phase == "live" else [],
            "incarnations": {str(host): number for host, number in sorted(daemon.evidence.listed.items())},
            "marked": view.mark.host if view else None,
            "holder": daemon.settings.me if lock == "holding" else holder,
            "statefile": not daemon.value("no_sf"),
            "pool": daemon.value("word") if view is None else view.pool.name.lower(),
        }

    def answer_proposals(self, granted: bool) -> None:
        """The lock machine has answered: all who asked are told."""
        waiting, self._proposals = self._proposals, []
        for proposal in waiting:
            if not proposal.done():
                proposal.set_result(granted)

    def answer_exclusions(self) -> None:
        """The host is not excluded and goes on: all who asked are told."""
        self._kept.set()

    async def farewell(self) -> None:
        """Give those who wait for the end a moment to hear of it."""
        self.answer_proposals(False)
        await asyncio.sleep(_FAREWELL_SECONDS)

    async def propose(self, request: Fields) -> Mapping[str, object]:
        """Answer `granted` and, if so, the liveset of that moment."""
        proposal: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._proposals.append(proposal)
        self.daemon.driver.post(Event("lock", "propose"))
        granted = await proposal
        return {"granted": granted, "live": sorted(self.daemon.hosts("live"))}

    async def invalidate(self, request: Fields) -> Mapping[str, object]:
        """Answer once it is on the disk; refuse when this host is not live or the statefile does not take it."""
        if self.snapshot()["phase"] != "live":
            raise PoolError("invalidate: this host is not live; write the notice instead")
        self.daemon.post("invalidate")
        try:
            async with asyncio.timeout(self.daemon.settings.timing.statefile_lease):
                await self.daemon.statefile.invalid_written.wait()
        except TimeoutError:
            raise PoolError("invalidate: the statefile does not take it; go without") from None
        return {}

    async def stop(self, request: Fields) -> Mapping[str, object]:
        """Answer when this host has left."""
        return await self._leave("stop")

    async def exclude(self, request: Fields) -> Mapping[str, object]:
        """Answer when this host has left, and its exclusion is on the disk."""
        self._kept.clear()
        self.daemon.post("exclude")
        ends = [asyncio.ensure_future(end.wait()) for end in (self.daemon.over, self._kept)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if not self.daemon.over.is_set():
            raise PoolError("exclude: HA is not active, or this host has no statefile; try again or stop it")
        if not self.daemon.statefile.excluded_written:
            raise PoolError("exclude: this host has left, but its exclusion is not on the statefile; write the notice")
        return {}

    async def _leave(self, event: str) -> Mapping[str, object]:
        self.daemon.post(event)
        await self.daemon.over.wait()
        return {}

    async def cut(self, request: Fields) -> Mapping[str, object]:
        """Answer at once; empty lists and false undo it."""
        peers, deaf, statefile = request.get("peers", []), request.get("deaf", []), request.get("statefile", False)
        for name, hosts in (("peers", peers), ("deaf", deaf)):
            if not isinstance(hosts, list) or not all(isinstance(host, int) for host in hosts):
                raise PoolError(f"cut: {name} is a list of host indices, not {hosts!r}")
        self.daemon.network.cut, self.daemon.network.deaf = frozenset(peers), frozenset(deaf)
        self.daemon.statefile.cut = bool(statefile)
        return {}
