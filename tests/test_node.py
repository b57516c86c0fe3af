"""The node: one event is one turn, run to completion, refused whole or done whole."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation, Reply, Signal, Timer, Turn
from fsm.errors import BadValues, SpecError
from tests.spec_folder import ENGINE, folder
from tests.toy_node import toy_node, write_specs

E, J, N, R = ("machines/election.yaml", "machines/join.yaml", "machines/enable.yaml", "machines/restart.yaml")
ALL = ("election", "join", "enable", "restart")
VMS = {"vm": ("a", "b")}


def node(root: Path, *edits: tuple[str, str, str], me: int = 0) -> Node:
    """Host `me` of three, with all machines of the edited folder and two VMs."""
    folder(root, *edits)
    return Node.load(root, ALL, me, 3, VMS)


class Host:
    """A node with its state, for stories."""

    def __init__(self, node: Node, **host: Any) -> None:
        self.node, self.local, self.pool = node, node.boot(host), node.pool()
        self.answers: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def turn(self, machine: str, name: str, call: str | None = None, **payload: Any) -> Turn:
        turn = self.node.step(
            self.local, self.pool, Event(machine, name, payload, call), lambda asked: self.answers[asked.name]
        )
        self.local, self.pool = turn.local, turn.pool
        return turn

    def state(self, machine: str) -> str:
        return self.node.state(self.local, machine)

    def value(self, name: str) -> Any:
        return self.node.value(self.local, self.pool, name)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Host 0 of the folder as it stands."""
    return Host(node(tmp_path))


def test_a_row_sets_then_tells_then_does(host: Host) -> None:
    """The lock is granted: the role is set and to be made durable, the sibling is told in the same turn."""
    first = host.turn("election", "master_lost")
    assert first.effects.operations == (Operation("election", "daemon", "propose"),)
    assert host.node.pending(host.local) == [("election", "daemon.propose")]
    turn = host.turn("election", "daemon.granted")
    assert [fired.row for fired in turn.fired] == ["election.proposing/daemon.granted", "election.idle/done"]
    assert turn.effects.host == {"role": 0}
    assert (turn.effects.pool, turn.effects.operations) == ({}, ())
    assert turn.fired[0].set == {"role": 0}
    assert turn.fired[0].why == "the lock is ours"
    assert host.value("role") == 0


def test_an_argument_sees_what_the_row_has_set(tmp_path: Path) -> None:
    """`set` works on the values before the row, `tell` and `do` on those after it."""
    edit = (
        J,
        'tell: "daemon.alert(text=tag, about=me)"',
        'set: {role: me}, tell: "daemon.alert(text=tag, about=role)"',
    )
    turn = Host(node(tmp_path, edit, me=2)).turn("join", "host.join", "1", tag="x")
    assert turn.effects.signals == (Signal("daemon", "alert", {"text": "x", "about": 2}),)


def test_updates_of_a_row_happen_at_once(tmp_path: Path) -> None:
    """Both sides of a swap see the old values."""
    edit = (N, 'set: {role: master, missing: "missing - {master}"}', 'set: {role: master, missing: "missing | {role}"}')
    host = Host(node(tmp_path, edit), role=1)
    host.turn("enable", "ask")
    host.turn("enable", "host.yes", master=2)
    assert (host.value("role"), host.value("enable.missing")) == (2, frozenset({1}))


def test_pool_variables_are_committed_apart(host: Host) -> None:
    """A pool variable is in `pool`, and in the effects of the turn that changed it."""
    host.turn("enable", "enable", tag="t")
    turn = host.turn("enable", "all_ok")
    assert turn.effects.pool == {"ha": "on"}
    assert turn.effects.host == {}
    assert (turn.pool, host.value("ha")) == (("on",), "on")


def test_a_fan_out_names_its_hosts(host: Host) -> None:
    """`each other` is every host but me, joined into one outcome that names the bad ones."""
    turn = host.turn("enable", "enable", tag="t")
    assert turn.effects.operations == (Operation("enable", "host", "join", {"tag": "t"}, (1, 2), True),)
    host.turn("enable", "some_failed", bad=frozenset({2}))
    assert host.value("enable.missing") == frozenset({2})


def test_a_call_to_one_host_names_it(tmp_path: Path) -> None:
    """`at(role)` goes to one host; `lost` ends it too."""
    host = Host(node(tmp_path), role=1)
    turn = host.turn("enable", "ask")
    assert turn.effects.operations == (Operation("enable", "host", "ask", {}, (1,), False),)
    assert host.turn("enable", "host.lost").refused is None
    assert host.state("enable") == "off"


