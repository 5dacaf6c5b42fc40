"""Real receivers on loopback for every way out: a mail server, an HTTP one, a file.

A stand takes letters, is busy, or refuses for good, as its mood says.
"""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from enum import Enum
from pathlib import Path

from meterseal_aggregator.notices.model import Address, Kind, Letter, Way
from meterseal_aggregator.notices.outlets.file import FileOutlet
from meterseal_aggregator.notices.outlets.sms import SmsGateway
from meterseal_aggregator.notices.outlets.smtp import (
    MailTls,
    SmtpOutlet,
    SmtpSettings,
)
from meterseal_aggregator.notices.outlets.webhook import Webhook
from meterseal_aggregator.notices.port import Outlet
from tests.support.certificates import Authority

AT = 1_790_000_000
LETTER_ID = "0f" * 16
SECRET = bytes(range(32))
PASSWORD = "secret"  # noqa: S105 - of a server that lives as long as a test
SUBJECT = "Votre facture n° 7 : 12,50 €"
BODY = "Votre facture n° 7 : 12,50 €.\n\nhttps://street.example/bills/7"
SHORT = "Facture 7: 12,50 EUR"


class Mood(Enum):
    """How a receiver takes what comes."""

    TAKING = "taking"
    BUSY = "busy"
    REFUSING = "refusing"


@dataclass
class Stand:
    """An outlet and its receiver: `taken` has the id and a text of each letter it took."""

    way: Way
    outlet: Outlet
    to: str
    mood: Mood = Mood.TAKING
    taken: list[tuple[str, str]] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    text: str = SHORT
    server: asyncio.Server | None = None

    async def close(self) -> None:
        """Let nobody listen any more."""
        assert self.server is not None
        self.server.close()
        await self.server.wait_closed()

    def letter(self, to: str | None = None) -> Letter:
        """Return a letter for this stand's receiver."""
        address = Address(self.way, to or self.to, SECRET)
        return Letter(
            LETTER_ID, Kind.BILL_ISSUED, AT, address, SUBJECT, BODY, SHORT,
            "https://street.example/bills/7",
        )  # fmt: skip


MakeStand = Callable[[Path], AbstractAsyncContextManager[Stand]]


# A mail server that speaks as much of RFC 5321 as a submission needs.


@dataclass
class MailServer:
    """Takes mail as its stand says; `tls` offers STARTTLS, `password` wants a sign-in."""

    stand: Stand | None = None
    tls: ssl.SSLContext | None = None
    password: str = ""

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection."""
        try:
            await self._say(writer, "220 mail.example")
            while line := await reader.readline():
                if not await self._answer(line.decode().strip(), reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        assert self.stand is not None
        word = line.split(" ", maxsplit=1)[0].upper()
        self.stand.heard.append(line.encode())
        if word == "EHLO":
            offers = ["250-mail.example"]
            private = writer.get_extra_info("ssl_object") is not None
            offers += ["250-STARTTLS"] if self.tls and not private else []
            offers += ["250-AUTH PLAIN"] if self.password else []
            await self._say(writer, "\r\n".join([*offers, "250 OK"]))
        elif word == "STARTTLS" and self.tls is not None:
            await self._say(writer, "220 go on")
            await writer.start_tls(self.tls)
        elif word == "AUTH":
            await self._say(writer, "235 welcome")
        elif word == "DATA":
            await self._say(writer, "354 go on")
            await self._take(await reader.readuntil(b"\r\n.\r\n"), writer)
        else:
            await self._say(writer, self._reply(word))
        return word != "QUIT"

    def _reply(self, word: str) -> str:
        assert self.stand is not None
        if word == "RCPT" and self.stand.mood is Mood.BUSY:
            return "451 try again later"
        if word == "RCPT" and self.stand.mood is Mood.REFUSING:
            return f"550 no such user {self.stand.to}"
        return {"QUIT": "221 bye", "MAIL": "250 OK", "RCPT": "250 OK"}.get(
            word, "502 not here" if word not in ("RSET", "NOOP") else "250 OK"
        )

    async def _take(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        assert self.stand is not None
        mail = message_from_bytes(data.removesuffix(b".\r\n"), policy=default)
        number = str(mail["Message-ID"]).strip("<>").partition("@")[0]
        text = str(mail.get_content()).replace("\r\n", "\n").strip()
        self.stand.taken.append((number, text))
        self.stand.heard.append(data)
        await self._say(writer, "250 taken")

    async def _say(self, writer: asyncio.StreamWriter, text: str) -> None:
        writer.write(f"{text}\r\n".encode())
        await writer.drain()


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Serve connections on loopback until left; yields the port."""
    async with serving(serve, tls) as server:
        yield port_of(server)


