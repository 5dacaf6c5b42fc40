"""Versions of tariffs: published before they hold, one after the other, never changed."""

import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from meterseal_aggregator.billing.supplies.audit import findings
from meterseal_aggregator.billing.tariffs import governed, store
from meterseal_aggregator.billing.tariffs.model import Cause, NotPublished
from meterseal_aggregator.billing.tariffs.template import parse_template
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, ParameterRefused
from meterseal_aggregator.storage.database import Database
from meterseal_proto.entry import tariff_entry
from meterseal_proto.rating.components import Flat
from meterseal_proto.rating.tariff import Cycle, FullTariff
from meterseal_proto.tariff import canonical
from tests.support.migrated import open_migrated
from tests.support.supplied import CODE, ZONE, a_full_tariff, declare_money

NOW = 1_790_000_000
MONTH = NOW + 10_000
NEXT = MONTH + 30 * 86_400
LATER = NEXT + 31 * 86_400


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_migrated(tmp_path / "tariffs.sqlite")
    async with database.transaction() as tx:
        await declare_money(tx)
    yield database
    await database.close()


async def published(db: Database, *begins: int, code: str = CODE) -> None:
    async with db.transaction() as tx:
        for n, begin in enumerate(begins):
            document = a_full_tariff(begin, code, price=250_000 + n).document()
            await store.publish(tx, document, now=NOW)


async def refused(db: Database, document: bytes, now: int = NOW) -> NotPublished:
    with pytest.raises(NotPublished) as caught:
        async with db.transaction() as tx:
            await store.publish(tx, document, now=now)
    return caught.value


async def test_a_version_holds_until_the_next_one_begins(db: Database) -> None:
    await published(db, MONTH, NEXT)
    async with db.reading() as tx:
        found = await store.versions(tx, CODE, MONTH + 5, LATER)
    assert [(begin, end) for begin, end, _ in found] == [
        (MONTH + 5, NEXT),
        (NEXT, LATER),
    ]
    assert [one.valid_from for _, _, one in found] == [MONTH, NEXT]


async def test_a_published_tariff_is_an_entry_of_the_log_and_found_by_its_hash(
    db: Database,
) -> None:
    tariff = a_full_tariff(MONTH)
    async with db.transaction() as tx:
        made = await store.publish(tx, tariff.document(), now=NOW)
        ((body,),) = await tx.rows(
            "SELECT body FROM log_entries WHERE id = ?", (made.entry,)
        )
        named = await store.tariff_named(tx, tariff.hash())
        nobody = await store.tariff_named(tx, bytes(32))
    assert body == tariff_entry(tariff.document())
    assert (named, nobody) == (tariff, None)


async def test_the_same_document_again_changes_nothing_even_when_it_holds_already(
    db: Database,
) -> None:
    await published(db, MONTH, NEXT)
    async with db.transaction() as tx:
        first = await store.publish(tx, a_full_tariff(MONTH).document(), now=LATER)
        ((entries,),) = await tx.rows("SELECT count(*) FROM log_entries")
    assert (first.end, entries) == (NEXT, 2)


async def test_what_begins_within_a_published_span_is_refused_naming_it(
    db: Database,
) -> None:
    await published(db, MONTH, NEXT)
    for begin in (MONTH - 1, MONTH, MONTH + 5, NEXT):
        error = await refused(db, a_full_tariff(begin, price=1).document())
        assert error.cause is Cause.OVERLAP
        assert str(NEXT) in error.detail


async def test_what_begins_after_the_end_of_its_code_is_refused_naming_the_gap(
    db: Database,
) -> None:
    await published(db, MONTH)
    async with db.transaction() as tx:
        ended = await store.end(tx, CODE, NEXT, now=NOW)
    assert ended.end == NEXT
    error = await refused(db, a_full_tariff(LATER).document())
    assert error.cause is Cause.GAP
    assert f"from {NEXT} to {LATER}" in error.detail
    error = await refused(db, a_full_tariff(NEXT - 1).document())
    assert error.cause is Cause.OVERLAP
    await published(db, NEXT)


