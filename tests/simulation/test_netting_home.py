"""A private home that buys of its neighbours, all of it real: agent, errands, duty, and the bill.

The agent's own committer, signer and prover answer the aggregator's own duty by the bytes
that would be on the wire. Between any two steps the agent loses all that is not on disk, the
aggregator's messenger and desk begin anew, and the first answer of every kind is lost.
"""

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_agent.seal.billing import Billing, Household
from meterseal_agent.seal.netting import Nettings
from meterseal_agent.seal.opening import Openings
from meterseal_agent.seal.prover import proof_of, to_bytes
from meterseal_aggregator.billing.private import check, duty
from meterseal_aggregator.billing.statements import audit
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.billing.statements.draft import Moment, local_of
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import proofs
from meterseal_aggregator.privacy.errands import store
from meterseal_aggregator.privacy.errands.desk import ErrandDesk
from meterseal_aggregator.privacy.errands.send import AGAIN_S, Messenger, Voice
from meterseal_proto.bill import ProvedBill
from meterseal_proto.errand import BillAsked, decode_errand, encode_errand
from meterseal_proto.errand_down import NettingAsked, open_told
from meterseal_proto.netting import NettedDay, Netting, ProvedNetting
from meterseal_proto.rating.components import Flat, On, Price, Wheeling
from meterseal_proto.rating.hidden import plan_of
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.rating.tariff import Commodity, Cycle, FullTariff, Rule, Split
from meterseal_proto.units import IMPORT
from tests.support import privatebills
from tests.support.boxes import KEYS
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.disclosure import in_message
from tests.support.errands import TWO_KEYS
from tests.support.frontdesk import RECEIPT_KEY, FrontDesk, front_desk
from tests.support.neighbours import Neighbours, move_in
from tests.support.private_home import (
    AGENT,
    DAY_S,
    METER,
    STEP,
    PrivateHome,
    midnight,
    private_device,
    readings,
)

FIRST = midnight(BEGAN_AT)
END = FIRST + DAY_S
BEFORE = (FIRST - BEGAN_AT) // STEP
USAGE = [1_007 + n * 7_919 % 1_403 for n in range(BEFORE + 97)]
DAY = USAGE[BEFORE : BEFORE + 96]
TARIFF = FullTariff(
    "home", "EUR", "UTC", 0, Commodity.ELECTRICITY,
    (Flat("energy", Price(250_000)), Wheeling("lines", Price(50_000), On.BOUGHT)),
    Rule.HALF_UP, Split.PROPORTION, cycle=Cycle.DAY,
)  # fmt: skip
SOLD = {4: DAY[4], 5: 900, 9: DAY[9] + 1, 70: 1}
"""Wh by slot of the day: all of what it used, some of it, one more than it used, one."""


@dataclass
class Life:
    """A home's agent and its aggregator, who speak by bytes; `now` is everybody's clock."""

    desk: FrontDesk
    agent: PrivateHome
    street: Neighbours
    now: int = END
    lost: set[str] = field(default_factory=set)
    said: list[bytes] = field(default_factory=list)
    shown: int = 0
    """Readings since the day's end."""

    async def exchange(self) -> None:
        """Let the duty work, what it wants go down, and what is answered come up."""
        database = self.desk.database
        while await duty.run_once(database, GENESIS.network, self.now):
            pass
        down: list[bytes] = []

        def tell(_agent: str, payload: bytes) -> bool:
            down.append(payload)
            return True

        voice = Voice(GENESIS.network, RECEIPT_KEY, tell)
        await Messenger(database, voice).run_once(self.now)
        counter = ErrandDesk(database, GENESIS, lambda: self.now)
        for payload in down:
            self.restart()
            told = open_told(payload, GENESIS.network, RECEIPT_KEY.public_key())
            assert isinstance(told, BillAsked | NettingAsked)
            answer = self.bill(told) if isinstance(told, BillAsked) else self.net(told)
            self.said.append(answer)
            kind = type(told).__name__
            if kind in self.lost:
                assert counter.take(AGENT, answer)
            self.lost.add(kind)
            self.restart()
        await counter.keep_taken()
        assert not counter.tally.refused
        self.now += AGAIN_S

    def restart(self) -> None:
        """Cut the agent's power; it answers again once the meter has."""
        self.agent.kill()
        self.shown += 1
        end = BEGAN_AT + len(USAGE) * STEP
        last = readings(USAGE)[-1][1]
        self.agent.read([(end + self.shown * STEP, last + self.shown)])

    def bill(self, asked: BillAsked) -> bytes:
        """Answer for a bill, as the agent does."""
        outbox, links = self.agent.outbox, {(METER, IMPORT): self.agent.device.link}
        signer = Openings(outbox, KEYS, GENESIS.network, links)
        billing = Billing(outbox, signer, KEYS.seal_key, self.household, TWO_KEYS)
        answer = billing.answer(asked)
        assert isinstance(answer, ProvedBill), answer
        return encode_errand(answer)

    def net(self, asked: NettingAsked) -> bytes:
        """Answer what may be netted, as the agent does; killed between any two proofs."""
        netting = self.nettings().decide(asked.netting)
        assert netting is not None
        made = []
        for day in netting.days:
            self.restart()
            job = self.nettings().job(netting, day)
            assert job is not None
            made.append(proof_of(to_bytes(job)))
        return encode_errand(self.nettings().sign(netting, made))

    def nettings(self) -> Nettings:
        """Return the agent's own, as after a start."""
        bits = {(METER, IMPORT): self.agent.device.bits}
        return Nettings(self.agent.outbox, KEYS, self.household, bits, willing=True)

    @property
    def household(self) -> Household:
        """The agent's house, which is billed by the day."""
        return Household(GENESIS.network, [(METER, IMPORT)], 1)