def test_an_instant_answer_is_consumed_in_the_same_turn(host: Host) -> None:
    """Refused by the daemon, look, follow: one turn, and what was read is in it."""
    host.turn("election", "master_lost")
    host.answers["query"] = ("liveset", {"live": frozenset({1, 2}), "marked": frozenset({2})})
    turn = host.turn("election", "daemon.refused")
    assert [fired.target for fired in turn.fired] == ["looking", "idle"]
    assert turn.reads == (("election", "daemon.liveset", host.answers["query"][1]),)
    assert turn.effects.operations == ()
    assert host.value("role") == 2


def test_timers_of_states_and_groups(tmp_path: Path) -> None:
    """A group's timer runs on while the machine stays inside; a state's own stops when it is left."""
    host = Host(node(tmp_path), decisions=False)
    host.answers["query"] = ("liveset", {"live": frozenset(), "marked": frozenset()})
    turn = host.turn("election", "master_lost")
    own, group = Timer("election", "waiting", "after", 0.5), Timer("election", "resting", "after resting", 8.0)
    assert set(turn.effects.timers) == {own, group}
    assert host.node.timers(host.local) == [("election", "after"), ("election", "after resting")]
    turn = host.turn("election", "after")
    assert host.state("election") == "tired"
    assert turn.effects.timers == (Timer("election", "waiting", "after", None),)
    turn = host.turn("election", "after resting")
    assert host.state("election") == "waiting"  # through looking, which leaves the group and enters it anew
    assert set(turn.effects.timers) == {own, group}


def test_a_state_that_is_entered_again_restarts_its_timer(tmp_path: Path) -> None:
    """`to: waiting` from waiting starts its timer anew and leaves the group's alone; `to: same` touches neither."""
    again = '- {from: waiting, on: daemon.died, to: %s, why: "once more"}\n'
    again += 'ignore:\n- {in: idle, on: [daemon.died], why: "x y"}\n'
    turns = []
    for target in ("waiting", "same"):
        (tmp_path / target).mkdir()
        host = Host(node(tmp_path / target, (E, "ignore:\n", again % target)))
        host.answers["query"] = ("liveset", {"live": frozenset(), "marked": frozenset()})
        host.turn("election", "master_lost")
        host.turn("election", "daemon.refused")
        turns.append(host.turn("election", "daemon.died"))
    assert turns[0].effects.timers == (Timer("election", "waiting", "after", 0.5),)
    assert turns[1].effects.timers == ()
    assert turns[1].effects.abandoned == ()
    assert turns[0].effects.abandoned == ("election",)


def test_a_busy_machine_refuses_a_call(host: Host) -> None:
    """The second call gets `failed` at once; the first goes on and gets its own answer."""
    host.turn("join", "host.join", "1", tag="x")
    before = host.local
    turn = host.turn("join", "host.join", "2", tag="y")
    assert (turn.effects.replies, turn.fired, turn.local) == ((Reply("2", "failed"),), (), before)
    assert host.turn("join", "daemon.granted").effects.replies == (Reply("1", "ok"),)
    assert host.turn("join", "host.join", "3", tag="z").effects.replies == ()


def test_a_call_cancels_another(host: Host) -> None:
    """`leave` overtakes `join`: the old call is answered first, then the new one begins, in one turn."""
    host.turn("join", "host.join", "1", tag="x")
    turn = host.turn("join", "host.leave", "2")
    assert turn.effects.replies == (Reply("1", "failed"),)
    assert [fired.event for fired in turn.fired] == ["cancel", "host.leave"]
    assert turn.effects.operations == (Operation("join", "daemon", "stop"),)
    assert host.turn("join", "daemon.stopped").effects.replies == (Reply("2", "ok"),)


def test_a_cancel_that_does_not_reply_is_refused(tmp_path: Path) -> None:
    """Two calls of one machine never overlap, whatever its rows say."""
    host = Host(node(tmp_path, (J, "on: cancel, to: idle, reply: failed", "on: cancel, to: idle")))
    host.turn("join", "host.join", "1", tag="x")
    assert "must reply" in str(host.turn("join", "host.leave", "2").refused)
    assert host.state("join") == "starting"


def test_a_sibling_is_read_in_the_same_step(host: Host) -> None:
    """Guards see the state in which a sibling is now, for instances too."""
    host.turn("join", "host.join", "1", tag="x")
    host.answers["query"] = ("gone", {})
    turn = host.turn("election", "master_lost")
    assert turn.fired[0].row == "election.idle/master_lost/else"
    assert host.turn("restart[a]", "start").fired[0].target == "busy"