def port_of(server: asyncio.Server) -> int:
    """Return the port a server listens on."""
    return int(server.sockets[0].getsockname()[1])


@asynccontextmanager
async def serving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[asyncio.Server]:
    """Serve connections on loopback until left; yields the server."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            found = serve(reader, writer)
            assert asyncio.iscoroutine(found)
            await found
        except asyncio.CancelledError:
            writer.close()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield server
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def server_tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context for 127.0.0.1 and a client's that trusts it."""
    authority = Authority(folder / "tls")
    authority.issue("mail", "mail", server=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls = folder / "tls"
    context.load_cert_chain(tls / "mail.pem", tls / "mail.key")
    return context, authority.stranger()


@asynccontextmanager
async def a_mail_stand(folder: Path) -> AsyncIterator[Stand]:
    """Mail by STARTTLS and a sign-in, as most servers want it."""
    server, client = server_tls(folder)
    inside = MailServer(tls=server, password=PASSWORD)
    async with serving(inside.serve) as at:
        port = port_of(at)
        settings = SmtpSettings(
            "127.0.0.1",
            port,
            "billing@street.example",
            MailTls.STARTTLS,
            "us",
            PASSWORD,
        )
        outlet = SmtpOutlet(settings, client)
        inside.stand = Stand(
            Way.EMAIL, outlet, "ada@home.example", text=BODY, server=at
        )
        yield inside.stand


@asynccontextmanager
async def an_implicit_mail_stand(folder: Path) -> AsyncIterator[Stand]:
    """Mail with TLS from the first byte."""
    server, client = server_tls(folder)
    inside = MailServer()
    async with serving(inside.serve, server) as at:
        port = port_of(at)
        settings = SmtpSettings(
            "127.0.0.1", port, "billing@street.example", MailTls.IMPLICIT
        )
        outlet = SmtpOutlet(settings, client)
        inside.stand = Stand(
            Way.EMAIL, outlet, "ada@home.example", text=BODY, server=at
        )
        yield inside.stand


# Receivers over HTTP.

_STATUS = {
    Mood.TAKING: "202 Accepted",
    Mood.BUSY: "503 Busy",
    Mood.REFUSING: "410 Gone",
}


def _http(stand: Stand) -> Callable[..., object]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        told = dict(
            line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2]
        )
        body = await reader.readexactly(int(told["content-length"]))
        stand.heard.append(head + body)
        if stand.mood is Mood.TAKING:
            found = json.loads(body)
            stand.taken.append((found["id"], found["text"]))
        status = _STATUS[stand.mood]
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    return serve


@asynccontextmanager
async def a_webhook_stand(folder: Path) -> AsyncIterator[Stand]:
    """A member's URL, by https; our own network is allowed here."""
    server, client = server_tls(folder)
    outlet = Webhook(lambda: AT + 5, private=True, tls=client)
    stand = Stand(Way.WEBHOOK, outlet, "")
    async with serving(_http(stand), server) as at:
        stand.server = at
        stand.to = f"https://127.0.0.1:{port_of(at)}/hook?me=7"
        yield stand


@asynccontextmanager
async def an_sms_stand(_folder: Path) -> AsyncIterator[Stand]:
    """A gateway on this machine."""
    stand = Stand(Way.SMS, FileOutlet(Path(os.devnull)), "+254700000007")
    async with serving(_http(stand)) as at:
        stand.server = at
        gateway = SmsGateway(f"http://127.0.0.1:{port_of(at)}/send", "token")
        stand.outlet = gateway
        yield stand
        await gateway.close()


@asynccontextmanager
async def a_file_stand(folder: Path) -> AsyncIterator[Stand]:
    """A file of lines; its bad mood is a folder that is not there."""
    path = folder / "letters.jsonl"
    yield Stand(Way.FILE, FileOutlet(path), "ada", text=SHORT)


def read_letters(path: Path) -> list[tuple[str, str]]:
    """Return what a file of letters holds."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(one["id"], one["short"]) for one in map(json.loads, lines)]
