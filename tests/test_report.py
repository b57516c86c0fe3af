"""How a run is told: byte for byte without a terminal, and the same to a program."""

from __future__ import annotations

import io
import json
import re

import pytest
from attrs import evolve

from hosts.demo.evidence import Disable, Entry, Evidence, Fence, Line, Stop
from hosts.demo.promises import Verdict, Words, judge
from hosts.demo.report import Report, as_json, measures, screen, show
from hosts.demo.timeline import Moment, departures, timeline

WORDS = Words(serving=frozenset({"serving"}))
FAULT = Moment(100.0, ("ash",), "loses its power", "the fault that was asked for", "fault")


def fired(host: str, time: float, machine: str, moved: str, why: str, **changed: object) -> Entry:
    """A row that fired; `moved` is "from to"."""
    source, target = moved.split()
    return Entry(host, time, machine, f"{machine}.{source}/x", source, "daemon.granted", target, changed, why, "j:1")


def wrote(vm: str, host: str, incarnation: int, *times: float) -> tuple[Line, ...]:
    """Lines of an instance at these times."""
    return tuple(Line(vm, host, incarnation, n, t, f"{vm}.disk:{n}", f"{vm} {host} {n}") for n, t in enumerate(times))


RUN = Evidence(
    hosts=("ash", "birch"),
    lines={"vm1": wrote("vm1", "ash", 1, 90, 99.9) + wrote("vm1", "birch", 2, 101.2, 104.9)},
    entries=(
        fired("ash", 90.0, "election", "proposing idle", "the daemon gave us the lock", role=0),
        fired("ash", 90.0, "life", "starting serving", "this host is master"),
        fired("birch", 100.5, "monitor", "idle polling", "too often to be told"),
        fired("birch", 100.6, "election", "idle proposing", "nobody alive holds the master lock"),
        fired("birch", 100.7, "election", "proposing proposing", "still asking"),
        fired("birch", 100.8, "election", "proposing idle", "the daemon gave us the lock", role=1, decisions=True),
        fired("birch", 100.8, "life", "following serving", "this host is master"),
        fired("birch", 100.9, "restart[vm1]", "halted placing", "it should run and does not"),
        fired(
            "birch", 101.0, "restart[vm1]", "placing starting", "ash is fenced, and birch has memory for it", target=1
        ),
        fired("birch", 105.2, "disable", "leaving off", "everybody has left", decisions=False),
    ),
    daemons=(
        fired("birch", 90.0, "membership", "join live", "everybody lists this host", live=[0, 1]),
        fired("birch", 100.5, "membership", "live live", "drop and admit in one update of one read", live=[1]),
        fired("birch", 105.2, "membership", "live leaving", "HA is switched off", live=[]),
    ),
    fences=(Fence("ash", 100.1, "power cut"),),
    protected=("vm1",),
    fault=100.0,
    until=105.0,
    disable=Disable(105.0, 105.3),
)


def report(run: Evidence) -> Report:
    """The report of a run."""
    title = "2 hosts, 1 VM, T = 2 s: the master loses its power"
    return Report(title, FAULT.time, 2.0, timeline(run, FAULT), measures(run, WORDS), judge(run, WORDS))


def shown(told: Report) -> str:
    """What a person sees without a terminal, without the blanks that end lines."""
    file = io.StringIO()
    show(told, screen(file))
    lines = file.getvalue().split("\n")
    assert max(map(len, lines)) <= 100
    return "\n".join(line.rstrip() for line in lines)


