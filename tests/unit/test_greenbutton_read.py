"""Green Button files of others: read where they say all that counts, refused where not."""

import pytest

from meterseal_aggregator.billing.rendering import greenbutton_read, greenbutton_xml
from meterseal_aggregator.billing.rendering.greenbutton_read import (
    Interval,
    read_green_button,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.units import EXPORT, GAS, IMPORT, WATER
from tests.support.data import shared_data
from tests.support.greenbutton import TYPE, document, entry, reading


def refused(data: bytes) -> str:
    with pytest.raises(Malformed) as found:
        read_green_button(data)
    return found.value.detail


def test_intervals_come_in_order_with_their_quality() -> None:
    (found,) = read_green_button(
        document(reading(900, 7, quality="8") + reading(0, 5), defaultQuality="17")
    )
    assert found.name == "/M/1"
    assert found.register == IMPORT
    assert found.intervals == (Interval(0, 900, 5, 17), Interval(900, 900, 7, 8))


def test_a_file_that_names_no_quality_holds_valid_readings() -> None:
    (found,) = read_green_button(document(reading(0, 5)))
    assert found.intervals[0].quality == 0


def test_gaps_stay_gaps() -> None:
    (found,) = read_green_button(document(reading(0, 5) + reading(9_000, 5)))
    assert [interval.start for interval in found.intervals] == [0, 9_000]


@pytest.mark.parametrize(
    ("changed", "register", "values"),
    [
        ({"powerOfTenMultiplier": "3"}, IMPORT, [1_000, 1_000, 1_000]),
        # 0.4 Wh each: nothing is lost by cutting each interval off.
        ({"powerOfTenMultiplier": "-3", "value": "400"}, IMPORT, [0, 0, 1]),
        ({"flowDirection": "19"}, EXPORT, [1, 1, 1]),
        ({"commodity": "9", "uom": "42"}, WATER, [1_000, 1_000, 1_000]),
        ({"commodity": "9", "uom": "134"}, WATER, [1, 1, 1]),
        ({"commodity": "7", "uom": "42"}, GAS, [1_000, 1_000, 1_000]),
    ],
)
def test_units_become_ours(
    changed: dict[str, str], register: int, values: list[int]
) -> None:
    value = changed.pop("value", "1") if "value" in changed else "1"
    rows = "".join(reading(slot * 900, value) for slot in range(3))
    (found,) = read_green_button(document(rows, **changed))
    assert found.register == register
    assert [interval.value for interval in found.intervals] == values


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not well-formed"),
        (b"\x00\xff", "not well-formed"),
        (b"<feed>", "not a Green Button file"),
        (b'<feed xmlns="http://www.w3.org/2005/Atom"/>', "without intervals"),
        (document(reading(0, 1))[:-9], "not well-formed"),
        (document(""), "without intervals"),
        (document(reading(0, -1)), "negative"),
        (document(reading(0, 1) + reading(899, 1)), "overlap"),
        (document(reading(0, 1) + reading(0, 1)), "overlap"),
        (document(reading(0, 1, length=0)), "no interval"),
        (document(reading(0, 1, length=86_400 * 40)), "no interval"),
        (document(reading(-900, 1)), "no interval"),
        (document(reading(1 << 40, 1)), "no interval"),
        (document(reading(0, "1.5")), "not an integer"),
        (document(reading(0, "1e3")), "not an integer"),
        (document(reading(0, "\u0661")), "not an integer"),
        (document(reading(0, "")), "not an integer"),
        (document(reading(0, "1" + " " * 600 + "2")), "512 characters"),
        (document(reading(0, "9" * 15)), "48 bits"),
        (document(reading(0, 1, quality="99")), "QualityOfReading"),
        (document(reading(0, 1).replace("e:value", "e:cost")), "lacks its value"),
        (document(reading(0, 1).replace("timePeriod", "period")), "timePeriod"),
        (document(reading(0, 1), uom="38"), "uom 38"),
        (document(reading(0, 1), uom=""), "uom None"),
        (document(reading(0, 1), uom="42"), "uom 42 is none of its commodity"),
        (document(reading(0, 1), commodity="9"), "uom 72 is none of its commodity"),
        (document(reading(0, 1), commodity="4"), "no register"),
        (document(reading(0, 1), flowDirection="4"), "no register"),
        (document(reading(0, 1), accumulationBehaviour="1"), "not deltas"),
        (document(reading(0, 1), accumulationBehaviour=""), "not deltas"),
        (document(reading(0, 1), powerOfTenMultiplier="99"), "uom"),
        (document(reading(0, 1)).replace(b"/T/1", b"/T/2", 1), "0 ReadingTypes"),
        (document(reading(0, 1)).replace(b"IntervalBlock/1", b"x").replace(b"/IntervalBlock\"", b"/x\""), "by no link"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_and_says_why(data: bytes, why: str) -> None:
    assert why in refused(data)


def test_entities_and_dtds_are_refused_before_they_grow() -> None:
    laughs = '<!DOCTYPE feed [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    assert "no DTD" in refused(document(reading(0, "&b;"), laughs))
    outside = '<!DOCTYPE feed SYSTEM "file:///etc/passwd">'
    assert "no DTD" in refused(document(reading(0, 1), outside))


def test_what_is_too_deep_too_many_or_too_long_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deep = "<e:a>" * 40 + "</e:a>" * 40
    assert "deeper than 24" in refused(document(deep))
    wide = "<e:a/>" * 5_000
    assert "at most 4096 elements" in refused(document(wide))
    assert "at most 4096 elements" in refused(document((wide[:12_000]) * 3))
    within = reading(0, 1).replace("<e:value>", f"{wide}<e:value>")
    assert "at most 4096 elements" in refused(document(within))
    assert "stands in the feed" in refused(document("<entry/>"))
    monkeypatch.setattr(greenbutton_xml, "MAX_READINGS", 2)
    rows = "".join(reading(slot * 900, 1) for slot in range(3))
    assert "at most 2 readings" in refused(document(rows))
    monkeypatch.setattr(greenbutton_xml, "MAX_ELEMENTS", 5)
    assert "at most 5 elements" in refused(document(rows))
    monkeypatch.setattr(greenbutton_xml, "MAX_ELEMENTS", 500)
    monkeypatch.setattr(greenbutton_xml, "MAX_ENTRIES", 1)
    assert "at most 1 entries" in refused(document(""))
    monkeypatch.setattr(greenbutton_read, "MAX_BYTES", 10)
    assert "at most 10 bytes" in refused(document(""))


def test_readings_beside_each_other_may_be_many() -> None:
    rows = "".join(reading(slot * 900, 1) for slot in range(3_000))
    (found,) = read_green_button(document(rows))
    assert len(found.intervals) == 3_000


def sample(*parts: str) -> bytes:
    return shared_data("greenbutton", "samples", *parts).read_bytes()


def with_type(data: bytes) -> bytes:
    """NAESB's sample of interval blocks, with the entries it leaves to other files."""
    base = "https://services.greenbuttondata.org//DataCustodian/espi/1_1/resource"
    reading_at = f"{base}/Subscription/5/UsagePoint/1/MeterReading/1"
    kind = "".join(f"<e:{name}>{text}</e:{name}>" for name, text in TYPE.items())
    more = entry(
        reading_at, base, "<e:MeterReading/>", f"{base}/ReadingType/1"
    ) + entry(f"{base}/ReadingType/1", base, f"<e:ReadingType>{kind}</e:ReadingType>")
    more = more.replace("<entry>", '<entry xmlns:e="http://naesb.org/espi">')
    return data.replace(b"</feed>", more.encode() + b"</feed>")


def test_a_sample_of_naesb_is_read_with_its_reading_type() -> None:
    data = sample("ESPIIntervalBlock.xml")
    assert "0 ReadingTypes" in refused(data)
    (found,) = read_green_button(with_type(data))
    assert len(found.intervals) == 444
    assert found.intervals[0] == Interval(1_357_016_400, 86_400, 21_021, 0)
    assert sum(interval.value for interval in found.intervals) > 9_000_000


def test_a_sample_with_two_unlike_types_of_one_series_is_refused() -> None:
    data = sample("BulkSCEUsageSummaryAndIntervalBlock.xml")
    assert "2 ReadingTypes" in refused(data)
    second = data.rindex(b"<accumulationBehaviour>2<")
    mended = data[:second] + data[second:].replace(b">2<", b">4<", 1)
    (found,) = read_green_button(mended)
    assert [interval.value for interval in found.intervals] == [210, 200, 210]
    assert found.intervals[0].quality == 19


MALFORMED: list[tuple[tuple[str, ...], str]] = [
    (("malformed", "PGEUsageSummary.xml"), "unbound prefix"),
    (("PGEReadingType.xml",), "without intervals"),
    (("PGEUsageSummaries.xml",), "without intervals"),
    (("ESPIUsageSummaries.xml",), "without intervals"),
    (("ESPIUsagePoint.xml",), "without intervals"),
]


@pytest.mark.parametrize(("parts", "why"), MALFORMED)
def test_samples_without_readings_are_refused(parts: tuple[str, ...], why: str) -> None:
    assert why in refused(sample(*parts))


def test_a_refusal_says_at_which_byte_the_xml_broke() -> None:
    data = document(reading(0, 1))
    broken = data.replace(b"</e:value>", b"</e:wrong>")
    with pytest.raises(Malformed) as found:
        read_green_button(broken)
    assert 0 < found.value.offset < len(broken)
