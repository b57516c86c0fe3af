"""The loader: what a folder of specs becomes, and one message with its exact place for everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsm.errors import SpecError
from fsm.language.load import Library
from tests.spec_folder import ENGINE, folder

E, J, N, R = ("machines/election.yaml", "machines/join.yaml", "machines/enable.yaml", "machines/restart.yaml")
HOST, DAEMON, STATE = "ports/host.yaml", "ports/daemon.yaml", "state.yaml"


def test_a_machine_is_loaded_with_all_names_resolved(tmp_path: Path) -> None:
    """Groups are flattened, durations kept as written, sets and payloads typed, and every row has an id."""
    election = folder(tmp_path).machine("election")
    assert election.states == ("idle", "proposing", "looking", "waiting", "tired")
    assert election.groups == {"resting": ("waiting", "tired")}
    rows = {row.id: row for row in election.rows}
    assert len(rows) == 11
    assert rows["election.resting/after"].sources == ("waiting", "tired")
    assert rows["election.waiting/after"].duration == "poll"
    assert rows["election.waiting/after/else"].target == "tired"
    pending = election.pending("proposing")
    assert pending is not None
    assert pending.name == "daemon.propose"
    assert [row.id for row in election.timers("waiting")] == ["election.waiting/after", "election.resting/after"]
    assert folder(tmp_path).parameters() == {"T": 2.0, "poll": 0.5}
    assert Library(tmp_path, {"T": 8.0}).parameters() == {"T": 8.0, "poll": 2.0}


def test_an_inner_row_wins(tmp_path: Path) -> None:
    """For one event the rows of the innermost level count: a leaf before its group, the group before `*`."""
    row = '- {{from: {0}, on: daemon.died, to: idle, why: "for {0}"}}\n'
    outer, group, leaf = (row.format(name) for name in ("any", "resting", "tired"))
    outer = outer.replace("from: any", 'from: "*"')
    edit = (E, "ignore:\n", outer + group + leaf + "ignore:\n")
    machine = folder(tmp_path, edit).machine("election")
    won = {state: [row.why for row in machine.candidates(state, "daemon.died")] for state in machine.states}
    assert won["idle"] == won["looking"] == ["for any"]
    assert (won["waiting"], won["tired"]) == (["for resting"], ["for tired"])


def test_the_digest_names_the_text(tmp_path: Path) -> None:
    """One changed letter is another machine."""
    first = folder(tmp_path).machine("enable").digest
    assert folder(tmp_path).machine("enable").digest == first
    assert folder(tmp_path, (N, "all hosts join", "all hosts joim")).machine("enable").digest != first
    assert len(first) == 12


MISTAKES: list[tuple[str, str, str, str, str]] = [
    # file, old, new, what the message points at, rule
    (E, "language: 1", "language: 2", "2", "language"),
    (E, "machine: election", "machine: elections", "elections", "bad-name"),
    (E, "essay: who is master\n", "", "language", "missing-key"),
    (E, "siblings: [join]", "sibling: [join]", "[join]", "unknown-key"),
    (E, "siblings: [join]", "siblings: [joins]", "joins", "unknown-name"),
    (E, "ports: [daemon]", "ports: [demon]", "demon", "unknown-name"),
    (E, "shared: [decisions, role]", "shared: [decision, role]", "decision", "unknown-name"),
    (E, "initial: idle", "initial: idel", "idel", "unknown-state"),
    (E, "initial: idle", "initial: resting", "resting", "unknown-state"),
    (E, "states: [idle,", "states: [idle, idle,", "idle, proposing", "duplicate-state"),
    (E, "{resting: [waiting, tired]}", "{resting: [waiting, tired, resting]}", "resting]", "duplicate-state"),
    (E, "{resting: [waiting, tired]}", "{resting: [waiting, tired]}, {idle: []}", "[]}", "duplicate-state"),
    (E, "states: [idle,", "states: [same,", "same", "bad-name"),
    (E, "done: {}}", "Done: {}}", "{}}", "bad-name"),
    (E, "on: daemon.refused", "on: daemon.refuse", "daemon.refuse,", "unknown-event"),
    (E, 'to: tired, why: "wait', 'to: resting, why: "wait', "resting", "unknown-state"),
    (E, "do: daemon.query, why: \"find", "do: daemon.ask, why: \"find", "daemon.ask", "unknown-name"),
    (E, "do: daemon.query, why: \"find", "do: each daemon.query, why: \"find", "each daemon", "bad-operation"),
    (E, "do: daemon.query, why: \"find", "do: query, why: \"find", "query, why: \"find", "bad-operation"),
    (E, "{role: me}", "{roles: me}", "me}", "unknown-name"),
    (E, "{role: me}", "{role: live}", "live}", "unknown-name"),
    (E, "{role: me}", "{role: decisions}", "decisions}", "bad-type"),
    (E, "tell: election.done", "tell: election.over", "election.over", "unknown-name"),
    (E, "tell: election.done", "tell: elections.done", "elections.done", "unknown-name"),
    (E, "tell: election.done", "tell: election.done(x=me)", "election.done(", "bad-arguments"),
    (E, ', why: "try it"', "", "- {from", "missing-why"),
    (E, 'why: "try it"', 'why: "try"', '"try"', "missing-why"),
    (E, 'why: "try it"', 'why: ""', '""', "missing-why"),
    (E, 'why: "only for show"', 'why: ""', '""', "missing-why"),
    (E, 'after: "4*T"', 'after: "4*U"', '"4*U"', "unknown-name"),
    (E, 'after: "4*T"', 'after: "4*T", on: done', "- {from: resting", "missing-key"),
    (E, 'if: "decisions", to', "if: true, to", "true", "bad-expression"),
    (E, 'if: "decisions", to', 'if: "role", to', '"role"', "bad-type"),
    (E, 'if: "decisions", to', 'if: "join == idel", to', '"join == idel"', "unknown-name"),
    (E, "daemon.gone, to: idle", "daemon.liveset, to: idle", "looking, on: daemon.liveset, to: idle", "guards-overlap"),
    (E, "daemon.refused, to", "daemon.granted, to", "proposing, on: daemon.granted, to: looking", "duplicate-row"),
    (E, "lost, if: else, to", 'lost, if: "join == idle", to', 'idle, on: master_lost, if: "join', "guards-overlap"),
    (E, '"decisions and join == idle"', "else", "idle, on: master_lost, if: else, to: looking", "duplicate-row"),
    (E, "lost, if: else, to", 'lost, if: "not decisions", to', 'idle, on: master_lost, if: "not', "label-missing"),
    (E, "tired], on: [master_lost]", "nowhere], on: [master_lost]", "nowhere", "unknown-state"),
    (E, ', why: "only for show"}', "}", "- {in: [proposing, waiting, tired], on: [done]", "missing-key"),
    (J, "host.leave: {busy: refuse}", "host.leave: {}", "{}", "missing-key"),
    (J, "cancelled_by: [host.leave]", "cancelled_by: [host.live]", "{busy: refuse, cancelled_by", "unknown-name"),
    (J, "reply: ok, why: \"we are in", "reply: okay, why: \"we are in", "okay", "bad-reply"),
    (J, 'type: "0..2"', 'type: "2..0"', '"2..0"', "bad-type"),
    (J, "initial: 0", "initial: 3", "3,", "bad-value"),
    (J, "store: memory", "store: disk", "disk", "bad-store"),
    (N, "host.join(tag=tag)", "host.join", '"each other host.join"', "bad-arguments"),
    (N, 'do: "at(role) host.ask"', 'do: "host.ask"', '"host.ask"', "bad-operation"),
    (N, 'do: "at(role) host.ask"', 'do: "at(missing) host.ask"', '"at(missing)', "bad-type"),
    (N, "events: {enable: {tag: opaque}", "events: {enable: {role: host}", "enable, to: joining", "duplicate-name"),
    (R, "tag=vm", "tag=vn", '"each host', "unknown-name"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "points_at", "rule"), MISTAKES, ids=lambda x: str(x)[:24])
def test_every_mistake_is_named_where_it_stands(
    tmp_path: Path, file: str, old: str, new: str, points_at: str, rule: str
) -> None:
    """File, line and column are those of the text that is wrong; the message is one line with the rule's id."""
    library = folder(tmp_path, (file, old, new))
    with pytest.raises(SpecError) as error:
        library.machine(Path(file).stem)
    place = error.value.place
    assert (place.file, error.value.rule) == (str(tmp_path / file), rule)
    line = (tmp_path / file).read_text(encoding="utf-8").splitlines()[place.line - 1]
    assert line[place.column - 1 :].startswith(points_at.removeprefix("- ")), (
        str(error.value),
        line[place.column - 1 :],
    )
    assert "\n" not in str(error.value)


