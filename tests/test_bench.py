"""The one entry to the benchmarks: its exit codes and its two forms of output."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from hosts.errors import PoolError
from tools import benches
from tools.benches import Row

KEPT = Row("fast", 1.0, "s", ratio=0.5, bar=2.0)
MISSED = Row("slow", 3.0, "s", ratio=1.5, bar=2.0, ok=False)
TOLD = Row("told", 7.0, "ms")


def _pretend(monkeypatch: pytest.MonkeyPatch, *figures: Row, error: Exception | None = None) -> None:
    def rows(arguments: Sequence[str]) -> Iterable[Row]:
        assert arguments == ["--runs", "3"]
        yield from figures
        if error is not None:
            raise error

    monkeypatch.setattr(benches, "benchmark", lambda name: SimpleNamespace(rows=rows))


def test_a_kept_bar_is_0_and_json_has_the_six_fields(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json may stand anywhere; the other words are the benchmark's own."""
    _pretend(monkeypatch, KEPT, TOLD)
    assert benches.main(["some", "--runs", "--json", "3"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "fast", "value": 1.0, "unit": "s", "ratio": 0.5, "bar": 2.0, "ok": True},
        {"name": "told", "value": 7.0, "unit": "ms", "ratio": None, "bar": None, "ok": True},
    ]


def test_a_missed_bar_is_1_and_the_table_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One missed bar among kept ones is enough."""
    _pretend(monkeypatch, KEPT, MISSED, TOLD)
    assert benches.main(["some", "--runs", "3"]) == 1
    fast, slow, told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert "fast" in fast
    assert "yes" in fast
    assert "slow" in slow
    assert "NO" in slow
    assert "told" in told
    assert "yes" not in told


@pytest.mark.parametrize("error", [PoolError("port 7 is in use: free it"), OSError(28, "No space left on device")])
def test_a_benchmark_that_cannot_run_is_2_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """What went wrong is told on stderr, without a traceback, and no figures are printed."""
    _pretend(monkeypatch, KEPT, error=error)
    assert benches.main(["some", "--runs", "3"]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"tools/bench some: {error}\n")


def test_an_unknown_name_is_2_and_the_known_ones_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The message is one line with the names that would be right."""
    assert benches.main(["no-such"]) == 2
    assert capsys.readouterr().err.startswith("tools/bench: no benchmark 'no-such'; there are: ")


@pytest.mark.parametrize("name", benches.names())
def test_every_benchmark_says_what_it_measures(name: str) -> None:
    """Each opens with a sentence and has rows, so that `tools/bench` can list it."""
    bench = benches.benchmark(name)
    assert callable(bench.rows)
    assert (bench.__doc__ or "").partition("\n")[0].strip()


def test_the_script_starts_from_anywhere(tmp_path: Path) -> None:
    """tools/bench lists its benchmarks without an installed liveset and outside the checkout."""
    script = Path(benches.__file__).parent.parent / "bench"
    run = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "  import " in run.stdout
