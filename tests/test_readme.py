"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_the_python_of_the_readme_prints_what_its_comments_say() -> None:
    """Every python block runs, and each print shows the comment behind it."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, "README.md", "exec"), {})
        said = re.findall(r"print\(.*\)  # (.*)", block)
        assert said
        assert printed.getvalue().splitlines() == said


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """A link to a file of the repository names one that exists."""
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert (Path(__file__).parents[1] / link).exists(), link


def test_the_rows_that_the_readme_quotes_are_the_shipped_ones() -> None:
    """The README's four rows stand in election.yaml, but for spaces."""
    shipped = (Path(__file__).parents[1] / "specs/machines/election.yaml").read_text("utf-8")
    rows = re.findall(r"^- \{from: .*$", README, re.MULTILINE)
    assert rows
    squeezed = {re.sub(r"\s+", " ", line) for line in shipped.splitlines()}
    assert [row for row in rows if re.sub(r"\s+", " ", row) not in squeezed] == []
