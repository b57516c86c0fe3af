"""A forced override that rested on a false promise: two masters, then none, and the way out."""

from __future__ import annotations

import pytest

from fsm.explore.system import System
from fsm.locate import specs
from fsm.search.result import HOLDS, NOT_REACHED, VIOLATED, Result
from hosts.worlds.reigns import Claims, ReignsWorld
from tests.exploring import explore

ENABLED = {
    "operator.enable.enable": "1", "operator.withdraw.disable": "0", "operator.shutdown.shutdown": "0",
    "settings.ha": "off", "host.armed": "false", "pool.ha": "off",
}  # fmt: skip
"""HA is switched on while hosts are taken out by force."""


def explored(name: str, settings: dict[str, str]) -> Result:
    """What is found of a shipped system."""
    system = System.load(specs() / "systems" / f"{name}.yaml")
    for setting, value in settings.items():
        system = system.with_setting(setting, value)
    return explore(system)


def masterless(**settings: str) -> str:
    """Whether there is a way out (S10) of a pool in which nothing fails."""
    calm = {f"faults.{kind}": "0" for kind in ("crash", "restart", "loss", "stray", "disk")}
    calm["settings.reigns"] = "5"
    said = {f"operator.handover.{order}": often for order, often in settings.items() if order == "force"}
    said |= {f"host.{name}": value for name, value in settings.items() if name == "reign"}
    return explored("masterless", calm | said).verdict("S10").verdict


def test_an_operator_names_a_master_where_no_host_knows_of_a_later_reign() -> None:
    """Without that nobody would ever be master again; where one host does know, the hosts find their way by asking."""
    assert masterless(reign="2") == HOLDS
    assert masterless(reign="2", force="0") == VIOLATED
    assert masterless(force="0") == HOLDS


def test_a_sincere_operator_breaks_no_oath() -> None:
    """One who does not look may: then there are two masters, and whatever counts on him says nothing of a way out."""
    calm = {"faults.crash": "0", "faults.disk": "0", "operator.handover.hand_over": "0", "settings.reigns": "5"}
    assert explored("named", calm).verdict("sworn").verdict == HOLDS
    sincere = explored("named", calm | {"settings.sincere": "true"})
    assert sincere.verdict("sworn").verdict == NOT_REACHED
    assert sincere.verdict("S10").verdict == HOLDS


def test_two_masters_end_because_one_has_lost_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A false promise makes two masters. If no agent ended that has lost the redo log, and whoever has no liveset got
    it all the same, they would stay for ever."""
    monkeypatch.setattr(ReignsWorld, "overruled", lambda *_: ())
    monkeypatch.setattr(Claims, "begun", lambda claims, *_: claims)
    result = explored("forced", ENABLED)
    assert [result.verdict(name).verdict for name in ("S1", "broken", "S10")] == [HOLDS, HOLDS, VIOLATED]
