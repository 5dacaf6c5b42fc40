"""What goes over the wire: the site's parts, and the strict shapes of requests and pages.

Every request shape is strict: it must never take another type for a number, an unknown
key, or a text without a limit. Ids are decimal integers, bytes are lower-case hex, times are UTC
Unix seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from meterseal_aggregator.billing.chain.model import Till
from meterseal_aggregator.billing.receivables.vault import Vault
from meterseal_aggregator.intake.batch import Tally as IntakeTally
from meterseal_aggregator.intake.beside.desk import BesideTally
from meterseal_aggregator.intake.port import Counters
from meterseal_aggregator.jobs import Tally
from meterseal_aggregator.market.documents.desk import Desk
from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.privacy.errands.desk import ErrandTally
from meterseal_aggregator.registry.enrol import NetworkTerms
from meterseal_aggregator.stacks.outbox.advice import Means
from meterseal_aggregator.stacks.wallet.handover import ChainDoor
from meterseal_aggregator.stacks.withdrawals.model import Teller
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.web.limits import Rate
from meterseal_aggregator.web.listeners import Listeners
from meterseal_aggregator.web.problems import not_found
from meterseal_proto.backfill import Backfill
from meterseal_proto.units import RegisterId, parse_obis

MAX_PAGE: Final = 1_000
"""Rows a page: about ten days of quarter hours, 200 KiB of JSON."""
MAX_ID: Final = (1 << 63) - 1
MAX_SECOND: Final = 1 << 40
"""The year 36812: later seconds are slips."""
ENROLMENTS_PER_S: Final = 2.0
"""A lorry of agents enrols from one address; guessing 122 bits does not get anywhere."""
ENROLMENT_BURST: Final = 60
TOTALS_PER_S: Final = 2.0
"""Of one address: a total's file holds up to 2,000 homes' headers, added up once more."""
TOTALS_BURST: Final = 60
WALLETS_PER_S: Final = 1.0
"""Of one member: each asks a node twice, and nobody signs faster by hand."""
WALLET_BURST: Final = 60
TRADES_PER_S: Final = 0.5
"""Of one member, without end; a burst lets a program sell a month's days in one go."""
TRADE_BURST: Final = 300
SEARCHES_PER_S: Final = 2.0
"""Of one member: each looks at every open slot of its hours, which may be a month of
everybody's, and four are looked for at once."""
SEARCH_BURST: Final = 60

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Site:
    """All that the routes may use; made by the composition root.

    `now` is the network's time, `real_now` real time, both in Unix seconds.
    """

    database: Database
    terms: NetworkTerms
    now: Callable[[], float]
    real_now: Callable[[], float]
    uplink: Counters
    intake: IntakeTally
    duties: Mapping[str, Tally]
    ask_again: Callable[[Backfill], bool] | None = None
    """Signs a request for telemetry and sends it; tells whether the agent was there."""
    beside: BesideTally | None = None
    errands: ErrandTally | None = None
    proving: frozenset[str] = frozenset()
    """Names of the publishers whose anchors a stranger may rely on."""
    means: Callable[[], Means] = lambda: Means(frozenset(), 0)
    """What we sign by on the chain, as configured now."""
    publics: Rate = field(
        default_factory=lambda: Rate(1 / ENROLMENTS_PER_S, ENROLMENT_BURST)
    )
    """The rate of what needs no token but costs a signature."""
    totals: Rate = field(default_factory=lambda: Rate(1 / TOTALS_PER_S, TOTALS_BURST))
    """The rate of what anybody may ask about totals."""
    wallets: Rate = field(default_factory=lambda: Rate(1 / WALLETS_PER_S, WALLET_BURST))
    """The rate of what a member asks of the chain."""
    trades: Rate = field(default_factory=lambda: Rate(1 / TRADES_PER_S, TRADE_BURST))
    """The rate of what a member wants of the market."""
    searches: Rate = field(
        default_factory=lambda: Rate(1 / SEARCHES_PER_S, SEARCH_BURST)
    )
    """The rate of what a member looks for among all offers."""
    market: MarketRules = field(default_factory=MarketRules)
    """The numbers of trust, and whether this is a demo."""
    listeners: Listeners = field(default_factory=Listeners)
    """Who listens to what happens to him."""
    documents: Desk = field(default_factory=Desk)
    """Reads meter documents; asks a model only where one is configured."""
    vault: Vault | None = None
    """Opens the keys of devices that take tokens; None where nobody gave it its secret."""
    chain: ChainDoor | None = None
    """The chain as members are shown it; None where `[stacks]` names none."""
    teller: Callable[[], Teller | None] = lambda: None
    """Who mints what members withdraw, and where; None likewise."""
    till: Callable[[], Till | None] = lambda: None
    """Who provides on the chain, and where bills are computed and paid; None likewise."""


class RequestBody(BaseModel):
    """A request's body."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class View(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)


class Page(View, Generic[T]):
    """A page of a list; `next` is the cursor to go on with, null at the end."""

    items: list[T]
    next: str | None


def _digits(text: object) -> object:
    """Let only the one spelling of a number in a path be read as one."""
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise ValueError("write a whole number")
    return text


Name = Annotated[
    str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Second = Annotated[int, Field(ge=0, le=MAX_SECOND)]
Watts = Annotated[int, Field(gt=0, le=100_000_000)]
ById = Annotated[int, BeforeValidator(_digits), Path(ge=1, le=MAX_ID)]
MeterHex = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Obis = Annotated[
    str, Path(pattern=r"^\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(\*\d{1,3})?$")
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
AfterId = Annotated[int, Query(ge=0, le=MAX_ID)]


def cursor(found: list[T], limit: int, last: Callable[[T], object]) -> str | None:
    """Return the cursor after a full page, None when the page was the last one."""
    return str(last(found[-1])) if len(found) == limit else None


def parse_register(text: str) -> RegisterId:
    """Return the register an OBIS code in a path names; raises the answer 404."""
    try:
        return parse_obis(text)
    except ValueError:
        raise not_found("register") from None
