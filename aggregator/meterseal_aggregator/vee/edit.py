"""An operator's edit: a span of a register moved so much, for a reason, by a person.

    made, _ = await edit(tx, network, EditWish(place, begin, end, 420, "stuck relay", "op", "key"), now)

One value, one entry of the log (type 6: a salted hash), made once per key. It holds before
what the device told, so it bills; it never mints, and credits beyond it are reversed. This
module must never take an edit without a reason and an author.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.vee.daystore import MAX_VALUE_S
from meterseal_aggregator.vee.packing import Source
from meterseal_aggregator.vee.values import (
    Cause,
    NotValued,
    Place,
    Value,
    check_capacity,
    check_span,
    value,
    write,
)
from meterseal_proto.entry import operator_edit_entry
from meterseal_proto.rating.edit import SALT_BYTES, Edit, edit_hash
from meterseal_proto.units import Quality

PAST_S: Final = 400 * 86_400
"""How far back an edit reaches (SETTLED 8)."""


@dataclass(frozen=True, slots=True)
class EditWish:
    """What an operator says: [begin, end) of a register moved `delta` Wh or litres.

    `key` makes the wish one; `author` is the name of his token.
    """

    place: Place
    begin: int
    end: int
    delta: int
    reason: str
    author: str
    key: str


async def edit(
    tx: Transaction, network: bytes, wish: EditWish, now: int
) -> tuple[Value, bool]:
    """Write an edit down at Unix second `now`; the same wish under its key answers alike.

    Tells also whether it was written now. Raises NotValued: KEY_USED, SPAN, ABOVE_CAPACITY.
    """
    known = await tx.rows(
        "SELECT value_id FROM vee_edits WHERE request_key = ?", (wish.key,)
    )
    if known:
        return _same(await value(tx, known[0][0]), wish), False
    place = wish.place
    check_span(place, wish.begin, wish.end, until=now, longest_s=MAX_VALUE_S)
    if wish.begin < now - PAST_S:
        raise NotValued(Cause.SPAN, f"edits reach back {PAST_S // 86_400} days")
    check_capacity(place, wish.delta, wish.end - wish.begin)
    salt = secrets.token_bytes(SALT_BYTES)
    (entry,) = await log.append(
        tx, [operator_edit_entry(edit_hash(salt, _told(network, wish, now)))]
    )
    (made,) = await write(
        tx,
        [
            Value(
                0, place.register_id, wish.begin, wish.end - wish.begin, wish.delta,
                Quality.EDITED, Source.EDIT, "", wish.reason, wish.author, now, entry,
            )
        ],
    )  # fmt: skip
    await tx.many(
        "INSERT INTO vee_edits (value_id, request_key, salt) VALUES (?, ?, ?)",
        [(made.id, wish.key, salt)],
    )
    return made, True


def _told(network: bytes, wish: EditWish, now: int) -> Edit:
    place = wish.place
    return Edit(
        network, place.meter, place.register, wish.begin, wish.end, wish.delta,
        wish.reason, wish.author, now,
    )  # fmt: skip


def _same(known: Value, wish: EditWish) -> Value:
    before = (known.register_id, known.start, known.end, known.delta, known.reason)
    asked = (
        wish.place.register_id, wish.begin, wish.end, wish.delta, wish.reason,
    )  # fmt: skip
    if before != asked:
        raise NotValued(
            Cause.KEY_USED,
            f"this idempotency key was used for another edit, {known.id}: send a new key",
        )
    return known
