"""The rules of `fsm check`: the folder is sound, and each rule sees the one thing that was broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.checks.check import check, check_node
from fsm.cli import COMMANDS, main
from fsm.commands.check_command import annotation
from fsm.errors import Place, SpecError
from fsm.locate import specs
from tests.spec_folder import folder

Edit = tuple[str, str, str]


def findings(library_root: Path, *edits: Edit) -> list[SpecError]:
    """All findings of the machines that were edited, or of all where none was."""
    library = folder(library_root, *edits)
    edited = {Path(name).stem for name, _, _ in edits} or library.names()
    machines = [library.machine(name) for name in sorted(edited)]
    if len(machines) < len(library.names()):
        return [e for machine in machines for e in check(machine, library)]
    return [e for machine in machines for e in check(machine, library)] + check_node(machines)


def test_a_sound_folder_has_no_findings(tmp_path: Path) -> None:
    """Nothing is found where nothing is wrong: every edit below is what is found."""
    assert findings(tmp_path) == []


def test_the_shipped_specs_have_no_findings(capsys: pytest.CaptureFixture[str]) -> None:
    """What is shipped passes its own checks."""
    assert main(["check", str(specs())]) == 0, capsys.readouterr().out


E, J, N, R = ("machines/election.yaml", "machines/join.yaml", "machines/enable.yaml", "machines/restart.yaml")
GONE = '- {from: looking, on: daemon.gone, to: idle, why: "it went away"}\n'
IGNORE = '- {in: [proposing, waiting, tired], on: [master_lost], why: "already at it"}'
CANCEL = '- {from: starting, on: cancel, to: idle, reply: failed, why: "the roll-back overtook us"}\n'
LEAVE = '- {from: idle, on: host.leave, to: stopping, do: daemon.stop, why: "disable asks us"}\n'
FAILED = '- {from: joining, on: some_failed, to: off, set: {missing: bad}, why: "all or nothing"}\n'
ASK = 'ask, if: "role != none", to: asking, do: "at(role) host.ask"'

SHAPE: list[tuple[str, str, Edit]] = [
    (
        "missing-pair",
        "tired neither has a row for 'master_lost'",
        (E, "[proposing, waiting, tired], on: [master_lost]", "[proposing, waiting], on: [master_lost]"),
    ),
    (
        "missing-pair",
        "stopping neither has a row for 'daemon.died'",
        (J, "in: stopping, on: [daemon.died]", "in: idle, on: [daemon.died]"),
    ),
    ("missing-pair", "in starting a call may be cancelled", (J, CANCEL, "")),
    ("missing-pair", "idle has no row for the call 'host.leave'", (J, LEAVE, "")),
    ("unhandled-outcome", "looking waits for an operation that may end in 'daemon.gone'", (E, GONE, "")),
    ("unhandled-outcome", "'host.lost'", (N, "[host.failed, host.lost]", "[host.failed]")),
    ("unhandled-outcome", "'some_failed'", (N, FAILED, "")),
    (
        "dead-row",
        "idle waits for no operation",
        (E, GONE, GONE + '- {from: idle, on: daemon.refused, to: looking, do: daemon.query, why: "not so"}\n'),
    ),
    (
        "dead-row",
        "looking is left in the same step",
        (E, GONE, GONE + '- {from: looking, on: done, to: idle, why: "never comes"}\n'),
    ),
    (
        "dead-row",
        "waiting waits for no operation",
        (E, GONE, GONE + '- {from: resting, on: daemon.granted, to: idle, why: "never comes"}\n'),
    ),
    (
        "dead-row",
        "no call that can be cancelled",
        (J, CANCEL, CANCEL + '- {from: stopping, on: cancel, to: idle, reply: failed, why: "never comes"}\n'),
    ),
    (
        "dead-row",
        "a call is always under way in stopping",
        (J, CANCEL, CANCEL + '- {from: stopping, on: host.join, to: same, reply: failed, why: "busy now"}\n'),
    ),
    (
        "dead-row",
        "rows of inner states",
        (
            E,
            GONE,
            GONE + '- {from: resting, on: done, to: idle, why: "x y"}\n'
            '- {from: [waiting, tired], on: done, to: same, why: "inner rows win"}\n',
        ),
    ),
    ("dead-ignore", "has rows in idle, so", (E, "{in: [proposing, waiting,", "{in: [idle, proposing, waiting,")),
    ("missing-why", "a sentence", (E, '"only for show"', '"show"')),
    ("pending-disagrees", "enters proposing with no operation", (E, "to: tired, why", "to: proposing, why")),
    (
        "pending-disagrees",
        "and stays",
        (
            N,
            'else, to: same, why: "there is no master"',
            'else, to: same, do: "at(me) host.ask", why: "there is no master"',
        ),
    ),
    ("unreachable-state", "leads to lost", (E, "{resting: [waiting, tired]}", "{resting: [waiting, tired]}, lost")),
    ("trap", "done is never left", (N, "final: [done]\n", "")),
    ("trap", "stays in looking", (E, "daemon.gone, to: idle", "daemon.gone, to: same")),
    ("initial-waits", "waits for daemon.propose, which nobody starts", (E, "initial: idle", "initial: proposing")),
    ("initial-waits", "has a timer", (E, "initial: idle", "initial: tired")),
    ("timer-durations", "waiting has one timer", (E, 'after: "poll", if: else', 'after: "3*poll", if: else')),
    ("unused-variable", "'decisions'", (N, "shared: [ha, role]", "shared: [ha, role, decisions]")),
    ("unused-event", "'never'", (E, "done: {}}", "done: {}, never: {}}")),
    ("unused-port", "'daemon'", (N, "ports: [host]", "ports: [host, daemon]")),
    ("unused-sibling", "'enable'", (E, "siblings: [join]", "siblings: [join, enable]")),
]
CALLS: list[tuple[str, str, Edit]] = [
    ("ignored-call", "host.join", (J, "in: stopping, on: [daemon.died]", "in: stopping, on: [daemon.died, host.join]")),
    ("canceller-not-served", "host.ask", (J, "cancelled_by: [host.leave]", "cancelled_by: [host.ask]")),
    (
        "no-reply",
        "in idle the call host.leave is under way",
        (J, 'idle, reply: ok, why: "we are out"', 'idle, why: "we are out"'),
    ),
    (
        "wrong-reply",
        "replies 'yes' to host.leave, whose outcomes are ok, failed",
        (J, "daemon.stopped, to: idle, reply: ok", "daemon.stopped, to: idle, reply: yes(master=me)"),
    ),
    (
        "reply-without-call",
        "no call can be under way there",
        (
            J,
            "- {from: [idle, starting], on: daemon.died, to: same,",
            '- {from: starting, on: daemon.died, to: same, why: "so be it"}\n'
            "- {from: idle, on: daemon.died, to: same, reply: ok,",
        ),
    ),
    ("cancel-without-reply", "must 'reply'", (J, "on: cancel, to: idle, reply: failed", "on: cancel, to: idle")),
    (
        "cancel-without-reply",
        "cannot ask an instant operation",
        (J, "on: cancel, to: idle, reply: failed", "on: cancel, to: same, do: daemon.query, reply: failed"),
    ),
]
ALSO_ASK = (J, "  host.leave: {busy: refuse}\n", "  host.leave: {busy: refuse}\n  host.ask: {busy: refuse}\n")
VALUES: list[tuple[str, str, Edit]] = [
    ("guards-overlap", "both election.idle/master_lost and election.idle/master_lost/b fire with decisions = true",
     (E, "master_lost, if: else, to: looking", 'master_lost, if: "decisions", label: b, to: looking')),
    ("guards-overlap", "always fires",
     (E, "master_lost, if: else, to: looking", "master_lost, label: b, to: looking")),
    ("guards-overlap", "another 'else' row",
     (E, 'master_lost, if: "decisions and join == idle", to', "master_lost, if: else, label: b, to")),
    ("guards-incomplete", "no row fires with decisions = false, join = idle",
     (E, "master_lost, if: else", 'master_lost, label: b, if: "join != idle and not decisions"')),
    ("guards-incomplete", "live = {}, marked = {} (host 0 of 1)",
     (E, 'liveset, if: else', 'liveset, label: b, if: "size(live & marked - {me}) > 1"')),
    ("dead-row", "this guard is never true", (E, "decisions and join == idle", "decisions and not decisions")),
    ("dead-row", "leave nothing to the 'else'", (E, "decisions and join == idle", "decisions or not decisions")),
    ("too-many-assignments", "assignments to try, at most 1000000",
     (E, "shared: [decisions, role]\n", "shared: [decisions, role]\nvariables:\n" + "".join(
         f'  {x}: {{type: hosts, store: memory, initial: nobody, why: "a set"}}\n' for x in "abc"))),
    ("not-one", "the([]) needs exactly one member with live = {}, marked = {}",
     (E, 'if: "one(live & marked - {me})"', 'if: "the(live & marked - {me}) != me"')),
    ("not-one", "set role cannot be had: the([]) needs exactly one member",
     (E, 'if: "one(live & marked - {me})"', 'if: "not one(live & marked - {me}) and me in live"')),
    ("not-one", "set role cannot be had: lowest() of the empty set with live = {1}, marked = {1} (host 0 of 2)",
     (E, 'set: {role: "the(live & marked - {me})"}', 'set: {role: "lowest(live - marked)"}')),
    ("out-of-domain", "set tries would be 3, which is no 0..2, with tries = 2",
     (J, '"tries < 2"', '"tries < 3"')),
    ("out-of-domain", "the target would be none, which is no host, with role = none",
     (N, ASK, 'ask, if: "role == none", to: asking, do: "at(role) host.ask"')),
    ("out-of-domain", "the field about of alert would be none",
     (J, "about=me", "about=role")),
    ("opaque-tested", "'tag' is opaque", (N, "on: enable, to: joining", 'on: enable, if: "tag == tag", to: joining')),
    ("opaque-tested", "'vm' is opaque", (R, 'if: "election == idle"', 'if: "election == idle and vm == vm"')),
]  # fmt: skip
CASES = [*SHAPE, *CALLS, *VALUES]
NAMES = [f"{rule}-{index}" for index, (rule, _, _) in enumerate(CASES)]
EXTRA: dict[str, tuple[Edit, ...]] = {
    "wrong-reply": (ALSO_ASK, (J, "why: \"disable asks us\"}", "why: \"disable asks us\"}\n"
                               '- {from: idle, on: host.ask, to: same, reply: yes(master=me), why: "it is me"}')),
    "too-many-assignments": ((E, "one(live & marked - {me})\"", "one(live & marked & a & b & c - {me})\""),),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "message", "edit"), CASES, ids=NAMES)
def test_a_broken_place_is_found(tmp_path: Path, rule: str, message: str, edit: Edit) -> None:
    """The rule sees what was broken, says it with the names in question, and points into the file."""
    found = findings(tmp_path, edit, *EXTRA.get(rule, ()))
    assert any(e.rule == rule and message in e.message for e in found), [str(e) for e in found]
    assert all(e.place.file == str(tmp_path / edit[0]) for e in found)
    assert all("\n" not in str(e) for e in found)


def test_a_finding_points_at_the_guard(tmp_path: Path) -> None:
    """Line and column are those of the guard that overlaps, as an editor counts them."""
    edit = (E, "master_lost, if: else, to: looking", 'master_lost, if: "decisions", label: b, to: looking')
    found = next(e for e in findings(tmp_path, edit) if e.rule == "guards-overlap")
    lines = (tmp_path / E).read_text(encoding="utf-8").splitlines()
    assert lines[found.place.line - 1][found.place.column - 1 :].startswith('"decisions", label: b')


def test_findings_are_sorted_and_each_stands_once(tmp_path: Path) -> None:
    """Two runs print the same lines in the order of the file."""
    edits = ((E, GONE, ""), (E, "[proposing, waiting, tired], on", "[proposing], on"), (E, '"only for show"', '"x"'))
    found = [e for e in findings(tmp_path, *edits) if e.place.file.endswith(E)]
    assert len(found) > 3
    assert [e.place for e in found] == sorted(e.place for e in found)
    assert len({str(e) for e in found}) == len(found)
    assert [str(e) for e in findings(tmp_path, *edits)] == [str(e) for e in findings(tmp_path, *edits)]


def test_an_update_sees_the_values_before_and_an_argument_those_after(tmp_path: Path) -> None:
    """`set` gives role a value in the very row whose argument needs one: no finding, since arguments see it set."""
    edit = (J, "on: host.join, to: starting, do: daemon.propose, tell: \"daemon.alert(text=tag, about=me)\"",
            "on: host.join, to: starting, do: daemon.propose, set: {role: me}, "
            "tell: \"daemon.alert(text=tag, about=role)\"")  # fmt: skip
    assert findings(tmp_path, edit) == []


def test_lowest_is_tried_from_every_host(tmp_path: Path) -> None:
    """Hosts are interchangeable but for `lowest`: a defect that host 0 never sees is found from host 1."""
    edit = (E, "one(live & marked - {me})", "me in live and lowest(live) != me and one(live & marked - {me})")
    assert any("(host 1 of 2)" in e.message for e in findings(tmp_path, edit) if e.rule == "not-one") is False
    edit = (E, 'set: {role: "the(live & marked - {me})"}', 'set: {role: "me if lowest(everybody) == me else none"}')
    assert findings(tmp_path, edit) == []
    edit = (
        E,
        'set: {role: "the(live & marked - {me})"}',
        'set: {role: "the(nobody) if lowest(everybody) != me else me"}',
    )
    assert any("(host 1 of 2)" in e.message for e in findings(tmp_path, edit))


def test_machines_of_a_node_fit_together(tmp_path: Path) -> None:
    """Whom a machine tells or looks at is on the node, and one machine serves each call."""
    library = folder(tmp_path, (E, "tell: election.done", "tell: restart.stop"),
                     (N, "ports: [host]\n", "ports: [host]\nserves: {host.join: {busy: refuse}}\n"))  # fmt: skip
    machines = [library.machine(name) for name in ("election", "enable", "join")]
    assert {e.rule for e in check_node(machines)} == {"tell-nobody", "served-twice"}
    assert {e.rule for e in check_node([library.machine("election")])} == {"tell-nobody", "sibling-missing"}


def test_the_command_prints_one_line_a_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`file:line:column: message [rule]` with paths from here, a summary, exit 1; without findings exit 0."""
    folder(tmp_path, (E, '"only for show"', '"show"'))
    monkeypatch.chdir(tmp_path)
    assert main(["check", "."]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("machines/election.yaml:24:3: ")
    assert lines[0].endswith("[missing-why]")
    assert lines[-1] == "4 machines, 29 rows: 1 finding"
    assert main(["check", "machines/enable.yaml"]) == 0
    assert capsys.readouterr().out == "1 machine, 7 rows: no findings\n"
    monkeypatch.chdir(tmp_path / "machines")
    assert main(["check", "enable.yaml"]) == 0


@pytest.mark.parametrize(
    "spoiled", [b"\tlanguage: 1\n", b"", b"\x7fELF\xff\x00", b"machine: join\n"], ids=["tab", "empty", "binary", "none"]
)
def test_a_file_that_cannot_be_read_is_one_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoiled: bytes
) -> None:
    """However many machines name it, it is said once; those that could not be checked for it are named."""
    folder(tmp_path)
    (tmp_path / J).write_bytes(spoiled)
    assert main(["check", str(tmp_path)]) == 1
    *lines, summary = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert "machines/join.yaml:1:" in lines[0]
    assert summary.startswith("4 machines, ")
    assert ": 1 finding; not checked, for they cannot be read: election, join" in summary


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints one object with the same findings; a machine that does not load is one of them."""
    folder(
        tmp_path, (E, "initial: idle", "initial: nowhere"), (N, "shared: [ha, role]", "shared: [ha, role, decisions]")
    )
    assert main(["check", str(tmp_path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["machines"], report["unread"]) == (4, ["election"])
    assert {f["rule"] for f in report["findings"]} == {"unknown-state", "unused-variable"}
    assert all(Path(f["file"]).name in ("election.yaml", "enable.yaml") and f["line"] > 1 for f in report["findings"])


@pytest.mark.parametrize("words", [["check", "{}/nothing"], ["check", "{}/state.yaml"], ["check", "{}/ports"],
                                   ["draw", "nobody"], ["draw", "{}/machines/broken.yaml"]])  # fmt: skip
def test_what_cannot_be_run_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """A path that is no spec, or a spec that cannot be drawn: one line on stderr, no traceback, exit 2."""
    folder(tmp_path)
    (tmp_path / "machines" / "broken.yaml").write_text("language: 1\nmachine: [", encoding="utf-8")
    assert main([word.format(tmp_path) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.rstrip().endswith("]")


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself by an example."""
    for words in (["--help"], *([command, "--help"] for command in COMMANDS)):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 0
        assert "example: fsm " in capsys.readouterr().out


