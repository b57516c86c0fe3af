"""The orders of `liveset`: each is one call to the agent of one host, and its answer is the exit code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from attrs import define, field

from fsm import Event, specs
from fsm.engine.turn import Fired, Turn
from fsm.language.load import Library
from hosts import cli, order_followed, status_command
from hosts.agent.alerts_port import PROMISE, SWITCHED_OFF
from hosts.agent.public import Public
from hosts.agent.steps import Steps
from hosts.daemon.notices import ALONE
from hosts.orders_command import ORDERS, PATIENCE
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile
from hosts.rpc import Door, Failure, Unanswered


@define
class Agents:
    """The agents of a pool, of which host 1 acts as master; what they are asked, by port. An order that they accept is
    followed by `steps`, one at each look, and ends with `status`. `looks` are answers to looks that come before."""

    ports: list[int]
    answer: Any = field(factory=lambda: {"accepted": True, "why": "as you wish", "since": 7, "lives": "3"})
    steps: list[tuple[str, str, list[int] | None, str]] = field(factory=list)
    status: dict[str, Any] = field(factory=lambda: {"ha": None, "armed": True, "life": "plain"})
    looks: list[Any] = field(factory=list)
    since: list[int] = field(factory=list)
    asked: list[tuple[int, str, tuple[Any, ...]]] = field(factory=list)
    silent: bool = False
    patience: float = 0.0

    def look(self, since: int) -> Any:
        """The next of `looks`; then one step more, until there is none."""
        self.since.append(since)
        if self.looks:
            said = self.looks.pop(0)
            if isinstance(said, Exception):
                raise said
            return said
        if since - 7 == len(self.steps):
            return looked(since)
        row, state, step, why = self.steps[since - 7]
        return looked(since + 1, (row, state, step, why), busy=[row.partition(".")[0]])


def looked(now: int, *steps: tuple[str, str, list[int] | None, str], busy: Any = (), lives: str = "3") -> Any:
    """An answer to a look."""
    said = [
        {"machine": row.partition(".")[0], "row": row, "state": state, "step": step, "why": why}
        for row, state, step, why in steps
    ]
    return {"now": now, "lives": lives, "steps": said, "busy": list(busy)}


@pytest.fixture
def pool(tmp_path: Path) -> PoolDir:
    """A pool that nobody runs."""
    return PoolDir.create(tmp_path / "p", PoolFile.default(3, 2), 2.0)


@pytest.fixture
def agents(pool: PoolDir, monkeypatch: pytest.MonkeyPatch) -> Agents:
    """Agents that take every order."""
    found = Agents([host.agent for host in pool.hosts])

    async def request(door: Door, method: str, *params: Any, timeout: float) -> Any:
        index = found.ports.index(door._address.port)
        if found.silent:
            raise Unanswered(False, "nobody listens")
        if method == "pool.status":
            return {"index": index, "acting": index == 1} | found.status
        if method == "Host.progress":
            return found.look(params[0])
        found.patience = timeout
        found.asked.append((index, method, params))
        return found.answer

    monkeypatch.setattr(Door, "request", request)
    return found


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["enable", "POOL"], (1, "pool.enable_ha", ())),
        (["disable", "POOL", "host3"], (2, "pool.disable_ha", ())),
        (["prevent-restarts", "POOL", "--seconds", "60"], (1, "pool.prevent_restarts", (60.0,))),
        (["shutdown", "POOL", "host2", "--reboot"], (1, "Host.shutdown", (True,))),
        (["shutdown", "POOL", "host2", "--check"], (1, "Host.may_shut_down", ())),
        (["emergency-disable", "POOL", "host1", "--soft"], (0, "Host.emergency_disable", (True,))),
        (["emergency-disable", "POOL", "host1", "--force", PROMISE], (0, "Host.force_out", (PROMISE,))),
        (["rejoin", "POOL", "host1"], (0, "Host.rejoin", ())),
        (["clear-exclusion", "POOL", "host1", "--force", ALONE], (0, "Host.clear_exclusion", (ALONE,))),
        (["hand-over", "POOL", "host1"], (0, "pool.hand_over", ())),
        (
            ["hand-over", "POOL", "host1", "--down", "host3", "--force", SWITCHED_OFF],
            (0, "pool.force_master", ([2], SWITCHED_OFF)),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_order_is_one_call(
    words: list[str], call: tuple[Any, ...], pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the host that is named, or to the master; what is not followed is accepted with its sentence and 0; what is
    refused is 1."""
    words = [str(pool.path) if word == "POOL" else word for word in words]
    assert cli.main(words) == (1 if ORDERS[words[0]].goal else 0)
    assert agents.asked == [call]
    said = f"not done: {LATER}" if ORDERS[words[0]].goal else "as you wish"
    assert capsys.readouterr().out == f"host{call[0] + 1}: {said}\n"
    agents.answer = {"accepted": False, "why": "refused, HA_IS_ENABLED: HA is on already"}
    assert cli.main(words) == 1
    assert capsys.readouterr().out.endswith("HA_IS_ENABLED: HA is on already\n")


