"""The four ways in which a counterexample is given, and the commands that ask for them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fsm.cli import main
from fsm.errors import SpecError
from fsm.explore.traces import play
from fsm.locate import specs
from fsm.pictures.sequence import sequence
from fsm.search.explore import REFERENCE, explore
from fsm.search.load import load_space
from fsm.search.renderings import FORMATS, SUFFIXES, Found, render
from fsm.search.space import Firing, Told
from fsm.search.trace import Trace, TraceStep
from fsm.search.trace_table import WIDTH, folded, table
from fsm.search.walk_traces import Origin

DATA = Path(__file__).parent / "data"
LIGHTS = DATA / "models" / "lights.yaml"
TOYS = DATA / "toys" / "systems"


def found(path: Path, name: str, **settings: str) -> Found:
    """The trace of a property, found anew."""
    return found_with(path, name, tuple((f"faults.{kind}", budget) for kind, budget in settings.items()))


def asked() -> Found:
    """How two hosts come to work because one has asked both."""
    quiet = (*((f"faults.{kind}", "0") for kind in ("loss", "late", "restart")), ("operator.asker.go", "1"))
    return found_with(TOYS / "asking.yaml", "work", quiet)


def found_with(path: Path, name: str, settings: tuple[tuple[str, str], ...]) -> Found:
    """The trace of a property under some settings."""
    space = load_space(path, settings)
    verdict = explore(space, engine=REFERENCE).verdict(name)
    assert verdict.trace is not None
    return Found(space, Origin(str(path), settings), verdict.trace, verdict.property)


def test_a_table_of_a_pool() -> None:
    """Each step with what happened, the rows and their reasons, and what is different."""
    text = table(found(TOYS / "careless.yaml", "exclusion").trace)
    rows = [re.split(r"\s{3,}", line.strip()) for line in text.splitlines() if not line.startswith(" ─")]
    assert rows == [
        ["at the beginning:"],
        ["inside: {}, taken: false"],
        ["step", "what happens", "the answer, and why", "what is different"],
        ["1", "timer of careless at", "careless.idle/after -> entering"],
        ["host 0", "nobody is inside"],
        ["2", "timer of careless at", "careless.idle/after -> entering"],
        ["host 1", "nobody is inside"],
        ["3", "timer of careless at", "careless.entering/after -> critical,", "inside: {} -> {0}"],
        ["host 0", "taken := true", "taken: false -> true"],
        ["go in"],
        ["4", "timer of careless at", "careless.entering/after -> critical,", "inside: {0} -> {0, 1}"],
        ["host 1", "taken := true"],
        ["go in"],
    ]


def test_a_table_is_as_wide_as_it_may_be() -> None:
    """100 columns of plain text; a terminal has its own width, and colours."""
    trace = asked().trace
    assert max(map(len, table(trace).splitlines())) <= WIDTH
    assert "\x1b" not in table(trace)
    wide = re.sub(r"\x1b\[[0-9;]*m", "", table(trace, 140))
    assert 130 <= max(map(len, wide.splitlines())) <= 140
    assert "\x1b" in table(trace, 140)


def test_a_table_shows_faults_refusals_and_where_it_goes_round() -> None:
    """A fault under its step, a refusal in capitals, a line beside the steps that are repeated."""
    space = load_space(TOYS / "ring.yaml", [("faults.duplicate", "1")])
    (refusal,) = explore(space, engine=REFERENCE).refusals
    text = table(refusal.trace)
    assert "fault: duplicate" in text
    assert "REFUSED: station in holding has no row" in re.sub(r"\s+", " ", text)
    lasso = table(found(LIGHTS, "back").trace)
    assert re.findall(r"^ +(\d) (\||  )", lasso, re.MULTILINE) == [("1", "  "), ("2", "|"), ("3", "|")]
    assert lasso.endswith("\nand again from step 2, for ever\n")
    stays = Trace({"x": 1}, (), 1)
    assert table(stays).endswith("\nand so it stays for ever: nothing that has to happen can\n")


def ends(tmp_path: Path, formula: str, initial: str) -> dict[str, str]:
    """The tables of the counterexamples of a model that stops, without empty lines."""
    text = f"""
language: 1
model: stops
essay: one switch
variables: {{on: {{type: bool, initial: "{initial}"}}}}
faults: {{back: any}}
actions:
- {{action: press, if: "not on", set: {{on: "true"}}, why: "somebody presses"}}
- {{action: break, if: "on", set: {{on: "true"}}, fault: back, why: "it breaks"}}
properties:
  p: {{{formula}, why: "p"}}
