"""The resident's page over loopback: what it shows is what the outbox holds."""

import json
import logging
import re
import threading
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from meterseal_agent.resident import contents, words
from meterseal_agent.resident.figures import bill_shown
from meterseal_proto.bundle import KeyEvidence, Logged
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.claims_usage import judge_usage
from meterseal_proto.committed_message import decode_committed
from meterseal_proto.privatefile import BillEvidence, DayEvidence, PrivateFile
from meterseal_proto.units import IMPORT
from meterseal_proto.usagefile import parse_usage
from meterseal_proto.verify import zone_clock
from tests.support.devices import GENESIS
from tests.support.kitchen import (
    END,
    FIRST,
    SERIAL,
    TARIFF,
    USAGE,
    Page,
    billed_home,
    chain_of,
    served,
    the_bill,
    whose,
)
from tests.support.private_home import DAY_S, PrivateHome

DAYS = [USAGE[:8], USAGE[8:104], USAGE[104:200], USAGE[200:296], USAGE[296:]]
"""The slots of each local day."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateHome]:
    with billed_home(tmp_path_factory.mktemp("kitchen") / "home") as made:
        yield made


@pytest.fixture
async def page(home: PrivateHome, tmp_path: Path) -> AsyncIterator[Page]:
    async with served(home, tmp_path / "keys") as made:
        yield made


@pytest.fixture
async def inside(page: Page) -> Page:
    answer = await page.enter()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    return page


async def test_a_bill_is_recomputed_off_the_loop_that_meters_are_read_in(
    inside: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year at many prices takes seconds on a small machine, and no meter waits so long."""
    made, made_by = bill_shown, list[str]()

    def seen(*figures: Any) -> Any:
        made_by.append(threading.current_thread().name)
        return made(*figures)

    monkeypatch.setattr(contents, "bill_shown", seen)
    assert (await inside.get("/bills/1/1")).status_code == 200
    assert made_by
    assert threading.current_thread().name not in made_by


