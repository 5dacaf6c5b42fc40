"""This machine or another: where plain text may go, decided in one place.

Agent and aggregator speak without TLS to themselves only. This module must never look
a name up: what a resolver says today, it need not say tomorrow.
"""

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether `host`, a name or address without port or brackets, is this machine.

    127.0.0.0/8 (RFC 1122 3.2.1.3), ::1 (RFC 4291 2.5.3) and `localhost` (RFC 6761 6.3)
    are; every other name is not.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
