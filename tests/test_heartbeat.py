"""Heartbeats: they come back as they were sent, and nothing else is ever taken for one."""

from __future__ import annotations

import struct
from uuid import UUID, uuid4, uuid5

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hosts.daemon.heartbeat import SIZE, Decoder, Heartbeat, Kind, encode
from hosts.daemon.layout import MAX_HOSTS, Identity

POOL = UUID("6f1c3d5e-0a4b-4c8d-9e2f-112233445566")
SECRET = b"0123456789abcdef"
IDENTITY = Identity(POOL, uuid5(POOL, "first"), tuple(uuid5(POOL, f"host {i}") for i in range(5)))

some_hosts = st.frozensets(st.integers(0, MAX_HOSTS - 1))
words = st.integers(1, 2**32 - 1)
heartbeats = st.builds(
    Heartbeat,
    host=st.integers(0, 4),
    incarnation=words,
    number=words,
    kind=st.sampled_from(Kind),
    live=some_hosts,
    stay=some_hosts,
    hears=some_hosts,
    fresh=some_hosts,
    acks=st.dictionaries(st.integers(0, MAX_HOSTS - 1), st.tuples(words, words)),
    no_statefile=st.booleans(),
    joining=st.booleans(),
    fencing=st.booleans(),
    hurry=st.booleans(),
)


@given(heartbeats)
def test_heartbeat_survives_the_wire(sent: Heartbeat) -> None:
    """A datagram of any kind is decoded to exactly what was encoded, and fits one Ethernet frame."""
    datagram = encode(sent, IDENTITY, SECRET)
    assert len(datagram) == SIZE <= 1472
    decoder = Decoder(IDENTITY, SECRET)
    assert decoder.decode(datagram) == sent
    assert not decoder.refused


@given(st.binary(max_size=1600) | st.binary(min_size=SIZE, max_size=SIZE))
def test_garbage_is_counted_and_nothing_more(datagram: bytes) -> None:
    """No bytes of any length make the decoder raise or return a heartbeat."""
    decoder = Decoder(IDENTITY, SECRET)
    assert decoder.decode(datagram) is None
    assert sum(decoder.refused.values()) == 1


@given(heartbeats, st.integers(0, SIZE - 1), st.integers(1, 255))
def test_any_changed_byte_breaks_the_seal(sent: Heartbeat, at: int, flip: int) -> None:
    """Nobody without the secret can change a single byte."""
    datagram = bytearray(encode(sent, IDENTITY, SECRET))
    datagram[at] ^= flip
    decoder = Decoder(IDENTITY, SECRET)
    assert decoder.decode(bytes(datagram)) is None
    assert decoder.refused == {"seal": 1}


@given(heartbeats, st.integers(0, SIZE))
def test_cut_datagram_is_refused(sent: Heartbeat, length: int) -> None:
    """A datagram cut anywhere is refused by its length."""
    decoder = Decoder(IDENTITY, SECRET)
    datagram = encode(sent, IDENTITY, SECRET)[:length]
    assert decoder.decode(datagram) == (sent if length == SIZE else None)


@pytest.mark.parametrize("change", ["secret", "pool", "generation"])
def test_other_pool_generation_or_secret_is_refused(change: str) -> None:
    """An obituary of another pool, or of an earlier enabling of HA, is no obituary here."""
    datagram = encode(Heartbeat(host=1, incarnation=3, kind=Kind.OBITUARY), IDENTITY, SECRET)
    identity, secret = IDENTITY, SECRET
    if change == "secret":
        secret = b"another"
    elif change == "pool":
        identity = evolve(IDENTITY, pool=uuid4())
    else:
        identity = evolve(IDENTITY, generation=uuid4())
    decoder = Decoder(identity, secret)
    assert decoder.decode(datagram) is None
    assert decoder.refused == {"seal": 1}


def test_host_out_of_the_configuration_is_refused() -> None:
    """An index beyond the configured hosts, or with another host's UUID, is not looked up but refused."""
    few = evolve(IDENTITY, hosts=IDENTITY.hosts[:2])
    decoder = Decoder(few, SECRET)
    assert decoder.decode(encode(Heartbeat(host=4, incarnation=1), IDENTITY, SECRET)) is None
    swapped = evolve(IDENTITY, hosts=IDENTITY.hosts[::-1])
    assert Decoder(swapped, SECRET).decode(encode(Heartbeat(host=0, incarnation=1), IDENTITY, SECRET)) is None
    assert decoder.refused == {"seal": 1}  # which the hosts of the pool are part of


def test_xhads_fields_lie_where_xhad_has_them() -> None:
    """Offsets of the first 744 bytes are those of xhad's packet."""
    sent = Heartbeat(
        host=2, incarnation=7, number=9, live=frozenset({0, 2}), stay=frozenset({2}), hears=frozenset({1}),
        fresh=frozenset({0, 1}), no_statefile=True, joining=True, fencing=True, hurry=True,
    )  # fmt: skip
    datagram = encode(sent, IDENTITY, SECRET)
    assert datagram[:4] == b"xhah"
    assert struct.unpack_from("<II", datagram, 8) == (9, SIZE)
    assert datagram[16:48].decode() == IDENTITY.generation.hex
    assert datagram[48:80].decode() == IDENTITY.hosts[2].hex
    assert struct.unpack_from("<I4Q", datagram, 80) == (2, 0b101, 0b100, 0b010, 0b011)
    assert tuple(datagram[737:743]) == (0, 0, 1, 1, 1, 1)