class Reader(HTMLParser):
    """Collects a page's texts, tags and links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    def links(self) -> list[str]:
        return [a["href"] or "" for tag, a in self.tags if tag == "a"]


async def read(page: Page, path: str) -> Reader:
    answer = await page.get(path)
    assert answer.status_code == 200, path
    assert answer.headers["content-type"].startswith("text/html")
    return Reader(answer.text)


def kwh(slots: list[int]) -> str:
    return words.amount(IMPORT, sum(slots))


async def test_the_first_page_shows_today_yesterday_and_the_month(
    inside: Page,
) -> None:
    found = await read(inside, "/")
    assert f"{words.TODAY_SO_FAR} {kwh(DAYS[4])}" in found.text
    assert f"{words.YESTERDAY} {kwh(DAYS[3])}" in found.text
    assert f"{words.THIS_MONTH} {kwh(USAGE)}" in found.text
    assert SERIAL in found.text


async def test_months_days_and_hours_add_up_to_what_was_read(inside: Page) -> None:
    months = await read(inside, "/usage/1")
    assert f"November 2023 {kwh(USAGE)} {kwh(USAGE)}" in months.text
    days = await read(inside, "/usage/1/2023-11")
    for number, slots in enumerate(DAYS, 14):
        assert re.search(rf"\w+ {number} November 2023 {kwh(slots)}", days.text)
    hours = await read(inside, "/usage/1/2023-11-15")
    for hour in range(24):
        used = DAYS[1][4 * hour : 4 * hour + 4]
        assert f"{words.hour(hour)} {kwh(used)} {kwh(used)}" in hours.text


async def test_a_bill_is_shown_line_by_line_and_recomputed(
    inside: Page, home: PrivateHome
) -> None:
    every = await read(inside, "/bills")
    amount = the_bill(home).statement.amount
    assert words.money(amount, "EUR") in every.text
    assert "Wed 15 November 2023 to the end of Thu 16 November 2023" in every.text
    found = await read(inside, "/bills/1/1")
    slots = [*DAYS[1], *DAYS[2]]
    by_day = sum(v for n, v in enumerate(slots) if 28 <= n % 96 < 84)
    for price, used in ((310_000, by_day), (205_000, sum(slots) - by_day)):
        assert words.exact(IMPORT, used) in found.text
        assert words.exact_money(price * used, "EUR") in found.text
    assert "07:00 to 21:00" in found.text
    assert words.exact_money(amount, "EUR") in found.text
    assert words.RIGHT in found.text
    assert words.WRONG not in found.text


async def test_a_bill_that_is_not_what_the_values_make_is_shouted_about(
    tmp_path: Path,
) -> None:
    with billed_home(tmp_path / "home") as home:
        connection = home.outbox._file.connection()
        connection.execute("DROP TRIGGER an_opening_never_changes")
        connection.execute("UPDATE openings SET amount = amount + 1")
        async with served(home, tmp_path / "keys") as page:
            await page.enter()
            found = await read(page, "/bills/1/1")
            assert words.WRONG in found.text
            assert words.RIGHT not in found.text


async def test_a_bill_whose_days_are_gone_keeps_its_amount_and_says_so(
    tmp_path: Path,
) -> None:
    with billed_home(tmp_path / "home") as home:
        connection = home.outbox._file.connection()
        connection.execute("DELETE FROM days WHERE first < ?", (FIRST + DAY_S,))
        async with served(home, tmp_path / "keys") as page:
            await page.enter()
            found = await read(page, "/bills/1/1")
            assert words.TOO_OLD in found.text
            assert words.money(the_bill(home).statement.amount, "EUR") in found.text
            gone = await page.get("/bills/1/1/openings.json")
            assert gone.status_code == 404


async def test_what_others_see_is_said_day_by_day_and_bill_by_bill(
    inside: Page, home: PrivateHome
) -> None:
    found = await read(inside, "/others")
    for day in ("Tue 14", "Wed 15", "Thu 16"):
        assert f"{day} November 2023 {words.A_COMMITMENT} never" in found.text
    assert re.search(rf"Fri 17 November 2023 {words.STAYS}; from Sat 18", found.text)
    assert words.money(the_bill(home).statement.amount, "EUR") in found.text
    assert words.OTHERS_OUT in found.text
    for slots in DAYS:
        assert kwh(slots) not in found.text, "that is the one thing they do not see"


async def test_what_was_told_of_neighbours_energy_is_counted_day_by_day(
    inside: Page, home: PrivateHome
) -> None:
    assert words.NOTHING_NETTED in (await read(inside, "/others")).text
    told = {3: (1_000, True), 4: (1_000, True), 5: (60_000, False)}
    home.outbox.keep_netted(chain_of(home), {FIRST: told})
    found = await read(inside, "/others")
    assert words.NOTHING_NETTED not in found.text
    assert f"{words.SLOTS_REACHED} Wed 15 November 2023 3 2" in found.text


async def test_a_home_in_a_total_is_told_so(tmp_path: Path) -> None:
    with billed_home(tmp_path / "home") as home:
        meter = chain_of(home).meter
        home.outbox.keep_deposits([(meter, b"boxes")])
        async with served(home, tmp_path / "keys") as page:
            await page.enter()
            assert words.OTHERS_OUT in (await read(page, "/others")).text
            home.outbox.deposit_signed(meter, [bytes(64)] * 3)
            assert words.OTHERS_IN in (await read(page, "/others")).text


async def test_an_open_register_is_called_what_it_is(
    home: PrivateHome, tmp_path: Path
) -> None:
    async with served(home, tmp_path / "keys", whose(private=False)) as page:
        await page.enter()
        assert words.OPEN_SHORT in (await read(page, "/")).text
        found = await read(page, "/others")
        assert words.OTHERS_EVERYTHING in found.text
        assert words.A_COMMITMENT not in found.text
        assert (await page.get("/usage/1")).status_code == 404


def bill_file(home: PrivateHome) -> PrivateFile:
    """Return the bill's file as an aggregator writes it, but for places in its log."""
    nowhere = Logged(0, ())
    rows = home.outbox._file.connection().execute(
        "SELECT payload FROM seals ORDER BY seq"
    )
    days = []
    for (payload,) in rows:
        seal = decode_committed(payload, GENESIS.network)
        if FIRST <= seal.header.first < END:
            days.append(
                DayEvidence(seal.header, seal.signature, seal.records, b"\x00", nowhere)
            )
    bill = BillEvidence(the_bill(home), TARIFF.document(), nowhere)
    keys = (KeyEvidence(b"\x00", nowhere),)
    return PrivateFile(GENESIS, keys, tuple(days), "x", bill)