async def test_a_version_by_another_clock_begins_where_a_cycle_ends(
    db: Database,
) -> None:
    # Within October the one bill of it would be of two zones, and nobody would get it.
    await published(db, MONTH)
    moved = a_full_tariff(NEXT, zone="Europe/Berlin")
    error = await refused(db, moved.document())
    assert error.cause is Cause.OVERLAP
    assert "give it another code" in error.detail
    at = int(error.detail.split(" ends at ")[1].split(",")[0])
    async with db.transaction() as tx:
        await store.publish(tx, replace(moved, valid_from=at).document(), now=NOW)
    assert datetime.fromtimestamp(at, ZoneInfo(ZONE)).isoformat()[:16] == (
        "2026-11-01T00:00"
    )


async def test_a_cycle_that_began_two_versions_ago_has_one_currency_too(
    db: Database,
) -> None:
    midnight = 1_792_789_200  # of Nairobi, on 24 October
    daily = replace(a_full_tariff(NEXT), cycle=Cycle.DAY)
    third = replace(a_full_tariff(midnight), minor=3)
    other = [replace(one, id="daily") for one in (daily, third)]
    await published(db, MONTH)
    async with db.transaction() as tx:
        for one in (daily, *other):
            await store.publish(tx, one.document(), now=NOW)
    assert (await refused(db, third.document())).cause is Cause.OVERLAP


async def test_a_span_that_no_version_covers_is_refused_naming_it(db: Database) -> None:
    await published(db, MONTH)
    async with db.transaction() as tx:
        await store.end(tx, CODE, NEXT, now=NOW)
        for begin, end, gap in (
            (MONTH - 7, NEXT, (MONTH - 7, MONTH)),
            (MONTH, LATER, (NEXT, LATER)),
            (LATER, LATER + 1, (LATER, LATER + 1)),
        ):
            with pytest.raises(NotPublished, match=f"from {gap[0]} to {gap[1]}"):
                await store.versions(tx, CODE, begin, end)
        with pytest.raises(NotPublished, match="'water' has no version"):
            await store.versions(tx, "water", MONTH, NEXT)


async def test_nothing_is_published_for_what_is_past(db: Database) -> None:
    error = await refused(db, a_full_tariff(NOW - 1).document())
    assert error.cause is Cause.RETROACTIVE
    await published(db, NOW)
    with pytest.raises(NotPublished, match="only") as caught:
        async with db.transaction() as tx:
            await store.end(tx, CODE, NOW + 5, now=NOW + 6)
    assert caught.value.cause is Cause.RETROACTIVE


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        (b"{}", Cause.DOCUMENT),
        (b" " * 65_001, Cause.DOCUMENT),
        (a_full_tariff(MONTH).document() + b" ", Cause.DOCUMENT),
        (a_full_tariff(MONTH, zone="Mars/Olympus").document(), Cause.ZONE),
        (a_full_tariff(MONTH, zone="Africa").document(), Cause.ZONE),
        (a_full_tariff(MONTH, currency="EUR").document(), Cause.CURRENCY),
    ],
)
async def test_what_could_not_be_billed_by_is_refused(
    db: Database, document: bytes, cause: Cause
) -> None:
    assert (await refused(db, document)).cause is cause


async def test_the_schema_keeps_a_tariff_as_it_is(db: Database) -> None:
    await published(db, MONTH, NEXT)
    for sql in (
        "UPDATE full_tariffs SET valid_to = valid_to + 1",
        "UPDATE full_tariffs SET document = x'7b7d'",
        "DELETE FROM full_tariffs",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="tariff"):
            async with db.transaction() as tx:
                await tx.rows(sql)


# Rates that the community decides on.


def a_template(code: str = CODE, digits: int = 6) -> bytes:
    fields = json.loads(a_full_tariff(1, code).document())
    del fields["valid_from"]
    fields["components"][0]["price"] = {"parameter": "retail_price_micro"}
    if digits != 6:
        fields["digits"] = digits
    return canonical(fields)


def price_of(tariff: FullTariff) -> int:
    flat = tariff.components[0]
    assert isinstance(flat, Flat)
    return flat.price


def wish(value: int, from_at: int, now: int = NOW) -> Change:
    return Change(Name.RETAIL_PRICE_MICRO, value, from_at, now, "test")


