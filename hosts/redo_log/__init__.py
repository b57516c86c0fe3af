"""The embedded redo log: what makes an acknowledged change of the pool database survive its master (S7).

The log lies in one preallocated file, or block device, that every host of the pool can open:

    sector 0        identity: magic, version, pool uuid, size, hosts; written once, never again
    sectors 1..2n   two marks of each host, written in turn: who may write (term, writer) and
                    the newest half (sequence); the highest of all counts
    half 0          header sector {sequence, term, length}, then a full database, then deltas
    half 1          the same

Every decision is a row of the machines `redo_log`, `claim` and `flush`; the system `redo_log` explores two of them on
one disk. What is here performs and reports.

Its rules:

- *Nothing that counts is written over.* A full half is left as it is while a full database goes into the
  other one: wipe the header there, write the body, write the header, write the mark, each durable before the
  next. Until the header is there the old half counts, from then on the new one. Marks have
  places of their host's own: with two for the whole pool, a mark that a former master wrote late replaced the new
  one's. A host's two take turns.
- *What is torn is dropped, what is damaged is refused.* A record counts when its checksum, sequence and term
  fit; the first one that does not ends the log. A header is written only after its body, and a
  mark after its header: so a good header over a bad body, or a mark newer than every header, is damage and no
  torn write. Then an older half would be a silent loss of acknowledged changes, and reading says so instead.
- *A term is raised before it is used.* A new master writes its mark first, then reads, then writes its full
  database. A writer looks at the marks before each write and again after it, before it acknowledges. On
  storage where a read sees every write that has ended (one device, no stale cache) this is enough for S7:
  either the old writer sees the new mark and does not acknowledge, or its record was there before the mark
  and the new master has read it.
- *A failed write is an unknown outcome.* The log is then broken until a full database has been written, which a
  thread tries again and again. The
  record that was not acknowledged may still turn up in a replay, whole; never in part.

What it leaves out. Storage here has no compare-and-swap: a writer that stops between its look and its write
can still write over what a newer master wrote since. It will not acknowledge that, but it may spoil the half;
the fence, which stops an old master before a new one is elected, is what rules it out. A sector that is
rewritten is taken to hold either its old or its new bytes, as disks promise. Damage to a delta cannot be told
from a torn tail when nothing whole follows; replay ends there and says `torn`. One handle serves one caller
at a time. Reading a log while it is written may report damage that is none.
"""

from hosts.redo_log.disk import Disk, FileDisk
from hosts.redo_log.log import Hears, RedoLog, RedoLogBroken, StaleTerm
from hosts.redo_log.machine import writer_node
from hosts.redo_log.port import Replay

__all__ = ["Disk", "FileDisk", "Hears", "RedoLog", "RedoLogBroken", "Replay", "StaleTerm", "writer_node"]
