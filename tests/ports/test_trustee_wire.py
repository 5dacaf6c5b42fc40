"""The trustee's door and its words: who is heard, and what is no request."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from meterseal_proto.seal import CONSENSUS_BYTES
from meterseal_proto.seedbox import BOX_BYTES
from tests.support.certificates import Authority
from tests.support.trustee_programs import Street, live_street
from tests.support.trusteeship import (
    Denied,
    Line,
    all_sign,
    context_of,
    houses,
    roster_of,
    set_body,
)

STREET = houses(1, 32)
REPORTED = STREET[:24]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with live_street(tmp_path_factory.mktemp("street"), STREET) as running:
        yield running


@pytest.fixture
async def lines(street: Street) -> AsyncIterator[list[Line]]:
    async with street.lines() as made:
        yield made


async def test_strangers_and_agents_are_not_heard(street: Street) -> None:
    authority = Authority(street.folder / "strangers")
    url = street.programs[0].url + "/v1/trustee"
    own_ca = street.folder / "tls" / "ca.pem"
    nobody = authority.stranger()
    nobody.load_verify_locations(own_ca)
    foreign = authority.client("aggregator")
    foreign.load_verify_locations(own_ca)
    for context in (nobody, foreign):
        async with httpx2.AsyncClient(verify=context, trust_env=False) as client:
            with pytest.raises(httpx2.TransportError):
                await client.get(url)


async def test_a_caller_of_another_name_is_not_heard(street: Street) -> None:
    """A certificate of the same CA, for an agent: TLS is content, the trustee is not."""
    agent = context_of(str(street.folder / "tls"), "agent-1")
    async with httpx2.AsyncClient(verify=agent, trust_env=False) as client:
        with pytest.raises(httpx2.TransportError):
            await client.get(street.programs[0].url + "/v1/trustee")


BAD_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"cell": "north", "cell": "south", "day": 1, "members": []}',
    b'{"cell": "north", "day": "1", "members": []}',
    b'{"cell": "north", "day": true, "members": []}',
    b'{"cell": "north", "day": 1.0, "members": []}',
    b'{"cell": "north", "day": -1, "members": []}',
    b'{"cell": "north", "day": 1, "members": [], "more": 1}',
    b'{"cell": "north", "day": NaN, "members": []}',
    b"[" * 100_000,
    b'{"cell": "\xff"}',
    b" " * ((4 << 20) + 1),
]


async def test_bodies_that_are_no_request_are_refused_in_one_sentence(
    lines: list[Line],
) -> None:
    for path in ("seeds", "rosters", "sets", "masks", "blames"):
        for body in BAD_BODIES:
            url = f"{lines[0].url}/v1/{path}"
            answer = await lines[0].client.post(url, content=body)
            assert answer.status_code == 400, (path, body[:60], answer.text)
            assert answer.json()["type"].endswith(":bad-request")
    whole = set_body([house.seal() for house in REPORTED])
    for at, junk in ((0, "00"), (8, "Ab"), (-2, "zz")):
        header = whole["members"][0]["header"]
        broken = header[:at] + junk + header[at:][2:] if at >= 0 else header[:-2] + junk
        members = [{"header": broken, "revision": 0}, *whole["members"][1:]]
        with pytest.raises(Denied) as caught:
            await lines[0].post("/v1/sets", whole | {"members": members})
        assert caught.value.status == 400


WORDS = "aVeryTellingWord"
KEYED = {"meter": "00" * 16, "algorithm": "p256", "key": "02" * 33}
PLACED = {"cell": "north", "day": 1, "statement": "00" * 32}
PAIR = {"value": "00" * 32, "blinding": "00" * 32}
NAMED: dict[str, dict[str, object]] = {
    "seeds": KEYED | {
        "boxes": ["00" * BOX_BYTES] * 2, "signature": "00" * 64, WORDS: 1,
    },
    "rosters": {
        "cell": "north", "quarter": "2026-Q4", "register": WORDS, "members": [KEYED],
    },
    "sets": {
        "cell": "north", "day": 1,
        "members": [{"header": "00" * CONSENSUS_BYTES, "revision": 0, WORDS: 2}],
    },
    "masks": PLACED | {"signatures": ["00" * 64] * 3, WORDS: []},
    "blames": PLACED | {
        "reports": PAIR, "meters": ["00" * 16],
        "other": {"trustee": 1, "signature": "00" * 64, "sums": {WORDS: PAIR}},
    },
}  # fmt: skip


async def test_a_refusal_repeats_nothing_that_was_sent(lines: list[Line]) -> None:
    for path, body in NAMED.items():
        answer = await lines[0].client.post(f"{lines[0].url}/v1/{path}", json=body)
        assert answer.status_code == 400, (path, answer.text)
        assert WORDS.lower() not in answer.text.lower(), path


async def test_unknown_paths_and_methods_are_problems(lines: list[Line]) -> None:
    client, url = lines[0].client, lines[0].url
    for answer in (
        await client.get(url + "/v1/sets"),
        await client.get(url + "/docs"),
        await client.get(url + "/openapi.json"),
    ):
        assert answer.status_code in (404, 405)
        assert answer.headers["content-type"] == "application/problem+json"
    known = (await client.get(url + "/v1/trustee")).json()
    assert known["key"] == lines[0].key.text()


async def test_seeds_and_rosters_come_over_the_wire(
    street: Street, lines: list[Line]
) -> None:
    west = houses(501, 32)
    with pytest.raises(Denied) as caught:
        await lines[0].roster(roster_of(west, "west"))
    assert caught.value.why == "not-enrolled"
    for line in lines:
        for house in west:
            await line.seeds(house.deposit(line.key))
        assert "signature" in await line.roster(roster_of(west, "west"))
    with pytest.raises(Denied) as caught:
        await lines[0].roster(roster_of([*west[1:], STREET[0]], "east"))
    assert caught.value.why == "in-another-cell"
    day = street.a_day()
    seals = [house.seal(day) for house in west]
    stated, given = await all_sign(lines, seals, "west", day)
    assert await lines[2].masks(stated, given, "west", day)