async def follow_template(db: Database, begin: int = MONTH) -> None:
    async with db.transaction() as tx:
        await parameters.record(tx, wish(200_000, 0))
        await governed.publish_template(tx, a_template(), valid_from=begin, now=NOW)


async def test_a_change_of_a_rate_is_the_next_version_in_the_same_transaction(
    db: Database,
) -> None:
    await follow_template(db)
    async with db.transaction() as tx:
        (made,) = await governed.change(tx, wish(210_000, NEXT))
        found = await store.versions(tx, CODE, MONTH, LATER)
    assert [(begin, price_of(one)) for begin, _, one in found] == [
        (MONTH, 200_000),
        (NEXT, 210_000),
    ]
    assert made.template == parse_template(a_template()).hash()


async def test_a_change_that_is_known_already_is_published_with_the_template(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        await parameters.record(tx, wish(200_000, 0))
        await parameters.record(tx, wish(230_000, NEXT))
        made = await governed.publish_template(
            tx, a_template(), valid_from=MONTH, now=NOW
        )
    assert [(one.begin, price_of(one.tariff)) for one in made] == [
        (MONTH, 200_000),
        (NEXT, 230_000),
    ]


async def test_a_change_before_a_published_version_is_refused_and_not_recorded(
    db: Database,
) -> None:
    await follow_template(db)
    for begin in (MONTH - 1, MONTH):
        with pytest.raises(ParameterRefused, match=f"after {MONTH}"):
            async with db.transaction() as tx:
                await governed.change(tx, wish(210_000, begin))
    async with db.reading() as tx:
        assert await parameters.number_at(tx, Name.RETAIL_PRICE_MICRO, LATER) == 200_000


async def test_other_parameters_and_tariffs_by_hand_are_left_alone(
    db: Database,
) -> None:
    await follow_template(db)
    async with db.transaction() as tx:
        other = Change(Name.FEED_IN_PRICE_MICRO, 1_000, MONTH, NOW, "test")
        assert await governed.change(tx, other) == []
        # Published by hand, the code follows the template no more.
        await store.publish(tx, a_full_tariff(NEXT).document(), now=NOW)
        assert await governed.change(tx, wish(210_000, LATER)) == []


@pytest.mark.parametrize("digits", [6, 8])
def test_a_filled_template_counts_in_its_own_digits(digits: int) -> None:
    template = parse_template(a_template(digits=digits))
    fields = json.loads(template.filled({Name.RETAIL_PRICE_MICRO: 200_000}, MONTH))
    assert fields["components"][0]["price"] == 200_000 * 10 ** (digits - 6)
    assert fields["valid_from"] == MONTH


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"valid_from": 5}, "valid_from"),
        ({"digits": 4}, "digits"),
        ({"minor": {"parameter": "zone"}}, "one of"),
        ({"minor": {"parameter": "retail_price_micro", "x": 1}}, "nothing beside"),
        ({"components": []}, "at least one"),
        ({"id": 5}, "has an id"),
    ],
)
async def test_a_template_that_cannot_be_filled_is_refused(
    db: Database, change: dict[str, object], what: str
) -> None:
    document = canonical({**json.loads(a_template()), **change})
    with pytest.raises(NotPublished, match=what) as caught:
        async with db.transaction() as tx:
            await governed.publish_template(tx, document, valid_from=MONTH, now=NOW)
    assert caught.value.cause is Cause.TEMPLATE
    with pytest.raises(ValueError, match="canonical"):
        parse_template(document + b" ")


async def test_the_audit_finds_a_parameter_that_a_tariff_does_not_follow(
    db: Database,
) -> None:
    async def audited() -> str:
        async with db.reading() as tx:
            (found,) = await findings(tx)
        return "" if found.ok else found.detail

    await follow_template(db)
    async with db.transaction() as tx:
        await governed.change(tx, wish(210_000, NEXT))
    assert await audited() == ""
    async with db.transaction() as tx:
        # Not by the door that everybody must take.
        await parameters.record(tx, wish(220_000, LATER))
    assert f"changes at {LATER}" in await audited()
    async with db.transaction() as tx:
        await store.publish(tx, a_full_tariff(LATER).document(), now=NOW)
    assert await audited() == ""
