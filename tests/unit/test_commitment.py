"""Commitments agree with py-ecc's, with the golden set, and with public-key recovery."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto.commitment import (
    B_BYTES,
    MAX_VALUE,
    V_BYTES,
    Slot,
    bases,
    blinding_of,
    commit,
    derive_bases,
    encoded,
    opens,
    total,
    value_point,
)
from meterseal_proto.curve import ORDER
from meterseal_proto.group import group
from meterseal_proto.secret import Secret
from meterseal_proto.units import MeterId, RegisterId
from tests.support.data import shared_data

MADE = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/commitment.json").read_text()
)


def golden() -> dict[str, object]:
    path = shared_data().parent / "reference/vectors/commitments.json"
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_the_bases_follow_from_the_tag_and_nothing_else() -> None:
    assert derive_bases() == (V_BYTES, B_BYTES)
    assert (MADE["V"], MADE["B"]) == (V_BYTES.hex(), B_BYTES.hex())
    found = golden()
    assert (found["V"], found["B"]) == (V_BYTES.hex(), B_BYTES.hex())
    assert value_point()[1:].hex() == found["x_h"]
    assert int.from_bytes(value_point()[1:]) < ORDER


def test_commitments_are_those_of_the_script_and_of_the_golden_set() -> None:
    theirs = golden()["commitments"]
    assert isinstance(theirs, list)
    for case in (*MADE["commitments"], *theirs):
        value, z = int(str(case["v"])), int(case["z"], 16)
        made = commit(Secret(value), Secret(z))
        assert made.hex() == case["c"]
        assert opens(made, value, z)


def test_a_days_blindings_and_sum_are_those_of_the_script() -> None:
    key = bytes.fromhex(MADE["blind_key"])
    made = []
    for row in MADE["day"]["slots"]:
        slot = Slot(
            bytes.fromhex(MADE["network"]),
            MeterId(bytes.fromhex(MADE["meter"])),
            RegisterId(MADE["register"]),
            row["start"],
            MADE["length"],
            row["revision"],
        )
        z = blinding_of(key, slot, row["v"])
        assert hex(z.reveal()) == row["z"]
        made.append(commit(Secret(row["v"]), z))
        assert made[-1].hex() == row["c"]
    assert total(made).hex() == MADE["day"]["sum"]


def test_public_key_recovery_finds_the_commitment() -> None:
    """SEC 1, 4.1.6: Q = r^-1 (s R - e G) with R = H, s = v, e = z."""
    of, x = group(), int.from_bytes(value_point()[1:])
    inverse = pow(x, -1, ORDER)
    for value, z in ((1, 5), (65_535, ORDER - 1), (2**127, 2**200)):
        s_r = of.times(of.decode(value_point()), value * inverse)
        e_g = of.base(Secret(-z * inverse))
        assert s_r is not None
        assert e_g is not None
        assert encoded(of.add([s_r, e_g])) == commit(Secret(value), Secret(z))


def test_one_value_of_a_slot_has_one_blinding_and_another_value_another() -> None:
    slot = Slot(bytes(32), MeterId(bytes(16)), RegisterId(1), 900, 900)
    changed = (
        Slot(b"\x01" * 32, slot.meter, slot.register, 900, 900),
        Slot(slot.network, MeterId(b"\x01" * 16), slot.register, 900, 900),
        Slot(slot.network, slot.meter, RegisterId(2), 900, 900),
        Slot(slot.network, slot.meter, slot.register, 1_800, 900),
        Slot(slot.network, slot.meter, slot.register, 900, 1_800),
        Slot(slot.network, slot.meter, slot.register, 900, 900, 1),
    )
    key = bytes(32)
    found = [blinding_of(key, one, 7).reveal() for one in (slot, *changed)]
    found += [blinding_of(key, slot, 8).reveal(), blinding_of(b"k", slot, 7).reveal()]
    assert len(set(found)) == len(found)
    assert blinding_of(key, slot, 7).reveal() == found[0]


@given(
    st.lists(st.tuples(st.integers(0, 2**32), st.integers(1, ORDER - 1)), min_size=1)
)
def test_the_sum_of_commitments_is_a_commitment_to_the_sum(
    pairs: list[tuple[int, int]],
) -> None:
    made = [commit(Secret(v), Secret(z)) for v, z in pairs]
    value, z = sum(v for v, _ in pairs), sum(z for _, z in pairs) % ORDER
    assert opens(total(made), value, z)
    assert not opens(total(made), value + 1, z)


def test_what_is_no_commitment_is_refused() -> None:
    one = commit(Secret(3), Secret(4))
    of = group()
    opposite = of.encode(of.negate(of.decode(one)))
    with pytest.raises(ValueError, match="infinity"):
        total([one, opposite])
    with pytest.raises(ValueError, match="infinity"):
        commit(Secret(0), Secret(0))
    with pytest.raises(ValueError, match="not a compressed point"):
        total([one, bytes(33)])
    for value, z in ((-1, 4), (MAX_VALUE + 1, 4), (3, ORDER), (3, 4 + ORDER), (0, 0)):
        assert not opens(one, value, z)
    assert not opens(opposite, 3, 4)
    assert bases().base_factor < ORDER
