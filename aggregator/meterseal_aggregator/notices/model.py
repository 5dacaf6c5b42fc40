"""Notices' nouns: what is told, by which way, and a letter as it goes out.

Pure. A letter holds an amount, a day and a link at most. This module must never hold
usage.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Way(StrEnum):
    """How somebody is reached."""

    EMAIL = "email"
    SMS = "sms"
    WEBHOOK = "webhook"
    """A URL of the member's, called with a signed body."""
    FILE = "file"
    """A line of a file on the aggregator's machine: for a demo, or another program."""


class Kind(StrEnum):
    """What somebody is told."""

    BILL_ISSUED = "bill-issued"
    BILL_OVERDUE = "bill-overdue"
    TRADE_SETTLED = "trade-settled"
    AGENT_SILENT = "agent-silent"
    DISPUTE_DECIDED = "dispute-decided"


class State(StrEnum):
    """Where a notice stands."""

    WAITING = "waiting"
    SENT = "sent"
    """Somebody took it; he may have got it twice."""
    GIVEN_UP = "given-up"
    """Tried to the end, or refused for good: a person should look."""
    MOOT = "moot"
    """There was nothing to tell any more, or nowhere to tell it."""


USUAL: Final = frozenset(Kind) - {Kind.TRADE_SETTLED}
"""What is told where nobody says otherwise: a trader has a trade a slot, 96 a day."""


class Undeliverable(Exception):
    """It will never arrive there; the message says why. Trying again would not help."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody is reached; `secret` signs what goes to a webhook, 32 bytes or none."""

    way: Way
    to: str = field(repr=False)
    secret: bytes = field(default=b"", repr=False)
    kinds: frozenset[Kind] = USUAL


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes out: the same `id` (32 hex characters) however often it is sent.

    `at` is when it happened (Unix s); `body` are paragraphs, `short` is one SMS.
    """

    id: str
    kind: Kind
    at: int
    address: Address
    subject: str
    body: str
    short: str
    link: str = ""
