"""Three trustees as programs, behind mutual TLS: a street's total, whoever lies or is down."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from meterseal_proto.chaintotal import ChainTotal
from meterseal_proto.curve import ORDER
from meterseal_proto.reporting import Act, Place, answer_digest, sign
from meterseal_proto.totals import K_MIN, Mask, Masked, proves, set_hash, unmasked
from meterseal_proto.units import MeterId
from tests.support.trustee_programs import Street, live_street, run
from tests.support.trusteeship import (
    CHAIN_ID,
    DAY,
    NETWORK,
    Denied,
    House,
    Line,
    all_sign,
    houses,
    named_cheats,
    summed_reports,
)

STREET = houses(1, 34)
REPORTED = STREET[:24]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with live_street(tmp_path_factory.mktemp("street"), STREET) as running:
        yield running


@pytest.fixture
async def lines(street: Street) -> AsyncIterator[list[Line]]:
    async with street.lines() as made:
        yield made


async def total_by(
    pair: Sequence[Line], stated: str, given: Sequence[str], day: int
) -> Masked:
    """Ask two trustees, and unmask what the street reported."""
    sums: dict[int, Mask] = {}
    for line in pair:
        sums |= line.sums(stated, await line.masks(stated, given, day=day))
    return unmasked([house.report(day) for house in REPORTED], sums)


def commitments(day: int) -> list[bytes]:
    return [house.seal(day).header.sum for house in REPORTED]


async def test_any_two_trustees_answer_a_total_that_proves(
    street: Street, lines: list[Line]
) -> None:
    day = street.a_day()
    stated, given = await all_sign(lines, [h.seal(day) for h in REPORTED], day=day)
    for pair in (lines[:2], lines[1:], [lines[0], lines[2]]):
        found = await total_by(pair, stated, given, day)
        assert found.value == sum(house.wh(day) for house in REPORTED)
        assert proves(found, commitments(day))


def opening_of(total: Masked) -> dict[str, str]:
    return {
        "value": total.value.to_bytes(32).hex(),
        "blinding": total.blinding.to_bytes(32).hex(),
    }


async def test_a_proved_total_is_signed_for_the_chain(
    street: Street, lines: list[Line]
) -> None:
    day = street.a_day()
    stated, given = await all_sign(lines, [h.seal(day) for h in REPORTED], day=day)
    found = await total_by(lines[:2], stated, given, day)
    place = {"cell": "north", "day": day, "statement": stated}
    right = place | opening_of(found)
    answers = [await line.post("/v1/chain-totals", right) for line in lines]
    given = [one["signature"] for one in answers]
    with pytest.raises(Denied) as caught:
        await lines[0].post(
            "/v1/chain-totals", place | opening_of(replace(found, value=1))
        )
    assert caught.value.why == "bad-total"
    keys = [one.chain_public for one in street.secrets]
    rows = [h.seal(day).header for h in REPORTED]
    named = set_hash(
        NETWORK, "north", day, [(h.meter, h.digest(CHAIN_ID)) for h in rows]
    )
    total = ChainTotal(Place(NETWORK, "north", day), named, len(rows), found.value)
    assert total.stands(keys, [bytes.fromhex(one) for one in given], CHAIN_ID)


async def test_one_trustee_alone_does_not(street: Street, lines: list[Line]) -> None:
    day = street.a_day()
    stated, given = await all_sign(lines, [h.seal(day) for h in REPORTED], day=day)
    with pytest.raises(ValueError, match="two trustees"):
        await total_by(lines[:1], stated, given, day)


async def test_a_lying_trustee_is_found_out_by_the_two_others(
    street: Street, lines: list[Line]
) -> None:
    """It signs its lie: shown beside the others' answers, that is proof of it."""
    day = street.a_day()
    stated, given = await all_sign(lines, [h.seal(day) for h in REPORTED], day=day)
    told = [
        line.sums(stated, await line.masks(stated, given, day=day)) for line in lines
    ]
    told[1][0] = Mask((told[1][0].value + 1) % ORDER, told[1][0].blinding)
    reports = [house.report(day) for house in REPORTED]
    right = [
        proves(unmasked(reports, told[a] | told[b]), commitments(day))
        for a, b in ((0, 1), (2, 1), (0, 2))
    ]
    assert right == [False, False, True]
    # Its own server would not look for a cheat: with true sums the total holds.
    lie = sign(
        street.secrets[1].sign, Act.MASKS,
        answer_digest(bytes.fromhex(stated), told[1]),
    )  # fmt: skip
    other = other_answer(1, told[1], lie.hex())
    with pytest.raises(Denied) as caught:
        await lines[2].blame(
            stated, summed_reports(reports), other, [STREET[0].meter], day
        )
    assert caught.value.why == "total-holds"


