"""Cycles without progress and operations asked again: what counts as waiting, as counting, as a durable trace."""

from __future__ import annotations

import pytest

from fsm.checks.check import check, check_node
from fsm.checks.progress import circles
from fsm.errors import SpecError
from fsm.language.load import Library
from fsm.locate import specs

PORTS = {
    "ports/disk.yaml": """
language: 1
port: disk
essay: A disk.
operations:
  write: {idempotent: true, outcomes: {wrote: {}, failed: {}}}
  read: {idempotent: true, outcomes: {seen: {}, failed: {}}}
  look: {instant: true, outcomes: {there: {}, gone: {}}}
  burn: {outcomes: {burnt: {}, failed: {}}}
""",
    "ports/peers.yaml": """
language: 1
port: peers
essay: Calls.
operations:
  once: {to: host, outcomes: {ok: {}, failed: {}}}
""",
}
HEAD = """
language: 1
machine: {name}
essay: A machine of a test.
initial: idle
"""


def machine(text: str, name: str = "box") -> str:
    """The file of a machine."""
    return HEAD.format(name=name) + text


def found(text: str, *others: tuple[str, str]) -> list[SpecError]:
    """What is found in a machine, together with others."""
    files = {**PORTS, "machines/box.yaml": machine(text)}
    files |= {f"machines/{name}.yaml": machine(other, name) for name, other in others}
    library = Library.of(files)
    machines = [library.machine(name) for name in library.names()]
    return [e for one in machines for e in check(one, library)] + check_node(machines)


def rules(text: str, *others: tuple[str, str]) -> list[str]:
    """The rules that are broken."""
    return [error.rule for error in found(text, *others)]


LOOP = """
ports: [disk]
events: {go: {}}
states: [idle, writing, reading]
rows:
- {from: idle, on: go, to: writing, do: disk.write, why: "it begins"}
- {from: writing, on: disk.wrote, to: reading, do: disk.read, why: "read it back"}
- {from: writing, on: disk.failed, to: idle, why: "no disk"}
- {from: reading, on: disk.seen, to: writing, do: disk.write, why: "next turn"}
- {from: reading, on: disk.failed, to: idle, why: "no disk"}
ignore:
- {in: [writing, reading], on: [go], why: "it runs"}
"""


def test_success_of_an_operation_is_progress() -> None:
    """Write, read, write: as fast as the disk goes, and no faster."""
    assert rules(LOOP) == []


def test_failures_that_lead_back_are_a_cycle() -> None:
    """Two operations that fail in turn hammer on the disk; the message names the rows."""
    spoiled = LOOP.replace(
        'disk.failed, to: idle, why: "no disk"}\n- {from: reading, on: disk.seen',
        'disk.failed, to: reading, do: disk.read, why: "no disk"}\n- {from: reading, on: disk.seen',
    )
    spoiled = spoiled.replace("{from: reading, on: disk.failed, to: idle,",
                              "{from: reading, on: disk.failed, to: writing, do: disk.write,")  # fmt: skip
    (error,) = found(spoiled)
    assert error.rule == "cycle-without-progress"
    assert "box.writing/disk.failed" in error.message
    assert "box.reading/disk.failed" in error.message


COUNTED = """
ports: [disk]
events: {go: {}}
variables: {tries: {type: "0..2", store: memory, initial: 0, why: "how often"}}
states: [idle, writing]
rows:
- {from: idle, on: go, to: writing, do: disk.write, set: {tries: 0}, why: "it begins"}
- {from: writing, on: disk.wrote, to: idle, why: "it is done"}
- {from: writing, on: disk.failed, if: "tries < 2", to: writing, do: disk.write,
   set: {tries: "tries + 1"}, why: "try again"}
- {from: writing, on: disk.failed, if: else, to: idle, why: "tried often enough"}
ignore:
- {in: writing, on: [go], why: "it runs"}
"""


def test_a_round_that_counts_ends() -> None:
    """With the count it is sound; without, or where it starts over on the way, it is not, and the values are shown."""
    assert rules(COUNTED) == []
    assert rules(COUNTED.replace('set: {tries: "tries + 1"}, ', "")) == ["cycle-without-progress"]
    over = COUNTED.replace('"tries + 1"', '"0 if tries == 1 else tries + 1"')
    (error,) = found(over)
    assert error.rule == "cycle-without-progress"
    assert "with tries = 0" in error.message


