"""The server: who gets in, what is refused, and that garbage is answered in one way."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hosts.errors import PoolError
from hosts.rpc import Address, Answer, Call, Failure, Refused, TermKeeper, wire
from tests.rpc_host import SECRET, Host, agree, ask, calling, in_thread, login, post, serving


async def _status(detail: int = 0) -> dict[str, int]:
    return {"detail": detail}


async def _broken() -> None:
    raise RuntimeError("the disk fell off")


async def _busy() -> None:
    raise Failure("OTHER_OPERATION_IN_PROGRESS", "pool", "enable")


PUBLIC: dict[str, Callable[..., Awaitable[Any]]] = {
    "pool.status": _status,
    "pool.break": _broken,
    "pool.enable_ha": _busy,
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One host on a loop of its own, so that blocking clients can talk to it."""
    ready: list[Host] = []
    up, down = threading.Event(), threading.Event()

    async def live() -> None:
        async with serving(tmp_path_factory.mktemp("host"), public=PUBLIC) as running:
            ready.append(running)
            up.set()
            await asyncio.to_thread(down.wait)

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    assert up.wait(10)
    yield ready[0]
    down.set()
    thread.join(10)


def _error(answer: Any) -> tuple[str, list[str]]:
    assert answer["error"]["code"] == 1
    return answer["error"]["message"], answer["error"]["data"]


def test_the_secret_opens_a_session_and_nothing_else_does(host: Host) -> None:
    """Wrong secret, wrong user, no secret: refused; a session works until it is closed."""
    for user, secret in (("pool", "5f" * 32), ("pool", ""), ("root", SECRET), ("pool", SECRET + "\x00"), ("pool", "é")):
        code, params = _error(ask(host.address, "session.login_with_password", user, secret))
        assert (code, params[0]) == ("SESSION_AUTHENTICATION_FAILED", user)
        assert SECRET not in params[1]
    session = login(host.address)
    assert session.startswith("OpaqueRef:")
    assert ask(host.address, "pool.status", session)["result"] == {"detail": 0}
    assert ask(host.address, "session.logout", session)["result"] == ""
    assert _error(ask(host.address, "pool.status", session)) == ("SESSION_INVALID", [session])


def test_no_call_without_a_session(host: Host) -> None:
    """Known and unknown methods, calls between hosts included, say nothing but SESSION_INVALID."""
    before = len(host.calls)
    for method in ("pool.status", "no.such", "host.join", "session.logout"):
        nobody: list[Any] = ["", "OpaqueRef:NULL", None, {}, ["x"]]
        for session in nobody:
            assert _error(ask(host.address, method, session))[0] == "SESSION_INVALID"
        assert _error(ask(host.address, method))[0] == "SESSION_INVALID"
    assert len(host.calls) == before


def test_xenapi_clients_find_their_habits(host: Host) -> None:
    """The exact content type, login with version and originator, XenAPI's codes and parameters."""
    body = json.dumps(
        {"jsonrpc": "2.0", "method": "session.login_with_password", "id": "a", "params": ["pool", SECRET]}
    )
    status, kind, answer = post(host.address, body.encode())
    assert (status, kind, answer["id"]) == (200, "application/json", "a")
    session = ask(host.address, "session.login_with_password", "pool", SECRET, "1.0", "me")["result"]
    assert _error(ask(host.address, "no.such", session)) == ("MESSAGE_METHOD_UNKNOWN", ["no.such"])
    assert _error(ask(host.address, "host.No such", session)) == ("MESSAGE_METHOD_UNKNOWN", ["host.No such"])
    wrong = _error(ask(host.address, "pool.status", session, 1, 2))
    assert wrong == ("MESSAGE_PARAMETER_COUNT_MISMATCH", ["pool.status", "2", "3"])
    assert _error(ask(host.address, "pool.enable_ha", session)) == ("OTHER_OPERATION_IN_PROGRESS", ["pool", "enable"])