def other_answer(
    number: int, sums: dict[int, Mask], signature: str
) -> dict[str, object]:
    spelled = {
        str(seed): {
            "value": mask.value.to_bytes(32).hex(),
            "blinding": mask.blinding.to_bytes(32).hex(),
        }
        for seed, mask in sums.items()
    }
    return {"trustee": number, "sums": spelled, "signature": signature}


async def test_a_cheating_meter_is_named_and_no_mask_leaves(
    street: Street, lines: list[Line]
) -> None:
    day, cheat = street.a_day(), REPORTED[7]
    stated, given = await all_sign(lines, [h.seal(day) for h in REPORTED], day=day)
    reports = {
        house.meter: house.report(day, lie_wh=-900 if house is cheat else 0)
        for house in REPORTED
    }
    answers = [await line.masks(stated, given, day=day) for line in lines[:2]]
    sums = [
        line.sums(stated, answer)
        for line, answer in zip(lines[:2], answers, strict=True)
    ]
    whole = list(reports.values())
    assert not proves(unmasked(whole, sums[0] | sums[1]), commitments(day))
    meters = [house.meter for house in REPORTED]
    shown = [
        await lines[a].blame(stated, summed_reports(whole), answers[b], meters, day)
        for a, b in ((0, 1), (1, 0))
    ]
    assert named_cheats(REPORTED, reports, shown, day) == [cheat]
    assert shown[0][cheat.meter][2] == shown[1][cheat.meter][2]
    everything = str(answers) + str(shown)
    for house in REPORTED:
        for seed in house.seeds:
            assert seed.hex() not in everything
    entries = run(street.programs[0].config, "log").stdout.splitlines()
    assert any('"blame"' in line and cheat.meter.hex() in line for line in entries)


async def test_a_right_total_shows_no_single_meter(
    street: Street, lines: list[Line]
) -> None:
    day = street.a_day()
    stated, given = await all_sign(lines, [h.seal(day) for h in REPORTED], day=day)
    answer = await lines[1].masks(stated, given, day=day)
    whole = summed_reports([house.report(day) for house in REPORTED])

    async def why(
        reports: Masked, meters: Sequence[MeterId], other: dict[str, object]
    ) -> str:
        with pytest.raises(Denied) as caught:
            await lines[0].blame(stated, reports, other, meters, day)
        return caught.value.why

    some = [REPORTED[0].meter]
    assert await why(whole, some, answer) == "not-answered"
    await lines[0].masks(stated, given, day=day)
    assert await why(whole, some, answer) == "total-holds"
    wrong = Masked((whole.value + 1) % ORDER, whole.blinding)
    assert await why(wrong, [STREET[-1].meter], answer) == "not-a-member"
    own = await lines[0].masks(stated, given, day=day)
    assert await why(wrong, some, own) == "bad-answer"
    forged = answer | {"signature": own["signature"]}
    assert await why(wrong, some, forged) == "bad-answer"
    beyond = Masked(ORDER, 0)
    assert await why(beyond, some, answer) == "bad-request"


