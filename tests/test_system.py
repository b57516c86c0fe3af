"""System files: what they mean, and what a wrong one answers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fsm.engine.node import Node
from fsm.errors import SpecError
from fsm.explore.joint import Joint
from fsm.explore.system import System
from fsm.language.load import Library
from fsm.locate import specs
from tests.exploring import explore

TOYS = Path(__file__).parent / "data" / "toys"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the toy specs that a test may spoil."""
    return Path(shutil.copytree(TOYS, tmp_path / "specs"))


def changed(folder: Path, old: str, new: str, system: str = "ring") -> Path:
    """The file of a system with one passage replaced."""
    path = folder / "systems" / f"{system}.yaml"
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new), "utf-8")
    return path


def test_a_system_says_what_its_file_says() -> None:
    """Names, numbers and formulas arrive as they were written."""
    system = System.load(TOYS / "systems" / "asking.yaml")
    assert (system.name, system.n, [m.name for m in system.machines]) == ("asking", 2, ["asker", "worker"])
    assert system.faults == {"loss": None, "late": None, "restart": None}
    assert [(o.machine, o.event, o.budget) for o in system.operator] == [("asker", "go", None)]
    assert [(p.name, p.kind) for p in system.properties] == [("work", "reachable")]


@pytest.mark.parametrize(
    ("old", "new", "place", "says", "rule"),
    [
        ("system: ring", "system: rings", "2:9", "the file is called ring.yaml", "bad-name"),
        ("essay:", "story:", "3:8", "has no key 'story'", "unknown-key"),
        ("world: tests.toy_worlds:Ring\n", "", "1:1", "needs the key 'world'", "missing-key"),
        ("toy_worlds:Ring", "toy_worlds:King", "4:8", "write 'package.module:Class'", "bad-world"),
        ("tests.toy_worlds:Ring", "tests.no_worlds:Ring", "4:8", "write 'package.module:Class'", "bad-world"),
        ("tests.toy_worlds:Ring", "Ring", "4:8", "write 'package.module:Class'", "bad-world"),
        ("tests.toy_worlds:Ring", ".toy_worlds:Ring", "4:8", "write 'package.module:Class'", "bad-world"),
        ("tests.toy_worlds:Ring", "types:SimpleNamespace", "4:8", "it has no initial()", "bad-world"),
        ("tests.toy_worlds:Ring", "os:abort", "4:8", "no class of worlds", "bad-world"),
        (
            "tests.toy_worlds:Ring",
            "tests.toy_worlds:Ring\nsettings: {x: 1}",
            "4:8",
            "no setting 'x'; it has none",
            "unknown-name",
        ),
        ("hosts: 3", "hosts: 0", "5:8", "a number from 1 to 8", "bad-value"),
        ("hosts: 3", "hosts: three", "5:8", "a number from 1 to 8", "bad-value"),
        ("[station]", "[statoin]", "6:12", "did you mean 'station'?", "unknown-name"),
        ("duplicate: 0", "duplicat: 0", "7:9", "did you mean 'duplicate'?", "unknown-name"),
        ("duplicate: 0", "duplicate: -1", "7:21", "'any' or a number", "bad-value"),
        ("duplicate: 0", "duplicate: many", "7:21", "'any' or a number", "bad-value"),
        (
            "faults: {",
            "operator: {station.token: 1}\nfaults: {",
            "7:27",
            "no machine here has the event",
            "unknown-event",
        ),
        ("station == holding", "station == held", "8:17", "unknown name 'held'; it may be", "unknown-name"),
        ("station == holding", "size(coming)", "8:17", "bool is needed", "bad-type"),
        ("size(holding) <= 1", "size(holdign) <= 1", "10:19", "did you mean 'holding'?", "unknown-name"),
        ("size(holding) <= 1", "next_holding == holding", "10:19", "unknown name 'next_holding'", "unknown-name"),
        ("size(holding) <= 1", "me in holding", "10:19", "'me' has no meaning in a property", "unknown-name"),
        ("size(holding) <= 1", "size(holding)", "10:19", "bool is needed", "bad-type"),
        ("size(holding) <= 1", "size(holding) <=", "10:19", "is not an expression", "bad-expression"),
        ("alone: {always:", "alone: {forever:", "10:20", "no key 'forever'", "unknown-key"),
        (
            "alone: {always:",
            "alone: {step: true, always:",
            "10:10",
            "says one of always, step, reachable",
            "missing-key",
        ),
        (', why: "one token, one holder"', "", "10:10", "needs a 'why'", "missing-why"),
        ("sets: {holding", "sets: {coming: 'true', holding", "1:1", "names two things", "duplicate-name"),
        ("faults:", "host: {epoch: 1}\nfaults:", "7:15", "no such variable 'epoch'", "unknown-name"),
        ("faults:", "instances: [a]\nfaults:", "7:12", "instances must be a mapping", "document-shape"),
        ("properties:", "properties: [", "11:3", "not YAML", "yaml"),
    ],
)
def test_a_wrong_system_gets_one_line_with_its_place(
    folder: Path, old: str, new: str, place: str, says: str, rule: str
) -> None:
    """`file:line:column: what is wrong, and what would be right [rule-id]`."""
    path = changed(folder, old, new)
    with pytest.raises(SpecError) as caught:
        System.load(path)
    line = str(caught.value)
    assert line.startswith(f"{path}:{place}: ")
    assert says in line
    assert line.endswith(f"[{rule}]")
    assert "\n" not in line


