"""Mask seeds on deposit with three trustees: made once, kept, and then masked by.

    trustees = pinned(answer.trustee_keys, config.trustees)    # NotPinned says what to do
    deposits = Deposits(outbox, keys, network, trustees)
    deposits.make(meters)                  # on disk before anything leaves
    deposits.take(told)                    # three true signatures: totals are masked now
    deposits.kept(meter)

An operator who chose the trustees could read every household, so only those whose
fingerprints a person wrote down at installation are given seeds. Before all three have
signed, no masked opening is told: with one seed unknown to everybody it would be of no use,
and would still be there when the seed turned up elsewhere. This module must never make a
second deposit for a meter, nor seal a seed to anybody else.
"""

from collections.abc import Collection, Sequence

from meterseal_agent.keystore import Keys
from meterseal_agent.outbox.store import Outbox
from meterseal_proto.errand import SeedDeposits, decode_errand, encode_errand
from meterseal_proto.errand_down import SeedsKept
from meterseal_proto.errors import Malformed
from meterseal_proto.reporting import Act, signed
from meterseal_proto.seedbox import TrusteeKey, deposited
from meterseal_proto.totals import SEEDS
from meterseal_proto.units import MeterId

Trustees = tuple[TrusteeKey, TrusteeKey, TrusteeKey]
"""Trustees 0, 1 and 2."""


class NotPinned(Exception):
    """The trustees are not those of the configuration; the sentence says what to do."""


def pinned(told: Sequence[str], fingerprints: Sequence[str]) -> Trustees:
    """Return the trustees' keys as enrolment told them, where each has its fingerprint.

    Raises NotPinned for fewer than three, another order, and keys nobody wrote down.
    """
    if len(told) != SEEDS:
        raise NotPinned(
            "enrolment told of no three trustees: no seeds are deposited; ask the"
            " operator for trustees and enrol anew, or take trustees out"
        )
    try:
        first, second, third = [TrusteeKey.parse(text) for text in told]
    except ValueError as error:
        raise NotPinned(
            f"enrolment told of trustees nobody can read: {error}"
        ) from None
    found = (first, second, third)
    for number, (key, written) in enumerate(zip(found, fingerprints, strict=True)):
        if key.number != number or key.fingerprint() != written:
            raise NotPinned(
                f"trustee {number} of the enrolment has the fingerprint"
                f" {key.fingerprint()}, not the configured one: no seeds are deposited;"
                " compare both with what the trustee itself says"
            )
    return found


class Deposits:
    """One agent's deposits with the three trustees that are pinned."""

    def __init__(
        self, outbox: Outbox, keys: Keys, network: bytes, trustees: Trustees
    ) -> None:
        self._outbox = outbox
        self._root = keys.root
        self._key = keys.seal_key
        self._network = network
        self._trustees = trustees
        self._made: dict[MeterId, SeedDeposits] = {}
        self._kept: set[MeterId] = set()
        self.strange: list[MeterId] = []
        """Meters whose seeds lie with other trustees, or under another key: from before
        the configuration changed."""

    def make(self, meters: Collection[MeterId]) -> None:
        """Make the deposits that are missing, and look at those that are there."""
        there = self._outbox.deposits()
        missing = [meter for meter in meters if meter not in there]
        self._outbox.keep_deposits([(meter, self._new(meter)) for meter in missing])
        stored = self._outbox.deposits()
        for meter in meters:
            payload, kept = stored[meter]
            made = self._read(meter, payload)
            if made is None:
                self.strange.append(meter)
                continue
            self._made[meter] = made
            if kept:
                self._kept.add(meter)

    def waiting(self) -> dict[MeterId, bytes]:
        """Return the messages of deposits that trustees have not signed for yet."""
        return {
            meter: encode_errand(made)
            for meter, made in self._made.items()
            if meter not in self._kept
        }

    def kept(self, meter: MeterId) -> bool:
        """Tell whether all three trustees keep a meter's seeds."""
        return meter in self._kept

    def take(self, told: SeedsKept) -> bool:
        """Note durably that a meter's seeds are kept; False when that was known.

        Raises Malformed unless all three pinned trustees signed this meter's deposits.
        """
        made = self._made.get(told.meter)
        if made is None:
            raise Malformed("no deposit of that meter was made here")
        rows = zip(self._trustees, made.deposits, told.signatures, strict=True)
        for trustee, deposit, signature in rows:
            digest = deposit.digest(self._network, trustee.box)
            if not signed(trustee.sign, Act.DEPOSIT, digest, signature):
                raise Malformed(f"trustee {trustee.number} did not sign for the seeds")
        if told.meter in self._kept:
            return False
        self._outbox.deposit_signed(told.meter, told.signatures)
        self._kept.add(told.meter)
        return True

    def _new(self, meter: MeterId) -> bytes:
        seeds = self._root.mask_seeds(meter, SEEDS)
        first, second, third = [
            deposited(self._key, self._network, meter, trustee, seeds)
            for trustee in self._trustees
        ]
        return encode_errand(SeedDeposits((first, second, third)))

    def _read(self, meter: MeterId, payload: bytes) -> SeedDeposits | None:
        """Return a stored deposit; None unless it is this key's, for these trustees."""
        try:
            made = decode_errand(payload)
        except Malformed:
            return None
        if not isinstance(made, SeedDeposits):
            return None
        rows = zip(self._trustees, made.deposits, strict=True)
        ours = made.meter == meter and made.key == self._key.public
        authentic = all(d.authentic(self._network, t.box) for t, d in rows)
        return made if ours and authentic else None
