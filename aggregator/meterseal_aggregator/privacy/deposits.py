"""Seeds on their way to the trustees: taken from a device, and kept once all three signed.

    await take(tx, deposits, now)            # one for each trustee, in their order
    signatures = (await kept(tx, [meter]))[meter]

The boxes are opened by nobody here. A meter's first deposit under a key stands: another
one is refused and alarms, for whoever changes a device's seeds on the way would know its
masks. A replaced device's deposit, under its new key, is a further one: the trustees say
whether its seeds are the old ones. This module must never take a deposit that its meter's
key in force did not sign for exactly these trustees.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from meterseal_aggregator.privacy.trustees.model import PinnedTrustees
from meterseal_aggregator.privacy.trustees.pinned import pinned
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.errors import Reason, Rejected, Unavailable
from meterseal_proto.reporting import Act
from meterseal_proto.seedbox import BOX_BYTES, Deposit
from meterseal_proto.totals import SEEDS
from meterseal_proto.units import MeterId

_BOXES: Final = SEEDS - 1
_KEYS: Final = """
SELECT DISTINCT m.id, k.id, s.to_seq IS NULL FROM meters m
JOIN registers r ON r.meter_id = m.id AND r.mode = 1
JOIN key_spans s ON s.register_id = r.id JOIN meter_keys k ON k.id = s.key_id
WHERE m.meter = ? AND k.public = ? ORDER BY 3 DESC
"""
_ADD: Final = """
INSERT INTO seed_deposits (meter_id, key_id, boxes, signatures, taken_at)
VALUES (?, ?, ?, ?, ?)
"""
_KEPT: Final = """
SELECT m.meter, a.signature FROM meters m
JOIN seed_deposits d ON d.meter_id = m.id
JOIN trustee_answers a ON a.act = ? AND a.subject = d.id AND a.signature IS NOT NULL
WHERE m.meter IN ({marks})
  AND d.id = (SELECT max(id) FROM seed_deposits WHERE meter_id = m.id)
ORDER BY m.id, a.trustee
"""
_LACKING: Final = """
SELECT m.meter FROM meters m WHERE m.meter IN ({marks}) AND 3 > (
  SELECT count(*) FROM trustee_answers a WHERE a.act = ? AND a.signature IS NOT NULL
    AND a.subject = (SELECT min(id) FROM seed_deposits WHERE meter_id = m.id))
ORDER BY m.id
"""
_log = structlog.get_logger(__name__)


async def take(tx: Transaction, deposits: Sequence[Deposit], now: int) -> None:
    """Keep a meter's deposits for the three trustees, in their order, at Unix second `now`.

    The same again changes nothing. Raises Rejected: MALFORMED (other than one for each
    trustee, of one meter and key), UNKNOWN_METER (none with a committed register has that
    key), KEY_REVOKED, BAD_SIGNATURE, EQUIVOCATION (another deposit stands; this alarms);
    Unavailable while no trustees are known.
    """
    _check_shape(deposits)
    trustees = await pinned(tx)
    if trustees is None:
        raise Unavailable("no trustees are configured: nobody keeps seeds here")
    meter_id, key_id = await _meter(tx, deposits[0])
    _check_signatures(deposits, trustees)
    boxes = b"".join(box for one in deposits for box in one.boxes)
    standing = await tx.rows(
        "SELECT boxes FROM seed_deposits WHERE meter_id = ? AND key_id = ?",
        (meter_id, key_id),
    )
    if not standing:
        signatures = b"".join(one.signature for one in deposits)
        await tx.many(_ADD, [(meter_id, key_id, boxes, signatures, now)])
    elif standing[0][0] != boxes:
        _log.error("other_seeds_deposited", meter=deposits[0].meter.hex())
        raise Rejected(Reason.EQUIVOCATION, "other seeds of this meter are kept")


async def kept(
    tx: Transaction, meters: Sequence[MeterId]
) -> dict[MeterId, tuple[bytes, bytes, bytes]]:
    """Return the three trustees' signatures under the latest deposits of `meters`.

    Meters whose seeds are not with all three are left out. Each signature is over the
    deposit's digest for that trustee (`reporting.Act.DEPOSIT`).
    """
    marks = ", ".join("?" * len(meters))
    found: dict[MeterId, list[bytes]] = {}
    rows = await tx.rows(_KEPT.format(marks=marks), (Act.DEPOSIT, *meters))
    for meter, signature in rows:
        found.setdefault(MeterId(meter), []).append(signature)
    return {
        meter: (given[0], given[1], given[2])
        for meter, given in found.items()
        if len(given) == SEEDS
    }


async def lacking(tx: Transaction, meters: Sequence[MeterId]) -> list[MeterId]:
    """Return those of `meters` that no roster may name yet; none without trustees."""
    if await pinned(tx) is None:
        return []
    marks = ", ".join("?" * len(meters))
    rows = await tx.rows(_LACKING.format(marks=marks), (*meters, Act.DEPOSIT))
    return [MeterId(row[0]) for row in rows]


def _check_shape(deposits: Sequence[Deposit]) -> None:
    of = {(one.meter, one.key) for one in deposits}
    sizes = [len(box) for one in deposits for box in one.boxes]
    counts = [len(one.boxes) for one in deposits]
    if (len(of), counts, set(sizes)) != (1, [_BOXES] * SEEDS, {BOX_BYTES}):
        detail = f"{SEEDS} deposits of one meter and key, {_BOXES} boxes in each"
        raise Rejected(Reason.MALFORMED, detail)


async def _meter(tx: Transaction, deposit: Deposit) -> tuple[int, int]:
    """Return the rows of the deposit's meter and key."""
    rows = await tx.rows(_KEYS, (deposit.meter, deposit.key.raw))
    if not rows:
        detail = "no meter with a committed register has this key"
        raise Rejected(Reason.UNKNOWN_METER, detail)
    meter_id, key_id, in_force = rows[0]
    if not in_force:
        raise Rejected(Reason.KEY_REVOKED, "this is not the meter's key any more")
    return meter_id, key_id


def _check_signatures(deposits: Sequence[Deposit], trustees: PinnedTrustees) -> None:
    for one, trustee in zip(deposits, trustees.keys, strict=True):
        if not one.authentic(trustees.network, trustee.box):
            detail = f"the deposit for trustee {trustee.number} is not the meter's"
            raise Rejected(Reason.BAD_SIGNATURE, detail)
