"""Whatever is sent, the answer is a problem document that says what to do, never a 500."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterseal_aggregator.web.limits import MAX_BODY_BYTES, MAX_ENROLMENT_BYTES, Rate
from meterseal_aggregator.web.shapes import ENROLMENT_BURST
from tests.support.enrolling import a_request
from tests.support.webhouse import EXPORT, WebHouse, a_house, a_lived_in_house, pretty


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


def _is_problem(answer: httpx2.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, pretty(answer)
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"].startswith("urn:meterseal:problem:")
    assert body["detail"]


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"hello",
    "no UTF-8": b'{"name": "\xff"}',
    "a number": b"7",
    "a list": b"[]",
    "null": b"null",
    "a name twice": b'{"name": "a", "name": "b"}',
    "a name twice inside": b'{"name": {"x": 1, "x": 2}}',
    "an unknown key": b'{"name": "a", "role": "operator"}',
    "a number as name": b'{"name": 7}',
    "true as name": b'{"name": true}',
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "an empty name": b'{"name": ""}',
    "a long name": json.dumps({"name": "a" * 121}).encode(),
    "a null byte": b'{"name": "a\\u0000b"}',
    "half a surrogate": b'{"name": "\\ud800"}',
    "a line break": b'{"name": "a\\nb"}',
    "depth": b'{"name":' + b"[" * 15_000 + b"]" * 15_000 + b"}",
    "more depth": b"[" * 60_000,
    "a number of 5,000 digits": b'{"name": ' + b"9" * 5_000 + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"name": "a"}',
    "another coding": '{"name": "a"}'.encode("utf-16"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_not_the_one_wanted_is_refused(
    house: WebHouse, name: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = await house.ask(
        "POST", "/v1/members", "operator", content=BODIES[name], headers=headers
    )
    _is_problem(answer, 400, 422)
    listed = await house.get("/v1/members", "operator")
    assert len(listed["items"]) == 3


@pytest.mark.parametrize(
    ("path", "limit"),
    [("/v1/members", MAX_BODY_BYTES), ("/v1/enrolments", MAX_ENROLMENT_BYTES)],
)
async def test_a_body_beyond_its_limit_is_refused_before_it_is_read(
    house: WebHouse, path: str, limit: int
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            assert sent < 10 * limit
            yield b" " * 65_536

    answer = await house.ask("POST", path, "operator", content=endless())
    _is_problem(answer, 413)


PATHS = {
    "/v1/members/0": {422},
    "/v1/members/-1": {422},
    "/v1/members/9223372036854775808": {422},
    "/v1/members/9223372036854775807": {404},
    "/v1/members/1.0": {422},
    "/v1/members/%00": {422},
    "/v1/members/1/balances/x": {404},
    "/v1/members?after=-1": {422},
    "/v1/members?limit=0": {422},
    "/v1/members?limit=1001": {422},
    "/v1/members?limit=1e3": {422},
    "/v1/meters/xyz": {422},
    "/v1/meters/" + "A" * 32: {422},
    "/v1/meters/" + "0" * 32: {404},
    "/v1/meters/" + "0" * 33: {422},
    "/v1/meters?after=zz": {422},
    f"/v1/meters/{'0' * 32}/registers/{EXPORT}/readings": {404},
    f"/v1/meters/{'0' * 32}/registers/9-999:9.9.9/readings": {404},
    f"/v1/meters/{'0' * 32}/registers/x/readings": {422},
    f"/v1/meters/{'0' * 32}/registers/{EXPORT}/credits": {404},
    f"/v1/meters/{'0' * 32}/registers/{EXPORT}/seals/1/bundle": {404},
    "/v1/meter-points/9223372036854775807": {404},
    "/v1/seals/1/bundle": {404},
    "/v1/seals/99999999999999999999/bundle": {422},
    "/v1/log/tile/0/000": {404},
    "/v1/log/tile/9/000": {404},
    "/v1/log/tile/../checkpoint": {404},
    "/v1/log/tile/" + "x000/" * 200 + "000": {404},
    "/v1/log/inclusion": {422},
    "/v1/log/inclusion?index=7": {404},
    "/v1/log/inclusion?index=9223372036854775807": {404},
    "/v1/log/consistency?first=0&second=1": {422},
    "/v1/log/consistency?first=2&second=1": {404},
    "/v1/log/consistency?first=1&second=9223372036854775807": {404},
    "/v1/log/checkpoint": {404},
    "/v1/nothing": {404},
    "/v1/members/": {404},
    "/docs": {404},
    "/redoc": {404},
}


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_that_leads_nowhere_says_so(house: WebHouse, path: str) -> None:
    _is_problem(await house.ask("GET", path, "operator"), *PATHS[path])


async def test_a_method_that_is_not_there_is_405(house: WebHouse) -> None:
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "OPTIONS"):
        _is_problem(await house.ask(method, "/v1/members", "operator"), 405)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "bearer \x7f", "Bearer " + "a" * 9_000],
)  # fmt: skip
async def test_what_is_no_token_is_401(house: WebHouse, header: str) -> None:
    answer = await house.ask("GET", "/v1/meters", headers={"Authorization": header})
    _is_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_page_of_what_is_not_there_any_more_is_readings_only_from_its_time(
    tmp_path: Path,
) -> None:
    async with a_lived_in_house(tmp_path) as house:
        base = f"/v1/meters/{house.meter}/registers/{EXPORT}/readings"
        for query in ("from=1099511627776", "to=0", "from=5&to=4", "limit=1000"):
            page = await house.get(f"{base}?{query}", "ada")
            assert all(row["length"] == 900 for row in page["items"])
        _is_problem(await house.ask("GET", f"{base}?from=x", "ada"), 422)


async def test_an_answer_never_repeats_what_was_sent(house: WebHouse) -> None:
    secret = "correct-horse-battery"  # noqa: S105 - the point of the test
    for body in ({"name": "a", secret + "-key": 1}, {"name": [secret]}):
        answer = await house.post("/v1/members", "operator", body)
        assert f'"{secret}"' not in answer.text
    wish = a_request("ABCDE-ABCDE-ABCDE-ABCDE-ABCDE").to_json()
    answer = await house.post("/v1/enrolments", None, wish)
    _is_problem(answer, 403)
    assert "ABCDE" not in answer.text


SPOILT_ENROLMENTS: dict[str, Any] = {
    "code": 7,
    "csr_pem": "x" * 9_000,
    "algorithm": None,
    "seal_key": "02" + "F" * 64,
    "possession": "00",
    "meters": [],
}


@pytest.mark.parametrize("key", SPOILT_ENROLMENTS)
async def test_an_enrolment_of_the_wrong_shape_is_422(
    house: WebHouse, key: str
) -> None:
    request = a_request(await house.registry.code()).to_json()
    answer = await house.post(
        "/v1/enrolments", None, request | {key: SPOILT_ENROLMENTS[key]}
    )
    _is_problem(answer, 422)
    del request[key]
    _is_problem(await house.post("/v1/enrolments", None, request), 422)


@pytest.mark.parametrize(
    ("key", "value"),
    [("step", "900"), ("step", 900.0), ("value", True), ("value", -1), ("at", 2**70),
     ("register", "1.8.0"), ("register", "1-0:1.8.999")],
)  # fmt: skip
async def test_a_register_of_the_wrong_shape_is_422(
    house: WebHouse, key: str, value: object
) -> None:
    request = a_request(await house.registry.code()).to_json()
    request["meters"][0]["registers"][0][key] = value
    body = json.loads(json.dumps(request))
    _is_problem(await house.post("/v1/enrolments", None, body), 422)


async def test_an_address_that_asks_too_often_is_asked_to_wait(house: WebHouse) -> None:
    wish = a_request("wrong").to_json()
    statuses = [
        (await house.post("/v1/enrolments", None, wish)).status_code
        for _ in range(ENROLMENT_BURST + 5)
    ]
    assert statuses[0] == 403
    last = await house.post("/v1/enrolments", None, wish)
    _is_problem(last, 429)
    assert int(last.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/v1/enrolments", "/v1/rotations"])
async def test_who_asks_too_often_has_his_body_not_even_read(
    house: WebHouse, path: str
) -> None:
    for _ in range(ENROLMENT_BURST):
        await house.post(path, None, {})

    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = await house.ask("POST", path, None, content=unread())
    _is_problem(answer, 429)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["x-content-type-options"] == "nosniff"
    _is_problem(await house.ask("GET", path), 405)


def test_the_rate_lets_a_burst_through_and_then_one_a_period() -> None:
    rate = Rate(period_s=2.0, burst=3)
    assert [rate.wait_s("a", 0.0) for _ in range(4)] == [0, 0, 0, 2.0]
    assert rate.wait_s("b", 0.0) == 0
    assert rate.wait_s("a", 2.0) == 0
    assert rate.wait_s("a", 2.0) == 2.0
    assert rate.wait_s("a", 100.0) == 0


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=_JSON, key=st.sampled_from([*SPOILT_ENROLMENTS, "surprise"]))
def test_no_json_makes_a_500(
    tmp_path_factory: pytest.TempPathFactory, body: object, key: str
) -> None:
    async def send() -> None:
        async with a_house(tmp_path_factory.mktemp("web")) as house:
            enrolment = a_request(await house.registry.code()).to_json() | {key: body}
            member = {"member": body, "from_at": body}
            for path, wish in (
                ("/v1/enrolments", enrolment),
                ("/v1/rotations", body),
                ("/v1/members", {"name": body}),
                ("/v1/tokens", body),
                (f"/v1/meter-points/{house.registry.point}/tenancies", member),
            ):
                text = json.dumps(wish)
                answer = await house.ask(
                    "POST", path, "operator", content=text.encode(),
                    headers={"content-type": "application/json"},
                )  # fmt: skip
                assert answer.status_code < 500, (path, text, answer.text)

    asyncio.run(send())
