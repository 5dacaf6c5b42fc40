"""No byte of an evidence bundle can change, go or come twice unseen."""

import pytest

from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.verify import examine, render
from tests.support.evidence import a_bundle

ANYBODY = Expectation()


def failures(claims: tuple[Claim, ...]) -> set[str]:
    return {claim.name for claim in claims if claim.verdict is Verdict.FAIL}


@pytest.mark.parametrize("pattern", [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x80, 0xFF])
def test_flipping_any_byte_fails_with_a_claim_named(pattern: int) -> None:
    data = a_bundle().encode()
    assert failures(examine(data, ANYBODY)) == set()
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ pattern]) + data[at + 1 :]
        claims = examine(flipped, ANYBODY)
        assert failures(claims), f"byte {at} of {len(data)} may be changed unseen"
        assert render(claims, passed=False, as_json=False).startswith(("PASS", "FAIL"))


def test_cutting_or_doubling_any_byte_fails() -> None:
    data = a_bundle().encode()
    for at in range(len(data)):
        assert failures(examine(data[:at] + data[at + 1 :], ANYBODY))
        assert failures(examine(data[:at] + data[at : at + 1] + data[at:], ANYBODY))
