"""Whether a run kept the promises, judged from the evidence on disk and from nothing else.

No process of the pool is asked: a program that broke a promise would be the last to know. Each promise is a
function of the `Evidence` and answers with one of three words:

- *held*: the evidence has the case, and it went well.
- *BROKEN*: the evidence shows that it did not; the proof is quoted.
- *not exercised*: the case did not come up, so nothing is known. A run that exercises nothing proves
  nothing, and must not look as if it did.

What is left out: S10 of the design, which a single run cannot show, and whatever no file recorded. A
pool whose files are missing has kept nothing for certain; that is a row of its own at the end of the table.
"""

from __future__ import annotations

from hosts.demo.changes import proposed_first
from hosts.demo.durable import nothing_lost
from hosts.demo.evidence import Evidence
from hosts.demo.exclusion import excluded_idle
from hosts.demo.masters import decisions_off, one_master
from hosts.demo.switching import all_or_nothing, clean_disable, quiet_after_disable
from hosts.demo.vms import STILL_WRITING, fenced_before_restart, lives_of, one_instance, runs_again
from hosts.demo.words import Verdict, Words, count, moments_of, reigns

EVIDENCE = "E"
"""The short name of the last row of the table, which is about the files and no promise."""

__all__ = ["EVIDENCE", "STILL_WRITING", "Verdict", "Words", "judge", "reigns"]


def judge(evidence: Evidence, words: Words) -> tuple[Verdict, ...]:
    """The table of promises, in the order in which it is shown. Errors: none."""
    lives = {vm: lives_of(lines) for vm, lines in evidence.lines.items()}
    moments = tuple(moments_of(evidence, words))
    reigned = reigns(evidence, words)
    return (
        one_master(evidence, reigned),
        one_instance(evidence, lives),
        fenced_before_restart(evidence, words, lives),
        decisions_off(evidence, words, moments),
        quiet_after_disable(evidence, words, moments, lives),
        excluded_idle(evidence, words, reigned, lives),
        nothing_lost(evidence, words),
        proposed_first(evidence, words),
        all_or_nothing(evidence, words, moments),
        runs_again(evidence, lives),
        clean_disable(evidence, words, moments),
        whole_evidence(evidence),
    )


def whole_evidence(evidence: Evidence) -> Verdict:
    """Every file could be read; lines that make no sense are counted, for they are left out of everything above."""
    claim = "the evidence is whole"
    if evidence.missing:
        said = f"{count(len(evidence.missing), 'file')} cannot be read"
        return Verdict(EVIDENCE, claim, "BROKEN", said, evidence.missing)
    read = sum(map(len, evidence.lines.values()))
    said = f"{count(read, 'line')} of VMs and {count(len(evidence.entries), 'row')} of agents read"
    if evidence.troubles:
        said += f", {count(len(evidence.troubles), 'line')} damaged"
    return Verdict(EVIDENCE, claim, "held", said, evidence.troubles[:4])
