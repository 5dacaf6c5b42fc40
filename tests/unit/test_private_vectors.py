"""Tariffs, bills, masked openings and backups agree with what an independent script made."""

import json
from pathlib import Path

from meterseal_proto import schnorr
from meterseal_proto.backup import Day, bring_back, keep
from meterseal_proto.bill import BillStatement, amount_of, left_over
from meterseal_proto.commitment import Slot, commit, total
from meterseal_proto.secret import Secret
from meterseal_proto.tariff import parse_tariff
from meterseal_proto.totals import Mask, Masked, mask_of, masked, place_of, set_hash
from meterseal_proto.units import MeterId, RegisterId

MADE = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/private.json").read_text()
)
NETWORK = bytes.fromhex(MADE["network"])
METER = MeterId(bytes.fromhex(MADE["meter"]))
REGISTER = RegisterId(MADE["register"])
BILL = MADE["bill"]
VALUES = [Secret(value) for value in BILL["values"]]
BLINDINGS = [Secret(int(one, 16)) for one in BILL["blindings"]]
COMMITMENTS = [bytes.fromhex(one) for one in BILL["commitments"]]


def test_the_tariff_has_the_scripts_bytes_and_hash() -> None:
    made = MADE["tariff"]
    tariff = parse_tariff(made["document"].encode())
    assert tariff.document() == made["document"].encode()
    assert tariff.hash().hex() == made["hash"]


def test_the_bill_is_about_the_scripts_digest_and_signed_as_it_signs() -> None:
    statement = BillStatement(
        NETWORK, METER, REGISTER, BILL["begin"], BILL["end"],
        bytes.fromhex(MADE["tariff"]["hash"]), BILL["amount"], 0,
        tuple(bytes.fromhex(one) for one in BILL["headers"]),
        bytes.fromhex(BILL["previous"]),
    )  # fmt: skip
    assert amount_of(BILL["prices"], VALUES) == BILL["amount"]
    made = [commit(v, z) for v, z in zip(VALUES, BLINDINGS, strict=True)]
    assert made == COMMITMENTS
    assert statement.digest().hex() == BILL["digest"]
    assert statement.consent().hex() == BILL["consent"]
    left = left_over(BILL["prices"], COMMITMENTS, BILL["amount"])
    assert left.hex() == BILL["left_over"]
    proof = bytes.fromhex(BILL["proof"])
    assert schnorr.verify(left[1:], statement.digest(), proof)
    assert not schnorr.verify(left[1:], statement.consent(), proof)


def test_a_masked_opening_and_a_sets_name_are_the_scripts() -> None:
    made = MADE["total"]
    whole = total(COMMITMENTS)
    assert whole.hex() == made["sum"]
    length = BILL["end"] - BILL["begin"]
    slot = Slot(NETWORK, METER, REGISTER, BILL["begin"], length)
    place = place_of(slot, whole)
    assert place.hex() == made["place"]
    seeds = [bytes.fromhex(seed) for seed in made["seeds"]]
    masks = [Mask(int(one, 16), int(other, 16)) for one, other in made["masks"]]
    assert [mask_of(seed, place) for seed in seeds] == masks
    report = masked(Secret.total(VALUES), Secret.total(BLINDINGS), seeds, place)
    numbers = (made["masked_value"], made["masked_blinding"])
    assert report == Masked(*(int(number, 16) for number in numbers))
    members = [(bytes.fromhex(m), bytes.fromhex(h)) for m, h in made["members"]]
    assert set_hash(NETWORK, made["cell"], made["day"], members).hex() == made["set"]


def test_a_backup_has_the_scripts_bytes() -> None:
    made = MADE["backup"]
    day = Day(NETWORK, METER, REGISTER, BILL["begin"], MADE["step"], made["seq"])
    told = [v if n != made["missing"] else None for n, v in enumerate(BILL["values"])]
    key, backup = bytes.fromhex(made["key"]), bytes.fromhex(made["backup"])
    assert keep(key, day, told) == backup
    assert bring_back(key, day, backup) == told
