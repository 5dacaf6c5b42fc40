"""A Green Button file of somebody else, read to be taken over (`vee.taking`). Pure.

Each series is of the register that its commodity and direction name. This module must never
choose between two series of one register.
"""

import hashlib
from typing import Final

from meterseal_aggregator.billing.rendering.greenbutton_read import read_green_button
from meterseal_aggregator.vee.intervals import Told
from meterseal_aggregator.vee.taking import Series, Upload
from meterseal_aggregator.vee.values import Cause, NotValued
from meterseal_proto.errors import Malformed
from meterseal_proto.units import MeterId, obis_text

KIND: Final = "Green Button"
MAX_TAKEN_BYTES: Final = 16 << 20
"""A year of quarter hours: 35,136 readings of 400 bytes. A year of five minutes is three."""


def upload_of(data: bytes, meter: MeterId, author: str) -> Upload:
    """Return a file's series as a meter's; raises NotValued (FILE) saying what is wrong.

    It takes some seconds of a processor: done before a transaction, beside the loop.
    """
    if len(data) > MAX_TAKEN_BYTES:
        raise NotValued(Cause.FILE, f"a file has at most {MAX_TAKEN_BYTES} bytes")
    try:
        found = read_green_button(data)
    except Malformed as error:
        raise NotValued(Cause.FILE, error.detail) from None
    registers = [one.register for one in found]
    for register in registers:
        if registers.count(register) > 1:
            raise NotValued(
                Cause.FILE,
                f"several series of the file are of {obis_text(register)}: send those of"
                " one meter",
            )
    series = tuple(
        Series(
            one.name,
            one.register,
            tuple(Told(i.start, i.length, i.value, i.quality) for i in one.intervals),
        )
        for one in found
    )
    return Upload(KIND, hashlib.sha256(data).digest(), series, meter, author)
