"""The judge of a run can say held, BROKEN and not exercised of every promise, and survives any evidence."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from hosts.demo.evidence import Disable, Entry, Evidence, Fence, Line, Stop, read_evidence
from hosts.demo.promises import Verdict, Words, judge, reigns

HOSTS = ("ash", "birch", "cedar")
WORDS = Words(serving=frozenset({"serving"}), starts=frozenset({"restart.waiting/go"}))


def wrote(host: str, incarnation: int, begin: float, end: float, vm: str = "vm1") -> tuple[Line, ...]:
    """The lines of an instance, ten a second from `begin` to `end`."""
    count = round((end - begin) * 10) + 1
    times = [begin + n / 10 for n in range(count)]
    return tuple(
        Line(vm, host, incarnation, n, time, f"{vm}.disk:{n}", f"{vm} {host} {incarnation} {n} {time:.1f}")
        for n, time in enumerate(times)
    )


def fired(host: str, time: float, machine: str = "election", to: str = "idle", **more: Any) -> Entry:
    """A row that fired."""
    row, event = more.pop("row", f"{machine}.x/y"), more.pop("event", "y")
    return Entry(host, time, machine, row, "x", event, to, more, "because", f"{host}.journal:1")


def acts(host: str, time: float) -> tuple[Entry, ...]:
    """A host becomes the acting master."""
    granted = fired(host, time, event="daemon.granted", role=HOSTS.index(host), decisions=True, armed=True)
    return granted, fired(host, time, "life", "serving.master")


FAILOVER = Evidence(
    hosts=HOSTS,
    lines={"vm1": wrote("ash", 1, 0, 10) + wrote("birch", 2, 12, 20), "vm2": wrote("cedar", 1, 0, 20, "vm2")},
    entries=(
        *acts("ash", 0.0),
        *acts("birch", 11.5),
        fired("birch", 11.6, "restart[vm1]", row="restart.waiting/go"),
        *(fired(host, 20.5, "disable", decisions=False, armed=False) for host in ("birch", "cedar")),
    ),
    fences=(Fence("ash", 10.2, "killed"),),
    protected=("vm1", "vm2"),
    fault=10.0,
    until=20.1,
    disable=Disable(20.2, 20.7),
)
"""Ash dies at 10 as master, birch takes over and runs its VM: everything is as promised."""


def verdict(evidence: Evidence, promise: str) -> Verdict:
    """What is said of one promise."""
    return next(found for found in judge(evidence, WORDS) if found.promise == promise)


def said(evidence: Evidence, promise: str) -> str:
    """The word and the evidence for one promise."""
    found = verdict(evidence, promise)
    return f"{found.word}: {found.evidence}"


def test_a_good_failover_holds_all_promises() -> None:
    """A run that went well exercises and holds everything, each with its figure."""
    assert {found.promise: f"{found.word}: {found.evidence}" for found in judge(FAILOVER, WORDS)} == {
        "S1": "held: ash from -10.00 s to +0.20 s; birch from +1.50 s",
        "S2": "held: 1 VM ran again; the smallest gap is 2.00 s (vm1)",
        "S3": "held: 1 restart; the closest, vm1, 1.80 s after ash was down",
        "S4": "held: 2 rows with decisions off, on birch, cedar",
        "S5": "held: 0 rows fired after it; none took the lock or started a VM",
        "S6": "not exercised: no host was dropped",
        "S7": "not exercised: no later master, and nobody looked into the redo log",
        "S8": "not exercised: no master was changed in order",
        "S9": "not exercised: no enable came to its end",
        "L1": "held: 2 protected VMs running at the end, 1 of them again",
        "L2": "held: completed 0.50 s after it was asked",
        "E": "held: 383 lines of VMs and 7 rows of agents read",
    }


def test_a_run_without_events_proves_nothing() -> None:
    """What did not come up is not called held."""
    words = {found.promise: found.word for found in judge(Evidence(HOSTS), WORDS)}
    safety = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9")
    assert words == dict.fromkeys((*safety, "L1", "L2"), "not exercised") | {"E": "held"}


def test_S1_two_masters_at_once_are_seen() -> None:
    """A second host acts before the first one is dead: broken, with both reigns."""
    broken = evolve(FAILOVER, fences=(Fence("ash", 12.0, "late"),))
    found = verdict(broken, "S1")
    assert (found.word, found.evidence) == ("BROKEN", "ash and birch both acted as master from +1.50 s on")
    assert found.proof == ("ash from -10.00 s to +2.00 s", "birch from +1.50 s")
    assert said(evolve(FAILOVER, fences=()), "S1").startswith("BROKEN")


def test_S1_a_reign_ends_with_the_role_the_life_or_the_agent() -> None:
    """Another role, another state of life and the end of the agent each end it; booting begins none."""
    for ending in (
        {"entries": (*acts("ash", 0), fired("ash", 3, role=1))},
        {"entries": (*acts("ash", 0), fired("ash", 3, role=None))},
        {"entries": (*acts("ash", 0), fired("ash", 3, "life", "booting"))},
        {"entries": acts("ash", 0), "stops": (Stop("ash", 3, "the demo"),)},
    ):
        assert [(reign.begin, reign.end) for reign in reigns(Evidence(HOSTS, **ending), WORDS)] == [(0, 3)]
    rebooted = Evidence(HOSTS, entries=(*acts("ash", 0), fired("ash", 5, "life", "booting")), fences=FAILOVER.fences)
    assert len(reigns(rebooted, WORDS)) == 1


@pytest.mark.parametrize("mine", [0, "ash", "me"])
def test_S1_the_role_may_be_an_index_a_name_or_me(mine: object) -> None:
    """The journal's value for the own host in each of its spellings."""
    entries = (fired("ash", 1, role=mine), fired("ash", 1, "life", "serving"))
    assert [reign.host for reign in reigns(Evidence(HOSTS, entries=entries), WORDS)] == ["ash"]


