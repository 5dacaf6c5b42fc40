"""The only arithmetic a trustee does: sums of masks, and commitments to single ones.

Seeds are taken out of their boxes here and nowhere else, for as long as it takes. This
module must never return a seed or the mask of one meter.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from meterseal_proto.reporting import Reported
from meterseal_proto.seedbox import Deposit, opened
from meterseal_proto.totals import Mask, mask_commitment, mask_of, seeds_of, summed
from meterseal_proto.units import MeterId


@dataclass(frozen=True, slots=True)
class Opener:
    """Whose boxes may be opened: this trustee's, of this network."""

    private: X25519PrivateKey = field(repr=False)
    network: bytes
    number: int

    def check(self, deposit: Deposit) -> None:
        """Raise ValueError unless the deposit's boxes open."""
        opened(deposit, self.private, self.network, self.number)

    def alike(self, one: Deposit, other: Deposit) -> bool:
        """Tell whether two deposits hold the same seeds; ValueError when one does not open."""
        mine, its = (
            opened(deposit, self.private, self.network, self.number)
            for deposit in (one, other)
        )
        return all(hmac.compare_digest(mine[seed], its[seed]) for seed in mine)

    def sums(self, held: Iterable[tuple[Deposit, Reported]]) -> dict[int, Mask]:
        """Return the sum of the masks of a set, for each seed held."""
        masks: dict[int, list[Mask]] = {seed: [] for seed in seeds_of(self.number)}
        for deposit, one in held:
            for seed, mask in self._masks(deposit, one).items():
                masks[seed].append(mask)
        return {seed: summed(found) for seed, found in masks.items()}

    def commitments(
        self, held: Iterable[tuple[Deposit, Reported]]
    ) -> dict[MeterId, dict[int, bytes]]:
        """Return the commitments to each meter's masks, by meter and seed."""
        return {
            deposit.meter: {
                seed: mask_commitment(mask)
                for seed, mask in self._masks(deposit, one).items()
            }
            for deposit, one in held
        }

    def _masks(self, deposit: Deposit, one: Reported) -> dict[int, Mask]:
        seeds = opened(deposit, self.private, self.network, self.number)
        place = one.place()
        return {number: mask_of(seed, place) for number, seed in seeds.items()}
