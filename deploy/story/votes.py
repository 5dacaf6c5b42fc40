"""What the community decides and tells: votes, a total under two signatures, the audit log.

A total is told of at least twenty homes and of none of them. This module must never post
one that two trustees did not sign.
"""

import hashlib
from typing import Final

from deploy.chain_meters import CHAIN_ID
from deploy.story.month import day_of
from deploy.story.scene import DAY, HOUR, Scene, digest, index, raw, trustee_secrets
from deploy.story.walk import Stumbled, number
from meterseal_aggregator.stacks.calls import aggregation, governance, registry, roles
from meterseal_aggregator.stacks.calls.audit import append_entry
from meterseal_proto.binding import KeyChange
from meterseal_proto.chaintotal import ChainTotal
from meterseal_proto.clarity import (
    TRUE,
    Ascii,
    Buffer,
    List,
    Ok,
    Optional,
    Tuple,
    UInt,
    Value,
    encode,
)
from meterseal_proto.reporting import Place

K: Final = 20
CELL: Final = "street/small"
FEE: Final = 50
"""Half a per cent, in 1/10000."""
REWARD: Final = 200
WEIGHT: Final = 1_000_000
VOTE_AND_TIMELOCK: Final = 5 * DAY
PAGE: Final = 10
ROTATED_FROM: Final = 100


async def governance_told(scene: Scene) -> None:
    """Change a fee by members' votes and a reward by locked tokens, each after its time."""
    at = scene.at
    scene.walk.chapter(
        "Members and tokens vote; what passed changes one parameter each"
    )
    members, tokens = await _by_members(scene), await _by_tokens(scene)
    scene.walk.later(VOTE_AND_TIMELOCK + HOUR, "three days to vote, two to leave")
    for proposal in (members, tokens):
        await scene.does("home", governance.execute(at, proposal))
    again = governance.execute(at, members)
    await scene.refused("home", again, 910, "once")
    await scene.does(
        "home", governance.unlock(at, tokens, WEIGHT), "the tokens are back"
    )
    for name, value in (("trade-fee", FEE), ("reward-rate", REWARD)):
        wanted = Optional(UInt(value))
        await scene.sees(
            "parameters.get-parameter", (Ascii(name),), wanted, f"{name}, as voted"
        )


async def _by_members(scene: Scene) -> int:
    at = scene.at
    made = governance.propose(
        at, governance.Kind.FEE, governance.Mode.MEMBERS,
        digest("half a per cent is enough"), governance.Change("trade-fee", FEE),
    )  # fmt: skip
    proposal = number(await scene.does("buyer", made, "a fee"))
    for name, yes in (
        ("buyer", True),
        ("home", True),
        ("neighbour", True),
        ("seller", False),
    ):
        vote = governance.vote(at, proposal, 1, yes=yes, locks=False)
        await scene.does(name, vote, "for" if yes else "against")
    twice = governance.vote(at, proposal, 1, yes=True, locks=False)
    await scene.refused("home", twice, 906, "one member, one vote")
    early = governance.execute(at, proposal)
    await scene.refused("home", early, 908, "the vote and its timelock")
    return proposal


async def _by_tokens(scene: Scene) -> int:
    at = scene.at
    quorum = roles.set_parameter(at, "quorum-tokens", WEIGHT, scene.now() + 60)
    await scene.does("admin", quorum, "one token, for the story")
    scene.walk.later(120, "the quorum holds")
    made = governance.propose(
        at, governance.Kind.PARAMETER, governance.Mode.TOKENS,
        digest("twice the reward"), governance.Change("reward-rate", REWARD),
    )  # fmt: skip
    proposal = number(await scene.does("home", made, "a rate"))
    vote = governance.vote(at, proposal, WEIGHT, yes=True, locks=True)
    await scene.does("home", vote, "the tokens are locked")
    await scene.refused(
        "home", governance.unlock(at, proposal, WEIGHT), 908, "until the vote ends"
    )
    return proposal


