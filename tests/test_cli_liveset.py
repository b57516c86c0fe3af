"""The command `liveset`: what cannot work is one line on stderr and exit 2, before anything is started."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hosts import cli
from hosts.supervisor import start

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is started all the same fails the test."""

    def fork(*_: object, **__: object) -> int:
        raise AssertionError("a host was started")

    monkeypatch.setattr(start, "fork", fork)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hosts", "0"], "--hosts 0: a pool has 1 to 64 hosts"),
        (["--vms", "-1"], "--vms -1: a pool has 0 to 1000 VMs"),
        (["--timeout", "0.1"], "timeout 0.1 s leaves no room for a lease; use 0.5 s or more"),
        (["--timeout", "nan"], "--timeout nan: seconds, at most 60"),
        (["--timeout", "inf"], "--timeout inf: seconds, at most 60"),
        (
            ["--hosts", "1"],
            "--kill master: a pool of one host has nobody to take over; use two hosts, or --kill none",
        ),
        (["--pool", "no-such.yaml"], "no-such.yaml:1:1: No such file or directory; give a readable pool description"),
    ],
)
def test_what_cannot_work_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers out of range and files that are not there: the place and the remedy."""
    assert cli.main(["demo", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(message)
    assert told.err.count("\n") == 1


def test_a_pool_file_with_an_error_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """file:line:column: what is wrong, and what would be right."""
    file = tmp_path / "pool.yaml"
    file.write_text("name: p\nhosts:\n- {name: a, memory: 4 parsecs}\n")
    assert cli.main(["demo", "--pool", str(file)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{file}:3:21: memory is '4 parsecs'; write a whole number of MiB")
    assert told.count("\n") == 1


def test_a_directory_that_cannot_be_made_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No room for the pool's directory: the place is named."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"liveset: {tmp_path}/missing/liveset-")


def test_a_path_too_long_for_sockets_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sockets lie in the directory of each host; nothing is left of the attempt."""
    deep = tmp_path / ("d" * 60)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert cli.main(["demo"]) == 2
    assert "too long for a unix socket" in capsys.readouterr().err.splitlines()[-1]
    assert list(deep.iterdir()) == []


def test_vms_that_do_not_fit_are_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which, and why; and those that HA leaves alone."""
    file = tmp_path / "pool.yaml"
    hosts = "hosts: [{name: a, memory: 2GiB}, {name: b, memory: 1GiB}]"
    vms = 'vms: [{name: big, memory: 4GiB}, {name: idle, memory: 1GiB, restart_priority: ""}]'
    file.write_text(f"name: p\n{hosts}\n{vms}\n")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert cli.main(["demo", "--pool", str(file)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "! big fits on no host: it needs 4096 MiB; beside the other VMs a has 2048, b has 1024" in told
    assert "! without restart priority, so HA starts it nowhere: idle" in told


def test_help_has_an_example_and_hides_the_switch_of_the_control(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads it can copy a line; the switch without which the promises hold is for tests alone."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["demo", "--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert "liveset demo --kill master --how freeze --timeout 2" in told
    assert "FENCING" not in told


def test_help_is_shown_without_loading_what_a_pool_needs() -> None:
    """`liveset --help` is instant: aiohttp, networkx and rich come in only when a pool is started."""
    heavy = "{'aiohttp', 'networkx', 'rich'}"
    code = f"import sys; from hosts.cli import parser; parser(); print(sorted({heavy} & {{*sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
