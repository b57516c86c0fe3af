"""The checker: exact counts, exact shortest counterexamples, and honest ends of searches that were cut short."""

from __future__ import annotations

import gc
import itertools
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.cli import main
from fsm.errors import SpecError
from fsm.explore.joint import Joint, JointState
from fsm.explore.system import System
from fsm.search.result import Progress, Result
from fsm.search.trace import Trace
from tests.exploring import explore

TOYS = Path(__file__).parent / "data" / "toys"


def toy(name: str, **settings: object) -> System:
    """A toy system with settings such as `hosts=3` or `loss=1`."""
    system = System.load(TOYS / "systems" / f"{name}.yaml")
    for key, value in settings.items():
        path = {"hosts": "hosts", "go": "operator.asker.go"}.get(key, f"faults.{key}")
        system = system.with_setting(path, str(value))
    return system


def spoiled(tmp_path: Path, system: str, old: str, new: str, file: str | None = None) -> System:
    """A toy system from a copied folder, with one passage of it (or of another file) replaced."""
    folder = Path(shutil.copytree(TOYS, tmp_path / "specs"))
    path = folder / (file or f"systems/{system}.yaml")
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")
    return System.load(folder / "systems" / f"{system}.yaml")


def counts(result: Result) -> tuple[int, int, int]:
    """(states, edges, depth) of a search that came to its end."""
    assert result.finished
    return result.distinct, result.edges, result.depth


def labels(trace: Trace | None) -> list[str]:
    """What happened, step by step."""
    assert trace is not None
    return [step.label for step in trace.steps]


def plain(system: System) -> tuple[int, int, int, frozenset[str], set[str]]:
    """(states, edges, depth, rows, refusals) by the plainest search there is, without tables and packed numbers."""
    joint = Joint(system)
    depth_of: dict[JointState, int] = dict.fromkeys(joint.initial(), 0)
    queue, edges = list(depth_of), 0
    rows: set[str] = set()
    refused: set[str] = set()
    for state in queue:
        for move in joint.moves(state):
            if move.turn is not None and move.turn.refused is not None:
                refused.add(move.turn.refused)
            rows.update(fired.row for fired in (move.turn.fired if move.turn else ()))
            if move.target is not None and move.target != state:
                edges += 1
                if move.target not in depth_of:
                    depth_of[move.target] = depth_of[state] + 1
                    queue.append(move.target)
    return len(depth_of), edges, 1 + max(depth_of.values()), frozenset(rows), refused


@pytest.mark.parametrize("hosts", [1, 2, 3, 4])
def test_a_token_goes_round(hosts: int) -> None:
    """A ring of n stations has 2n states, one after the other: the token is on its way to a station, or held."""
    result = explore(toy("ring", hosts=hosts))
    assert counts(result) == (2 * hosts, 2 * hosts, 2 * hosts)
    assert {v.property.name: v.verdict for v in result.verdicts} == dict.fromkeys(["alone", "turns", "held"], "holds")
    assert (result.refusals, result.unfired, result.exit_code) == ((), [], 0)


@pytest.mark.parametrize("hosts", [1, 2, 3, 5])
def test_mutual_exclusion_holds_when_testing_and_taking_are_one(hosts: int) -> None:
    """Nobody is inside, or one of n: n + 1 states, and an edge in and out of each."""
    result = explore(toy("careful", hosts=hosts))
    assert counts(result) == (hosts + 1, 2 * hosts, 2)
    assert result.exit_code == 0


def careless(hosts: int) -> tuple[int, int, int]:
    """The careless machine once more, written down as a function: (states, edges, depth)."""
    start = (("idle",) * hosts, False)
    depth_of, queue, edges = {start: 0}, [start], 0
    for state in queue:
        for host, (local, taken) in enumerate(zip(state[0], [state[1]] * hosts, strict=True)):
            if local == "idle" and taken:
                continue
            after, flag = {"idle": ("entering", taken), "entering": ("critical", True), "critical": ("idle", False)}[
                local
            ]
            target = (*state[0][:host], after, *state[0][host + 1 :]), flag
            edges += 1
            if target not in depth_of:
                depth_of[target] = depth_of[state] + 1
                queue.append(target)
    return len(depth_of), edges, 1 + max(depth_of.values())


