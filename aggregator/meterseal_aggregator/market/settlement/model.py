"""The nouns of settlement: a slot as its meter tells it, and what a run found and posted.

Energy in Wh, money in micro-units, time in Unix seconds. Pure. This module must never
read a table.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from meterseal_aggregator.ledger.model import Transfer
from meterseal_aggregator.market.model import Trade
from meterseal_aggregator.market.settlement.runs import Run

Key = tuple[int, int]
"""How a slot is found: meter point and first second."""


class BooksDiffer(Exception):
    """The ledger does not take what a run says: nothing is written, look at once."""


class How(Enum):
    """Who tells what a slot exported."""

    METER = "meter"
    """Every open export register that stood there is minted through the slot."""
    MOCK = "mock"
    """No meter stood there, and this is a demo."""
    NOBODY = "nobody"
    """Not yet; after the last run, never."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a meter point: `export_wh` is what its seller was credited with there."""

    meter_point: int
    start: int
    length: int
    seller: int
    export_wh: int
    how: How

    @property
    def key(self) -> Key:
        """How it is found."""
        return self.meter_point, self.start

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Covered:
    """What a buyer was given for what he had to buy elsewhere.

    `stake` and `fund` by earlier runs, `credited` by disputes that were decided.
    """

    stake: int = 0
    fund: int = 0
    credited: int = 0


@dataclass(frozen=True, slots=True)
class TradeRun:
    """What a run found for a trade, and the money it posted beyond the runs before.

    `metered_wh` and `delivered_wh` are totals. paid = to_seller + fee + losses. What is taken
    back of compensation is negative; `arrears` is what the buyer's balance did not give.
    `uncovered` is what neither stake nor fund gave here: a dispute may have credited it.
    """

    trade: Trade
    run: Run
    metered_wh: int
    delivered_wh: int
    paid: int
    to_seller: int
    fee: int
    losses: int
    from_stake: int
    from_fund: int
    uncovered: int
    arrears: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trade's run with its entries, which are one chain."""

    found: TradeRun
    chain: list[Transfer]


@dataclass(frozen=True, slots=True)
class SlotRun:
    """What became of a slot's export: export + owed = traded + fed in + kept."""

    export_wh: int
    traded_wh: int
    fed_in_wh: int
    kept_wh: int
    owed_wh: int


NOTHING: Final = SlotRun(0, 0, 0, 0, 0)
"""Of a slot that no run looked at before."""
