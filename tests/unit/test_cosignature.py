"""A cosignature is the witness's own, over the whole checkpoint, with its time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.checkpoint import (
    Checkpoint,
    NoteKey,
    Signature,
    open_note,
    parse_note,
    sign_note,
)
from meterseal_proto.cosignature import (
    MAX_TIME,
    CosignerKey,
    add_lines,
    cosign,
    cosigned_at,
    message,
    parse_cosigner,
)
from meterseal_proto.errors import Malformed, Reason, Rejected
from meterseal_proto.merkle import verify_consistency
from meterseal_proto.witness import (
    MAX_PROOF,
    MAX_REQUEST_BYTES,
    AddCheckpoint,
    encode_size,
    parse_add_checkpoint,
    parse_answer,
    parse_size,
)

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"
CASES: list[dict[str, Any]] = json.loads(  # JSON of our own vectors
    (VECTORS / "cosignature.json").read_text()
)["cases"]

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
NAME = "witness.example/w1"
KEY = CosignerKey(NAME, WITNESS.public_key().public_bytes_raw())
HEAD = Checkpoint("street-7", 7, bytes(range(32)))
NOTE = sign_note(HEAD, LOG)
LOG_VKEY = NoteKey("street-7", LOG.public_key().public_bytes_raw()).vkey
AT = 1_679_315_147
COSIGNED = NOTE + cosign(HEAD.body(), NAME, WITNESS, AT).line()

SPECIFIED = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeO"
    "oRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWX"
    "EhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
"""The example of C2SP tlog-cosignature, which publishes no keys for it."""
REQUEST = (
    "old 20852014\n"
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
    "\n"
)
"""The beginning of the example request of C2SP tlog-witness."""


def test_the_vectors_are_what_the_independent_script_makes() -> None:
    script = VECTORS / "make_cosignature.py"
    made = subprocess.run(
        [sys.executable, str(script)], capture_output=True, check=True
    )
    assert made.stdout == (VECTORS / "cosignature.json").read_bytes()


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['old']}-{case['size']}"
)
def test_request_message_and_answer_are_the_bytes_of_the_vectors(
    case: dict[str, Any],
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["secret"]))
    witness = parse_cosigner(case["vkey"])
    assert witness == CosignerKey(case["name"], bytes.fromhex(case["public"]))
    assert witness.vkey == case["vkey"]
    proof = tuple(bytes.fromhex(one) for one in case["proof"])
    request = AddCheckpoint(case["old"], proof, case["note"])
    assert request.encode() == case["request"].encode()
    assert parse_add_checkpoint(case["request"].encode()) == request
    head = open_note(case["note"], LOG_VKEY)
    old_root = bytes.fromhex(case["old_root"])
    assert verify_consistency(case["old"], head.size, old_root, head.root, proof)
    assert message(head.body(), case["at"]) == case["message"].encode()
    line = cosign(head.body(), case["name"], key, case["at"])
    assert line.line() == case["answer"]
    found = parse_answer(case["answer"].encode(), case["note"], witness)
    assert found == (line, case["at"])


def test_the_specifications_own_example_is_read_as_it_says() -> None:
    log, witness = parse_note(SPECIFIED).signatures
    assert (len(log.raw), len(witness.raw)) == (64, 72)
    assert int.from_bytes(witness.raw[:8]) == AT
    body = parse_note(SPECIFIED).body
    assert message(body, AT).startswith(
        b"cosignature/v1\ntime 1679315147\nexample.com/"
    )
    request = parse_add_checkpoint((REQUEST + SPECIFIED).encode())
    assert (request.old, len(request.proof)) == (20_852_014, 4)
    assert request.note == SPECIFIED
    assert request.encode() == (REQUEST + SPECIFIED).encode()


def test_a_cosigned_note_is_still_the_logs_own() -> None:
    assert open_note(COSIGNED, LOG_VKEY) == HEAD
    assert cosigned_at(parse_note(COSIGNED), KEY) == AT


def test_every_changed_bit_of_a_cosigned_note_is_seen() -> None:
    raw = COSIGNED.encode()
    for place in range(len(raw)):
        spoilt = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises((Rejected, UnicodeDecodeError)):
            note = parse_note(spoilt.decode())
            cosigned_at(note, KEY)
            open_note(spoilt.decode(), LOG_VKEY)


def test_a_plain_signature_by_the_same_key_is_no_cosignature() -> None:
    """The log's operator must not make a witness's word from something else it signed."""
    plain = Signature(NAME, KEY.key_id, WITNESS.sign(HEAD.body().encode()))
    timed = Signature(
        NAME, KEY.key_id, AT.to_bytes(8) + WITNESS.sign(HEAD.body().encode())
    )
    other_kind = NoteKey(NAME, KEY.public)
    under_0x01 = Signature(
        NAME, other_kind.key_id, cosign(HEAD.body(), NAME, WITNESS, AT).raw
    )
    for wrong in (plain, timed, under_0x01):
        with pytest.raises(Rejected) as caught:
            cosigned_at(parse_note(NOTE + wrong.line()), KEY)
        assert caught.value.reason is Reason.BAD_SIGNATURE


def test_a_cosignature_cannot_be_dated_anew_or_moved_to_another_checkpoint() -> None:
    line = cosign(HEAD.body(), NAME, WITNESS, AT)
    later = Signature(NAME, KEY.key_id, (AT + 1).to_bytes(8) + line.raw[8:])
    moved = sign_note(Checkpoint("street-7", 8, HEAD.root), LOG) + line.line()
    for text in (NOTE + later.line(), moved):
        with pytest.raises(Rejected, match="not valid"):
            cosigned_at(parse_note(text), KEY)


def test_a_wrong_line_beside_a_right_one_spoils_both() -> None:
    other = cosign(Checkpoint("street-7", 8, HEAD.root).body(), NAME, WITNESS, AT)
    with pytest.raises(Rejected, match="not valid"):
        cosigned_at(parse_note(COSIGNED + other.line()), KEY)


def test_of_two_cosignatures_by_one_witness_the_later_counts() -> None:
    again = cosign(HEAD.body(), NAME, WITNESS, AT + 60)
    note = parse_note(COSIGNED + again.line())
    assert cosigned_at(note, KEY) == AT + 60
    answer = COSIGNED.removeprefix(NOTE) + again.line()
    assert parse_answer(answer.encode(), NOTE, KEY) == (again, AT + 60)


@pytest.mark.parametrize("at", [0, -1, MAX_TIME + 1])
def test_a_time_outside_of_what_the_format_holds_is_not_signed(at: int) -> None:
    with pytest.raises(ValueError, match="time"):
        cosign(HEAD.body(), NAME, WITNESS, at)


def test_a_time_of_zero_or_beyond_the_format_is_not_believed() -> None:
    for at in (0, MAX_TIME + 1):
        text = f"cosignature/v1\ntime {at}\n{HEAD.body()}"
        raw = at.to_bytes(8) + WITNESS.sign(text.encode())
        line = Signature(NAME, KEY.key_id, raw).line()
        with pytest.raises(Rejected, match="not valid"):
            cosigned_at(parse_note(NOTE + line), KEY)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        LOG_VKEY,
        NoteKey(NAME, KEY.public).vkey,
        KEY.vkey + "=",
        KEY.vkey.replace("/w1", "/w2"),
        "witness.example/w1+5d9a2b1c",
        KEY.vkey.upper(),
    ],
)
def test_what_is_no_witness_key_is_refused(vkey: str) -> None:
    with pytest.raises(Malformed):
        parse_cosigner(vkey)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        NOTE.encode(),
        b"old 0\n" + NOTE.encode(),
        b"old\n\n" + NOTE.encode(),
        b"old  1\n\n" + NOTE.encode(),
        b"old 01\n\n" + NOTE.encode(),
        b"old -1\n\n" + NOTE.encode(),
        b"old +1\n\n" + NOTE.encode(),
        b"old 1_0\n\n" + NOTE.encode(),
        b"old 1 \n\n" + NOTE.encode(),
        b"old 1\r\n\r\n" + NOTE.encode(),
        "old \u0661\n\n".encode() + NOTE.encode(),
        b"old 9223372036854775808\n\n" + NOTE.encode(),
        b"old " + b"9" * 5000 + b"\n\n" + NOTE.encode(),
        b"OLD 1\n\n" + NOTE.encode(),
        b"old 1\nAAAA\n\n" + NOTE.encode(),
        b"old 1\n" + b"A" * 42 + b"B=\n\n" + NOTE.encode(),
        b"old 1\n" + b"A" * 43 + b"= \n\n" + NOTE.encode(),
        b"old 1\n" + b"A" * 43 + b"\n\n" + NOTE.encode(),
        b"old 1\n" + (b"A" * 43 + b"=\n") * (MAX_PROOF + 1) + b"\n" + NOTE.encode(),
        b"old 1\n\n\xff" + NOTE.encode(),
        b" " * (MAX_REQUEST_BYTES + 1),
    ],
)
def test_a_request_in_any_other_spelling_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        parse_add_checkpoint(body)


def test_the_longest_proof_a_client_may_send_is_read() -> None:
    request = AddCheckpoint(1, (bytes(32),) * MAX_PROOF, NOTE)
    assert parse_add_checkpoint(request.encode()) == request


@pytest.mark.parametrize("size", [0, 50, 2**63 - 1])
def test_a_size_is_a_decimal_and_a_newline(size: int) -> None:
    assert parse_size(encode_size(size)) == size


@pytest.mark.parametrize(
    "data",
    [b"", b"50", b"050\n", b"\n", b"-1\n", b"5 0\n", b"9223372036854775808\n",
     b"5\n5\n", b"1" * 500 + b"\n", b"\xff\n", b"50\r\n"],
)  # fmt: skip
def test_a_size_in_any_other_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_size(data)


def test_an_answer_may_hold_lines_of_keys_nobody_asked_for() -> None:
    other = cosign(HEAD.body(), "witness.example/w2", LOG, AT).line()
    own = cosign(HEAD.body(), NAME, WITNESS, AT)
    assert parse_answer((other + own.line()).encode(), NOTE, KEY) == (own, AT)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\n",
        b"ok\n",
        b"\xff",
        COSIGNED.encode(),
        COSIGNED.removeprefix(NOTE).rstrip().encode(),
        b"\n" + COSIGNED.removeprefix(NOTE).encode(),
        cosign(HEAD.body(), "witness.example/w2", WITNESS, AT).line().encode(),
        cosign(HEAD.body(), NAME, WITNESS, AT).line().encode() * 17,
    ],
)
def test_an_answer_that_is_no_cosignature_of_the_witness_is_refused(
    answer: bytes,
) -> None:
    with pytest.raises(Rejected):
        parse_answer(answer, NOTE, KEY)


def test_a_note_takes_as_many_cosignatures_as_a_note_may_have() -> None:
    lines = [cosign(HEAD.body(), f"w{n}", WITNESS, AT) for n in range(20)]
    full = add_lines(NOTE, lines)
    assert len(parse_note(full).signatures) == 16
    assert open_note(full, LOG_VKEY) == HEAD
