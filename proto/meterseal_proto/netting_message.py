"""A netting's part of a message: what is asked about, and what was proved of it.

    netting   meter, register, begin, end, [[header, first, step, [[place, Wh], ...]], ...]
    proofs    [proof, ...], one a day, each of the length that its day's slots give

`errand` has the message up, `errand_down` the one down. A slot takes 3 to 8 bytes, a day
some 45 and its proof 459 to 987, so that a month of whole days of quarter hours takes 46
KiB up and 18 down; what does not fit one message is not netted (`fitting`). This module
must never read a netting that is none, nor say whether it is proved.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from meterseal_proto.boundedjson import MAX_UINT
from meterseal_proto.encoding import Value, encode
from meterseal_proto.errors import Malformed
from meterseal_proto.message import (
    read_bytes,
    read_meter,
    read_rows,
    read_step,
    read_uint,
)
from meterseal_proto.netting import (
    HASH_BYTES,
    MAX_NETTED_DAYS,
    MAX_NETTED_WH,
    BadNetting,
    NettedDay,
    Netting,
)
from meterseal_proto.rangeproof import BITS, proof_bytes
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.topics import MAX_MESSAGE_BYTES
from meterseal_proto.units import MAX_REGISTER, RegisterId

_BESIDE_BYTES: Final = 256
"""Of a message's bytes, those of neither days nor proofs: 152 at the most."""
_DAY_FIELDS: Final = 4


def netting_fields(netting: Netting) -> list[Value]:
    """Return what stands for a netting in a message; its network stands elsewhere."""
    days: list[Value] = [day.fields() for day in netting.days]
    return [netting.meter, netting.register, netting.begin, netting.end, days]


def read_netting(network: bytes, fields: list[Value]) -> Netting:
    """Return the netting in five fields of a message for a network; Malformed otherwise."""
    meter, register, begin, end, rows = fields
    try:
        return Netting(
            network,
            read_meter(meter),
            RegisterId(read_uint(register, "register", MAX_REGISTER)),
            read_uint(begin, "begin", MAX_UINT),
            read_uint(end, "end", MAX_UINT),
            tuple(
                _read_day(row)
                for row in read_rows(rows, "days", least=0, most=MAX_NETTED_DAYS)
            ),
        )
    except BadNetting as error:
        raise Malformed(str(error)) from None


def read_proofs(value: Value, netting: Netting) -> tuple[bytes, ...]:
    """Return one proof a day, of a length that proofs of its slots have, or Malformed."""
    days = netting.days
    found = read_rows(value, "proofs", least=len(days), most=len(days))
    return tuple(_read_proof(one, day) for one, day in zip(found, days, strict=True))


def fitting(netting: Netting, bits_by_day: Sequence[int]) -> Netting:
    """Return as many of the first days as one message takes proved, given each day's bits.

    The rest stays the member's, or is asked about again.
    """
    room = MAX_MESSAGE_BYTES - _BESIDE_BYTES
    days = []
    for day, bits in zip(netting.days, bits_by_day, strict=True):
        proof = bytes(proof_bytes(bits, len(day.slots)))
        room -= len(encode(day.fields())) + len(encode(proof))
        if room < 0:
            break
        days.append(day)
    return replace(netting, days=tuple(days))


def _read_day(row: Value) -> NettedDay:
    header, first, step, slots = read_rows(
        row, "a day's parts", least=_DAY_FIELDS, most=_DAY_FIELDS
    )
    return NettedDay(
        read_bytes(header, "header", HASH_BYTES),
        read_uint(first, "first", MAX_UINT),
        read_step(step),
        tuple(
            _read_slot(one)
            for one in read_rows(slots, "slots", least=1, most=MAX_RECORDS)
        ),
    )


def _read_slot(row: Value) -> tuple[int, int]:
    place, wh = read_rows(row, "a slot's parts", least=2, most=2)
    return (
        read_uint(place, "place", MAX_RECORDS - 1),
        read_uint(wh, "Wh", MAX_NETTED_WH),
    )


def _read_proof(value: Value, day: NettedDay) -> bytes:
    lengths = {proof_bytes(bits, len(day.slots)) for bits in BITS}
    if type(value) is not bytes or len(value) not in lengths:
        raise Malformed(f"proof: {' or '.join(map(str, sorted(lengths)))} bytes")
    return value
