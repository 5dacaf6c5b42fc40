"""Make netting.json: what is netted of hidden usage, asked about, proved and signed.

Independent of the package it checks: CBOR by cbor2, Ed25519 by `cryptography`, the curve
by py-ecc with its own RFC 6979, range proofs by the script beside this one. It must never
import meterseal_proto.

Usage: python proto/vectors/make_netting.py > proto/vectors/netting.json
"""

import hashlib
import json
import sys

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from make_rangeproof import BITS, B, V, compressed, prove, summed
from py_ecc.secp256k1.secp256k1 import N, ecdsa_raw_sign

NETWORK = bytes([0x11]) * 32
METER = bytes([0x22]) * 16
REGISTER = int.from_bytes(bytes([1, 0, 1, 8, 0, 255]), "big")
BEGIN = 1790000100
END = BEGIN + 28 * 86400
SECRET = bytes(range(1, 33))
RECEIPT = bytes([7]) * 32
USED = ((120, 0, 65_535, 455), (300, 299, 301))
ASKED = (((0, 120), (1, 1), (2, 65_535), (3, 400)), ((0, 301), (1, 300), (2, 301)))
FIRSTS = (BEGIN, BEGIN + 86400)


def dumps(value):
    """Write deterministic CBOR."""
    return cbor2.dumps(value, canonical=True)


def sha(data):
    """Hash bytes with SHA-256."""
    return hashlib.sha256(data).digest()


def header(number):
    """Name a day's seal."""
    return bytes([0x80 + number]) * 32


def netted(number):
    """Give the slots of a day that were asked about and used that much."""
    return [[at, wh] for at, wh in ASKED[number] if USED[number][at] >= wh]


def rows(slots_of):
    """Write days as a message has them."""
    return [
        [header(n), FIRSTS[n], 900, [list(slot) for slot in slots_of(n)]]
        for n in range(len(USED))
        if slots_of(n)
    ]


def digest(days):
    """Give the 32 bytes that are signed."""
    place = [NETWORK, METER, REGISTER, BEGIN, END]
    return sha(b"meterseal/netting/v1\x00" + dumps([1, *place, days]))


def blinding(number, place):
    """Choose a slot's blinding."""
    wide = hashlib.sha512(b"netting" + bytes([number, place])).digest()
    return int.from_bytes(wide, "big") % N


def proved(row, number):
    """Prove what a day has left, and show all that made it."""
    context = sha(
        b"meterseal/netted-day/v1\x00" + dumps([NETWORK, METER, REGISTER, *row])
    )
    used, hidden = (
        USED[number],
        [blinding(number, at) for at in range(len(USED[number]))],
    )
    openings = [(used[at] - wh, hidden[at]) for at, wh in row[3]]
    left = [compressed(summed([V, B], one)) for one in openings]
    fresh = sha(b"fresh" + bytes([number]))
    proof, _ = prove(context, openings, left, fresh)
    pairs = zip(used, hidden, strict=True)
    return proof, {
        "used": list(used),
        "blindings": [hex(one) for one in hidden],
        "commitments": [compressed(summed([V, B], pair)).hex() for pair in pairs],
        "context": context.hex(),
        "left": [one.hex() for one in left],
        "fresh": fresh.hex(),
        "proof": proof.hex(),
    }


def vectors():
    """Collect the cases."""
    asked, days = rows(lambda n: ASKED[n]), rows(netted)
    place = [METER, REGISTER, BEGIN, END]
    key = Ed25519PrivateKey.from_private_bytes(RECEIPT)
    wish = key.sign(b"meterseal/netting-asked/v1\x00" + digest(asked))
    found = [proved(row, number) for number, row in enumerate(days)]
    _, r, s = ecdsa_raw_sign(digest(days), SECRET)
    consent = r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")
    proofs = [proof for proof, _ in found]
    return {
        "source": "ePrint 2020/735, RFC 8949 4.2.1, RFC 8032, RFC 6979",
        "network": NETWORK.hex(),
        "place": [METER.hex(), REGISTER, BEGIN, END],
        "secret": SECRET.hex(),
        "receipt_key": RECEIPT.hex(),
        "bits": BITS,
        "asked": {
            "days": [[row[0].hex(), *row[1:]] for row in asked],
            "digest": digest(asked).hex(),
            "payload": dumps([36, *place, asked, wish]).hex(),
        },
        "netted": {
            "days": [[row[0].hex(), *row[1:]] for row in days],
            "digest": digest(days).hex(),
            "proofs": [made for _, made in found],
            "payload": dumps([5, NETWORK, *place, days, proofs, consent]).hex(),
        },
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
