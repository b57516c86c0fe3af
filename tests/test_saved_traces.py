"""Traces in files: played and replayed, from wherever somebody stands; what is no trace is said to be none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fsm.cli import main
from fsm.explore.traces import play
from fsm.locate import specs
from tests.test_walk import LIGHTS, RING, by_hand, written


def test_replay_plays_a_golden_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 when it happens as it is written, 1 with the first line that does not."""
    path = written(tmp_path, "walk lights.yaml", "take toggle(i=1)")
    path.write_text("# a story\n" + play(path, specs()).text, "utf-8")
    assert main(["replay", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 1 move, 1 action: no divergence\n"
    path.write_text(path.read_text("utf-8").replace("-> true", "-> false"), "utf-8")
    assert main(["replay", str(path)]) == 1
    assert "story.txt:8:1: the trace says 'on[1]: false -> false', and what happens is" in capsys.readouterr().out


def test_replay_counts_moves_and_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a pool rows, each once."""
    path = written(tmp_path, f"walk {RING}", "take token reaches host 0", "take timer of station at host 0",
                   "take token reaches host 1")  # fmt: skip
    path.write_text(play(path).text, "utf-8")
    assert main(["replay", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 3 moves, 2 rows: no divergence\n"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("hello\n", "journal]"),
        ("", "; it is empty [journal]"),
        ("\n# a story\n", "; it is empty [journal]"),
        ("walk lights\n", "trace-shape]"),
        ("hello\nworld\n----\n", "trace-shape]"),
    ],
)
def test_replay_of_what_is_neither_says_both(
    text: str, rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what each looks like; by the rule of a trace where it looks like one."""
    path = tmp_path / "what.txt"
    path.write_text(text, "utf-8")
    assert main(["replay", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"{path}:1:1: this is no journal, each line of which is a JSON object, and no golden trace, "
    )
    assert said.endswith(f"{rule}\n")


def test_a_walk_through_a_file_needs_no_folder_of_specs(tmp_path: Path) -> None:
    """It names its file; where it names what is shipped, that is meant."""
    for command in ("walk lights.yaml", "walk die-hard"):
        assert play(written(tmp_path, command)).text.startswith(command)


@pytest.mark.parametrize("form", ["golden", "hypothesis"])
def test_what_is_saved_is_found_from_anywhere(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file is named as the trace sees it, by `--save` and by whoever walks by hand, wherever they stood."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "away").mkdir()
    (tmp_path / "specs" / "lights.yaml").write_text(LIGHTS.read_text("utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "specs/lights.yaml", "--trace", f"{form}:dark", "--save", "found/here"]) == 1
    hand = by_hand(Path("specs/lights.yaml"))
    hand.say("save found/way.txt")
    capsys.readouterr()
    monkeypatch.chdir(tmp_path / "away")
    if form == "golden":
        for name in ("here/lights_dark.txt", "way.txt"):
            assert main(["replay", f"../found/{name}"]) == 0
    else:
        path = tmp_path / "found" / "here" / "test_lights_dark.py"
        space: dict[str, Any] = {"__name__": "saved", "__file__": str(path)}
        exec(compile(path.read_text("utf-8"), str(path), "exec"), space)
        assert space["SPACE"].name == "lights"
