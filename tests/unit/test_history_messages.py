"""What a restored device asks and is given, byte by byte, and the log read in tiles."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.translog.paths import Resource, parse_path
from meterseal_proto.backup import START_BYTES, Start, bring_back_start, keep_start
from meterseal_proto.bill import BillStatement, ProvedBill
from meterseal_proto.enrolment import (
    EnrolmentAnswer,
    EnrolmentRequest,
    MeterRequest,
    RegisterHead,
    RegisterStart,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.history import HistoryDay, HistoryPage, HistoryRequest, only
from meterseal_proto.keys import RootSecret
from meterseal_proto.logtiles import Reading, bundles, parse_bundle, tile_path
from meterseal_proto.merkle import leaf_hash, root_of
from meterseal_proto.units import EXPORT, IMPORT, MeterId

METER = MeterId(bytes(range(16)))
KEY = RootSecret(bytes(range(32)))
START = Start("S1", IMPORT, 1_700_000_100)


def test_a_history_request_has_its_one_spelling() -> None:
    wish = HistoryRequest.sign(
        KEY.seal_key(), bytes(32), (METER, IMPORT), after=7, at=1_700_000_000
    )
    assert wish.digest(bytes(32)).hex() == REQUEST
    assert wish.to_json() == {
        "meter": METER.hex(),
        "register": IMPORT,
        "after": 7,
        "at": 1_700_000_000,
        "signature": wish.signature.hex(),
    }
    assert KEY.seal_key().public.verify(bytes.fromhex(REQUEST), wish.signature)
    for other in (
        HistoryRequest(METER, EXPORT, 7, 1_700_000_000, b""),
        HistoryRequest(METER, IMPORT, 8, 1_700_000_000, b""),
        HistoryRequest(METER, IMPORT, 7, 1_700_000_001, b""),
    ):
        assert other.digest(bytes(32)).hex() != REQUEST
    assert wish.digest(bytes([1]) * 32).hex() != REQUEST


REQUEST = "82c9bd3b632c33d8cc0910088dc373ce3584f10b75072ba0eae3a8b933ac89ae"


def test_a_sealed_start_has_its_one_spelling_and_its_own_place() -> None:
    sealed = keep_start(KEY.store_key, START, 123_456_789)
    assert (sealed.hex(), len(sealed)) == (SEALED, START_BYTES)
    assert bring_back_start(KEY.store_key, START, sealed) == 123_456_789
    for place in (
        Start("S2", IMPORT, START.at),
        Start("S1", EXPORT, START.at),
        Start("S1", IMPORT, START.at + 900),
    ):
        with pytest.raises(Malformed, match="another register, time or device"):
            bring_back_start(KEY.store_key, place, sealed)
    with pytest.raises(Malformed, match="another register, time or device"):
        bring_back_start(RootSecret(bytes(32)).store_key, START, sealed)
    with pytest.raises(Malformed, match="24 bytes"):
        bring_back_start(KEY.store_key, START, sealed[:-1])


SEALED = "0026c4f505d8a9676c6a391b42d4e5bd4238b0b503dd139e"


def a_page() -> HistoryPage:
    day = HistoryDay(3, 0, bytes(33) * 2, b"\x0e\x0a", "verified", bytes(818))
    bill = ProvedBill(
        BillStatement(
            *(bytes(32), METER, IMPORT, 0, 900, bytes(32), 17, 0),
            *((bytes(32),), bytes(32)),
        ),
        bytes(64),
        bytes(64),
    )
    return HistoryPage((day,), (bill,), 12)


def test_a_page_comes_back_as_it_was_and_a_misshapen_one_does_not() -> None:
    page = a_page()
    text = json.dumps(page.to_json())
    assert HistoryPage.from_json(text.encode()) == page
    assert page.days[0].commitments == (bytes(33), bytes(33))
    for wrong in (
        text.replace('"0e0a"', '"0e"'),
        text.replace('"0e0a"', '"zz"'),
        text.replace('"seq": 3', '"seq": true'),
        text.replace('"after": 12', '"after": -1'),
        text.replace('"days"', '"daze"'),
        "[]",
        "{",
        "[" * 3_000,
    ):
        with pytest.raises(Malformed):
            HistoryPage.from_json(wrong.encode())
    with pytest.raises(Malformed, match="twice"):
        only([*page.days, *page.days])


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_the_root_over_leaves_as_they_come_is_that_of_all(entries: list[bytes]) -> None:
    reading = Reading()
    for entry in entries:
        reading.add(leaf_hash(entry))
    assert reading.size == len(entries)
    assert reading.root() == root_of([leaf_hash(entry) for entry in entries])


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8), st.data())
def test_a_bundle_is_as_many_whole_entries_as_its_name_says(
    entries: list[bytes], data: st.DataObject
) -> None:
    raw = b"".join(len(entry).to_bytes(2) + entry for entry in entries)
    assert parse_bundle(raw, len(entries)) == entries
    cut = data.draw(st.integers(0, len(raw) - 1))
    for wrong, width in (
        (raw[:cut], len(entries)),
        (raw + b"\x00", len(entries)),
        (raw, len(entries) + 1),
        (raw, len(entries) - 1),
    ):
        with pytest.raises(Malformed):
            parse_bundle(wrong, width)


@given(st.sampled_from([None, 0, 1, 7]), st.integers(0, 10**12), st.integers(1, 256))
def test_names_of_tiles_are_those_the_log_knows(
    level: int | None, index: int, width: int
) -> None:
    assert parse_path(tile_path(level, index, width)) == Resource(level, index, width)


def test_bundles_cover_a_log_once() -> None:
    assert list(bundles(0)) == []
    assert list(bundles(256)) == [("tile/entries/000", 256)]
    assert list(bundles(513))[1:] == [
        ("tile/entries/001", 256),
        ("tile/entries/002.p/1", 1),
    ]


def test_what_open_registers_are_told_and_tell_has_not_changed() -> None:
    head = RegisterHead("00", "1-0:1.8.0", 1, "11", 2, 3)
    answer = EnrolmentAnswer(
        *("a1", "n", "", "", "", 1, "r", "k", ""), (), "b", True, (), (head,)
    )
    (row,) = answer.to_json()["heads"]
    assert list(row) == ["meter", "register", "seq", "hash", "end", "value"]
    assert RegisterHead.read(dict(row)) == head
    meters = (MeterRequest("S1", "p", 1, (RegisterStart(IMPORT, 900, 5, 0),)),)
    request = EnrolmentRequest("c", "p", "secp256k1", "", "", meters)
    (told,) = request.to_json()["meters"][0]["registers"]
    assert list(told) == ["register", "step", "value", "at"]


def test_a_committed_head_comes_back_with_its_opening_and_starts() -> None:
    head = RegisterHead("00", "1-0:1.8.0", 1, "11", 2, 0, "22", ((900, "33"),))
    answer = EnrolmentAnswer(
        *("a1", "n", "", "", "", 1, "r", "k", ""), (), "b", True, (), (head,)
    )
    (row,) = json.loads(json.dumps(answer.to_json()))["heads"]
    assert RegisterHead.read(row) == head
    for wrong in ({"opening": 1}, {"starts": [[1]]}, {"starts": [["x", ""]]}, {"x": 1}):
        with pytest.raises((TypeError, ValueError)):
            RegisterHead.read({**row, **wrong})
