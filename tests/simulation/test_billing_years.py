"""Months of billing on the real rooms: whatever happens when, the bills agree in the end.

Seen to fail: with a receipt that names its bills in another order when it is asked for
again.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from tests.support.billinghappenings import STRUCK, happenings
from tests.support.billingsteps import end, live
from tests.support.billingyears import Years
from tests.support.seed import NIGHTS, SEED, Swept

NIGHT: Final = 2_000
HISTORIES: Final = int(
    os.environ.get("METERSEAL_BILLING_YEARS", "30" if NIGHTS == 1 else str(NIGHT))
)
# How each kind of step must have ended at least once, or nothing was tried.
WANTED: Final[Mapping[str, str]] = {
    "publish": "done",
    "move-in": "done",
    "move-out": "done",
    "change": "done",
    "tell": "done",
    "revise": "done",
    "edit": "done",
    "estimate": "done",
    "import": "done",
    "trade": "done",
    "pay-in": "done",
    "pay-bills": "done",
    "pay": "done funds",
    "quote": "done",
    "plan": "done",
    "refund": "done funds",
    "dispute": "done",
    "dispute-trade": "done",
    "decide": "done",
    "withdraw": "done",
    "correct-now": "done",
    "ask-erasure": "done still-bound",
    "erase": "done",
    "cut": "bill collect pack mint",
    "again": "pay-bills pay publish",
    "bill": "done said:again paid issued corrected credit-note",
    "correct": "done",
    "collect": "done",
    "act": "paid given overdue late-fee disputed resolved corrected",
    "paid:by": "member payment prepaid",
    "reward": "paid waiting",
    "usage": "edit estimate import",
    "slot": "netted",
    "trade:ended": "settled",
    "evidence": "passed",
}


async def history(seed: int, folder: Path) -> Counter[tuple[str, str]]:
    """Live through one history; returns how often each kind of step ended how."""
    years = await Years.begin(Random(seed), folder)
    try:
        await live(years)
        await end(years)
        years.met.update(await happenings(years))
    except BaseException as error:
        error.add_note(f"billing years of seed {seed}, at {years.now}")
        raise
    finally:
        await years.database.close()
    return years.met


async def test_whatever_happens_in_months_of_billing_the_bills_agree(
    swept: Swept, tmp_path: Path
) -> None:
    met: Counter[tuple[str, str]] = Counter()
    began = time.process_time()
    for number in range(HISTORIES):
        met += await history(SEED * 100_000 + number, tmp_path)
    swept("histories of billing", HISTORIES, max(NIGHT, HISTORIES))
    rate = HISTORIES / (time.process_time() - began)
    print(f"{HISTORIES} histories, {rate:.1f} a second of one core")
    for (kind, how), count in sorted(met.items()):
        print(f"| {kind} | {how} | {count:,} |")
    wanted = {
        (kind.replace(":", " "), how.replace(":", " "))
        for kind, ends in WANTED.items()
        for how in ends.split()
    } | {("struck", what) for what in STRUCK}
    never = sorted(one for one in wanted if not met[one])
    assert not never, f"never met: {never}"
