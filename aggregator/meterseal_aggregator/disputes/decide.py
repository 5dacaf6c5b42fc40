"""Deciding a dispute: what it froze goes on, what was right is made good, the log is told.

    ended = await decide(tx, number, Decision(State.UPHELD, Remedy.CREDIT, ...), now=now)

A correction comes first, by whoever corrects readings and bills: then the decision names it.
A credit is paid to the member's money, of a bill by the utility, of a trade by the mutual
fund. One transaction holds all of it, the operators' trail, and the entry of the log: the
decision's salted hash, of type 4 for a bill's dispute and 3 for a trade's, which say to the
same readers as their subjects that something was settled. This module must never change a
bill, nor decide a dispute twice.
"""

import secrets

from meterseal_aggregator.billing.model import Act, BillAct, BillState
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.disputes import store
from meterseal_aggregator.disputes.model import (
    SALT_BYTES,
    Cause,
    Decided,
    Decision,
    Dispute,
    NotDisputed,
    Remedy,
    Subject,
    check_decision,
    decision_hash,
    transfer_id,
)
from meterseal_aggregator.disputes.open import WHY, release, whole_of
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.events import Told, tell
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import MUTUAL_FUND, UTILITY, user
from meterseal_aggregator.ledger.model import Refusal, Transfer
from meterseal_aggregator.market import history, trades
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto.entry import bill_hash_entry, trade_event_entry
from meterseal_proto.rating.statement import Rail


async def decide(
    tx: Transaction, number: int, made: Decision, *, now: int, real_now: int
) -> tuple[Dispute, Decided]:
    """Decide an open dispute; raises NotDisputed, and then nothing is written.

    `now` is the network's second, `real_now` the real one, which the trail is kept in.
    """
    found = await store.dispute(tx, number)
    check_decision(found, made)
    await _check_remedy(tx, found, made)
    await release(tx, found, made.actor, now=now)
    if made.remedy is Remedy.CREDIT:
        await _credit(tx, found, made, now=now)
    kept = await _logged(tx, found, made, now=now)
    await store.end(tx, number, made.verdict, now=now)
    await store.keep_decision(tx, kept)
    what = f"{number}: {made.verdict.value}"
    await identity.note(tx, made.actor, "decide-dispute", what, now=real_now)
    body: dict[str, object] = {
        "dispute": number,
        "state": made.verdict.value,
        "amount_micro": made.amount,
    }
    await tell(tx, [Told(found.member, WHY, body)], now=now)
    return await store.dispute(tx, number), kept


async def _check_remedy(tx: Transaction, found: Dispute, made: Decision) -> None:
    if made.remedy is Remedy.CREDIT:
        await _check_credit(tx, found, made.amount)
    if found.bill is None:
        return
    standing = (await bills.standings(tx, [found.bill]))[found.bill]
    corrected = standing.state is BillState.CORRECTED
    if made.remedy is Remedy.CORRECTION and not corrected:
        raise NotDisputed(
            Cause.STATE, "the bill is not corrected yet: correct it first, then decide"
        )
    if made.remedy is not Remedy.CREDIT:
        return
    row = (await bills.bills_by_id(tx, [found.bill]))[found.bill]
    if row.rail is not Rail.LEDGER:
        raise NotDisputed(
            Cause.RAIL, "a bill of the chain is made good by a correction"
        )


async def _check_credit(tx: Transaction, found: Dispute, amount: int) -> None:
    """Go on if nothing is made good twice.

    Not by another credit, nor by a correction or a trade's compensation before.
    """
    most = found.claimed
    if found.trade is not None:
        credited = await store.credited_of_trade(tx, found)
        most = await _worth(tx, found) - credited
        left = found.claimed - credited
    else:
        assert found.bill is not None
        chain = await store.chain_of(tx, found.bill)
        rows = await bills.bills_by_id(tx, [found.bill, chain[-1]])
        now_asked = rows[chain[-1]].amount
        most -= max(0, rows[found.bill].amount - now_asked)
        left = now_asked - await store.credited_of(tx, chain)
    if amount > min(most, left):
        raise NotDisputed(
            Cause.AMOUNT,
            f"{max(0, min(most, left))} micro-units of it were not made good yet: credit"
            " less, or say that a correction did",
        )


async def _worth(tx: Transaction, found: Dispute) -> int:
    """Return what may be lost at most of a trade, less what its buyer was compensated."""
    assert found.trade is not None
    trade = await trades.by_id(tx, found.trade)
    assert trade is not None
    most = whole_of(trade)
    if found.member != trade.buyer:
        return most
    runs = await history.runs_of(tx, trade.id)
    return most - sum(run.from_stake + run.from_fund for run in runs)


async def _credit(tx: Transaction, found: Dispute, made: Decision, *, now: int) -> None:
    payer = UTILITY if found.subject is Subject.BILL else MUTUAL_FUND
    entry = Transfer(
        id=transfer_id(found.id, "credit"),
        amount=made.amount,
        debit=payer,
        credit=user(found.member),
        purpose=WHY,
        effective_at=now,
        asset=found.asset,
        reference=found.id.to_bytes(8),
    )
    (result,) = await ledger.post(tx, [entry], now=now)
    if result.refusal is Refusal.EXCEEDS_CREDITS:
        raise NotDisputed(
            Cause.FUNDS, "the mutual fund has not that much: pay in first"
        )
    assert result.entered, result
    if found.bill is not None:
        # Whoever corrects the bill later is told that so much of it was made good.
        last = (await store.chain_of(tx, found.bill))[-1]
        note = f"{WHY} {found.id}"
        act = BillAct(last, Act.CREDITED, made.amount, now, made.actor, note)
        await bills.act(tx, [act])


async def _logged(
    tx: Transaction, found: Dispute, made: Decision, *, now: int
) -> Decided:
    salt = secrets.token_bytes(SALT_BYTES)
    digest = decision_hash(salt, found, made, now)
    of_bill = found.subject is Subject.BILL
    entry = bill_hash_entry(digest) if of_bill else trade_event_entry(digest)
    (entry_id,) = await log.append(tx, [entry])
    return Decided(
        found.id, made.verdict, made.remedy, made.amount, made.actor, made.reason, now,
        salt, digest, entry_id,
    )  # fmt: skip
