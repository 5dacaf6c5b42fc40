"""The evidence bundle: everything a stranger needs to check one seal without us.

A bundle is canonical JSON: ASCII, sorted keys, no spaces, lower-case hex, integers
only, and exactly the keys below; what would be written differently is refused when
read. This module must never say whether the evidence holds - `claims` does - and
never hold a private key or a reading of anybody but the bundle's one seal.

    data = Bundle(genesis, key, seal, checkpoint, receipt=None, anchor=None).encode()
    parse_bundle(data).seal.header.meter
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final, TypeAlias

from meterseal_proto.boundedjson import read_json
from meterseal_proto.enrolment import Genesis
from meterseal_proto.errors import Malformed, Reason, Rejected
from meterseal_proto.merkle import HASH_BYTES, MAX_SIZE
from meterseal_proto.message import MAX_QUALITY, MAX_REVISION
from meterseal_proto.seal import MAX_RECORDS, SALT_BYTES, Header, OpenRecord, Seal
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

FORMAT: Final = "meterseal/bundle/1"
MAX_BUNDLE_BYTES: Final = 262_144
"""A hundred records take 15 KiB, two proofs 9, the largest receipt 131: twice that."""
MAX_BRACKETS: Final = 512
"""A full bundle opens 110."""
MAX_PROOF: Final = 63
"""Hashes in an inclusion proof: the depth of the largest tree."""
MAX_CONSISTENCY: Final = 64
"""Hashes in a consistency proof: one more than the depth."""
MAX_TEXT: Final = 512
"""Characters of a principal, a log key, a reference."""
FILE_PUBLISHER: Final = "file"
"""The publisher that writes to a local file and proves nothing."""
STACKS_PUBLISHER: Final = "stacks"
"""The publisher that has the contract `energy-oracle` anchor the root."""

_CHAIN_LIMIT: Final = (1 << 32) - 1
NOTE_LIMIT: Final = 4_096
_RECEIPT_LIMIT: Final = 65_536
_SUM_BYTES: Final = 33

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True, slots=True)
class Logged:
    """Where an entry stands: its `index` in the log and its inclusion `proof`.

    The proof runs from the leaf up, at most `MAX_PROOF` hashes of 32 bytes, towards
    the root of the bundle's checkpoint.
    """

    index: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class KeyEvidence:
    """The log `entry` (type 7, whole) that binds the register to its key, and its place."""

    entry: bytes
    logged: Logged


@dataclass(frozen=True, slots=True)
class SealEvidence:
    """The seal with its records and salts, and the place of its log entry."""

    seal: Seal
    logged: Logged


@dataclass(frozen=True, slots=True)
class HeldReceipt:
    """A signed receipt as it came down, and the 32-byte Ed25519 key it was opened with."""

    key: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a `size` and `root` of the log were published, by whom, under what name.

    They are the checkpoint's, or those of another size: then `proof` is the consistency
    proof from the smaller tree to the larger (RFC 9162 2.1.4), 1 to `MAX_CONSISTENCY`
    hashes, and the file's entries stand under both.
    """

    publisher: str
    size: int
    root: bytes
    reference: str
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """The evidence for one seal; `checkpoint` is the log's note, perhaps cosigned."""

    genesis: Genesis
    key: KeyEvidence
    seal: SealEvidence
    checkpoint: str
    receipt: HeldReceipt | None
    anchor: Anchor | None

    def encode(self) -> bytes:
        """Return the bytes of the bundle file."""
        return canonical(
            {
                "anchor": anchor_json(self.anchor),
                "checkpoint": self.checkpoint,
                "format": FORMAT,
                "genesis": asdict(self.genesis),
                "key": {"entry": self.key.entry.hex(), **place_json(self.key.logged)},
                "receipt": _receipt_json(self.receipt),
                "seal": {**_seal_json(self.seal.seal), **place_json(self.seal.logged)},
            }
        )


def file_reference(size: int, root: bytes) -> str:
    """Name what the file publisher wrote, from what it wrote: nothing else is in it."""
    return "sha256:" + sha256(b"%d %s\n" % (size, root.hex().encode())).hexdigest()


def stacks_reference(chain_id: int, contract: str, height: int) -> str:
    """Name what the contract at this principal anchored in the block of this height."""
    return f"{STACKS_PUBLISHER}:{chain_id}:{contract}:{height}"


