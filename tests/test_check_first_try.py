"""What somebody writes at the first try: each message says what would be right, and nothing takes long or is missed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fsm.checks.check import check
from fsm.cli import main
from fsm.errors import SpecError
from fsm.language.load import Library

NET = """
language: 1
port: net
essay: The network.
operations:
  fetch: {idempotent: true, outcomes: {done: {size: "0..9"}, failed: {}}}
  look: {instant: true, outcomes: {free: {}, busy: {}}}
signals: {log: {level: "0..3"}, beep: {}}
"""
LOADER = """
language: 1
machine: loader
essay: It fetches a file.
ports: [net]
variables:
  tries: {type: "0..3", store: memory, initial: 0, why: "how often"}
  role: {type: [off, busy], store: memory, initial: off, why: "what it does"}
events: {start: {}, stop: {}}
states: [idle, loading, pausing]
initial: idle
rows:
- {from: idle, on: start, to: loading, do: net.fetch, set: {tries: 0, role: busy}, why: "it begins"}
- {from: loading, on: net.done, to: idle, set: {role: off}, why: "it is here"}
- {from: loading, on: net.failed, to: pausing, why: "no luck this time"}
- {from: pausing, after: "5s", if: "tries < 3 and role == busy", to: loading, do: net.fetch, set: {tries: "tries + 1"}, why: "once more"}
- {from: pausing, after: "5s", if: else, to: idle, why: "that was enough"}
- {from: [loading, pausing], on: stop, to: idle, why: "no longer wanted"}
ignore:
- {in: [loading, pausing], on: start, why: "it has begun already"}
- {in: idle, on: stop, why: "nothing to stop"}
"""  # noqa: E501


def found(*edits: tuple[str, str]) -> list[str]:
    """What is said of the loader after some edits: each finding as `message [rule]`."""
    text = LOADER
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    try:
        library = Library.of({"ports/net.yaml": NET, "machines/loader.yaml": text})
        return [f"{error.message} [{error.rule}]" for error in check(library.machine("loader"), library)]
    except SpecError as error:
        return [f"{error.message} [{error.rule}]"]


def test_the_machine_as_it_should_be() -> None:
    """It fetches, waits, counts, gives up and can be stopped: nothing to say."""
    assert found() == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('why: "it is here"', "why: it is here, at last", "quote that text [unknown-key]"),
        ('why: "it is here"', "why: here: it is", "quote a text that holds a comma, a colon, # or a bracket [yaml]"),
        ("- {from: idle, on: start,", "\t- {from: idle, on: start,", "indent with spaces [yaml]"),
        ("- {in: idle", "{in: idle", "write 'key: value', and '- ' before each entry of a list [yaml]"),
        ("  role:", "   role:", "look at the indentation here, and for a missing '- ' [yaml]"),
        ("ports: [net]", "ports: net", "ports must be a list, not 'net'; write [net] [document-shape]"),
        ("states: [idle, loading, pausing]", "states: {idle: {}}", "begin each entry with '- ' [document-shape]"),
        ("events: {start: {}, stop: {}}", "events: [start]", "write 'name: value' for each [document-shape]"),
        ("initial: 0, why", "first: 0, why", "has no key 'first'; it may be one of initial, store, type, why"),
        ("rows:", "transitions:", "a machine has no key 'transitions'; it may be one of defer, enter, "),
        ("on: stop, to", "on: [], to", "an event must be text or a list of texts, not an empty list [document-shape]"),
        ("machine: loader", "machine: fetcher", "the file is loader.yaml, the machine 'fetcher'; give both one name"),
        ("do: net.fetch, set: {tries: 0", "do: net.beep, set: {tries: 0", "which cannot fail; write it under 'tell'"),
        ("do: net.fetch, set: {tries: 0", "tell: net.fetch, set: {tries: 0", "which has outcomes; write it under 'do'"),
        ("after: \"5s\"", "after: backoff", "'backoff'; state.yaml declares none; units are ms, s and min"),
        ("states: [idle,", "states: [{rest: []}, idle,", "the group 'rest' has no states; drop it [document-shape]"),
        ("tries < 3 and", "tries < 3 &&", "is not an expression; write one such as 'tries + 1'"),
        ("role == busy", "role is busy", "is not part of the expression language; write one such as"),
        ("role == busy", "role in busy", "write the members in brackets: role in [busy] [bad-expression]"),
        ("role == busy", "role == 'busy'", "'busy': names stand without quotes [bad-expression]"),
        ("on: net.done", "on: timeout", "net.done, net.failed, net.free, some_failed, start, stop [unknown-event]"),
        ("off, busy]", "off, busy, on-hold]", "no expression can say the member 'on-hold'; use letters, digits and _"),
        ("  tries: {", "  try: {", "'try' cannot name a variable; in an expression it is a word of Python's"),
        ("role == busy", "role == break", "is not an expression; 'break' is a word of Python's, so use another name"),
        ("ignore:", "exit:\n  idle: {why: 'it rests'}\nignore:", "the effect of idle says neither 'set' nor"),
        ("tries < 3 and ", "", "set tries would be 4, which is no 0..3, with role = busy, tries = 3; let the guard"),
        ("why: \"no luck", "tell: 'net.log(level=7)', why: \"no luck", "which is no 0..3, always; write another value"),
    ],
)  # fmt: skip
def test_the_message_says_what_would_be_right(old: str, new: str, said: str) -> None:
    """One line that names the remedy; no host is spoken of where none matters."""
    messages = found((old, new))
    assert any(said in message for message in messages), messages
    assert all("\n" not in message and "host 0" not in message for message in messages)


def test_a_file_that_holds_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no machine is not blamed for the keys that a machine would have; nor is it offered as one."""
    for name, text in (("net", NET), ("state", "language: 1\nessay: Times.\nparameters: {T: 2s}\n")):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    assert main(["check", str(tmp_path / "net.yaml"), str(tmp_path / "state.yaml")]) == 1
    said = capsys.readouterr().out
    assert "net.yaml:2:1: this is a port; name the file of a machine [no-spec]" in said
    assert "state.yaml:1:1: this is what machines share; name the file of a machine [no-spec]" in said
    assert Library(tmp_path).names() == ["net"]


