"""`mode` and `proof_bits` of a meter, and the zone whose days are told: what is hidden, checked.

    [[meters]]
    mode = "committed"      # nobody is told its intervals; "open" is the default
    proof_bits = 16         # or 32: what an interval fits in
    zone = "Europe/Berlin"  # at the top of the file: where its days end
    witness = "NAME+ID+KEY" # there too: who must have cosigned the log a tariff is in
    trustees = ["5c1f ...", "...", "..."]    # fingerprints of those who may unmask totals
    shortest_bill_days = 27 # nobody is told what less than that costs
    net_purchases = true    # neighbours' Wh come off the bill, slot by slot

Every register of the meter is then committed but 1-0:2.8.0: what is sold is told, and
who tells nobody of his export leaves it out of `registers`. This module must never let
a meter be half hidden: its telemetry stays in the house with its intervals.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_agent.config.fields import choice, distinct, integer
from meterseal_agent.config.model import MeterConfig
from meterseal_agent.meters.table import BadTable, Table
from meterseal_agent.seal.zone import known
from meterseal_agent.telemetry.tellable import Mode
from meterseal_proto.cosignature import parse_cosigner
from meterseal_proto.errors import Rejected
from meterseal_proto.rangeproof import BITS
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.seedbox import FINGERPRINT_BYTES
from meterseal_proto.totals import SEEDS
from meterseal_proto.units import plausible_wh

LONGEST_DAY_S: Final = 25 * 3600
"""A local day on which the clocks go back."""
LONGEST_BILL_DAYS: Final = 366
"""Who wants to be billed for years only pays none."""


def bits(table: Table) -> int:
    """Take what a meter's intervals fit in, in bits; 0 where they are told."""
    mode = choice(table, "mode", Mode, Mode.OPEN)
    if mode is Mode.OPEN:
        if table.has("proof_bits"):
            raise BadTable(
                f'{table.where}: proof_bits goes with mode = "committed"; take it out'
            )
        return 0
    found = integer(table, "proof_bits", BITS[0], low=BITS[0], high=BITS[-1])
    if found not in BITS:
        raise BadTable(
            f"{table.where}: proof_bits must be {' or '.join(map(str, BITS))}"
        )
    return found


def check_private(meter: MeterConfig, where: str) -> None:
    """Refuse a committed meter whose days or intervals cannot be proved."""
    if not meter.bits:
        return
    if not any(meter.bits_of(register) for register in meter.registers):
        raise BadTable(
            f"{where}: an export register is always open, so there is nothing to"
            ' commit: take mode = "committed" out'
        )
    if meter.telemetry_s:
        raise BadTable(f"{where}: a committed meter tells no telemetry, take it out")
    if meter.step * MAX_RECORDS < LONGEST_DAY_S:
        raise BadTable(f"{where}: a committed meter's step is 900 seconds or more")
    if plausible_wh(meter.capacity_w, meter.step) >> meter.bits:
        raise BadTable(
            f"{where}: an interval at its full capacity does not fit {meter.bits} bits;"
            f" give proof_bits = {BITS[-1]}"
        )


def trustees(table: Table) -> tuple[str, ...]:
    """Take the three trustees' fingerprints as `TrusteeKey.fingerprint` writes them.

    None where the key is left out: then no masked opening is told to anybody.
    """
    if not table.has("trustees"):
        return ()
    found = [_fingerprint(table.where, one) for one in table.items("trustees")]
    if len(found) != SEEDS:
        raise BadTable(f"{table.where}: trustees are {SEEDS} fingerprints, or left out")
    distinct(found, f"{table.where}: trustee")
    return tuple(found)


def _fingerprint(where: str, value: object) -> str:
    digits = "".join(value.split()).lower() if isinstance(value, str) else ""
    if len(digits) != 2 * FINGERPRINT_BYTES or not set(digits) <= set(
        "0123456789abcdef"
    ):
        raise BadTable(
            f"{where}: a trustee's fingerprint is {2 * FINGERPRINT_BYTES} hex digits, as"
            " meterseal-trustee shows it"
        )
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def zone(table: Table, meters: Sequence[MeterConfig]) -> str:
    """Take the network's time zone: needed where a meter is committed, "" without."""
    if not table.has("zone"):
        if any(meter.bits for meter in meters):
            raise BadTable(
                f"{table.where}: a committed meter is told by local days; give zone ="
                ' "Europe/Berlin" or the like, as the network has it'
            )
        return ""
    name = table.text("zone")
    if not known(name):
        raise BadTable(
            f"{table.where}: zone {name!r} is no IANA zone known here; write it like"
            " Africa/Nairobi, and install tzdata"
        )
    return name


def witness(table: Table) -> str:
    """Take the witness's key, compared by telephone at installation; "" without.

    Without one the device believes no tariff, so it signs no bill on hidden usage.
    """
    if not table.has("witness"):
        return ""
    key = table.text("witness")
    try:
        parse_cosigner(key)
    except Rejected as rejected:
        raise BadTable(
            f"{table.where}: witness must be the line meterseal-trustee init prints,"
            f" NAME+ID+KEY: {rejected.detail}"
        ) from None
    return key
