"""Real pools lose a host: what was promised is on the disk, the control fails, and nothing is left running."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fsm import specs
from fsm.drivers.replay import replay
from tests.integration.demo_run import demo

FAULT = "! host"


@pytest.mark.parametrize(
    ("how", "kill", "steps"),
    [
        ("power", "master", {"dead", "out", "master", "running"}),
        ("partition", "master", {"dead", "out", "master", "running"}),
        ("freeze", "master", {"dead", "out", "master", "running"}),
        ("daemon", "slave", {"dead", "out", "running"}),
    ],
)
def test_a_pool_survives(how: str, kill: str, steps: set[str]) -> None:
    """Every promise held, VMs of the dead host run again, all journals replay, and no process is left."""
    with demo("--how", how, "--kill", kill, "--keep") as run:
        assert run.end() == 0, run.told
        report = run.report()
        words = {found["promise"]: found["word"] for found in report["promises"]}
        assert words == dict.fromkeys(words, "held") | {name: words[name] for name in ("S4", "S8")}
        assert set(report["measures"]) == steps
        assert {moment["phase"] for moment in report["timeline"]} >= {"fault", "fenced", "detected", "restarted"}
        assert all(moment["why"] for moment in report["timeline"])
        assert run.left() == []
        journals = sorted(Path(report["kept"]).glob("hosts/*/*.journal"))
        assert len(journals) == 6
        for journal in journals:
            with journal.open(encoding="utf-8", errors="replace") as lines:
                assert replay(lines, specs(), str(journal)).divergence is None


def test_without_fencing_the_control_fails() -> None:
    """Fencing is what keeps two instances of a VM apart: without it a partition leaves proof of both, and exit 1."""
    with demo("--how", "partition", LIVESET_TEST_NO_FENCING="1") as run:
        assert run.end() == 1
        broken = {found["promise"]: found for found in run.report()["promises"] if found["word"] == "BROKEN"}
        assert {"S2", "S3"} <= set(broken)
        assert len(broken["S2"]["proof"]) >= 2
        assert list(run.directory.iterdir()) == []
        assert any("FENCING IS SWITCHED OFF" in line for line in run.told)
        assert run.left() == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("liveset demo", signal.SIGINT),
        ("hosts up", signal.SIGINT),
        ("HA is on", signal.SIGTERM),
        ("HA is on", signal.SIGHUP),
        (FAULT, signal.SIGINT),
    ],
)
def test_ctrl_c_leaves_nothing(moment: str, number: signal.Signals) -> None:
    """While hosts start, while HA is enabled, while VMs start, after the fault: one calm line, and nothing is left."""
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as under nohup, and a demo inherits that")
    with demo("--how", "freeze") as run:
        run.until(moment)
        run.process.send_signal(number)
        assert run.end() == 130
        assert run.told[-1] == "liveset demo: interrupted; everything has been stopped"
        assert "Traceback" not in "\n".join(run.told)
        assert run.left() == []
        assert list(run.directory.iterdir()) == []


def test_hosts_die_with_the_demo_that_started_them() -> None:
    """SIGKILL of the demo itself, while VMs run: the kernel ends every process of every host."""
    with demo("--kill", "none") as run:
        run.until("VMs running")
        assert len(run.left()) > 3 * 5
        run.process.kill()
        assert run.left(5.0) == []
