"""The message up refuses, by name, whatever is not exactly a seal."""

import pytest

from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errors import Malformed, Reason, Rejected
from meterseal_proto.keys import Algorithm, RootSecret, SealKey
from meterseal_proto.message import decode_seal, encode_seal
from meterseal_proto.seal import Header, OpenRecord, Seal, record_root
from meterseal_proto.units import EXPORT, MeterId

NETWORK = bytes([1]) * 32


def a_seal(count: int = 1, key: SealKey | None = None) -> Seal:
    records = tuple(OpenRecord(900 * i, 5, 5 * i + 5, 14) for i in range(count))
    salts = tuple(bytes([i]) * 16 for i in range(count))
    root = record_root(records, salts)
    header = Header(
        NETWORK, MeterId(bytes(16)), EXPORT, 0, 900, count, 1, bytes(32), root
    )
    signer = key or RootSecret(bytes(32)).seal_key()
    return Seal(header, signer.sign(header.digest(1)), records, salts)


def fields() -> list[Value]:
    decoded = decode(encode_seal(a_seal(2)))
    assert isinstance(decoded, tuple)
    return list(decoded)


@pytest.mark.parametrize("count", [1, 2, 99, 100])
@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_seal_survives_the_wire(count: int, algorithm: Algorithm) -> None:
    key = RootSecret(bytes(32)).seal_key(algorithm)
    seal = a_seal(count, key)
    back = decode_seal(encode_seal(seal), NETWORK)
    assert back == seal
    assert key.public.verify(back.header.digest(1), back.signature)


@pytest.mark.parametrize(
    ("index", "value", "says"),
    [
        (0, 2, "version"),
        (0, True, "version"),
        (1, bytes(15), "meter"),
        (1, "x" * 16, "meter"),
        (2, 1 << 48, "register"),
        (2, -1, "register"),
        (3, 1 << 63, "first"),
        (3, True, "first"),
        (4, 0, "step"),
        (4, 901, "step"),
        (4, 400 * 86_400 + 300, "step"),
        (5, -1, "seq"),
        (5, 1 << 62, "seq"),
        (6, bytes(31), "prev"),
        (7, bytes(65), "signature"),
        (8, [], "1 to 100"),
        (8, [[bytes(16), 1, 1, 14, 0]] * 101, "1 to 100"),
        (8, [[bytes(16), 1, 1, 14]], "array of 5"),
        (8, [[bytes(16), -1, 1, 14, 0]], "delta"),
        (8, [[bytes(16), 1, None, 14, 0]], "value"),
        (8, [[bytes(16), 1, 1, 256, 0]], "quality"),
        (8, [[bytes(16), 1, 1, 14, 65_536]], "revision"),
        (8, [[bytes(15), 1, 1, 14, 0]], "salt"),
    ],
)
def test_a_wrong_field_is_named(index: int, value: Value, says: str) -> None:
    row = fields()
    row[index] = value
    with pytest.raises(Malformed, match=says):
        decode_seal(encode(row), NETWORK)


@pytest.mark.parametrize("value", [{}, None, 1, [], [1], {"a": 1}])
def test_another_shape_is_no_seal(value: Value) -> None:
    with pytest.raises(Malformed, match="array of 9"):
        decode_seal(encode(value), NETWORK)


def test_an_additional_field_is_refused() -> None:
    with pytest.raises(Malformed, match="array of 9"):
        decode_seal(encode([*fields(), 0]), NETWORK)


def test_an_oversize_message_is_refused_as_such() -> None:
    with pytest.raises(Rejected) as caught:
        decode_seal(bytes(70_000), NETWORK)
    assert caught.value.reason is Reason.TOO_LARGE


def test_every_truncation_is_refused() -> None:
    whole = encode_seal(a_seal(3))
    for length in range(len(whole)):
        with pytest.raises(Malformed):
            decode_seal(whole[:length], NETWORK)


def test_secrets_do_not_show_in_a_repr() -> None:
    root = RootSecret(bytes([0xAB]) * 32)
    assert "ab" not in repr(root).lower().replace("value", "").replace(
        "rootsecret", ""
    ).strip("()")
    assert root.seal_key().secret.hex() not in repr(root.seal_key())
    assert "secret=" not in repr(root.seal_key())
