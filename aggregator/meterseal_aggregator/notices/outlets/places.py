"""Where a member's webhook may lead: to the public network, never into ours.

Whoever gives us a URL chooses whom we call. Pure: addresses as text in, a verdict out.
This module must never look a name up.
"""

import ipaddress
from typing import Final

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052: an IPv4 address behind a translator, whatever that one may reach."""


def is_public(address: str) -> bool:
    """Tell whether an IP address is of the public network (IANA's global ones).

    Addresses that carry another one inside (mapped, 6to4, Teredo, NAT64) are not: what
    they lead to is not what they say.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and (
        found.ipv4_mapped is not None
        or found.sixtofour is not None
        or found.teredo is not None
        or found in _NAT64
    ):
        return False
    return found.is_global and not found.is_multicast
