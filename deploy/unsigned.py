"""An unsigned transaction read back from its bytes, as a careful wallet does (SIP-005).

    found = read_unsigned(bytes.fromhex(told["unsigned"]))
    found.transaction.payload, found.transaction.conditions, found.signer

Only what we hand out is read: one key, no signature yet, a contract's function called,
amounts of STX or of a token. Whatever was read is written again and has to be the same
bytes. This module must never take a byte that it does not understand.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.transaction import (
    SIGNATURE_BYTES,
    Amount,
    Asset,
    Condition,
    ContractCall,
    Mode,
    Network,
    Transaction,
)
from meterseal_proto.c32 import HASH_BYTES, Address, Principal
from meterseal_proto.clarity import List, decode

_LIST: Final = b"\x0b"
_CALL: Final = b"\x02"
_STX, _TOKEN = b"\x00", b"\x01"
_STANDARD, _CONTRACT = b"\x02", b"\x03"
MAX_CONDITIONS: Final = 16
"""No call of ours moves more than a handful of things."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A transaction without its signature, and the hash160 of the key that is to sign."""

    transaction: Transaction
    signer: bytes

    @property
    def call(self) -> ContractCall:
        """What it calls."""
        payload = self.transaction.payload
        assert isinstance(payload, ContractCall)
        return payload

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What may move."""
        found = self.transaction.conditions
        return tuple(one for one in found if isinstance(one, Condition))


def read_unsigned(raw: bytes) -> Unsigned:
    """Return what `raw` is; ValueError (or Malformed) for anything but our own form."""
    reader = _Reader(raw)
    version, chain_id = reader.number(1), reader.number(4)
    network = Network(version, chain_id, Network.of(chain_id).mainnet)
    reader.skip(b"\x04\x00")  # a plain authorisation, by one key
    signer, nonce, fee = reader.take(HASH_BYTES), reader.number(8), reader.number(8)
    reader.skip(b"\x00" + bytes(SIGNATURE_BYTES) + b"\x03")  # unsigned, in any block
    mode = Mode(reader.number(1))
    count = reader.number(4)
    if count > MAX_CONDITIONS:
        raise ValueError(f"more than {MAX_CONDITIONS} conditions")
    conditions = tuple(reader.condition() for _ in range(count))
    payload = reader.call()
    found = Transaction(network, nonce, fee, payload, conditions, mode)
    if found.serialized(signer, bytes(SIGNATURE_BYTES)) != raw:
        raise ValueError("bytes that mean something else than was read")
    return Unsigned(found, signer)


class _Reader:
    """Reads from where it stands; ValueError at what is not there."""

    def __init__(self, raw: bytes) -> None:
        self._rest = raw

    def take(self, count: int) -> bytes:
        if len(self._rest) < count:
            raise ValueError("a transaction that ends too early")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def skip(self, wanted: bytes) -> None:
        if self.take(len(wanted)) != wanted:
            raise ValueError("no unsigned call for one key")

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def name(self) -> str:
        return self.take(self.number(1)).decode("ascii")

    def address(self) -> Address:
        return Address(self.number(1), self.take(HASH_BYTES))

    def condition(self) -> Condition:
        kind = self.take(1)
        if kind not in (_STX, _TOKEN):
            raise ValueError("a condition on what is no amount")
        who = self._who()
        asset = self._asset() if kind == _TOKEN else None
        return Condition(who, Amount(self.number(1)), self.number(8), asset)

    def call(self) -> ContractCall:
        self.skip(_CALL)
        contract = Principal(self.address(), self.name())
        function = self.name()
        # Arguments are written as a list's items are, though of several types.
        items = decode(_LIST + self._rest)
        assert isinstance(items, List)
        return ContractCall(contract, function, items.items)

    def _who(self) -> Principal:
        kind = self.take(1)
        if kind not in (_STANDARD, _CONTRACT):
            raise ValueError("a condition on nobody by name")
        address = self.address()
        return Principal(address, self.name() if kind == _CONTRACT else None)

    def _asset(self) -> Asset:
        return Asset(Principal(self.address(), self.name()), self.name())
