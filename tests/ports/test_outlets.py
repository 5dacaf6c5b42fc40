"""The port of the ways out: one suite, every outlet, each before a real receiver."""

import asyncio
import base64
import hashlib
import hmac
import json
import stat
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from meterseal_aggregator.notices.model import Undeliverable, Way
from meterseal_aggregator.notices.outlets.file import FileOutlet
from meterseal_aggregator.notices.outlets.places import is_public
from meterseal_aggregator.notices.outlets.sms import SmsGateway
from meterseal_aggregator.notices.outlets.smtp import (
    MailTls,
    SmtpOutlet,
    SmtpSettings,
)
from meterseal_aggregator.notices.outlets.webhook import Webhook, secret_text, signature
from meterseal_aggregator.notices.port import Outlet
from meterseal_proto.errors import Unavailable
from tests.support.outletstands import (
    AT,
    BODY,
    LETTER_ID,
    SECRET,
    SHORT,
    MailServer,
    MakeStand,
    Mood,
    Stand,
    a_file_stand,
    a_mail_stand,
    a_webhook_stand,
    an_implicit_mail_stand,
    an_sms_stand,
    listening,
    read_letters,
    server_tls,
)

STANDS: dict[str, MakeStand] = {
    "smtp": a_mail_stand,
    "smtps": an_implicit_mail_stand,
    "webhook": a_webhook_stand,
    "sms": an_sms_stand,
    "file": a_file_stand,
}
SPOKEN = {name: stand for name, stand in STANDS.items() if name != "file"}
"""Those with somebody on the other side."""


def of(name: str, folder: Path) -> AbstractAsyncContextManager[Stand]:
    return STANDS[name](folder)


def taken(stand: Stand, folder: Path) -> list[tuple[str, str]]:
    if stand.way is Way.FILE:
        return read_letters(folder / "letters.jsonl")
    return stand.taken


@pytest.mark.parametrize("name", STANDS)
async def test_a_letter_arrives_with_its_id_and_its_words(
    name: str, tmp_path: Path
) -> None:
    async with of(name, tmp_path) as stand:
        await stand.outlet.send(stand.letter())
        assert taken(stand, tmp_path) == [(LETTER_ID, stand.text)]


@pytest.mark.parametrize("name", STANDS)
async def test_the_same_letter_twice_is_known_by_its_id(
    name: str, tmp_path: Path
) -> None:
    async with of(name, tmp_path) as stand:
        for _ in range(2):
            await stand.outlet.send(stand.letter())
        assert taken(stand, tmp_path) == [(LETTER_ID, stand.text)] * 2


@pytest.mark.parametrize("name", STANDS)
async def test_many_letters_at_once_all_arrive(name: str, tmp_path: Path) -> None:
    async with of(name, tmp_path) as stand:
        letters = [stand.letter() for _ in range(8)]
        await asyncio.gather(*map(stand.outlet.send, letters))
        assert len(taken(stand, tmp_path)) == 8


@pytest.mark.parametrize("name", SPOKEN)
async def test_who_is_busy_is_asked_again_later(name: str, tmp_path: Path) -> None:
    async with of(name, tmp_path) as stand:
        stand.mood = Mood.BUSY
        with pytest.raises(Unavailable):
            await stand.outlet.send(stand.letter())
        stand.mood = Mood.TAKING
        await stand.outlet.send(stand.letter())
        assert len(stand.taken) == 1


@pytest.mark.parametrize("name", SPOKEN)
async def test_who_refuses_for_good_is_not_asked_again(
    name: str, tmp_path: Path
) -> None:
    async with of(name, tmp_path) as stand:
        stand.mood = Mood.REFUSING
        with pytest.raises(Undeliverable):
            await stand.outlet.send(stand.letter())
        assert stand.taken == []


@pytest.mark.parametrize("name", SPOKEN)
async def test_where_nobody_listens_is_asked_again_later(
    name: str, tmp_path: Path
) -> None:
    async with of(name, tmp_path) as stand:
        await stand.close()
        with pytest.raises(Unavailable):
            await stand.outlet.send(stand.letter())


