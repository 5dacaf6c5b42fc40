"""What disputes credited for a bill, and what of it a correction charges again.

    found = await credits_of(tx, [bill.id])
    back = found[bill.id].charged(new_amount)

A credit and a correction may make the same error good: whoever was credited 100 of a bill
of 150, and is then asked 60 instead, has 90 of it by the correction. So credits count
against what a bill shrank since it was credited; what is beyond stays his. A correction
upward gives back what one downward charged. This module must never charge more than was
credited.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction

_CREDITED: Final = """
WITH RECURSIVE chain (of_id, id) AS (
  SELECT p.value, p.value FROM json_each(?) p
  UNION ALL SELECT c.of_id, b.replaces_id FROM chain c JOIN bills b ON b.id = c.id
    WHERE b.replaces_id IS NOT NULL)
SELECT c.of_id, c.id = c.of_id, b.amount, a.amount FROM chain c
JOIN bill_acts a ON a.bill_id = c.id AND a.act = 'credited' JOIN bills b ON b.id = c.id
"""


@dataclass(frozen=True, slots=True)
class Charged:
    """Micro-units of credits that are charged again: by the old bill, and by the new one."""

    before: int = 0
    now: int = 0


@dataclass(frozen=True, slots=True)
class Credits:
    """Credits for a bill and those it stands in the place of.

    Each is what the bill asked that was credited, and how much was, in micro-units of its
    asset; `older` are those that were there when the bill itself was made.
    """

    all: Sequence[tuple[int, int]] = ()
    older: Sequence[tuple[int, int]] = ()

    def charged(self, old_amount: int, new_amount: int) -> Charged:
        """Return what a bill of an amount charges again, and what the one in its place does."""
        return Charged(_back(self.older, old_amount), _back(self.all, new_amount))


async def credits_of(tx: Transaction, bill_ids: Iterable[int]) -> Mapping[int, Credits]:
    """Return the credits of bills by row id, in one statement; none where there is none."""
    every: dict[int, list[tuple[int, int]]] = defaultdict(list)
    older: dict[int, list[tuple[int, int]]] = defaultdict(list)
    wanted = sorted(set(bill_ids))
    for bill, own, asked, amount in await tx.rows(_CREDITED, (json.dumps(wanted),)):
        every[bill].append((asked, amount))
        if not own:
            older[bill].append((asked, amount))
    return {bill: Credits(every[bill], older[bill]) for bill in wanted}


def _back(given: Sequence[tuple[int, int]], asked: int) -> int:
    if not given:
        return 0
    shrunk = max(before for before, _ in given) - asked
    return max(0, min(shrunk, sum(amount for _, amount in given)))
