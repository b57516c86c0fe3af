"""What a request and its answer look like. Pure: bytes in, records out, and back.

A request is {"jsonrpc": "2.0", "method": M, "params": [...], "id": I}. A call between hosts is the method
`host.OP` with six parameters: session, the host that is meant, the host that calls, the number of the call,
the term, the arguments; its result is {"outcome": ..., "payload": {...}}. A set of hosts travels as
{"$hosts": [0, 2]}, because JSON has no sets and a list would come back as an opaque value.

What comes from a socket is believed only after it has passed here: it is JSON without the extensions of
Python's reader (NaN), at most MAX_DEPTH deep, its whole numbers have 64 bits and its text can be encoded
again. So nothing behind this module can be made to fail by a value that it merely hands on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from hosts.rpc.terms import is_term

PATH = "/jsonrpc"
POOL_USER = "pool"

PATIENCE = 15.0
"""Seconds that a server gives a client for the headers of a request, its body, and taking the answer."""

IDLE = 5.0
"""Seconds that a client keeps an idle connection: less, so that no server closes one under a request."""

MAX_BODY = 1 << 20
"""Bytes of a request or of an answer."""

MAX_DEPTH = 32
"""Lists and maps within each other: deep enough for a pool's database, far from the recursion limit."""

_MAX_INT = 2**63
_NAME_LENGTH = 64
_TOLD_LENGTH = 4096
_CALL_PARAMETERS = 6
_OP = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HOSTS = "$hosts"

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
"""JSON-RPC's own codes, for what is no request. A request that is refused gets XenAPI's 1 and a name."""

STALE_TERM = "HA_STALE_TERM"
CALL_REPEATED = "HA_CALL_REPEATED"
TERM_NOT_KEPT = "HA_TERM_NOT_KEPT"
INTERNAL_ERROR = "INTERNAL_ERROR"
SESSION_INVALID = "SESSION_INVALID"
AUTHENTICATION_FAILED = "SESSION_AUTHENTICATION_FAILED"
METHOD_UNKNOWN = "MESSAGE_METHOD_UNKNOWN"
PARAMETER_COUNT = "MESSAGE_PARAMETER_COUNT_MISMATCH"
FIELD_TYPE_ERROR = "FIELD_TYPE_ERROR"
HANDLE_INVALID = "HANDLE_INVALID"


@frozen
class Address:
    """Where a server listens: the loopback address unless said otherwise; port 0 is any free one."""

    host: str = "127.0.0.1"
    port: int = 0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@frozen
class Call:
    """A call from another host, as the agent gets it.

    `caller` is the index of the host that calls; `number` is unique among all calls of that host, also across
    its restarts; `term` is the term in which the caller decided to make it.
    """

    caller: int
    number: str
    term: int
    op: str
    args: Mapping[str, Any]


@frozen
class Answer:
    """The call was carried out, and ended like this."""

    outcome: str
    payload: Mapping[str, Any] = field(factory=dict)


@frozen
class Refused:
    """The call was refused and nothing was done: `code` is a XenAPI error code, `params` say more."""

    code: str
    params: tuple[str, ...] = ()


@frozen
class Lost:
    """No answer. `sent` False: certainly not delivered. True: it may have happened, or be still running
    there.
    """

    sent: bool
    why: str


class Failure(Exception):
    """A call is refused. A handler raises it only where it has done nothing; a client gets it as the server's
    answer.

    `code` is a XenAPI error code, `params` its parameters as text.
    """

    def __init__(self, code: str, *params: str) -> None:
        super().__init__(f"{code}({', '.join(params)})")
        self.code = code
        self.params = params


class Unanswered(Exception):
    """A request got no answer that can be believed; `sent` says whether it may have been delivered."""

    def __init__(self, sent: bool, why: str) -> None:
        super().__init__(why)
        self.sent = sent
        self.why = why


