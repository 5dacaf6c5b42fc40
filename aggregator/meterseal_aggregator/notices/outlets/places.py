"""Where a member's webhook may lead: to the public network, never into ours.

Whoever gives us a URL chooses whom we call. Pure: addresses as text in, a verdict out.
This module must never look a name up.
"""

import ipaddress
from typing import Final

_LEADING: Final = tuple(
    ipaddress.IPv6Network(one)
    for one in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "::/96",
        "::ffff:0:0:0/96",
        "fec0::/10",
    )
)
"""What IANA's list calls global, or says nothing of, and leads elsewhere: translators to IPv4
(RFC 6052, 8215, 7915), IPv4 inside IPv6 (RFC 4291 2.5.5.1), addresses of a site (RFC 3879)."""


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
        or any(found in one for one in _LEADING)
    ):
        return False
    return found.is_global and not found.is_multicast