def test_an_outcome_that_stays_is_a_trap_where_nothing_else_leads_out() -> None:
    """The operation is over, so its other outcomes do not come; a timer or an event would still lead out."""
    stays = ("net.failed, to: pausing, why", "net.failed, to: same, why")
    unstoppable = (
        '- {from: [loading, pausing], on: stop, to: idle, why: "no longer wanted"}',
        '- {from: pausing, on: stop, to: idle, why: "no longer wanted"}',
    )
    ignored = ("{in: idle, on: stop", "{in: [idle, loading], on: stop")
    assert not [message for message in found(stays) if "[trap]" in message]
    (trap,) = [message for message in found(stays, unstoppable, ignored) if "[trap]" in message]
    assert trap.startswith("loader.loading/net.failed stays in loading, and once net.fetch is over nothing leads out")
    assert not [message for message in found(unstoppable, ignored) if "[trap]" in message]


def test_an_else_stands_beside_a_guard() -> None:
    """Alone it is a row without a guard, or what is left of two rows; in one state of several is enough."""
    lonely = ("on: net.failed, to: pausing", "on: net.failed, if: else, to: pausing")
    said = "loader.loading/net.failed is the 'else' of no other row; add the row that is missing, or leave out 'if'"
    assert found(lonely) == [f"{said} [guards-incomplete]"]
    stop = '- {from: [loading, pausing], on: stop, to: idle, why: "no longer wanted"}'
    off = '- {from: loading, on: stop, if: "role == off", to: idle, label: off, why: "not at work"}\n'
    shared = (stop, off + stop.replace("on: stop, to", "on: stop, if: else, to"))
    (other,) = found(shared)
    assert other.startswith("loader.pausing/stop is the 'else' of no other row")


