"""Each seal is judged by the key in force at its sequence; usage by its digest."""

from dataclasses import replace

import pytest

from meterseal_proto.bundle import Logged
from meterseal_proto.claims import Claim, Expectation, Verdict, Wrong
from meterseal_proto.entry import KeyEvent
from meterseal_proto.evidence.claims import Key, _speaking
from meterseal_proto.units import IMPORT, MeterId
from meterseal_proto.verify import examine, zone_clock
from tests.support.billevidence import FIRST, KEY, MARCH, STEP, a_bill
from tests.support.evidence import GENESIS, METER

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)


def a_key(from_seq: int, index: int) -> Key:
    event = KeyEvent(
        GENESIS.network, METER, IMPORT, str(KEY.public.algorithm), KEY.public.raw,
        from_seq, STEP, FIRST, MARCH,
    )  # fmt: skip
    return Key(event, KEY.public, Logged(index, ()))


def test_a_seal_is_of_the_last_key_that_began_by_then() -> None:
    header = replace(a_bill().seals[0].header, seq=5)
    old, now, later = a_key(1, 3), a_key(4, 9), a_key(6, 12)
    for keys in ((old, now, later), (later, now, old)):
        assert _speaking(keys, header) is now
        assert _speaking(keys, replace(header, seq=4)) is now
        assert _speaking(keys, replace(header, seq=3)) is old
        assert _speaking(keys, replace(header, seq=6)) is later
    again = a_key(4, 11)
    assert _speaking((again, old, now), header) is again


def test_no_key_of_later_or_of_another_register_speaks_for_a_seal() -> None:
    header = replace(a_bill().seals[0].header, seq=5)
    other = a_key(1, 3)
    other = replace(other, event=replace(other.event, meter=MeterId(bytes(16))))
    with pytest.raises(Wrong, match="sequence 5"):
        _speaking((a_key(6, 12), other), header)


def test_usage_that_does_not_hash_to_what_the_statement_names_fails() -> None:
    bill = a_bill()
    assert bill.statement is not None
    (told,) = bill.statement.usage
    lie = replace(told, digest=bytes((1,)) * 32)
    bill.statement = replace(bill.statement, usage=(lie,))
    found: dict[str, Claim] = {one.name: one for one in examine(bill.zip(), KNOWN)}
    assert found["usage"].verdict is Verdict.FAIL
    assert "does not hash to the digest" in found["usage"].text