def canonical(value: Mapping[str, Json]) -> bytes:
    """Return the one spelling of a JSON object: ASCII, sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def parse_canonical(
    data: bytes, limit: int = MAX_BUNDLE_BYTES, brackets: int = MAX_BRACKETS
) -> dict[str, Json]:
    """Read a JSON object in its one spelling; raises Rejected otherwise."""
    if len(data) > limit:
        raise Rejected(Reason.TOO_LARGE, f"at most {limit} bytes are read")
    try:
        value = read_json(data.decode("ascii"), brackets=brackets)
        same = isinstance(value, dict) and canonical(value) == data
    except ValueError:
        raise Malformed(
            f"not a JSON object in ASCII of at most {brackets} lists and objects"
        ) from None
    if not same:
        raise Malformed("not the one spelling of a JSON object")
    return dict(value)


def parse_bundle(data: bytes) -> Bundle:
    """Read a bundle file; raises Rejected (TOO_LARGE or MALFORMED) naming the field.

    Every limit is checked, nothing is believed: signatures and hashes are `claims`.
    """
    return read_bundle(parse_canonical(data))


def read_bundle(fields: Json) -> Bundle:
    """Read a bundle from parsed JSON; raises Malformed naming the wrong field."""
    names = "anchor checkpoint format genesis key receipt seal"
    top = read_object(fields, "bundle", names)
    if top["format"] != FORMAT:
        raise Malformed(f"format: only {FORMAT} is known")
    return Bundle(
        read_genesis(top["genesis"]),
        read_key(top["key"]),
        _seal(top["seal"]),
        read_text(top["checkpoint"], "checkpoint", NOTE_LIMIT),
        _receipt(top["receipt"]),
        read_anchor(top["anchor"]),
    )


def read_genesis(value: Json) -> Genesis:
    """Return the genesis document's values."""
    genesis = read_object(value, "genesis", "chain_id log_key registry")
    return Genesis(
        read_number(genesis["chain_id"], "genesis.chain_id", _CHAIN_LIMIT),
        read_text(genesis["registry"], "genesis.registry", MAX_TEXT),
        read_text(genesis["log_key"], "genesis.log_key", MAX_TEXT),
    )


def read_key(value: Json) -> KeyEvidence:
    """Return the key event and its place in the log."""
    key = read_object(value, "key", "entry index proof")
    return KeyEvidence(read_hex(key["entry"], "key.entry"), read_logged(key, "key"))


