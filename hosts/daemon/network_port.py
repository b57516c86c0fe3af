"""The port `network` of a daemon: heartbeats out every h whatever the machines do, and what comes in as events.

Sending stops for nothing but the end of the process: a heartbeat is a sign of life and an acknowledgement, never a
claim to anything. The socket is UDP on one address; datagrams that are not heartbeats of this pool are counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from attrs import define, field

from fsm.language.domains import Value
from hosts.daemon.evidence import Evidence
from hosts.daemon.heartbeat import Decoder, Heartbeat, Kind, encode
from hosts.daemon.settings import Settings
from hosts.daemon.view import Hosts
from hosts.errors import PoolError

Say = Callable[[str, Mapping[str, Value]], None]


@define(eq=False)
class NetworkPort(asyncio.DatagramProtocol):
    """Heartbeats of one daemon.

    Arguments:
        settings: addresses and identity.
        evidence: the books that everything is entered in.
        now: the clock, seconds of CLOCK_BOOTTIME.
        beat: this host's heartbeat now, but for number and acknowledgements; None before its first incarnation.
        members: the hosts that this host believes to exchange heartbeats with and lists.
        pausing: whether the machine is between two turns.
        say: takes the events of the port, by name and payload.
    """

    settings: Settings
    evidence: Evidence
    now: Callable[[], float]
    beat: Callable[[], Heartbeat | None]
    members: Callable[[], Hosts]
    pausing: Callable[[], bool]
    say: Say
    hurried: bool = field(default=False, init=False)
    cut: Hosts = frozenset()
    deaf: Hosts = frozenset()
    decoder: Decoder = field(init=False)
    _key: bytes = field(init=False)
    _number: int = field(default=0, init=False)
    _transport: asyncio.DatagramTransport | None = field(default=None, init=False)
    _ended: Hosts = field(default=frozenset(), init=False)
    _told: dict[str, float] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._key = self.settings.key()
        self.decoder = Decoder(self.settings.identity, self._key)

    async def open(self) -> None:
        """Bind the socket. Raises PoolError when the port is in use."""
        address, port = self.settings.addresses[self.settings.me]
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=(address, port))
        except OSError as error:
            raise PoolError(f"UDP {address}:{port}: {error.strerror}; give this host a free port") from None

    async def run(self) -> None:
        """Send heartbeats for ever, and tell which links were lost."""
        due = self.now()
        while True:
            self.send()
            self._check()
            due = max(due + self.evidence.timing.heartbeat, self.now())
            await asyncio.sleep(due - self.now())

    def nudge(self) -> None:
        """Have the peers read the statefile soon."""
        self.send(hurry=True)

    def send(self, hurry: bool = False) -> None:
        """Send one heartbeat to each peer."""
        beat = self.beat()
        if beat is not None:
            self._number += 1
            now = self.now()
            self.evidence.sent(self._number, now)
            acks = self.evidence.acks(now)
            self._send(
                Heartbeat(
                    host=beat.host, incarnation=beat.incarnation, number=self._number, live=beat.live, stay=beat.stay,
                    hears=frozenset(acks), fresh=beat.fresh, acks=acks, no_statefile=beat.no_statefile,
                    joining=beat.joining, fencing=beat.fencing, hurry=hurry,
                )
            )  # fmt: skip

    def bye(self) -> None:
        """Say goodbye for this incarnation; a peer that does not hear it reads it or waits."""
        self._send(Heartbeat(host=self.settings.me, incarnation=self.evidence.incarnation, kind=Kind.BYE))

    def _send(self, beat: Heartbeat) -> None:
        datagram = encode(beat, self.settings.identity, self._key)
        for peer, address in enumerate(self.settings.addresses):
            if peer != self.settings.me and peer not in self.cut and self._transport is not None:
                self._transport.sendto(datagram, address)

    # -- what comes in

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """The socket is bound."""
        self._transport = transport

    def error_received(self, exc: Exception) -> None:
        """A peer's port is closed, or the network is down: the peer's silence says as much."""

    def datagram_received(self, data: bytes, addr: object) -> None:
        """One datagram: enter it, and tell what it changes."""
        beat = self.decoder.decode(data)
        if beat is None or beat.host in self.cut | self.deaf or not self.evidence.received(self.now(), beat):
            return
        self.tell_ended()
        self.hurried |= beat.hurry
        self.tell_hurry()
        if beat.kind is Kind.HEARTBEAT:
            self._tell_later("acked", self.evidence.by_network())
            self._tell_later("unanimous", self.evidence.by_survival())

    def tell_ended(self) -> None:
        """Tell of members whose goodbye or obituary has become known, by a message or by a read."""
        ended = self.evidence.ended()
        if ended - self._ended:
            self.say("left", {})
        self._ended = ended

    def tell_hurry(self) -> None:
        """Tell, in a pause, that the next turn should not wait."""
        if self.hurried and self.pausing():
            self.hurried = False
            self.say("hurry", {})

    def _tell_later(self, event: str, deadline: float | None) -> None:
        """Tell of a deadline that lies later than the last one told."""
        if deadline is not None and deadline > self._told.get(event, 0.0):
            self._told[event] = deadline
            self.say(event, {"deadline": deadline})

    def _check(self) -> None:
        """Tell of members that are no longer heard or no longer hear this host."""
        for host in sorted(self.members() - self.evidence.mutual(self.now())):
            self.say("missed", {"who": host})
