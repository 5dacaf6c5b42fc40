"""Every public ECDSA, Ed25519 and HKDF vector of Wycheproof, policy differences listed.

Our policy is stricter in one point only: a high s is refused (BIP 146), and lengths are
exactly 64 bytes.
"""

import hashlib
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterseal_proto.curve import ORDER, backends
from meterseal_proto.keys import P256_ORDER, Algorithm, PublicKey
from tests.support.data import shared_data


def groups(name: str) -> list[dict[str, Any]]:  # Wycheproof's JSON has no one shape
    found = json.loads(shared_data("wycheproof", name).read_text())["testGroups"]
    assert found
    return list(found)


def compressed(uncompressed: bytes) -> bytes:
    return bytes([2 + uncompressed[-1] % 2]) + uncompressed[1:33]


def high(signature: bytes, order: int) -> bool:
    return len(signature) == 64 and int.from_bytes(signature[32:]) > order // 2


@pytest.mark.parametrize("backend", backends(), ids=lambda b: b.name)
def test_secp256k1_in_fixed_width_form_agrees_but_for_high_s(backend: Any) -> None:
    refused = 0
    for group in groups("ecdsa_secp256k1_sha256_p1363_test.json"):
        public = compressed(bytes.fromhex(group["publicKey"]["uncompressed"]))
        for case in group["tests"]:
            signature = bytes.fromhex(case["sig"])
            digest = hashlib.sha256(bytes.fromhex(case["msg"])).digest()
            expected = case["result"] == "valid" and not high(signature, ORDER)
            refused += case["result"] == "valid" and not expected
            assert backend.verify(public, digest, signature) is expected, case
    assert refused > 0, (
        "the file holds valid signatures with a high s; the policy was tried"
    )


def test_secp256k1_bitcoin_vectors_agree_once_their_der_is_read() -> None:
    """Signatures whose DER is not exact have no 64-byte form, and so cannot be ours."""
    seen = 0
    for group in groups("ecdsa_secp256k1_sha256_bitcoin_test.json"):
        public = compressed(bytes.fromhex(group["publicKey"]["uncompressed"]))
        for case in group["tests"]:
            signature = fixed_width(bytes.fromhex(case["sig"]))
            digest = hashlib.sha256(bytes.fromhex(case["msg"])).digest()
            for backend in backends():
                good = signature is not None and backend.verify(
                    public, digest, signature
                )
                assert good is (case["result"] == "valid"), case
            seen += 1
    assert seen > 400


def fixed_width(der: bytes) -> bytes | None:
    """Read strict DER (BIP 66) into r || s, or None."""
    if len(der) < 8 or der[0] != 0x30 or der[1] != len(der) - 2 or der[2] != 2:
        return None
    split = 4 + der[3]
    if (
        split + 2 > len(der)
        or der[split] != 2
        or split + 2 + der[split + 1] != len(der)
    ):
        return None
    parts = der[4:split], der[split + 2 :]
    if not all(exact(part) for part in parts):
        return None
    return b"".join(int.from_bytes(part).to_bytes(32) for part in parts)


def exact(part: bytes) -> bool:
    positive = bool(part) and part[0] < 0x80
    minimal = positive and (len(part) == 1 or part[0] != 0 or part[1] >= 0x80)
    return minimal and len(part.lstrip(b"\0")) <= 32


def test_p256_in_fixed_width_form_agrees_but_for_high_s() -> None:
    refused = 0
    for group in groups("ecdsa_secp256r1_sha256_p1363_test.json"):
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
        raw = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        public = PublicKey.parse(Algorithm.P256, raw)
        for case in group["tests"]:
            signature = bytes.fromhex(case["sig"])
            digest = hashlib.sha256(bytes.fromhex(case["msg"])).digest()
            expected = case["result"] == "valid" and not high(signature, P256_ORDER)
            refused += case["result"] == "valid" and not expected
            assert public.verify(digest, signature) is expected, case
    assert refused > 0


def test_ed25519_agrees() -> None:
    for group in groups("ed25519_test.json"):
        public = Ed25519PublicKey.from_public_bytes(
            bytes.fromhex(group["publicKey"]["pk"])
        )
        for case in group["tests"]:
            try:
                public.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
                good = True
            except InvalidSignature:
                good = False
            assert good is (case["result"] == "valid"), case


def test_hkdf_agrees() -> None:
    for group in groups("hkdf_sha256_test.json"):
        for case in group["tests"]:
            ikm, salt, info = (
                bytes.fromhex(case[name]) for name in ("ikm", "salt", "info")
            )
            if case["result"] != "valid":
                with pytest.raises(ValueError, match="larger than"):
                    HKDF(SHA256(), case["size"], salt, info)
                continue
            assert (
                HKDF(SHA256(), case["size"], salt, info).derive(ikm).hex()
                == case["okm"]
            )
