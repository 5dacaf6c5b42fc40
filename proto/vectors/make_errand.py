"""Make errand.json: what goes beside a private meter's seals, by second hand.

Independent of the package it checks: CBOR by cbor2, Ed25519 by `cryptography`, the curve
by py-ecc with its own RFC 6979. It must never import meterseal_proto.

Usage: python proto/vectors/make_errand.py > proto/vectors/errand.json
"""

import hashlib
import json
import sys

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from py_ecc.secp256k1.secp256k1 import G, N, ecdsa_raw_sign, multiply

NETWORK = bytes([0x11]) * 32
METER = bytes([0x22]) * 16
REGISTER = int.from_bytes(bytes([1, 0, 1, 8, 0, 255]), "big")
BEGIN = 1790000100
END = BEGIN + 28 * 86400
TARIFF = bytes([0x44]) * 32
SECRET = bytes(range(1, 33))
RECEIPT = bytes([7]) * 32
PLACE = [METER, REGISTER, BEGIN, END, TARIFF]


def dumps(value):
    """Write deterministic CBOR."""
    return cbor2.dumps(value, canonical=True)


def public():
    """Return the seal key's public half, compressed."""
    x, y = multiply(G, int.from_bytes(SECRET, "big"))
    return bytes([2 + y % 2]) + x.to_bytes(32, "big")


def sealed(label, content):
    """Sign with the seal key: low s, RFC 6979."""
    _, r, s = ecdsa_raw_sign(hashlib.sha256(label + content).digest(), SECRET)
    return r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")


def deposit(trustee):
    """Build one trustee's row: boxes that are nobody's, signed as a device signs them."""
    boxes = [bytes([16 * trustee + n]) * 80 for n in (1, 2)]
    key = bytes([0xA0 + trustee]) * 32
    bound = NETWORK + METER + key + public() + hashlib.sha256(b"".join(boxes)).digest()
    return [boxes, sealed(b"meterseal/deposit/v1\x00", bound)]


def refused(reason):
    """Build one refusal."""
    signature = sealed(
        b"meterseal/bill-refused/v1\x00", dumps([NETWORK, *PLACE, reason])
    )
    return {"reason": reason, "payload": dumps([3, *PLACE, reason, signature]).hex()}


def bill(amount, headers, proof):
    """Build one bill; its signatures are bytes of their width."""
    wire = [2, NETWORK, *PLACE, amount.to_bytes(16, "big"), 1, headers, bytes([5]) * 32]
    return {
        "amount": amount,
        "headers": [one.hex() for one in headers],
        "proof": proof.hex(),
        "payload": dumps([*wire, proof, bytes([6]) * 64]).hex(),
    }


def asked():
    """Build a signed wish."""
    key = Ed25519PrivateKey.from_private_bytes(RECEIPT)
    content = b"meterseal/bill-asked/v1\x00" + dumps([NETWORK, *PLACE])
    return dumps([35, *PLACE, key.sign(content)]).hex()


def vectors():
    """Collect the cases."""
    signatures = [bytes([0x50 + n]) * 64 for n in range(3)]
    hashes = [bytes([0x60 + n]) * 32 for n in range(2)]
    rows = [deposit(n) for n in range(3)]
    return {
        "source": "RFC 8949 4.2.1, RFC 8032, RFC 6979",
        "network": NETWORK.hex(),
        "place": [METER.hex(), REGISTER, BEGIN, END, TARIFF.hex()],
        "secret": SECRET.hex(),
        "receipt_key": RECEIPT.hex(),
        "trustee_box_keys": [(bytes([0xA0 + n]) * 32).hex() for n in range(3)],
        "seeds": dumps([1, METER, "secp256k1", public(), rows]).hex(),
        "bills": [
            bill(
                250_000 * 123_456, [bytes([9]) * 32, bytes([8]) * 32], bytes([4]) * 64
            ),
            bill(0, [bytes([9]) * 32], b""),
        ],
        "refused": [refused(reason) for reason in range(1, 10)],
        "known": dumps([4, TARIFF]).hex(),
        "kept": {
            "signatures": [one.hex() for one in signatures],
            "payload": dumps([33, METER, signatures]).hex(),
        },
        "told": {
            "document": '{"a":1}',
            "index": 70_000,
            "proof": [one.hex() for one in hashes],
            "note": "log.example\n3\nAAAA\n",
            "payload": dumps(
                [34, b'{"a":1}', 70_000, hashes, "log.example\n3\nAAAA\n"]
            ).hex(),
        },
        "asked": asked(),
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