def test_each_instance_has_its_own_state(host: Host) -> None:
    """`restart[a]` starts with its own key, `restart[b]` stays where it is."""
    turn = host.turn("restart[a]", "start")
    assert turn.effects.operations == (Operation("restart[a]", "host", "join", {"tag": "a"}, (0, 1, 2), True),)
    assert (host.state("restart[a]"), host.state("restart[b]")) == ("busy", "idle")
    assert "no machine 'restart'" in str(host.turn("restart", "start").refused)


def test_a_tell_without_key_reaches_every_instance(tmp_path: Path) -> None:
    """A machine of the host speaks to all VMs at once, first told first served."""
    host = Host(node(tmp_path, (E, "tell: election.done", "tell: [election.done, restart.start]")))
    host.turn("election", "master_lost")
    turn = host.turn("election", "daemon.granted")
    assert [fired.machine for fired in turn.fired] == ["election", "election", "restart[a]", "restart[b]"]
    assert [operation.machine for operation in turn.effects.operations] == ["restart[a]", "restart[b]"]


def test_what_is_ignored_changes_nothing(host: Host) -> None:
    """An ignored event is a turn without rows, and not a refusal."""
    host.turn("election", "master_lost")
    before = host.local
    turn = host.turn("election", "master_lost")
    assert (turn.refused, turn.fired, turn.local) == (None, (), before)


@pytest.mark.parametrize(
    ("machine", "name", "payload", "message"),
    [
        ("nobody", "x", {}, "there is no machine 'nobody'"),
        ("election", "x", {}, "knows no event 'x'"),
        ("election", "daemon.granted", {}, "election in idle has no row for daemon.granted"),
        ("election", "master_lost", {"x": 1}, "carries nothing, not ['x']"),
        ("enable", "enable", {}, "carries ['tag'], not nothing"),
        ("enable", "some_failed", {"bad": frozenset({3})}, "is no hosts of 3 hosts"),
        ("enable", "some_failed", {"bad": {1}}, "is no hosts"),
        ("enable", "host.yes", {"master": True}, "is no host"),
        ("enable", "host.yes", {"master": None}, "is no host"),
        ("election", "after", {}, "has no row for after"),
    ],
)
def test_a_refused_turn_changes_nothing(host: Host, machine: str, name: str, payload: Any, message: str) -> None:
    """Unknown or misplaced events and payloads outside their domain: no effect at all, and the reason."""
    before = host.local, host.pool
    turn = host.turn(machine, name, **payload)
    assert message in str(turn.refused)
    assert (turn.local, turn.pool) == before
    assert (turn.fired, turn.reads) == ((), ())
    assert turn.effects == type(turn.effects)()


LABEL = (
    E,
    "master_lost, if: else, to: looking, do: daemon.query",
    'master_lost, if: "%s", label: b, to: proposing, do: daemon.propose',
)


@pytest.mark.parametrize(
    ("guard", "message"),
    [("decisions", "two rows match: election.idle/master_lost and election.idle/master_lost/b"),
     ("not decisions and join == idle", None), ("the(nobody) == me", "needs exactly one member")],
)  # fmt: skip
def test_two_rows_that_match_fail_closed(tmp_path: Path, guard: str, message: str | None) -> None:
    """What the checks would have refused is refused at run time too, and nothing has happened."""
    file, old, new = LABEL
    host = Host(node(tmp_path, (file, old, new % guard)))
    turn = host.turn("election", "master_lost")
    assert (turn.refused is None) == (message is None)
    assert (message or "") in str(turn.refused or "")
    assert host.state("election") == ("idle" if message else "proposing")


@pytest.mark.parametrize(
    ("edit", "event", "message"),
    [((J, '"tries + 1"', '"tries + 3"'), "daemon.refused", "join.tries cannot be 3"),
     ((J, "set: {tries: 0, role: me}", 'set: {tries: 0, role: "the(everybody)"}'), "daemon.granted", "exactly one"),
     ((J, "set: {tries: 0, role: me}", "tell: join.never"), "", "")],
)  # fmt: skip
def test_an_update_outside_its_domain_is_refused(
    tmp_path: Path, edit: tuple[str, str, str], event: str, message: str
) -> None:
    """A row that cannot be completed undoes the whole turn; a tell that nobody hears does not load."""
    if not event:
        with pytest.raises(SpecError, match="no event or signal 'never'"):
            node(tmp_path, edit)
        return
    host = Host(node(tmp_path, edit))
    host.turn("join", "host.join", "1", tag="x")
    before = host.local
    assert message in str(host.turn("join", event).refused)
    assert host.local == before


def test_a_target_that_is_nobody_is_refused(tmp_path: Path) -> None:
    """A call to one host needs one."""
    host = Host(node(tmp_path, (N, 'if: "role != none"', 'if: "role == none"')))
    assert "has no host to go to" in str(host.turn("enable", "ask").refused)


