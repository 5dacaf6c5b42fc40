"""Make telemetry.json: what is told beside the books, by second hand.

Independent of the package it checks: CBOR by cbor2, Ed25519 by `cryptography`, the curve
by py-ecc with its own RFC 6979. It must never import meterseal_proto.

Usage: python proto/vectors/make_telemetry.py > proto/vectors/telemetry.json
"""

import hashlib
import json
import sys

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from py_ecc.secp256k1.secp256k1 import N, ecdsa_raw_sign

NETWORK = bytes([0x11]) * 32
METER = bytes([0x22]) * 16
BEGIN = 1790000100
VOLTAGE, POWER, IMPORT = (
    bytes([1, 0, 32, 7, 0, 255]),
    bytes([1, 0, 16, 7, 0, 255]),
    bytes([1, 0, 1, 8, 0, 255]),
)
ROWS = [
    [0, 229750, -145, 16777219],
    [10, 230012, None, 16777219],
    [10, 229998, 2300, 16777225],
    [31, None, 2310, None],
    [9, 230001, 0, 16777230],
]


def differences(rows):
    """Write each value as its difference to the last one there was in its column."""
    last = [0] * (len(rows[0]) - 1)
    for dt, *values in rows:
        told = [dt]
        for column, value in enumerate(values):
            told.append(None if value is None else value - last[column])
            last[column] = last[column] if value is None else value
        yield told


def batch(registers, rows, *, begin, end, clock):
    """Build one batch."""
    wire = [1, METER, clock, begin, end, b"".join(registers), list(differences(rows))]
    return {
        "meter": METER.hex(),
        "clock": clock,
        "begin": begin,
        "end": end,
        "registers": [int.from_bytes(r, "big") for r in registers],
        "rows": rows,
        "payload": cbor2.dumps(wire, canonical=True).hex(),
    }


def backfill(wanted):
    """Build one signed request."""
    secret = bytes([7]) * 32
    body = ["backfill", 1, NETWORK, "home-7", BEGIN + 600, wanted]
    signature = Ed25519PrivateKey.from_private_bytes(secret).sign(
        b"meterseal/backfill/v1\x00" + cbor2.dumps(body, canonical=True)
    )
    return {
        "private_key": secret.hex(),
        "network": NETWORK.hex(),
        "agent": "home-7",
        "until": BEGIN + 600,
        "wanted": [[meter.hex(), begin, end] for meter, begin, end in wanted],
        "payload": cbor2.dumps([*body, signature], canonical=True).hex(),
    }


def health(secret):
    """Build one signed health record."""
    register = int.from_bytes(IMPORT, "big")
    body = ["health", 1, NETWORK, "home-7", BEGIN, BEGIN - 86400, "0.1.0"]
    body += [[2, -412, BEGIN - 30], [[METER, 8640, 3, 0]]]
    body += [[[METER, register, 96, BEGIN - 300, 1, 1]]]
    body += [{"sent": 96, "answered": 95, "telemetry_dropped": 0}, ["behind"]]
    digest = hashlib.sha256(
        b"meterseal/health/v1\x00" + cbor2.dumps(body, canonical=True)
    ).digest()
    _, r, s = ecdsa_raw_sign(digest, secret)
    signature = r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")
    return {
        "secret": secret.hex(),
        "digest": digest.hex(),
        "payload": cbor2.dumps([*body, signature], canonical=True).hex(),
    }


def vectors():
    """Collect the cases."""
    return {
        "source": "RFC 8949 4.2.1, RFC 8032, RFC 6979",
        "batches": [
            batch(
                [VOLTAGE, POWER, IMPORT],
                ROWS,
                begin=BEGIN,
                end=BEGIN + 61,
                clock=2,
            ),
            batch([IMPORT], [[7, 0]], begin=BEGIN, end=BEGIN + 8, clock=1),
        ],
        "nothing": batch([IMPORT], [[0, 0]], begin=BEGIN, end=BEGIN + 9, clock=2)
        | {
            "registers": [],
            "rows": [],
            "payload": cbor2.dumps(
                [1, METER, 2, BEGIN, BEGIN + 9, b"", []], canonical=True
            ).hex(),
        },
        "backfill": backfill(
            [(METER, BEGIN, BEGIN + 3600), (bytes([0x33]) * 16, 0, BEGIN)]
        ),
        "health": health(bytes(range(1, 33))),
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
