"""A member sends a PDF over HTTP: whose it is comes first, and nothing of it comes back."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.types import Message

from meterseal_aggregator.market import standing
from meterseal_aggregator.market.documents.model import MAX_PDF_BYTES
from tests.support import pdfs
from tests.support.webhouse import LATER, WebHouse, a_lived_in_house, pretty

PATH = "/v1/me/meter-documents"
BILL = pdfs.bill("Secret Street 5\nMonthly production: 500 kWh")
PDF = {"Content-Type": "application/pdf"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_lived_in_house(tmp_path) as opened:
        async with opened.db.transaction() as tx:
            for name in ("ada", "cleo"):
                await standing.declare(tx, opened.members[name], 500_000, now=LATER)
        yield opened


async def send(
    house: WebHouse,
    raw: bytes,
    who: str | None = "cleo",
    more: str = "",
    **headers: str,
) -> httpx2.Response:
    path = f"{PATH}?meter={house.meter}{more}"
    return await house.ask("POST", path, who, content=raw, headers=PDF | headers)


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_a_document_counts_and_is_listed(house: WebHouse) -> None:
    answer = await send(house, BILL)
    assert answer.status_code == 201, pretty(answer)
    body = answer.json()
    assert (body["verdict"], body["source"], body["monthly_wh"], body["change_x10000"]) == (
        "good", "rule", 500_000, 1_000,
    )  # fmt: skip
    assert body.pop("score_x10000") == 4_000
    assert (await house.get(PATH, "cleo"))["items"] == [body]
    assert (await house.get(PATH, "ada"))["items"] == []
    page = await house.get(f"{PATH}?limit=1", "cleo")
    assert (await house.get(f"{PATH}?after={page['next']}", "cleo"))["items"] == []


async def test_the_figure_may_be_named(house: WebHouse) -> None:
    raw = pdfs.bill("Made 510.5 kWh, sold 3 kWh")
    assert problem(await send(house, raw)) == (422, "figure")
    assert problem(await send(house, raw, more="&monthly_kwh=511")) == (422, "figure")
    answer = await send(house, raw, more="&monthly_kwh=510.5")
    assert (answer.status_code, answer.json()["source"]) == (201, "member")


@pytest.mark.parametrize(
    "more", ["0", "0.000", "-1", "NaN", "1e3", "1.2345", "five", "", "9" * 10, "1,5"]
)
async def test_a_named_figure_has_one_spelling(house: WebHouse, more: str) -> None:
    answer = await send(house, BILL, more=f"&monthly_kwh={more}")
    assert problem(answer) == (422, "bad-request")


async def test_a_document_of_no_use_is_a_problem_that_repeats_nothing(
    house: WebHouse,
) -> None:
    for raw, status, name in (
        (b"Secret Street 5", 422, "document"),
        (b"", 422, "document"),
        (b'{"monthly_kwh": 500}', 422, "document"),
        (pdfs.bill("Secret Street 5"), 422, "figure"),
        (bytes(MAX_PDF_BYTES + 1), 413, "too-large"),
    ):
        answer = await send(house, raw)
        assert problem(answer) == (status, name)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "secret" not in answer.text.lower()


async def test_a_document_is_a_pdf_by_its_media_type(house: WebHouse) -> None:
    for kind in ("application/json", "text/plain", "", "application/pdfx"):
        answer = await send(house, BILL, **{"Content-Type": kind})
        assert problem(answer) == (415, "media-type"), kind
    kind = "Application/PDF; charset=binary"
    assert (await send(house, BILL, **{"Content-Type": kind})).status_code == 201


async def test_only_who_holds_the_meter_sends_its_document(house: WebHouse) -> None:
    for who in ("ada", "bo"):
        assert problem(await send(house, BILL, who)) == (403, "not-your-meter-point")
    for who in ("operator", "auditor", "metrics"):
        assert problem(await send(house, BILL, who)) == (403, "not-yours")
        assert (await house.ask("GET", PATH, who)).status_code == 403
    assert problem(await send(house, BILL, None)) == (401, "no-valid-token")
    for meter in ("00", "G" * 32, "F" * 32, ""):
        path = f"{PATH}?meter={meter}"
        answer = await house.ask("POST", path, "cleo", content=BILL, headers=PDF)
        assert problem(answer) == (422, "bad-request")


@pytest.mark.parametrize("header", [b"Bearer wrong", None])
async def test_no_byte_of_a_file_is_taken_from_who_has_no_token(
    house: WebHouse, header: bytes | None
) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    async def send_on(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/pdf")]
    headers += [] if header is None else [(b"authorization", header)]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
        "method": "POST", "path": PATH, "raw_path": PATH.encode(), "root_path": "",
        "query_string": f"meter={house.meter}".encode(), "headers": headers,
        "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
    }  # fmt: skip
    await house.app(scope, receive, send_on)
    assert sent[0]["status"] == 401


async def test_the_openapi_says_what_the_body_is(house: WebHouse) -> None:
    document = await house.get("/v1/openapi.json")
    route = document["paths"][PATH]["post"]
    assert list(route["requestBody"]["content"]) == ["application/pdf"]
    assert {one["name"] for one in route["parameters"]} == {"meter", "monthly_kwh"}