async def test_a_file_that_cannot_be_written_is_asked_again_later(
    tmp_path: Path,
) -> None:
    async with a_file_stand(tmp_path) as stand:
        with pytest.raises(Unavailable):
            await FileOutlet(tmp_path / "no" / "folder").send(stand.letter())
        await stand.outlet.send(stand.letter())
    mode = (tmp_path / "letters.jsonl").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


# Mail.


async def test_a_mail_is_what_it_should_be(tmp_path: Path) -> None:
    async with a_mail_stand(tmp_path) as stand:
        await stand.outlet.send(stand.letter())
    raw = stand.heard[-2].decode("ascii")
    for line in (
        "From: billing@street.example",
        "To: ada@home.example",
        "Date: Mon, 21 Sep 2026",
        "Auto-Submitted: auto-generated",
        f"Message-ID: <{LETTER_ID}@street.example>",
    ):
        assert line in raw
    # The password went by, but only after TLS had begun.
    words = [line.split(b" ")[0].upper() for line in stand.heard]
    assert words.index(b"STARTTLS") < words.index(b"AUTH") < words.index(b"MAIL")


async def test_no_mail_goes_where_starttls_is_not_offered_or_not_trusted(
    tmp_path: Path,
) -> None:
    server, _ = server_tls(tmp_path)
    for tls in (None, server):
        inside = MailServer(tls=tls)
        async with listening(inside.serve) as port:
            settings = SmtpSettings("127.0.0.1", port, "us@street.example")
            # This outlet trusts the machine's authorities, and none signed this server.
            outlet: Outlet = SmtpOutlet(settings)
            inside.stand = Stand(Way.EMAIL, outlet, "ada@home.example")
            with pytest.raises(Unavailable):
                await outlet.send(inside.stand.letter())
            assert not any(
                line.upper().startswith(b"MAIL") for line in inside.stand.heard
            )


@pytest.mark.parametrize(
    "wrong",
    [
        {"tls": MailTls.NONE, "host": "mail.example"},
        {"username": "us"},
        {"password": "secret"},
        {"sender": "billing"},
    ],
)
def test_settings_that_would_speak_in_the_open_are_refused(
    wrong: dict[str, str],
) -> None:
    fine: dict[str, object] = {
        "host": "127.0.0.1", "port": 25, "sender": "us@street.example",
    }  # fmt: skip
    SmtpSettings(**fine)  # type: ignore[arg-type]  # as a table gives them
    with pytest.raises(ValueError, match=r"use|give|sender"):
        SmtpSettings(**{**fine, **wrong})  # type: ignore[arg-type]  # likewise


async def test_no_header_is_smuggled_in_by_an_address_or_a_subject(
    tmp_path: Path,
) -> None:
    async with a_mail_stand(tmp_path) as stand:
        with pytest.raises(Unavailable):
            await stand.outlet.send(stand.letter("a@b.example\r\nBcc: c@d.example"))
        assert stand.taken == []


# Webhooks.


async def test_a_webhook_is_signed_over_its_id_its_time_and_its_body(
    tmp_path: Path,
) -> None:
    async with a_webhook_stand(tmp_path) as stand:
        await stand.outlet.send(stand.letter())
    head, _, body = stand.heard[0].partition(b"\r\n\r\n")
    told = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    signed = f"{LETTER_ID}.{AT + 5}.".encode() + body
    digest = hmac.new(SECRET, signed, hashlib.sha256).digest()
    assert told["webhook-id"] == LETTER_ID
    assert told["webhook-timestamp"] == str(AT + 5)
    assert told["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert told["host"] == stand.to.split("/")[2]
    assert head.startswith(b"POST /hook?me=7 HTTP/1.1")
    assert set(json.loads(body)) == {"id", "type", "at", "text", "link"}


def test_a_signature_is_of_one_secret_one_time_and_one_body() -> None:
    # The example of the standard's own libraries.
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert secret_text(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.7", "224.0.0.1", "255.255.255.255", "::1", "::",
        "fe80::1", "fc00::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "2002:7f00:1::",
        "64:ff9b::7f00:1", "2001::1", "ff02::1", "localhost", "",
    ],
)  # fmt: skip
def test_what_is_not_of_the_public_network_is_not_called(address: str) -> None:
    assert not is_public(address)