GOOD = """\
2 hosts, 1 VM, T = 2 s: the master loses its power

    time               host    what                               why
 ──────────────────────────────────────────────────────────────────────────────────────────────────
 +0.00 s   fault       ash     loses its power                    the fault that was asked for
 +0.10 s   fenced      ash     dead                               power cut
 +0.50 s   detected    birch   ash out of the liveset             drop and admit in one update of
                                                                  one read
 +0.60 s   elected     birch   election: idle → proposing         nobody alive holds the master
                                                                  lock
 +0.80 s               birch   election: proposing → idle, role   the daemon gave us the lock
                               = birch, decisions = on
 +0.80 s               birch   life: following → serving          this host is master
 +1.00 s   restarted   birch   vm1 placing → starting             ash is fenced, and birch has
                                                                  memory for it
 +1.20 s               birch   vm1 runs                           a first line is on its disk


 after the fault   dead   out of the liveset   new master   VMs running
 ──────────────────────────────────────────────────────────────────────
 seconds           0.10                 0.50         0.80          1.20
 in T              0.05                 0.25         0.40          0.60


      promise                                                evidence
 ──────────────────────────────────────────────────────────────────────────────────────────────────
 S1   at most one acting master              held            ash from -10.00 s to +0.10 s; birch
                                                             from +0.80 s
 S2   at most one running instance of a VM   held            1 VM ran again; the smallest gap is
                                                             1.30 s (vm1)
 S3   no VM restarted before its former      held            1 restart; the closest, vm1, 1.10 s
      host is fenced or cleanly down                         after ash was down
 S4   a host with decisions off takes no     held            1 row with decisions off, on birch
      lock and restarts nothing
 S5   after disable nobody takes a           held            0 rows fired after it; none took the
      failover action                                        lock or started a VM
 S6   an excluded host runs no VM and is     not exercised   no host was dropped
      no master
 S7   a change that was acknowledged         not exercised   no later master, and nobody looked
      survives                                               into the redo log
 S8   no new master in order that was not    not exercised   no master was changed in order
      proposed
 S9   enable is all or nothing               not exercised   no enable came to its end
 L1   every protected VM that fits runs      held            1 protected VM running at the end, 1
      again                                                  of them again
 L2   disable was clean                      held            completed 0.30 s after it was asked
 E    the evidence is whole                  held            4 lines of VMs and 10 rows of agents
                                                             read

All 7 promises held; 4 not exercised.
"""


def test_a_good_run_is_told() -> None:
    """The timeline with its whys, the steps in seconds and T, the promises, and a last line."""
    assert shown(report(RUN)) == GOOD


BROKEN = """\
2 hosts, 1 VM, T = 2 s: the master loses its power

      promise                                                evidence
 ──────────────────────────────────────────────────────────────────────────────────────────────────
 S1   at most one acting master              BROKEN          ash and birch both acted as master
                                                             from +0.80 s on
                                                               ash from -10.00 s to +1.50 s
                                                               birch from +0.80 s
 S2   at most one running instance of a VM   held            1 VM ran again; the smallest gap is
                                                             1.30 s (vm1)
 S3   no VM restarted before its former      BROKEN          vm1 ran on birch at +1.20 s, and ash
      host is fenced or cleanly down                         was not down by then
                                                               vm1.disk:1  vm1 ash 1
                                                               vm1.disk:0  vm1 birch 0
                                                               ash was dead at +1.50 s: lease
 S4   a host with decisions off takes no     held            1 row with decisions off, on birch
      lock and restarts nothing
 S5   after disable nobody takes a           held            0 rows fired after it; none took the
      failover action                                        lock or started a VM
 S6   an excluded host runs no VM and is     not exercised   no host was dropped
      no master
 S7   a change that was acknowledged         not exercised   no later master, and nobody looked
      survives                                               into the redo log
 S8   no new master in order that was not    not exercised   no master was changed in order
      proposed
 S9   enable is all or nothing               not exercised   no enable came to its end
 L1   every protected VM that fits runs      held            1 protected VM running at the end, 1
      again                                                  of them again
 L2   disable was clean                      held            completed 0.30 s after it was asked
 E    the evidence is whole                  held            4 lines of VMs and 10 rows of agents
                                                             read

note: no user namespaces: a process group instead

BROKEN: S1, S3
"""


def test_a_broken_run_is_told_with_its_proof() -> None:
    """BROKEN stands out, with the lines that prove it, and the last line names the promises."""
    late = evolve(RUN, fences=(Fence("ash", 101.5, "lease"),))
    told = evolve(report(late), moments=(), measures={}, notes=("no user namespaces: a process group instead",))
    assert shown(told) == BROKEN


def test_names_are_shown_as_they_are() -> None:
    """Brackets are no markup: "restart[vm1]" and "[red]" stand in the report."""
    told = evolve(report(RUN), moments=(Moment(1, ("a",), "restart[vm1]", "[red]x[/red] :smile: [/]", "elected"),))
    assert re.search(r"restart\[vm1\] +\[red\]x\[/red\] :smile: \[/\]", shown(told))


def test_a_run_without_fault_has_no_timeline() -> None:
    """--kill none: nothing was detected, fenced, elected or restarted."""
    told = Report("t", None, 2.0, timeline(RUN, None), {}, ())
    assert (told.zero, told.moments) == (0.0, ())
    assert shown(told).startswith("t\n")


def test_only_rows_of_the_failover_that_change_something_are_told() -> None:
    """A monitor's turn and the looking of restart are no news; nor is what came after disable was asked for."""
    assert [(moment.phase, moment.what) for moment in timeline(RUN, FAULT)] == [
        ("fault", "loses its power"),
        ("fenced", "dead"),
        ("detected", "ash out of the liveset"),
        ("elected", "election: idle → proposing"),
        ("elected", "election: proposing → idle, role = birch, decisions = on"),
        ("elected", "life: following → serving"),
        ("restarted", "vm1 placing → starting"),
        ("restarted", "vm1 runs"),
    ]


