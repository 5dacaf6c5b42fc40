"""The hash that names a full tariff's document: in bills, over the API, and in the log.

Pure. This module must never read the document.
"""

import hashlib
from typing import Final

_DOMAIN: Final = b"meterseal/full-tariff/v1\x00"


def document_hash(document: bytes) -> bytes:
    """Return SHA-256 of a domain and a full tariff's document, 32 bytes."""
    return hashlib.sha256(_DOMAIN + document).digest()
