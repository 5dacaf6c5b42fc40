"""A private bill that nets proves what it nets to a stranger, and what is touched is named."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.errors import Rejected
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedload import Netted, write_netted
from meterseal_proto.evidence.contents import pack
from meterseal_proto.evidence.nettingfile import read_netting, write_netting
from meterseal_proto.keys import RootSecret
from meterseal_proto.rating.line import LineKind
from meterseal_proto.seal import MODE_OPEN
from meterseal_proto.verify import examine, zone_clock
from tests.support.devices import BEGAN_AT
from tests.support.evidence import GENESIS
from tests.support.nettedevidence import NETS, STEP, NettedBill, a_netted_bill

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
NETTING = "netting-1"
BILL = a_netted_bill()
FILES = BILL.files()
OWNER = {
    **{name: name.partition(".")[0] for name in FILES},
    parts.NETWORK: "network",
    parts.LOG: "inclusion",
    parts.KEYS: NETTING,
    parts.SALT: "bill-hash",
    parts.LEDGER: "ledger-chain",
    "tariff-1.json": "tariff",
}
"""The claim that answers for a file which does not even read."""


def judged(data: bytes) -> dict[str, Claim]:
    return {claim.name: claim for claim in examine(data, KNOWN)}


def failed(data: bytes) -> dict[str, str]:
    found = judged(data).values()
    return {one.name: one.text for one in found if one.verdict is Verdict.FAIL}


def test_a_private_bill_that_nets_passes_every_claim_there_is_to_ask() -> None:
    found = judged(BILL.zip())
    assert failed(BILL.zip()) == {}
    assert found[NETTING].verdict is found["netted"].verdict is Verdict.PASS
    assert "2 slots used at least the 2401 Wh" in found[NETTING].text
    assert found["lines"].verdict is found["ledger"].verdict is Verdict.PASS
    (traded,) = [one for one in BILL.statement.lines if one.kind is LineKind.TRADED]
    assert traded.quantity == Fraction(sum(NETS.values()), 1_000)


@pytest.mark.parametrize("name", [one for one in FILES if one != parts.STATEMENT])
def test_a_file_of_it_that_is_left_out_is_named(name: str) -> None:
    left = {one: content for one, content in FILES.items() if one != name}
    assert OWNER[name] in failed(pack(left))


@pytest.mark.parametrize("name", list(FILES))
def test_a_file_of_garbage_fails_by_the_claim_that_answers_for_it(name: str) -> None:
    assert OWNER[name] in failed(BILL.zip({name: b"\x00garbage"}))


def test_random_bytes_in_any_file_of_it_never_pass_and_never_raise() -> None:
    chance = random.Random(21)
    for name, content in FILES.items():
        for _ in range(2):
            at = chance.randrange(len(content))
            byte = bytes((content[at] ^ chance.randrange(1, 256),))
            whole = content[:at] + byte + content[at + 1 :]
            assert failed(BILL.zip({name: whole})), (name, at)


def changed(change: Callable[[Any], object]) -> bytes:  # of the file's JSON, in place
    found = json.loads(FILES[parts.NETTING])
    change(found)
    content = json.dumps(found, sort_keys=True, separators=(",", ":")).encode()
    assert content != FILES[parts.NETTING]
    return BILL.zip({parts.NETTING: content})


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.__setitem__("consent", "11" * 64),
        lambda f: f.__setitem__("end", f["end"] + 900),
        lambda f: f.__setitem__("meter", "11" * 16),
        lambda f: f.__setitem__("register", f["register"] + 1),
        lambda f: f["days"].pop(),
        lambda f: f["days"][0].__setitem__("header", "11" * 32),
        lambda f: f["days"][0].__setitem__("first", f["days"][0]["first"] + 900),
        lambda f: f["days"][0].__setitem__("step", 300),
        lambda f: f["days"][0].__setitem__("proof", f["days"][1]["proof"]),
        lambda f: f["days"][0].__setitem__("proof", "00"),
        lambda f: f["days"][0]["slots"][0].__setitem__(1, 400),
        lambda f: f["days"][0]["slots"][0].__setitem__(1, 0),
        lambda f: f["days"][0]["slots"][0].__setitem__(0, 99),
        lambda f: f["days"][0]["slots"].append([5, 1]),
        lambda f: f["days"][0].__setitem__("slots", []),
        lambda f: f["days"].reverse(),
        lambda f: f.__setitem__("more", 1),
    ],
)
def test_whatever_is_touched_of_a_netting_fails_by_its_name(
    change: Callable[[Any], object],
) -> None:
    assert NETTING in failed(changed(change))


def relied(bill: NettedBill, slots: dict[int, int]) -> NettedBill:
    """Bill, book and ledger say these slots, and the device's proof what it did."""
    made = bill.rated(slots)
    made.proved = bill.proved
    return made


