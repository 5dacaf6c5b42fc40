"""What a trustee is asked, and what its answers must be to count: values in, values out.

Bodies are the trustee's own JSON (its README); each answer is checked with the trustee's
key before anybody looks at it. A reader raises ValueError for an answer that is another
trustee's, of another subject, or signed by nobody. This module must never believe a
number that comes without a signature under it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meterseal_aggregator.privacy.trustees.client import Json
from meterseal_aggregator.privacy.trustees.model import (
    Shown,
    packed_points,
    packed_sums,
    read_sums,
)
from meterseal_proto.commitment import COMMITMENT_BYTES
from meterseal_proto.curve import ORDER
from meterseal_proto.reporting import (
    Act,
    Place,
    Reported,
    Roster,
    answered_by,
    blame_digest,
    quarter_text,
    signed,
)
from meterseal_proto.seedbox import Deposit, TrusteeKey
from meterseal_proto.totals import Mask, Masked, seeds_of
from meterseal_proto.units import MeterId, obis_text

Answer = tuple[bytes, bytes]
"""A signature that was checked, and the content under it where it is not known here."""

_SIGNATURE_BYTES: Final = 64
_NUMBER_BYTES: Final = 32


def seeds_body(deposit: Deposit) -> Json:
    """Return the body of POST /v1/seeds."""
    return {
        **_member(deposit.meter, str(deposit.key.algorithm), deposit.key.raw),
        "boxes": [box.hex() for box in deposit.boxes],
        "signature": deposit.signature.hex(),
    }


def read_kept(key: TrusteeKey, deposit: Deposit, network: bytes, found: Json) -> Answer:
    """Return the trustee's signature under a deposit."""
    return _signed(key, Act.DEPOSIT, deposit.digest(network, key.box), found)


def roster_body(roster: Roster) -> Json:
    """Return the body of POST /v1/rosters."""
    members = [
        _member(meter, str(key.algorithm), key.raw)
        for meter, key in sorted(roster.members.items())
    ]
    return {
        "cell": roster.cell,
        "quarter": quarter_text(roster.quarter),
        "register": obis_text(roster.register),
        "members": members,
    }


def read_roster(key: TrusteeKey, digest: bytes, found: Json) -> Answer:
    """Return the trustee's signature under a roster, which it must have read as we did."""
    if _hex(found, "roster", _NUMBER_BYTES) != digest:
        raise ValueError("it hashed another roster than it was shown")
    return _signed(key, Act.ROSTER, digest, found)


def waits(found: Json) -> bool:
    """Tell whether a roster is taken in and waits for a person (status 202)."""
    return "signature" not in found


def set_body(place: Place, reported: Sequence[Reported]) -> Json:
    """Return the body of POST /v1/sets."""
    members = [
        {"header": one.header.consensus().hex(), "revision": one.revision}
        for one in reported
    ]
    return {"cell": place.cell, "day": place.day, "members": members}


def read_set(key: TrusteeKey, stated: bytes, found: Json) -> Answer:
    """Return the trustee's signature under a set's statement."""
    if _hex(found, "statement", _NUMBER_BYTES) != stated:
        raise ValueError("it states another set than it was shown")
    return _signed(key, Act.SET, stated, found)


def masks_body(place: Place, stated: bytes, signatures: Sequence[bytes]) -> Json:
    """Return the body of POST /v1/masks, which shows that all three signed."""
    given = [signature.hex() for signature in signatures]
    return {**_stated(place, stated), "signatures": given}


def read_masks(key: TrusteeKey, stated: bytes, found: Json) -> Answer:
    """Return a trustee's signature under its sums, and the sums."""
    sums = _sums(found)
    signature = _hex(found, "signature", _SIGNATURE_BYTES)
    if not answered_by(key.sign, key.number, stated, sums, signature):
        raise ValueError("its sums are not signed with the key configured")
    return signature, packed_sums(sums)


def blame_body(
    place: Place,
    stated: bytes,
    whole: Masked,
    other: tuple[int, bytes, bytes],
    meters: Sequence[MeterId],
) -> Json:
    """Return the body of POST /v1/blames.

    `whole` is the sum of the set's masked openings, never a single one; `other` another
    trustee's number, signature and sums as kept.
    """
    number, signature, content = other
    sums = {
        str(seed): _pair(mask.value, mask.blinding)
        for seed, mask in read_sums(number, content).items()
    }
    answer = {"trustee": number, "sums": sums, "signature": signature.hex()}
    return {
        **_stated(place, stated),
        "reports": _pair(whole.value, whole.blinding),
        "other": answer,
        "meters": [meter.hex() for meter in meters],
    }


def read_blame(
    key: TrusteeKey, stated: bytes, meters: Sequence[MeterId], found: Json
) -> Answer:
    """Return a trustee's signature under commitments to single meters' masks, and these."""
    shown = _shown(found)
    held = set(seeds_of(key.number))
    if shown.keys() != set(meters) or any(set(one) != held for one in shown.values()):
        raise ValueError("it showed other masks than those it was asked for")
    signature = _hex(found, "signature", _SIGNATURE_BYTES)
    if not signed(key.sign, Act.BLAME, blame_digest(stated, shown), signature):
        raise ValueError("its commitments are not signed with the key configured")
    return signature, packed_points(shown)


def _signed(key: TrusteeKey, act: Act, digest: bytes, found: Json) -> Answer:
    signature = _hex(found, "signature", _SIGNATURE_BYTES)
    if not signed(key.sign, act, digest, signature):
        raise ValueError("its answer is not signed with the key configured")
    return signature, b""


def _member(meter: bytes, algorithm: str, key: bytes) -> Json:
    return {"meter": meter.hex(), "algorithm": algorithm, "key": key.hex()}


def _stated(place: Place, stated: bytes) -> Json:
    return {"cell": place.cell, "day": place.day, "statement": stated.hex()}


def _pair(value: int, blinding: int) -> dict[str, str]:
    return {
        "value": value.to_bytes(_NUMBER_BYTES).hex(),
        "blinding": blinding.to_bytes(_NUMBER_BYTES).hex(),
    }


def _sums(found: Json) -> dict[int, Mask]:
    return {
        _seed(seed): Mask(_number(pair, "value"), _number(pair, "blinding"))
        for seed, pair in _object(found, "sums").items()
    }


def _shown(found: Json) -> Shown:
    return {
        MeterId(bytes.fromhex(meter)): {
            _seed(seed): _hex(by_seed, seed, COMMITMENT_BYTES) for seed in by_seed
        }
        for meter, by_seed in _object(found, "commitments").items()
        if isinstance(by_seed, dict)
    }


def _seed(text: str) -> int:
    if text not in ("0", "1", "2"):
        raise ValueError("a seed's number is 0, 1 or 2")
    return int(text)


def _number(found: object, name: str) -> int:
    number = int.from_bytes(_hex(found, name, _NUMBER_BYTES))
    if number >= ORDER:
        raise ValueError("a mask is below the group's order")
    return number


def _object(found: Json, name: str) -> Mapping[str, Any]:  # Any: JSON
    value = found.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name}: an object")  # noqa: TRY004 - it is theirs, not ours
    return value


def _hex(found: object, name: str, count: int) -> bytes:
    text = found.get(name) if isinstance(found, dict) else None
    raw = bytes.fromhex(text) if isinstance(text, str) else b""
    if len(raw) != count or raw.hex() != text:
        raise ValueError(f"{name}: {count} bytes in lower-case hex")
    return raw
