"""BIP340, each backend: the standard's own cases, and the golden bill's signature."""

import hashlib
import json

import pytest

from meterseal_proto.curve import FIELD, ORDER
from meterseal_proto.schnorr import Schnorr, schnorrs, sign, verify
from meterseal_proto.secret import Secret
from tests.support.data import shared_data

ZERO = bytes(32)
BACKENDS = list(schnorrs())
CASES = [
    # secret, public x, aux, message, signature: BIP340 test-vectors.csv, 0, 1 and 3.
    (
        "0000000000000000000000000000000000000000000000000000000000000003",
        "F9308A019258C31049344F85F89D5229B531C845836F99B08601F113BCE036F9",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        (
            "E907831F80848D1069A5371B402410364BDF1C5F8307B0084C55F1CE2DCA8215"
            "25F66A4A85EA8B71E482A74F382D2CE5EBEEE8FDB2172F477DF4900D310536C0"
        ),
    ),
    (
        "B7E151628AED2A6ABF7158809CF4F3C762E7160F38B4DA56A784D9045190CFEF",
        "DFF1D77F2A671C5F36183726DB2341BE58FEAE1DA2DECED843240F7B502BA659",
        "0000000000000000000000000000000000000000000000000000000000000001",
        "243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89",
        (
            "6896BD60EEAE296DB48A229FF71DFE071BDE413E6D43F917DC8DCF8C78DE3341"
            "8906D11AC976ABCCB20B091292BFF4EA897EFCB639EA871CFA95F6DE339E4B0A"
        ),
    ),
    (
        "0B432B2677937381AEF05BB02A66ECD012773062CF3FA2549E44F58ED2401710",
        "25D1DFF95105F5253C4022F628A996AD3A0D95FBF21D468A1B33F8C160D8F517",
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
        (
            "7EB0509757E246F19449885651611CB965ECC1A187DD51B64FDA1EDC9637D5EC"
            "97582B9CB13DB3933705B32BA982AF5AF25FD78881EBB32771FC5922EFC66EA3"
        ),
    ),
]


@pytest.fixture(params=BACKENDS, ids=lambda b: b.name)
def backend(request: pytest.FixtureRequest) -> Schnorr:
    found: Schnorr = request.param
    return found


@pytest.mark.parametrize("case", CASES, ids=["0", "1", "3"])
def test_the_standards_cases_are_signed_as_it_says(
    backend: Schnorr, case: tuple[str, ...]
) -> None:
    secret, public, aux, message, signature = map(bytes.fromhex, case)
    assert backend.sign(Secret.of_bytes(secret), message, aux) == signature
    assert backend.verify(public, message, signature)


def test_the_golden_bill_is_signed_under_its_x(backend: Schnorr) -> None:
    path = shared_data().parent / "reference/vectors/commitments.json"
    bill = json.loads(path.read_text())["bill"]
    message, aux = bytes.fromhex(bill["message"]), bytes.fromhex(bill["aux"])
    made = backend.sign(Secret(int(bill["d"], 16)), message, aux)
    assert made.hex() == bill["bip340_signature"]
    assert backend.verify(bytes.fromhex(bill["X"])[1:], message, made)


def test_nothing_but_the_signature_is_taken(backend: Schnorr) -> None:
    _, public, _, message, signature = map(bytes.fromhex, CASES[1])
    for at in range(0, 64, 3):
        bent = bytearray(signature)
        bent[at] ^= 0x40
        assert not backend.verify(public, message, bytes(bent))
    r, s = signature[:32], int.from_bytes(signature[32:])
    for bad in (
        signature[:-1], signature + b"\x00", b"", bytes(64),
        r + ((s + ORDER) % 2**256).to_bytes(32), r + ORDER.to_bytes(32),
        FIELD.to_bytes(32) + signature[32:], r + (ORDER - s).to_bytes(32),
    ):  # fmt: skip
        assert not backend.verify(public, message, bad)
    assert not backend.verify(public, hashlib.sha256(message).digest(), signature)
    off_curve = bytes.fromhex(
        "EEFDEA4CDB677750A420FEE807EACF21EB9898AE79B9768766E4FAA04A2D4A34"
    )
    for key in (
        off_curve,
        FIELD.to_bytes(32),
        bytes(32),
        public[:-1],
        b"\x02" + public,
    ):
        assert not backend.verify(key, message, signature)


def test_what_cannot_be_signed_is_refused(backend: Schnorr) -> None:
    with pytest.raises(ValueError, match="signs nothing"):
        backend.sign(Secret(0), ZERO, ZERO)
    with pytest.raises(ValueError, match="32 bytes"):
        backend.sign(Secret(1), b"short", ZERO)


def test_signatures_are_hedged_and_every_backend_takes_them() -> None:
    secret = Secret(77)
    public = "fd3ad70b60b0dd1b3ea9a2a6ed3d1d6a9c2d9ee64ba3cd1d9d9f4b7a8e6d5f00"
    one, two = sign(secret, ZERO), sign(secret, ZERO)
    assert one != two
    assert not verify(bytes.fromhex(public), ZERO, one)
    key = _xonly(secret)
    for other in BACKENDS:
        assert other.verify(key, ZERO, one)
        assert other.verify(key, ZERO, two)


def _xonly(secret: Secret) -> bytes:
    from meterseal_proto.group import group

    point = group().base(secret)
    assert point is not None
    return group().encode(point)[1:]
