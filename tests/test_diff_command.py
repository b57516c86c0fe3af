"""`fsm diff`: files, folders and revisions of a git repository; text, Markdown, JSON and a picture; exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from fsm.cli import main
from fsm.compare.sides import sides

TOYS = Path(__file__).parent / "data" / "toys"
WAIT, TAKE = 'why: "wait for the other"', 'if: "not taken", to: critical'
COUNTER = """\
language: 1
model: counter
essay: It counts.
variables: {x: {type: "0..3"}}
actions:
- {action: up, if: "x < 3", set: {x: "x + 1"}, why: "one more"}
properties:
  small: {always: "x < 4", why: "it stays small"}
"""


def git(folder: Path, *words: str) -> None:
    """A call of git that knows nothing of whoever runs the tests."""
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(folder)}
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, env={**os.environ, **alone})


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toys in a repository, in a folder below its top; the working tree lets nobody in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    root = tmp_path / "repository"
    shutil.copytree(TOYS, root / "pool" / "specs")
    git(root, "init", "-q", ".")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    edit(root, TAKE, TAKE.replace("not taken", "taken"))
    monkeypatch.chdir(root)
    return root


def edit(root: Path, old: str, new: str, file: str = "machines/careful.yaml") -> None:
    """One passage of a spec replaced."""
    path = root / "pool" / "specs" / file
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


MACHINE, SYSTEM = "pool/specs/machines/careful.yaml", "pool/specs/systems/careful.yaml"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit code of `fsm diff WORDS` and what it says on stdout."""
    code = main(["diff", *words])
    return code, capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that `fsm diff WORDS` says where it cannot run."""
    assert main(["diff", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.usefixtures("repository")
def test_a_machine_of_a_revision(capsys: pytest.CaptureFixture[str]) -> None:
    """By the path from the top, and from here with `./`; a machine alone has no behaviour."""
    code, text = said(capsys, f"HEAD:{MACHINE}", MACHINE)
    assert code == 1
    assert "~ row careful.idle/after" in text
    assert "guard  not taken -> taken" in text
    assert "behaviour" not in text
    os.chdir("pool/specs")
    assert said(capsys, "HEAD:./machines/careful.yaml", "machines/careful.yaml")[0] == 1


@pytest.mark.usefixtures("repository")
def test_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, one line, and nothing is explored."""
    assert said(capsys, f"HEAD:{SYSTEM}", f"HEAD:{SYSTEM}") == (0, "no difference\n")


