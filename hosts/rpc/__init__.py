"""The calls between the agents of a pool, and the door at which operators and clients knock.

One server a host, JSON-RPC 2.0 at POST /jsonrpc in XenAPI's shape: the first parameter of every call is the
session that `session.login_with_password` gave, an error is {"code": 1, "message": CODE, "data":
[parameters]}.

- `wire`    what a request and its answer look like: pure, no socket.
- `terms`   the highest term that this host has seen, kept on disk.
- `server`  answers: logs in, refuses, and hands what is left to the agent.
- `client`  asks: and says exactly what is known of a call that got no answer.

Its rules. A call between hosts is sent once. What came back is one of three: the answer; a refusal (nothing
was done there); or nothing, which means *unknown* unless no connection was ever made. Every such call carries
a term; lower ones are refused, and that survives restarts of the host that refuses.

What is left out: encryption (a server listens on the loopback address unless told otherwise, and the secret
and the calls cross the wire in the clear: put anything else into a tunnel), users and roles (whoever has the
pool's secret may do everything), and JSON-RPC's batches and notifications (XenAPI has none).

Importing the package is cheap: aiohttp is imported when the first server or client starts.
"""

from __future__ import annotations

from hosts.rpc.client import Door, HostCalls, Joined
from hosts.rpc.server import RpcServer
from hosts.rpc.terms import TermKeeper, as_term
from hosts.rpc.wire import Address, Answer, Call, Failure, Lost, Refused, Unanswered

__all__ = [
    "Address",
    "Answer",
    "Call",
    "Door",
    "Failure",
    "HostCalls",
    "Joined",
    "Lost",
    "Refused",
    "RpcServer",
    "TermKeeper",
    "Unanswered",
    "as_term",
]
