"""An error of a move or formula is told with the shortest way to the state where it has no value."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.cli import main

STEPS = """
language: 1
model: steps
essay: somebody climbs, or jumps to and fro
variables:
  height: {type: "0..3"}
  aside:  {type: bool}
  q:      {type: "queue of 0..1", most: "1"}
actions:
- {action: jump, set: {aside: "not aside"}, why: "for fun"}
- {action: climb, set: {height: "height + 1"}, why: "up"}
"""
WAY = """the shortest way there that was found:
0. height: 0, aside: false, q: []
1. climb
   up
   height: 0 -> 1
2. climb
   up
   height: 1 -> 2
"""
LIMITED = STEPS.replace("climb, set", 'climb, if: "height < 3", set')
FINE = '{always: "height < 4", why: "p"}'
HERE = '{always: "height != 2 or head(q) == 0", why: "p"}'
STEP = '{step: "height != 2 or head(q) == 0", why: "p"}'
BEGINNING = '{always: "head(q) == 0", why: "p"}'


@pytest.mark.parametrize("options", [[], ["--engine", "reference"]])
@pytest.mark.parametrize(
    ("text", "rule", "way"),
    [
        (f"{STEPS}properties: {{p: {FINE}}}\n", "out-of-domain", WAY + "3. climb\n   up\n   height: 2 -> 3\n"),
        (f"{LIMITED}properties: {{p: {HERE}}}\n", "no-value", WAY),
        (f"{LIMITED}properties: {{p: {STEP}}}\n", "no-value", WAY),
        (f"{LIMITED}properties: {{p: {BEGINNING}}}\n", "no-value", "\n".join(WAY.splitlines()[:2]) + "\n"),
    ],
)
def test_the_way_to_what_has_no_value_is_told(
    options: list[str], text: str, rule: str, way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below the one line, by both engines: the moves that matter and no others."""
    (tmp_path / "steps.yaml").write_text(text, "utf-8")
    assert main(["verify", str(tmp_path / "steps.yaml"), *options]) == 2
    line, _, told = capsys.readouterr().err.partition("\n")
    assert line.endswith(f"[{rule}]")
    assert told == way


def test_a_walk_by_chance_tells_its_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without what it did in between."""
    (tmp_path / "steps.yaml").write_text(f"{STEPS}properties: {{p: {FINE}}}\n", "utf-8")
    assert main(["verify", str(tmp_path / "steps.yaml"), "--random", "1000"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0].endswith("[out-of-domain]")
    assert told[1] == WAY.splitlines()[0]
    assert sum(line.endswith(". climb") for line in told) == 3