def test_a_system_of_a_revision_is_that_of_its_machines(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The machine of the revision is the one explored, and the temporary folder is gone afterwards."""
    code, text = said(capsys, f"HEAD:{SYSTEM}", SYSTEM)
    assert code == 1
    assert "enters: holds -> not reached" in text
    assert "states no longer reached: careful.critical" in text
    assert "the shortest story that tells them apart has 1 step" in text
    assert "code of worlds is that which is installed" in text
    assert list((repository.parent / "temporary").iterdir()) == []


def test_another_why_is_a_difference_and_no_behaviour(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Operators are told another sentence; the pool does the same, so nothing is explored."""
    edit(repository, TAKE.replace("not taken", "taken"), TAKE)
    edit(repository, WAIT, 'why: "somebody is inside"')
    code, text = said(capsys, f"HEAD:{SYSTEM}", SYSTEM)
    assert code == 1
    assert "why  wait for the other -> somebody is inside" in text
    assert "behaviour" not in text


@pytest.mark.usefixtures("repository")
def test_a_machine_on_a_system(capsys: pytest.CaptureFixture[str]) -> None:
    """With --system, both versions of the machine stand in the folder of NEW."""
    code, text = said(capsys, f"HEAD:{MACHINE}", MACHINE, "--system", "careful")
    assert code == 1
    assert "enters: holds -> not reached" in text
    assert "no system or model 'careless'" not in text


def test_a_folder(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Machines that came and went as a whole, and a system by its properties."""
    (repository / "pool/specs/machines/worker.yaml").unlink()
    edit(repository, "size(inside) <= 1", "size(inside) <= 2", "systems/careful.yaml")
    code, text = said(capsys, "HEAD:pool/specs", "pool/specs")
    assert code == 1
    assert "- machine worker" in text
    assert "always  size(inside) <= 1 -> size(inside) <= 2" in text
    assert "machine asker" not in text
    assert "behaviour of systems was not compared; --system careful would\n" in text
    assert said(capsys, "HEAD:pool/specs", "pool/specs", "--markdown")[1].count("--system careful would") == 1
    report = json.loads(said(capsys, "HEAD:pool/specs", "pool/specs", "--json")[1])
    assert (report["behaviours"], report["untried"]) == ([], ["careful"])


def test_models_of_folders_are_compared_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that differ, each; one that another why was given is not explored."""
    other = COUNTER.replace("model: counter", "model: other")
    for side, text in (("old", COUNTER), ("new", COUNTER.replace("x < 3", "x < 2"))):
        (tmp_path / side / "examples").mkdir(parents=True)
        (tmp_path / side / "examples" / "01-counter.yaml").write_text(text, "utf-8")
        (tmp_path / side / "other.yaml").write_text(other if side == "old" else other.replace("one", "1"), "utf-8")
    code, text = said(capsys, str(tmp_path / "old"), str(tmp_path / "new"))
    assert code == 1
    assert "behaviour of counter: told apart after 3 steps\n" in text
    assert "behaviour of other" not in text
    assert "not compared" not in text


@pytest.mark.usefixtures("repository")
def test_markdown_is_a_comment_of_a_pull_request(capsys: pytest.CaptureFixture[str]) -> None:
    """A line that says all, a table, the picture in colours behind a fold, behaviour and the story."""
    code, text = said(capsys, f"HEAD:{SYSTEM}", SYSTEM, "--markdown")
    assert code == 1
    assert text.startswith("**`fsm diff`** ")
    assert "machine careful: 1 row changed; behaviour of careful: enters holds → not reached, told apart" in text
    assert "| 🟠 changed | `row careful.idle/after` | guard: `not taken` → `taken` |" in text
    assert text.index("<details>") < text.index("```mermaid") < text.index("linkStyle")
    assert "The shortest story that tells them apart" in text
    assert text.count("<details>") == text.count("</details>") >= 2


@pytest.mark.usefixtures("repository")
def test_a_comment_is_not_too_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it would be longer than GitHub takes, the pictures are left out, and it says so."""
    monkeypatch.setattr("fsm.compare.report.COMMENT", 300)
    text = said(capsys, f"HEAD:{MACHINE}", MACHINE, "--markdown")[1]
    assert "```mermaid" not in text
    assert "The pictures are left out" in text


@pytest.mark.usefixtures("repository")
def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs: changes with their parts, counts, verdicts, the story on both sides."""
    code, text = said(capsys, f"HEAD:{SYSTEM}", SYSTEM, "--json")
    report: dict[str, Any] = json.loads(text)
    assert code == 1
    assert report["differs"]
    (spec,) = report["specs"]
    assert (spec["kind"], spec["name"], spec["sign"]) == ("machine", "careful", "changed")
    assert spec["changes"][0]["parts"] == {"guard": ["not taken", "taken"]}
    (behaviour,) = report["behaviours"]
    assert behaviour["verdicts"]["enters"]["new"] == "not reached"
    assert behaviour["old"]["distinct"] > behaviour["new"]["distinct"]
    assert behaviour["apart"]["old"][0]["label"] == "timer of careful at host 0"


def test_a_picture(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-o draws the machine that differs; where several do, one has to be named."""
    file = repository.parent / "careful.mmd"
    assert said(capsys, f"HEAD:{MACHINE}", MACHINE, "-o", str(file))[0] == 1
    assert "stroke:#bf8700" in file.read_text("utf-8")
    edit(repository, 'why: "nobody is inside"', 'why: "nobody was inside"', "machines/careless.yaml")
    assert "differ are: careful, careless" in refused(capsys, "HEAD:pool/specs", "pool/specs", "-o", str(file))


def test_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Actions by name, and behaviour without being asked for it; a bound that is too small ends with 2."""
    for name, text in (("old", COUNTER), ("new", COUNTER.replace("x < 3", "x < 2")), ("same", COUNTER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "counter.yaml").write_text(text, "utf-8")
    old, new, same = (str(tmp_path / name / "counter.yaml") for name in ("old", "new", "same"))
    code, text = said(capsys, old, new)
    assert code == 1
    assert "~ action up" in text
    assert "old: 4 states, 3 edges" in text
    assert "only old can do this: up" in text
    assert said(capsys, old, same)[0] == 0


def test_what_cannot_be_compared(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, with the place and the remedy."""
    assert "REV:PATH, as in HEAD~1:" in refused(capsys, "nowhere.yaml", MACHINE)
    assert "git knows no revision 'nope'" in refused(capsys, f"nope:{MACHINE}", MACHINE)
    assert "git knows no revision '-p'" in refused(capsys, "--", f"-p:{MACHINE}", MACHINE)
    assert "HEAD has no pool/spec" in refused(capsys, "HEAD:pool/spec", MACHINE)
    assert "this is a system, and" in refused(capsys, MACHINE, SYSTEM)
    assert "no system or model 'careles'" in refused(capsys, "HEAD:pool/specs", "pool/specs", "--system", "careles")
    assert "a system or model is compared on itself" in refused(capsys, SYSTEM, SYSTEM, "--system", "careful")
    assert "write NAME=VALUE" in refused(capsys, f"HEAD:{SYSTEM}", SYSTEM, "--set", "hosts")
    os.chdir(repository / "pool")
    file = "specs/machines/careful.yaml"
    assert f"did you mean HEAD:./{file}?" in refused(capsys, f"HEAD:{file}", file)


def test_a_mistake_in_a_revision_is_named_as_in_git(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not by a temporary folder that is gone."""
    edit(repository, "to: critical", "to: nowhere")
    git(repository, "commit", "-q", "-a", "-m", "broken")
    line = refused(capsys, f"HEAD~1:{MACHINE}", f"HEAD:{MACHINE}")
    assert line.startswith(f"HEAD:{MACHINE}:8:")


def test_without_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And without git at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "there is no git repository here; name" in refused(capsys, "HEAD:a.yaml", "HEAD:b.yaml")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git, which would know a revision, is not installed" in refused(capsys, "HEAD:a.yaml", "HEAD:b.yaml")


def test_only_specs_are_taken_from_a_revision(repository: Path) -> None:
    """No link and no other file, wherever it leads."""
    specs = repository / "pool" / "specs"
    (specs / "machines" / "odd.yaml").symlink_to("/etc/passwd")
    (specs / "machines" / "code.py").write_text("raise SystemExit", "utf-8")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "more")
    with sides("HEAD:pool/specs", "pool/specs") as (old, _):
        names = {path.name for path in old.root.rglob("*") if path.is_file()}
        assert "careful.yaml" in names
        assert not names & {"odd.yaml", "code.py"}
    assert not old.root.exists()


def test_several_index_sets_are_indices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the key in the file says it."""
    for name, text in (("old", COUNTER), ("new", COUNTER + "indices: {a: 2, b: 2}\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "counter.yaml").write_text(text, "utf-8")
    main(["diff", str(tmp_path / "old" / "counter.yaml"), str(tmp_path / "new" / "counter.yaml")])
    assert capsys.readouterr().out.startswith("model counter: 2 indices added\n")
