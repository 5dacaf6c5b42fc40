"""Paying bills: from a member's balance, by his own act or as an operator records money.

    receipt = await pay(tx, Wish(7, 5_000_000, KES, "key", "2026-00000012"), now=now)

Every part is a transfer `user -> arrears`, all of a receipt in one chain; by a quote the
payer's asset goes to the utility and the utility pays the bill, linked. A bill's amount is
never paid twice: what is over stays on the balance. This module must never pay with what
a member does not hold.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.billing.model import Act, BillAct, Cause, Refused, check_same
from meterseal_aggregator.billing.payments import Direction, Payment, Towards
from meterseal_aggregator.billing.receivables import quotes, rewards, store
from meterseal_aggregator.billing.receivables.allot import (
    all_of,
    oldest_first,
    price,
    sum_of,
    worth,
)
from meterseal_aggregator.billing.receivables.model import (
    Owed,
    Part,
    Quote,
    Receipt,
    Source,
    Wish,
    prepaid,
    transfer_id,
)
from meterseal_aggregator.billing.statements.store import act
from meterseal_aggregator.identity import events
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import UTILITY, arrears, user
from meterseal_aggregator.ledger.model import (
    AccountCode,
    Asset,
    Refusal,
    Result,
    Transfer,
    linked,
)
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.storage.database import Transaction

PURPOSE: Final = "bill-payment"
EXCHANGE: Final = "bill-exchange"
"""The payer's asset, given to the utility by a quote."""


@dataclass(frozen=True, slots=True)
class _Giving:
    """Money to go to bills: at most `amount` of `asset`, from an account of the member's."""

    member: int
    source: Source
    purse: AccountCode
    asset: Asset
    amount: int
    actor: str
    bill: str = ""
    quote: Quote | None = None
    payment: int | None = None
    supply: int | None = None
    wish: str = ""
    key: str | None = None

    @property
    def bill_asset(self) -> Asset:
        """The asset of the bills it can pay."""
        return self.quote.bill_asset if self.quote else self.asset


async def pay(tx: Transaction, wish: Wish, *, now: int) -> Receipt:
    """Pay bills from the member's balance; the same wish under the same key is one.

    Raises Refused: KEY_USED, UNKNOWN, CURRENCY, STATE where nothing is to be paid or the
    quote ended, FUNDS.
    """
    known = await store.by_key(tx, wish.member, wish.key)
    if known is not None:
        return _same(*known, wish)
    quote, asset = await _by_what(tx, wish, now)
    giving = _Giving(
        wish.member, Source.MEMBER, user(wish.member), asset, wish.amount,
        f"member:{wish.member}", wish.bill, quote, wish=_told(wish), key=wish.key,
    )  # fmt: skip
    made = await _move(tx, giving, now)
    if made is None:
        raise Refused(
            Cause.STATE,
            f"no bill in {giving.bill_asset} waits to be paid: your money stays yours",
        )
    return made


async def _by_what(tx: Transaction, wish: Wish, now: int) -> tuple[Quote | None, Asset]:
    """Return the quote a wish takes, if any, and the asset it pays with."""
    if wish.quote is not None:
        quote = await quotes.in_force(tx, wish.quote, now=now)
        if wish.asset not in (None, quote.asset):
            detail = f"quote {quote.id} is for {quote.asset}: pay with that"
            raise Refused(Cause.CURRENCY, detail)
        return quote, quote.asset
    if wish.asset is not None:
        return None, wish.asset
    if wish.bill:
        return None, (await store.open_bill(tx, wish.bill, wish.member)).asset
    return None, Asset(await text_at(tx, Name.MONEY_ASSET, now))


async def settle(tx: Transaction, payment: Payment, *, now: int) -> Receipt | None:
    """Let a recorded payment pay what it is towards: one bill, or the oldest first.

    Asked again, the answer is the same; None where it pays no bill (any more). Raises
    Refused: UNKNOWN, STATE, CURRENCY for a bill it cannot pay, so nothing is recorded.
    """
    if payment.direction is not Direction.IN or payment.member is None:
        return None
    known = await store.by_payment(tx, payment.id)
    if known is not None or payment.towards is not Towards.BILLS:
        return known
    giving = _Giving(
        payment.member, Source.PAYMENT, user(payment.member), payment.asset,
        payment.amount, payment.actor, payment.bill, payment=payment.id,
    )  # fmt: skip
    return await _move(tx, giving, now)


