"""Make checkpoint.json: signed checkpoints from the texts of the C2SP documents.

Independent of the package it checks: Ed25519 is written out from RFC 8032 section
5.1 with integers and hashlib, the note from C2SP signed-note and tlog-checkpoint.
It must never import meterseal_proto.

Usage: python proto/vectors/make_checkpoint.py > proto/vectors/checkpoint.json
"""

import base64
import hashlib
import json
import sys

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE_Y = 4 * pow(5, -1, P) % P


def recover_x(y, sign):
    """Find x from y and its sign (RFC 8032 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return x if x & 1 == sign else P - x


BASE = (recover_x(BASE_Y, 0), BASE_Y)


def add(a, b):
    """Add two points in affine form: slow and short."""
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + x2 * y1) * pow(1 + t, -1, P)
    y3 = (y1 * y2 + x1 * x2) * pow(1 - t, -1, P)
    return x3 % P, y3 % P


def times(scalar, point):
    """Multiply a point, double and add."""
    total = (0, 1)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def pack(point):
    """Encode a point in 32 bytes (RFC 8032 5.1.2)."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def ed25519(secret, message):
    """Return public key and signature (RFC 8032 5.1.5, 5.1.6)."""
    digest = hashlib.sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little")
    scalar = scalar & ((1 << 254) - 8) | 1 << 254
    public = pack(times(scalar, BASE))
    nonce = hash_number(digest[32:] + message)
    r = pack(times(nonce, BASE))
    s = (nonce + hash_number(r + public + message) * scalar) % ORDER
    return public, r + s.to_bytes(32, "little")


def hash_number(data):
    """Read SHA-512 of data as a number below the group order."""
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % ORDER


def b64(data):
    """Encode in standard base64."""
    return base64.b64encode(data).decode()


def case(origin, size, root, secret):
    """Make one checkpoint note and the verifier key that opens it."""
    body = f"{origin}\n{size}\n{b64(root)}\n"
    public, signature = ed25519(secret, body.encode())
    name = origin.encode()
    key_id = hashlib.sha256(name + b"\n\x01" + public).digest()[:4]
    return {
        "origin": origin,
        "size": size,
        "root": root.hex(),
        "secret": secret.hex(),
        "public": public.hex(),
        "vkey": f"{origin}+{key_id.hex()}+{b64(bytes([1]) + public)}",
        "note": f"{body}\n\u2014 {origin} {b64(key_id + signature)}\n",
    }


def vectors():
    """Collect the cases: the empty log, a small one, and the largest size."""
    first_of_rfc_8032 = (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    )
    empty = hashlib.sha256(b"").digest()
    seven = hashlib.sha256(b"seven").digest()
    return {
        "source": "C2SP signed-note, C2SP tlog-checkpoint, RFC 8032 5.1",
        "cases": [
            case("meterseal.example/log", 0, empty, bytes.fromhex(first_of_rfc_8032)),
            case("street-7", 7, seven, bytes(range(32))),
            case("größe.example/log", 2**63 - 1, seven, b"\xff" * 32),
        ],
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
