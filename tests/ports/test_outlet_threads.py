"""Whoever stalls a way out, a name server or a mail server, stalls nobody's files."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from meterseal_aggregator.notices.duty import BATCH
from meterseal_aggregator.notices.model import Address, Kind, Letter, Way
from meterseal_aggregator.notices.outlets.smtp import (
    MailTls,
    SmtpOutlet,
    SmtpSettings,
)
from meterseal_aggregator.notices.outlets.webhook import Webhook
from meterseal_proto.errors import Unavailable

SOON_S = 2.0
"""A thread that is free takes milliseconds; a stalled one takes until the end."""


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Whatever stalls goes on when this is set, at the latest at the test's end."""
    event = threading.Event()
    yield event
    event.set()


def _letter(way: Way, to: str) -> Letter:
    address = Address(way, to, bytes(32))
    return Letter("0f" * 16, Kind.BILL_ISSUED, 5, address, "a", "b", "c")


async def _free() -> None:
    """Hold that whoever renders a bill or packs evidence finds a thread."""
    async with asyncio.timeout(SOON_S):
        assert await asyncio.to_thread(lambda: 7) == 7


async def test_name_servers_that_never_answer_hold_up_no_file(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    def stalled(*_: object, **__: object) -> list[object]:
        over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", stalled)
    outlet = Webhook(lambda: 5)
    letter = _letter(Way.WEBHOOK, "https://slow.example/hook")
    sent = [asyncio.create_task(outlet.send(letter)) for _ in range(BATCH)]
    await asyncio.sleep(0)
    try:
        await _free()
    finally:
        over.set()
        found = await asyncio.gather(*sent, return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in found)


async def test_a_mail_server_that_never_answers_holds_up_no_file() -> None:
    gone = asyncio.Event()

    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outlet = SmtpOutlet(
        SmtpSettings("127.0.0.1", port, "billing@example.org", MailTls.NONE)
    )
    letter = _letter(Way.EMAIL, "ada@example.org")
    sent = [asyncio.create_task(outlet.send(letter)) for _ in range(BATCH)]
    await asyncio.sleep(0)
    try:
        await _free()
    finally:
        gone.set()
        found = await asyncio.gather(*sent, return_exceptions=True)
        server.close()
        await server.wait_closed()
    assert all(isinstance(one, Unavailable) for one in found)
