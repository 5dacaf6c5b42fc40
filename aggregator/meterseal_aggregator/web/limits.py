"""How often and how much: connections, a rate without a token, a body's size and form.

A body is read whole before a route sees it, up to its limit, and must be strict JSON:
no name twice in an object, no NaN, no depth that would break the parser. A file is read
by its own route, of a known caller only. This module must never keep more than a bounded
number of callers in mind.
"""

import asyncio
import json
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterseal_aggregator.web.problems import (
    Problem,
    bad_json,
    too_large,
    too_many,
    too_slow,
)

MAX_BODY_BYTES: Final = 65_536
"""Bodies of operators are a few lines."""
MAX_ENROLMENT_BYTES: Final = 1_048_576
"""247 meters of 16 registers take some 500 KiB."""
MAX_BRACKETS: Final = 20_000
"""Objects and lists in a body: the largest enrolment has 8,400."""
BODY_WITHIN_S: Final = 15.0
"""A Pi behind a poor modem sends 500 KiB in this time; a slower one only holds a place."""
CALLERS: Final = 4_096
"""Addresses whose rate is remembered; the one asked for longest ago is forgotten first."""


@dataclass(slots=True)
class Rate:
    """The generic cell rate algorithm (ITU-T I.371): `burst` at once, then one a period.

    `wait_s(caller, now)` returns 0 and counts, or how long to wait and does not.
    """

    period_s: float
    burst: int
    _due: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def wait_s(self, caller: str, now: float) -> float:
        """Ask for one request of `caller` at the monotonic second `now`."""
        due = max(self._due.get(caller, now), now)
        wait = due - now - self.period_s * (self.burst - 1)
        if wait > 0:
            return wait
        self._due[caller] = due + self.period_s
        self._due.move_to_end(caller)
        while len(self._due) > CALLERS:
            self._due.popitem(last=False)
        return 0.0


class Places:
    """Places of connections: `total` of them, `from_one` for one address.

    An address is one IPv4 address or one /64 of IPv6, which a single line has whole.
    """

    def __init__(self, total: int, from_one: int) -> None:
        self._total = total
        self._from_one = from_one
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Take a place; False when there is none for this address."""
        line = line_of(address)
        if self._taken.total() >= self._total or self._taken[line] >= self._from_one:
            return False
        self._taken[line] += 1
        return True

    def give_back(self, address: str) -> None:
        """Give back one place that was taken."""
        line = line_of(address)
        self._taken[line] -= 1
        if not self._taken[line]:
            del self._taken[line]


def line_of(address: str) -> str:
    """Return whose line an address is: itself, or the /64 of an IPv6 address."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, IPv4Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(IPv6Address(int(known) >> 64 << 64))


def turn_of(rate: Rate, address: str) -> None:
    """Count a request of an address; raises the answer 429 where it asks too often."""
    wait_s = rate.wait_s(line_of(address), asyncio.get_running_loop().time())
    if wait_s > 0:
        raise too_many(wait_s)


class Paced:
    """ASGI middleware: answers an address that posts too often, its body unread.

    Only for `paths`, those where nobody needs a token and a body costs work.
    """

    def __init__(self, app: ASGIApp, *, rate: Rate, paths: frozenset[str]) -> None:
        self._app = app
        self._rate = rate
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or ask to wait."""
        try:
            if self._counts(scope):
                host = scope["client"][0] if scope.get("client") else "unknown"
                turn_of(self._rate, host)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _counts(self, scope: Scope) -> bool:
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        return is_post and scope["path"] in self._paths


class StrictBodies:
    """ASGI middleware: reads a body up to its limit, checks that it is strict JSON.

    Where `limit_of` a path is None the body is a file: its route asks `read_file` for it,
    once it knows who sends it.
    """

    def __init__(self, app: ASGIApp, *, limit_of: Callable[[str], int | None]) -> None:
        self._app = app
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request whose body is whole and well-formed, else answer it here."""
        limit = self._limit_of(scope["path"]) if scope["type"] == "http" else None
        if limit is None:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await _read(receive, limit)
            if body:
                check_json(body)
        except TimeoutError:
            await too_slow().response()(scope, receive, send)
            return
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        given = [body]

        async def replay() -> Message:
            if given:
                return {"type": "http.request", "body": given.pop(), "more_body": False}
            return await receive()

        await self._app(scope, replay, send)


async def read_file(receive: Receive, limit: int) -> bytes:
    """Return a body of at most `limit` bytes as it is; raises the answers 408 and 413."""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            return await _read(receive, limit)
    except TimeoutError:
        raise too_slow() from None


def check_json(body: bytes) -> None:
    """Raise Problem unless `body` is one JSON text without doubled names or NaN."""
    if body.count(b"{") + body.count(b"[") > MAX_BRACKETS:
        raise bad_json(f"the body opens more than {MAX_BRACKETS} objects and lists")
    try:
        text = body.decode("utf-8")  # RFC 8259 8.1: UTF-8, and no byte order mark
        json.loads(text, object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except _Twin as twin:
        raise bad_json(str(twin)) from None
    except (ValueError, RecursionError):
        raise bad_json("the body is not JSON") from None


class _Twin(ValueError):
    """An object that names a key twice; which value counts would be anybody's guess."""


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twin("an object of the body has the same name twice")
    return found


def _no_constant(name: str) -> None:
    raise _Twin(f"the body holds {name}, which is no JSON number")


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
