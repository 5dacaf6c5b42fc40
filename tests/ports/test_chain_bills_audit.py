"""`audit --node` finds each figure of a bill that its contract has otherwise than the books."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from meterseal_aggregator.billing.chain import nodecheck
from meterseal_aggregator.stacks.events import bills as told
from meterseal_aggregator.stacks.events.energy import UtilityMinted, UtilityMoved
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror import blocks
from meterseal_aggregator.stacks.mirror.blocks import Following
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.clarity import NONE, TRUE, Bool, Buffer, Optional, UInt, Value
from tests.support.billnode import SETTLED, BillNode, Contracts
from tests.support.chainrig import ADA, EVE, TILL, TOKEN, Rig, post_tariff
from tests.support.energychain import AT, ORACLE
from tests.support.fakenode import Trouble
from tests.support.privatebills import a_home

REWARD = 55


@dataclass
class Both:
    """Books that were told of a bill, half of it paid, and the contracts that told them."""

    rig: Rig
    holds: Contracts
    half: int

    @property
    def node(self) -> BillNode:
        return BillNode(self.holds)

    async def findings(self, node: BillNode | None = None) -> list[Finding]:
        database = self.rig.home.desk.database
        return await nodecheck.findings(database, node or self.node, TILL)


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    async with a_home(tmp_path) as home:
        await post_tariff(home)
        rig = Rig(home, await home.issue(await home.opened()))
        made = await rig.ask()
        issued, half = await rig.issued(), made.asked // 2
        await rig.tell(
            issued,
            told.BillPaid(1, ADA, half, made.asked - half),
            UtilityMinted(REWARD, ADA),
            told.BillHash(ORACLE, rig.row.hash),
        )
        async with home.desk.database.transaction() as tx:
            first = Following(AT.address.text(), 1, SETTLED, SETTLED, 0)
            await blocks.begin(tx, first)
        fields: dict[str, Value] = {
            "payer": ADA, "provider": ORACLE, "meter": Buffer(made.meter),
            "from": UInt(made.begin), "to": UInt(made.end), "tariff": Buffer(made.tariff),
            "asset": NONE, "amount": UInt(made.asked), "held": Bool(False),
            "due-at": UInt(issued.due_at), "usage": UInt(made.usage), "days": UInt(2),
        }  # fmt: skip
        hashes = {(ORACLE, rig.row.hash)}
        holds = Contracts(fields, half, 0, {ADA: REWARD}, hashes)
        yield Both(rig, holds, half)


async def test_books_are_what_the_contracts_answer(both: Both) -> None:
    (found,) = await both.findings()
    assert found == Finding(
        21, ok=True, detail=f"5 answers of the contracts up to block {SETTLED} about bills,"
        " tokens and hashes are the books'",
    )  # fmt: skip


async def test_each_part_is_asked_at_a_tip_of_its_own(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = both.node
    hasty.pace = 4
    (found,) = await both.findings(hasty)
    assert (found.ok, "moves on" in found.detail) == (False, True)
    monkeypatch.setattr(nodecheck, "PART", 1)
    hasty = both.node
    hasty.pace = 4
    (found,) = await both.findings(hasty)
    assert (found.ok, found.detail[:9]) == (True, "5 answers")
    both.holds.hashes.clear()
    (found,) = await both.findings()
    assert not found.ok


Change = Callable[[Contracts], object]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda one: one.bill.update({"payer": EVE}), "payer of bill 1"),
        (lambda one: one.bill.update({"meter": Buffer(bytes(16))}), "meter of bill 1"),
        (lambda one: one.bill.update({"from": UInt(1)}), "from of bill 1"),
        (lambda one: one.bill.update({"to": UInt(1)}), "to of bill 1"),
        (lambda one: one.bill.update({"tariff": Buffer(b"")}), "tariff of bill 1"),
        (lambda one: one.bill.update({"asset": Optional(TOKEN.contract)}), "asset of"),
        (lambda one: one.bill.update({"amount": UInt(1)}), "amount of bill 1 is"),
        (lambda one: one.bill.update({"held": TRUE}), "held of bill 1"),
        (lambda one: one.bill.update({"due-at": UInt(100)}), "due-at of bill 1"),
        (lambda one: one.bill.clear(), "payer of bill 1 is None on the chain"),
        (lambda one: setattr(one, "paid", one.paid + 1), "payment.get-paid"),
        (lambda one: setattr(one, "reward", 1), "payment.get-reward"),
        (lambda one: one.tokens.clear(), "utility-token.get-balance ST"),
        (lambda one: one.hashes.clear(), "of a bill does not stand on the chain"),
    ],
)
async def test_what_a_contract_has_otherwise_is_named(
    both: Both, change: Change, named: str
) -> None:
    change(both.holds)
    (found,) = await both.findings()
    assert not found.ok
    assert named in found.detail


@pytest.mark.parametrize("act", ["paid", "at-quote", "held", "lowered", "refunded"])
async def test_what_was_told_above_the_books_is_followed_in_memory(
    both: Both, act: str
) -> None:
    node, holds, half = both.node, both.holds, both.half
    amount = (await both.rig.bill()).asked
    left = amount - half
    above: dict[str, list[Told]] = {
        "paid": [told.BillPaid(1, EVE, left, 0), told.PaymentRewarded(1, ADA, 9)],
        "at-quote": [told.BillPaidAtQuote(1, EVE, left, TOKEN.contract, 7)],
        "held": [told.BillHeld(1, held=True, due_at=12_345)],
        "lowered": [told.BillCorrected(1, 5, half - 10, amount)],
        "refunded": [
            told.BillCorrected(1, 5, half - 10, amount),
            told.BillRefunded(1, 10),
            UtilityMoved(5, ADA, EVE),
        ],
    }
    match act:
        case "paid":
            holds.paid, holds.reward = amount, 9
        case "at-quote":
            holds.paid = amount
        case "held":
            holds.bill |= {"held": TRUE, "due-at": UInt(12_345)}
        case "lowered":
            holds.bill["amount"] = UInt(half - 10)
        case _:
            holds.bill["amount"], holds.paid = UInt(half - 10), half - 10
            holds.tokens = {ADA: REWARD - 5, EVE: 5}
    (before,) = await both.findings(node)
    assert not before.ok
    node.above = above[act]
    (found,) = await both.findings(node)
    assert found.ok, found


async def test_a_hash_posted_under_a_former_account_stands(both: Both) -> None:
    both.holds.hashes = {(EVE, both.rig.row.hash)}
    assert not (await both.findings())[0].ok
    async with both.rig.home.desk.database.transaction() as tx:
        await tx.rows(
            "INSERT INTO chain_tariffs SELECT zeroblob(32), tariff, document, ?, due,"
            " from_at, posted FROM chain_tariffs",
            (EVE.text(),),
        )
    assert (await both.findings())[0].ok


async def test_a_chain_that_cannot_be_compared_is_no_agreement(both: Both) -> None:
    node = both.node
    node.restless = 100
    (found,) = await both.findings(node)
    assert (found.ok, "moves on" in found.detail) == (False, True)
    node = both.node
    node.restless = 3
    assert (await both.findings(node))[0].ok
    async with both.rig.home.desk.database.transaction() as tx:
        await tx.rows("UPDATE chain_state SET settled = settled + 1")
    (found,) = await both.findings()
    assert (found.ok, "catch up" in found.detail) == (False, True)
    node = both.node
    node.script = iter([Trouble.ERROR])
    (found,) = await both.findings(node)
    assert (found.ok, "could not be asked" in found.detail) == (False, True)


async def test_books_that_follow_no_chain_agree_with_none(tmp_path: Path) -> None:
    async with a_home(tmp_path) as home:
        node = BillNode(Contracts())
        (found,) = await nodecheck.findings(home.desk.database, node, TILL)
    assert (found.ok, "no chain is followed" in found.detail) == (False, True)