def test_an_entry_effect_can_count_or_spoil_the_count() -> None:
    """Effects of entering are part of the round: one that sets the count back makes it endless."""
    assert rules(COUNTED + 'enter:\n  writing: {set: {tries: 0}, why: "begin anew"}\n') == ["cycle-without-progress"]


def test_an_instant_question_that_asks_itself_never_ends_its_turn() -> None:
    """Instant outcomes take no time at all, whatever they are called."""
    text = """
ports: [disk]
events: {go: {}}
states: [idle, looking]
rows:
- {from: idle, on: go, to: looking, do: disk.look, why: "look for it"}
- {from: looking, on: disk.there, to: idle, why: "it is there"}
- {from: looking, on: disk.gone, to: looking, do: disk.look, why: "look again"}
"""
    assert rules(text) == ["cycle-without-progress"]


PING = """
events: {ping: {}}
states: [idle]
rows:
- {from: idle, on: ping, to: same, tell: other.pong, why: "answer it"}
"""
PONG = """
events: {pong: {}}
states: [idle]
rows:
- {from: idle, on: pong, to: same, tell: box.ping, why: "answer it"}
"""
AWAY = """
events: {pong: {}}
states: [idle, away]
final: [away]
rows:
- {from: idle, on: pong, to: away, tell: box.ping, why: "answer it once"}
ignore:
- {in: away, on: [pong], why: "nobody is here any more"}
"""


def test_machines_that_tell_each_other_in_a_circle() -> None:
    """Found once, over both machines; not where one of them goes away, and not where it counts."""
    (error,) = found(PING, ("other", PONG))
    assert error.rule == "cycle-without-progress"
    assert "box.idle/ping, other.idle/pong" in error.message
    assert rules(PING, ("other", AWAY)) == []
    counting = """
variables: {left: {type: "0..3", store: memory, initial: 3, why: "how often"}}
events: {pong: {}}
states: [idle]
rows:
- {from: idle, on: pong, if: "left > 0", to: same, set: {left: "left - 1"}, tell: box.ping, why: "answer it"}
- {from: idle, on: pong, if: else, to: same, why: "answered often enough"}
"""
    assert rules(PING, ("other", counting)) == []


def test_a_machine_that_tells_itself() -> None:
    """The same for one machine alone, and for what an exit effect tells."""
    assert rules(PING.replace("other.pong", "box.ping")) == ["cycle-without-progress"]
    leaving = 'exit:\n  idle: {tell: box.ping, why: "say so"}\n'
    assert rules(PING.replace("to: same, tell: other.pong", "to: idle") + leaving) == ["cycle-without-progress"]


ONCE = """
ports: [disk]
shared: [burnt]
events: {go: {}, stop: {}}
states: [idle, burning]
rows:
- {from: idle, on: go, if: "not burnt", to: burning, do: disk.burn, set: {burnt: true}, why: "once only"}
- {from: idle, on: go, if: else, to: same, why: "it was burnt already"}
- {from: burning, on: [disk.burnt, disk.failed], to: idle, why: "it is over"}
- {from: burning, on: stop, to: idle, why: "an operator gave up"}
ignore:
- {in: idle, on: [stop], why: "nothing runs"}
- {in: burning, on: [go], why: "it runs"}
"""
STATE = """
language: 1
essay: What is shared.
variables: {burnt: {type: bool, store: host, initial: false, why: "it may have been burnt"}}
"""


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        ("", "", None),
        (", set: {burnt: true}", "", "after a restart in burning"),
        ('if: "not burnt", to: burning', 'if: "burnt", to: burning', "after a restart in burning"),
        ("store: host", "store: memory", "after a restart in burning"),
        ('why: "an operator gave up"', 'set: {burnt: false}, why: "an operator gave up"', "after 'stop' in burning"),
        (
            "- {from: burning, on: stop, to: idle,",
            "- {from: burning, on: stop, to: burning, do: disk.burn,",
            "'stop' in",
        ),
    ],
)
def test_a_durable_trace_stops_the_second_time(old: str, new: str, how: str | None) -> None:
    """The trace must be durable, be left before the operation starts, and be asked for by the guard."""
    files = {**PORTS, "state.yaml": STATE.replace(old, new), "machines/box.yaml": machine(ONCE.replace(old, new))}
    library = Library.of(files)
    errors = check(library.machine("box"), library)
    assert [error.rule for error in errors] == (["asked-again"] if how else [])
    assert all(str(how) in error.message and "disk.burn" in error.message for error in errors)


