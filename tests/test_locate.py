"""Which machines a path means: a folder of specs, a folder that has machines lying about, or one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.errors import SpecError
from fsm.locate import located

DOOR = """language: 1
machine: door
essay: a door
events: {push: {}}
initial: shut
states: [shut, open]
rows:
- {from: [shut, open], on: push, to: open, why: "it opens"}
"""


def test_a_folder_may_hold_machines_among_other_things(tmp_path: Path) -> None:
    """A file that says `machine:` in a line of its own is one; the others are let be, whatever is in them."""
    (tmp_path / "door.yaml").write_text(DOOR)
    (tmp_path / "compose.yaml").write_text("services: {machine: none}\n")
    (tmp_path / "noise.yaml").write_bytes(b"\xff\xfe\x00machine:")
    (tmp_path / "folder.yaml").mkdir()
    assert located(tmp_path) == (tmp_path, ["door"])
    (tmp_path / "door.yaml").write_text("# how it came to this\n" * 1000 + DOOR.replace("machine:", '"machine":'))
    assert located(tmp_path) == (tmp_path, ["door"])
    assert located(tmp_path / "door.yaml") == (tmp_path, ["door"])


def test_a_folder_of_machines_comes_first(tmp_path: Path) -> None:
    """Where there is `machines/`, nothing beside it counts."""
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "gate.yaml").write_text(DOOR)
    (tmp_path / "door.yaml").write_text(DOOR)
    assert located(tmp_path) == (tmp_path, ["gate"])
    assert located(tmp_path / "machines" / "gate.yaml") == (tmp_path, ["gate"])


@pytest.mark.parametrize("name", ["", "nothing.yaml", "notes.txt"])
def test_what_is_neither_is_refused(tmp_path: Path, name: str) -> None:
    """One line that says what to name."""
    (tmp_path / "notes.txt").write_text("machine: door\n")
    with pytest.raises(SpecError, match="name a specs folder or a machine's NAME") as caught:
        located(tmp_path / name)
    assert caught.value.rule == "no-spec"
