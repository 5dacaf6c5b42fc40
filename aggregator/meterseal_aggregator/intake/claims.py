"""Claims remembered between batches, for as long as the registry stays as it was.

A meter's claim changes a few times in its life and is needed with every reading. The
schema counts every change of the registry's tables in `claims_version`, in the same
transaction, whoever makes it; a batch that finds another number forgets all. This
module must never answer from memory without having read that number in the batch's own
transaction.
"""

from collections.abc import Iterable
from typing import Final

from meterseal_aggregator.intake.judge import RegisterKey
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import Claim
from meterseal_aggregator.storage.database import Transaction

MAX_REMEMBERED: Final = 200_000
"""Registers remembered, about 200 MB at most; above it memory begins anew."""


class Claims:
    """What the registry said of registers, and when it said so."""

    def __init__(self) -> None:
        self._version = -1
        self._known: dict[RegisterKey, Claim] = {}

    async def of(
        self, tx: Transaction, names: Iterable[RegisterKey]
    ) -> dict[RegisterKey, Claim]:
        """Return the claims of the registers named that are enrolled: two statements at most."""
        ((version,),) = await tx.rows("SELECT version FROM claims_version")
        if version != self._version or len(self._known) > MAX_REMEMBERED:
            self._known.clear()
            self._version = version
        known, wanted = self._known, set(names)
        missing = {meter for meter, _ in wanted - known.keys()}
        if missing:
            known.update(await registry.claims(tx, missing))
        return {name: known[name] for name in wanted if name in known}