def test_a_timer_of_no_time_is_no_pause() -> None:
    """After 0 s the failed operation is asked again at once; any time above is a pause."""
    uncounted = (', set: {tries: "tries + 1"}', "")
    (endless,) = found(('"5s"', '"0s"'), uncounted)
    assert "in the round loader.loading/net.failed, loader.pausing/after" in endless
    assert "cycle-without-progress" in endless
    assert found(('"5s"', '"1ms"'), uncounted) == []
    assert found(('"5s"', '"0s"')) == []


WIDE = """
language: 1
machine: wide
essay: Rows that look at much.
variables:
  a: {type: "0..999", store: memory, initial: 0, why: "a number"}
  b: {type: "0..290", store: memory, initial: 0, why: "a number"}
events: {go: {}}
states: [x, y]
initial: x
rows:
- {from: y, on: go, to: x, why: "back again"}
"""


def test_many_rows_without_labels_are_refused_at_once() -> None:
    """A document from outside may hold any number of them, each with all the assignments that one guard may have."""
    row = '- {{from: x, on: go, if: "a == {} and b < 300", to: y, why: "go on"}}\n'
    library = Library.of({"machines/wide.yaml": WIDE + "".join(row.format(index) for index in range(60))})
    begun = time.monotonic()
    with pytest.raises(SpecError, match=r"60 rows are wide\.x/go; give all but one a 'label'"):
        library.machine("wide")
    assert time.monotonic() - begun < 20  # it would be half an hour


def test_a_line_of_many_states_and_events_is_refused_at_once() -> None:
    """A short line may stand for a million rows; so may some lines together."""
    names = ", ".join(f"e{index}" for index in range(1000))
    head = WIDE[: WIDE.index("variables:")] + "events: {go: {}}\nstates: [x]\ninitial: x\nrows:\n"
    for rows in (
        f'- {{from: [{names}], on: [{names}], to: x, why: "go on"}}\n',
        f'- {{from: [{", ".join(["x"] * 1001)}], on: go, to: x, why: "go on"}}\n' * 10,
    ):
        with pytest.raises(SpecError, match=r"over 10000 pairs of a state and an event have rows.*\[too-large\]"):
            Library.of({"machines/wide.yaml": head + rows}).machine("wide")


def test_a_large_circle_of_tells_is_found_at_once() -> None:
    """Sixty events that each state takes and tells on: 3600 rows that may fire, each walked once."""
    names = [f"e{index}" for index in range(60)]
    rows = "".join(
        f'- {{from: "*", on: {name}, to: s_{name}, tell: [wide.{then}, wide.{names[0]}], why: "go on"}}\n'
        for name, then in zip(names, [*names[1:], names[0]], strict=True)
    )
    head = WIDE[: WIDE.index("variables:")]
    events, states = ", ".join(f"{name}: {{}}" for name in names), ", ".join(f"s_{name}" for name in names)
    text = f"{head}events: {{{events}}}\nstates: [{states}]\ninitial: s_e0\nrows:\n{rows}"
    library = Library.of({"machines/wide.yaml": text})
    begun = time.monotonic()
    findings = check(library.machine("wide"), library)
    assert [error.rule for error in findings] == ["cycle-without-progress"]
    assert time.monotonic() - begun < 10  # it would be minutes


def test_a_machine_with_too_much_to_try_is_refused() -> None:
    """Each row alone may have so many assignments, not all of them together."""
    states = [f"s{index}" for index in range(30)]
    rows = "".join(
        f'- {{from: {state}, on: go, if: "a + b < {index + 9}", to: x, why: "go on"}}\n'
        f'- {{from: {state}, on: go, if: else, to: {then}, set: {{b: "b + 1"}}, why: "go on"}}\n'
        for index, (state, then) in enumerate(zip(states, [*states[1:], "y"], strict=True))
    )
    text = WIDE.replace("[x, y]", f"[x, y, {', '.join(states)}]") + rows + '- {from: x, on: go, to: s0, why: "go on"}\n'
    library = Library.of({"machines/wide.yaml": text})
    findings = check(library.machine("wide"), library)
    assert [error.rule for error in findings if error.rule != "out-of-domain"] == ["too-many-assignments"]
    assert "the rows up to here have over 3000000 assignments to try" in str(findings)
