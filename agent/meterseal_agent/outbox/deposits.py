"""Mask seeds as they are sent to the trustees: made once, and who signed for them.

HPKE seals differ each time, so the first bytes are kept and sent until all three trustees
signed; then a meter's totals are masked for good. Every function takes the transaction or
connection first. It must never let a deposit be made twice.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from meterseal_proto.units import MeterId

Deposited = tuple[bytes, bool]
"""A deposit's message up, and whether all three trustees keep it."""


def keep(tx: sqlite3.Connection, rows: Iterable[tuple[MeterId, bytes]]) -> None:
    """Keep deposits of meters; one that is here stays as it is."""
    tx.executemany(
        "INSERT INTO deposits (meter, payload) VALUES (?,?)"
        " ON CONFLICT (meter) DO NOTHING",
        rows,
    )


def every(connection: sqlite3.Connection) -> dict[MeterId, Deposited]:
    """Return all deposits by meter."""
    rows = connection.execute("SELECT meter, payload, kept IS NOT NULL FROM deposits")
    return {MeterId(meter): (payload, bool(kept)) for meter, payload, kept in rows}


def signed(tx: sqlite3.Connection, meter: MeterId, signatures: Sequence[bytes]) -> None:
    """Note the three trustees' signatures; once noted nothing changes them."""
    tx.execute(
        "UPDATE deposits SET kept = ? WHERE meter = ? AND kept IS NULL",
        (b"".join(signatures), meter),
    )
