"""Stacks addresses: a version and a key's or script's hash, in Crockford's base 32.

    Address(TESTNET_SINGLE, hash160(public)).text()      "ST1PQHQ..."
    Principal.parse("ST1PQHQ....energy-oracle")

c32check as SIP-005 has it: 'S', the version's digit, then hash and the first four bytes of
its double SHA-256. One address has one spelling here: upper case, no look-alikes. A
principal is an address, or a contract that an address published. This module must never
accept an address whose check does not hold.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MAINNET_SINGLE: Final = 22
MAINNET_MULTI: Final = 20
TESTNET_SINGLE: Final = 26
TESTNET_MULTI: Final = 21
VERSIONS: Final = (MAINNET_SINGLE, MAINNET_MULTI, TESTNET_SINGLE, TESTNET_MULTI)
"""Pay to a public key's hash, or to a script's (SIP-005, Transaction Authorization)."""
HASH_BYTES: Final = 20
CHECK_BYTES: Final = 4
MAX_NAME: Final = 40
"""Of a contract (stacks-core, CONTRACT_MAX_NAME_LENGTH)."""

_NAME: Final = re.compile(rf"[a-zA-Z][a-zA-Z0-9_-]{{0,{MAX_NAME - 1}}}")
_ADDRESS: Final = re.compile(rf"S[{ALPHABET}]{{2,40}}")


@dataclass(frozen=True, slots=True)
class Address:
    """A version of `VERSIONS` and 20 bytes."""

    version: int
    hash: bytes

    def __post_init__(self) -> None:
        if self.version not in VERSIONS or len(self.hash) != HASH_BYTES:
            raise ValueError("an address is a known version and 20 bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that `text` is; ValueError when it is none."""
        if _ADDRESS.fullmatch(text) is None:
            raise ValueError("an address is S and upper-case c32 digits")
        version = ALPHABET.index(text[1])
        number = 0
        for digit in text[2:]:
            number = number * 32 + ALPHABET.index(digit)
        whole = HASH_BYTES + CHECK_BYTES
        if number.bit_length() > 8 * whole:
            raise ValueError("an address of more than 20 bytes")
        found = cls(version, number.to_bytes(whole)[:HASH_BYTES])
        if found.text() != text:
            raise ValueError("an address whose check does not hold: a typing mistake")
        return found

    @property
    def mainnet(self) -> bool:
        """Whether it is of the main network."""
        return self.version in (MAINNET_SINGLE, MAINNET_MULTI)

    def text(self) -> str:
        """Return the address as wallets show it."""
        first = hashlib.sha256(bytes((self.version,)) + self.hash).digest()
        check = hashlib.sha256(first).digest()[:CHECK_BYTES]
        return f"S{ALPHABET[self.version]}{_digits(self.hash + check)}"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts on the chain: an address, or the contract `name` that it published."""

    address: Address
    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and _NAME.fullmatch(self.name) is None:
            raise ValueError(
                f"a contract's name begins with a letter and has 1 to {MAX_NAME} of"
                " letters, digits, - and _"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the principal ADDRESS or ADDRESS.CONTRACT; ValueError when it is none."""
        address, dot, name = text.partition(".")
        return cls(Address.parse(address), name if dot else None)

    def text(self) -> str:
        """Return ADDRESS or ADDRESS.CONTRACT."""
        address = self.address.text()
        return address if self.name is None else f"{address}.{self.name}"


def hash160(public: bytes) -> bytes:
    """Return RIPEMD-160 of SHA-256, 20 bytes: what an address says of a public key."""
    return hashlib.new("ripemd160", hashlib.sha256(public).digest()).digest()


def single(public: bytes, *, mainnet: bool) -> Address:
    """Return the address that one key, 33 bytes, has."""
    return Address(MAINNET_SINGLE if mainnet else TESTNET_SINGLE, hash160(public))


def _digits(raw: bytes) -> str:
    """Return base 32 digits; each leading zero byte is one 0, as in base 58."""
    number, found = int.from_bytes(raw), ""
    while number:
        number, digit = divmod(number, 32)
        found = ALPHABET[digit] + found
    return "0" * (len(raw) - len(raw.lstrip(b"\x00"))) + found