async def test_the_openings_it_gives_out_recompute_the_bill_file(
    inside: Page, home: PrivateHome
) -> None:
    found = await read(inside, "/bills/1/1")
    (path,) = [link for link in found.links() if link.endswith(".json")]
    answer = await inside.get(path)
    assert answer.headers["content-type"] == "application/json"
    named = 'attachment; filename="openings-1-1.json"'
    assert answer.headers["content-disposition"] == named
    assert "--openings openings-1-1.json" in found.text
    usage = parse_usage(answer.content)
    assert [list(day.values) for day in usage.days] == DAYS[1:3]
    claims = judge_usage(bill_file(home), usage, Expectation(clock=zone_clock))
    assert [(c.name, c.verdict) for c in claims] == [
        (name, Verdict.PASS) for name in ("openings", "recomputed", "line", "line")
    ]
    assert len(json.loads(answer.content)["days"]) == 2


PATHS = ["/", "/usage/1", "/usage/1/2023-11", "/usage/1/2023-11-15", "/bills"]
PATHS += ["/bills/1/1", "/others"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_page_is_kept_by_nobody_and_runs_nothing(
    inside: Page, path: str
) -> None:
    answer = await inside.get(path)
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    found = Reader(answer.text)
    assert not {"script", "iframe", "img", "object"} & {tag for tag, _ in found.tags}
    for _, attributes in found.tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    for link in found.links():
        assert link.startswith(("/", "#"))
    assert answer.text.count("<h1>") == 1
    assert '<html lang="en">' in answer.text
    for tag, attributes in found.tags:
        if tag == "th":
            assert attributes["scope"] in {"row", "col"}


async def test_every_link_leads_somewhere(inside: Page) -> None:
    seen, left = set[str](), ["/"]
    while left:
        path = left.pop()
        answer = await inside.get(path)
        assert answer.status_code == 200, path
        seen.add(path)
        if path.endswith(".json"):
            continue
        links = set(Reader(answer.text).links()) - {"#main"}
        left += [link for link in links if link not in seen | set(left)]
    assert seen >= set(PATHS) | {"/bills/1/1/openings.json"}


async def test_the_page_writes_nothing_to_the_outbox(
    inside: Page, home: PrivateHome
) -> None:
    connection = home.outbox._file.connection()
    before = connection.total_changes
    for path in [*PATHS, "/bills/1/1/openings.json"]:
        assert (await inside.get(path)).status_code == 200
    assert connection.total_changes == before


async def test_no_usage_pin_or_cookie_is_in_the_log(
    page: Page, home: PrivateHome, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "meterseal")
    await page.enter("11111111")
    entered = await page.enter()
    for path in [*PATHS, "/bills/1/1/openings.json"]:
        await page.get(path)
    said = "\n".join(one.getMessage() for one in caplog.records)
    assert "resident_pin_wrong device=127.0.0.1" in said
    assert "resident_came_in" in said
    token = entered.headers["set-cookie"].split("=")[1].split(";")[0]
    secrets: list[Any] = [
        "11111111",
        "20861357",
        token,
        the_bill(home).statement.amount,
    ]
    secrets += [sum(day) for day in DAYS]
    for secret in secrets:
        assert str(secret) not in said
