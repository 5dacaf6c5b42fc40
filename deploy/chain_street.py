"""The street's own life on the chain: its meters, readings, energy, trades and a dispute.

Everything here is real for the street: its members' wallets, the keys that its agents seal
with, the readings of its day, the Wh that its aggregator certified and let go. This module
must never mint; withdrawals do.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.chain_members import Bound, Member, act
from deploy.chain_meters import CHAIN_ID, STEP
from deploy.chain_outcome import deeds
from deploy.outcome import slots
from deploy.story import beginning
from deploy.story.market import BOND, PRICE, TRADE
from deploy.story.scene import DAY, HOUR, Scene, digest
from deploy.story.walk import Stumbled, number
from deploy.street import Street
from meterseal_aggregator.stacks.calls import arguments as chain
from meterseal_aggregator.stacks.calls import (
    certification,
    disputes,
    escrow,
    marketplace,
    registry,
)
from meterseal_aggregator.stacks.calls.arguments import LogPlace, Reading, Sealed
from meterseal_proto import recovery
from meterseal_proto.bundle import Bundle, parse_bundle
from meterseal_proto.clarity import TRUE, Buffer, Ok, Tuple, UInt
from meterseal_proto.merkle import inclusion_proof
from meterseal_proto.units import EXPORT, obis_text

REGISTER: Final = obis_text(EXPORT)
NOON: Final = 12 * HOUR
TRADED: Final = 3
"""Quarter hours from noon on: a machine that is late tells two as one now and then."""
WITHIN_S: Final = 120.0
"""How long a withdrawal may take: a mint a slot, twenty at once."""
MOST_WH: Final = 5_000
"""What a member withdraws of the day's Wh: whole quarter hours up to it."""
PRODUCERS: Final = ("seller", "neighbour")


@dataclass(slots=True)
class Life:
    """The chapters' people and what they leave for each other.

    `exports` are Wh that the seller's meter will export, by the starts of the quarter
    hours that are traded before; `trades` are the numbers of those trades.
    """

    street: Street
    members: Mapping[str, Member]
    bound: Mapping[str, Bound]
    exports: Mapping[int, int]
    trades: dict[int, int] = field(default_factory=dict)
    withdrawn: dict[str, int] = field(default_factory=dict)
    evidence: "Evidence | None" = None
    settled: int = 0

    def sold(self, start: int) -> int:
        """Return what was sold of a quarter hour, Wh: twice what will come."""
        return 2 * self.exports[start]


async def joined(scene: Scene, life: Life) -> None:
    """Register and verify members, certify the producers, bind meters to their keys.

    The oracle's account is the provider whose duty posts the hashes of bills.
    """
    at, walk = scene.at, scene.walk
    walk.chapter(
        "The street's members register with their own wallets; producers are certified"
    )
    for name, one in life.members.items():
        kind = "producer" if name in PRODUCERS else "consumer"
        profile = {"profile": digest(f"salted profile of {name}").hex()}
        await act(walk, one, f"user-registry.register-{kind}", profile, "by his wallet")
        verified = registry.verify_user(at, one.principal, verified=True)
        await scene.does("admin", verified)
    for name in PRODUCERS:
        one = life.members[name]
        watts = int(life.street.meters[one.home]["capacity_w"])
        asked = {"capacity": watts, "source": "solar", "fee": beginning.FEE}
        function = "producer-certification.apply-for-certification"
        await act(walk, one, function, asked, f"{watts} W")
        certified = certification.certify_producer(at, one.principal)
        await scene.does("certifier", certified)
    utility = digest("salted profile of the utility")
    await scene.does("oracle", registry.register_provider(at, utility))
    known = registry.verify_user(at, scene.who("oracle"), verified=True)
    await scene.does("admin", known, "the provider of the street's bills")
    walk.chapter(
        "Its meters are bound: owner, registrar, and the key its agent seals with"
    )
    for name, it in life.bound.items():
        one = life.members[name]
        asked = {
            "meter": it.meter.hex(),
            "key": it.key.hex(),
            "from_seq": it.from_seq,
            "p256": False,
        }
        await act(walk, one, "user-registry.request-meter", asked, "")
        binding = registry.bind_meter(at, it.meter, one.principal, it.signature)
        await scene.does("admin", binding, "signed by the agent")