def test_what_is_of_the_public_network_is_called() -> None:
    assert is_public("8.8.8.8")
    assert is_public("2606:4700::1111")


@pytest.mark.parametrize("found", [["127.0.0.1"], ["8.8.8.8", "10.0.0.7"], ["::1"]])
async def test_no_webhook_leads_into_our_own_network(
    found: list[str], tmp_path: Path
) -> None:
    async def look_up(_host: str, _port: int) -> list[str]:
        return found

    async with a_webhook_stand(tmp_path) as stand:
        outlet = Webhook(lambda: AT, look_up=look_up)
        with pytest.raises(Undeliverable, match="private network"):
            await outlet.send(stand.letter("https://innocent.example/hook"))
        with pytest.raises(Undeliverable, match="private network"):
            await Webhook(lambda: AT).send(stand.letter())
        assert stand.heard == []


async def test_the_address_that_was_looked_up_is_the_one_that_is_called(
    tmp_path: Path,
) -> None:
    asked: list[str] = []

    async def look_up(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with an_sms_stand(tmp_path) as stand:
        # The gateway's stand is a plain HTTP receiver; localhost is allowed here.
        outlet = Webhook(lambda: AT, private=True, look_up=look_up)
        port = vars(stand.outlet)["_url"].split(":")[2].split("/")[0]
        await outlet.send(stand.letter(f"http://localhost:{port}/x"))
    assert asked == ["localhost"]
    assert f"host: localhost:{port}".encode() in stand.heard[0].lower()


async def test_tls_keeps_to_the_name_whatever_address_it_has(tmp_path: Path) -> None:
    async def look_up(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async with a_webhook_stand(tmp_path) as stand:
        _, client = server_tls(tmp_path / "other")
        trusting = vars(stand.outlet)["_tls"]
        url = stand.to.replace("127.0.0.1", "hook.example")
        for tls in (client, trusting):
            outlet = Webhook(lambda: AT, private=True, tls=tls, look_up=look_up)
            with pytest.raises(Unavailable):
                await outlet.send(stand.letter(url))
        assert stand.taken == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook", "http://10.0.0.1/hook", "ftp://example.org/",
        "https://", "gopher://x", "//x", "https://[::1", "http://localhost@example.org",
    ],
)  # fmt: skip
async def test_what_is_no_https_url_is_never_called(url: str, tmp_path: Path) -> None:
    async with a_webhook_stand(tmp_path) as stand:
        with pytest.raises((Undeliverable, Unavailable)):
            await stand.outlet.send(stand.letter(url))
        assert stand.heard == []


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with a_webhook_stand(tmp_path) as stand:
        there = f"location: {stand.to}\r\ncontent-length: 0"

        async def redirect(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 307 There\r\n{there}\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        server, client = server_tls(tmp_path / "redirect")
        async with listening(redirect, server) as port:
            outlet = Webhook(lambda: AT, private=True, tls=client)
            with pytest.raises(Unavailable):
                await outlet.send(stand.letter(f"https://127.0.0.1:{port}/"))
        assert stand.heard == []


# The gateway.


async def test_a_gateway_is_told_the_number_the_text_and_our_token(
    tmp_path: Path,
) -> None:
    async with an_sms_stand(tmp_path) as stand:
        await stand.outlet.send(stand.letter())
    head, _, body = stand.heard[0].partition(b"\r\n\r\n")
    assert b"authorization: Bearer token" in head
    assert f"idempotency-key: {LETTER_ID}".encode() in head
    assert json.loads(body) == {"id": LETTER_ID, "to": stand.to, "text": SHORT}


def test_a_gateway_off_this_machine_is_spoken_to_by_https_only() -> None:
    with pytest.raises(ValueError, match="https"):
        SmsGateway("http://gateway.example/send")


def test_the_letter_of_these_tests_needs_more_than_ascii() -> None:
    assert not BODY.isascii()
