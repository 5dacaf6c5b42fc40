"""Do what a member wants of lane C: read how things stand, decide, post, write, tell.

    deed = await do(tx, Wish(Kind.BUY, 7, seller=3, wh=500, bound=80_000, key="a"), now=now)

The same wish under the same key is done once and answers alike. This module must never
leave the ledger and the listing's book apart: both change in the caller's transaction, or
neither does.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.identity import events
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.model import Refusal, Result, linked
from meterseal_aggregator.market.listings import store
from meterseal_aggregator.market.listings.model import HOUSE, Deed, Kind, Wish
from meterseal_aggregator.market.listings.rules import decide, transfers
from meterseal_aggregator.market.model import Cause, Declined, check_same
from meterseal_aggregator.storage.database import Transaction

_FIELDS: Final = {
    Kind.ADD: "",
    Kind.REMOVE: "",
    Kind.BUY: "most_micro",
    Kind.REFUND: "least_micro",
}
"""What a wish's bound is called by whoever asks."""


async def do(tx: Transaction, wish: Wish, *, now: int) -> Deed:
    """Do what a member wants, once a key; raises Declined with what to do."""
    known = await store.by_key(tx, wish.member, wish.key)
    if known is not None:
        return _same(known, wish)
    terms = await store.terms_at(tx, now)
    standing = await store.standing(tx, wish, terms, now=now)
    deed = decide(standing, wish, terms, now=now)
    _check(await ledger.post(tx, linked(transfers(deed)), now=now))
    await store.keep(tx, deed)
    await events.tell(tx, _news(deed), now=now)
    return deed


def _same(known: Deed, wish: Wish) -> Deed:
    """Return a key's deed if it was this wish; raises Declined with what differs."""
    before = known.wish
    compared = (
        ("kind", before.kind, wish.kind),
        ("seller", before.seller, wish.seller),
        ("wh", before.wh, wish.wh),
        (_FIELDS[wish.kind], before.bound, wish.bound),
    )
    check_same(f"listing deed {known.id}", compared)
    return known


def _check(results: Sequence[Result]) -> None:
    """Go on if the ledger entered all of it; raises Declined where a dispute holds it."""
    for result in results:
        if result.refusal in (None, Refusal.LINKED_FAILED):
            continue
        if result.refusal is Refusal.FROZEN:
            raise Declined(
                Cause.FROZEN, "a dispute is open about this: wait for its end"
            )
        if result.refusal is Refusal.OVERFLOW:
            raise Declined(
                Cause.RESERVE,
                "the ledger cannot count sums as large as this would make",
            )
        # Balances were read in this transaction: the book and the ledger differ.
        raise AssertionError(f"the ledger answers {result} to a deed of lane C")


def _news(deed: Deed) -> list[events.Told]:
    wish = deed.wish
    body = {
        "id": deed.id,
        "kind": wish.kind.value,
        "wh": wish.wh,
        "amount_micro": deed.amount + deed.commission,
    }
    news = [events.Told(wish.member, "listing", body)]
    if wish.kind is Kind.BUY and wish.seller != HOUSE:
        sold = {
            "id": deed.id,
            "kind": "sold",
            "wh": wish.wh,
            "amount_micro": deed.amount,
            "left_wh": deed.left_wh,
        }
        news.append(events.Told(wish.seller, "listing", sold))
    return news