class Malformed(Exception):
    """The bytes are no request; `code` is JSON-RPC's, `ident` the request's id where it could be read."""

    def __init__(self, code: int, message: str, ident: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.ident = ident


@frozen
class Request:
    """One call as it stood on the wire; `params` with sets of hosts decoded."""

    ident: int | str
    method: str
    params: tuple[Any, ...]


def read_json(body: bytes) -> Any:
    """Return the value that `body` is the JSON text of, sets of hosts decoded. Raises ValueError with the
    reason.
    """
    try:
        return _decoded(json.loads(body, parse_constant=_no_constant), MAX_DEPTH)
    except RecursionError:
        raise ValueError(f"lists and maps stand more than {MAX_DEPTH} deep") from None


def read_request(body: bytes) -> Request:
    """Return the request in `body`. Raises Malformed for anything else."""
    try:
        document = read_json(body)
    except ValueError as error:
        raise Malformed(PARSE_ERROR, f"Parse error: {error}") from None
    ident = document.get("id") if isinstance(document, dict) else None
    if type(ident) is not int and not (isinstance(ident, str) and len(ident) <= _NAME_LENGTH):
        raise Malformed(INVALID_REQUEST, "Invalid Request: one map with an id that is a whole number or short text")
    match document:
        case {"jsonrpc": "2.0", "method": str(method), "params": list(params)}:
            return Request(ident, method, tuple(params))
        case {"jsonrpc": "2.0", "method": str(method)} if "params" not in document:
            return Request(ident, method, ())
    raise Malformed(INVALID_REQUEST, 'Invalid Request: "jsonrpc" is "2.0", "method" text, "params" a list', ident)


def read_call(request: Request, me: int, hosts: int) -> Call:
    """Return the call between hosts that `request` (method host.OP) is, for host `me` of a pool of `hosts`.

    Raises Failure for another number of parameters, another type of one, and another host than `me`.
    """
    op = request.method.removeprefix("host.")
    if not _OP.fullmatch(op):
        raise Failure(METHOD_UNKNOWN, request.method)
    if len(request.params) != _CALL_PARAMETERS:
        raise Failure(PARAMETER_COUNT, request.method, str(_CALL_PARAMETERS), str(len(request.params)))
    _, target, caller, number, term, args = request.params
    for name, right in (
        ("host", type(target) is int),
        ("caller", type(caller) is int and 0 <= caller < hosts),
        ("number", isinstance(number, str) and 0 < len(number) <= _NAME_LENGTH),
        ("term", is_term(term)),
        ("args", isinstance(args, dict)),
    ):
        if not right:
            raise Failure(FIELD_TYPE_ERROR, name)
    if target != me:
        raise Failure(HANDLE_INVALID, "host", str(target))  # a port that changed hands, or a pool file that is old
    return Call(caller, number, term, op, args)


def write_request(ident: int, method: str, params: tuple[Any, ...]) -> bytes:
    """Return the body of a request. Raises ValueError or TypeError for a parameter that has no JSON form."""
    return _body({"jsonrpc": "2.0", "method": method, "params": _encoded(params), "id": ident})


def write_result(ident: int | str, result: Any) -> bytes:
    """Return the body of an answer. Raises ValueError or TypeError for a result that has no JSON form."""
    return _body({"jsonrpc": "2.0", "result": _encoded(result), "id": ident})


def write_failure(ident: int | str, failure: Failure) -> bytes:
    """Return the body that refuses a request; long parameters are cut: some repeat what the request said."""
    error = {"code": 1, "message": failure.code, "data": [param[:_TOLD_LENGTH] for param in failure.params]}
    return _body({"jsonrpc": "2.0", "error": error, "id": ident})


def write_malformed(error: Malformed) -> bytes:
    """Return the body that answers what is no request."""
    return _body({"jsonrpc": "2.0", "error": {"code": error.code, "message": str(error)}, "id": error.ident})


def read_result(body: bytes, ident: int) -> Any:
    """Return the result that answers request `ident`. Raises Failure for a refusal, ValueError for no answer."""
    match read_json(body):
        case {"jsonrpc": "2.0", "id": int(same), "result": result} if same == ident:
            return result
        case {"jsonrpc": "2.0", "error": {"message": str(code), "data": list(params)}}:
            raise Failure(code, *map(str, params))
        case {"jsonrpc": "2.0", "error": {"message": str(message)}}:
            raise Failure(message)
    raise ValueError("it is no answer to this request")


def read_answer(result: Any) -> Answer:
    """Return the answer of a call between hosts from its `result`. Raises ValueError for anything else."""
    match result:
        case {"outcome": str(outcome), "payload": dict(payload)}:
            return Answer(outcome, payload)
    raise ValueError("it is no outcome with a payload")


def _body(document: Mapping[str, Any]) -> bytes:
    body = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    if len(body) > MAX_BODY:
        raise ValueError(f"it takes more than {MAX_BODY} bytes")
    return body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _encoded(value: Any) -> Any:
    if isinstance(value, frozenset):
        return {_HOSTS: sorted(value)}
    if isinstance(value, Mapping):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    return value


def _decoded(value: Any, depth: int) -> Any:
    """`value` as it came from JSON, checked, with sets of hosts in it made sets again."""
    if isinstance(value, dict | list) and depth == 0:
        raise ValueError(f"lists and maps stand more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        members = value.get(_HOSTS)
        if len(value) == 1 and isinstance(members, list):
            if not all(type(host) is int and 0 <= host < _MAX_INT for host in members):
                raise ValueError("a set of hosts has an index that is none")
            return frozenset(members)
        return {_decoded(key, depth): _decoded(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_decoded(item, depth - 1) for item in value]
    if isinstance(value, str):
        value.encode()  # half a surrogate pair is legal in JSON and can be neither logged nor stored
    elif isinstance(value, int) and not -_MAX_INT <= value < _MAX_INT:
        raise ValueError("a whole number has more than 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    return value