@pytest.mark.parametrize(("hosts", "exact"), [(2, (13, 24, 7)), (3, (45, 120, 9))])
def test_mutual_exclusion_is_broken_when_they_are_two(hosts: int, exact: tuple[int, int, int]) -> None:
    """Two hosts test before either takes: four moves, no shorter way; with three hosts the same."""
    result = explore(toy("careless", hosts=hosts))
    assert counts(result) == exact == careless(hosts)
    timers = labels(result.verdict("exclusion").trace)
    one, other = timers[2:]
    assert sorted(timers[:2]) == sorted(timers[2:])
    assert one != other
    assert len(labels(result.verdict("truth").trace)) == 5
    assert (result.verdict("exclusion").verdict, result.exit_code) == ("violated", 1)


def test_a_counterexample_reads_as_a_story() -> None:
    """Numbered steps: what happened, which rows fired and why, and what is different now."""
    trace = explore(toy("careless")).verdict("exclusion").trace
    assert trace is not None
    a, b, c, d = (int(label[-1]) for label in labels(trace))
    assert trace.lines() == [
        "0. inside: {}, taken: false",
        f"1. timer of careless at host {a}",
        f"   host {a}: careless idle -> entering [careless.idle/after]",
        "      nobody is inside",
        f"2. timer of careless at host {b}",
        f"   host {b}: careless idle -> entering [careless.idle/after]",
        "      nobody is inside",
        f"3. timer of careless at host {c}",
        f"   host {c}: careless entering -> critical, taken := true [careless.entering/after]",
        "      go in",
        f"   inside: {{}} -> {{{c}}}",
        "   taken: false -> true",
        f"4. timer of careless at host {d}",
        f"   host {d}: careless entering -> critical, taken := true [careless.entering/after]",
        "      go in",
        f"   inside: {{{c}}} -> {{0, 1}}",
    ]


def test_a_turn_that_is_refused_is_found() -> None:
    """With one duplicate a station may get a second token while it holds one: the spec has no answer, in three moves;
    two holders take two more, and so does the step to them."""
    result = explore(toy("ring", duplicate=1))
    messages = {refusal.message for refusal in result.refusals}
    assert messages == {"station in holding has no row for link.token"}
    assert labels(result.refusals[0].trace) == [
        "token for host 0 duplicated",
        "token reaches host 0",
        "token reaches host 0",
    ]
    assert result.refusals[0].trace.lines()[-1] == "   host 0: refused: station in holding has no row for link.token"
    assert len(labels(result.verdict("alone").trace)) == len(labels(result.verdict("turns").trace)) == 5
    assert result.exit_code == 1


def test_a_step_is_shown_with_its_last_edge(tmp_path: Path) -> None:
    """Both ends of an edge may be known long before, here the beginning itself: the story ends with the edge."""
    system = spoiled(tmp_path, "careful", 'always: "taken or empty(inside)"', 'step: "next_taken or not taken"')
    result = explore(system)
    assert result.verdict("truth").verdict == "violated"
    assert labels(result.verdict("truth").trace) == ["timer of careful at host 0"] * 2


def test_what_cannot_be_reached_is_said(tmp_path: Path) -> None:
    """A finished search answers no, one that was cut leaves it open."""
    system = spoiled(tmp_path, "ring", "one(holding) and empty(coming)", "one(holding) and one(coming)")
    result = explore(system)
    assert (result.verdict("held").verdict, result.verdict("held").trace, result.exit_code) == ("not reached", None, 1)
    cut = explore(system, limit_states=3)
    assert (cut.verdict("held").verdict, cut.exit_code) == ("open", 2)


def test_what_can_be_reached_is_shown() -> None:
    """The shortest way there."""
    assert labels(explore(toy("ring")).verdict("held").trace) == ["token reaches host 0"]


def test_a_search_cut_by_a_number_of_states_says_so() -> None:
    """Tokens without end: nothing holds, what was violated stays violated."""
    system = toy("ring", duplicate="any", hosts=2)
    result = explore(system, limit_states=2000)
    assert not result.finished
    assert 2000 < result.distinct < 3000
    assert result.exit_code == 1
    assert explore(toy("asking"), limit_states=500).exit_code == 2


