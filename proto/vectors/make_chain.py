"""Make chain.json: what contracts check besides seals, by second hand.

Totals under trustees' keys, tariffs under their two names, openings, Schnorr proofs and
sums step by step, inclusion paths. Independent of the package it checks: the curve is
py-ecc's with its own RFC 6979, Clarity consensus bytes are written field by field, c32
addresses and Merkle paths by their definitions. It must never import meterseal_proto.

Usage: python proto/vectors/make_chain.py > proto/vectors/chain.json
"""

import hashlib
import json
import sys

from py_ecc.secp256k1.secp256k1 import G, N, P, add, ecdsa_raw_sign, multiply

CHAIN_ID = 0x80000000
NETWORK = bytes([0x11]) * 32
UNLIMITED = 1 << 48
DEPLOYER = "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"
PROVIDER = "ST2CY5V39NHDPWSXMW9QDT3HC3GD6Q6XX4CFRK9AG"
C32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def sha(*parts):
    """Hash bytes with SHA-256."""
    return hashlib.sha256(b"".join(parts)).digest()


def big(value, width=32):
    """Write an integer in big-endian bytes."""
    return value.to_bytes(width, "big")


class Principal(str):
    """An address, or a contract of one."""


class Maybe:
    """An optional value."""

    def __init__(self, value=None):
        """Hold a value or None."""
        self.value = value


def principal(text):
    """Serialise a principal (SIP-005)."""
    address, _, name = text.partition(".")
    number = 0
    for digit in address[2:]:
        number = number * 32 + C32.index(digit)
    whole = bytes([C32.index(address[1])]) + big(number, 24)[:20]
    if not name:
        return b"\x05" + whole
    return b"\x06" + whole + bytes([len(name)]) + name.encode()


def clarity(value):
    """Serialise a Clarity value (SIP-005)."""
    if isinstance(value, Principal):
        return principal(value)
    if isinstance(value, Maybe):
        return b"\x09" if value.value is None else b"\x0a" + clarity(value.value)
    if isinstance(value, int):
        return b"\x01" + big(value, 16)
    if isinstance(value, bytes):
        return b"\x02" + big(len(value), 4) + value
    if isinstance(value, str):
        return b"\x0d" + big(len(value), 4) + value.encode()
    if isinstance(value, list):
        return b"\x0b" + big(len(value), 4) + b"".join(map(clarity, value))
    out = b"\x0c" + big(len(value), 4)
    for key in sorted(value):
        out += bytes([len(key)]) + key.encode() + clarity(value[key])
    return out


def sip018(message):
    """Hash structured data under our domain."""
    domain = {"name": "meterseal", "version": "1.0.0", "chain-id": CHAIN_ID}
    return sha(b"SIP018", sha(clarity(domain)), sha(clarity(message)))


def compressed(point):
    """Write a point as SEC 1 2.3.3 says."""
    return bytes([2 + point[1] % 2]) + big(point[0])


def signed(digest, secret):
    """Sign with low s; r, s and whether R's y is odd."""
    v, r, s = ecdsa_raw_sign(digest, secret)
    odd = v - 27
    if s > N // 2:
        s, odd = N - s, 1 - odd
    return big(r) + big(s) + bytes([odd])


def totals():
    """Sign totals of a set by three trustees."""
    secrets = [bytes([n]) * 32 for n in (0x51, 0x52, 0x53)]
    keys = [compressed(multiply(G, int.from_bytes(one, "big"))) for one in secrets]
    cases = []
    for cell, day, size, usage in (
        ("north", 20_700, 32, 91_000),
        ("late", 20_700, 20, 0),
        ("c" * 64, 20_701, 65_536, (1 << 64) - 1),
    ):
        named = sha(b"a set of", cell.encode(), big(day, 8))
        message = {"cell": cell, "day": day, "network": NETWORK, "set": named}
        message |= {"size": size, "usage": usage}
        digest = sip018(message)
        cases.append(
            {
                "cell": cell,
                "day": day,
                "set": named.hex(),
                "size": size,
                "usage": str(usage),
                "consensus": clarity(message).hex(),
                "digest": digest.hex(),
                "signatures": [signed(digest, one).hex() for one in secrets],
            }
        )
    return {
        "secrets": [one.hex() for one in secrets],
        "keys": [one.hex() for one in keys],
        "cases": cases,
    }


