"""Green Button as NAESB's schema wants it: readings, qualities, costs and the clock."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from lxml import etree  # type: ignore[import-untyped]

from meterseal_aggregator.billing.rendering import (
    Cause,
    Kind,
    RenderRequest,
    Unrenderable,
    render,
)
from meterseal_aggregator.billing.rendering.daylight import NO_RULE, local_time
from meterseal_aggregator.billing.rendering.greenbutton_read import read_green_button
from meterseal_proto.rating.line import LineKind
from meterseal_proto.units import EXPORT, IMPORT, WATER
from tests.support.data import shared_data
from tests.support.renderings import request, series
from tests.support.statements import DAY, MAY, line, plain_statement

ATOM = "{http://www.w3.org/2005/Atom}"
ESPI = "{http://naesb.org/espi}"
OCTOBER = int(datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin")).timestamp())


def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(shared_data("greenbutton", "naesb-espi.xsd")))


def feed(asked: RenderRequest) -> etree._Element:
    return etree.fromstring(render(Kind.GREEN_BUTTON, asked))


def resources(tree: etree._Element, name: str) -> list[etree._Element]:
    return list(tree.iter(f"{ESPI}{name}"))


def check_valid(tree: etree._Element) -> None:
    found = schema()
    contents = list(tree.iter(f"{ATOM}content"))
    assert contents
    for content in contents:
        (resource,) = content
        found.assertValid(resource)


def test_every_resource_is_valid_against_the_schema() -> None:
    rows = (series(), series(register=EXPORT), series(register=WATER))
    check_valid(feed(request(with_series=rows)))


def test_a_bill_without_series_is_valid_too() -> None:
    tree = feed(request())
    check_valid(tree)
    assert not resources(tree, "IntervalBlock")


def test_the_summary_tells_the_bill_in_hundred_thousandths() -> None:
    (summary,) = resources(feed(request()), "UsageSummary")
    assert summary.findtext(f"{ESPI}billLastPeriod") == "12137000"
    assert summary.findtext(f"{ESPI}currency") == "978"
    items = summary.findall(f"{ESPI}costAdditionalDetailLastPeriod")
    amounts = [int(item.findtext(f"{ESPI}amount") or "") for item in items]
    assert sum(amounts) == 12_137_000
    kinds = [item.findtext(f"{ESPI}itemKind") for item in items]
    assert kinds == ["3", "3", "3", "2", "4", "5", "10"]
    used = summary.find(f"{ESPI}overallConsumptionLastPeriod")
    assert used is not None
    assert used.findtext(f"{ESPI}value") == "312500"


def test_a_day_is_a_block_and_a_quality_is_told_where_it_is_not_validated() -> None:
    tree = feed(request(with_series=(series(),)))
    blocks = resources(tree, "IntervalBlock")
    assert len(blocks) == 31
    assert blocks[0].findtext(f"{ESPI}interval/{ESPI}start") == str(MAY)
    told = tree.findall(f".//{ESPI}quality")
    assert [quality.text for quality in told] == ["8"]


def test_a_day_of_25_hours_is_one_block() -> None:
    rows = (series(begin=OCTOBER, days=2),)
    blocks = resources(feed(request(with_series=rows)), "IntervalBlock")
    spans = [block.findtext(f"{ESPI}interval/{ESPI}duration") for block in blocks]
    assert spans == [str(25 * 3600), str(23 * 3600)]


def test_what_is_written_is_read_again() -> None:
    rows = (series(), series(register=EXPORT), series(register=WATER))
    found = read_green_button(render(Kind.GREEN_BUTTON, request(with_series=rows)))
    assert {one.register for one in found} == {IMPORT, EXPORT, WATER}
    for one in found:
        (row,) = (row for row in rows if row.register == one.register)
        assert [interval.value for interval in one.intervals] == list(row.deltas)
        assert bytes(interval.quality for interval in one.intervals) == row.qualities
        assert one.intervals[0].start == row.begin


def test_links_lead_to_resources_of_the_feed() -> None:
    tree = feed(request(with_series=(series(), series(register=WATER))))
    own = {
        link.get("href")
        for link in tree.iter(f"{ATOM}link")
        if link.get("rel") == "self"
    }
    for link in tree.iter(f"{ATOM}link"):
        if link.get("rel") == "related":
            address = link.get("href") or ""
            assert address in own or address.endswith("/IntervalBlock")


def test_a_component_is_text_in_its_note() -> None:
    row = line("<b>&amp;" + "x" * 190, LineKind.ENERGY, 1)
    segment = replace(plain_statement().segments[0], lines=(row,))
    tree = feed(request(statement=plain_statement(segments=(segment,))))
    check_valid(tree)
    (note,) = resources(tree, "note")
    assert (note.text or "").startswith("<b>&amp;")
    assert (note.text or "").endswith(": 0.01 EUR")


def test_an_amount_beyond_48_bits_is_refused() -> None:
    row = line("energy", LineKind.ENERGY, 10**15)
    segment = replace(plain_statement().segments[0], lines=(row,))
    with pytest.raises(Unrenderable, match="48 bits") as refused:
        feed(request(statement=plain_statement(segments=(segment,))))
    assert refused.value.cause is Cause.NOT_SAYABLE


@pytest.mark.parametrize(
    ("micro", "told"),
    [(15, "2"), (25, "2"), (26, "3"), (-15, "-2"), (-25, "-2"), (4, "0")],
)
def test_finer_money_is_rounded_half_to_even(micro: int, told: str) -> None:
    row = line("energy", LineKind.ENERGY, micro)
    segment = replace(plain_statement().segments[0], lines=(row,))
    tree = feed(request(statement=plain_statement(minor=6, segments=(segment,))))
    (summary,) = resources(tree, "UsageSummary")
    assert summary.findtext(f"{ESPI}billLastPeriod") == told


@pytest.mark.parametrize(
    ("zone", "offset", "summer", "start", "end"),
    [
        # NAESB's sample has the first two rules (ESPILocalTimeParameters.xml).
        ("America/New_York", -18_000, 3_600, 0x360E2000, 0xB40E2000),
        ("America/Los_Angeles", -28_800, 3_600, 0x360E2000, 0xB40E2000),
        ("Europe/Berlin", 3_600, 3_600, 0x3E0E2000, 0xAE0E3000),
        ("Asia/Kolkata", 19_800, 0, NO_RULE, NO_RULE),
        ("Australia/Sydney", 36_000, 3_600, 0xA40E2000, 0x440E3000),
        ("UTC", 0, 0, NO_RULE, NO_RULE),
    ],
)
def test_a_zone_tells_its_clock_in_rules(
    zone: str, offset: int, summer: int, start: int, end: int
) -> None:
    found = local_time(ZoneInfo(zone), 2026)
    assert (found.offset, found.summer) == (offset, summer)
    assert (hex(found.start), hex(found.end)) == (hex(start), hex(end))


def test_identities_are_the_same_every_time_and_unlike_each_other() -> None:
    asked = request(with_series=(series(),))
    ids = [found.text for found in feed(asked).iter(f"{ATOM}id")]
    assert ids == [found.text for found in feed(asked).iter(f"{ATOM}id")]
    assert len(set(ids)) == len(ids)


def test_the_feed_was_updated_when_the_bill_was_issued() -> None:
    issued = plain_statement().issued_at
    at = datetime.fromtimestamp(issued, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert feed(request()).findtext(f"{ATOM}updated") == at
    assert (issued - MAY) // DAY == 32