async def community(scene: Scene) -> None:
    """Post who reported, and their total under two trustees' signatures."""
    at = scene.at
    scene.walk.chapter("A community's total, told without telling of any household")
    first = scene.now() // DAY * DAY
    scene.walk.later(first + 2 * DAY - scene.now(), "a day that ended everywhere")
    days = [day_of(scene, house, first) for house in range(K)]
    found = scene.street.cell(
        {"cell": CELL, "day": first // DAY, "indexes": [index(day) for day in days]}
    )
    place, wh = Place(scene.network, CELL, first // DAY), int(str(found["usage"]))
    total = ChainTotal(place, raw(found, "set"), K, wh)
    few = aggregation.post_set(at, place, total.set, K - 1)
    await scene.refused("admin", few, 1203, "fewer than k")
    await scene.does(
        "admin", aggregation.post_set(at, place, total.set, K), "who reported"
    )
    one, two, _ = (total.sign(secret, CHAIN_ID) for secret in trustee_secrets())
    alone = aggregation.post_total(at, total, one, one)
    await scene.refused("home", alone, 1208, "one trustee twice")
    posted = aggregation.post_total(at, total, one, two)
    await scene.does("home", posted, "two of three trustees")
    where = (Buffer(scene.network), Ascii(CELL), UInt(place.day))
    opened = (Buffer(raw(found, "sum")), Buffer(raw(found, "z")), Buffer(b""))
    note = f"{K} commitments add up to {wh} Wh"
    await scene.sees("usage-aggregation.verify-sum", (*where, *opened), Ok(TRUE), note)


async def rotation(scene: Scene) -> None:
    """Rotate a meter's key while its contract is paused."""
    at, room = scene.at, scene.at.contract("user-registry")
    scene.walk.chapter(
        "A key is rotated while paused; the audit log is read and checked"
    )
    await scene.does("admin", roles.pause(at, room))
    late = registry.register_consumer(at, digest("late"))
    await scene.refused("oracle", late, 101, "paused")
    meter = scene.street.meters["panel"]
    old = meter.key
    meter.epoch += 1
    wish = KeyChange(scene.network, meter.id, meter.key.public, ROTATED_FROM)
    signatures = (wish.sign(old, CHAIN_ID), wish.sign(meter.key, CHAIN_ID))
    key = meter.key.public.raw
    turned = registry.rotate_meter_key(
        at, meter.id, key, ROTATED_FROM, signatures, p256=False
    )
    await scene.does("seller", turned, "both keys signed")
    await scene.does("admin", roles.resume(at, room))


async def audit(scene: Scene) -> None:
    """Add an entry to the audit log, read it, and compute its chain of hashes again."""
    at, arbiter = scene.at, scene.who("arbiter")
    await scene.does("admin", roles.grant(at, "recorder", arbiter))
    added = append_entry(at, arbiter, "story-told", digest("the story"), 1)
    await scene.does("arbiter", added)
    await scene.does("admin", roles.revoke(at, "recorder", arbiter))
    await scene.refused("arbiter", added, 1500, "a recorder no more")
    prev = hashlib.sha256(b"meterseal/audit/v1").digest()
    size = number(await scene.walk.reads(scene.at, "audit-log.get-size"))
    for begin in range(0, size, PAGE):
        page = await scene.walk.reads(scene.at, "audit-log.get-entries", UInt(begin))
        assert isinstance(page, List)
        for entry in page.items:
            prev = _chained(entry, prev)
    note = f"{size} entries, each hash over the one before"
    await scene.sees("audit-log.get-head", (), Buffer(prev), note)


def _chained(entry: Value, prev: bytes) -> bytes:
    """Return an entry's hash; Stumbled where it does not follow from the one before."""
    if isinstance(entry, Optional):
        entry = entry.value or entry
    if not isinstance(entry, Tuple):
        raise Stumbled(f"an entry of the audit log is {entry}")
    rest = {name: value for name, value in entry.fields.items() if name != "hash"}
    made = hashlib.sha256(encode(Tuple(rest))).digest()
    if rest["prev"] != Buffer(prev) or entry.fields["hash"] != Buffer(made):
        raise Stumbled("the audit log's hashes do not chain")
    return made