@given(
    st.integers(0, 640), st.sampled_from(["", "\t", "{", "]", "'", ": ", "any", "- ", "\x00", "é"]), st.integers(0, 9)
)
def test_a_spoiled_system_is_refused_or_loads(
    tmp_path_factory: pytest.TempPathFactory, at: int, junk: str, cut: int
) -> None:
    """Whatever a slip of the hand does to the file, nothing but a SpecError comes of it."""
    folder = tmp_path_factory.mktemp("spoiled")
    shutil.copytree(TOYS, folder, dirs_exist_ok=True)
    path = folder / "systems" / "ring.yaml"
    text = path.read_text("utf-8")
    path.write_text(text[:at] + junk + text[at + cut :], "utf-8")
    message = str(folder)
    try:
        System.load(path)
    except SpecError as error:
        message = str(error)
    assert message.startswith(str(folder))


def test_a_file_that_is_not_there_is_one_line() -> None:
    """No traceback for a wrong path."""
    with pytest.raises(SpecError, match=r"^nowhere/systems/x.yaml:1:1: cannot read it"):
        System.load(Path("nowhere/systems/x.yaml"))


def test_a_bare_file_name_finds_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines are looked for beside the folder of the system, wherever one stands."""
    monkeypatch.chdir(TOYS / "systems")
    assert System.load(Path("ring.yaml")).name == "ring"
    monkeypatch.chdir(TOYS)
    assert System.load(Path("systems/ring.yaml")).name == "ring"
    monkeypatch.chdir(TOYS / "machines")
    assert System.load(Path("../systems/ring.yaml")).name == "ring"


def test_settings_replace_hosts_and_budgets() -> None:
    """A system is a value: another one is made, the first stays."""
    system = System.load(TOYS / "systems" / "asking.yaml")
    other = system.with_setting("hosts", "3").with_setting("faults.loss", "2").with_setting("operator.asker.go", "1")
    assert (other.n, other.faults["loss"], other.operator[0].budget) == (3, 2, 1)
    assert other.with_setting("faults.loss", "any").faults["loss"] is None
    assert (system.n, system.faults["loss"]) == (2, None)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("hosts", "9", "from 1 to 8"),
        ("hosts", "²", "from 1 to 8"),
        ("host", "2", "did you mean 'hosts'?"),
        ("faults.loss", "-1", "'any' or a number"),
        ("faults.", "1", "nothing to set"),
        ("operator.asker.stop", "1", "nothing to set"),
        ("foo", "1", "faults.restart, host.VARIABLE, hosts, operator.asker.go, pool.VARIABLE"),
    ],
)
def test_a_wrong_setting_is_one_line(name: str, value: str, says: str) -> None:
    """As in the file itself."""
    with pytest.raises(SpecError, match=says):
        System.load(TOYS / "systems" / "asking.yaml").with_setting(name, value)


def test_a_fault_that_the_world_does_not_know_is_refused_when_it_is_set() -> None:
    """A budget for nothing would prove nothing."""
    system = System.load(TOYS / "systems" / "asking.yaml").with_setting("faults.flood", "1")
    with pytest.raises(SpecError, match="no fault 'flood'"):
        explore(system)


def test_a_clause_that_the_world_does_not_know_is_refused() -> None:
    """The known ones are named."""
    with pytest.raises(SpecError, match="toy_worlds:Ring has no clause 'K2'; its clauses are K1"):
        explore(System.load(TOYS / "systems" / "ring.yaml").without("K2"))


def test_a_setting_that_the_world_does_not_know_is_refused_with_those_that_it_has() -> None:
    """From the signature of the world, and never in the words of Python; a wrong name is told of them as well."""
    system = System.load(specs() / "systems" / "lease.yaml")
    with pytest.raises(SpecError, match=r"LeaseWorld has no setting 'dropp'; did you mean 'drop'\?"):
        explore(system.with_setting("settings.dropp", "1"))
    with pytest.raises(SpecError, match="LeaseWorld has no setting 'x'; it may be one of delay, drop, life, wander"):
        explore(system.with_setting("settings.x", "1"))
    with pytest.raises(SpecError, match=r"settings\.delay, settings\.drop, settings\.life, settings\.wander"):
        system.with_setting("foo", "1")


def test_a_fault_whose_budget_is_none_is_not_the_worlds() -> None:
    """A world keeps nothing for what never happens: no request that might arrive late."""
    system = System.load(specs() / "systems" / "pledges.yaml")
    kept = [system.with_setting("faults.stray", budget).build_world() for budget in ("0", "1", "any")]
    assert ["stray" in getattr(world, "may", ()) for world in kept] == [False, True, True]
    assert next(iter(kept[0].initial())) != next(iter(kept[1].initial()))


def test_a_machine_is_no_system() -> None:
    """Who names the file of a machine is told what it is and where systems are."""
    with pytest.raises(SpecError, match="this is a machine, no system; `fsm check` checks machines"):
        System.load(specs() / "machines" / "election.yaml")


def test_a_machine_can_be_replaced() -> None:
    """For mutants: the others stay, and a machine that is not there cannot be replaced."""
    system = System.load(TOYS / "systems" / "careful.yaml")
    careful = Library(TOYS).machine("careful")
    mutant = evolve(careful, rows=tuple(row for row in careful.rows if row.label != "else"))
    assert system.with_machine(mutant).machines == (mutant,)
    with pytest.raises(SpecError, match="no machine 'station'"):
        system.with_machine(Library(TOYS).machine("station"))


def test_hosts_begin_as_the_file_says(folder: Path) -> None:
    """One mapping for all, or a list: an entry a host, the last also for the hosts after it."""
    path = changed(folder, "faults:", "host: {epoch: 2}\nfaults:", "asking")
    assert [node.value(local, (), "epoch") for node, local in begun(path)] == [2, 2]
    path = changed(folder, "host: {epoch: 2}", "host: [{epoch: 2}, {}]", "asking")
    assert [node.value(local, (), "epoch") for node, local in begun(path)] == [2, 0]
    assert [node.value(local, (), "epoch") for node, local in begun(path, hosts=4)] == [2, 0, 0, 0]


def begun(path: Path, hosts: int = 2) -> list[tuple[Node, tuple[Any, ...]]]:
    """Each host's node and first local state."""
    joint = Joint(System.load(path).with_setting("hosts", str(hosts)))
    return list(zip(joint.nodes, joint.initial()[0].locals, strict=True))


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("[{}, {}, {}]", "3 entries for 2 hosts"),
        ("[]", "0 entries for 2 hosts"),
        ("{epoch: 3}", "epoch cannot be 3"),
        ("{epoch: me}", "cannot be 'me'"),
    ],
)
def test_a_wrong_beginning_is_refused(folder: Path, host: str, says: str) -> None:
    """Values lie in the domains of state.yaml."""
    with pytest.raises(SpecError, match=says):
        System.load(changed(folder, "faults:", f"host: {host}\nfaults:", "asking"))