MADE = ("enable.initing/daemon.ok", "joining", [3, 4], "a fresh statefile says init")
DONE = ("enable.verifying/daemon.liveset", "idle", None, "commit point")
LEFT = ("enable.joining/some_failed", "idle", None, "a host did not join")
UNDONE = ("disable.releasing/all_ok", "idle", None, "every trace is gone")
SILENT = ("handover.proposing/some_failed", "aborting", None, "a host does not answer")
OLD = ("handover.aborting/all_ok", "idle", None, "it grows old")
NONE = ("withdraw.idle/disable/nothing", "idle", None, "HA is not enabled on this host")
OUT = "this host is out of HA"
HERE = {"armed": False, "acting": False}
TAKEN = ("handover.committing/all_ok", "idle", None, "who missed it asks")
LATER = "it was interrupted; `liveset status` shows what came of it"


@pytest.mark.parametrize(
    ("order", "steps", "status", "lines"),
    [
        (
            ["enable", "POOL"],
            [MADE, DONE],
            {"ha": "on"},
            ["step 3 of 4, joining: a fresh statefile says init", "commit point", "done: HA is on"],
        ),
        (
            ["enable", "POOL"],
            [MADE, LEFT, UNDONE],
            {"ha": "off"},
            [f"step 3 of 4, joining: {MADE[3]}", LEFT[3], UNDONE[3], "not done: a host did not join"],
        ),
        (["disable", "POOL"], [UNDONE], {"ha": "off"}, ["every trace is gone", "done: HA is off"]),
        (
            ["hand-over", "POOL", "host2"],
            [SILENT, OLD],
            {"acting": False},
            [SILENT[3], OLD[3], f"not done: {SILENT[3]}"],
        ),
        (["hand-over", "POOL", "host2"], [TAKEN], {"acting": False}, [TAKEN[3], f"not done: {LATER}"]),
        (["disable", "POOL"], [("disable.idle/disable/refused", "idle", None, "no")], {}, ["no", f"not done: {LATER}"]),
        (["emergency-disable", "POOL", "host2"], [], {}, [f"not done: {LATER}"]),
        (["emergency-disable", "POOL", "host2"], [], HERE, [f"done: {OUT}, and follows another host"]),
        (
            ["emergency-disable", "POOL", "host2", "--soft"],
            [],
            {"life": "out", "acting": False},
            [f"done: {OUT}, and stays so until its agent restarts"],
        ),
        (
            ["emergency-disable", "POOL", "host2", "--soft"],
            [NONE],
            HERE,
            [NONE[3], f"done: {OUT}, and follows another host"],
        ),
        (
            ["emergency-disable", "POOL", "host2", "--force", PROMISE],
            [],
            {"armed": False, "acting": True},
            [f"done: {OUT}, and serves as the master"],
        ),
    ],
)
def test_an_order_that_takes_its_time_is_followed_to_its_end(
    order: list[str], steps: list[Any], status: dict[str, Any], lines: list[str], pool: PoolDir, agents: Agents,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Each row that fires is a line, with the step where there are so many; the last says whether it is done, or why it
    is not: with the row by which it left its way."""
    agents.steps = steps
    agents.status |= status
    done = lines[-1].startswith("done")
    assert cli.main([str(pool.path) if word == "POOL" else word for word in order]) == (0 if done else 1)
    assert capsys.readouterr().out.splitlines() == [f"host2: {line}" for line in lines]


def followed(pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str], *looks: Any) -> tuple[int, list[str]]:
    """The exit code of a disable whose first looks are answered so, and its lines."""
    agents.looks = list(looks)
    code = cli.main(["disable", str(pool.path)])
    told = capsys.readouterr()
    return code, [line.removeprefix("host2: ") for line in (told.out + told.err).splitlines()]


ANEW, NO_ANSWER = "its agent has started anew", "its agent does not answer; waiting for it"
SOME = ("disable.asking/daemon.liveset", "invalidating", None, "some")


def test_an_agent_that_has_started_anew_is_followed_from_its_first_step(
    pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it counts more steps than its former life did; what it cannot answer meanwhile is said once a silence."""
    monkeypatch.setattr(order_followed, "_LOOK", 0.0)
    agents.status["ha"] = "off"
    gone, broken = Unanswered(False, "nobody listens"), Failure("INTERNAL_ERROR", "it ends")
    first, back = looked(8, SOME, busy=["disable"]), looked(20, busy=["life"], lives="4")
    later = looked(27, SOME, UNDONE, busy=["life"], lives="4")
    told = followed(pool, agents, capsys, first, gone, broken, first, gone, back, later)
    assert told == (0, ["some", NO_ANSWER, "some", NO_ANSWER, ANEW, "some", UNDONE[3], "done: HA is off"])
    assert agents.since == [7, 8, 8, 8, 8, 8, 0]


def test_an_order_is_not_over_while_its_host_finds_its_way(
    pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    """A master in emergency undoes what was begun once it is stranded: until then nothing is known."""
    agents.status["ha"] = None
    told = followed(pool, agents, capsys, looked(7, busy=["life"]), looked(7))
    assert (told, agents.looks) == ((1, [f"not done: {LATER}"]), [])


@pytest.mark.parametrize("life", Library(specs()).machine("life").states)
def test_a_host_is_at_rest_in_few_states(life: str) -> None:
    """In all but three it is on its way, and says so to whoever follows an order; and which life of its agent it is."""
    commands = SimpleNamespace(incarnation="4")
    steps = Steps({})
    agent = SimpleNamespace(
        state=lambda machine: life if machine == "life" else "idle",
        steps=steps,
        host=SimpleNamespace(commands=commands),
    )
    said = asyncio.run(Public(cast(Any, agent)).progress(0))
    busy = [] if life in ("running", "plain", "out") else ["life"]
    assert said == {"now": 0, "lives": "4", "steps": [], "busy": busy}


@pytest.mark.parametrize(
    ("look", "told"),
    [
        (looked(7, busy=["disable"]), ["not over in 0.1 s"]),
        (Unanswered(False, "x"), [NO_ANSWER, "it does not answer, so nobody knows whether it goes on"]),
    ],
)
def test_what_is_not_over_in_time_is_said_as_far_as_it_is_known(
    look: Any, told: list[str], pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """An agent that answers is still at it; of one that does not, nobody knows."""
    monkeypatch.setattr(order_followed, "LIMIT", 0.1)
    monkeypatch.setattr(order_followed, "_LOOK", 0.01)
    code, lines = followed(pool, agents, capsys, *[look] * 100)
    assert (code, lines) == (2, [*told[:-1], f"{told[-1]}; `liveset status` shows what comes of it"])


def test_an_agent_that_cannot_be_followed_is_not_asked_again(
    pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of another version has no such method."""
    code, lines = followed(pool, agents, capsys, Failure("MESSAGE_METHOD_UNKNOWN", "Host.progress"), looked(7))
    assert (code, len(lines), len(agents.looks)) == (2, 1, 1)
    assert lines[0].startswith("MESSAGE_METHOD_UNKNOWN(Host.progress); its log is ")


@pytest.mark.parametrize("answer", [None, [], "yes", 7, {}, {"accepted": True}, {"accepted": True, "since": 7}])
def test_an_answer_that_makes_no_sense_is_one_line(
    answer: Any, pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of whatever shape, to the order and to the looks that follow it: exit 2."""
    looks = followed(pool, agents, capsys, answer if answer != {} else {"now": 7, "lives": "3", "steps": [7]})
    agents.answer = answer
    for code, lines in (looks, followed(pool, agents, capsys)):
        assert (code, len(lines)) == (2, 1)
        assert "an answer makes no sense" in lines[0]


def test_an_exclusion_is_waited_for_until_the_pool_was_watched(tmp_path: Path, agents: Agents) -> None:
    """With a long T the host watches the others for longer than an answer takes."""
    slow = PoolDir.create(tmp_path / "slow", PoolFile.default(3, 2), 60.0)
    agents.ports = [host.agent for host in slow.hosts]
    assert cli.main(["clear-exclusion", str(slow.path), "host1", "--force", ALONE]) == 0
    assert agents.patience == PATIENCE + 0.85 * 60.0
    assert cli.main(["rejoin", str(slow.path), "host1"]) == 0
    assert agents.patience == PATIENCE


@pytest.mark.parametrize("name", [name for name, order in ORDERS.items() if order.goal])
def test_the_ends_of_an_operation_are_rows_of_its_machine(name: str) -> None:
    """Each that is named, and by each it can be over."""
    goal = ORDERS[name].goal
    assert goal is not None
    rows = [(row.id, row.target) for row in Library(specs()).machine(goal.machine).rows]
    ends = [row for row, target in rows if target == "idle"]
    assert set(goal.well) <= {*ends, *(row.partition("/")[0] for row in ends)}


def test_steps_are_numbered_and_an_enable_has_so_many() -> None:
    """What fires in the machines of operations is kept with its number, all else is not."""
    steps = Steps({name: Library(specs()).machine(name) for name in ("enable", "life")})
    enable = [("enable", state) for state in ("preconfiguring", "verifying", "idle")]
    for machine, state in [("life", "plain"), *enable, ("disable", "idle")]:
        fired = Fired(machine, "row", "idle", "event", {}, state, {}, "why")
        steps.observe(0.0, Event(machine, "event"), cast(Turn, SimpleNamespace(fired=(fired,))))
    assert steps.now == 4
    assert [step["step"] for step in steps.since(0)] == [[1, 4], [4, 4], None, None]
    assert [step["n"] for step in steps.since(3)] == [4]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["enable", "/nowhere"], "/nowhere/pool.json: there is no pool here; name the directory of one"),
        (["rejoin", "POOL", "oak"], "POOL: no host 'oak'; there are host1, host2, host3"),
        (["hand-over", "POOL", "host1", "--down", "oak"], "--down oak: no such host; there are host1, host2, host3"),
        (["hand-over", "POOL", "host1", "--down", "host2"], "--down: in order, every host must answer"),
        (["hand-over", "POOL", "host1", "--down", "host1", "--force", "x"], "--down host1: it is to be the master"),
        (["emergency-disable", "POOL", "host1", "--soft", "--force", "x"], "--force: what is forced is not soft"),
        (["prevent-restarts", "POOL", "--seconds", "nan"], "--seconds nan: how long restarts are to be held back"),
        (["rejoin", "POOL", "host1"], "host1: nobody listens; its log is POOL/hosts/host1/supervisor.log"),
        (["disable", "POOL"], "POOL: nobody acts as master; `liveset status` shows who answers"),
    ],
)
def test_an_order_that_cannot_be_given_is_one_line(
    words: list[str], message: str, pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    """No pool, no such host, options that exclude each other, no answer: the place, the remedy, and exit 2."""
    agents.silent = True
    assert cli.main([str(pool.path) if word == "POOL" else word for word in words]) == 2
    told = capsys.readouterr()
    assert told.err.replace(str(pool.path), "POOL").startswith(message)
    assert (told.out, told.err.count("\n"), agents.asked) == ("", 1, [])


def test_status_tells_what_an_operator_may_have_forgotten(
    pool: PoolDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hosts that were taken out, softly or for good, restarts that are held back, and VMs that would find no place."""
    calm = {"life": "running", "daemon": "live", "live": [0, 1], "vms": {}, "ha": "on", "acting": False}
    calm |= {"withdrawn": False, "hold": "free", "overcommitted": None, "warnings": []}
    master = calm | {"acting": True, "hold": "held", "overcommitted": True}
    seen = {"host1": master, "host2": calm | {"life": "out"}, "host3": calm | {"life": "plain", "withdrawn": True}}

    async def answers(_: PoolDir) -> dict[str, Any]:
        return seen

    monkeypatch.setattr(status_command, "ask", answers)
    assert cli.main(["status", str(pool.path)]) == 0
    told = capsys.readouterr().out.splitlines()[-4:]
    assert told == [
        "host1 starts no VM: an operator holds restarts back.",
        "Not all protected VMs would find a place after another failure.",
        "host2 was taken out of HA by an operator; `liveset rejoin` puts it back.",
        "host3 was taken out of HA by an operator; `liveset rejoin` puts it back.",
    ]
    seen.update({name: {"acting": True} for name in seen})
    assert cli.main(["status", str(pool.path)]) == 2
    assert capsys.readouterr().err.endswith("install one version everywhere\n")
    seen.update(dict.fromkeys(seen, calm))
    assert cli.main(["status", str(pool.path)]) == 1
    assert "operator" not in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_every_order_is_a_command_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line knows all orders, each with its help."""
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    assert f"example: liveset {name} /tmp/liveset-k3n/pool" in capsys.readouterr().out


def test_every_call_of_an_order_is_one_of_the_agent(pool: PoolDir) -> None:
    """What the commands ask for exists."""
    public = Public(agent=None)  # type: ignore[arg-type]
    parser = cli.COMMAND_LINE.parser()
    for name, order in ORDERS.items():
        words = [name, "p", "host1", *(["--seconds", "1"] if name == "prevent-restarts" else [])]
        method, _ = order.call(parser.parse_args(words), ["host1"])
        assert method in public.methods()