def charge(kind, blocks, daily, usage, days):
    """Price every Wh by itself, then round down once."""
    rows = blocks
    if kind == "lifeline" and usage > blocks[0][0]:
        rows = blocks[1:]
    whole, at = 0, 0
    for end, price in rows:
        while at < min(usage, end):
            step = min(usage, end) - at
            whole, at = whole + step * price, at + step
    return whole // 1_000 + days * daily


def tariffs():
    """Name tariffs by document and by tuple, and charge some totals."""
    two = [(10_000, 100_000), (50_000, 250_001), (UNLIMITED, 400_000)]
    coin = Principal(DEPLOYER + ".coin")
    rows = [
        ("flat", [(UNLIMITED, 250_000)], 1_000, "STX", None, 2_592_000),
        ("block", two, 7, "STX", None, 86_400),
        ("lifeline", two, 0, "USD", coin, 7_776_000),
        ("lifeline", [(1, 0), (UNLIMITED, (1 << 32) - 1)], UNLIMITED - 1, "USD", coin, 86_400),
    ]  # fmt: skip
    kinds = {"flat": 0, "block": 1, "lifeline": 2}
    made = []
    for number, (kind, blocks, daily, currency, asset, due) in enumerate(rows):
        spelled = [
            {"price": p} | ({"upto": e} if e < UNLIMITED else {}) for e, p in blocks
        ]
        document = {"blocks": spelled, "currency": currency, "daily": daily}
        document |= {"id": f"case-{number}", "kind": kind}
        document |= {"meterseal": "totals-tariff/1", "valid_from": 1_900_000_000}
        document |= {"zone": "Europe/Madrid"}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        value = {"provider": Principal(PROVIDER), "kind": kinds[kind], "daily": daily}
        value |= {"blocks": [{"upto": e, "price": p} for e, p in blocks], "due": due}
        value |= {"asset": Maybe(asset), "from": 1_900_000_000}
        usages = (0, 1, 3, 10_000, 10_001, 60_000, UNLIMITED - 1)
        made.append(
            {
                "document": text,
                "hash": sha(b"meterseal/totals-tariff/v1\x00", text.encode()).hex(),
                "provider": PROVIDER,
                "asset": asset,
                "due": due,
                "consensus": clarity(value).hex(),
                "chain_hash": sha(clarity(value)).hex(),
                "charges": [
                    {
                        "usage": str(usage),
                        "days": days,
                        "amount": str(charge(kind, blocks, daily, usage, days)),
                    }
                    for usage in usages
                    for days in (0, 30, 31)
                ],
            }
        )
    return made


def tariff_of_bands():
    """Name a tariff of one band, which is flat, by both names."""
    document = {"bands": [{"price": 250_000}], "currency": "STX", "id": "flat"}
    document |= {"meterseal": "tariff/1", "valid_from": 1_900_000_000, "zone": "UTC"}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    value = {"provider": Principal(PROVIDER), "kind": 0, "daily": 0, "due": 86_400}
    value |= {"blocks": [{"upto": UNLIMITED, "price": 250_000}], "asset": Maybe()}
    value |= {"from": 1_900_000_000}
    return {
        "document": text,
        "hash": sha(b"meterseal/tariff/v1\x00", text.encode()).hex(),
        "provider": PROVIDER,
        "due": 86_400,
        "chain_hash": sha(clarity(value)).hex(),
    }