def test_S2_instances_that_overlap_in_time_are_seen() -> None:
    """The second instance begins while the first still writes: broken, with both lines."""
    lines = wrote("ash", 1, 0, 12.5) + wrote("birch", 2, 12, 20)
    found = verdict(evolve(FAILOVER, lines={"vm1": lines}), "S2")
    assert (found.word, found.evidence) == ("BROKEN", "vm1 ran twice at once on birch and ash at +2.50 s")
    assert found.proof == ("vm1.disk:0  vm1 birch 2 0 12.0", "vm1.disk:125  vm1 ash 1 125 12.5")


def test_S2_a_line_that_returns_in_the_file_is_seen() -> None:
    """A frozen process writes a line with an early time behind its successor's: the order of the file tells."""
    ash = wrote("ash", 1, 0, 10)
    lines = ash[:-1] + wrote("birch", 2, 12, 20) + ash[-1:]
    found = verdict(evolve(FAILOVER, lines={"vm1": lines}), "S2")
    assert found.word == "BROKEN"
    assert len(found.proof) == 3


def test_S2_two_writers_of_one_incarnation_are_seen() -> None:
    """A counter that does not rise has two writers, also on one host."""
    lines = wrote("ash", 1, 0, 1)
    assert said(evolve(FAILOVER, lines={"vm1": lines[:5] + lines[4:]}), "S2").startswith("BROKEN: vm1 ran twice")


def test_S3_a_restart_before_the_fence_is_seen() -> None:
    """The first line of the new instance is earlier than the death of the former host: broken, all quoted."""
    found = verdict(evolve(FAILOVER, fences=(Fence("ash", 12.3, "lease"),)), "S3")
    assert (found.word, found.evidence) == ("BROKEN", "vm1 ran on birch at +2.00 s, and ash was not down by then")
    assert found.proof[-1] == "ash was dead at +2.30 s: lease"
    assert said(evolve(FAILOVER, fences=()), "S3").startswith("BROKEN")