async def take_share(
    tx: Transaction, payment: Payment, share: int, *, now: int
) -> Receipt | None:
    """Let a prepaid member's arrears take at most `share` of his top-up."""
    if payment.member is None or share <= 0:
        return None
    giving = _Giving(
        payment.member, Source.TOP_UP, user(payment.member), payment.asset, share,
        payment.actor, payment=payment.id,
    )  # fmt: skip
    return await _move(tx, giving, now)


async def draw_on(
    tx: Transaction, owed: Owed, drawn: int, *, now: int
) -> Receipt | None:
    """Pay a prepaid supply's bill with what its usage drew."""
    if drawn <= 0:
        return None
    giving = _Giving(
        owed.member, Source.PREPAID, prepaid(owed.supply), owed.asset, drawn,
        "billing", owed.number, supply=owed.supply,
    )  # fmt: skip
    return await _move(tx, giving, now)


async def _move(tx: Transaction, giving: _Giving, now: int) -> Receipt | None:
    rate = giving.quote.rate if giving.quote else None
    budget = giving.amount if rate is None else worth(giving.amount, rate)
    parts = await _parts(tx, giving, budget)
    if not parts:
        return None
    total = sum_of(parts)
    made = Receipt(
        await store.next_id(tx), giving.member, giving.source, giving.bill_asset, total,
        giving.asset, total if rate is None else price(total, rate),
        giving.quote.id if giving.quote else None, giving.payment, now, parts,
    )  # fmt: skip
    results = await ledger.post(tx, _transfers(made, giving), now=now)
    _check(results, giving)
    acts = [
        BillAct(
            part.bill, Act.PAID, part.amount, now, giving.actor, f"payment {made.id}"
        )
        for part in parts
    ]
    standings = await act(tx, acts)
    await store.keep(tx, made, wish=giving.wish, key=giving.key, supply=giving.supply)
    body = {"id": made.id, "asset": made.asset, "amount_micro": made.amount}
    await events.tell(tx, [events.Told(made.member, "bill-payment", body)], now=now)
    await rewards.earn(tx, list(standings.values()), now=now)
    return made


async def _parts(tx: Transaction, giving: _Giving, budget: int) -> list[Part]:
    if not giving.bill:
        owed = await store.open_bills(tx, giving.member, giving.bill_asset)
        return oldest_first(owed, budget)[0]
    one = await store.open_bill(tx, giving.bill, giving.member)
    if one.asset != giving.bill_asset:
        raise Refused(
            Cause.CURRENCY,
            f"bill {one.number} is in {one.asset}, not {giving.bill_asset}: pay in"
            f" {one.asset}, or by a quote for it",
        )
    return all_of(one, budget)[0]


def _transfers(made: Receipt, giving: _Giving) -> list[Transfer]:
    """Return the chain: each part into `arrears`, and before them what a quote takes."""
    by_quote = giving.quote is not None
    payer = UTILITY if by_quote else giving.purse
    chain = [
        Transfer(
            id=transfer_id(PURPOSE, made.id, place),
            amount=part.amount,
            debit=payer,
            credit=arrears(made.member),
            purpose=PURPOSE,
            effective_at=made.at,
            asset=made.asset,
            reference=part.number.encode(),
        )
        for place, part in enumerate(made.parts, 1)
    ]
    if by_quote:
        exchanged = replace(
            chain[0],
            id=transfer_id(EXCHANGE, made.id),
            amount=made.given,
            debit=giving.purse,
            credit=UTILITY,
            purpose=EXCHANGE,
            asset=made.given_asset,
            reference=made.id.to_bytes(8),
        )
        chain = [exchanged, *chain]
    return linked(chain)


def _check(results: Sequence[Result], giving: _Giving) -> None:
    for result in results:
        match result.refusal:
            case None | Refusal.LINKED_FAILED:
                continue
            case Refusal.EXCEEDS_CREDITS:
                detail = (
                    f"{giving.purse} does not hold that much {giving.asset}: pay money"
                    " in, or pay less"
                )
                raise Refused(Cause.FUNDS, detail)
            case Refusal.FROZEN:
                detail = f"a dispute holds {giving.purse}: wait for its end"
                raise Refused(Cause.FROZEN, detail)
            case _:
                raise AssertionError(f"the ledger answers {result} to a bill's payment")


def _told(wish: Wish) -> str:
    told = {
        "amount_micro": wish.amount,
        "asset": wish.asset,
        "bill": wish.bill,
        "quote": wish.quote,
    }
    return json.dumps(told, separators=(",", ":"))


def _same(known: Receipt, was: dict[str, object], wish: Wish) -> Receipt:
    """Return the receipt of a key if it is this wish; raises Refused with what differs."""
    asked = json.loads(_told(wish))
    check_same(f"payment {known.id}", ((n, was.get(n), asked[n]) for n in asked))
    return known