def test_a_search_cut_by_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at every few hundred states; progress is told about once a second."""
    ticks = itertools.count()
    monkeypatch.setattr("fsm.search.fast.time.monotonic", lambda: float(next(ticks)))
    told: list[Progress] = []
    result = explore(toy("asking"), limit_seconds=5, progress=told.append)
    assert (result.finished, result.exit_code) == (False, 2)
    assert len(told) > 3
    assert [p.states for p in told] == sorted(p.states for p in told)
    assert all(p.frontier > 0 and p.generated > p.states for p in told[1:])


def test_stopping_at_the_first_violation() -> None:
    """Enough to reject a mutant: fewer states, the same story."""
    whole, first = explore(toy("careless", hosts=3)), explore(toy("careless", hosts=3), stop_at_first=True)
    assert first.distinct < whole.distinct
    assert labels(first.verdict("exclusion").trace) == labels(whole.verdict("exclusion").trace)
    assert (first.verdict("truth").verdict, first.exit_code, first.finished) == ("open", 1, False)


def test_a_mutant_is_a_changed_file_in_a_copied_folder(tmp_path: Path) -> None:
    """The machines of a system are those beside it."""
    mutant = spoiled(tmp_path, "careful", "to: critical, set: {taken: true}", "to: critical", "machines/careful.yaml")
    result = explore(mutant)
    found = sorted(labels(result.verdict("exclusion").trace))
    assert found == [f"timer of careful at host {host}" for host in (0, 1)]


@pytest.mark.parametrize(("go", "exact"), [(0, (1, 0, 1)), (1, (5, 4, 5)), (2, (13, 14, 9)), ("any", (9, 8, 9))])
def test_a_budget_is_part_of_the_state_and_any_is_not(go: object, exact: tuple[int, int, int]) -> None:
    """One host works at most twice, four moves each. Counted, an order that is ignored uses the budget up, which is a
    state of its own; uncounted it changes nothing. So any is fewer states than two."""
    system = toy("asking", hosts=1, go=go, loss=0, late=0, restart=0)
    assert counts(explore(system)) == exact


def test_a_fault_with_budget_zero_never_happens() -> None:
    """Neither does one that is not named."""
    none = explore(toy("asking", go=1, loss=0, late=0, restart=0))
    few = explore(toy("asking", go=1, loss=0, late=0, restart=1))
    assert none.distinct < few.distinct
    assert "asker.working/some_failed" in none.unfired
    assert "asker.working/some_failed" in few.fired


def test_a_restart_keeps_what_the_host_stores() -> None:
    """Memory and states of machines are lost, host variables survive."""
    joint = Joint(toy("asking", go=1))
    [begun] = [m.target for m in joint.moves(joint.initial()[0]) if "go at host 0" in m.choice.action.label]
    assert begun is not None
    [after] = [m.target for m in joint.moves(begun) if m.choice.action.label == "restart of host 0"]
    assert after is not None
    node = joint.nodes[0]
    assert (node.state(begun.locals[0], "asker"), node.state(after.locals[0], "asker")) == ("working", "idle")
    assert node.value(after.locals[0], after.pool, "epoch") == 1


def test_a_clause_switched_off_adds_behaviour() -> None:
    """A token that may go astray has more ways, to no new states."""
    assert counts(explore(toy("ring").without("K1"))) == (6, 9, 4)


@settings(max_examples=12)
@given(
    st.fixed_dictionaries({fault: st.sampled_from([0, 1]) for fault in ("loss", "late", "restart", "crash", "outage")})
)
def test_tables_and_plain_moves_agree(faults: dict[str, int]) -> None:
    """The fast search finds the states, edges, depth, rows and refusals of the plain one."""
    budget = 2  # more kinds at once only repeat what two show, and cost minutes
    for fault in faults:
        faults[fault], budget = (faults[fault], budget - faults[fault]) if budget >= faults[fault] else (0, budget)
    system = toy("asking", go=1, **faults)
    result = explore(system)
    assert (*counts(result), result.fired, {r.message for r in result.refusals}) == plain(system)


@pytest.mark.parametrize("name", ["ring", "careless"])
def test_tables_and_plain_moves_agree_on_wrong_systems(name: str) -> None:
    """Refused turns included."""
    system = toy(name, hosts=3, **({"duplicate": 2} if name == "ring" else {}))
    result = explore(system)
    assert (*counts(result), result.fired, {r.message for r in result.refusals}) == plain(system)


def test_unlimited_faults_agree_with_plain_moves() -> None:
    """One host, every kind of fault any number of times."""
    system = toy("asking", hosts=1, loss="any", late="any", restart="any", crash="any", outage="any")
    result = explore(system)
    assert (*counts(result), result.fired, {r.message for r in result.refusals}) == plain(system)


def test_a_property_without_a_value_is_an_error(tmp_path: Path) -> None:
    """`the(S)` of a set that is empty somewhere says nothing there."""
    with pytest.raises(SpecError, match=r"ring.yaml:10:19: alone has no value .*no-value"):
        explore(spoiled(tmp_path, "ring", "size(holding) <= 1", "the(holding) in holding"))
    with pytest.raises(SpecError, match=r"ring.yaml:8:17: a set has no value .*no-value"):
        explore(spoiled(tmp_path / "set", "ring", "station == holding", "the(coming) == me"))


@pytest.mark.parametrize(("world", "says"), [("Liar", "it declares hosts"), ("Moody", "must be a function")])
def test_a_world_that_breaks_its_own_rules_is_an_error(tmp_path: Path, world: str, says: str) -> None:
    """Facts lie in their domains, and asking twice gives the same answer."""
    system = spoiled(tmp_path, "ring", "toy_worlds:Ring", f"toy_worlds:{world}")
    with pytest.raises(SpecError, match=says):
        explore(system)


def test_the_collector_is_back_after_a_search() -> None:
    """It rests meanwhile; also when a search fails."""
    assert gc.isenabled()
    explore(toy("ring"))
    assert gc.isenabled()


def test_the_command_answers_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """0 all hold, 1 a counterexample, 2 cut short or unusable; one line on stderr, no traceback."""
    files = {name: str(TOYS / "systems" / f"{name}.yaml") for name in ("careful", "careless", "asking")}
    assert main(["verify", files["careful"]]) == 0
    assert "careful: 3 states, 4 edges, depth 2" in capsys.readouterr().out
    assert main(["verify", files["careless"], "--set", "hosts=3"]) == 1
    out = capsys.readouterr().out
    assert "exclusion  violated     one at a time" in out
    assert "at the beginning:" in out
    assert main(["verify", files["asking"], "--limit-states", "100"]) == 2
    assert "not finished: " in (out := capsys.readouterr().out)
    assert "no violation so far" in out
    for wrong in (["nowhere"], [files["careful"], "--set", "hosts"], [files["careful"], "--without", "K9"]):
        assert main(["verify", *wrong]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)


def test_help_names_everything_that_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings of the world and initial variables too."""
    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    said = capsys.readouterr().out
    assert all(form in said for form in ("hosts=N", "faults.", "settings.NAME", "host.NAME", "pool.NAME"))


def test_rows_that_never_fired_are_pointed_to(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says how to see them; nothing where all fired."""
    assert main(["verify", str(TOYS / "systems" / "careless.yaml")]) == 1
    assert capsys.readouterr().out.endswith(" rows fired\n")
    main(["verify", "failover", "--set", "hosts=1", "--limit-states", "50"])
    assert capsys.readouterr().out.endswith(" rows fired; --json lists the others\n")


def test_a_model_has_actions(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no rows to speak of."""
    assert main(["verify", "die-hard"]) == 1
    assert capsys.readouterr().out.endswith("\n6 of 6 actions taken\n")


def test_the_command_answers_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object with counts, verdicts and stories."""
    assert main(["verify", str(TOYS / "systems" / "careless.yaml"), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["distinct"], said["edges"], said["depth"], said["finished"]) == (13, 24, 7, True)
    assert said["verdicts"] == {"exclusion": "violated", "truth": "violated", "enters": "holds"}
    step = said["traces"]["exclusion"][2]
    assert step["changes"] == {"inside": [[], [int(step["label"][-1])]], "taken": [False, True]}
    assert said["unfired"] == []