"""
    (tmp_path / "stops.yaml").write_text(text, "utf-8")
    return {form: render(found_with(tmp_path / "stops.yaml", "p", ()), form) for form in ("table", "sequence")}


def test_an_order_is_no_fault_to_programs() -> None:
    """The JSON of a step says of each whether it is an order, and of which kind of fault it is."""
    steps = asked().trace.to_json()
    assert (steps[0]["fault"], steps[0]["operator"]) == (None, True)
    assert not any(step["operator"] for step in found(LIGHTS, "dark").trace.to_json())
    assert [step["fault"] for step in found(LIGHTS, "dark").trace.to_json()] == [None, "power"]


def test_a_story_says_at_its_end_what_no_step_says(tmp_path: Path) -> None:
    """That it is stuck, that there is no way back, that it was so from the beginning; and then no empty table."""
    stuck = ends(tmp_path, 'deadlock: "false"', "false")
    assert stuck["table"].endswith("\nnothing can happen here but faults and orders of an operator\n")
    assert stuck["sequence"].endswith("nothing can happen here but faults and<br/>orders of an operator\n")
    lost = ends(tmp_path, 'recoverable: "not on", counting_on: [back]', "false")
    assert lost["table"].endswith("\nno way leads from here to: not on, whatever back may bring\n")
    first = ends(tmp_path, 'always: "on"', "false")
    assert first["table"] == "at the beginning:\non: false\nso it is at the beginning\n"


@given(st.lists(st.text("abc", min_size=1, max_size=9), max_size=12), st.integers(9, 30))
def test_items_are_folded_into_lines(items: list[str], width: int) -> None:
    """None is lost, and a line is too long only by one item that is."""
    lines = folded(items, width)
    assert " ".join(lines) == ", ".join(items)
    assert all(len(line) <= width + 1 for line in lines)


def test_a_diagram_of_a_model() -> None:
    """A participant for each argument that actions name, red ground under a fault, codes for what Mermaid reads."""
    assert sequence(found(LIGHTS, "dark").trace, "dark") == (
        '%%{init: {"sequence": {"mirrorActors": false}}}%%\n'
        "sequenceDiagram\n"
        "    participant p0 as i=0\n"
        "    participant p1 as lights\n"
        "    Note over p0,p1: dark<br/>on[0]: false, on[1]: false,<br/>broken: false\n"
        "    p0->>p0: 1. toggle(i=0)\n"
        "    Note over p0: somebody presses#59; #35;1 in the #101;nd\n"
        "    Note over p0,p1: on[0]: false -> true\n"
        "    rect rgb(255, 214, 214)\n"
        "    p1->>p1: 2. blackout\n"
        "    Note over p1: no power any more\n"
        "    Note over p0,p1: broken: false -> true\n"
        "    end\n"
    )


def test_a_diagram_of_a_pool_shows_who_calls_whom() -> None:
    """Calls and replies are arrows between hosts, timers come from the host itself, orders from the operator."""
    lines = sequence(asked().trace).splitlines()
    names = dict(re.findall(r"participant (\w+) as (.*)", "\n".join(lines)))
    assert sorted(names.values()) == ["host 0", "host 1", "operator"]
    arrows = [re.fullmatch(r"    (\w+)(-+>>)(\w+): (.*)", line) for line in lines]
    said = [(names[m[1]], m[2], names[m[3]], m[4]) for m in arrows if m is not None]
    assert said[0] == ("operator", "->>", "host 0", "1. operator: asker.go at host 0")
    assert ("host 0", "->>", "host 1") in [arrow[:3] for arrow in said]
    dead = evolve(asked().trace.steps[-1], told=Told("host 1", (), (), "host 0", (("host 0", "ok"),)))
    assert "p1-->>p0: ok" in sequence(Trace({}, (dead,)))


def test_a_diagram_of_what_goes_on_for_ever_is_a_loop() -> None:
    """Its end closes it; where it only stays, a note says so."""
    lines = [line.strip() for line in sequence(found(LIGHTS, "back").trace).splitlines()]
    assert lines.index("loop for ever") < lines.index("p0->>p0: 2. toggle(i=0)") < lines.index("end")
    assert lines[-1] == "end"
    assert sequence(Trace({"x": 1}, (), 1)).endswith("    Note over p0: and so it stays for ever\n")


def opened(text: str) -> int:
    """How many blocks are open at the end of a diagram; each line has one of the shapes that Mermaid knows."""
    depth = 0
    for line in text.splitlines()[2:]:
        known = r"participant \w+ as .+|Note over \w+(,\w+)?: .+|\w+-{1,2}>>\w+: .+|rect rgb.+|loop for ever|end"
        assert re.fullmatch(rf"    (?:{known})", line), line
        assert not re.search(r"[#;](?!\d)(?<!\d;)", line.partition(": ")[2]), line
        depth += {"rect": 1, "loop": 1, "end": -1}.get(line.split()[0], 0)
        assert depth >= 0
    return depth


@given(
    st.lists(st.tuples(st.text(max_size=30), st.booleans(), st.sampled_from(["", "i=0", "a=1, b=0"])), max_size=5),
    st.data(),
)
def test_any_text_makes_a_diagram(parts: list[tuple[str, bool, str]], data: st.DataObject) -> None:
    """Line ends, `;`, `#`, `end` and the words of Mermaid are written by their codes; blocks are closed."""
    steps = tuple(
        TraceStep(
            i, text, "f" * fault or None, Told(at, (text,), (Firing("m", "", "", {}, text, text),)), {text: (0, 1)}
        )
        for i, (text, fault, at) in enumerate(parts, 1)
    )
    loop = data.draw(st.sampled_from([None, *range(1, len(steps) + 2)]))
    text = sequence(Trace({"a": 1}, steps, loop), "title")
    assert opened(text) == 0


def test_words_of_mermaid_do_not_stand_in_texts() -> None:
    """A note that is nothing but `end` would end a block."""
    text = sequence(Trace({"end": 1}, ()), "end wrap:no nowrap: End bend")
    assert "#101;nd #119;rap:no #110;owrap: #69;nd bend<br/>#101;nd: 1" in text


@pytest.mark.parametrize("name", ["single", "dark", "both", "back", "light", "wired"])
def test_an_example_is_a_test_that_pins_the_walk(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails as long as the promise is broken; what is reached stays reached."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "pasted"}
    exec(compile(render(found(LIGHTS, name), "hypothesis"), "pasted.py", "exec"), space)
    test = space[f"test_lights_{name}"]
    if name == "wired":
        test()
    else:
        with pytest.raises((AssertionError, ExceptionGroup)):
            test()


FREE = r'(action: {}.*if: )"not broken"'
MENDED = {
    "single": [(FREE.format("toggle"), r'\1"not broken and (on[i] or not any(on[j] for j in l))"')],
    "dark": [(FREE.format("blackout"), r'\1"not broken and not on[0]"')],
    "both": [(FREE.format("toggle"), r'\1"not on[i]"'), (FREE.format("blackout"), r'\1"false"'),
             (r'weak: \["toggle.*"\]', 'strong: ["toggle*"]')],
    "back": [(FREE.format("toggle"), r'\1"not broken and i == 1"'), ("a != b and", "false and")],
    "light": [(FREE.format("blackout"), r'\1"broken"')],
    "wired": [("both lamps", "two lamps")],
}  # fmt: skip


@pytest.mark.parametrize("name", MENDED)
def test_an_example_passes_once_it_is_mended_and_fails_once_it_says_nothing(name: str, tmp_path: Path) -> None:
    """Of every kind of property alike, whatever else is wrong; the module finds the model beside it."""
    model, text = tmp_path / "lights.yaml", LIGHTS.read_text("utf-8")
    model.write_text(text, "utf-8")
    one = found(model, name)
    pinned = render(evolve(one, origin=one.origin.seen_from(tmp_path)), "hypothesis")

    def run(changed: str) -> None:
        model.write_text(changed, "utf-8")
        space: dict[str, Any] = {"__name__": "pasted", "__file__": str(tmp_path / "test_it.py")}
        exec(compile(pinned, "pasted.py", "exec"), space)
        space[f"test_lights_{name}"]()

    mended = text
    for old, new in MENDED[name]:
        mended, times = re.subn(old, new, mended)
        assert times == 1
    run(mended)
    renamed = re.sub(r"(?<=action: )(toggle|blackout)", r"\1_lamps", text).replace('"toggle(i=0)"', '"*"')
    with pytest.raises(SpecError, match=r"the pinned walk cannot be followed, its step 1,"):
        run(renamed)


def test_an_example_of_a_reached_state_may_be_empty_and_is_typed(tmp_path: Path) -> None:
    """What is so at the beginning is shown by no moves."""
    text = LIGHTS.read_text("utf-8").replace("on[0] and on[1] and broken", "not broken")
    (tmp_path / "lights.yaml").write_text(text, "utf-8")
    pinned = render(found(tmp_path / "lights.yaml", "wired"), "hypothesis")
    assert "\nWALK: list[str] = []\n" in pinned


def test_an_example_of_settings_and_clauses() -> None:
    """They are those with which it was found."""
    one = found(TOYS / "ring.yaml", "alone", duplicate="1")
    text = render(evolve(one, origin=Origin("ring", one.origin.settings, ("K1", 'a"b'))), "hypothesis")
    assert 'SPACE = open_space("ring", {"faults.duplicate": "1"}, without=["K1", "a\\"b"])' in text


def test_traces_are_saved_each_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the suffix of their format; the golden ones are played, as they were written."""
    for form in FORMATS:
        assert main(["verify", str(LIGHTS), "--trace", form, "--save", str(tmp_path / form)]) == 1
        files = sorted((tmp_path / form).iterdir())
        assert len(files) == 5
        assert {file.suffix for file in files} == {SUFFIXES[form]}
        assert capsys.readouterr().out.count("written to ") == 5
    for file in (tmp_path / "golden").iterdir():
        assert play(file, specs()).text == file.read_text("utf-8")