def test_two_rows_of_one_name_say_first_when_they_fire_together(tmp_path: Path) -> None:
    """A label would only hide a row that stands twice; the message has a case in which both fire."""
    library = folder(tmp_path, (E, "master_lost, if: else, to", 'master_lost, if: "join == idle", to'))
    with pytest.raises(SpecError, match="two of them fire with decisions = true, join = idle;"):
        library.machine("election")


@pytest.mark.parametrize(
    ("file", "old", "new", "rule"),
    [
        (HOST, "true, outcomes: {ok: {}", "true, outcomes: {ok: {who: host}", "duplicate-name"),
        (DAEMON, "died: {}", "granted: {}", "duplicate-name"),
        (DAEMON, "port: daemon", "port: demon", "missing-key"),
        (DAEMON, "propose: {idempotent", "propose: {idempotnt", "unknown-key"),
        (DAEMON, "marked: hosts", "marked: host set", "bad-type"),
        (HOST, "{ok: {}, failed: {}}", "{ok: {}}", "busy-outcome"),
        (STATE, 'poll: "T/4"', 'poll: "U/4"', "unknown-name"),
        (STATE, "type: [off, on]", "type: [off, off]", "bad-type"),
        (STATE, "initial: off", "initial: maybe", "bad-value"),
        (STATE, "language: 1\n", "", "language"),
    ],
)
def test_mistakes_of_ports_and_shared_state(tmp_path: Path, file: str, old: str, new: str, rule: str) -> None:
    """They are found in their own file by the machine that uses them (a call without `failed`, where it is served)."""
    library = folder(tmp_path, (file, old, new))
    with pytest.raises(SpecError) as error:
        library.machine("join")
    assert error.value.rule == rule
    assert error.value.place.file == str(tmp_path / (J if rule == "busy-outcome" else file))


def test_a_machine_that_is_not_there(tmp_path: Path) -> None:
    """The message names the file that was looked for."""
    with pytest.raises(SpecError, match=r"nobody.yaml:1:1: cannot read it: No such file"):
        folder(tmp_path).machine("nobody")


WHOLE = (ENGINE / E).read_text(encoding="utf-8")
PIECES = st.sampled_from(
    ["", "}", "[", "- ", ": ", "&a ", "*a", '"', "same", "me", "\n", "  ", "0", "else", "true", "{}"]
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, len(WHOLE)), length=st.integers(0, 12), piece=PIECES)
def test_a_mutated_machine_loads_or_is_refused(tmp_path: Path, start: int, length: int, piece: str) -> None:
    """Fuzz: any text in place of any piece of a machine gives a machine or a `SpecError`, nothing else."""
    library = folder(tmp_path)
    (tmp_path / E).write_text(WHOLE[:start] + piece + WHOLE[start + length :], encoding="utf-8")
    try:
        machine = library.machine("election")
    except SpecError as error:
        text = str(error)
    else:
        text = machine.name
    assert "\n" not in text
