"""The chart of accounts: every account there may be, by asset, with its floor and meaning.

An account opens when it is first named. Two sides meet in each asset. In Wh everything
comes out of `meter:*:measured`. In money everything comes in from outside through `cash`
(the till, the bank, mobile money: whatever an operator recorded) or `chain:*` (what an
indexer event told), and goes out the same way.

Floors of money, and why:

- What somebody owns (`user`, `escrow`, `stake`) and the two purses (`mutual-fund`,
  `reward-pool`) cover their debits: nobody spends what is not there.
- `cash` covers its credits: we never pay out more than ever came in, so a mistyped payout
  is refused even where the member's balance would allow it.
- `arrears` covers its credits: a debt is not paid twice.
- `fee`, `wheeling`, `utility` and `tax` have none. A credit note may come after the money
  was paid out; they owe then, and refusing the correction would be worse. `rounding` takes
  remainders of both signs. Who pays these out asks for `AtMost.DEBIT`.
- `chain` has none: the contract is the truth there, and the ledger may not refuse what
  has happened. Withdrawals are bound by the floor of the account they leave.

This module must never know a balance. Pure.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from meterseal_aggregator.ledger.accounts import CASH
from meterseal_aggregator.ledger.model import WH, Account, AccountCode, Asset, Floor


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One kind of account: `pattern` with `*` for a subject, its floor and its meaning."""

    pattern: str
    floor: Floor
    meaning: str


DISPUTES: Final = AccountCode("disputes")
"""The other side of an entry that freezes one account, in every asset. It holds nothing:
its floor refuses any credit, and a freeze moves 0."""
DISPUTABLE: Final = frozenset({"escrow", "stake"})
"""Accounts, by their first word, that a dispute may stop: what somebody else's trade, mint or
deposit must always reach is not among them, or one dispute would hold up the house."""

_DISPUTES: Final = ChartLine(
    DISPUTES, Floor.DEBITS_COVER, "other side of what freezes an account; holds nothing"
)
ENERGY: Final = (
    ChartLine("meter:*:measured", Floor.DEBITS_COVER, "exported Wh credited so far"),
    ChartLine("producer:*", Floor.CREDITS_COVER, "credits of the member who made them"),
    ChartLine("escrow:*", Floor.CREDITS_COVER, "credits bound to a trade"),
    ChartLine("buyer:*", Floor.CREDITS_COVER, "credits of the member who bought them"),
    ChartLine("chain:*", Floor.CREDITS_COVER, "credits withdrawn to the Stacks rail"),
    ChartLine("retired:*", Floor.CREDITS_COVER, "credits used up, by beneficiary"),
    ChartLine("reversed", Floor.CREDITS_COVER, "credits taken back by corrections"),
    ChartLine("debt:*", Floor.DEBITS_COVER, "corrections a producer still owes"),
    _DISPUTES,
)
"""Accounts of Wh."""
MONEY: Final = (
    ChartLine("user:*", Floor.CREDITS_COVER, "money of a member, free to spend"),
    ChartLine("escrow:*", Floor.CREDITS_COVER, "money bound to a trade"),
    ChartLine("stake:*", Floor.CREDITS_COVER, "money a seller answers with"),
    ChartLine("mutual-fund", Floor.CREDITS_COVER, "pays what a stake does not"),
    ChartLine("reward-pool", Floor.CREDITS_COVER, "pays rewards for paying in time"),
    ChartLine(CASH, Floor.DEBITS_COVER, "the outside world, as an operator records it"),
    ChartLine("arrears:*", Floor.DEBITS_COVER, "bills a member has not paid yet"),
    ChartLine("fee", Floor.NONE, "what the market charges"),
    ChartLine("wheeling", Floor.NONE, "what the lines' owner charges"),
    ChartLine("utility", Floor.NONE, "paid for supply, pays for what is fed in"),
    ChartLine("tax:*", Floor.NONE, "held for an authority, by tax"),
    ChartLine("rounding", Floor.NONE, "remainders of rounding, of both signs"),
    ChartLine("chain:*", Floor.NONE, "money on the Stacks rail, as its events tell"),
    _DISPUTES,
)
"""Accounts of every asset of money, in its micro-units."""

_SUBJECT: Final = "[A-Za-z0-9._-]{1,64}"
_ASSET: Final = re.compile("[A-Z0-9]{2,12}")
_Lines = dict[str, tuple[re.Pattern[str], Floor]]


def is_money(asset: Asset) -> bool:
    """Tell whether a name can be an asset of money: 2-12 capitals and digits (`XTS`).

    Which of them there are the network says: `ledger.assets.declare`.
    """
    return _ASSET.fullmatch(asset) is not None


def _compiled(lines: tuple[ChartLine, ...]) -> _Lines:
    """Key each line by its first word: a name is tried against one pattern, not all."""
    return {
        line.pattern.partition(":")[0]: (
            re.compile(re.escape(line.pattern).replace(r"\*", _SUBJECT)),
            line.floor,
        )
        for line in lines
    }


_ENERGY: Final = _compiled(ENERGY)
_MONEY: Final = _compiled(MONEY)


@lru_cache(maxsize=100_000)
def opened(asset: Asset, code: AccountCode) -> Account | None:
    """Return the empty account the chart allows under this name, or None."""
    if asset == WH:
        lines = _ENERGY
    elif is_money(asset):
        lines = _MONEY
    else:
        return None
    line = lines.get(code.partition(":")[0])
    if line is None or line[0].fullmatch(code) is None:
        return None
    return Account(asset=asset, code=code, floor=line[1])