async def ordered(scene: Scene, life: Life) -> None:
    """Sell quarter hours that are yet to come, more of each than will come."""
    walk = scene.walk
    walk.chapter(
        "Before the day: some of its noon is sold, and the money waits in escrow"
    )
    for start in life.exports:
        wh = life.sold(start)
        life.trades[start] = await trade(scene, life, wh, (start, start + STEP))


async def trade(scene: Scene, life: Life, wh: int, window: tuple[int, int]) -> int:
    """Let the seller offer `wh` in a window, and the buyer take it; returns the trade."""
    walk, (start, end) = scene.walk, window
    listed = {
        "price_micro_per_kwh": PRICE, "quantity": wh, "start": start, "end": end,
        "asset": None,
    }  # fmt: skip
    seller, buyer = life.members["seller"], life.members["buyer"]
    offer = number(await act(walk, seller, "marketplace.list-offer", listed, ""))
    asked = {"offer": offer, "quantity": wh, "most": price(wh), "asset": None}
    return number(await act(walk, buyer, "trade-escrow.open-trade", asked, f"{wh} Wh"))


async def checked(scene: Scene, life: Life) -> None:
    """Let the contract check that noon's reading is sealed, and in the anchored log."""
    walk = scene.walk
    walk.chapter("The day is over: the contract checks a reading that an agent sealed")
    left = life.street.end + HOUR - scene.now()
    if left > 0:
        walk.later(left, "the street's day has ended on the chain, too")
    life.evidence = evidence = _evidence(life)
    told = tuple(evidence.sealed.fields().values())
    leaf = await walk.reads(scene.at, "seals.log-leaf", *told)
    where = (
        leaf, UInt(evidence.place.index), chain.path(evidence.place.siblings),
        Buffer(evidence.place.root),
    )  # fmt: skip
    note = "the seal is in the log that the aggregator anchored"
    await scene.sees("energy-oracle.verify-inclusion", where, TRUE, note)
    fields = evidence.reading.value().fields
    asked = (*told, fields["record"], fields["salt"], fields["path"])
    found = await walk.reads(scene.at, "energy-oracle.verify-reading", *asked)
    owner = life.members["seller"].principal
    if not (isinstance(found, Ok) and isinstance(found.value, Tuple)):
        raise Stumbled(f"energy-oracle.verify-reading answers {found}")
    if found.value.fields["owner"] != owner:
        raise Stumbled("the contract finds another owner of the reading's meter")
    wh = evidence.reading.record.delta
    walk.say(
        f"     energy-oracle.verify-reading: {wh} Wh at noon, by the seller's meter"
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """A reading under its seal, and the seal's place in the anchored log."""

    sealed: Sealed
    reading: Reading
    place: LogPlace


def _evidence(life: Life) -> Evidence:
    """Return a reading of noon by the seller's meter, out of its public bundle."""
    one = life.members["seller"]
    rows = {
        row["start"]: row
        for row in slots(life.street, one.meter, REGISTER, "readings")
        if row["length"] == STEP
    }
    start = next((start for start in life.exports if start in rows), None)
    if start is None:
        raise Stumbled("the seller's meter told no quarter hour of noon by itself")
    text = life.street.api.text(f"/v1/seals/{rows[start]['seal']}/bundle")
    bundle: Bundle = parse_bundle(text.encode())
    seal, logged = bundle.seal.seal, bundle.seal.logged
    if bundle.anchor is None or bundle.anchor.proof:
        raise Stumbled("the bundle's checkpoint is not the one that was anchored")
    leaves = [r.leaf(s) for r, s in zip(seal.records, seal.salts, strict=True)]
    at = next(n for n, r in enumerate(seal.records) if r.start == start)
    reading = Reading(seal.records[at], seal.salts[at], inclusion_proof(leaves, at))
    key = life.bound["seller"].key
    whole = recovery.named(seal.header.digest(CHAIN_ID), seal.signature, key)
    place = LogPlace(logged.index, logged.proof, bundle.anchor.root)
    return Evidence(Sealed(seal.header, whole), reading, place)


async def withdrew(scene: Scene, life: Life) -> None:
    """Withdraw certified Wh both ways: minted by issuance id, and claimed from an epoch."""
    walk = scene.walk
    walk.chapter(
        "Certified Wh leave the ledger for the chain: slot by slot, and by an epoch"
    )
    for name, way in (("seller", "direct"), ("neighbour", "epoch")):
        one = life.members[name]
        asked = {
            "meter_point": one.point,
            "register": REGISTER,
            "wh": MOST_WH,
            "way": way,
        }
        made = one.api.post("/v1/me/withdrawals", asked, key=f"{name}-1")
        id_, life.withdrawn[name] = made["id"], int(made["wh"])
        parts = f"{len(made['parts'])} part(s), {way}"
        walk.say(f"     {name:10} withdraws {made['wh']} Wh in {parts}")
        arrived = await _until(scene, one, id_, {"arrived", "claimable"})
        if claim := arrived["claim"]:
            await act(walk, one, claim["function"], claim["arguments"], "his own claim")
            await _until(scene, one, id_, {"arrived"})
    for deed in deeds(life.street.api):
        if deed.function.startswith("energy-token."):
            walk.say(f"     {deed.who:10} {deed.function:72} 0x{deed.txid}")


async def _until(
    scene: Scene, one: Member, id_: int, states: set[str]
) -> dict[str, Any]:  # Any: JSON
    """Wait until a withdrawal is in one of these states."""
    deadline = time.monotonic() + WITHIN_S
    found: dict[str, Any] = {}
    while time.monotonic() < deadline:
        found = one.api.get(f"/v1/me/withdrawals/{id_}")
        if found["state"] in states:
            return found
        scene.walk.chain.mine(1)
        await scene.walk.pause()
    raise Stumbled(f"withdrawal {id_} is {found.get('state')} after {WITHIN_S:.0f} s")


async def traded(scene: Scene, life: Life) -> None:
    """Sell withdrawn Wh at the community's price, give some back, bring some home."""
    walk, seller, buyer = scene.walk, life.members["seller"], life.members["buyer"]
    walk.chapter(
        "Withdrawn Wh are sold, bought and refunded; some come back to the ledger"
    )
    sale = life.withdrawn["seller"] // 2
    bought, back = sale // 2, sale // 8
    listed = {"amount": sale}
    await act(walk, seller, "marketplace.add-energy-for-sale", listed, "")
    asked = {
        "seller": seller.wallet.text,
        "amount": bought,
        "most": 10 * price(bought),
    }
    await act(walk, buyer, "marketplace.buy-energy-from-user", asked, "")
    await scene.does("admin", marketplace.fund_refunds(scene.at, 500_000))
    refund = {"amount": back, "least": 1}
    await act(walk, buyer, "marketplace.refund-energy", refund, "")
    name = seller.api.post("/v1/me/deposits", {}, key="home-again")["name"]
    wh, start = sale // 4, life.street.start
    retired = {"amount": wh, "beneficiary": name, "start": start, "end": start + DAY}
    await act(walk, seller, "energy-token.retire", retired, "under a deposit's name")


async def disputed(scene: Scene, life: Life) -> None:
    """Let the contract decide about noon by the reading, and the escrow pay by that."""
    at, walk, evidence = scene.at, scene.walk, life.evidence
    assert evidence is not None
    walk.chapter(
        "Less came than was sold: the contract decides by the reading the agent sealed"
    )
    record = evidence.reading.record
    settled, sold = life.trades.pop(record.start), life.sold(record.start)
    life.settled = settled
    asked = {
        "kind": TRADE, "subject": settled, "asked": record.delta,
        "evidence": digest("the buyer's note").hex(), "bond": BOND,
    }  # fmt: skip
    buyer = life.members["buyer"]
    opened = await act(walk, buyer, "dispute-resolution.open-dispute", asked, "")
    case, readings = number(opened), [evidence.reading]
    decide = disputes.decide_by_reading(
        at, case, evidence.sealed, readings, evidence.place
    )
    note = f"{record.delta} of {sold} Wh, says the meter"
    await scene.does("home", decide, note)
    walk.later(3 * DAY + 60, "three days in which somebody may show better")
    await scene.does("home", disputes.finalise(at, case, BOND))
    settle = escrow.settle(at, settled, record.delta, None, price(sold))
    await scene.does("home", settle, "the seller is paid for what came")


def price(wh: int) -> int:
    """Return what so many Wh of a traded quarter hour cost, micro-STX."""
    return wh * PRICE // 1_000


BEFORE: Final = (joined, ordered)
AFTER: Final = (checked, withdrew, traded, disputed)
