"""What was proved of an erased member's time: shown for a reason only, which is kept.

    restricted = await check_look(tx, access, (register, begin, end), reason)
    ...
    if restricted: await keep_reason(access, "private bill 12", reason)

The rule is that of bills (`web.erasures`): what is kept by law alone is not on show. This
module must never let anybody look for whom nothing was written down.
"""

from typing import Annotated, Final

from fastapi import Query

from meterseal_aggregator.erasure.store import erased_within
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access
from meterseal_aggregator.web.problems import not_made

MAX_WHY: Final = 120
Reason = Annotated[
    str, Query(min_length=3, max_length=MAX_WHY, pattern=r"^[^\x00-\x1f\x7f]+$")
]
MaybeReason = Annotated[
    str | None,
    Query(min_length=3, max_length=MAX_WHY, pattern=r"^[^\x00-\x1f\x7f]+$"),
]


async def check_look(
    tx: Transaction,
    access: Access,
    place: tuple[int, int, int],
    reason: str | None,
) -> bool:
    """Tell whether a reason is to be kept for a look at a register's time.

    `place` is a register's row, and a half-open time in Unix seconds. A member looks at
    what is his own. Raises the answer 409 where anybody was erased who lived there then,
    and no reason is given.
    """
    if access.caller.member is not None or not await erased_within(tx, *place):
        return False
    if reason is None:
        raise not_made("erased", "its member was erased: say why you look, ?reason=...")
    return True


async def keep_reason(access: Access, what: str, reason: str | None) -> None:
    """Write the operators' trail: who looked at what, and why."""
    assert reason is not None
    real = int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        line = f"{what}: {reason}"
        await identity.note(tx, access.caller.prefix, "restricted-bill", line, now=real)
