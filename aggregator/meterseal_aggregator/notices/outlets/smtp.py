"""Mail by SMTP (RFC 5321), submitted with TLS to the operator's own server (RFC 8314).

The same letter has the same Message-ID, so a mail that arrives twice is seen to be one.
The standard library speaks it in threads of its own. This module must never send a
password or a mail in the open to another machine, nor go on where STARTTLS is refused.
"""

import asyncio
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from enum import StrEnum
from typing import Final

from meterseal_aggregator.notices.model import Letter, Undeliverable
from meterseal_proto.errors import Unavailable
from meterseal_proto.loopback import is_loopback

TIMEOUT_S: Final = 10.0
"""For each word of the exchange."""
WIRE: Final = SMTP.clone(cte_type="7bit")
"""No server need promise to take more than 7 bits (RFC 5321 2.4)."""
AT_ONCE: Final = 16
"""Mails submitted at once, a run's: each has a thread that nobody else waits for."""
FOR_GOOD: Final = 500
"""Replies from here on are permanent (RFC 5321 4.2.1)."""


class MailTls(StrEnum):
    """How a connection becomes private."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    """TLS from the first byte (RFC 8314 3.3)."""
    NONE = "none"
    """Not at all: to this machine only."""


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """The operator's server and sender; ValueError where it would speak in the open."""

    host: str
    port: int
    sender: str
    tls: MailTls = MailTls.STARTTLS
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.tls is MailTls.NONE and not is_loopback(self.host):
            raise ValueError(f"{self.host} is not this machine: use starttls")
        if (self.username is None) != (self.password is None):
            raise ValueError("give a username with its password, or neither")
        if "@" not in self.sender or not self.sender.isascii():
            raise ValueError("the sender is an address such as billing@example.org")


class SmtpOutlet:
    """Submits one mail a connection; `context` None trusts what this machine trusts."""

    def __init__(
        self, settings: SmtpSettings, context: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._context = context or ssl.create_default_context()
        self._threads = ThreadPoolExecutor(AT_ONCE, "mail")

    async def send(self, letter: Letter) -> None:
        """Submit a letter; raises as the port says."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._submit, letter)

    def _submit(self, letter: Letter) -> None:
        try:
            with self._connect() as server:
                if self._settings.tls is MailTls.STARTTLS:
                    server.starttls(context=self._context)
                if self._settings.username is not None:
                    password = self._settings.password or ""
                    server.login(self._settings.username, password)
                server.send_message(self.mail(letter), to_addrs=[letter.address.to])
        except smtplib.SMTPRecipientsRefused as refused:
            ((code, text),) = refused.recipients.values()
            raise _refusal(code, text) from None
        except smtplib.SMTPDataError as error:
            raise _refusal(error.smtp_code, error.smtp_error) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            # Whatever else it says, our sign-in among it, an operator can mend.
            raise Unavailable(f"{type(error).__name__}: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        one = self._settings
        if one.tls is MailTls.IMPLICIT:
            return smtplib.SMTP_SSL(
                one.host, one.port, timeout=TIMEOUT_S, context=self._context
            )
        return smtplib.SMTP(one.host, one.port, timeout=TIMEOUT_S)

    def mail(self, letter: Letter) -> EmailMessage:
        """Return a letter as it is submitted; Undeliverable for an address read otherwise."""
        mail = EmailMessage(policy=WIRE)
        mail["From"] = self._settings.sender
        mail["To"] = letter.address.to
        if str(mail["To"]) != letter.address.to:
            raise Undeliverable("mail reads this address otherwise: have it given anew")
        mail["Subject"] = letter.subject
        mail["Date"] = formatdate(letter.at, usegmt=True)
        mail["Message-ID"] = f"<{letter.id}@{self._settings.sender.partition('@')[2]}>"
        # No machine answers a machine (RFC 3834 5).
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(letter.body)
        return mail


def _refusal(code: int, text: bytes | str) -> Exception:
    told = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    words = f"{code} {told}"
    return Undeliverable(words) if code >= FOR_GOOD else Unavailable(words)
