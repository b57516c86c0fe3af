"""Who may form a liveset: an excluded host does not, and what the world of it leaves out lets no less happen."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import pytest

from fsm import specs
from fsm.explore.joint import JointState
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from hosts.daemon import view
from hosts.worlds.sectors import seen
from tests.exploring import explore, told

SHOWN = ("living", "alone", "refused", "armed", "excluded", "promised")


def two(name: str, late: str = "0") -> System:
    """Two hosts that start, one of which is excluded; so often joining takes too long."""
    system = System.load(specs() / "systems" / f"{name}.yaml").with_setting("hosts", "2")
    for kind in system.faults:
        system = system.with_setting(f"faults.{kind}", {"boot": "2", "exclude": "1", "late": late}.get(kind, "0"))
    return system


def barring(late: str = "0") -> System:
    """The same in the world that leaves out more."""
    return two("barring", late).with_setting("settings.formed", "false")


def test_what_is_left_out_lets_no_less_happen() -> None:
    """Whoever is live, alone, refused, excluded or promised so in the world that leaves out less is so here as well."""

    def visible(space: PoolSpace, state: JointState) -> Hashable:
        named = space.named(state)
        return tuple(named[name] for name in SHOWN)

    found = told(two("exclusion"), visible)
    assert found <= told(barring(), visible)
    assert len(found) > 10


def test_two_hosts_of_which_one_is_excluded() -> None:
    """All promises hold, and one that is excluded gives up."""
    result = explore(barring("1"))
    assert result.finished
    assert not result.refusals
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Daemons for which an excluded host is as good as any to form a liveset."""
    seen.cache_clear()
    monkeypatch.setattr(view, "first_joiner", lambda me, joining, excluded, everybody: min(joining | {me}))
    yield
    seen.cache_clear()


@pytest.mark.usefixtures("forgetful")
def test_an_excluded_host_is_not_the_first() -> None:
    """Where exclusion does not count, an excluded host forms a liveset alone."""
    assert explore(barring(), stop_at_first=True).verdict("barred").verdict == "violated"


def test_a_new_incarnation_writes_another_sector() -> None:
    """Else a late write of the last one takes an exclusion back that has been confirmed."""
    system = barring().with_setting("faults.crash", "1").with_setting("faults.boot", "3").without("sectors")
    assert explore(system, stop_at_first=True).verdict("kept").verdict == "violated"