@pytest.mark.parametrize(
    "slots",
    [{1: 401}, {1: 401, 30: 1_999}, {1: 401, 31: 2_000}, {1: 401, 2: 1, 30: 2_000}],
)
def test_what_the_device_did_not_prove_is_not_netted_though_all_else_agrees(
    slots: dict[int, int],
) -> None:
    found = failed(relied(BILL, slots).zip())
    assert NETTING in found
    assert "bill-hash" not in found
    assert "netted" not in found


def test_a_slot_that_used_less_has_no_proof_that_holds() -> None:
    slots = {1: 402, 30: 2_000}
    lie = BILL.rated(slots)
    netting = BILL.netting_of(slots)
    signed = BILL.device.key.sign(netting.digest())
    lie.proved = replace(BILL.proved, netting=netting, consent=signed)
    found = failed(lie.zip())
    assert set(found) == {NETTING}
    assert "does not hold" in found[NETTING]


def test_a_netting_that_another_key_signed_fails() -> None:
    key = RootSecret(bytes([9]) * 32).seal_key()
    netting = BILL.proved.netting
    lie = replace(BILL)
    lie.proved = replace(BILL.proved, consent=key.sign(netting.digest()))
    found = failed(lie.zip())
    assert set(found) == {NETTING}
    assert "no key" in found[NETTING]


def test_a_key_of_an_open_register_signs_no_netting() -> None:
    found = failed(replace(BILL, mode=MODE_OPEN).zip())
    assert "no key" in found[NETTING]


def test_lines_that_net_more_than_was_proved_fail_though_the_total_agrees() -> None:
    dear = BILL.rated({1: 401})
    lie = replace(dear, sold=BILL.sold, proved=BILL.proved)
    lie.entries = [
        replace(one, amount=sum(NETS.values())) if one.asset == "wh" else one
        for one in dear.entries
    ]
    assert set(failed(lie.zip())) == {"lines"}


def test_a_private_bill_that_nets_nothing_needs_no_netting() -> None:
    bill = BILL.rated({})
    files = bill.files()
    del files[parts.NETTED], files[parts.NETTING]
    files[parts.KEYS] = parts.write_keys([])
    found = judged(pack(files))
    assert NETTING not in found
    assert not [one for one in found.values() if one.verdict is Verdict.FAIL]


def test_a_tariff_that_was_logged_behind_hidden_days_that_it_prices_fails() -> None:
    assert set(failed(replace(BILL, late_tariff=True).zip())) == {"tariff"}


def test_slots_of_two_markets_that_lie_over_each_other_are_each_shown() -> None:
    bill = BILL.rated({4: 10, 5: 20, 6: 30, 7: 40})
    bill.proved = bill.prove(bill.netting_of(bill.sold))
    first = BEGAN_AT + 4 * STEP
    hour = Netted(first, 4 * STEP, 80)
    both = write_netted([hour, Netted(first + STEP, STEP, 20)])
    assert failed(bill.zip({parts.NETTED: both})) == {}
    other = write_netted([hour, Netted(first + STEP, STEP, 21)])
    assert NETTING in failed(bill.zip({parts.NETTED: other}))


def test_a_netting_is_read_back_as_it_was_written() -> None:
    data = write_netting(BILL.proved)
    assert read_netting(data, GENESIS.network) == BILL.proved
    with pytest.raises(Rejected):
        read_netting(data[:-1], GENESIS.network)