def test_S3_a_line_after_the_obituary_disproves_it() -> None:
    """A host that wrote after it was declared dead was not dead."""
    assert said(evolve(FAILOVER, fences=(Fence("ash", 9.0, "mistaken"),)), "S3").startswith("BROKEN")


def test_S3_an_announcement_counts_only_without_an_obituary() -> None:
    """`fenced.json` is written before the host goes, so the obituary is believed where there is one."""
    announced = Fence("ash", 9.9, "self-fence", confirmed=False)
    assert said(evolve(FAILOVER, fences=(announced,)), "S3").startswith("held")
    assert said(evolve(FAILOVER, fences=(announced, Fence("ash", 13.0, "dead"))), "S3").startswith("BROKEN")


def test_S3_a_stopped_vm_may_move_and_a_host_may_restart_its_own() -> None:
    """An instance that somebody stopped needs no fence; on one host there is nothing to fence."""
    stop = Stop("ash", 10.5, "the operator", "vm1")
    assert said(evolve(FAILOVER, fences=(), stops=(stop,)), "S3").startswith("held")
    assert said(evolve(FAILOVER, fences=(), stops=(evolve(stop, when=12.5),)), "S3").startswith("BROKEN")
    at_home = {"vm1": wrote("ash", 1, 0, 1) + wrote("ash", 2, 2, 3)}
    assert said(evolve(FAILOVER, lines=at_home, fences=()), "S3").startswith("not exercised")


def test_S3_a_host_that_stopped_all_its_vms_in_order_is_down() -> None:
    """Shut down in order, or taken out of HA: its agent saw all VMs end. A line after that disproves it."""
    stopped = fired("ash", 10.6, "shutdown", "looking", event="toolstack.stopped")
    run = evolve(FAILOVER, fences=(), entries=(*FAILOVER.entries, stopped))
    assert said(run, "S3") == "held: 1 restart; the closest, vm1, 1.40 s after ash was down"
    early = evolve(run, entries=(*FAILOVER.entries, evolve(stopped, time=9.5)))
    assert said(early, "S3").startswith("BROKEN")


def test_S4_a_change_of_master_in_order_is_no_failover() -> None:
    """With HA off an operator may name a host whose decisions are still off."""
    off = fired("cedar", 1, decisions=False, role=0)
    assert said(evolve(FAILOVER, entries=(off, fired("cedar", 2, "handover", role=2))), "S4").startswith("held")
    assert said(evolve(FAILOVER, entries=(off, fired("cedar", 2, "life", role=2))), "S4").startswith("BROKEN")


def test_S4_taking_the_role_with_decisions_off_is_seen() -> None:
    """The daemon grants the lock to a host whose decisions are off: broken."""
    entries = (fired("cedar", 1, decisions=False), fired("cedar", 2, event="daemon.granted", role=2))
    assert said(evolve(FAILOVER, entries=entries), "S4") == "BROKEN: cedar became master at -8.00 s with decisions off"
    again = (fired("cedar", 0, role=2), *entries)
    assert said(evolve(FAILOVER, entries=again), "S4").startswith("held"), "it had the role already"


def test_S4_starting_a_vm_with_decisions_off_is_seen() -> None:
    """A row that starts VMs fires on a host whose decisions are off: broken, with the row quoted."""
    entries = (fired("cedar", 1, decisions=False), fired("cedar", 2, "restart[vm1]", row="restart.waiting/go"))
    found = verdict(evolve(FAILOVER, entries=entries), "S4")
    assert (found.word, found.proof) == ("BROKEN", ("cedar.journal:1  restart.waiting/go: because",))


def test_S4_booting_in_a_former_role_takes_nothing() -> None:
    """A host that starts as the master it was, with HA off, takes no lock."""
    entries = (fired("ash", 1, decisions=False), fired("ash", 2, event="booted", role=0))
    assert said(evolve(FAILOVER, entries=entries), "S4").startswith("held")


