"""Seeds on their way: only their trustee opens them, for their meter, signed by its key."""

import hmac
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from meterseal_proto.keys import Algorithm, SealKey
from meterseal_proto.seedbox import (
    BOX_BYTES,
    Deposit,
    TrusteeKey,
    deposited,
    opened,
)
from meterseal_proto.units import MeterId

NETWORK = b"\x11" * 32
METER = MeterId(b"\x22" * 16)
SEEDS = [bytes([k]) * 32 for k in (1, 2, 3)]
PRIVATE = [X25519PrivateKey.from_private_bytes(bytes([k]) * 32) for k in (7, 8, 9)]
KEYS = [
    TrusteeKey(number, private.public_key().public_bytes_raw(), bytes([number]) * 32)
    for number, private in enumerate(PRIVATE)
]


def key_of(algorithm: Algorithm = Algorithm.SECP256K1) -> SealKey:
    return SealKey(algorithm, b"\x05" * 32)


def made(number: int = 0) -> Deposit:
    return deposited(key_of(), NETWORK, METER, KEYS[number], SEEDS)


@pytest.mark.parametrize("number", range(3))
def test_a_trustee_opens_all_seeds_but_its_own(number: int) -> None:
    found = opened(made(number), PRIVATE[number], NETWORK, number)
    assert found == {k: SEEDS[k] for k in range(3) if k != number}


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_deposit_is_signed_by_its_meter(algorithm: Algorithm) -> None:
    deposit = deposited(key_of(algorithm), NETWORK, METER, KEYS[0], SEEDS)
    assert deposit.authentic(NETWORK, KEYS[0].box)
    assert not deposit.authentic(bytes(32), KEYS[0].box)
    assert not deposit.authentic(NETWORK, KEYS[1].box)
    other = replace(deposit, meter=MeterId(bytes(16)))
    assert not other.authentic(NETWORK, KEYS[0].box)
    stranger = SealKey(algorithm, b"\x06" * 32).public
    assert not replace(deposit, key=stranger).authentic(NETWORK, KEYS[0].box)


def test_boxes_of_another_make_cannot_take_a_signed_deposits_place() -> None:
    """HPKE does not say who sealed: without the signature an operator puts his own seeds."""
    forged = deposited(SealKey(Algorithm.SECP256K1, b"\x09" * 32), NETWORK, METER,
                       KEYS[0], [bytes(32)] * 3)  # fmt: skip
    assert opened(forged, PRIVATE[0], NETWORK, 0) == {1: bytes(32), 2: bytes(32)}
    swapped = replace(made(), boxes=forged.boxes)
    assert not swapped.authentic(NETWORK, KEYS[0].box)


def test_a_box_opens_for_its_trustee_meter_network_and_seed_only() -> None:
    deposit = made()
    wrong = [
        (deposit, PRIVATE[1], NETWORK, 0),
        (deposit, PRIVATE[0], bytes(32), 0),
        (deposit, PRIVATE[0], NETWORK, 1),
        (replace(deposit, meter=MeterId(bytes(16))), PRIVATE[0], NETWORK, 0),
        (replace(deposit, boxes=deposit.boxes[::-1]), PRIVATE[0], NETWORK, 0),
        (replace(deposit, boxes=deposit.boxes[:1]), PRIVATE[0], NETWORK, 0),
        (replace(deposit, boxes=(deposit.boxes[0], b"")), PRIVATE[0], NETWORK, 0),
        (replace(deposit, boxes=(deposit.boxes[0], bytes(80))), PRIVATE[0], NETWORK, 0),
    ]
    for arguments in wrong:
        with pytest.raises(ValueError, match="box"):
            opened(*arguments)


def test_every_flipped_byte_of_a_box_is_refused() -> None:
    deposit = made()
    for at in range(BOX_BYTES):
        box = bytearray(deposit.boxes[0])
        box[at] ^= 1
        broken = replace(deposit, boxes=(bytes(box), deposit.boxes[1]))
        # X25519 leaves out the ephemeral key's top bit (RFC 7748 5), HPKE hashes it.
        with pytest.raises(ValueError, match="box of seed 1"):
            opened(broken, PRIVATE[0], NETWORK, 0)
        assert not broken.authentic(NETWORK, KEYS[0].box)


def test_a_box_is_what_the_rfc_says_word_for_word() -> None:
    """RFC 9180 5.1 and 7 from HMAC, X25519 and ChaCha20-Poly1305 alone."""
    box = made().boxes[0]
    info = b"meterseal/seedbox/v1\x00" + NETWORK + METER + KEYS[0].box + b"\x01"
    assert literally_opened(box, PRIVATE[0], info) == SEEDS[1]
    with pytest.raises(InvalidTag):
        literally_opened(box, PRIVATE[0], info + b"\x00")


def literally_opened(box: bytes, private: X25519PrivateKey, info: bytes) -> bytes:
    kem = b"KEM" + (0x0020).to_bytes(2)
    hpke = b"HPKE" + b"".join(n.to_bytes(2) for n in (0x0020, 0x0001, 0x0003))

    def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + suite + label + ikm, "sha256")

    def expand(suite: bytes, key: bytes, label: bytes, about: bytes, n: int) -> bytes:
        said = n.to_bytes(2) + b"HPKE-v1" + suite + label + about
        return hmac.digest(key, said + b"\x01", "sha256")[:n]

    enc, sealed = box[:32], box[32:]
    shared = private.exchange(X25519PublicKey.from_public_bytes(enc))
    context = enc + private.public_key().public_bytes_raw()
    eae = extract(kem, b"", b"eae_prk", shared)
    secret = expand(kem, eae, b"shared_secret", context, 32)
    schedule = (
        b"\x00"
        + extract(hpke, b"", b"psk_id_hash", b"")
        + extract(hpke, b"", b"info_hash", info)
    )
    base = extract(hpke, secret, b"secret", b"")
    key = expand(hpke, base, b"key", schedule, 32)
    nonce = expand(hpke, base, b"base_nonce", schedule, 12)
    return ChaCha20Poly1305(key).decrypt(nonce, sealed, b"")


def test_seeds_are_three_and_whole() -> None:
    for bad in (SEEDS[:2], [*SEEDS, bytes(32)], [*SEEDS[:2], b"x"]):
        with pytest.raises(ValueError, match="seeds"):
            deposited(key_of(), NETWORK, METER, KEYS[0], bad)


def test_a_trustees_keys_read_back_and_nothing_like_them_does() -> None:
    key = KEYS[2]
    assert TrusteeKey.parse(key.text()) == key
    number, box, sign = key.text().split(":")
    bad = [
        "", f"3:{box}:{sign}", f"2:{box}", f"2:{box}:{sign}:", f"2:{box}:{sign[2:]}",
        f"2:{box.upper()}:{sign}", f"2: {box}:{sign}", f"٢:{box}:{sign}", f"2:{box}:zz",
    ]  # fmt: skip
    for text in bad:
        if text != key.text():
            with pytest.raises(ValueError, match=r"."):
                TrusteeKey.parse(text)
    assert number == "2"


def test_a_fingerprint_tells_trustees_and_their_numbers_apart() -> None:
    prints = {key.fingerprint() for key in KEYS}
    prints.add(replace(KEYS[0], number=1).fingerprint())
    prints.add(replace(KEYS[0], sign=bytes(range(32))).fingerprint())
    assert len(prints) == 5
    assert all(len(one.split()) == 8 for one in prints)


def test_no_seed_is_in_what_a_deposit_shows() -> None:
    assert SEEDS[1].hex() not in repr(made())
    assert repr(SEEDS[1]) not in repr(made())
