"""The planned change of master: two hosts and any number of faults, two rivals among three hosts; what the redo log is
needed for; the order of terms. The bugs that it does not have are in tests/data/mutants.yaml."""

from __future__ import annotations

import pytest

from fsm import Operation
from fsm.explore.system import System
from fsm.locate import specs
from fsm.search.result import HOLDS, VIOLATED
from hosts.agent.terms_port import TermsPort
from hosts.rpc import as_term
from hosts.worlds.handover import HandoverWorld, Kept, Log
from tests.exploring import explore

FAULTS = ("crash", "restart", "loss", "stray", "disk")
ANY = {f"faults.{kind}": "any" for kind in ("crash", "restart", "loss", "disk")}
TWO = {"hosts": "2", "settings.reigns": "5", "operator.handover.hand_over": "any", **ANY}
TOLD = {
    "any": (TWO, (83_023, 616_836, 52)),
    "master 1": ({**TWO, "settings.master": "1", "host.role": "1"}, (83_023, 616_836, 52)),
    "rivals": ({"hosts": "3", "operator.handover.hand_over": "2"}, (111_619, 394_799, 48)),
}


def _system(name: str, settings: dict[str, str]) -> System:
    """A shipped system with these faults alone."""
    system = System.load(specs() / "systems" / f"{name}.yaml")
    for kind in FAULTS:
        system = system.with_setting(f"faults.{kind}", "0")
    for setting, value in settings.items():
        system = system.with_setting(setting, value)
    return system


@pytest.mark.parametrize("name", TOLD)
def test_all_is_promised(name: str) -> None:
    """One master, which has the database; all agree in the end; no commit without a proposal, one at a time."""
    settings, counts = TOLD[name]
    result = explore(_system("handover", settings))
    assert {v.property.name: v.verdict for v in result.verdicts if v.verdict != HOLDS} == {}
    assert result.refusals == ()
    assert (result.distinct, result.edges, result.depth) == counts


def test_the_redo_log_is_needed_where_a_master_is_named_by_force() -> None:
    """Without what it knows of reigns, the former master comes back and there are two."""
    result = explore(_system("named", {"faults.crash": "1"}).without("log"), stop_at_first=True)
    verdict = result.verdict("S1")
    assert verdict.verdict == VIOLATED
    assert verdict.trace is not None
    assert len(verdict.trace) == 10


def _wanted_is_had(world: HandoverWorld, host: int, kept: Kept, log: Log) -> bool:
    """A rule that is wrong: who has wanted to claim the log with a later term than it has seen is not superseded."""
    return log.term > kept.held and log.owner != host and log.term > log.wanted[host]


@pytest.mark.parametrize("truly", [False, True], ids=["in small steps", "in true steps"])
def test_a_claim_that_failed_is_no_reign(monkeypatch: pytest.MonkeyPatch, truly: bool) -> None:
    """Whose the newest term is decides, however far apart terms are (in truth as `RedoLog.own_term` says). If what was
    only wanted did, a former master whose claims failed would come back beside the one that was named by force."""
    budgets = {"operator.handover.hand_over": "0", "operator.handover.force": "1", "settings.reigns": "5"}
    faults = {"faults.crash": "1", "faults.disk": "4"}
    if truly:
        monkeypatch.setattr(HandoverWorld, "own_term", lambda _, host, above: above + 1 + (host - above - 1) % 2)
        budgets["settings.reigns"], faults["faults.disk"] = "8", "3"
    named = _system("named", {**budgets, **faults})
    result = explore(named)
    assert [result.verdict(name).verdict for name in ("S1", "S7", "L3")] == [HOLDS] * 3
    monkeypatch.setattr(HandoverWorld, "superseded", _wanted_is_had)
    verdict = explore(named, stop_at_first=True).verdict("S1")
    assert verdict.verdict == VIOLATED
    assert verdict.trace is not None
    assert len(verdict.trace) == (19 if truly else 22)


def test_the_order_of_terms() -> None:
    """next is one more; what another host sends and is no term counts as 0, and the last term has no next one."""

    def compare(kept: object, heard: object) -> str:
        return TermsPort().read(Operation("follow", "terms", "compare", {"kept": kept, "heard": heard}))[0]

    assert [compare(3, heard) for heard in (2, 3, 4, 5)] == ["older", "equal", "next", "newer"]
    assert [compare(3, heard) for heard in (None, "9", True, -1, 2**60, 4.0)] == ["older"] * 6
    assert (as_term(7), as_term("7")) == (7, 0)
    succeed = Operation("handover", "terms", "succeed", {"term": 2**53 - 1})
    assert TermsPort().read(succeed) == ("number", {"term": 2**53 - 1})
