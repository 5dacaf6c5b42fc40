"""Evidence that a stranger made to keep its reader busy for ever is judged in a moment."""

import random
import time
from dataclasses import replace

import pytest

from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedload import Netted, load_between
from meterseal_proto.evidence.contents import numbered
from meterseal_proto.evidence.sealedfile import SealedRegister, write_seals
from meterseal_proto.evidence.slotsfile import (
    History,
    Slots,
    ToldValue,
    write_history,
    write_slots,
)
from meterseal_proto.seal import Header, OpenRecord, Seal
from meterseal_proto.units import IMPORT, Quality
from meterseal_proto.verify import examine, zone_clock
from tests.support.billevidence import MARCH, Bill, a_bill
from tests.support.evidence import GENESIS, METER

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
WITHIN_S = 20.0
"""A machine that is busy besides takes some seconds; what stalled took hours."""
MANY = 10_000


def judged_in_time(bill: Bill, changed: dict[str, bytes]) -> set[str]:
    begun = time.monotonic()
    found = examine(bill.zip(changed), KNOWN)
    assert time.monotonic() - begun < WITHIN_S
    return {one.name for one in found if one.verdict is Verdict.FAIL}


def test_a_record_of_a_million_years_does_not_stall_its_reader() -> None:
    bill = a_bill()
    record = OpenRecord(MARCH, 1, 1, 14)
    header = Header(
        GENESIS.network, METER, IMPORT, MARCH, 1 << 40, 1, 99, bytes(32), bytes(32)
    )
    seal = Seal(header, bytes(64), (record,), (bytes(16),))
    name = numbered(parts.SEALS, 1)
    file = write_seals(SealedRegister(METER, IMPORT, (seal,)))
    assert "records" in judged_in_time(bill, {name: file})


def test_values_that_all_cover_everything_do_not_stall_their_reader() -> None:
    bill = a_bill()
    assert bill.statement is not None
    long = Slots(
        METER, IMPORT, MARCH, 900, (1,) * MANY, bytes([Quality.ESTIMATED]) * MANY
    )
    chance = random.Random(3)
    values = tuple(
        ToldValue(
            MARCH, MANY * 900, chance.randrange(1 << 30), int(Quality.ESTIMATED),
            "estimate", "", f"{chance.getrandbits(128):x}", "vee", MARCH,
        )
        for _ in range(MANY)
    )  # fmt: skip
    (told,) = bill.statement.usage
    bill.statement = replace(
        bill.statement,
        usage=(
            replace(
                told, end=long.end, digest=long.digest, quantity=MANY, estimated=MANY
            ),
        ),
    )
    changed = {
        numbered(parts.USAGE, 1): write_slots(long),
        numbered(parts.HISTORY, 1): write_history(History((), values)),
    }
    assert "usage" in judged_in_time(bill, changed)


def test_netted_rows_that_all_cover_everything_do_not_stall_their_reader() -> None:
    long = Slots(
        METER, IMPORT, MARCH, 900, (1,) * MANY, bytes([Quality.VALIDATED]) * MANY
    )
    rows = [Netted(MARCH, 1 << 50, 1 << 40)] * MANY
    begun = time.monotonic()
    with pytest.raises(ValueError, match="over itself"):
        load_between([long], rows, MARCH, long.end)
    assert time.monotonic() - begun < WITHIN_S
