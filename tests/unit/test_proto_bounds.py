"""What a stranger signs or answers is bounded before anything is done with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.encoding import Value, encode
from meterseal_proto.enrolment import (
    EnrolledMeter,
    EnrolmentAnswer,
    EnrolmentRequest,
    Genesis,
    MeterRequest,
    RegisterHead,
    RegisterStart,
)
from meterseal_proto.errors import Malformed, Reason
from meterseal_proto.receipt import Answer, Receipt, Refusal, open_receipt, sign_receipt
from meterseal_proto.units import IMPORT, MeterId
from tests.support.boxes import NOT_BUSY, PUBLIC, opened, put, records, sealer
from tests.support.oracle import AGENT, NETWORK, start

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
ONE = start(PUBLIC)
GENESIS = Genesis(1, "ST0", "log")
ANSWER = EnrolmentAnswer(
    agent="pi-1",
    network_name="home",
    certificate_pem="c",
    ca_pem="ca",
    genesis=GENESIS.document().hex(),
    chain_id=1,
    registry="ST0",
    log_key="log",
    receipt_key="00",
    trustee_keys=("00",),
    broker="localhost:1883",
    broker_tls=False,
    meters=(EnrolledMeter("SN1", "00"),),
    heads=(RegisterHead("00", "1-0:1.8.0", 0, "00", 0, 0),),
)  # fmt: skip
REQUEST = EnrolmentRequest(
    *("CODE", "csr", "secp256k1", "00", "00"),
    (MeterRequest("SN1", "sdm120", 5_000, (RegisterStart(IMPORT, 900, 1, 0),)),),
)
HEAD = {
    "meter": "00", "register": "1-0:1.8.0", "seq": 0, "hash": "00", "end": 0, "value": 0,
}  # fmt: skip
BOMBS = ("[" * 100_000, '{"a":' * 100_000, "[" * 4_000)


def signed(*fields: Value) -> bytes:
    """Sign a receipt's fields, whatever they are."""
    body: list[Value] = [1, *fields]
    return encode([*body, KEY.sign(b"meterseal/receipt/v1\x00" + encode(body))])


def row(**changes: Value) -> list[Value]:
    """Return an answer's row."""
    fields: dict[str, Value] = {
        "meter": bytes(16), "register": IMPORT, "seq": 1, "hash": bytes(32),
    }  # fmt: skip
    return list((fields | changes).values())


@pytest.mark.parametrize(
    "fields",
    [
        (bytes(31), AGENT, 0, [], []),
        (NETWORK, "", 0, [], []),
        (NETWORK, "a/b", 0, [], []),
        (NETWORK, "a" * 65, 0, [], []),
        (NETWORK, b"pi-1", 0, [], []),
        (NETWORK, AGENT, -1, [], []),
        (NETWORK, AGENT, 1 << 63, [], []),
        (NETWORK, AGENT, True, [], []),
        (NETWORK, AGENT, 0, [row(meter=bytes(15))], []),
        (NETWORK, AGENT, 0, [row(register=1 << 48)], []),
        (NETWORK, AGENT, 0, [row(seq=1 << 63)], []),
        (NETWORK, AGENT, 0, [row(seq=-1)], []),
        (NETWORK, AGENT, 0, [row(hash=bytes(33))], []),
        (NETWORK, AGENT, 0, [[*row(), 1]], []),
        (NETWORK, AGENT, 0, [], [[*row(), 99]]),
        (NETWORK, AGENT, 0, [], [[*row(), (1 << 64) - 1]]),
        (NETWORK, AGENT, 0, [], [row()]),
    ],
)
def test_a_signed_receipt_out_of_bounds_is_no_receipt(
    fields: tuple[Value, ...],
) -> None:
    with pytest.raises(Malformed):
        open_receipt(signed(*fields), KEY.public_key())


def test_whatever_a_signed_receipt_says_the_outbox_survives(tmp_path: Path) -> None:
    box = opened(tmp_path, [ONE])
    put(box, records(ONE, [1]))
    (seal,) = sealer(box).due(room=1, busy=NOT_BUSY)
    most = (1 << 63) - 1
    places = [
        *((ONE.meter, ONE.register, seq, seal.hash) for seq in (0, most)),
        (MeterId(bytes(16)), IMPORT, 1, bytes(32)),
        (ONE.meter, ONE.register, 1, bytes(32)),
    ]
    for reason in Reason:
        refused = tuple(Refusal(*place, reason) for place in places)
        durable = tuple(Answer(*place) for place in places)
        receipt = Receipt(NETWORK, AGENT, most, durable, refused)
        opened_again = open_receipt(sign_receipt(receipt, KEY), KEY.public_key())
        applied = box.apply(opened_again, now=1)
        assert applied.unknown == 2 * len(places)
    assert box.unanswered() == [seal]
    box.close()


def test_an_enrolments_two_sides_read_what_the_other_wrote() -> None:
    assert EnrolmentAnswer.from_json(json.dumps(ANSWER.to_json())) == ANSWER
    assert EnrolmentRequest.from_json(json.dumps(REQUEST.to_json())) == REQUEST


@pytest.mark.parametrize("bomb", BOMBS, ids=("lists", "objects", "few"))
def test_json_that_nests_is_refused_before_it_is_read(bomb: str) -> None:
    for text in (bomb, bomb.encode()):
        with pytest.raises(ValueError, match=r"lists and objects|Expecting"):
            EnrolmentAnswer.from_json(text)
        with pytest.raises(ValueError, match=r"lists and objects|Expecting"):
            EnrolmentRequest.from_json(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"agent": 1},
        {"chain_id": 1 << 32},
        {"chain_id": True},
        {"broker_tls": 1},
        {"broker": ["a"]},
        {"trustee_keys": [1]},
        {"ca_pem": "x" * 65_537},
        {"meters": [{"serial": 1, "meter": "00"}]},
        {"meters": [{"serial": "1"}]},
        {"meters": 5},
        {"more": 1},
        {"heads": [HEAD | {"seq": 1 << 63}]},
        {"heads": [HEAD | {"end": -1}]},
        {"heads": [HEAD | {"value": 1.0}]},
        {"heads": [HEAD | {"hash": None}]},
    ],
)
def test_an_answer_out_of_bounds_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        EnrolmentAnswer.from_json(json.dumps(ANSWER.to_json() | changes))


@pytest.mark.parametrize("name", ["step", "value", "at"])
@pytest.mark.parametrize("value", [-1, 1 << 63, 1.0, True, "1", None])
def test_a_request_out_of_bounds_is_refused(name: str, value: object) -> None:
    body = REQUEST.to_json()
    body["meters"][0]["registers"][0][name] = value
    with pytest.raises((KeyError, TypeError, ValueError)):
        EnrolmentRequest.from_json(json.dumps(body))