def test_a_handler_that_breaks_is_one_line(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets INTERNAL_ERROR with the reason, the log a line that names the call, neither a traceback."""
    answer = _error(ask(host.address, "pool.break", login(host.address)))
    assert answer == ("INTERNAL_ERROR", ["RuntimeError: the disk fell off"])
    assert [record.getMessage() for record in caplog.records] == ["pool.break: RuntimeError: the disk fell off"]
    assert not caplog.records[0].exc_info


@pytest.mark.parametrize(
    "params",
    [
        (0, 1, "n", 0), (0, 1, "n", 0, {}, {}), ("0", 1, "n", 0, {}), (0, -1, "n", 0, {}), (0, 4, "n", 0, {}),
        (0, True, "n", 0, {}), (0, 1, "", 0, {}), (0, 1, "n" * 65, 0, {}), (0, 1, 5, 0, {}), (0, 1, "n", -1, {}),
        (0, 1, "n", 1.0, {}), (0, 1, "n", 2**53, {}), (0, 1, "n", True, {}), (0, 1, "n", 0, []), (2, 1, "n", 0, {}),
    ],
)  # fmt: skip
def test_a_call_that_is_not_of_our_pool_does_not_reach_the_agent(host: Host, params: tuple[Any, ...]) -> None:
    """Wrong count, wrong types, a caller or a target that is not in the pool: refused, nothing kept on disk."""
    before = len(host.calls), host.terms.term
    code, _ = _error(ask(host.address, "host.join", login(host.address), *params))
    assert code in ("MESSAGE_PARAMETER_COUNT_MISMATCH", "FIELD_TYPE_ERROR", "HANDLE_INVALID")
    assert (len(host.calls), host.terms.term) == before


def test_a_number_is_carried_out_once(host: Host) -> None:
    """The same number from the same caller is refused; the next number, and the same one from another, are not."""
    session = login(host.address)
    for caller, number, good in ((1, "x.1", True), (1, "x.1", False), (1, "x.2", True), (2, "x.1", True)):
        answer = ask(host.address, "host.join", session, 0, caller, number, host.terms.term, {})
        if good:
            assert answer["result"] == {"outcome": "ok", "payload": {}}
        else:
            assert _error(answer) == ("HA_CALL_REPEATED", ["x.1"])


GARBAGE = [
    b"", b"nonsense", b"\xff\xfe\xff", b"[" * 100_000,
    b'{"a":' * 100_000, b"9" * 5000, b"NaN", b"[]", b"{}", b"null",
    b'{"jsonrpc":"2.0","method":"pool.status","params":[]}',
    b'{"jsonrpc":"2.0","method":1,"params":[],"id":1}',
    b'{"jsonrpc":"2.0","method":"pool.status","params":{},"id":1}',
    b'{"method":"pool.status","params":[],"id":1}',
    b'{"jsonrpc":"2.0","method":"pool.status","params":[],"id":[]}',
    b'{"jsonrpc":"2.0","method":"x","id":"%s"}' % (b"i" * 65),
    b'{"jsonrpc":"2.0","method":"x","params":[1e999],"id":1}',
    b'{"jsonrpc":"2.0","method":"x","params":["\\ud800"],"id":1}',
    b'{"jsonrpc":"2.0","method":"x","params":[9223372036854775808],"id":1}',
    b'{"jsonrpc":"2.0","method":"\\udfff","id":1}',
    b'{"jsonrpc":"2.0","method":"x","params":[{"$hosts":["a"]}],"id":1}',
    b'[{"jsonrpc":"2.0","method":"x","id":1}]',
    b'{"jsonrpc":"2.0","method":"x","params":[' + b"[" * 40 + b"]" * 40 + b'],"id":1}',
]  # fmt: skip


@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_no_request_gets_json_rpcs_own_error(host: Host, body: bytes) -> None:
    """Not JSON, deep nesting, huge numbers, wrong types, no id, batches: one message, never a traceback."""
    status, kind, answer = post(host.address, body)
    assert (status, kind) == (200, "application/json")
    assert answer["error"]["code"] in (wire.PARSE_ERROR, wire.INVALID_REQUEST)
    assert "\n" not in answer["error"]["message"]


def test_the_largest_body_is_read_and_a_larger_one_is_not(host: Host) -> None:
    """1 MiB is the limit, exactly; also for a method name that is echoed in the refusal."""
    head, tail = b'{"jsonrpc":"2.0","id":1,"method":"', b'"}'
    fits = head + b"m" * (wire.MAX_BODY - len(head) - len(tail)) + tail
    assert _error(post(host.address, fits)[2])[0] == "SESSION_INVALID"
    status, kind, answer = post(host.address, fits + b" ")
    assert (status, kind) == (413, "application/json")
    assert answer["error"]["message"] == "Invalid Request: more than 1048576 bytes"


def test_a_refusal_that_repeats_the_request_stays_small(host: Host) -> None:
    """Text grows sixfold when it is escaped: what a refusal quotes is cut before it outgrows an answer."""
    body = '{"jsonrpc":"2.0","id":1,"method":"pool.status","params":["%s"]}' % ("é" * 400_000)
    status, _, answer = post(host.address, body.encode())
    code, params = _error(answer)
    assert (status, code, params) == (200, "SESSION_INVALID", ["é" * 4096])


def test_other_paths_and_methods_are_json_errors_too(host: Host) -> None:
    """404 and 405 with a body that a JSON-RPC client can read."""
    assert post(host.address, b"", "GET")[0] == 405
    assert post(host.address, b"", "PUT")[2]["error"]["message"] == "Invalid Request: use POST"
    status, kind, answer = post(host.address, b"{}", path="/")
    assert (status, kind) == (404, "application/json")
    assert answer["error"]["message"] == "Invalid Request: POST to /jsonrpc"


def test_what_is_not_http_leaves_no_traceback(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """A port scanner gets a 400 and no line in the log; the next client is served."""
    for noise in (
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /jsonrpc HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        with socket.create_connection((host.address.host, host.address.port), timeout=10) as client:
            client.sendall(noise)
            assert client.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")) or noise.startswith(b"\x16")
    assert not caplog.records
    assert login(host.address)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.just("$hosts"), inner, max_size=4)
    ),
    max_leaves=12,
)
METHODS = st.sampled_from(["host.join", "pool.status", "pool.enable_ha", "session.login_with_password"]) | st.text(
    max_size=20
)


@settings(max_examples=200)
@given(data=st.data())
def test_no_body_makes_the_server_fail_or_hang(host: Host, data: st.DataObject) -> None:
    """Bytes, JSON values, and requests with a valid session and anything behind it: always one proper answer."""
    request = st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0") | JSON, "method": METHODS | JSON, "id": st.integers() | JSON},
        optional={"params": st.lists(JSON, max_size=6).map(lambda rest: [login(host.address), *rest]) | JSON},
    )
    body = data.draw(
        st.binary() | JSON.map(lambda v: json.dumps(v).encode()) | request.map(lambda v: json.dumps(v).encode())
    )
    status, kind, answer = post(host.address, body)
    assert (status, kind, answer["jsonrpc"]) == (200, "application/json", "2.0")
    if "error" in answer:
        assert answer["error"]["code"] in (1, wire.PARSE_ERROR, wire.INVALID_REQUEST)
        assert answer["error"]["message"] != "INTERNAL_ERROR"


@given(JSON)
def test_values_come_back_as_they_were_sent(value: Any) -> None:
    """What the reader accepts is written and read again without a change; sets of hosts stay sets."""
    try:
        taken = wire.read_json(json.dumps(value).encode())
    except ValueError:
        return
    assert wire.read_result(wire.write_result(3, taken), 3) == taken
    sets = {"bad": frozenset({0, 2}), "deep": [{"live": frozenset()}]}
    assert wire.read_result(wire.write_result(3, sets), 3) == sets


def test_slow_clients_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence, half a header and half a body each end the connection in time; others are served meanwhile."""
    monkeypatch.setattr(wire, "PATIENCE", 0.3)
    head = b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"

    def wait(address: Address, sent: bytes) -> bytes:
        with socket.create_connection((address.host, address.port), timeout=5) as client:
            client.sendall(sent)
            return b"".join(iter(lambda: client.recv(4096), b""))

    async def story() -> None:
        async with serving(tmp_path) as host:
            began = time.monotonic()
            slow = [asyncio.create_task(in_thread(wait, host.address, sent)) for sent in (b"", head, head + b"\r\n{")]
            assert await in_thread(login, host.address)
            answers = await asyncio.gather(*slow)
            assert time.monotonic() - began < 3
            assert answers[:2] == [b"", b""]
            assert answers[2].startswith(b"HTTP/1.1 408")

    asyncio.run(story())


def test_a_lower_term_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    """A call raises the term on disk before the handler runs; the restarted host refuses what is older."""
    on_disk: list[int] = []

    async def look(call: Call) -> Answer:
        on_disk.append(TermKeeper(tmp_path / "term0.json").term)
        return Answer("ok")

    async def story() -> None:
        async with serving(tmp_path, look) as host, calling((0, host.address), term=5) as calls:
            assert await calls.call(0, "follow", {}, 5) == Answer("ok")
        async with serving(tmp_path) as again:
            async with calling((0, again.address), term=4) as old:
                assert await old.call(0, "start_vm", {"vm": "vm1"}, 5) == Refused("HA_STALE_TERM", ("4", "5"))
            assert not again.calls
            async with calling((0, again.address), term=5) as current:
                assert await current.call(0, "follow", {}, 5) == Answer("ok")

    asyncio.run(story())
    assert on_disk == [5]


def test_a_term_that_cannot_be_kept_is_not_obeyed(tmp_path: Path) -> None:
    """The handler does not run, and the caller is told which file."""

    async def story() -> None:
        async with serving(tmp_path) as host, calling((0, host.address), term=2) as calls:
            (tmp_path / "term0.json.new").mkdir()
            refused = await calls.call(0, "follow", {}, 5)
            assert isinstance(refused, Refused)
            assert refused.code == "HA_TERM_NOT_KEPT"
            assert "term0.json: cannot keep term 2" in refused.params[0]
            assert not host.calls
            assert host.terms.term == 0

    asyncio.run(story())


def test_of_two_terms_at_once_the_older_is_not_started_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose own term is still being written finds, when that is done, a newer one in force: refused."""
    real = TermKeeper.raise_to

    def slow(keeper: TermKeeper, term: int) -> None:
        if term == 1:
            while keeper.term < 2:
                time.sleep(0.01)
        real(keeper, term)

    monkeypatch.setattr(TermKeeper, "raise_to", slow)

    async def story() -> None:
        async with (
            serving(tmp_path) as host,
            calling((0, host.address), term=1) as old,
            calling((0, host.address), me=2, term=2) as new,
        ):
            late, first = await asyncio.gather(old.call(0, "a", {}, 5), new.call(0, "b", {}, 5))
            assert (late, first) == (Refused("HA_STALE_TERM", ("1", "2")), Answer("ok"))
            assert [call.op for call in host.calls] == ["b"]

    asyncio.run(story())


def test_a_port_in_use_is_one_message(tmp_path: Path) -> None:
    """host:port and the remedy; likewise for an address that is not ours."""

    async def story() -> None:
        async with serving(tmp_path) as host, serving(tmp_path, me=1) as other:
            await other.server.stop()
            with pytest.raises(
                PoolError, match=rf"127\.0\.0\.1:{host.address.port}: another program listens there; stop"
            ):
                await other.server.start(host.address)
            with pytest.raises(PoolError, match=r"192\.0\.2\.1:0: cannot listen there: .*; give this host"):
                await other.server.start(Address("192.0.2.1"))

    asyncio.run(story())


def test_stopping_ends_what_is_being_carried_out(tmp_path: Path) -> None:
    """Also for a caller that has gone: after `stop` no handler of the old server runs any more."""
    ended = []

    async def for_ever(call: Call) -> Answer:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(call.op)
        return await agree(call)

    async def story() -> None:
        async with serving(tmp_path, for_ever) as host, calling((0, host.address)) as calls:
            await calls.call(0, "gone", {}, 0.2)
            waiting = asyncio.create_task(calls.call(0, "waiting", {}, 10))
            while len(host.calls) < 2:
                await asyncio.sleep(0.01)
            await host.server.stop()
            assert sorted(ended) == ["gone", "waiting"]
            await waiting

    asyncio.run(story())