def test_S5_a_vm_that_starts_after_disable_is_seen() -> None:
    """The first line of an instance is later than the end of disable: broken."""
    lines = {**FAILOVER.lines, "vm3": wrote("birch", 1, 21, 22, "vm3")}
    assert said(evolve(FAILOVER, lines=lines), "S5") == "BROKEN: vm3 started on birch 0.30 s after disable"


@pytest.mark.parametrize(
    "late",
    [fired("cedar", 21, event="daemon.granted", role=2), fired("cedar", 21, row="restart.waiting/go")],
)
def test_S5_a_failover_action_after_disable_is_seen(late: Entry) -> None:
    """Neither the role nor a start of a VM is taken after disable."""
    assert said(evolve(FAILOVER, entries=(*FAILOVER.entries, late)), "S5").startswith("BROKEN: cedar")


def test_L1_a_protected_vm_that_does_not_run_is_named() -> None:
    """Silent, or never started: each is named."""
    lines = {"vm1": wrote("ash", 1, 0, 10), "vm2": FAILOVER.lines["vm2"]}
    found = verdict(evolve(FAILOVER, lines=lines, protected=("vm1", "vm2", "vm9")), "L1")
    assert (found.word, found.evidence) == ("BROKEN", "2 of 3 do not run")
    assert found.proof == ("vm1 is silent since +0.00 s", "vm9 has never run")


def test_L1_promises_nothing_to_a_vm_without_a_host() -> None:
    """It is named, and does not break what was promised to the others."""
    lines = {"vm1": wrote("ash", 1, 0, 10), "vm2": FAILOVER.lines["vm2"]}
    silent = evolve(FAILOVER, lines=lines, unplaced={"vm1": "it needs 9 MiB"})
    found = verdict(silent, "L1")
    assert said(silent, "L1") == "held: 1 protected VM running at the end, 0 of them again; no host for vm1"
    assert found.proof == ()
    alone = evolve(silent, protected=("vm1",))
    assert said(alone, "L1") == "not exercised: no protected VM fits"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"disable": Disable(20.2, None)}, "asked at +10.20 s, never completed"),
        ({"fences": (*FAILOVER.fences, Fence("cedar", 20.4, "lapsed"))}, "cedar died during disable"),
        ({"entries": FAILOVER.entries[:-2]}, "birch is still armed"),
    ],
)
def test_L2_a_disable_that_was_not_clean_is_seen(change: dict[str, Any], message: str) -> None:
    """Not completed, a host lost on the way, or a living host that may still be fenced: broken."""
    assert said(evolve(FAILOVER, **change), "L2") == f"BROKEN: {message}"


def test_L2_a_host_that_went_down_in_order_is_no_host_that_is_still_armed() -> None:
    """Its flag stays, and nobody wrote an obituary: the row that ended it says that it is down, until it boots."""
    words = evolve(WORDS, down=frozenset({"shutdown.excluding/daemon.ok"}))
    off = fired("birch", 20.4, "shutdown", "ending", row="shutdown.excluding/daemon.ok")
    entries = (*FAILOVER.entries[:-2], off, fired("cedar", 20.5, "disable", decisions=False, armed=False))
    found = {verdict.promise: verdict.word for verdict in judge(evolve(FAILOVER, entries=entries), words)}
    assert found["L2"] == "held"
    boot = Entry("birch", 20.6, "", "", "", "boot", "", {"armed": True}, "the program begins", "j:9")
    found = {verdict.promise: verdict.word for verdict in judge(evolve(FAILOVER, entries=(*entries, boot)), words)}
    assert found["L2"] == "BROKEN"


def write(path: Path, text: str) -> Path:
    """A file with that text."""
    path.write_text(text)
    return path


