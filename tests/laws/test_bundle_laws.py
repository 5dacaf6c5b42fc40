"""Laws of evidence: no field of a bundle may hold anything but what it holds."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.verify import examine, render
from tests.support.evidence import a_bundle

ORIGINAL = a_bundle().encode()
OPTIONAL = {("anchor",), ("receipt",)}

Path = tuple[str | int, ...]


def paths(value: Any, at: Path = ()) -> list[Path]:  # any JSON
    """Name every place of a JSON value, itself included."""
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [at] + [path for key, child in children for path in paths(child, (*at, key))]


PLACES = [path for path in paths(json.loads(ORIGINAL)) if path]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**64),
    st.text(max_size=70),
    st.binary(max_size=40).map(bytes.hex),
    st.floats(),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner)
    ),
    max_leaves=5,
)


def spelt(value: Any) -> bytes:  # any JSON
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def holds(data: bytes) -> bool:
    claims = examine(data, Expectation())
    assert render(claims, passed=False, as_json=False).isascii()
    return all(claim.verdict is not Verdict.FAIL for claim in claims)


@given(st.sampled_from(PLACES), VALUES)
def test_another_value_in_any_place_fails_a_claim(
    place: Path,
    value: Any,  # any JSON
) -> None:
    bundle = json.loads(ORIGINAL)
    parent = bundle
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    data = spelt(bundle)
    unharmed = data == ORIGINAL or (value is None and place in OPTIONAL)
    assert holds(data) == unharmed


@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_the_command_stumble(data: bytes) -> None:
    assert not holds(data)
    assert not holds(ORIGINAL + data) or not data


@given(VALUES)
def test_no_json_at_all_makes_the_command_stumble(value: Any) -> None:  # any JSON
    assert not holds(spelt(value))
