"""Promises of every fair run of a pool: what they assume is needed, and both engines say the same of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from fsm import cli
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.locate import specs
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.result import HOLDS, VIOLATED
from fsm.search.space import Fairness
from tests.pool_stories import story

NO_VM = ("settings.running.v=null", "pool.restart[v].resident=none", "pool.restart[v].wanted=false")


def fair(system: System, *strong: str, weak: tuple[str, ...] = ("*",)) -> PoolSpace:
    """The promises of fair runs alone, under another fairness."""
    promised = tuple(p for p in system.properties if p.name.endswith("_fair"))
    return PoolSpace(evolve(system, properties=promised, fairness=Fairness(weak, strong)))


def test_what_failover_assumes_is_needed() -> None:
    """A VM that fails to start for ever is never restarted; where nothing need ever happen, nothing does."""
    system = story("failover", ("crash",))
    result = explore(fair(system))
    assert {v.verdict for v in result.verdicts} == {VIOLATED}
    trace = result.verdict("L1_fair").trace
    assert trace is not None
    assert trace.loop is not None
    walk = trace.steps[trace.loop - 1 :]
    assert "toolstack.start of host 1: failed" in {step.label for step in walk}
    assert {step.fault for step in walk} == {None}
    idle = explore(fair(system, weak=())).verdict("L1_fair").trace
    assert idle is not None
    assert (len(idle), idle.loop) == (0, 1)
    assert idle.lines()[-1] == "and so it stays for ever: nothing that is fair can happen"


def test_hosts_may_retry_out_of_step_for_ever() -> None:
    """The assumption about time: without strong fairness of forming, one host starts its daemon while the other one
    waits, and the other way round, for ever, and HA neither comes to be on nor off."""
    result = explore(fair(story("enable", ("crash", "statefile"), NO_VM)))
    assert {v.verdict for v in result.verdicts} == {VIOLATED}
    trace = result.verdict("L2_fair").trace
    assert trace is not None
    assert trace.loop is not None
    assert "daemon.start of host 0: failed" in {step.label for step in trace.steps[trace.loop - 1 :]}


@pytest.mark.parametrize("weak", [("*",), ("timer*", "daemon*", "database*"), ()])
def test_both_engines_say_the_same_of_a_pool(weak: tuple[str, ...]) -> None:
    """On a story of two hundred states, under several assumptions."""
    results = [explore(fair(story("disable"), weak=weak), engine=engine) for engine in (FAST, REFERENCE)]
    said = [
        {v.property.name: (v.verdict, None if v.trace is None else v.trace.loop) for v in result.verdicts}
        for result in results
    ]
    assert said[0] == said[1]
    assert ({verdict for verdict, _ in said[0].values()} == {HOLDS}) is (weak == ("*",))


def test_verify_refuses_a_pattern_that_fits_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the place, once all moves are known; with fewer faults set, fewer moves happen, and it says nothing."""
    path = tmp_path / "11-peterson.yaml"
    text = (specs() / "examples" / path.name).read_text("utf-8")
    path.write_text(text.replace('"hoist(*"', '"hosit(*"'), "utf-8")
    assert cli.main(["verify", str(path)]) == 2
    said = capsys.readouterr().err
    line = text[: text.index("fair:")].count("\n") + 1
    assert said.startswith(f"{path}:{line}:7: fair: no group of moves is called 'hosit(*'")
    assert cli.main(["verify", str(path), "--set", "busy=0"]) == 1