async def live(desk: FrontDesk, agent: PrivateHome) -> None:
    """Let the home be metered to the day's end, sealed, accepted and verified."""
    agent.read(readings(USAGE))
    while agent.committer.cut():
        agent.prove()
        desk.now = END + DAY_S // 4
        for stored in agent.due(int(desk.now)):
            agent.take(await desk.deliver(AGENT, [stored.payload]), int(desk.now))
    while (await proofs.run_once(desk.database, GENESIS, 1, set_aside)).count:
        pass


async def supply(desk: FrontDesk, agent: PrivateHome) -> Neighbours:
    """Let a member with a tariff live there from the first midnight on, beside a seller."""
    house = privatebills.PrivateHome(desk, agent.device, [], TARIFF)
    await privatebills.settle_home(house)
    async with desk.database.transaction() as tx:
        await tx.rows("DROP TRIGGER supplies_keep_their_terms")
        await tx.rows(
            "UPDATE supplies SET rail = 'ledger', from_at = ?1, billed_to = ?1",
            (FIRST,),
        )
        await duty.tell(tx, Moment.of(GENESIS.network, BEGAN_AT))
        for one in plan_of(TARIFF).tariffs:
            await store.note_told(tx, [(AGENT, one.hash())], BEGAN_AT)
            document = one.document()
            agent.outbox.learn_tariff(one.hash(), document, now=BEGAN_AT)
    return await move_in(desk.database, house.member)


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[Life]:
    device = private_device()
    async with front_desk(tmp_path, [device]) as desk:
        with closing(PrivateHome(tmp_path / "home", device=device)) as agent:
            street = await supply(desk, agent)
            await live(desk, agent)
            yield Life(desk, agent, street)


async def test_what_the_agent_proves_is_netted_as_an_open_home_nets_it(
    life: Life,
) -> None:
    for slot, wh in SOLD.items():
        await life.street.deliver(FIRST + slot * STEP, wh)
    # Each of two kinds of answer is lost once: asked, billed, asked, netted, billed.
    for _ in range(6):
        await life.exchange()
    async with life.desk.database.reading() as tx:
        (row,) = await bills.bills(tx, limit=9)
        found = await check.findings(tx, GENESIS) + await audit.findings(tx)
    assert [one for one in found if not one.ok] == []
    netted = {slot: wh for slot, wh in SOLD.items() if wh <= DAY[slot]}
    assert len(netted) == len(SOLD) - 1
    bought = [netted.get(slot, 0) for slot in range(96)]
    whole = rate(
        TARIFF, Load(FIRST, STEP, DAY, bought=bought), Period.whole(FIRST, END),
        local_of(TARIFF.zone),
    )  # fmt: skip
    statement = read_statement(row.document)
    assert statement.lines == whole.lines
    (traded,) = (one for one in statement.lines if one.kind is LineKind.TRADED)
    assert traded.quantity == Fraction(sum(netted.values()), 1_000)
    # What was left out, because a slot used less, is the member's.
    assert await life.street.held() == (SOLD[9], sum(netted.values()))


async def test_an_answer_about_netting_has_no_usage_in_it_but_what_was_asked_about(
    life: Life,
) -> None:
    for slot, wh in SOLD.items():
        await life.street.deliver(FIRST + slot * STEP, wh)
    for _ in range(6):
        await life.exchange()
    *_, told = life.said
    assert isinstance(decode_errand(told), ProvedNetting)
    hidden = set(DAY) - set(SOLD.values()) - {STEP}
    assert in_message({*hidden, sum(DAY)}, told) == []


async def test_another_asking_of_a_day_that_was_answered_tells_nothing_more(
    life: Life,
) -> None:
    await life.street.deliver(FIRST + 4 * STEP, 900)
    for _ in range(6):
        await life.exchange()
    rows = await life.desk.rows(
        "SELECT s.hash, s.first, s.step FROM netting_slots n"
        " JOIN committed_seals s ON s.id = n.seal_id"
    )
    ((digest, first, step),) = rows
    nettings = life.nettings()
    for wh in (899, 901, DAY[4]):
        day = NettedDay(digest, first, step, ((4, wh),))
        asked = Netting(GENESIS.network, METER, IMPORT, FIRST, END, (day,))
        told = nettings.decide(asked)
        assert told is not None
        assert told.days == ()