def test_evidence_is_read_from_files(tmp_path: Path) -> None:
    """Disks, journals and records of the dead, hosts by name or index; a torn last line is silently left out."""
    disk = write(tmp_path / "vm1.disk", "vm1 ash 1 0 1.5\nvm1 1 2 0 2.5\nvm1 1 2 1 2.")
    step = {"n": 1, "turn": 4, "time": 2.25, "host": 1, "machine": "life", "row": "life.a/b", "extra": [1]}
    step |= {"from": "a", "event": "b", "to": "c", "set": {"role": 1}, "why": "w", "digest": "d"}
    journal = write(tmp_path / "birch.journal", json.dumps(step) + '\n{"n": 2, "tu')
    records = {
        "ash": write(tmp_path / "fenced.json", '{"reason": "r", "requested": 1.6, "dead": null}'),
        "birch": write(tmp_path / "obituaries", '{"dead": 1.7, "reason": "o"}\n{"host": 2, "dead": 9}\n{"dea'),
        "cedar": tmp_path / "nobody-died",
    }
    found = read_evidence(HOSTS, {"vm1": disk}, {"birch": journal}, records)
    assert [(line.host, line.time, line.at) for line in found.lines["vm1"]] == [
        ("ash", 1.5, f"{tmp_path.name}/vm1.disk:1"),
        ("birch", 2.5, f"{tmp_path.name}/vm1.disk:2"),
    ]
    assert found.entries == (
        Entry("birch", 2.25, "life", "life.a/b", "a", "b", "c", {"role": 1}, "w", f"{tmp_path.name}/birch.journal:1"),
    )
    assert found.fences == (Fence("ash", 1.6, "r", False), Fence("birch", 1.7, "o"), Fence("cedar", 9.0, ""))
    assert (found.troubles, found.missing) == ((), ())


def test_missing_files_break_the_table_but_not_the_judge(tmp_path: Path) -> None:
    """A disk and a journal that are not there are named, and the run is not called good."""
    found = read_evidence(HOSTS, {"vm1": tmp_path / "vm1.disk"}, {"ash": tmp_path / "ash.journal"}, {})
    assert verdict(found, "E") == Verdict(
        "E",
        "the evidence is whole",
        "BROKEN",
        "2 files cannot be read",
        (
            f"{tmp_path.name}/vm1.disk cannot be read: No such file or directory",
            f"{tmp_path.name}/ash.journal cannot be read: No such file or directory",
        ),
    )


def test_garbage_is_reported_and_left_out(tmp_path: Path) -> None:
    """Lines of no sense, of another VM or of an unknown host are troubles; the rest counts."""
    text = "vm1 ash 1 0 1.0\n\x00\x00\nvm2 ash 1 0 1\nvm1 oak 1 0 1\nvm1 ash 1 1 nan\nvm1 ash 1 1 2.0\n"
    disk = write(tmp_path / "vm1.disk", text)
    journal = write(tmp_path / "ash.journal", "[]\n{}\nnull\n" + "[" * 100000 + "\n")
    fenced = write(tmp_path / "fenced.json", '{"host": "ash"}')
    found = read_evidence(HOSTS, {"vm1": disk}, {"ash": journal}, {"ash": fenced})
    assert [line.time for line in found.lines["vm1"]] == [1.0, 2.0]
    assert len(found.troubles) == 9
    assert found.troubles[1] == f"{tmp_path.name}/vm1.disk:3 makes no sense and is left out: 'vm2 ash 1 0 1'"
    assert said(found, "E") == "held: 2 lines of VMs and 0 rows of agents read, 9 lines damaged"


def test_S3_a_host_that_announced_its_end_and_runs_on_is_not_down() -> None:
    """The control without fencing: the announcement is on the disk, and so are lines written after the restart."""
    lines = {"vm1": wrote("ash", 1, 0, 14) + wrote("birch", 2, 12, 20)}
    run = evolve(FAILOVER, lines=lines, fences=(Fence("ash", 10.2, "ruled out", False),))
    assert said(run, "S3").startswith("BROKEN: vm1 ran on birch at +2.00 s, and ash was not down by then")


