"""`[resident]`: where the resident's own page is, if anywhere.

    [resident]
    host = "192.168.1.20"   # this machine's address on the home's network
    port = 8443             # the default
    name = "meter.home"     # a name browsers may use for it, none by default
    tls = true              # false only on 127.0.0.1, behind a proxy that speaks TLS

Without the table there is no page. This module must never guess an address to listen on.
"""

from typing import Final

from meterseal_agent.config.fields import integer
from meterseal_agent.meters.table import BadTable, Table
from meterseal_agent.resident.address import DEFAULT_PORT, Address

LEAST_PORT: Final = 1024
"""The agent has no right to ports below."""


def resident(table: Table, zone: str) -> Address | None:
    """Take where the page is; None where the table is left out. `zone` has its days."""
    if not table.has("resident"):
        return None
    where = table.where
    found = table.table("resident")
    if not zone:
        raise BadTable(
            f'{where}: [resident] shows local days; give zone = "Europe/Berlin" or the'
            " like at the top of the file"
        )
    try:
        address = Address(
            host=found.text("host"),
            port=integer(found, "port", DEFAULT_PORT, low=LEAST_PORT, high=65_535),
            name=found.text("name") if found.has("name") else "",
            tls=found.flag("tls") if found.has("tls") else True,
        )
    except BadTable:
        raise
    except ValueError as error:
        raise BadTable(f"{found.where}: {error}") from None
    found.done()
    return address
