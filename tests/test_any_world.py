"""The world of which nothing is known lets everything happen that a port declares, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.errors import SpecError
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.language.load import Library
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.load import load_space
from fsm.search.result import Result

CLERK = """
language: 1
machine: clerk
essay: "Serves calls, asks all hosts, reads a gauge, waits for a lock and hears a bell."
ports: [desk, lock]
events: {go: {}}
serves: {desk.open: {busy: refuse}}
states: [idle, serving, reading, asking, waiting, partly, closed]
initial: idle
rows:
- {from: idle,    on: desk.open,     to: serving,                                 why: "somebody asks"}
- {from: serving, after: "1s",       to: idle,    reply: ok,                      why: "it is done"}
- {from: [asking, waiting, partly, closed], on: desk.open, to: same, reply: failed, why: "it is busy"}
- {from: idle,    on: go,            to: reading, do: desk.gauge,                 why: "look first"}
- {from: reading, on: desk.high,     to: asking,  do: each desk.open, why: "ask all of them"}
- {from: reading, on: desk.low,      to: waiting, do: lock.take,                  why: "take it alone"}
- {from: asking,  on: all_ok,        to: closed,                                  why: "all agree"}
- {from: asking,  on: some_failed,   to: partly,                                  why: "some do not"}
- {from: waiting, on: lock.taken,    to: closed,                                  why: "it is ours"}
- {from: waiting, on: lock.refused,  to: idle,                                    why: "it is not"}
- {from: [closed, partly], on: desk.bell, to: idle,                               why: "a new day"}
ignore:
- {in: [serving, reading, asking, waiting, partly, closed], on: go, why: "it is busy"}
- {in: [idle, serving, reading, asking, waiting], on: desk.bell, why: "it is no news"}
"""
DESK = """
language: 1
port: desk
essay: "Other desks, a gauge, a bell."
operations:
  open:  {to: host, idempotent: true, outcomes: {ok: {}, failed: {}}}
  gauge: {instant: true, outcomes: {high: {}, low: {}}}
events: {bell: {}}
"""
LOCK = """
language: 1
port: lock
essay: "A lock."
operations:
  take: {idempotent: true, outcomes: {taken: {}, refused: {by: host}}}
"""
SYSTEM = """
language: 1
system: desks
essay: "Desks, whatever happens."
world: any
hosts: HOSTS
machines: [clerk]
operator: {clerk.go: any}
faults: {restart: any}
sets: {serving: "clerk == serving", asking: "clerk == asking", closed: "clerk == closed", partly: "clerk == partly",
  waiting: "clerk == waiting"}
properties:
  serves: {reachable: "not empty(serving)", why: "a call comes from nowhere"}
  asks:   {reachable: "not empty(asking)",  why: "the gauge is high some time"}
  waits:  {reachable: "not empty(waiting)", why: "and low some time"}
  closes: {reachable: "not empty(closed)",  why: "all may agree"}
  parts:  {reachable: "not empty(partly)",  why: "or not"}
"""


def desks(hosts: int, clerk: str = CLERK) -> System:
    """The desks."""
    documents = {
        "machines/clerk.yaml": clerk,
        "ports/desk.yaml": DESK,
        "ports/lock.yaml": LOCK,
        "systems/desks.yaml": SYSTEM.replace("HOSTS", str(hosts)),
    }
    return System.of(Library.of(documents), "systems/desks.yaml")


def explored(hosts: int, engine: str) -> Result:
    """The desks, explored."""
    return explore(PoolSpace(desks(hosts)), engine=engine)


def test_a_system_whose_machine_stays_where_nothing_can_come_is_refused() -> None:
    """An instant answer after which a machine stays, and asks nothing again, would leave it waiting for ever, for what
    no world knows of: as `fsm check` says it."""
    stays = CLERK.replace("desk.low,      to: waiting, do: lock.take,", "desk.low,      to: same,")
    with pytest.raises(SpecError, match=r"clerk.reading/desk.low stays in reading.*; name another state") as error:
        desks(1, stays)
    assert (error.value.rule, error.value.place.file) == ("trap", "machines/clerk.yaml")


def test_a_turn_that_ends_where_nothing_can_come_is_refused() -> None:
    """An answer that is let pass leaves its machine there, too: that turn is refused, in any world."""
    low = next(line for line in CLERK.splitlines(keepends=True) if "desk.low" in line)
    passed = CLERK.replace(low, "") + '- {in: [reading], on: desk.low, why: "it may be low"}\n'
    (refusal,) = explore(PoolSpace(desks(1, passed))).refusals
    assert refusal.message == "clerk stays in reading after desk.low, where nothing can come any more"


@pytest.mark.parametrize("hosts", [1, 2])
def test_everything_that_a_port_declares_may_happen(hosts: int) -> None:
    """Each row fires, no turn is refused, and both engines count the same."""
    fast, plain = explored(hosts, FAST), explored(hosts, REFERENCE)
    assert not fast.unfired
    assert not fast.refusals
    assert not fast.violated
    assert (fast.distinct, fast.generated, fast.edges, fast.depth) == (
        plain.distinct, plain.generated, plain.edges, plain.depth,
    )  # fmt: skip


def test_the_states_of_one_desk_are_those_that_can_be_counted_by_hand() -> None:
    """Two answers of the gauge by: idle, asking, waiting, partly, closed, each as it is or while a call from nowhere
    waits unanswered for ever (its desk restarted: it is forgotten, so it waits nowhere), and serving, with its call."""
    assert explored(1, FAST).distinct == 2 * (5 + 1)


def test_a_machine_is_explored_alone(tmp_path: Path) -> None:
    """`fsm verify clerk.yaml`: one host, each event an order; what its file does not say is found."""
    (tmp_path / "ports").mkdir()
    (tmp_path / "ports" / "desk.yaml").write_text(DESK, "utf-8")
    (tmp_path / "ports" / "lock.yaml").write_text(LOCK, "utf-8")
    (tmp_path / "clerk.yaml").write_text(CLERK, "utf-8")
    result = explore(load_space(tmp_path / "clerk.yaml"))
    assert (result.distinct, result.refusals, result.unfired) == (12, (), [])
    holed = CLERK.replace("closed], on: go,", "partly], on: go,").replace("partly, partly", "partly")
    (tmp_path / "clerk.yaml").write_text(holed, "utf-8")
    (refusal,) = explore(load_space(tmp_path / "clerk.yaml")).refusals
    assert refusal.message == "clerk in closed has no row for go"