def test_lines_that_only_a_replay_needs_are_no_trouble(tmp_path: Path) -> None:
    """The beginning of a life tells what the host remembered, its failure ends it; turns without rows tell nothing."""
    lives = [
        {"journal": 1, "time": 1.0, "host": {"role": 0, "decisions": True}, "pool": {}},
        {"turn": 1, "time": 1.5, "rows": 0},
        {"turn": 2, "time": 1.6, "refused": "no row"},
        {"time": 1.7, "pool": {"ha": "on"}},
        {"time": 2.0, "failed": "the disk is full"},
    ]
    journal = write(tmp_path / "agent.journal", "".join(f"{json.dumps(line)}\n" for line in lives))
    found = read_evidence(HOSTS, {}, {"ash": journal}, {})
    told = [(entry.event, entry.machine, entry.set, entry.why) for entry in found.entries]
    assert told == [
        ("boot", "", {"role": 0, "decisions": True}, "the program begins"),
        ("loaded", "", {}, "the newest database was read"),
        ("failed", "", {}, "the disk is full"),
    ]
    assert found.troubles == ()


def test_a_vm_that_was_stopped_says_so(tmp_path: Path) -> None:
    """The last line of a clean stop has a sixth word; it allows the VM to run elsewhere. No other word is taken."""
    text = "vm1 ash 1 0 1.0\nvm1 ash 1 1 1.1 stopped\nvm1 birch 1 0 1.2\nvm1 birch 1 1 1.3 hurt\n"
    found = read_evidence(HOSTS, {"vm1": write(tmp_path / "vm1.disk", text)}, {}, {})
    assert [line.stopped for line in found.lines["vm1"]] == [False, True, False]
    assert len(found.troubles) == 1
    assert said(found, "S3").startswith("held: 1 restart; the closest, vm1, 0.10 s after ash was down")


def test_a_program_that_begins_does_not_act_yet() -> None:
    """A master whose agent was killed acts again only when its life serves again, and has not taken the role anew."""
    boot = Entry("ash", 5.0, "", "", "", "boot", "", {"role": 0, "decisions": False}, "the program begins", "j:9")
    again = fired("ash", 6.0, "life", "serving.master")
    run = Evidence(hosts=HOSTS, entries=(*acts("ash", 0.0), boot, again), stops=(Stop("ash", 4.0, "the demo"),))
    assert [(reign.begin, reign.end) for reign in reigns(run, WORDS)] == [(0.0, 4.0), (6.0, math.inf)]
    assert said(run, "S4").startswith("held: 2 rows")


def test_a_line_behind_a_torn_one_counts(tmp_path: Path) -> None:
    """The first line of a new instance is found although the old one was killed in the middle of a line."""
    disk = write(tmp_path / "vm1.disk", "vm1 ash 1 0 1.0\nvm1 ash 1 1 1.vm1 birch 2 0 3.0\n")
    found = read_evidence(HOSTS, {"vm1": disk}, {}, {})
    assert [(line.host, line.time) for line in found.lines["vm1"]] == [("ash", 1.0), ("birch", 3.0)]
    assert len(found.troubles) == 1


@settings(max_examples=50)
@given(disk=st.binary(max_size=80), journal=st.binary(max_size=80), fenced=st.binary(max_size=40))
def test_any_bytes_are_judged(
    tmp_path_factory: pytest.TempPathFactory, disk: bytes, journal: bytes, fenced: bytes
) -> None:
    """Whatever is on the disk, there is a table."""
    files = [tmp_path_factory.getbasetemp() / name for name in ("d", "j", "f")]
    for file, data in zip(files, (disk, journal, fenced), strict=True):
        file.write_bytes(data)
    found = read_evidence(HOSTS, {"vm1": files[0]}, {"ash": files[1]}, {"ash": files[2]})
    assert len(judge(found, WORDS)) == 12
