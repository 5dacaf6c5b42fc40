"""Where members want to be told what, and in which language; it is theirs to change.

    kept = await keep(tx, member, Wish(Language.SW, (Address(Way.SMS, "+254..."),)), now=now)

Addresses are personal and stand in tables of their own, which erasure empties. This module
must never put one into a log or an error.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from meterseal_aggregator.billing.rendering import Language
from meterseal_aggregator.notices.model import Address, Kind, Way
from meterseal_aggregator.storage.database import Transaction

SECRET_BYTES: Final = 32
MAX_ADDRESS: Final = 500
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# No "=?" in it: mail reads an encoded word (RFC 2047 2) as what it encodes, which may be
# other addresses.
_EMAIL: Final = re.compile(
    rf"(?=.{{1,64}}@.{{1,255}}$)(?!.*=\?){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"
)
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_KEEP: Final = """
INSERT INTO notice_addresses (member_id, way, address, secret, kinds, changed_at)
VALUES (?, ?, ?, ?, ?, ?)
"""
_LANGUAGE: Final = """
INSERT INTO notice_languages (member_id, language) VALUES (?, ?)
ON CONFLICT (member_id) DO UPDATE SET language = excluded.language
"""
_ADDRESSES: Final = """
SELECT member_id, way, address, secret, kinds FROM notice_addresses
WHERE member_id IN ({marks}) ORDER BY member_id, way
"""
_LANGUAGES: Final = """
SELECT member_id, language FROM notice_languages WHERE member_id IN ({marks})
"""


class WrongAddress(Exception):
    """An address that cannot be one of its way; the message says how it is written."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a member wants to be told: at most one address a way."""

    language: Language = Language.EN
    addresses: tuple[Address, ...] = ()


def check(address: Address) -> None:
    """Go on if it is written as its way needs; raises WrongAddress.

    EMAIL: dot-atoms of RFC 5322 3.4.1 at labels of RFC 1123 2.1, in ASCII. SMS: E.164. WEBHOOK:
    https, no name or password in it.
    """
    match address.way:
        case Way.EMAIL if _EMAIL.fullmatch(address.to) is None:
            raise WrongAddress("an email address is written name@example.org")
        case Way.SMS if _NUMBER.fullmatch(address.to) is None:
            raise WrongAddress("a number is written +254700000000: plus and digits")
        case Way.WEBHOOK:
            _check_url(address.to)
        case _:
            pass


def _check_url(url: str) -> None:
    wrong = WrongAddress("a webhook is written https://example.org/path")
    if len(url) > MAX_ADDRESS or not url.isascii() or not url.isprintable():
        raise wrong
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("https", "http") and bool(parts.hostname)
        fine = fine and parts.username is None and not parts.fragment
        _ = parts.port
    except ValueError:
        fine = False
    if not fine or " " in url or "\\" in url:
        raise wrong


async def keep(tx: Transaction, member: int, wish: Wish, *, now: int) -> Wish:
    """Keep a member's wish in place of the last one; returns it with its secrets.

    A webhook keeps its secret while its address stays, else it gets a new one. Raises
    WrongAddress.
    """
    for one in wish.addresses:
        check(one)
    before = (await wishes(tx, [member]))[member]
    known = {one.to: one.secret for one in before.addresses if one.way is Way.WEBHOOK}
    kept = tuple(
        replace(one, secret=known.get(one.to) or secrets.token_bytes(SECRET_BYTES))
        if one.way is Way.WEBHOOK
        else one
        for one in wish.addresses
    )
    await tx.many("DELETE FROM notice_addresses WHERE member_id = ?", [(member,)])
    await tx.many(
        _KEEP,
        [
            (member, one.way.value, one.to, one.secret, _spelled(one.kinds), now)
            for one in kept
        ],
    )
    await tx.many(_LANGUAGE, [(member, wish.language.value)])
    return Wish(wish.language, kept)


async def wishes(tx: Transaction, members: Collection[int]) -> Mapping[int, Wish]:
    """Return the wishes of members, two statements for all; who said nothing has none."""
    wanted = sorted(set(members))
    marks = ",".join("?" for _ in wanted)
    languages: dict[int, str] = dict(
        await tx.rows(_LANGUAGES.format(marks=marks), wanted)
    )
    found: dict[int, tuple[Address, ...]] = dict.fromkeys(wanted, ())
    for member, way, to, secret, kinds in await tx.rows(
        _ADDRESSES.format(marks=marks), wanted
    ):
        wanted_kinds = frozenset(Kind(kind) for kind in kinds.split(","))
        found[member] += (Address(Way(way), to, secret, wanted_kinds),)
    return {
        member: Wish(Language(languages.get(member, Language.EN)), addresses)
        for member, addresses in found.items()
    }


def _spelled(kinds: Collection[Kind]) -> str:
    return ",".join(sorted(kind.value for kind in kinds))
