"""Every rule that can be raised is explained, by examples that it finds and does not find."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.cli import main
from fsm.errors import SpecError
from fsm.rules import Example, Rule, rules
from fsm.traces import play

FSM = Path(__file__).resolve().parent.parent / "fsm"
EXAMPLES = [rule for rule in rules().values() if rule.bad is not None]


def raised() -> Iterator[str]:
    """The rule ids of every `SpecError(..., "id")` and `.fail(..., "id")` of the package."""
    for path in sorted(FSM.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                last = node.args[-1] if name in ("SpecError", "fail") else None
                branches = [last.body, last.orelse] if isinstance(last, ast.IfExp) else [last]
                for said in branches:
                    if isinstance(said, ast.Constant) and re.fullmatch(r"[a-z]+(-[a-z]+)*", str(said.value)):
                        yield str(said.value)


def found(
    example: Example, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> set[str]:
    """The rules that an example breaks."""
    for path, text in example.documents().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    tool, *words = example.command.split()
    if tool == "play":
        try:
            play(Path(words[0]), Path())
        except SpecError as error:
            return {error.rule}
        return set()
    main(words)
    said = capsys.readouterr()
    return set(re.findall(r"\[([a-z]+(?:-[a-z]+)*)\]$", said.out + said.err, re.MULTILINE))


def test_every_rule_that_is_raised_is_explained() -> None:
    """And no rule is explained that nothing raises."""
    ids = set(raised()) | {"out-of-domain", "unused-operation", "unused-signal"}
    assert ids - set(rules()) == set()
    assert set(rules()) - ids == set()


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_the_bad_example_breaks_the_rule_and_the_good_one_none(
    rule: Rule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bad one breaks exactly this rule, and those that the entry says it cannot help but break."""
    assert rule.good != rule.bad
    cases: list[tuple[str, Example | None, set[str]]] = [
        ("bad", rule.bad, {rule.id, *rule.also}),
        ("good", rule.good, set()),
    ]
    for folder, example, expected in cases:
        if example is not None:
            (tmp_path / folder).mkdir()
            assert found(example, tmp_path / folder, monkeypatch, capsys) == expected, folder
