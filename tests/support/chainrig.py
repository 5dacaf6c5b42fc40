"""A private home's bill with ears on the chain: asked, told, and held to its audits."""

import hashlib
from dataclasses import dataclass, field, replace

import pytest

from meterseal_aggregator.billing.chain import check, store
from meterseal_aggregator.billing.chain.ask import open_on_chain
from meterseal_aggregator.billing.chain.follow import Follow
from meterseal_aggregator.billing.chain.model import (
    ChainBill,
    ChainTariff,
    Moment,
    NotAsked,
    OpenWish,
    Till,
    Trouble,
)
from meterseal_aggregator.billing.chain.tokens import FollowTokens
from meterseal_aggregator.billing.chain.totals import on_totals
from meterseal_aggregator.billing.model import BillRow, BillState
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.model import AccountCode, Asset
from meterseal_aggregator.stacks.events import bills as told
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror.indexer import Settled
from meterseal_aggregator.stacks.transaction import Asset as Token
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.chainproof import opening
from meterseal_proto.chaintariff import chain_tariff_hash
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.energychain import AT, ORACLE
from tests.support.privatebills import STX, PrivateHome

USD = Asset("USDX")
TOKEN = Token(AT.contract("stable"), "stable")
TILL = Till(GENESIS, AT, ORACLE, ORACLE.text(), {USD: TOKEN}, 14 * 86_400)
ADA, EVE = (Principal(Address(26, bytes([n]) * 20)) for n in (1, 2))
NOW = Moment(2_000_000_000, 2_000_000_000)


@dataclass
class Rig:
    """A private home's bill with ears on the chain."""

    home: PrivateHome
    row: BillRow
    follow: Follow = field(default_factory=lambda: Follow(TILL, lambda: NOW.network))
    heard: int = 0

    async def tell(self, *events: Told) -> None:
        for one in events:
            self.heard += 1
            txid = hashlib.sha256(b"%d" % self.heard).hexdigest()
            at = Settled(self.heard, "b" * 64, txid, 0, one)
            async with self.home.desk.database.transaction() as tx:
                await self.follow(tx, at)
                await FollowTokens()(tx, at)

    def wish(self, **change: object) -> OpenWish:
        whole = self.home.opening
        found = opening(whole.value.reveal(), whole.blinding)
        wish = OpenWish(
            self.home.member, self.row.number, ADA, found.value, found.z, found.a
        )
        return replace(wish, **change)  # type: ignore[arg-type]

    async def ask(self, **change: object) -> ChainBill:
        async with self.home.desk.database.transaction() as tx:
            return await open_on_chain(tx, TILL, self.wish(**change), NOW)

    async def refuses(self, trouble: Trouble, **change: object) -> None:
        with pytest.raises(NotAsked) as caught:
            await self.ask(**change)
        assert caught.value.trouble is trouble

    async def bill(self) -> ChainBill:
        async with self.home.desk.database.reading() as tx:
            found = await store.of_bill(tx, self.row.id)
        assert found is not None
        return found

    async def issued(self) -> told.BillIssued:
        """What the contract tells of the bill as it was asked."""
        one = await self.bill()
        return told.BillIssued(
            1, ADA, ORACLE, one.meter, one.begin, one.end, one.usage, one.asked, 99
        )

    async def held(self, account: AccountCode, asset: Asset = STX) -> int:
        async with self.home.desk.database.reading() as tx:
            found = (await ledger.balances(tx, asset, [account])).get(account)
        return 0 if found is None else found.debits_posted - found.credits_posted

    async def standing(self) -> tuple[BillState, int]:
        async with self.home.desk.database.reading() as tx:
            one = (await bills.standings(tx, [self.row.id]))[self.row.id]
        return one.state, one.outstanding

    async def strays(self) -> list[str]:
        rows = await self.home.desk.rows(
            "SELECT what FROM chain_bill_strays ORDER BY id"
        )
        return [row[0] for row in rows]

    async def well(self) -> None:
        """Every audit holds."""
        async with self.home.desk.database.reading() as tx:
            found = await check.findings(tx) + await ledger_check.findings(tx)
        assert all(one.ok for one in found), found


async def post_tariff(home: PrivateHome) -> None:
    """Let the contract hold the tariff since before the period, and the wallet be Ada's."""
    whole = on_totals(home.tariff, BEGAN_AT)
    terms = TILL.terms(STX)
    name = chain_tariff_hash(whole, terms)
    async with home.desk.database.transaction() as tx:
        await store.add_tariff(
            tx,
            ChainTariff(
                name, home.tariff.hash(), whole.document(), ORACLE.text(), terms.due,
                BEGAN_AT, posted=False,
            ),
        )  # fmt: skip
        await store.tariff_stands(tx, name)
        await tx.rows(
            "INSERT INTO wallet_challenges (nonce, member_id, principal, made_at,"
            " expires_at, answered_at) VALUES (?, ?, ?, 1, 2, 1)",
            (bytes(32), home.member, ADA.text()),
        )
        await tx.rows(
            "INSERT INTO wallets (member_id, principal, nonce, signature, from_at)"
            " VALUES (?, ?, ?, ?, 1)",
            (home.member, ADA.text(), bytes(32), bytes(65)),
        )
