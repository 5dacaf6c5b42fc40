"""The accounts an aggregator signs by on the chain, each under the role it has there.

Each role is another power to lose with a key, so each may have a key of its own; the
same key may serve several, and then they are one account with one row of nonces. Pure.
This module must never know a key.
"""

from enum import Enum


class ChainRole(Enum):
    """What an account may do there (contracts/README.md, Roles).

    Guardians, governors and the admin are people: their keys belong on no server.
    """

    ORACLE = "oracle"
    """Anchors roots, mints, confirms deliveries: the one that is always there."""
    REGISTRAR = "registrar"
    """Verifies users, binds meters."""
    CERTIFIER = "certifier"
    """Certifies producers, up to its level."""
    OPERATOR = "operator"
    """Sets rates, posts totals, quotes and tariffs."""
    ARBITER = "arbiter"
    """Decides the disputes that no contract can."""
    RELAYER = "relayer"
    """Hands in for members what they signed."""