def find_h():
    """Find the x of H by its tag."""
    for counter in range(256):
        x = int.from_bytes(sha(b"meterseal/pedersen/H/v1", big(counter, 4)), "big")
        square = (pow(x, 3, P) + 7) % P
        y = pow(square, (P + 1) // 4, P)
        if x < N and y * y % P == square:
            return x, y if y % 2 == 0 else P - y
    raise AssertionError


H = find_h()
BACK = pow(H[0], -1, N)
V, B = multiply(H, BACK), multiply(G, N - BACK)


def commit(value, blinding):
    """Add value times V and blinding times B."""
    hidden = multiply(B, blinding)
    return add(multiply(V, value), hidden) if value else hidden


def schnorr(secret, message, aux):
    """Prove a logarithm in the contract's form."""
    public = multiply(G, secret)
    drawn = hashlib.sha512(
        b"meterseal/schnorr-nonce/v1\x00" + big(secret) + message + aux
    ).digest()
    nonce = int.from_bytes(drawn, "big") % N
    a = compressed(multiply(G, nonce))
    e = int.from_bytes(
        sha(b"meterseal/schnorr/v1", compressed(public), a, message), "big"
    )
    w = (e * secret - public[0] * nonce) % N
    return {
        "public": compressed(public).hex(),
        "secret": big(secret).hex(),
        "message": message.hex(),
        "aux": aux.hex(),
        "a": a.hex(),
        "w": big(w).hex(),
    }


def proofs():
    """Make openings, one of them of zero, and proofs."""
    openings = []
    for number, value in enumerate((0, 1, 4_711, (1 << 32) - 1, (1 << 128) - 1)):
        z = (
            int.from_bytes(hashlib.sha512(b"open" + bytes([number])).digest(), "big")
            % N
        )
        aux = bytes([number]) * 32
        row = {"value": str(value), "blinding": big(z).hex(), "aux": aux.hex()}
        row["commitment"] = compressed(commit(value, z)).hex()
        row |= {"z": big(z).hex(), "a": ""}
        if value == 0:
            proof = schnorr(-z * BACK % N, sha(b"meterseal/zero/v1"), aux)
            row |= {"z": proof["w"], "a": proof["a"]}
        openings.append(row)
    known = [
        schnorr(secret, sha(b"about", bytes([n])), bytes([n]) * 32)
        for n, secret in enumerate((1, 2, N - 1, 0xABCDEF << 200))
    ]
    return {"openings": openings, "schnorr": known}


def month():
    """Add 31 commitments step by step."""
    values = [(n * 997) % 9_000 if n % 7 else 0 for n in range(31)]
    blindings = [pow(5, n + 3, N) for n in range(31)]
    points = [commit(v, z) for v, z in zip(values, blindings, strict=True)]
    steps, total = [], None
    for point in points:
        slope = 0
        if total is None:
            total = point
        else:
            rise, run = point[1] - total[1], point[0] - total[0]
            slope = rise * pow(run, -1, P) % P
            total = add(total, point)
        steps.append(
            {
                "p": (big(point[0]) + big(point[1])).hex(),
                "q": big(point[0] ** 2 % P).hex(),
                "s": (big(total[0]) + big(total[1])).hex(),
                "l": big(slope).hex(),
            }
        )
    return {
        "commitments": [compressed(point).hex() for point in points],
        "steps": steps,
        "value": sum(values),
        "blinding": big(sum(blindings) % N).hex(),
        "sum": compressed(total).hex(),
    }


def node(left, right):
    """Hash two nodes (RFC 9162 2.1.1)."""
    return sha(b"\x01", left, right)


def root(leaves):
    """Compute a root by recursion."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node(root(leaves[:k]), root(leaves[k:]))


def path(index, leaves):
    """Compute an inclusion path by recursion (RFC 9162 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return [*path(index, leaves[:k]), root(leaves[k:])]
    return [*path(index - k, leaves[k:]), root(leaves[:k])]


def inclusion():
    """Prove some leaves of trees of awkward sizes."""
    made = []
    for size in (1, 2, 7, 100, 129):
        leaves = [sha(b"\x00", b"entry", bytes([n])) for n in range(size)]
        made += [
            {
                "leaf": leaves[index].hex(),
                "index": index,
                "size": size,
                "root": root(leaves).hex(),
                "path": [one.hex() for one in path(index, leaves)],
            }
            for index in sorted({0, size // 2, size - 1})
        ]
    return made


def main():
    """Print the vectors."""
    document = {
        "source": "SIP-005, SIP-018, SEC 1 2.2.1 and 4.1.6, RFC 6979, RFC 9162",
        "chain_id": CHAIN_ID,
        "network": NETWORK.hex(),
        "totals": totals(),
        "tariffs": tariffs(),
        "tariff_of_bands": tariff_of_bands(),
        "proofs": proofs(),
        "month": month(),
        "inclusion": inclusion(),
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