def test_a_fan_out_that_failed_in_part_is_no_answer() -> None:
    """Some hosts have done it: asking them all again is asking again, although an outcome came."""
    text = """
ports: [peers]
shared: [burnt]
events: {go: {}}
states: [idle, asking, pausing, done]
final: [done]
rows:
- {from: idle, on: go, if: "not burnt", to: asking, do: each peers.once, set: {burnt: true}, why: "once only"}
- {from: idle, on: go, if: else, to: same, why: "it was done already"}
- {from: asking, on: all_ok, to: done, why: "all have done it"}
- {from: asking, on: some_failed, to: pausing, why: "wait a little"}
- {from: pausing, after: "1s", to: asking, do: each peers.once, set: {burnt: true}, why: "all of them again"}
ignore:
- {in: [asking, pausing, done], on: [go], why: "it runs, or it is over"}
"""
    library = Library.of({**PORTS, "state.yaml": STATE, "machines/box.yaml": machine(text)})
    (error,) = check(library.machine("box"), library)
    assert error.rule == "asked-again"
    assert "'some_failed' in asking" in error.message


def test_the_shipped_enable_stands_on_its_durable_trace() -> None:
    """`host.join` is not idempotent, nor must it be: ha = enabling is durable before it, and idle asks for off."""
    text = (specs() / "machines" / "enable.yaml").read_text("utf-8")
    shipped = Library(specs())
    assert check(shipped.machine("enable"), shipped) == []
    whole = [*(f"ports/{name}.yaml" for name in shipped.listed("ports")), "state.yaml"]
    whole += [f"machines/{name}.yaml" for name in shipped.names() if name != "enable"]
    documents = {path: shipped.document(path) for path in whole}
    assert "ha: enabling, undecided" in text
    spoilt = text.replace("ha: enabling, undecided", "ha: off, undecided")
    library = Library.of({**documents, "machines/enable.yaml": spoilt})
    assert "asked-again" in [error.rule for error in check(library.machine("enable"), library)]


def test_circles_of_a_graph() -> None:
    """Strongly connected parts with an edge: a self-loop is one, a lone node none, two that touch one way are two."""
    graph = {1: {2}, 2: {1, 3}, 3: {3}, 4: {1}, 5: {6}, 6: set[int]()}
    assert circles(graph) == [{1, 2}, {3}]


def test_a_long_count_is_walked_through_and_an_endless_one_is_not() -> None:
    """A thousand tries are counted in a moment; where variables have too many values together, that is said."""
    assert rules(COUNTED.replace('"0..2"', '"0..999"').replace("tries < 2", "tries < 999")) == []
    wide = COUNTED.replace(
        "variables: {", 'variables: {pause: {type: "0..99", store: memory, initial: 0, why: "x y"}, '
    )
    wide = wide.replace('"0..2"', '"0..299"').replace('if: "tries < 2"', 'if: "tries < 299 and pause < 9"')
    (error,) = found(wide)
    assert "which asks for too much to be walked through" in error.message


def test_many_durable_variables_do_not_stop_the_walk() -> None:
    """Fifteen flags that an operator turns on and off have more values than are walked through: less is known then."""
    flags = [f"f{number}" for number in range(15)]
    text = ONCE.replace("shared: [burnt]", "shared: [burnt]\nvariables:\n" + "".join(
        f'  {flag}: {{type: bool, store: host, initial: false, why: "a flag"}}\n' for flag in flags))  # fmt: skip
    events = "".join(f", {flag}_on: {{}}, {flag}_off: {{}}" for flag in flags)
    text = text.replace("stop: {}}", f"stop: {{}}{events}}}").replace(
        'if: "not burnt"', f'if: "not (burnt or {" or ".join(flags)})"'
    )
    rows = "".join(f'- {{from: "*", on: {flag}_{word}, to: same, set: {{{flag}: {value}}}, why: "turned by hand"}}\n'
                   for flag in flags for word, value in (("on", "true"), ("off", "false")))  # fmt: skip
    text = text.replace("ignore:\n", rows + "ignore:\n")
    library = Library.of({**PORTS, "state.yaml": STATE, "machines/box.yaml": machine(text)})
    assert [error.rule for error in check(library.machine("box"), library)] == ["asked-again"]