def test_machines_that_tell_each_other_in_a_circle_are_stopped(tmp_path: Path) -> None:
    """A turn is finite."""
    host = Host(
        node(
            tmp_path,
            (E, "- {from: idle, on: done, to: same,", "- {from: idle, on: done, to: same, tell: election.done,"),
        )
    )
    turn = host.turn("election", "done")
    assert "machines tell each other in a circle" in str(turn.refused)


def test_host_variables_survive_and_memory_does_not(host: Host) -> None:
    """A restart keeps what was committed, as JSON carries it, and nothing else."""
    host.turn("election", "master_lost")
    durable = host.turn("election", "daemon.granted").effects.host
    again = Host(host.node, **durable)
    assert (again.value("role"), again.value("decisions"), again.state("election")) == (0, True, "idle")


WORDS = """
master_lost done daemon.granted daemon.refused after enable ask host.join host.leave all_ok daemon.stopped daemon.died
start stop host.lost
"""
MACHINES = ["election", "join", "enable", "restart[a]"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(MACHINES),
        st.sampled_from([*WORDS.split(), "after resting"]),
        st.sampled_from([None, "1", "2"]),
        st.booleans(),
    ),
    max_size=12,
)
TESTED = cache(lambda: Node.load(ENGINE, ALL, 1, 3, VMS))


def answered(answer: tuple[str, dict[str, Any]], asked: Operation) -> tuple[str, dict[str, Any]]:
    """The same answer to everything that is asked."""
    return answer


@given(steps=STEPS)
def test_a_step_is_a_function(steps: list[tuple[str, str, str | None, bool]]) -> None:
    """Same state, event and answers: the same turn, twice; and a refused one leaves the state as it was."""
    tested = TESTED()
    local, pool = tested.boot(), tested.pool()
    for machine, name, call, gone in steps:
        event = Event(machine, name, {"tag": "t"} if name in ("enable", "host.join") else {}, call)
        live = {"live": frozenset({0, 1}), "marked": frozenset({0})}
        answer: tuple[str, dict[str, Any]] = ("gone", {}) if gone else ("liveset", live)
        first, second = (tested.step(local, pool, event, partial(answered, answer)) for _ in range(2))
        assert first == second
        if first.refused:
            assert (first.local, first.pool, first.fired) == (local, pool, ())
        local, pool = first.local, first.pool


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"decisons": True}, "decisons = True: there is no host variable 'decisons'; did you mean 'decisions'?"),
        ({"decisions": "false"}, "decisions = 'false' is no bool of a pool of 3"),
        ({"decisions": 0}, "decisions = 0 is no bool of a pool of 3"),
        ({"role": 9}, "role = 9 is no host? of a pool of 3"),
        ({"ha": "on"}, "ha = 'on': there is no host variable 'ha'"),
    ],
)
def test_a_node_boots_only_with_values_that_it_can_have(tmp_path: Path, values: Mapping[str, Any], says: str) -> None:
    """An unknown name, another store's, or a value outside its domain: one line with variable, value and domain."""
    with pytest.raises(BadValues) as refused:
        node(tmp_path).boot(values)
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)


def test_pool_variables_come_as_values_or_as_json(tmp_path: Path) -> None:
    """A set of hosts may be a list; a name or value that is none is refused as in `boot`."""
    toy = toy_node(tmp_path)
    assert toy.pool({"seen": [2, 0]}) == toy.pool({"seen": frozenset({0, 2})})
    with pytest.raises(BadValues, match=r"^seen = \[3\] is no hosts of a pool of 3$"):
        toy.pool({"seen": [3]})
    with pytest.raises(BadValues, match=r"^cuont = 1: there is no pool variable 'cuont'; did you mean 'count'"):
        toy.pool({"cuont": 1})


@pytest.mark.parametrize(("me", "n"), [(3, 3), (-1, 3), (0, 0), (True, 3), ("0", 3), (0, 2.0)])
def test_a_node_is_one_of_its_pool(tmp_path: Path, me: Any, n: Any) -> None:
    """Its index lies in the pool, which has a host at least."""
    folder(tmp_path)
    with pytest.raises(BadValues, match=r"is no host of a pool of n = .*; hosts are counted from 0 to n-1"):
        Node.load(tmp_path, ("enable",), me, n)


def test_a_node_is_loaded_from_a_text_path_and_shown_in_short(tmp_path: Path) -> None:
    """A folder may be text; `repr` names the machines and the host, and is a line."""
    toy = Node.load(str(write_specs(tmp_path)), ["worker", "boss"], 1, 3)
    assert repr(toy) == "Node(worker, boss; me=1, n=3)"
