"""The world of `hosts.worlds.handover` where an operator names a master: what he swears, and where it may begin.

He swears that some hosts are switched off, which need not follow then. A sincere one looks before he does: where he
would be wrong he sees it, no host is asked, and nothing is changed. So what he has a way to he has without a lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import define, evolve

from fsm.engine.turn import Effects, Operation
from fsm.explore.calls import SENT, Calls
from fsm.explore.parted import Parts, Update
from hosts.worlds.handover import DOWN, HandoverWorld, Kept
from hosts.worlds.pool_moves import put


@define(eq=False)
class NamingWorld(HandoverWorld):
    """The world of `n` hosts with HA off.

    Arguments: as of `HandoverWorld`, and
        sincere: an operator looks before he says of a host that it is switched off.
        astray: at the beginning each host follows the lowest of the others, and nobody is master.
        term: the newest that the log has seen at the beginning; whose it was is open.
    """

    sincere: bool = False
    astray: bool = False
    term: int = 0

    def initial(self) -> Iterable[Parts]:
        """All hosts have power, and no agent runs yet."""
        for w in super().initial():
            for host in range(self.n) if self.astray else ():
                w = put(w, self.all_kept[host], Kept(int(host == 0)))
            for owner in range(self.n) if self.term else (None,):
                yield put(w, self.log, evolve(w[self.log], term=self.term, owner=owner))

    # -- in parts

    def _updates(self, host: int, effects: Effects) -> Iterator[Update]:
        yield from super()._updates(host, effects)
        for operation in effects.operations if self.sincere else ():
            if operation.name == "depose":
                said_off = tuple(h for h in range(self.n) if h not in (host, *(operation.targets or ())))
                own = self.calls[host]
                yield Update((*self.powers, own, self.log), _looked, (own, self.log, host, operation.machine, said_off))


def _looked(w: Parts, place: int, log: int, host: int, machine: str, said_off: tuple[int, ...]) -> Parts:
    """An operator sees that hosts run that he would have said are switched off: nobody is asked, and it fails."""
    wrong = tuple(h for h in said_off if w[h] != DOWN)
    if not wrong:
        return w
    calls: Calls = w[place].start(host, Operation(machine, "host", "depose", {}, wrong, True))
    for leg in calls.legs(SENT):
        calls = calls.lose_request(leg, down=True) if leg.machine == machine else calls
    return put(put(w, place, calls), log, evolve(w[log], broken_oath=False))
