"""The names of accounts, each spelled once: whose it is, or what for.

What each of them means and where its floor lies, `chart` says. A name that one room alone
uses (a trade's escrow, a listing's) is made there. Pure. This module must never give one
name to two things.
"""

from typing import Final

from meterseal_aggregator.ledger.model import AccountCode

CASH: Final = AccountCode("cash")
"""The outside world: debited when money comes in to us, credited when it goes out."""
FEE: Final = AccountCode("fee")
WHEELING: Final = AccountCode("wheeling")
UTILITY: Final = AccountCode("utility")
ROUNDING: Final = AccountCode("rounding")
MUTUAL_FUND: Final = AccountCode("mutual-fund")
REWARD_POOL: Final = AccountCode("reward-pool")
REVERSED: Final = AccountCode("reversed")
"""Wh taken back by corrections."""


def user(member: int) -> AccountCode:
    """Return the account of money a member may spend."""
    return AccountCode(f"user:{member}")


def stake(member: int) -> AccountCode:
    """Return the account of what a seller answers with."""
    return AccountCode(f"stake:{member}")


def arrears(member: int) -> AccountCode:
    """Return the account of what a member has been billed and not paid yet."""
    return AccountCode(f"arrears:{member}")


def tax(name: str) -> AccountCode:
    """Return the account of what is held for an authority."""
    return AccountCode(f"tax:{name}")


def producer(member: int) -> AccountCode:
    """Return the account of the credits a member made."""
    return AccountCode(f"producer:{member}")


def buyer(member: int) -> AccountCode:
    """Return the account of the credits a member bought."""
    return AccountCode(f"buyer:{member}")


def debt(member: int) -> AccountCode:
    """Return the account of the Wh a member owes after corrections."""
    return AccountCode(f"debt:{member}")


def retired(beneficiary: str) -> AccountCode:
    """Return the account of the Wh somebody used up."""
    return AccountCode(f"retired:{beneficiary}")
