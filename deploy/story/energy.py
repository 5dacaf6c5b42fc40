"""Readings anchored and checked by contracts; energy minted by id and by epoch, and moved.

What a made-up meter exported is minted on the story's own contracts. This module must
never mint where an aggregator keeps books: there withdrawals do.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from deploy.chain_meters import EXPORT, STEP
from deploy.story.scene import HOUR, Scene, digest, raw, readings
from deploy.story.walk import Stumbled
from meterseal_aggregator.stacks.calls import arguments, marketplace, token
from meterseal_proto.clarity import (
    TRUE,
    Buffer,
    Ok,
    Tuple,
    UInt,
    Value,
    encode,
)
from meterseal_proto.merkle import node_hash

POINT: Final = 1
"""The seller's meter point, whose export is minted slot by slot."""
CLAIMED: Final = {"seller": 6_000, "neighbour": 6_001}
"""Wh that an epoch pays, by owner."""
PRICE: Final = 150_000


async def readings_checked(scene: Scene) -> None:
    """Anchor a seal, and let the contract check its place in the log and one reading."""
    scene.walk.chapter("A checkpoint is anchored; the contract checks what is under it")
    first = -(-scene.now() // STEP) * STEP
    scene.walk.later(first + HOUR - scene.now(), "four quarter hours are metered")
    seal = scene.street.seal(
        {"meter": "panel", "register": "export", "first": first,
         "deltas": [500, 600, 700, 800], "revision": 0}
    )  # fmt: skip
    await scene.anchor()
    root = Buffer(scene.anchored)
    sealed, place = scene.sealed(seal, "panel"), scene.place(seal)
    told = tuple(sealed.fields().values())
    leaf = await scene.walk.reads(scene.at, "seals.log-leaf", *told)
    where = (leaf, UInt(place.index), arguments.path(place.siblings), root)
    await scene.sees(
        "energy-oracle.verify-inclusion", where, TRUE, "the seal is in the anchored log"
    )
    await reading_checked(scene, told, readings(seal)[0], raw(seal, "hash"))


async def reading_checked(
    scene: Scene, sealed: Sequence[Value], reading: arguments.Reading, wanted: bytes
) -> None:
    """Let the contract check a reading; it has to find the header's hash and its owner."""
    fields = reading.value().fields
    asked = (*sealed, fields["record"], fields["salt"], fields["path"])
    function = "energy-oracle.verify-reading"
    found = await scene.walk.reads(scene.at, function, *asked)
    if not isinstance(found, Ok) or not isinstance(found.value, Tuple):
        raise Stumbled(f"{function} answers {found}")
    checked = found.value.fields
    if (checked["hash"], checked["owner"]) != (Buffer(wanted), scene.who("seller")):
        raise Stumbled(f"{function} answers {found}")
    delta = reading.record.delta
    scene.walk.say(f"     {function}: {delta} Wh, sealed by the seller's meter")


async def minted(scene: Scene) -> None:
    """Mint slot by slot, once for ever; revise, reverse, retire."""
    at, who, start = scene.at, scene.who, (scene.now() // STEP - 8) * STEP
    scene.walk.chapter("Energy is minted by issuance id, once for ever")

    def slot(number: int) -> token.Slot:
        begin = start + number * STEP
        return token.Slot(POINT, EXPORT, begin, begin + STEP)

    for n in range(2):
        await scene.does("oracle", token.mint(at, who("seller"), slot(n), 0, 20_000))
    again = token.mint(at, who("seller"), slot(1), 0, 20_000)
    await scene.refused("oracle", again, 305, "a slot is minted once for ever")
    more = token.mint(at, who("seller"), slot(1), 1, 500)
    await scene.does("oracle", more, "a revision posts what is more")
    name = b"meterseal-mint" + scene.network
    for part in (POINT, EXPORT, start + STEP):
        name += part.to_bytes(8)
    issued = hashlib.sha256(name).digest()
    back = token.reverse(at, issued, 1, 500, who("seller"))
    await scene.does("oracle", back, "and is taken back")
    used = token.retire(at, 1_000, digest("a neighbour"), start, start + STEP)
    await scene.does("seller", used, "consumed by a neighbour")
    tea = token.transfer(at, 100, who("seller"), who("home"), b"for the tea")
    await scene.does("seller", tea)


async def claimed(scene: Scene) -> None:
    """Post an epoch of two producers' claims under one root, and let each be claimed."""
    at = scene.at
    scene.walk.chapter(
        "Energy is minted by an epoch's root: one for any number of producers"
    )
    end = scene.now() // STEP * STEP
    claims = [
        token.Claim(1, n, scene.who(name), token.Slot(20 + n, EXPORT, end - HOUR, end), wh)
        for n, (name, wh) in enumerate(CLAIMED.items())
    ]  # fmt: skip
    one, two = (_leaf(scene, claim) for claim in claims)
    posted = token.post_epoch(at, 1, node_hash(one, two), 2, sum(CLAIMED.values()))
    await scene.does("oracle", posted, "two claims")
    for claim, sibling in zip(claims, (two, one), strict=True):
        await scene.does(
            "buyer", token.claim(at, claim, (sibling,)), "pays only its owner"
        )
    again = token.claim(at, claims[0], (two,))
    await scene.refused("buyer", again, 311, "paid before")
    greedy = token.Claim(1, 0, claims[0].owner, claims[0].slot, claims[0].amount + 1)
    await scene.refused(
        "buyer", token.claim(at, greedy, (two,)), 310, "not in the root"
    )


def _leaf(scene: Scene, claim: token.Claim) -> bytes:
    """Return a claim's leaf as the contract makes it: it names its contract."""
    named = {
        "contract": scene.at.contract("energy-token"), "epoch": UInt(claim.epoch),
        "index": UInt(claim.index), "owner": claim.owner, **claim.slot.fields(),
        "wh": UInt(claim.amount),
    }  # fmt: skip
    return hashlib.sha256(b"\x00" + encode(Tuple(named))).digest()


async def sold(scene: Scene) -> None:
    """List minted energy, buy it at the community's price, give some of it back."""
    at, who = scene.at, scene.who
    scene.walk.chapter("Minted energy changes hands at the community's price")
    await scene.does("seller", marketplace.add_energy_for_sale(at, 5_000))
    await scene.does("seller", marketplace.remove_energy_from_sale(at, 1_000))
    buy = marketplace.buy_energy_from_user(at, who("seller"), 2_000, 300_000)
    await scene.does("buyer", buy, "price and commission")
    await scene.does("admin", marketplace.fund_refunds(at, 500_000))
    back = marketplace.refund_energy(at, 1_000, 90_000)
    await scene.does("buyer", back, "for nine tenths of the price")
    more = marketplace.refund_energy(at, 1_001, 0)
    await scene.refused("buyer", more, 512, "more than was bought")
    paid = marketplace.withdraw_commission(at, 100, who("home"))
    await scene.does("admin", paid)
    await scene.does("admin", marketplace.set_energy_price(at, PRICE))
    bought = (who("buyer"),)
    await scene.sees(
        "energy-token.get-balance", bought, Ok(UInt(1_000)), "the buyer keeps 1,000 Wh"
    )