def _seal(value: Json) -> SealEvidence:
    names = "bits count first index meter mode network prev proof records register"
    fields = read_object(value, "seal", names + " root seq signature step sum")
    rows = fields["records"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_RECORDS:
        raise Malformed(f"seal.records: 1 to {MAX_RECORDS} of them")
    records, salts = zip(*(_record(row) for row in rows), strict=True)
    signature = read_hex(fields["signature"], "seal.signature", 64)
    seal = Seal(_header(fields), signature, records, salts)
    return SealEvidence(seal, read_logged(fields, "seal"))


def _header(fields: dict[str, Json]) -> Header:
    def number(name: str, limit: int = MAX_SIZE) -> int:
        return read_number(fields[name], f"seal.{name}", limit)

    def raw(name: str, length: int = HASH_BYTES) -> bytes:
        return read_hex(fields[name], f"seal.{name}", length)

    return Header(
        network=raw("network"),
        meter=MeterId(raw("meter", METER_ID_BYTES)),
        register=RegisterId(number("register", MAX_REGISTER)),
        first=number("first"),
        step=number("step"),
        count=number("count", MAX_RECORDS),
        seq=number("seq"),
        prev=raw("prev"),
        root=raw("root"),
        mode=number("mode"),
        bits=number("bits"),
        sum=raw("sum", _SUM_BYTES),
    )


def _record(value: Json) -> tuple[OpenRecord, bytes]:
    row = read_object(value, "record", "delta quality revision salt start value")
    record = OpenRecord(
        read_number(row["start"], "record.start", MAX_SIZE),
        read_number(row["delta"], "record.delta", MAX_SIZE),
        read_number(row["value"], "record.value", MAX_SIZE),
        read_number(row["quality"], "record.quality", MAX_QUALITY),
        read_number(row["revision"], "record.revision", MAX_REVISION),
    )
    return record, read_hex(row["salt"], "record.salt", SALT_BYTES)


def _receipt(value: Json) -> HeldReceipt | None:
    if value is None:
        return None
    fields = read_object(value, "receipt", "key payload")
    payload = read_hex(fields["payload"], "receipt.payload")
    return HeldReceipt(read_hex(fields["key"], "receipt.key", 32), payload)


def read_anchor(value: Json) -> Anchor | None:
    """Return an anchor, or None for null; it has a `proof` where it needs one."""
    if value is None:
        return None
    proved = isinstance(value, dict) and "proof" in value
    names = ["publisher", "reference", "root", "size"]
    fields = read_object(value, "anchor", " ".join(["proof"] * proved + names))
    return Anchor(
        read_text(fields["publisher"], "anchor.publisher", MAX_TEXT),
        read_number(fields["size"], "anchor.size", MAX_SIZE),
        read_hex(fields["root"], "anchor.root", HASH_BYTES),
        read_text(fields["reference"], "anchor.reference", MAX_TEXT),
        _consistency(fields["proof"]) if proved else (),
    )


def split_anchor(fields: dict[str, Json]) -> tuple[Anchor | None, dict[str, Json]]:
    """Return the anchor of a file that has one only where it is, and the other fields."""
    if fields.get("anchor", "") is None:
        raise Malformed("anchor: left out where there is none")
    rest = {name: value for name, value in fields.items() if name != "anchor"}
    return read_anchor(fields.get("anchor")), rest


def with_anchor(anchor: Anchor | None) -> dict[str, Json]:
    """Return the field of an anchor where there is one."""
    return {} if anchor is None else {"anchor": anchor_json(anchor)}


def _consistency(value: Json) -> tuple[bytes, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CONSISTENCY:
        raise Malformed(f"anchor.proof: 1 to {MAX_CONSISTENCY} hashes")
    return tuple(read_hex(step, "anchor.proof", HASH_BYTES) for step in value)


def read_logged(fields: dict[str, Json], name: str) -> Logged:
    """Return the place in the log that an object names."""
    proof = fields["proof"]
    if not isinstance(proof, list) or len(proof) > MAX_PROOF:
        raise Malformed(f"{name}.proof: at most {MAX_PROOF} hashes")
    steps = tuple(read_hex(step, f"{name}.proof", HASH_BYTES) for step in proof)
    return Logged(read_number(fields["index"], f"{name}.index", MAX_SIZE), steps)


def read_object(value: Json, name: str, keys: str) -> dict[str, Json]:
    """Return an object of exactly `keys`, which are sorted; Malformed otherwise."""
    if not isinstance(value, dict) or sorted(value) != keys.split():
        raise Malformed(f"{name}: an object of exactly {keys}")
    return value


def read_number(value: Json, name: str, limit: int) -> int:
    """Return an integer of 0 to `limit`; Malformed otherwise."""
    # type(), not isinstance: true is an int to Python, and no number of ours.
    if type(value) is not int or not 0 <= value <= limit:
        raise Malformed(f"{name}: an integer of 0 to {limit}")
    return value


def read_text(value: Json, name: str, limit: int) -> str:
    """Return a text of 1 to `limit` bytes; Malformed otherwise."""
    try:
        if isinstance(value, str) and 0 < len(value.encode()) <= limit:
            return value
    except UnicodeEncodeError:
        pass
    raise Malformed(f"{name}: a text of at most {limit} bytes")


def read_hex(value: Json, name: str, length: int | None = None) -> bytes:
    """Read lower-case hex of `length` bytes, or of 1 to 64 KiB."""
    text = value if isinstance(value, str) else ""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    right = len(raw) == length if length else 0 < len(raw) <= _RECEIPT_LIMIT
    if not right or raw.hex() != text:
        raise Malformed(f"{name}: {length or 'some'} bytes in lower-case hex")
    return raw


def place_json(logged: Logged) -> dict[str, Json]:
    """Return a place in the log as an object has it."""
    return {"index": logged.index, "proof": [step.hex() for step in logged.proof]}


def _seal_json(seal: Seal) -> dict[str, Json]:
    fields = {name: _plain(value) for name, value in asdict(seal.header).items()}
    records: list[Json] = [
        {**asdict(record), "salt": salt.hex()}
        for record, salt in zip(seal.records, seal.salts, strict=True)
    ]
    return {**fields, "signature": seal.signature.hex(), "records": records}


def _plain(value: int | bytes) -> Json:
    return value.hex() if isinstance(value, bytes) else value


def _receipt_json(receipt: HeldReceipt | None) -> Json:
    if receipt is None:
        return None
    return {"key": receipt.key.hex(), "payload": receipt.payload.hex()}


def anchor_json(anchor: Anchor | None) -> Json:
    """Return an anchor as a file has it; null for none."""
    if anchor is None:
        return None
    fields: dict[str, Json] = {
        "publisher": anchor.publisher,
        "reference": anchor.reference,
        "root": anchor.root.hex(),
        "size": anchor.size,
    }
    if anchor.proof:
        fields["proof"] = [step.hex() for step in anchor.proof]
    return fields