async def test_two_sets_served_to_two_trustees_open_nothing(
    street: Street, lines: list[Line]
) -> None:
    """Even with the third trustee's signature under both: the honest two signed one each."""
    day = street.a_day()
    one = [house.seal(day) for house in REPORTED]
    other = [house.seal(day) for house in REPORTED[1:]]
    signed = [
        await lines[0].sign_set(one, day=day),
        await lines[1].sign_set(other, day=day),
    ]
    corrupt = street.secrets[2].sign
    for line, own in zip(lines, signed, strict=False):
        stated = own["statement"]
        third = sign(corrupt, Act.SET, bytes.fromhex(stated)).hex()
        given = [first["signature"] for first in signed] + [third]
        with pytest.raises(Denied) as caught:
            await line.masks(stated, given, day=day)
        assert caught.value.why == "not-all-signed"
    for line, seals in ((lines[0], other), (lines[1], one)):
        with pytest.raises(Denied) as caught:
            await line.sign_set(seals, day=day)
        assert (caught.value.status, caught.value.why) == (409, "another-set")


async def test_a_set_never_changes(street: Street, lines: list[Line]) -> None:
    day = street.a_day()
    seals = [house.seal(day) for house in REPORTED]
    stated, given = await all_sign(lines, seals, day=day)
    first = await lines[0].masks(stated, given, day=day)
    revised = replace(seals[0], revision=1)
    again = REPORTED[0].seal(day, sum=REPORTED[1].seal(day).header.sum)
    for other in (
        [*seals, STREET[30].seal(day)],
        seals[1:],
        [revised, *seals[1:]],
        [again, *seals[1:]],
    ):
        with pytest.raises(Denied) as caught:
            await lines[0].sign_set(other, day=day)
        assert caught.value.why == "another-set"
    assert await lines[0].masks(stated, given, day=day) == first


async def test_sets_too_small_too_large_or_doubled_are_refused(
    street: Street, lines: list[Line]
) -> None:
    day = street.a_day()
    seals = [house.seal(day) for house in STREET]
    stranger = House(777).seal(day)
    for why, bad in (
        ("too-few", seals[: K_MIN - 1]),
        ("repeated-meter", [*seals[:K_MIN], seals[0]]),
        ("repeated-meter", [*seals[:K_MIN], replace(seals[0], revision=1)]),
        ("not-a-member", [*seals, stranger]),
        ("wrong-seal", [STREET[0].seal(day - 1), *seals[1:]]),
    ):
        with pytest.raises(Denied) as caught:
            await lines[0].sign_set(bad, day=day)
        assert caught.value.why == why
    with pytest.raises(Denied) as caught:
        await lines[0].sign_set(seals, cell="south", day=day)
    assert caught.value.why == "no-roster"
    future = DAY + 61
    with pytest.raises(Denied) as caught:
        await lines[0].sign_set([h.seal(future) for h in STREET], day=future)
    assert caught.value.why == "day-not-over"


async def test_with_one_down_two_answer_and_with_two_down_nobody_can(
    tmp_path: Path,
) -> None:
    day = DAY + 1
    async with asyncio.timeout(300):
        with live_street(tmp_path, STREET) as street:
            async with street.lines() as lines:
                await one_down_then_two(street, lines, day)


async def one_down_then_two(street: Street, lines: list[Line], day: int) -> None:
    seals = [house.seal(day) for house in REPORTED]
    first = [await line.sign_set(seals, day=day) for line in lines[:2]]
    stated = first[0]["statement"]
    partly = [one["signature"] for one in first] + [first[0]["signature"]]
    with pytest.raises(Denied) as caught:
        await lines[0].masks(stated, partly, day=day)
    assert caught.value.why == "not-all-signed"
    stated, given = await all_sign(lines, seals, day=day)
    street.programs[2].stop(kill=True)
    found = await total_by(lines[:2], stated, given, day)
    assert proves(found, commitments(day))
    await asyncio.to_thread(street.programs[1].stop)
    with pytest.raises(httpx2.TransportError):
        await lines[1].masks(stated, given, day=day)
    with pytest.raises(ValueError, match="two trustees"):
        await total_by(lines[:1], stated, given, day)
