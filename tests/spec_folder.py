"""A small folder of specs for tests of the engine: sound as it stands, and each test breaks one place of it."""

from __future__ import annotations

from pathlib import Path

from fsm.language.load import Library

ENGINE = Path(__file__).parent / "data" / "engine"


def folder(root: Path, *edits: tuple[str, str, str]) -> Library:
    """Copies the folder, with each edit (file, old text, new text) made at every place where the old text stands."""
    for source in sorted(ENGINE.rglob("*.yaml")):
        name, text = str(source.relative_to(ENGINE)), source.read_text(encoding="utf-8")
        for edited, old, new in edits:
            if edited == name:
                assert old in text, f"{old!r} is not in {name}"
                text = text.replace(old, new)
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Library(root)
