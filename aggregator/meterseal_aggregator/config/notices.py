"""The table of notices: the ways out there are, and where operators are reached.

    [notices]
    link = "https://street.example/app"          begins every link
    operators = [{ way = "email", address = "ops@street.example" }]
    [notices.smtp]
    host = "mail.street.example"
    sender = "billing@street.example"
    username = "billing"
    password_file = "/etc/meterseal/smtp-password"

Secrets are files, 0600. This module must never read one.
"""

from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from meterseal_aggregator.config.tables import Table
from meterseal_aggregator.notices.duty import SILENT_AFTER_S
from meterseal_aggregator.notices.model import Address, Way
from meterseal_aggregator.notices.outlets.smtp import MailTls, SmtpSettings
from meterseal_aggregator.notices.preferences import WrongAddress, check
from meterseal_proto.loopback import is_loopback

PORTS: Final = {MailTls.STARTTLS: 587, MailTls.IMPLICIT: 465, MailTls.NONE: 25}
"""RFC 8314 3.3 and RFC 6409 3.1; a server on this machine has 25."""
MAX_SILENCE_S: Final = 30 * 86_400
MAX_OPERATORS: Final = 8


class Smtp(Table):
    """The server that mail is submitted to; plain only on this machine."""

    host: str = Field(min_length=1, max_length=253)
    port: int | None = Field(default=None, ge=1, le=65_535)
    sender: str = Field(min_length=3, max_length=254)
    tls: MailTls = MailTls.STARTTLS
    username: str | None = None
    password_file: Path | None = None
    ca: Path | None = None

    @model_validator(mode="after")
    def _wire_is_safe(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("give username with password_file, or neither")
        # The same rules once more, before anybody reads a secret.
        self.settings(None if self.username is None else "")
        return self

    def settings(self, password: str | None) -> SmtpSettings:
        """Return what the outlet takes; ValueError where it would speak in the open."""
        port = self.port or PORTS[self.tls]
        return SmtpSettings(
            self.host, port, self.sender, self.tls, self.username, password
        )


class Sms(Table):
    """A gateway that takes {"id", "to", "text"} as JSON; its token in a file, 0600."""

    url: str = Field(pattern=r"^https?://[^\s@?#]+$")
    token_file: Path | None = None
    ca: Path | None = None

    @model_validator(mode="after")
    def _wire_is_safe(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError(f"url {self.url} is not this machine: write https://")
        return self


class Webhooks(Table):
    """Calls to members' own URLs; `private` also to those of our own network."""

    enabled: bool = True
    private: bool = False


class Operator(Table):
    """Where an operator is told of silent agents."""

    way: Literal["email", "sms", "file"]
    address: str = Field(min_length=1, max_length=500)

    @model_validator(mode="after")
    def _address_is_one(self) -> Self:
        try:
            check(self.told())
        except WrongAddress as error:
            raise ValueError(str(error)) from None
        return self

    def told(self) -> Address:
        """Return it as the room knows it."""
        return Address(Way(self.way), self.address)


class Notices(Table):
    """What goes out by which way; nothing where none is configured."""

    link: str = Field(default="", pattern=r"^(https?://[^\s?#]+[^\s?#/])?$")
    silent_after_s: int = Field(default=SILENT_AFTER_S, ge=60, le=MAX_SILENCE_S)
    operators: tuple[Operator, ...] = Field(default=(), max_length=MAX_OPERATORS)
    smtp: Smtp | None = None
    sms: Sms | None = None
    webhooks: Webhooks = Webhooks()
    file: Path | None = None

    @model_validator(mode="after")
    def _operators_can_be_reached(self) -> Self:
        ways = [one.way for one in self.operators]
        if len(set(ways)) < len(ways):
            raise ValueError("operators: one address a way")
        wanted = {"email": self.smtp, "sms": self.sms, "file": self.file}
        for way in ways:
            if wanted[way] is None:
                raise ValueError(f"operators: configure a way out for {way} first")
        return self

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where operators are reached."""
        return tuple(one.told() for one in self.operators)
