"""The command `liveset`: what cannot work is one line on stderr and exit 2, before anything is started."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

import pytest

from hosts import cli
from hosts.demo.plan import How, Kill
from hosts.demo.running import RunningPool
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile
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
        (
            ["--how", "freeze", "--kill", "none"],
            "--how freeze: with --kill none no host is hit; leave out one of the two",
        ),
        (["--pool", "no-such.yaml", "--vms", "6"], "--pool no-such.yaml: the file says which hosts and VMs there are"),
        (
            ["--pool", "no-such.yaml", "--hosts", "3"],
            "--pool no-such.yaml: the file says which hosts and VMs there are",
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


@pytest.mark.parametrize("keep", [True, False])
def test_the_logs_of_a_host_that_does_not_start_are_kept_when_asked_for(
    keep: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says where they are, or how to keep them; else nothing is left."""

    async def start(pool: RunningPool, fencing: bool) -> None:
        raise PoolError("the host host1 did not start: no luck")

    monkeypatch.setattr(RunningPool, "start", start)
    with tempfile.TemporaryDirectory(prefix="ls") as directory:  # short: sockets lie below it
        monkeypatch.setattr(tempfile, "tempdir", directory)
        assert cli.main(["demo", *["--keep"] * keep]) == 2
        left = [str(path) for path in Path(directory).iterdir()]
        where = f"kept in {left[0]}" if keep else "--keep keeps the logs"
        assert capsys.readouterr().err.splitlines()[-1] == f"the host host1 did not start: no luck; {where}"
        assert len(left) == keep


@pytest.fixture
def pool(tmp_path: Path) -> PoolDir:
    """A pool that has been made and never ran."""
    return PoolDir.create(tmp_path / "pool", PoolFile.default(2, 1), 2.0)


def test_status_of_a_pool_that_does_not_run_is_no(pool: PoolDir, capsys: pytest.CaptureFixture[str]) -> None:
    """Every host is listed, nobody answers, and nobody acts as master."""
    assert cli.main(["status", str(pool.path)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split() for line in told if "host" in line] == [
        ["host", "life", "daemon", "liveset", "VMs", "role"],
        ["host1", "no", "answer"],
        ["host2", "no", "answer"],
    ]
    assert told[-1] == "No agent answers: nothing of this pool runs."
    assert cli.main(["status", str(pool.path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"host1": None, "host2": None}


def test_explain_quotes_the_last_rows_with_their_whys(pool: PoolDir, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest last; of one machine where that is asked for, all its instances."""
    rows = [("life", "a"), ("restart[vm1]", "b"), ("life", "c")]
    lines = [
        {"turn": n, "time": n, "machine": m, "row": f"{m.partition('[')[0]}.x/{e}", "why": f"because {e}"}
        for n, (m, e) in enumerate(rows)
    ]
    begin = {"journal": 1, "time": -5, "host": {}}
    pool.agent_journal(1).write_text("".join(f"{json.dumps(line)}\n" for line in [begin, *lines]))
    counted = f"rows of {pool.agent_journal(1)}; times count from its first line"

    def explained(shown: str, *words: str) -> list[Any]:
        assert cli.main(["explain", str(pool.path), "host2", *words]) == 0
        told = capsys.readouterr().out
        assert told.splitlines()[-1] == f"the last {shown} {counted}"
        return re.findall(r"\+([\d.]+) s +(\S+) +(\S+)", told)

    a, b, c = ("5.00", "life", "x/a"), ("6.00", "restart[vm1]", "x/b"), ("7.00", "life", "x/c")
    assert explained("3 of 3") == [("0.00", "agent", "boot"), a, b, c]
    assert explained("2 of 3", "--last", "2") == [b, c]
    assert explained("1 of 1", "--machine", "restart") == [b]
    assert explained("1 of 1", "--machine", "restart[vm1]") == [b]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["status", "/nowhere"], "/nowhere/pool.json: there is no pool here; name the directory of one"),
        (["explain", "POOL", "oak"], "POOL: no host 'oak'; there are host1, host2"),
        (["status", "POOL/.."], "POOL/../pool.json: there is no pool here; did you mean POOL/../pool?"),
        (
            ["explain", "POOL", "host1", "--machine", "elecion"],
            "--machine elecion: no agent has it; did you mean 'election'?",
        ),
        (["explain", "POOL", "host1", "--machine", "life[vm1]"], "--machine life[vm1]: no agent has it"),
        (["explain", "POOL", "host1", "--machine", "zzz"], "--machine zzz: no agent has it; it may be one of "),
        (["explain", "POOL", "host1", "--last", "0"], "--last 0: at least one row"),
        (["explain", "POOL", "host1"], "POOL/hosts/host1/agent.journal: cannot be read; has the host ever run"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(
    words: list[str], message: str, pool: PoolDir, capsys: pytest.CaptureFixture[str]
) -> None:
    """No pool, no such host, nothing to show: the place and the remedy."""
    assert cli.main([word.replace("POOL", str(pool.path)) for word in words]) == 2
    told = capsys.readouterr().err
    assert told.startswith(message.replace("POOL", str(pool.path)))
    assert told.count("\n") == 1


def test_help_has_an_example_and_hides_the_switch_of_the_control(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads it can copy a line; the switch without which the promises hold is for tests alone."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["demo", "--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert "liveset demo --kill master --how freeze --timeout 2" in told
    assert "1  not so" in told
    assert "FENCING" not in told


@pytest.mark.parametrize(("option", "known"), [("--how", How), ("--kill", Kill)])
def test_every_fault_of_a_plan_can_be_asked_for(option: str, known: object, capsys: pytest.CaptureFixture[str]) -> None:
    """The words are written twice, because the parser must not load a plan."""
    with pytest.raises(SystemExit):
        cli.main(["demo", option, "?"])
    listed = capsys.readouterr().err.rpartition("choose from ")[2]
    assert tuple(re.findall(r"[a-z]+", listed)) == get_args(known)


def test_help_is_shown_without_loading_what_a_pool_needs() -> None:
    """`liveset --help` is instant: aiohttp, networkx and rich come in only when a pool is started."""
    heavy = "{'aiohttp', 'networkx', 'rich'}"
    loaded = f"print(sorted({heavy} & {{*sys.modules}}))"
    code = f"import sys; from hosts.cli import COMMAND_LINE; COMMAND_LINE.parser(); {loaded}"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
