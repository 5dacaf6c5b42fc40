"""Second opinion on what trustees sign and on the boxes seeds come in; prints JSON.

Written from SIP-018, RFC 9180 (5.1, 6.1, 7.1) and what reporting.py and seedbox.py say, with
HMAC, X25519 and ChaCha20-Poly1305 alone. It takes one committed header from
committed.json and must never import meterseal_proto.
"""

import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

DAY = json.loads((Path(__file__).parent / "committed.json").read_text())
NETWORK = bytes.fromhex(DAY["network"])
CELL = "north"
QUARTER = 2026 * 4 + 2


def sha(*parts: bytes) -> bytes:
    """SHA-256 of parts one after another."""
    return hashlib.sha256(b"".join(parts)).digest()


def header_hash(consensus: bytes) -> bytes:
    """SIP-018: the domain is the tuple {chain-id, name, version}."""
    chain = b"\x08chain-id\x01" + DAY["chain_id"].to_bytes(16)
    name = b"\x04name\x0d" + (9).to_bytes(4) + b"meterseal"
    version = b"\x07version\x0d" + (5).to_bytes(4) + b"1.0.0"
    domain = b"\x0c" + (3).to_bytes(4) + chain + name + version
    return sha(b"SIP018", sha(domain), sha(consensus))


def place_of(meter: bytes, revision: int, total: bytes) -> bytes:
    """The context of a masked day total."""
    length = DAY["step"] * len(DAY["values"])
    packed = struct.pack(
        ">32s16sQQQH33s", NETWORK, meter, DAY["register"], DAY["first"], length,
        revision, total,
    )  # fmt: skip
    return sha(b"meterseal/total/place/v1\x00", packed)


def members() -> list[dict[str, object]]:
    """The committed day of committed.json, and the same of two other meters."""
    consensus, own = bytes.fromhex(DAY["consensus"]), bytes.fromhex(DAY["meter"])
    total = consensus[-33:]
    found: list[dict[str, object]] = []
    for meter in (own, b"\x01" * 16, b"\xfe" * 16):
        header = consensus.replace(own, meter)
        found.append(
            {
                "meter": meter.hex(),
                "header": header.hex(),
                "revision": DAY["revision"],
                "digest": header_hash(header).hex(),
                "place": place_of(meter, DAY["revision"], total).hex(),
            }
        )
    return found


def set_hash(day: int, rows: list[tuple[bytes, bytes]]) -> bytes:
    """The hash of a reporting set."""
    head = NETWORK + len(CELL).to_bytes(2) + CELL.encode() + day.to_bytes(8)
    body = b"".join(meter + digest for meter, digest in sorted(rows))
    return sha(b"meterseal/total/set/v1\x00", head, len(rows).to_bytes(4), body)


def sealed(
    seed: bytes, private: X25519PrivateKey, ephemeral: X25519PrivateKey, info: bytes
) -> bytes:
    """HPKE base mode, single shot, with an ephemeral key that is given."""
    kem = b"KEM" + (0x0020).to_bytes(2)
    hpke = b"HPKE" + b"".join(n.to_bytes(2) for n in (0x0020, 0x0001, 0x0003))

    def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + suite + label + ikm, "sha256")

    def expand(suite: bytes, key: bytes, label: bytes, about: bytes, n: int) -> bytes:
        said = n.to_bytes(2) + b"HPKE-v1" + suite + label + about
        return hmac.digest(key, said + b"\x01", "sha256")[:n]

    enc = ephemeral.public_key().public_bytes_raw()
    public = private.public_key()
    eae = extract(kem, b"", b"eae_prk", ephemeral.exchange(public))
    shared = expand(kem, eae, b"shared_secret", enc + public.public_bytes_raw(), 32)
    psk = extract(hpke, b"", b"psk_id_hash", b"")
    about = b"\x00" + psk + extract(hpke, b"", b"info_hash", info)
    base = extract(hpke, shared, b"secret", b"")
    key = expand(hpke, base, b"key", about, 32)
    nonce = expand(hpke, base, b"base_nonce", about, 12)
    return enc + ChaCha20Poly1305(key).encrypt(nonce, seed, b"")


