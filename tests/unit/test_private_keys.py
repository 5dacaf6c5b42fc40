"""What hides usage comes from the root secret, each key apart from the others."""

from meterseal_proto.backup import KEY_BYTES
from meterseal_proto.keys import RootSecret
from meterseal_proto.totals import SEED_BYTES, SEEDS

ROOT = RootSecret(bytes(range(32)))
ONE, OTHER = bytes(16), bytes(15) + b"\x01"


def test_every_key_is_another_and_the_same_secret_gives_it_again() -> None:
    again = RootSecret(bytes(range(32)))
    found = [
        ROOT.salt_key(ONE),
        *(ROOT.blind_key(ONE), ROOT.blind_key(OTHER)),
        *(ROOT.store_key, ROOT.nonce_key),
        *ROOT.mask_seeds(ONE, SEEDS),
        *ROOT.mask_seeds(OTHER, SEEDS),
    ]
    assert len({key[:32] for key in found}) == len(found)
    assert again.blind_key(OTHER) == ROOT.blind_key(OTHER)
    assert again.mask_seeds(ONE, SEEDS) == ROOT.mask_seeds(ONE, SEEDS)


def test_keys_are_as_long_as_their_use_wants() -> None:
    assert len(ROOT.store_key) == KEY_BYTES
    assert {len(seed) for seed in ROOT.mask_seeds(ONE, SEEDS)} == {SEED_BYTES}
