"""Evaluate every invariant of ARCHITECTURE that applies: ask each room, believe none.

One reading transaction, so all rooms speak of the same moment. This module must never
change what it looks at, and never leave a room out because it failed: what raises is a finding.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from meterseal_aggregator.app.chain import chain_side, means
from meterseal_aggregator.app.chainbilling import till
from meterseal_aggregator.app.house import House
from meterseal_aggregator.billing import audit as payments_audit
from meterseal_aggregator.billing.chain import check as chain_bills_check
from meterseal_aggregator.billing.chain import nodecheck as chain_bills_nodecheck
from meterseal_aggregator.billing.private import check as private_bills_check
from meterseal_aggregator.billing.receivables import audit as receivables_audit
from meterseal_aggregator.billing.statements import audit as bills_audit
from meterseal_aggregator.billing.supplies import audit as supplies_audit
from meterseal_aggregator.credits import audit as credits_audit
from meterseal_aggregator.disputes import audit as disputes_audit
from meterseal_aggregator.identity import check as wallets_check
from meterseal_aggregator.intake import check as intake_check
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.market.auction import audit as auctions_audit
from meterseal_aggregator.market.documents import check as documents_check
from meterseal_aggregator.market.listings import audit as listings_audit
from meterseal_aggregator.market.settlement import audit as trades_audit
from meterseal_aggregator.privacy import check as privacy_check
from meterseal_aggregator.privacy.trustees import check as trustees_check
from meterseal_aggregator.registry import check as registry_check
from meterseal_aggregator.stacks.anchors import store as anchors
from meterseal_aggregator.stacks.mirror import bookcheck, books, nodecheck
from meterseal_aggregator.stacks.outbox import check as deeds_check
from meterseal_aggregator.stacks.withdrawals import check as withdrawals_check
from meterseal_aggregator.storage import audits
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.translog import fsck
from meterseal_aggregator.translog.store import Rotten
from meterseal_aggregator.vee import audit as vee_audit
from meterseal_aggregator.vee import editcheck, recount

Findings = Callable[[Transaction], Awaitable[list[Finding]]]

LOG: Final = 6
HEALED: Final = 10


async def audit(house: House) -> list[Finding]:
    """Return every room's findings, by the invariant's number."""
    vkey, genesis = house.keys.log.vkey, house.keys.genesis

    async def log(tx: Transaction) -> list[Finding]:
        return [await _log(tx, vkey)]

    async def told(tx: Transaction) -> list[Finding]:
        bills = await privacy_check.told(tx, genesis)
        sums = await privacy_check.community(tx, genesis)
        return bills + sums + await trustees_check.findings(tx, genesis)

    async def deeds(tx: Transaction) -> list[Finding]:
        return await deeds_check.findings(tx, means(house.config))

    rooms: dict[int, list[Findings]] = {
        1: [vee_audit.findings],
        2: [credits_audit.findings, registry_check.findings],
        4: [ledger_check.findings],
        LOG: [
            log,
            partial(intake_check.findings, genesis=genesis),
            partial(privacy_check.findings, genesis=genesis),
            partial(editcheck.findings, network=genesis.network),
        ],
        bookcheck.MIRRORED: [bookcheck.findings, _withdrawals],
        privacy_check.TOLD: [told],
        HEALED: [_anchors, deeds],
        wallets_check.INVARIANT: [partial(wallets_check.findings, genesis=genesis)],
        trades_audit.ENERGY: [trades_audit.findings],
        trades_audit.TRUST: [documents_check.findings],
        listings_audit.LISTED: [listings_audit.findings],
        payments_audit.RECORDED: [payments_audit.findings],
        auctions_audit.AUCTIONED: [auctions_audit.findings],
        recount.INVARIANT: [recount.findings],
        bills_audit.BILLS: [bills_audit.findings],
        receivables_audit.OWED: [receivables_audit.findings],
        chain_bills_check.INVARIANT: [
            partial(private_bills_check.findings, genesis=genesis),
            chain_bills_check.findings,
        ],
        disputes_audit.INVARIANT: [disputes_audit.findings],
        supplies_audit.SUPPLIED: [supplies_audit.findings],
    }
    found: list[Finding] = []
    async with house.database.reading() as tx:
        for number, asked in rooms.items():
            for findings in asked:
                found += await _ask(tx, number, findings)
    return sorted(found, key=lambda finding: finding.invariant)


async def audit_and_keep(house: House) -> list[Finding]:
    """Audit, and write down what came of it, so that a monitor sees when and how."""
    found = await audit(house)
    async with house.database.transaction() as tx:
        await audits.keep(tx, found, now=int(house.now()))
    return found


async def audit_chain(house: House) -> list[Finding]:
    """Compare mirrors and bills with what the contracts say, asked of the configured nodes."""
    async with chain_side(house) as side:
        known = till(house)
        if side is None or known is None:
            told = "no chain is configured: name nodes in [stacks]"
            return [Finding(bookcheck.MIRRORED, ok=False, detail=told)]
        asked = (house.database, side.node, side.contracts)
        found = await nodecheck.findings(*asked)
        return found + await chain_bills_nodecheck.findings(
            house.database, side.node, known
        )


async def _withdrawals(tx: Transaction) -> list[Finding]:
    followed = await bookcheck.is_followed(tx)
    supply = (await books.totals(tx)).total if followed else None
    return await withdrawals_check.findings(tx, supply)


async def _ask(tx: Transaction, number: int, findings: Findings) -> list[Finding]:
    try:
        return await findings(tx)
    except Rotten as rotten:
        return [Finding(number, ok=False, detail=str(rotten))]


async def _log(tx: Transaction, vkey: str) -> Finding:
    report = await fsck.check(tx, vkey)
    if report.difference is not None:
        return Finding(LOG, ok=False, detail=report.difference)
    return Finding(
        LOG,
        ok=True,
        detail=f"{report.entries} log entries and {report.checkpoints} checkpoints"
        " re-derived",
    )


async def _anchors(tx: Transaction) -> list[Finding]:
    waiting = await anchors.pending(tx)
    detail = f"{waiting} anchors are intended, not yet published, and not under way"
    return [Finding(HEALED, ok=not waiting, detail=detail)]