def deposit() -> dict[str, object]:
    """Seeds of one meter in boxes for trustee 1, and what the seal key signs."""
    private = X25519PrivateKey.from_private_bytes(bytes(range(32)))
    trustee = private.public_key().public_bytes_raw()
    meter, public = bytes.fromhex(DAY["meter"]), bytes.fromhex(DAY["public"])
    boxes = []
    for number in (0, 2):
        info = b"meterseal/seedbox/v1\x00" + NETWORK + meter + trustee
        ephemeral = X25519PrivateKey.from_private_bytes(bytes([number + 64]) * 32)
        seed = bytes.fromhex(DAY["seeds"][number])
        boxes.append(sealed(seed, private, ephemeral, info + bytes([number])))
    bound = NETWORK + meter + trustee + public + sha(*boxes)
    return {
        "trustee": 1,
        "private": private.private_bytes_raw().hex(),
        "boxes": [box.hex() for box in boxes],
        "digest": sha(b"meterseal/deposit/v1\x00", bound).hex(),
    }


def roster(rows: list[dict[str, object]]) -> bytes:
    """The canonical hash of a roster whose members share one seal key."""
    key = b"\x01" + bytes.fromhex(DAY["public"])
    ids = sorted(bytes.fromhex(str(row["meter"])) for row in rows)
    return sha(
        b"meterseal/roster/v1\x00", NETWORK, len(CELL).to_bytes(2), CELL.encode(),
        QUARTER.to_bytes(4), DAY["register"].to_bytes(8), len(ids).to_bytes(4),
        *[meter + key for meter in ids],
    )  # fmt: skip


def vectors() -> dict[str, object]:
    """All of it."""
    rows = members()
    day = DAY["first"] // 86_400
    pairs = [
        (bytes.fromhex(str(r["meter"])), bytes.fromhex(str(r["digest"]))) for r in rows
    ]
    places = sha(*sorted(bytes.fromhex(str(row["place"])) for row in rows))
    named = set_hash(day, pairs)
    stated = sha(b"meterseal/reporting-set/v1\x00", named, places)
    signer = Ed25519PrivateKey.from_private_bytes(b"\x2a" * 32)
    sums = {"0": {"value": 5, "blinding": 6}, "2": {"value": 7, "blinding": 8}}
    told = b"".join(
        bytes([int(seed)]) + sums[seed]["value"].to_bytes(32)
        + sums[seed]["blinding"].to_bytes(32)
        for seed in sorted(sums)
    )  # fmt: skip
    answer = sha(b"meterseal/masks/v1\x00", stated, told)
    point = bytes.fromhex(DAY["consensus"])[-33:]
    blamed = bytes.fromhex(DAY["meter"]) + b"\x02" + point
    box = bytes.fromhex(str(deposit()["private"]))
    keys = (
        X25519PrivateKey.from_private_bytes(box).public_key().public_bytes_raw()
        + signer.public_key().public_bytes_raw()
    )
    return {
        "source": "SIP-005, SIP-018, RFC 9180, RFC 8032",
        "cell": CELL,
        "day": day,
        "quarter": "2026-Q3",
        "members": rows,
        "set_hash": named.hex(),
        "statement": stated.hex(),
        "roster": roster(rows).hex(),
        "sign_private": (b"\x2a" * 32).hex(),
        "set_signature": signer.sign(
            b"meterseal/trustee/v1\x00" + b"\x03" + stated
        ).hex(),
        "sums": sums,
        "answer": answer.hex(),
        "blame": sha(b"meterseal/blame/v1\x00", stated, blamed).hex(),
        "deposit": deposit(),
        "fingerprint": sha(b"meterseal/trustee-key/v1\x00", b"\x01", keys)[:16].hex(),
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
