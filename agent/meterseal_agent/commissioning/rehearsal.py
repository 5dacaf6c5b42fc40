"""A seal and its receipt, rehearsed for a network that does not exist.

Pure. The real device key signs the real register, but under a network id that nobody can
enrol in, so no aggregator can take the seal and no chain can hold it: what is tried is
the key, the bytes and both ends' reading of them. It must never use a real network's id.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.errors import Rejected
from meterseal_proto.keys import SealKey
from meterseal_proto.message import decode_seal, encode_seal
from meterseal_proto.receipt import Answer, Receipt, open_receipt, sign_receipt
from meterseal_proto.seal import Header, OpenRecord, Seal, record_root
from meterseal_proto.units import MeterId, Quality, RegisterId

NETWORK: Final = hashlib.sha256(b"meterseal rehearsal: no network").digest()
"""Not the hash of any genesis document: those are canonical CBOR, this is a sentence."""
METER: Final = MeterId(b"rehearsal meter.")
AGENT: Final = "rehearsal"
CHAIN_ID: Final = 0
SALT: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class Shown:
    """One register as the meter shows it: cumulative value, and the slot it closes."""

    register: RegisterId
    value: int
    start: int
    step: int


def rehearse(shown: Shown, key: SealKey) -> str:
    """Seal, send, receipt and open; return what happened. ValueError where it fails."""
    record = OpenRecord(shown.start, 0, shown.value, int(Quality.RAW))
    header = Header(
        network=NETWORK,
        meter=METER,
        register=shown.register,
        first=shown.start,
        step=shown.step,
        count=1,
        seq=1,
        prev=bytes(32),
        root=record_root((record,), (SALT,)),
    )
    signature = key.sign(header.digest(CHAIN_ID))
    sent = encode_seal(Seal(header, signature, (record,), (SALT,)))
    try:
        came = decode_seal(sent, NETWORK)
        digest = came.header.digest(CHAIN_ID)
        if not key.public.verify(digest, came.signature):
            raise ValueError("the device key does not verify its own signature")
        _receipt(came, digest, shown)
    except Rejected as error:
        raise ValueError(str(error)) from error
    return (
        f"one register sealed in {len(sent)} bytes by key"
        f" {key.public.raw.hex()[:16]}, read back, receipt opened; under a network id"
        " that does not exist, so nothing entered a chain"
    )


def _receipt(seal: Seal, digest: bytes, shown: Shown) -> None:
    """Answer the seal with a throw-away key, and open that as the uplink would."""
    desk = Ed25519PrivateKey.generate()
    answer = Answer(METER, seal.header.register, seal.header.seq, digest)
    receipt = Receipt(NETWORK, AGENT, shown.start + shown.step, (answer,))
    opened = open_receipt(sign_receipt(receipt, desk), desk.public_key())
    if opened != receipt:
        raise ValueError("a receipt does not read back as it was signed")
