"""What a trustee's client makes of answers, and when a day is due: pure parts, and odd servers."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from meterseal_aggregator.config import Config
from meterseal_aggregator.parameters.model import NEXT_MORNING
from meterseal_aggregator.privacy.trustees import calendar
from meterseal_aggregator.privacy.trustees.client import (
    MAX_ANSWER_BYTES,
    Declined,
    TrusteeClient,
)
from meterseal_proto.errors import Unavailable
from tests.support.oddserver import answering, http
from tests.support.total_evidence import KEYS

DAY = 20_000


@asynccontextmanager
async def odd_server(reply: bytes) -> AsyncIterator[TrusteeClient]:
    """A server that reads a request and writes these bytes; yields the client for it."""
    async with answering(reply) as url:
        client = TrusteeClient(url + "/", None)
        yield client
        await client.close()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"no HTTP at all\r\n\r\n",
        http("200 OK", b"not JSON"),
        http("200 OK", b"[]"),
        http("200 OK", b"[" * 5_000),
        http("503 Service Unavailable", b"{}"),
        http("302 Found", b"{}", "location: /"),
        http("200 OK", b" " * (MAX_ANSWER_BYTES + 1)),
    ],
    ids=lambda reply: reply[:24].decode(),
)
async def test_what_is_no_answer_is_asked_again_later(reply: bytes) -> None:
    async with odd_server(reply) as client:
        with pytest.raises(Unavailable):
            await client.ask("/v1/sets", {})


async def test_a_refusal_keeps_its_words_and_not_too_many() -> None:
    body = b'{"type":"urn:meterseal:problem:another-set","detail":"%s"}' % (b"x" * 900)
    async with odd_server(http("409 Conflict", body)) as client:
        with pytest.raises(Declined) as caught:
            await client.ask("/v1/sets", {})
    assert (caught.value.why, len(caught.value.detail)) == ("another-set", 500)


def test_a_day_is_due_the_next_morning_or_after_the_delay() -> None:
    midnight = (DAY + 1) * 86_400
    assert calendar.cut_off(DAY, NEXT_MORNING, "UTC") == midnight + 6 * 3_600
    assert calendar.cut_off(DAY, 0, "UTC") == midnight
    madrid = calendar.cut_off(DAY, NEXT_MORNING, "Europe/Madrid")
    assert madrid == midnight + 4 * 3_600
    days = list(calendar.open_days(midnight + 6 * 3_600, NEXT_MORNING, "UTC"))
    assert (days[0], days[-1]) == (DAY + 1 - calendar.OPEN_DAYS, DAY)
    before = list(calendar.open_days(midnight + 6 * 3_600 - 1, NEXT_MORNING, "UTC"))
    assert before[-1] == DAY - 1


def configured(change: Callable[[list[dict[str, object]]], object]) -> Config:
    tls = {"certificate": "a.pem", "key": "a.key", "ca": "ca.pem"}
    rows: list[dict[str, object]] = [
        {"url": f"https://t{key.number}.example:8450", "key": key.text(), "tls": tls}
        for key in KEYS
    ]
    change(rows)
    return Config.model_validate({"trustees": rows})


def test_three_trustees_or_none_and_their_wire_is_safe() -> None:
    assert Config().trustee_keys == ()
    assert configured(lambda rows: None).trustee_keys == tuple(KEYS)
    plain: dict[str, object] = {"url": "http://127.0.0.1:8450", "key": KEYS[0].text()}
    assert configured(lambda rows: rows.__setitem__(0, plain)).trustees[0].tls is None
    off: dict[str, object] = plain | {"url": "http://t0.example:8450"}
    bad: list[tuple[str, Callable[[list[dict[str, object]]], object]]] = [
        ("all three", lambda rows: rows.pop()),
        ("all three", lambda rows: rows.reverse()),
        ("not this machine", lambda rows: rows.__setitem__(0, off)),
        ("give ", lambda rows: rows[0].pop("tls")),
        ("NUMBER:BOX:SIGN", lambda rows: rows[0].update(key="0:aa")),
        ("different keys", lambda rows: rows[1].update(key="1" + KEYS[0].text()[1:])),
    ]
    for words, change in bad:
        with pytest.raises(ValueError, match=words):
            configured(change)
