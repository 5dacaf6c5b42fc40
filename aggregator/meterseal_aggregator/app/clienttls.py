"""Our side of TLS at somebody else's server: the certificate it knows us by, and its CA.

This module must never make a context that takes any certificate.
"""

import ssl

from meterseal_aggregator.config import ClientTls, ConfigError


def context(tls: ClientTls, where: str) -> ssl.SSLContext:
    """Return how we speak TLS there; ConfigError, naming the table `where`, for bad files."""
    try:
        made = ssl.create_default_context(cafile=str(tls.ca))
        made.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{where}: files cannot be used: {error}") from error
    return made
