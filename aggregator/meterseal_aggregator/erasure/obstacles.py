"""What stands against erasing a member, each with what to do first.

    for sentence in await obstacles(tx, 7, now=now): ...

Reads tables of every room below. While a supply runs, something is owed either way, or a
deed of his waits, somebody needs to know who he is. This module must never write.
"""

from typing import Final

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import REWARD_POOL, arrears, stake, user
from meterseal_aggregator.ledger.assets import declared
from meterseal_aggregator.storage.database import Transaction

# Each counts rows that stand against it, by member and the network's now.
_COUNTS: Final[tuple[tuple[str, str], ...]] = (
    (
        (
            "SELECT count(*) FROM tenancies"
            " WHERE member_id = ?1 AND coalesce(to_at, ?2 + 1) > ?2"
        ),
        "he is tenant of {} meter points: let him move out first",
    ),
    (
        (
            "SELECT count(*) FROM supplies"
            " WHERE member_id = ?1 AND coalesce(to_at, ?2 + 1) > ?2"
        ),
        "{} supplies of his run: end them first",
    ),
    (
        "SELECT count(*) FROM supplies WHERE member_id = ?1 AND billed_to < to_at",
        "{} supplies are not billed to their end: wait for the final bill",
    ),
    (
        (
            "SELECT count(*) FROM bills b JOIN bill_standings s ON s.bill_id = b.id"
            " WHERE b.member_id = ?1 AND s.state <> 'corrected'"
            " AND b.amount + s.late_fees + s.given > s.paid"
        ),
        "{} bills are not paid: let him pay, or credit them",
    ),
    (
        (
            "SELECT count(*) FROM prepaid_standings p JOIN supplies s ON s.id = p.supply_id"
            " WHERE s.member_id = ?1 AND p.drawn_from IS NOT NULL"
        ),
        "{} prepaid supplies hold money drawn for a bill: wait until it is settled",
    ),
    (
        "SELECT count(*) FROM rewards WHERE member_id = ?1 AND state = 'waiting'",
        f"{{}} rewards of his wait: fill {REWARD_POOL}, or wait until they are dropped",
    ),
    (
        "SELECT count(*) FROM disputes WHERE member_id = ?1 AND state = 'open'",
        "{} disputes of his are open: decide them first",
    ),
    (
        (
            "SELECT count(*) FROM trades"
            " WHERE state = 'held' AND (seller_id = ?1 OR buyer_id = ?1)"
        ),
        "{} trades of his wait for their meters: wait, or cancel them",
    ),
    (
        (
            "SELECT count(*) FROM orders WHERE state IN ('reserved', 'confirmed')"
            " AND (buyer_id = ?1 OR seller_id = ?1)"
        ),
        "{} orders of his are open: wait, or cancel them",
    ),
    (
        "SELECT count(*) FROM auction_orders WHERE member_id = ?1 AND state = 'sealed'",
        "{} sealed orders of his wait: cancel them first",
    ),
    (
        (
            "SELECT count(*) FROM offers f JOIN offer_slots s ON s.offer_id = f.id"
            " WHERE f.seller_id = ?1 AND f.withdrawn_at IS NULL AND s.closed_at IS NULL"
            " AND s.start > ?2"
        ),
        "{} slots of his are on offer: withdraw the offers first",
    ),
    (
        (
            "SELECT count(*) FROM withdrawals w JOIN withdrawn_parts p"
            " ON p.withdrawal_id = w.id WHERE w.member_id = ?1 AND p.state = 'leaving'"
        ),
        "{} parts of withdrawals are on their way: wait until they arrived",
    ),
    (
        "SELECT count(*) FROM listings WHERE seller = ?1 AND wh > 0",
        "he has Wh for sale ({} listing): take them back first",
    ),
    (
        "SELECT count(*) FROM certifiers WHERE member_id = ?1 AND to_at IS NULL",
        "he is a certifier ({}): end that first",
    ),
)


async def obstacles(tx: Transaction, member: int, *, now: int) -> list[str]:
    """Return what stands against it, none when he may be erased."""
    found = []
    for statement, sentence in _COUNTS:
        params = (member, now) if "?2" in statement else (member,)
        ((count,),) = await tx.rows(statement, params)
        if count:
            found.append(sentence.format(count))
    for asset in sorted(await declared(tx)):
        wanted = (user(member), stake(member), arrears(member))
        accounts = await ledger.balances(tx, asset, wanted)
        for code, account in sorted(accounts.items()):
            left = account.credits_posted - account.debits_posted
            if code == arrears(member) and left:
                found.append(f"{-left} micro-units of {asset} are owed: settle them")
            elif left:
                found.append(f"{code} holds {left} micro-units of {asset}: pay it out")
    return found