def test_a_full_disk_behind_standard_output_is_named() -> None:
    """One line, exit 2, and nothing more from the interpreter at its end."""
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "fsm.cli", "check"]
        buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=buffered)
    assert (done.returncode, done.stderr) == (2, "fsm: standard output: No space left on device\n")


def test_annotations_are_workflow_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--format github`: one `::error` a finding, at its line of the file as seen from here; the summary stays."""
    folder(tmp_path, (E, '"only for show"', '"show"'))
    monkeypatch.chdir(tmp_path)
    assert main(["check", "machines/election.yaml", "--format", "github"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "::error file=machines/election.yaml,line=24,col=3,title=missing-why::"
        "'why' is a sentence, not the one word 'show': it answers an operator's question",
        "1 machine, 11 rows: 1 finding",
    ]


def test_what_would_end_an_annotation_is_escaped() -> None:
    """`%`, and in properties `:` and `,` too. A message has no line ends, a file's name may have one."""
    error = SpecError(Place("a,b:100%\r\n.yaml", 2, 3), "50%: one, two", "dead-row")
    properties = "file=a%2Cb%3A100%25%0D%0A.yaml,line=2,col=3,title=dead-row"
    assert annotation(error) == f"::error {properties}::50%25: one, two"


def test_json_is_a_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json is the short form of --format json."""
    folder(tmp_path)
    assert main(["check", str(tmp_path), "--json"]) == 0
    short = capsys.readouterr().out
    assert main(["check", str(tmp_path), "--format", "json"]) == 0
    assert capsys.readouterr().out == short


def test_what_a_whole_folder_never_uses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ports, their operations, signals and events, shared variables and parameters; not for one machine alone."""
    folder(
        tmp_path,
        ("ports/daemon.yaml", "events:\n", "  hum: {loud: bool}\nevents:\n  born: {}\n"),
        ("ports/daemon.yaml", "  stop: {", "  pause: {idempotent: true, outcomes: {paused: {}}}\n  stop: {"),
        ("state.yaml", "parameters: {", "parameters: {age: 1s, half: age/2, "),
        ("state.yaml", "variables:\n", 'variables:\n  old: {type: bool, store: host, initial: false, why: "x y"}\n'),
    )
    (tmp_path / "ports" / "spare.yaml").write_text("language: 1\nport: spare\nessay: x\n", encoding="utf-8")
    assert main(["check", str(tmp_path), "--json"]) == 1
    said = {f["rule"]: f["message"] for f in json.loads(capsys.readouterr().out)["findings"]}
    assert sorted(said) == ["unused-event", "unused-operation", "unused-parameter", "unused-port", "unused-signal",
                            "unused-variable"]  # fmt: skip
    assert "daemon.pause" in said["unused-operation"]
    assert "daemon.born" in said["unused-event"]
    assert main(["check", str(tmp_path / E)]) == 0