def test_a_host_is_told_to_leave_a_liveset_by_those_who_drop_it() -> None:
    """A daemon that leaves, and one that begins anew, drops nobody."""
    left = [(gone.time, gone.host, gone.gone) for gone in departures(RUN)]
    assert left == [(100.5, "birch", ("ash",))]


def test_what_is_done_in_one_breath_is_one_line() -> None:
    """Equal rows of a host for several VMs, or of several hosts; not those that come later or say something else."""
    lost = [
        fired("birch", 101.0 + n / 100, f"restart[vm{n}]", "settled halted", "gone", resident=None) for n in range(6)
    ]
    both = [fired(host, 102.0, "election", "looking idle", "marked", role=0) for host in ("birch", "ash")]
    late = fired("birch", 103.0, "restart[vm9]", "settled halted", "gone", resident=None)
    run = evolve(RUN, entries=(*lost, *both, late), daemons=(), fences=(), lines={})
    assert [(moment.host, moment.what) for moment in timeline(run, FAULT)[1:]] == [
        ("birch", "vm0 vm1 vm2 vm3 and 2 more settled → halted"),
        ("ash birch", "election: looking → idle, role = ash"),
        ("birch", "vm9 settled → halted"),
    ]


def test_measures_are_of_the_failover_alone() -> None:
    """Counted from the fault; what was before it, or after disable was asked for, is no part of it."""
    assert {step: round(seconds, 6) for step, seconds in measures(RUN, WORDS).items()} == {
        "dead": 0.1,
        "out": 0.5,
        "master": 0.8,
        "running": 1.2,
    }
    assert measures(evolve(RUN, fault=103.0), WORDS) == {}
    assert measures(evolve(RUN, stops=(Stop("birch", 101.1, "x"),)), WORDS) == measures(RUN, WORDS)


def test_a_program_is_told_the_same() -> None:
    """The JSON holds every line of the report, with times from the fault."""
    told = json.loads(json.dumps(as_json(report(RUN))))
    assert (told["good"], told["zero"], told["timeout"]) == (True, 100.0, 2.0)
    assert told["measures"] == {"dead": 0.1, "out": 0.5, "master": 0.8, "running": 1.2}
    dead = {"time": 0.1, "phase": "fenced", "hosts": ["ash"], "what": "dead", "why": "power cut"}
    assert told["timeline"][1] == dead
    assert [found["word"] for found in told["promises"]] == [found.word for found in judge(RUN, WORDS)]


def test_a_good_run_is_one_without_a_broken_promise() -> None:
    """What was not exercised is said in the last line, and does not spoil the run; what is BROKEN does."""
    held, open_, broken = (
        Verdict("a", "", "held", ""),
        Verdict("b", "", "not exercised", ""),
        Verdict("c", "", "BROKEN", ""),
    )
    assert Report("t", None, 1.0, (), {}, (held, open_)).closing == "All 1 promises held; 1 not exercised."
    assert Report("t", None, 1.0, (), {}, (held,)).good
    whole = Verdict("E", "the evidence is whole", "held", "")
    assert Report("t", None, 1.0, (), {}, (held, whole)).closing == "All 1 promises held."  # E is none
    bad = Report("t", None, 1.0, (), {}, (held, broken))
    assert (bad.good, bad.broken, bad.closing) == (False, ("c",), "BROKEN: c")


def test_a_run_is_not_good_when_something_did_not_come() -> None:
    """A wait in vain and a protected VM without a host are no broken promises, and no good run either."""
    held = Verdict("a", "", "held", "")
    failed = Report("t", None, 1.0, (), {}, (held,), failures=("HA was not disabled",))
    assert (failed.good, failed.closing) == (False, "FAILED: HA was not disabled")
    homeless = Report("t", None, 1.0, (), {}, (held,), homeless=("vm7", "vm8"))
    assert (homeless.good, homeless.closing) == (False, "All 1 promises held; but no host had room for vm7, vm8.")


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No escape sequence reaches a file, whatever the environment says; a terminal gets colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    assert shown(report(RUN)) == GOOD
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    show(report(RUN), screen(terminal))
    assert "\x1b[32mheld" in terminal.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_narrow_encoding_does_not_end_the_report() -> None:
    """Arrows and dots become "?" where the terminal cannot show them."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    show(report(RUN), screen(file))
    file.flush()
    assert b"idle ? proposing" in raw.getvalue()
