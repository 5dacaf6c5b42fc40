"""A bill on usage nobody sees: an amount, proved right by 64 bytes, consented to by the device.

Over a period's commitments C_i and prices p_i, sum p_i C_i - amount V = X. If the amount is
sum p_i v_i, what is left is blinding alone, X = R B, and only the device knows its
logarithm: it signs the statement under X (BIP340), and R never leaves it. A wrong amount
leaves some V in X, whose logarithm nobody knows. Knowing the logarithm is not consent, so
the seal key signs the statement too (SETTLED 20). `amount` is exact: micro-units of the
currency x Wh / kWh, rounded to money once, elsewhere.

Every C_i must come from an accepted seal with a proved range, and `refinement` must have
allowed the opening: this module must never be taken as the whole check.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto import schnorr
from meterseal_proto.commitment import bases
from meterseal_proto.encoding import Value, encode
from meterseal_proto.group import Point, group
from meterseal_proto.keys import PublicKey, SealKey
from meterseal_proto.refinement import MAX_TERMS
from meterseal_proto.secret import Secret
from meterseal_proto.tariff import MAX_PRICE
from meterseal_proto.units import MeterId, RegisterId

MAX_AMOUNT: Final = (1 << 84) - 1
"""2^20 intervals of 32 bits at prices of 32 bits: far below the group's order, so an
amount is never another one in disguise."""
STATEMENT_VERSION: Final = 1

_STATEMENT: Final = b"meterseal/bill/v1\x00"
_CONSENT: Final = b"meterseal/bill-consent/v1\x00"
_OPENING: Final = b"meterseal/opening/v1\x00"


class BadBill(ValueError):
    """A bill is not proved; the sentence says which part is wrong."""


@dataclass(frozen=True, slots=True)
class BillStatement:
    """What a bill says: whose period [`begin`, `end`) in Unix seconds costs `amount`.

    `headers` are the hashes of the seals it covers, in order of time; `tariff` the hash of
    its tariff; `revision` counts corrections. `previous` is the digest of the register's
    opening before this one, its enrolment hash for the first: openings form a chain.
    """

    network: bytes
    meter: MeterId
    register: RegisterId
    begin: int
    end: int
    tariff: bytes
    amount: int
    revision: int
    headers: tuple[bytes, ...]
    previous: bytes

    def digest(self) -> bytes:
        """Return the 32 bytes that both signatures are about."""
        fields: list[Value] = [
            STATEMENT_VERSION, self.network, self.meter, self.register, self.begin,
            self.end, self.tariff, self.amount.to_bytes(16), self.revision,
            list(self.headers), self.previous,
        ]  # fmt: skip
        return hashlib.sha256(_STATEMENT + encode(fields)).digest()

    def consent(self) -> bytes:
        """Return the 32 bytes the seal key signs: never those of a seal."""
        return hashlib.sha256(_CONSENT + self.digest()).digest()


@dataclass(frozen=True, slots=True)
class ProvedBill:
    """A statement with its two signatures: under X (b"" where all prices are 0), and the
    seal key's."""

    statement: BillStatement
    proof: bytes
    consent: bytes

    def hash(self) -> bytes:
        """Return what the log keeps of the whole bill, 32 bytes.

        The two signatures hide the amount in it: who has not the bill cannot try amounts.
        """
        signatures = self.proof + self.consent
        return hashlib.sha256(_OPENING + self.statement.digest() + signatures).digest()


def amount_of(prices: Sequence[int], values: Sequence[Secret]) -> int:
    """Return the exact amount; the one number about usage that a bill makes public."""
    priced = [v.times(price) for price, v in zip(prices, values, strict=True)]
    return Secret.total(priced).reveal()


def sign_bill(
    statement: BillStatement,
    prices: Sequence[int],
    blindings: Sequence[Secret],
    key: SealKey,
) -> ProvedBill:
    """Sign a statement whose amount is that of `prices`; `blindings` are the intervals'.

    Raises BadBill where the blindings cancel, which leaves nothing to sign with. The
    caller has asked `refinement` and knows that the amount is right.
    """
    _check_prices(prices)
    proof = b""
    if any(prices):
        left = Secret.total(
            z.times(price) for price, z in zip(prices, blindings, strict=True)
        )
        secret = left.times(bases().base_factor)
        try:
            proof = schnorr.sign(secret, statement.digest())
        except ValueError:
            raise BadBill("the blindings cancel: nothing can sign this bill") from None
    return ProvedBill(statement, proof, key.sign(statement.consent()))


def check_bill(
    bill: ProvedBill,
    prices: Sequence[int],
    commitments: Sequence[bytes],
    key: PublicKey,
) -> None:
    """Check a bill over the intervals' commitments (33 bytes each); BadBill says why not."""
    statement = bill.statement
    _check_prices(prices)
    if len(prices) != len(commitments):
        raise BadBill("as many prices as intervals")
    if not 0 <= statement.amount <= MAX_AMOUNT:
        raise BadBill("the amount is beyond what prices and usage can make")
    if not key.verify(statement.consent(), bill.consent):
        raise BadBill("the device's seal key did not consent to this statement")
    if not any(prices):
        if statement.amount or bill.proof:
            raise BadBill("at prices of 0 the amount is 0 and needs no proof")
        return
    left = left_over(prices, commitments, statement.amount)
    if not schnorr.verify(left[1:], statement.digest(), bill.proof):
        raise BadBill("the amount is not what these intervals cost at these prices")


def left_over(
    prices: Sequence[int], commitments: Sequence[bytes], amount: int
) -> bytes:
    """Return X = sum p_i C_i - amount V, 33 bytes; BadBill for infinity or no point."""
    of = group()
    classes: dict[int, list[Point]] = defaultdict(list)
    try:
        for price, commitment in zip(prices, commitments, strict=True):
            if price:
                classes[price].append(of.decode(commitment))
    except ValueError as error:
        raise BadBill(f"a commitment is none: {error}") from None
    sums = {price: of.add(points) for price, points in classes.items()}
    parts = [of.times(total, price) for price, total in sums.items() if total]
    parts.append(of.times(bases().value, -amount))
    found = of.add([part for part in parts if part is not None])
    if found is None:
        raise BadBill("nothing is left over: the commitments hide nothing")
    return of.encode(found)


def _check_prices(prices: Sequence[int]) -> None:
    if not 1 <= len(prices) <= MAX_TERMS:
        raise BadBill(f"a bill is over 1 to {MAX_TERMS} intervals")
    if not 0 <= min(prices) <= max(prices) <= MAX_PRICE:
        raise BadBill(f"prices are 0 to {MAX_PRICE}")