@pytest.mark.parametrize("form", ["golden", "hypothesis"])
def test_what_programs_read_stands_alone(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that it can be put into a file: several traces one below the other, the counts on stderr."""
    monkeypatch.chdir(tmp_path)
    main(["verify", str(LIGHTS), "--trace", form])
    said = capsys.readouterr()
    (tmp_path / "all.txt").write_text(said.out, "utf-8")
    assert said.err.startswith("lights: 8 states")
    assert said.err.endswith("4 of 4 actions taken\n")
    if form == "golden":
        assert play(tmp_path / "all.txt").text == said.out
        assert said.out.count("\nviolated\n") == 5
    else:
        space: dict[str, Any] = {"__name__": "all"}
        exec(compile(said.out, "all.py", "exec"), space)
        assert sum(name.startswith("test_lights_") for name in space) == 5


def test_a_trace_that_there_is_not_is_not_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    """A property that holds has no counterexample, and that is said."""
    assert main(["verify", str(LIGHTS), "--trace", "golden:fine"]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("no counterexample of fine was found\n")) == ("", 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--json", "--trace", "golden"], "--json has the steps of every trace; leave out --trace, or say with --save"),
        (["--markdown"], "--markdown is how the tables of --ablate and --frontier are printed"),
        (["--ablate", "--markdown", "--json"], "--markdown is how the tables of --ablate and --frontier are printed"),
        (["--ablate", "--save", "here"], "--save has no meaning for the tables of --ablate and --frontier"),
        (["--frontier", "--trace", "table"], "--trace has no meaning for the tables of --ablate and --frontier"),
        (["--frontier", "--random"], "--random has no meaning for the tables of --ablate and --frontier"),
    ],
)
def test_options_that_say_nothing_together_are_refused(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, before anything is explored."""
    assert main(["verify", str(LIGHTS), *options]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert says in said.err


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after an hour of exploring: a file is in its place, or it belongs to somebody else."""
    monkeypatch.setattr("fsm.search.explore.explore", lambda *_, **__: pytest.fail("it explores"))
    (tmp_path / "file").write_text("", "utf-8")
    assert main(["verify", str(LIGHTS), "--save", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"fsm: {tmp_path / 'file'}: File exists\n"
    monkeypatch.setattr("os.access", lambda *_: False)
    assert main(["verify", str(LIGHTS), "--save", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"fsm: {tmp_path}: Permission denied\n"


def test_one_trace_may_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Also how something is reached; a property or format that there is not is refused in a line."""
    main(["verify", str(LIGHTS), "--trace", "golden:wired"])
    out = capsys.readouterr().out
    assert out.count("walk ") == 1
    assert out.index("take blackout") < out.index("reaches wired\n----\nreached\n")
    assert main(["verify", str(LIGHTS), "--trace", "golden:wirde"]) == 2
    assert "--trace: there is no property 'wirde'; did you mean 'wired'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["verify", str(LIGHTS), "--trace", "gold"])
    assert "'gold' is no format; there are table, sequence, golden, hypothesis" in capsys.readouterr().err


def test_every_format_of_every_promise_can_be_had() -> None:
    """Of a lasso, of a step, of what is lost for good."""
    texts = [render(found(LIGHTS, name), form) for name in ("both", "dark", "light") for form in FORMATS]
    assert all("toggle(i=0)" in text or "blackout" in text for text in texts)
    assert all(a != b for a, b in pairwise(texts))


def test_a_trace_without_steps_is_one() -> None:
    """It tells of the beginning; where there is none stands None."""
    assert Trace({"x": 0}, ())
    assert len(Trace({"x": 0}, ())) == 0
