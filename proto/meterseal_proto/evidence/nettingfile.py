"""What a private register's device netted, as evidence: slots, proofs, and its signature.

    {"begin", "consent", "days": [{"first", "header", "proof", "slots": [[place, Wh], ...],
     "step"}, ...], "end", "meter", "register"}

Of the network it comes with. Canonical JSON. It holds no usage: that a netted slot used no
less is all it tells. This module must never say whether a proof holds: `claims_netting` does.
"""

from typing import Final

from meterseal_proto.bundle import (
    Json,
    canonical,
    parse_canonical,
    read_hex,
    read_number,
    read_object,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.keys import SIGNATURE_BYTES
from meterseal_proto.merkle import HASH_BYTES, MAX_SIZE
from meterseal_proto.netting import (
    MAX_NETTED_DAYS,
    MAX_NETTED_WH,
    BadNetting,
    NettedDay,
    Netting,
    ProvedNetting,
)
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

MAX_FILE_BYTES: Final = 4 << 20
"""A netted slot has 15 bytes here and a day's proof two thousand: 400 whole days of slots."""
_MAX_BRACKETS: Final = MAX_NETTED_DAYS * (MAX_RECORDS + 2) + 2
"""Each day is an object with a list of slots, each slot a list."""
_MAX_SECOND: Final = MAX_SIZE >> 8


def write_netting(proved: ProvedNetting) -> bytes:
    """Return the file of a proved netting."""
    netting = proved.netting
    days: list[Json] = [
        {
            "first": day.first,
            "header": day.header.hex(),
            "proof": proof.hex(),
            "slots": [list(slot) for slot in day.slots],
            "step": day.step,
        }
        for day, proof in zip(netting.days, proved.proofs, strict=True)
    ]
    return canonical(
        {
            "begin": netting.begin,
            "consent": proved.consent.hex(),
            "days": days,
            "end": netting.end,
            "meter": netting.meter.hex(),
            "register": netting.register,
        }
    )


def read_netting(data: bytes, network: bytes) -> ProvedNetting:
    """Return the netting of a file, of the network it came in; Rejected for anything else."""
    names = "begin consent days end meter register"
    top = parse_canonical(data, MAX_FILE_BYTES, _MAX_BRACKETS)
    fields = read_object(top, "netting", names)
    rows = fields["days"]
    if not isinstance(rows, list) or len(rows) > MAX_NETTED_DAYS:
        raise Malformed(f"netting.days: at most {MAX_NETTED_DAYS} of them")
    try:
        told = [_day(row) for row in rows]
        netting = Netting(
            network,
            MeterId(read_hex(fields["meter"], "netting.meter", METER_ID_BYTES)),
            RegisterId(
                read_number(fields["register"], "netting.register", MAX_REGISTER)
            ),
            read_number(fields["begin"], "netting.begin", _MAX_SECOND),
            read_number(fields["end"], "netting.end", _MAX_SECOND),
            tuple(day for day, _ in told),
        )
    except BadNetting as error:
        raise Malformed(f"netting: {error}") from None
    consent = read_hex(fields["consent"], "netting.consent", SIGNATURE_BYTES)
    return ProvedNetting(netting, tuple(proof for _, proof in told), consent)


def _day(value: Json) -> tuple[NettedDay, bytes]:
    fields = read_object(value, "netting.day", "first header proof slots step")
    rows = fields["slots"]
    if not isinstance(rows, list) or len(rows) > MAX_RECORDS:
        raise Malformed(f"netting.slots: at most {MAX_RECORDS} of them")
    day = NettedDay(
        read_hex(fields["header"], "netting.header", HASH_BYTES),
        read_number(fields["first"], "netting.first", _MAX_SECOND),
        read_number(fields["step"], "netting.step", _MAX_SECOND),
        tuple(_slot(row) for row in rows),
    )
    return day, read_hex(fields["proof"], "netting.proof")


def _slot(row: Json) -> tuple[int, int]:
    if not isinstance(row, list) or len(row) != 2:
        raise Malformed("netting.slots: a place and Wh")
    place = read_number(row[0], "netting.slots", MAX_RECORDS - 1)
    return place, read_number(row[1], "netting.slots", MAX_NETTED_WH)
