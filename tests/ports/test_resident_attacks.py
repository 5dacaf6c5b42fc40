"""Whoever is on the home's network and not of the family gets nothing of the page."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from meterseal_agent.resident import wire, words
from meterseal_agent.resident.guard import DEVICE
from meterseal_agent.resident.pin import keep_pin
from tests.support.kitchen import PIN, Page, billed_home, served
from tests.support.private_home import PrivateHome

PRIVATE = ["/", "/usage/1", "/usage/1/2023-11-15", "/bills", "/bills/1/1"]
PRIVATE += ["/bills/1/1/openings.json", "/others", "/nowhere"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateHome]:
    with billed_home(tmp_path_factory.mktemp("attacked") / "home") as made:
        yield made


@pytest.fixture
async def page(home: PrivateHome, tmp_path: Path) -> AsyncIterator[Page]:
    async with served(home, tmp_path / "keys") as made:
        yield made


def asks(page: Page, target: str, *more: str, method: str = "GET") -> bytes:
    """Return a request as bytes, with any further header lines."""
    host = f"Host: 127.0.0.1:{page.address.port}"
    return "\r\n".join([f"{method} {target} HTTP/1.1", host, *more, "", ""]).encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


async def test_without_a_session_every_page_is_the_form(page: Page) -> None:
    for path in PRIVATE:
        answer = await page.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert answer.content == b""
    form = await page.get("/login")
    assert words.PIN_LABEL in form.text
    assert "S-417" not in form.text


async def test_a_session_is_random_short_lived_and_out_of_reach(page: Page) -> None:
    cookies = {(await page.enter()).headers["set-cookie"] for _ in range(2)}
    assert len(cookies) == 2
    for cookie in cookies:
        name, *flags = cookie.split("; ")
        assert name.startswith("__Host-meterseal=")
        assert len(name.split("=")[1]) >= 43
        assert set(flags) == {
            *("Path=/", "HttpOnly", "SameSite=Strict", "Secure", "Max-Age=604800"),
        }


FORGED = ["", "x", "A" * 43, "..", "%00", "A" * 4_000, "é", PIN]


async def test_a_forged_cookie_opens_nothing(page: Page) -> None:
    for token in FORGED:
        line = f"Cookie: other=1; __Host-meterseal={token}"
        answer = await page.raw(asks(page, "/others", line))
        assert status(answer) in {303, 400}
        assert b"Wed 15" not in answer


async def test_a_cookie_that_came_twice_counts_as_none(page: Page) -> None:
    token = await page.token()
    good = f"Cookie: {token}"
    assert status(await page.raw(asks(page, "/others", good))) == 200
    assert status(await page.raw(asks(page, "/others", good, good))) == 303


async def test_who_logs_out_is_out_whatever_he_keeps(page: Page) -> None:
    token = await page.token()
    assert (await page.browser.post("/logout")).status_code == 303
    answer = await page.raw(asks(page, "/others", f"Cookie: {token}"))
    assert status(answer) == 303


async def test_a_new_pin_ends_every_session(page: Page) -> None:
    await page.enter()
    assert (await page.get("/others")).status_code == 200
    keep_pin(page.paths.resident_pin, "00000000")
    assert (await page.get("/others")).status_code == 303
    assert (await page.enter()).status_code == 403


async def test_guessing_is_slowed_down_before_the_pin_is_looked_at(page: Page) -> None:
    found = [(await page.enter(f"{n:08}")) for n in range(DEVICE.free)]
    assert [one.status_code for one in found] == [403] * (DEVICE.free - 1) + [429]
    right = await page.enter()
    assert right.status_code == 429, "the right PIN must wait too"
    assert 0 < int(right.headers["retry-after"]) <= DEVICE.first_s
    assert words.PIN_WRONG not in right.text
    assert "set-cookie" not in right.headers


async def test_a_pin_of_another_shape_is_not_even_a_try(page: Page) -> None:
    for pin in ("", "1234567", "123456789", "1234567a", "\uff11" * 8, "' OR 1=1"):
        assert (await page.enter(pin)).status_code == 400
    assert not page.paths.resident_tries.exists()
    assert (await page.enter(f"{PIN[:4]} {PIN[4:]}")).status_code == 303


async def test_who_comes_in_is_told_of_wrong_tries_that_were_not_his(
    page: Page,
) -> None:
    page.paths.resident_tries.write_text(
        '{"everybody":[7,4000000000],"devices":{"192.168.1.66":[4,4000000000]}}'
    )
    await page.enter()
    assert words.wrong_tries(7) in (await page.get("/")).text


async def test_without_a_pin_nobody_comes_in(home: PrivateHome, tmp_path: Path) -> None:
    async with served(home, tmp_path / "keys", pin="") as page:
        answer = await page.enter()
        assert answer.status_code == 503
        assert "resident-pin" in answer.text


HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "",
    "{port}",
]
HOSTS += ["127.0.0.1:{port}.evil.example", "meter.home.evil.example:{port}"]


async def test_another_name_than_its_own_is_not_answered(page: Page) -> None:
    """A web site's name that resolves to the home's address: DNS rebinding."""
    token = await page.token()
    for host in HOSTS:
        named = host.format(port=page.address.port)
        sent = f"GET /others HTTP/1.1\r\nHost: {named}\r\nCookie: {token}\r\n\r\n"
        answer = await page.raw(sent.encode())
        assert status(answer) in {400, 421}
        assert b"November" not in answer


async def test_its_configured_name_is_its_own_in_any_case(page: Page) -> None:
    sent = f"GET /login HTTP/1.1\r\nHost: Meter.Home:{page.address.port}\r\n\r\n"
    assert status(await page.raw(sent.encode())) == 200


async def test_no_host_and_two_hosts_are_refused(page: Page) -> None:
    host = f"Host: 127.0.0.1:{page.address.port}\r\n"
    for sent in (
        "GET /login HTTP/1.1\r\n\r\n",
        "GET /login HTTP/1.0\r\n\r\n",
        f"GET /login HTTP/1.1\r\n{host}{host}\r\n",
        f"GET http://evil.example/ HTTP/1.1\r\n{host}\r\n",
    ):
        answer = await page.raw(sent.encode())
        assert status(answer) in {303, 400, 421}
        assert words.PIN_LABEL.encode() not in answer


METHODS = ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"]


async def test_only_get_and_the_two_forms_are_taken(page: Page) -> None:
    token = await page.token()
    for method in METHODS:
        sent = asks(page, "/others", f"Cookie: {token}", method=method)
        assert status(await page.raw(sent)) == 405


async def test_a_form_for_another_path_is_refused(page: Page) -> None:
    await page.enter()
    for path in ("/", "/others", "/bills/1/1/openings.json", "/login/x"):
        assert (await page.browser.post(path, data={"pin": PIN})).status_code == 404


TRICKS = ["/../etc/passwd", "/%2e%2e/", "//", "/others/", "/others?x=1", "/others#x"]
TRICKS += ["/usage/01", "/usage/0", "/usage/-1", "/usage/99", "/usage/1/2023-13"]
TRICKS += ["/usage/1/2023-11-31", "/usage/1/2023-11-15\u0660", "/usage/9999999", "*"]
TRICKS += ["/bills/1/2", "/bills/1/0", "/bills/1/1/openings.jsonx", "/OTHERS", "/a\x7f"]
TRICKS += [
    "/bills/2/1/openings.json",
    "/usage/1/2023-11-15/../../..",
    "/" + "a" * 4_000,
]


async def test_tricks_with_paths_lead_nowhere(page: Page) -> None:
    token = await page.token()
    for path in TRICKS:
        answer = await page.raw(
            asks(page, path, f"Cookie: {token}").decode().encode("latin-1", "replace")
        )
        assert status(answer) in {400, 404}
        assert b"kWh" not in answer


async def test_a_form_of_another_site_is_refused(page: Page) -> None:
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"http://127.0.0.1:{page.address.port}"},
        {"sec-fetch-site": "cross-site"},
    ):
        answer = await page.enter(PIN, **headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    origin = page.address.url.rstrip("/")
    assert (await page.enter(PIN, origin=origin)).status_code == 303


async def test_requests_that_are_too_large_are_refused(page: Page) -> None:
    for sent in (
        asks(page, "/login", "X: " + "a" * wire.MAX_HEAD_BYTES),
        asks(page, "/" + "a" * wire.MAX_HEAD_BYTES),
        asks(page, "/login", *[f"X-{n}: 1" for n in range(2_000)]),
    ):
        assert status(await page.raw(sent)) in {0, 400, 431}
    big = b"pin=" + b"1" * wire.MAX_BODY_BYTES
    head = asks(page, "/login", f"Content-Length: {len(big)}", method="POST")
    assert status(await page.raw(head + big)) == 413
    chunked = asks(page, "/login", "Transfer-Encoding: chunked", method="POST")
    chunks = b"".join(b"80\r\n" + b"a" * 128 + b"\r\n" for _ in range(20))
    assert status(await page.raw(chunked + chunks)) == 413
    assert (await page.get("/login")).status_code == 200


NOISE = [b"\x00" * 64, b"GET\r\n\r\n", b"\x16\x03\x01", b"POST /login HTTP/9.9\r\n\r\n"]
NOISE += [b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"GET / HTTP/1.1\n\n", b"\r\n" * 100]


async def test_what_is_no_request_ends_the_connection(page: Page) -> None:
    for sent in NOISE:
        reader, writer = await page.connect()
        writer.write(sent)
        writer.write_eof() if writer.can_write_eof() else None
        async with asyncio.timeout(wire.ASK_S + 5):
            answer = await reader.read()
        assert status(answer) in {0, 400, 421, 505}
        writer.close()


async def test_two_requests_in_one_connection_are_one(page: Page) -> None:
    """What is smuggled behind a request is never read."""
    token = await page.token()
    second = asks(page, "/others", f"Cookie: {token}")
    answer = await page.raw(asks(page, "/login") + second)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"November" not in answer


async def test_a_slow_client_is_cut_off_and_delays_nobody(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ASK_S", 0.5)
    reader, writer = await page.connect()
    writer.write(b"GET /login HTTP/1.1\r\nHost: ")
    await writer.drain()
    assert (await page.get("/login")).status_code == 200
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_who_never_ends_a_handshake_is_cut_off(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ASK_S", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", page.address.port)
    writer.write(b"\x16\x03\x01\x02\x00")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_one_device_takes_a_few_connections_and_no_more(page: Page) -> None:
    held = [await page.connect() for _ in range(wire.MAX_OF_ONE)]
    with pytest.raises((OSError, ssl.SSLError)):
        await page.connect()
    for _, writer in held:
        writer.close()
    async with asyncio.timeout(10):
        while await page.raw(asks(page, "/login")) == b"":
            await asyncio.sleep(0.02)  # The server has not let go yet.


async def test_plain_http_gets_no_answer(page: Page) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", page.address.port)
    writer.write(asks(page, "/login"))
    async with asyncio.timeout(10):
        assert b"HTTP" not in await reader.read()
    writer.close()
