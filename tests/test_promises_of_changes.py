"""What a run shows of exclusion, of the database, of planned changes of master and of enabling HA: held, BROKEN or not
exercised, by evidence that is corrupted on purpose."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from hosts.demo.evidence import Entry, Evidence, Fence, Line, Stored
from hosts.demo.promises import Verdict, Words, judge

HOSTS = ("ash", "birch", "cedar")
JOINED = "membership.join_reading/joined"
WORDS = Words(joined=frozenset({JOINED}), promise_life=600.0)


def fired(host: str, time: float, row: str, to: str = "idle", event: str = "y", **sets: Any) -> Entry:
    """A row that fired, from a state x; what it sets."""
    at = f"{host}.journal:{time:g}"
    return Entry(host, time, row.partition(".")[0], row, "x", event, to, sets, "because", at)


def verdict(evidence: Evidence, promise: str) -> Verdict:
    """What is said of one promise."""
    return next(found for found in judge(evidence, WORDS) if found.promise == promise)


def said(evidence: Evidence, promise: str) -> str:
    """The word and the evidence for one promise."""
    found = verdict(evidence, promise)
    return f"{found.word}: {found.evidence}"


# -- S6


def line(host: str, time: float) -> Line:
    """A line of vm1."""
    return Line("vm1", host, 1, int(time * 10), time, f"vm1.disk:{time:g}", f"vm1 {host} 1 {time:g}")


def live(host: str, time: float, *members: int, row: str = "membership.live_reading/seen") -> Entry:
    """A daemon has this liveset."""
    return fired(host, time, row, "live_pause", live=list(members))


EXCLUDED = Evidence(
    hosts=HOSTS,
    lines={"vm1": (line("ash", 1.0), line("ash", 4.9))},
    entries=tuple(fired(host, 0.5, "join.polling/daemon.liveset", armed=True) for host in HOSTS),
    daemons=(live("birch", 0.4, 0, 1, 2), live("birch", 5.0, 1, 2)),
)
"""Ash, armed, is dropped at 5."""


def test_S6_an_excluded_host_that_does_nothing_is_as_promised() -> None:
    """Its last line is from before it was dropped, and it is counted."""
    assert said(EXCLUDED, "S6") == "held: dropped: ash"


def test_S6_a_vm_that_runs_on_an_excluded_host_is_seen() -> None:
    """A line after it was dropped breaks the promise, with the line and who dropped it as proof."""
    found = verdict(evolve(EXCLUDED, lines={"vm1": (line("ash", 5.3),)}), "S6")
    assert (found.word, found.evidence) == ("BROKEN", "ash ran vm1 at +5.30 s, dropped")
    assert found.proof == ("birch dropped ash at +5.00 s", "vm1.disk:5.3  vm1 ash 1 5.3")


def test_S6_an_excluded_master_is_seen() -> None:
    """A host that acts on after it was dropped breaks the promise; one that died before does not."""
    acts = (fired("ash", 0.6, "life.x/y", role=0), fired("ash", 0.7, "life.x/y", "running"))
    run = evolve(EXCLUDED, entries=(*EXCLUDED.entries, *acts))
    assert said(run, "S6") == "BROKEN: ash was master at +5.00 s, dropped"
    assert said(evolve(run, fences=(Fence("ash", 4.95, "killed"),)), "S6") == "held: dropped: ash (fenced)"


@pytest.mark.parametrize(
    "change",
    [
        {"daemons": (*EXCLUDED.daemons, live("ash", 5.2, 0, 1, 2, row=JOINED))},
        {"entries": (*EXCLUDED.entries, fired("birch", 5.2, "disable.x/y", ha="clearing"))},
        {"entries": (*EXCLUDED.entries, fired("ash", 5.2, "withdraw.idle/force/serve", forced=True))},
    ],
    ids=["joined", "off", "forced"],
)
def test_S6_an_exclusion_ends(change: dict[str, Any]) -> None:
    """In a liveset again, with HA off, or by force a host may run VMs, and not before."""
    for time, word in ((5.1, "BROKEN"), (5.3, "held")):
        assert said(evolve(EXCLUDED, lines={"vm1": (line("ash", time),)}, **change), "S6").startswith(word)


def test_S6_a_host_that_was_disarmed_is_not_excluded() -> None:
    """HA is being switched off there: its VMs run on."""
    off = fired("ash", 4.0, "leave.idle/host.disarm", armed=False)
    run = evolve(EXCLUDED, entries=(*EXCLUDED.entries, off), lines={"vm1": (line("ash", 5.3),)})
    assert said(run, "S6").startswith("not exercised")


def test_S6_a_host_that_an_operator_took_out_is_excluded() -> None:
    """It is not armed any more, but withdrawn: its VMs may run elsewhere."""
    out = fired("ash", 4.0, "withdraw.excluding/daemon.ok", armed=False, withdrawn=True)
    run = evolve(EXCLUDED, entries=(*EXCLUDED.entries, out), lines={"vm1": (line("ash", 5.3),)})
    assert said(run, "S6").startswith("BROKEN")


# -- S7


def loaded(host: str, time: float, **held: Any) -> Entry:
    """A master reads the database."""
    return Entry(host, time, "", "", "", "loaded", "", {}, "read", f"{host}.journal:1", kept=held)


def taken(host: str, time: float, term: int) -> Entry:
    """It has taken it over in this term."""
    return evolve(fired(host, time, "life.taking_over/database.ok/ha", "running"), payload={"term": term})


def change(host: str, time: float, **kept: Any) -> Entry:
    """It has acknowledged a change."""
    return evolve(fired(host, time, "restart[vm1].placing/planner.best"), kept=kept)


LATER = (loaded("birch", 3.0, a=2, b=7), taken("birch", 3.1, 5), change("birch", 4.0, b=8))
DURABLE = Evidence(
    hosts=HOSTS,
    entries=(
        loaded("ash", 0.0, a=0, b=7), taken("ash", 0.1, 4), change("ash", 1.0, a=1), change("ash", 2.0, a=2), *LATER,
    ),
    stored=Stored(3, {"a": 2, "b": 8}),
)  # fmt: skip
"""Ash acknowledges two changes, and birch, which reads them, a third."""


def test_S7_what_was_acknowledged_is_read_by_the_next_master() -> None:
    """Changes and reigns are counted; without a look at the log the last ones are not judged."""
    assert said(DURABLE, "S7") == "held: 3 changes acknowledged in 2 reigns, all of them kept"
    alone = evolve(DURABLE, entries=DURABLE.entries[:4], stored=None)
    assert said(alone, "S7").startswith("not exercised")


def test_S7_a_change_that_the_next_master_does_not_read_is_seen() -> None:
    """Birch reads what was there before the last change of ash: broken, with both values."""
    entries = (*DURABLE.entries[:4], loaded("birch", 3.0, a=1, b=7), *LATER[1:])
    lost = evolve(DURABLE, entries=entries, stored=Stored(3, {"a": 1, "b": 8}))
    expected = "birch in term 5 read a = 1, and 2 was acknowledged; 0 changes in the log that nobody acknowledged"
    assert said(lost, "S7") == f"BROKEN: {expected}"
    unheard = evolve(lost, stored=Stored(4, {"a": 1, "b": 8}))
    assert said(unheard, "S7").endswith("; 1 more that nobody heard of")


def test_S7_a_log_that_has_seen_less_is_seen() -> None:
    """Fewer changes than were acknowledged, or another value at the end: broken."""
    fewer = evolve(DURABLE, stored=Stored(2, {"a": 2, "b": 8}))
    assert said(fewer, "S7") == "BROKEN: 3 changes were acknowledged, and the redo log has seen 2"
    other = evolve(DURABLE, stored=Stored(3, {"a": 2, "b": 7}))
    assert said(other, "S7").startswith("BROKEN: the redo log holds b = 7, and 8 was acknowledged")


def test_S7_reigns_follow_each_other_by_their_terms() -> None:
    """A host that was frozen writes its last change down late: it is still one of its own reign."""
    late = change("ash", 3.5, a=2)
    entries = sorted((*DURABLE.entries[:3], late, *LATER), key=lambda entry: entry.time)
    assert said(evolve(DURABLE, entries=tuple(entries)), "S7").startswith("held")


# -- S8


def called(host: str, time: float, event: str, target: str, address: int, reply: str = "ok") -> Entry:
    """A host takes a call of a planned change of master."""
    return evolve(fired(host, time, f"promise.x/{event}", target, event), payload={"address": address}, reply=reply)


ORDER = (
    fired("cedar", 1.0, "handover.idle/hand_over", "asking", "hand_over"),
    called("ash", 1.1, "host.propose", "promised", 2),
    called("birch", 1.2, "host.propose", "promised", 2),
    called("ash", 1.3, "host.decide", "deciding", 2),
    fired("cedar", 1.4, "handover.weighing/terms.next", "committing", role=2),
    called("birch", 1.5, "host.commit", "following", 2),
)
"""Cedar becomes master in order."""


def test_S8_a_change_of_master_in_order_is_as_promised() -> None:
    """It is counted."""
    assert said(Evidence(HOSTS, entries=ORDER), "S8") == "held: 1 change of master, each proposed to all"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (ORDER[:2] + ORDER[3:], "cedar became master, and birch had not accepted its proposal, at +1.40 s"),
        (ORDER[:1] + ORDER[2:], "ash accepted cedar as master, which it had not promised, at +1.30 s"),
        (
            (*ORDER[:3], called("birch", 1.3, "host.propose", "promised", 0), *ORDER[3:]),
            "birch promised itself to ash, and to cedar before, at +1.30 s",
        ),
        (
            (*ORDER[:3], called("birch", 1.3, "host.abort", "free", 2), *ORDER[3:]),
            "birch accepted cedar as master, which it had not promised, at +1.50 s",
        ),
        (
            (*ORDER[:3], Entry("ash", 1.25, "", "", "", "boot", "", {}, "begins", "j:1"), *ORDER[3:]),
            "ash accepted cedar as master, which it had not promised, at +1.30 s",
        ),
    ],
    ids=["not all", "not promised", "two at once", "aborted", "forgotten"],
)
def test_S8_a_commit_without_its_proposals_is_seen(entries: tuple[Entry, ...], message: str) -> None:
    """One that misses, one that was taken back or forgotten, and two at once: broken."""
    assert said(Evidence(HOSTS, entries=entries), "S8") == f"BROKEN: {message}"


def test_S8_a_proposal_that_is_refused_promises_nothing() -> None:
    """A host that has promised itself stays so when another asks; it has not agreed to that one."""
    other = called("birch", 1.25, "host.propose", "promised", 0, "failed")
    assert said(Evidence(HOSTS, entries=(*ORDER[:3], other, *ORDER[3:])), "S8").startswith("held")
    refused = evolve(ORDER[2], reply="failed")
    assert "birch had not accepted" in said(Evidence(HOSTS, entries=(*ORDER[:2], refused, *ORDER[3:])), "S8")


def test_S8_a_proposal_expires() -> None:
    """After its time another candidate may have the promise."""
    late = (*ORDER[1:2], called("ash", 700.0, "host.propose", "promised", 1))
    assert said(Evidence(HOSTS, entries=late), "S8").startswith("not exercised")


# -- S9

ENABLED = (
    fired("ash", 1.0, "enable.idle/enable", "preconfiguring", ha="enabling"),
    *(fired(host, 2.0, "join.polling/daemon.liveset", armed=True) for host in HOSTS),
    fired("ash", 3.0, "enable.verifying/daemon.liveset", ha="on"),
)
UNDONE = (
    *ENABLED[:3],
    fired("ash", 3.0, "disable.asking/daemon.gone", ha="clearing"),
    *(fired(host, 3.5, "leave.idle/host.release", armed=False) for host in HOSTS),
)


def test_S9_an_enable_that_is_done_or_undone_is_as_promised() -> None:
    """All are armed, or nobody is; one that is still under way says nothing."""
    assert said(Evidence(HOSTS, entries=ENABLED), "S9") == "held: 1 done"
    assert said(Evidence(HOSTS, entries=UNDONE), "S9") == "held: 0 done, 1 undone since"
    assert said(Evidence(HOSTS, entries=UNDONE[:3]), "S9").startswith("not exercised")


def test_S9_a_host_that_was_left_out_is_seen() -> None:
    """HA is on, and one host is not armed: broken."""
    missed = Evidence(HOSTS, entries=(*ENABLED[:3], ENABLED[-1]))
    assert said(missed, "S9") == "BROKEN: HA was on at +3.00 s, and cedar was not armed"


def test_S9_a_host_that_was_left_armed_is_seen() -> None:
    """The enable was undone, and a host that lives is still armed: broken; one that has died is no matter."""
    left = Evidence(HOSTS, entries=UNDONE[:-2])
    assert said(left, "S9") == "BROKEN: an enable was undone, and birch is still armed"
    assert said(evolve(left, fences=(Fence("birch", 9.0, "killed"),)), "S9").startswith("held")
