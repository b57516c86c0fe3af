"""The datagrams between daemons: xhad's 744 bytes, our fields after them, and a seal.

Three kinds. A *heartbeat* says who its sender hears and names, for each peer, the incarnation and the number of the
last heartbeat received from it: that is the acknowledgement which the sender of that heartbeat may live by. A *bye*
says that its sender has left and acts no more. An *obituary* comes from a supervisor and says that everything of an
incarnation is dead.

Rules. All are sealed with HMAC-SHA256 (16 bytes of it) under the pool's secret, since an obituary or a bye that
anybody could send would let a running VM be started twice. Whatever arrives is decoded or counted by reason; no bytes
make `Decoder.decode` raise. The length differs from xhad's 744 bytes, so that its daemons refuse our datagrams, and
1284 bytes fit one Ethernet frame.

What it leaves out: sockets, and replay: numbers grow within an incarnation and incarnations within a host, so
`evidence.py` can ignore what is not news.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Mapping
from enum import IntEnum
from struct import Struct

from attrs import field, frozen

from hosts.daemon.layout import MAX_HOSTS, Identity, bitmap, hosts_of

_XHAD_SIZE = 744
_XHAD = Struct("<4I32s32sIQQQQ64i64iiI101s7B")
_XHAD_MAGIC = 0x68616878  # the bytes "xhah"
_TAIL = Struct("<IHBBI128I")
_TAIL_MAGIC = 0x31485653  # "SVH1"
_SEAL = 16
VERSION = 1
SIZE = _XHAD_SIZE + _TAIL.size + _SEAL
_NEVER = -1


class Kind(IntEnum):
    """What a datagram is."""

    HEARTBEAT = 1
    BYE = 2
    OBITUARY = 3


@frozen(kw_only=True)
class Heartbeat:
    """One datagram; of a bye or an obituary only host and incarnation count.

    Arguments:
        host: its sender; of an obituary, the host that is dead.
        incarnation: the incarnation of that host.
        number: 1, 2, ... within the incarnation.
        kind: heartbeat, bye or obituary.
        live, stay: the sender's liveset and the verdict that it holds.
        hears: the peers whose heartbeats reach the sender.
        fresh: the hosts whose records the sender sees change.
        acks: for each peer heard in this incarnation: its incarnation, and the number of its last heartbeat received.
        no_statefile: the sender has no statefile.
        joining: the sender is not live yet.
        fencing: the sender is about to fence itself.
        hurry: the sender has just written something that others wait for or must answer.
    """

    host: int
    incarnation: int
    number: int = 0
    kind: Kind = Kind.HEARTBEAT
    live: frozenset[int] = frozenset()
    stay: frozenset[int] = frozenset()
    hears: frozenset[int] = frozenset()
    fresh: frozenset[int] = frozenset()
    acks: Mapping[int, tuple[int, int]] = field(factory=dict)
    no_statefile: bool = False
    joining: bool = False
    fencing: bool = False
    hurry: bool = False


def _seal(secret: bytes, plain: bytes) -> bytes:
    return hmac.digest(secret, plain, "sha256")[:_SEAL]


def encode(heartbeat: Heartbeat, identity: Identity, secret: bytes) -> bytes:
    """The datagram of a heartbeat.

    Arguments:
        heartbeat: what to say.
        identity: pool, generation and hosts of the sender.
        secret: the pool's secret.
    """
    unknown = [_NEVER] * MAX_HOSTS
    head = _XHAD.pack(
        _XHAD_MAGIC, 0, heartbeat.number & 0xFFFFFFFF, SIZE,
        identity.generation.hex.encode(), identity.hosts[heartbeat.host].hex.encode(), heartbeat.host,
        bitmap(heartbeat.live), bitmap(heartbeat.stay), bitmap(heartbeat.hears), bitmap(heartbeat.fresh),
        *unknown, *unknown, _NEVER, 0 if heartbeat.joining else 1, b"",
        not heartbeat.no_statefile, 0, heartbeat.hurry, heartbeat.fencing, heartbeat.no_statefile, heartbeat.joining, 0,
    )  # fmt: skip
    acks = (part for peer in range(MAX_HOSTS) for part in heartbeat.acks.get(peer, (0, 0)))
    tail = _TAIL.pack(_TAIL_MAGIC, VERSION, heartbeat.kind, 0, heartbeat.incarnation, *acks)
    plain = head + tail
    return plain + _seal(secret, identity.tag + identity.generation.bytes + plain)


class Decoder:
    """Turns datagrams into heartbeats of one pool and generation.

    `refused` counts what was not one, by reason: length, seal, version, sender.

    Arguments:
        identity: pool, generation and hosts of the receiver.
        secret: the pool's secret.
    """

    def __init__(self, identity: Identity, secret: bytes) -> None:
        self._identity = identity
        self._secret = secret
        self.refused: Counter[str] = Counter()

    def decode(self, datagram: bytes) -> Heartbeat | None:
        """The heartbeat in a datagram; None, and one more in `refused`, for anything else."""
        reason = self._reason(datagram)
        if reason:
            self.refused[reason] += 1
            return None
        (_, _, number, _, _, _, host, live, stay, hears, fresh, *_skipped,
         _sf, _corrupted, hurry, fencing, no_statefile, joining, _pad) = _XHAD.unpack_from(datagram)  # fmt: skip
        _, _, kind, _, incarnation, *acks = _TAIL.unpack_from(datagram, _XHAD_SIZE)
        pairs = zip(acks[::2], acks[1::2], strict=True)
        return Heartbeat(
            host=host,
            incarnation=incarnation,
            number=number,
            kind=Kind(kind),
            live=hosts_of(live),
            stay=hosts_of(stay),
            hears=hosts_of(hears),
            fresh=hosts_of(fresh),
            acks={peer: pair for peer, pair in enumerate(pairs) if pair[0]},
            no_statefile=bool(no_statefile),
            joining=bool(joining),
            fencing=bool(fencing),
            hurry=bool(hurry),
        )

    def _reason(self, datagram: bytes) -> str:
        """Why a datagram is refused, "" when it is not."""
        if len(datagram) != SIZE:
            return "length"
        plain = datagram[:-_SEAL]
        sealed = self._identity.tag + self._identity.generation.bytes + plain
        if not hmac.compare_digest(_seal(self._secret, sealed), datagram[-_SEAL:]):
            return "seal"
        magic, version, kind, *_ = _TAIL.unpack_from(plain, _XHAD_SIZE)
        if (magic, version) != (_TAIL_MAGIC, VERSION) or kind not in Kind.__members__.values():
            return "version"
        _, _, _, _, _, uuid, host, *_ = _XHAD.unpack_from(plain)
        known = self._identity.hosts
        if host >= len(known) or uuid != known[host].hex.encode():
            return "sender"
        return ""
