"""A checkpoint has one spelling, one signer, and no byte to spare."""

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
    parse_body,
    parse_note,
    parse_vkey,
    sign_note,
)
from meterseal_proto.errors import Malformed, Reason, Rejected

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"
CASES: list[dict[str, Any]] = json.loads(  # JSON of our own vectors
    (VECTORS / "checkpoint.json").read_text()
)["cases"]

# The example of the signed note package of Go's checksum database.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN"
    "1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HEAD = Checkpoint("street-7", 7, bytes(range(32)))
NOTE = sign_note(HEAD, KEY)
VKEY = NoteKey("street-7", KEY.public_key().public_bytes_raw()).vkey
WITNESS = "\u2014 witness.example " + "AAAABBBBCCCC" * 6 + "\n"


def test_the_vectors_are_what_the_independent_script_makes() -> None:
    script = VECTORS / "make_checkpoint.py"
    made = subprocess.run(
        [sys.executable, str(script)], capture_output=True, check=True
    )
    assert made.stdout == (VECTORS / "checkpoint.json").read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["origin"])
def test_signing_gives_the_bytes_of_the_vectors(case: dict[str, Any]) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["secret"]))
    head = Checkpoint(case["origin"], case["size"], bytes.fromhex(case["root"]))
    assert sign_note(head, key) == case["note"]
    assert NoteKey(case["origin"], bytes.fromhex(case["public"])).vkey == case["vkey"]
    assert open_note(case["note"], case["vkey"]) == head


def test_a_note_of_another_implementation_verifies() -> None:
    parse_note(GO_NOTE).check(parse_vkey(GO_VKEY))


def test_a_note_holds_cosignatures_of_unknown_witnesses_without_minding() -> None:
    assert open_note(NOTE + WITNESS, VKEY) == HEAD
    assert len(parse_note(NOTE + WITNESS).signatures) == 2


def test_a_second_and_wrong_signature_by_the_known_key_spoils_the_note() -> None:
    other = sign_note(Checkpoint("street-7", 8, HEAD.root), KEY)
    with pytest.raises(Rejected, match="not valid") as caught:
        open_note(NOTE + other.splitlines(keepends=True)[-1], VKEY)
    assert caught.value.reason is Reason.BAD_SIGNATURE


def test_a_note_by_another_key_of_the_same_name_is_not_the_logs() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(Rejected) as caught:
        open_note(sign_note(HEAD, stranger), VKEY)
    assert caught.value.reason is Reason.BAD_SIGNATURE


def test_any_changed_missing_or_added_byte_is_refused() -> None:
    raw = NOTE.encode()
    spoilt = [raw[:i] + bytes([raw[i] ^ 1 << bit]) + raw[i + 1 :]
              for i in range(len(raw)) for bit in range(8)]  # fmt: skip
    spoilt += [raw[:i] + raw[i + 1 :] for i in range(len(raw))]
    spoilt += [raw[:i] + raw[i : i + 1] + raw[i:] for i in range(len(raw))]
    for text in spoilt:
        with pytest.raises((Rejected, UnicodeDecodeError)):
            open_note(text.decode(), VKEY)


@pytest.mark.parametrize(
    "body",
    [
        "street-7\n07\n" + "A" * 43 + "=\n",
        "street-7\n+7\n" + "A" * 43 + "=\n",
        "street-7\n\u0667\n" + "A" * 43 + "=\n",
        "street-7\n9223372036854775808\n" + "A" * 43 + "=\n",
        "street-7\n" + "9" * 5000 + "\n" + "A" * 43 + "=\n",
        "street-7\n7\n" + "A" * 42 + "B=\n",
        "street-7\n7\n" + "A" * 43 + "\n",
        "street-7\n7\n" + "A" * 44 + "\n",
        "street-7\n7\n" + "A" * 43 + "=\nextension\n",
        "street-7\n7\n" + "A" * 43 + "=",
        "street 7\n7\n" + "A" * 43 + "=\n",
        "\n7\n" + "A" * 43 + "=\n",
    ],
)
def test_a_body_in_any_other_spelling_is_refused(body: str) -> None:
    with pytest.raises(Malformed):
        parse_body(body)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\n", "\r\n"),
        NOTE + "\n",
        NOTE + WITNESS * 16,
        NOTE + "\u2014 witness.example AAAA\n",
        NOTE.replace("\u2014", "-"),
        "\ud800" + NOTE,
        "x" * 200_000 + NOTE,
    ],
)
def test_what_is_no_signed_note_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        open_note(text, VKEY)


@pytest.mark.parametrize(
    "vkey",
    ["", "street-7", VKEY + "=", VKEY.replace("street-7", "street-8"), "a b+00+AA=="],
)
def test_a_key_line_that_contradicts_itself_is_refused(vkey: str) -> None:
    with pytest.raises(Malformed):
        parse_vkey(vkey)


def test_a_log_cannot_sign_for_another_origin() -> None:
    other = NoteKey("street-8", KEY.public_key().public_bytes_raw())
    body = HEAD.body()
    line = Signature(other.name, other.key_id, KEY.sign(body.encode())).line()
    with pytest.raises(Malformed, match="origin"):
        open_note(body + "\n" + line, other.vkey)


def test_base64_with_stray_bits_is_refused() -> None:
    stray = NOTE.replace("8=\n\n", "9=\n\n")
    assert stray != NOTE
    with pytest.raises(Malformed):
        parse_body(parse_note(stray).body)
