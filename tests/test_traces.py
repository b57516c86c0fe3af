"""Golden traces, the simulation behind them, and the format that they are written in."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import pytest
from attrs import evolve

from fsm.engine.turn import Event
from fsm.errors import Place, SpecError
from fsm.explore.simulate import Moment, Simulation
from fsm.explore.system import System
from fsm.explore.traces import parse, play
from fsm.language.load import Library
from fsm.locate import specs
from fsm.search.load import load_space

TRACES = Path(__file__).parent / "traces"
TOYS = Path(__file__).parent / "data" / "toys"
AT = Place("here")

REMEDY = "another story than {}: read the difference; if it is meant, run `pytest --rewrite-traces` and commit the file"


def settle(path: Path, rewrite: bool) -> tuple[str, frozenset[str]]:
    """A trace as it stands in its file, after a rewrite if that is asked for, once it agrees with what is played; and
    the rows that fired."""
    played = play(path, specs())
    if rewrite and path.read_text("utf-8") != played.text:
        path.write_text(played.text, "utf-8")
    assert path.read_text("utf-8") == played.text, REMEDY.format(path.name)
    return played.text, played.rows


def test_golden_traces(request: pytest.FixtureRequest) -> None:
    """Every story happens as it is written down, reaches its goals, and breaks no promise on the way."""
    rewrite = bool(request.config.getoption("--rewrite-traces"))
    stories = {path.name: settle(path, rewrite) for path in sorted(TRACES.glob("*.txt"))}
    assert len(stories) >= 5
    for name, (text, _) in stories.items():
        assert not [word for word in ("VIOLATED", "REFUSED", "NOT REACHED") if word in text], name
        assert "] reached\n" in text or "\nsystem " not in text, name  # a trace of machines alone has no goal
    rows = frozenset[str]().union(*(fired for _, fired in stories.values()))
    rows -= set(load_space(specs() / "examples" / "02-die-hard.yaml").rows)
    library = Library(specs())
    known = {row.id for name in library.names() for row in library.machine(name).rows}
    assert rows <= known
    print(f"rows fired: {len(rows)} of {len(known)}")


def test_a_changed_story_is_seen_and_a_rewrite_writes_it(tmp_path: Path) -> None:
    """A file that says something else fails with the remedy; rewritten, it is the file that was shipped."""
    shipped = (TRACES / "toolstack_restarts.txt").read_text("utf-8")
    path = tmp_path / "toolstack_restarts.txt"
    path.write_text(shipped.replace("acting: {0}", "acting: {1}"), "utf-8")
    with pytest.raises(AssertionError, match="--rewrite-traces"):
        settle(path, rewrite=False)
    assert settle(path, rewrite=True)[0] == shipped


@cache
def demo() -> System:
    """The system of the traces."""
    return System.load(specs() / "systems" / "demo.yaml")


def ready(system: System) -> Simulation:
    """A simulation of it in which HA is on and both VMs run, vm2 on the master."""
    simulation = Simulation(system)
    reach(simulation, "serving == everybody")
    simulation.cause("operator: enable.enable at host 0")
    reach(simulation, "ha == on and empty(switching)")
    for vm in ("vm1", "vm2"):
        simulation.cause(f"operator: restart[{vm}].start_vm at host 0")
    reach(simulation, "one(vm1) and one(vm2) and settled == acting")
    return simulation


def reach(simulation: Simulation, goal: str, seconds: float = 30.0) -> list[Moment]:
    """The moments until a goal is reached."""
    formula = simulation.goal(goal, AT)
    moments = list(simulation.run(seconds, formula))
    assert simulation.holds(formula)
    return moments


def test_faults_come_only_when_they_are_caused() -> None:
    """A pool in which nothing is done to stays as it is, however long."""
    simulation = ready(demo())
    before, began = simulation.names(), simulation.now
    moments = list(simulation.run(20.0))
    assert simulation.now == pytest.approx(began + 20.0)
    assert simulation.names() == before
    assert not [moment for moment in moments if moment.step.fault or moment.violated or moment.step.refused]


def test_a_dead_host_leaves_the_liveset_after_its_latency() -> None:
    """0.85 T + cycle after it lost power: neither earlier nor later."""
    simulation = ready(demo())
    began = simulation.cause("host 0 loses power").seconds
    assert simulation.names()["lock"] == 0
    (left,) = [m for m in reach(simulation, "lock == none") if m.step.label == "host 0 leaves the liveset"]
    assert left.seconds - began == pytest.approx(0.85 * 2.0 + 0.1)
    assert simulation.now == left.seconds


def test_timers_fire_after_their_seconds() -> None:
    """A follower looks at its master once in a poll."""
    simulation = ready(demo())
    looks = [
        moment.seconds
        for moment in simulation.run(2.0)
        if moment.step.host == 1 and moment.step.event == Event("monitor", "after")
    ]
    assert len(looks) == 20
    assert {round(b - a, 6) for a, b in itertools.pairwise(looks)} == {0.1}


def test_the_same_system_gives_the_same_moments() -> None:
    """Two simulations of one story agree in every move and every microsecond."""

    def story() -> list[Moment]:
        simulation = ready(demo())
        return [simulation.cause("host 0 loses power"), *simulation.run(5.0)]

    assert story() == story()


def test_a_broken_promise_is_named_where_it_breaks() -> None:
    """Without K1 and K4 a live master is dropped and another is granted its lock: from the moment on in which that one
    serves, S1 is broken."""
    stay = (("host 1 leaves *", None), ("host 2 leaves *", None))
    system = demo().without("K1").without("K4")
    simulation = ready(evolve(system, latency=(*stay, *system.latency)))
    moments = list(simulation.run(5.0))
    broken = [moment for moment in moments if "S1" in moment.violated]
    assert broken[0].step.label == "database.take_over of host 1: ok"
    assert broken == moments[moments.index(broken[0]) :]


def test_a_run_stops_at_a_refused_turn_and_nothing_has_changed() -> None:
    """The spec has no answer: the moment says so, and nothing happens after it."""
    system = demo()
    join = next(machine for machine in system.machines if machine.name == "join")
    rows = tuple(row for row in join.rows if row.event != "host.preconfigure")
    simulation = Simulation(system.with_machine(evolve(join, rows=rows)))
    reach(simulation, "serving == everybody")
    simulation.cause("operator: enable.enable at host 0")
    before = simulation.names()
    (moment,) = simulation.run(5.0)
    assert moment.step.refused == "join in idle has no row for host.preconfigure"
    assert simulation.names() == before
    assert simulation.now == moment.seconds


def toy(name: str, **latency: float | None) -> Simulation:
    """A toy system with latencies."""
    return Simulation(evolve(System.load(TOYS / "systems" / f"{name}.yaml"), latency=tuple(latency.items())))


def test_an_action_without_a_latency_is_refused() -> None:
    """A pattern has to match, or nobody knows when it happens."""
    with pytest.raises(SpecError, match=r"ring.yaml:1:1: no latency for 'token reaches host 0': .* \[no-latency\]"):
        list(toy("ring", **{"nothing like it": 1.0}).run(1.0))


def test_an_order_says_what_it_carries() -> None:
    """Of two orders that differ in that alone the one is given that is meant; else it is said what they may carry."""
    simulation = Simulation(demo())
    reach(simulation, "serving == everybody")
    order = "operator: shutdown.shutdown at host 1"
    with pytest.raises(LookupError, match=r"with \(reboot=maybe\) .* can with \(reboot=false\), \(reboot=true\)"):
        simulation.cause(order, "(reboot=maybe)")
    (row, *_) = simulation.cause(order, "(reboot=true)").step.fired
    assert row.payload == {"reboot": True}


def test_what_never_happens_by_itself_can_be_caused() -> None:
    """The first pattern that matches decides; `cause` needs no time, and says what is possible instead."""
    simulation = toy("ring", **{"token*": None, "*": 0.5})
    assert not list(simulation.run(10.0))
    assert simulation.now == 10.0
    with pytest.raises(
        LookupError, match="'token reaches hots' cannot happen now; did you mean 'token reaches host 0'"
    ):
        simulation.cause("token reaches hots")
    moment = simulation.cause("token reaches host 0")
    assert (moment.seconds, moment.still) == (10.0, False)


@pytest.mark.parametrize(
    ("latency", "message"),
    [
        ("{'*': soon}", "unknown parameter 'soon'"),
        ("{'*': 0}", "a latency must be text"),
        ("{'*': 0.1ms}", "a latency is at least 1 ms, or never, not 0.1ms"),
        ("[5ms]", "latency must be a mapping"),
    ],
)
def test_bad_latencies_are_refused_at_their_place(tmp_path: Path, latency: str, message: str) -> None:
    """The message names the line."""
    folder = tmp_path / "systems"
    for path in TOYS.rglob("*.yaml"):
        copy = tmp_path / path.relative_to(TOYS)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text("utf-8"), "utf-8")
    ring = folder / "ring.yaml"
    ring.write_text(ring.read_text("utf-8").rstrip() + f"\nlatency: {latency}\n", "utf-8")
    line = len(ring.read_text("utf-8").splitlines())
    with pytest.raises(SpecError, match=message) as caught:
        System.load(ring)
    assert caught.value.place.line == line


def played(tmp_path: Path, *commands: str) -> str:
    """What a trace of some commands gives."""
    path = tmp_path / "some.txt"
    path.write_text("\n\n".join(f"{command}\n----" for command in commands), "utf-8")
    return play(path, specs()).text


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (["sistem demo"], "1:1: there is no command 'sistem'; did you mean 'system'?"),
        (["system demo twice"], "1:1: write 'system NAME', or 'system NAME why'"),
        (["system ../demo"], "1:1: write 'system NAME'"),
        (["system nothing"], "nothing.yaml:1:1: cannot read it"),
        (["run for 1s"], "1:1: nothing runs yet; begin with 'system NAME'"),
        (["system demo", "run quickly"], "4:1: write 'run until CONDITION'"),
        (["system demo", "run for ever"], "4:1: unknown parameter 'ever'"),
        (["system demo", "run until acting"], "4:1: 'acting' is hosts, but bool is needed here"),
        (["system demo", "run until actin == first"], "4:1: unknown name 'actin'; did you mean 'acting'?"),
        (["system demo", "show actin"], "4:1: nothing is called 'actin'; did you mean 'acting'?"),
        (["system demo", "mute gast.*"], "4:1: no row is called 'gast.*'"),
        (
            ["system demo", "fault host 7 loses power"],
            "4:1: 'host 7 loses power' cannot happen now; did you mean 'host",
        ),
        (["system demo", "operator enable.enable"], "4:1: 'operator: enable.enable at host ' cannot happen now"),
    ],
)
def test_a_command_that_cannot_be_done_names_its_line(tmp_path: Path, commands: list[str], message: str) -> None:
    """And what would be right."""
    with pytest.raises(SpecError) as caught:
        played(tmp_path, *commands)
    assert message in str(caught.value)


def test_a_goal_that_does_not_come_is_said(tmp_path: Path) -> None:
    """The clock stands at the limit, and the trace says that it was not reached."""
    text = played(tmp_path, "system demo", "mute *", "run until ha == on within 3s", "run for 1s", "show ha acting")
    assert "\n[ 3.000] NOT REACHED\n" in text
    assert "\n[ 4.000] time is up\n" in text
    assert text.endswith("----\nha: off\nacting: {0}\n")


@pytest.mark.parametrize(
    ("text", "line"), [("system demo\nok\n", 1), ("# why\nsystem demo", 2), ("", 1), ("# only words\n", 1)]
)
def test_a_file_that_is_no_trace_is_refused(text: str, line: int) -> None:
    """A command, the rule below it, its output, a blank line: anything else names the line."""
    with pytest.raises(SpecError, match=rf"^x.txt:{line}:1: .* \[trace-shape\]"):
        parse(text, "x.txt")


def test_blocks_keep_their_comments_and_output() -> None:
    """What is parsed is written again line by line."""
    text = "# a\n# b\nsystem demo\n----\nok\n\nshow ha\n----\nha: off\n"
    blocks = parse(text, "x.txt")
    assert [block.command for block in blocks] == ["system demo", "show ha"]
    assert "\n\n".join("\n".join(block.lines()) for block in blocks) + "\n" == text
