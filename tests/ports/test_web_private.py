"""A committed home through the API: its bill is right, its files verify, its usage is nowhere."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.privacy import check as privacy_check
from meterseal_proto.bill import ProvedBill
from meterseal_proto.bundle import canonical
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.enrolment import RegisterStart
from meterseal_proto.privatefile import statement_json
from meterseal_proto.units import IMPORT
from meterseal_proto.usagefile import OpenedDay, UsageFile
from meterseal_proto.verify import examine, main, zone_clock
from tests.support.committed import CommittedDevice, Day, bill_over, flat
from tests.support.devices import device
from tests.support.enrolling import GENESIS, LOG_KEY, SLOT
from tests.support.evidence import unproved
from tests.support.village import problem
from tests.support.webhouse import (
    LATER,
    WebHouse,
    a_house,
    do_every_duty,
    pretty,
)
from tests.support.webprivate import enrol_private, erased, looks, publish, take_in

BEGAN = SLOT - 60 * 900
VALUES = [[0x5EA1_0000 + 7_919 * (n + 24 * day) for n in range(24)] for day in (0, 1)]
"""Wh of 48 slots: numbers of 32 bits that nothing else here is."""
FLAT = flat(250_000)
REGISTER = "1-0:1.8.0"
KNOWN = Expectation(GENESIS.network.hex(), clock=zone_clock)


@dataclass
class Home:
    """The house, its committed device, two days that were taken in, and their bill."""

    house: WebHouse
    device: CommittedDevice
    days: list[Day]
    bill: ProvedBill

    @property
    def path(self) -> str:
        return f"/v1/meters/{self.house.meter}/registers/{REGISTER}"

    async def post_bill(self, bill: ProvedBill | None = None) -> Any:
        body = statement_json(bill or self.bill)
        return await self.house.post("/v1/private-bills", None, body)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with a_house(tmp_path) as house:
        _, device = await enrol_private(
            house, RegisterStart(IMPORT, 900, 0, BEGAN, 1, 32)
        )
        days = [device.tell(values) for values in VALUES]
        await take_in(house, *days)
        await publish(house, FLAT)
        yield Home(house, device, days, bill_over(device, days, FLAT))


async def test_a_bill_is_taken_served_and_its_files_verify(home: Home) -> None:
    answer = await home.post_bill()
    assert answer.status_code == 201, pretty(answer)
    again = await home.post_bill()
    assert (again.status_code, again.json()) == (201, answer.json())
    told = answer.json()
    assert int(told["amount"]) == sum(map(sum, VALUES)) * 250_000
    listed = await home.house.get(f"{home.path}/private-bills", "ada")
    assert listed["items"] == [told]
    await do_every_duty(home.house)
    for path in (f"/v1/private-bills/{told['id']}/file", f"{home.path}/days/2/proof"):
        got = await home.house.ask("GET", path, "ada")
        assert got.status_code == 200, pretty(got)
        claims = examine(got.content, KNOWN)
        assert unproved(claims) == ["anchor"], claims
    backup = await home.house.ask("GET", f"{home.path}/days/1/backup", "ada")
    assert backup.content == home.days[0].seal.envelope.parcel.backup


async def test_bills_are_listed_by_pages(home: Home) -> None:
    first = await home.post_bill(bill_over(home.device, home.days[:1], FLAT))
    link = bytes.fromhex(first.json()["digest"])
    bill = bill_over(home.device, home.days[1:], FLAT, previous=link)
    second = await home.post_bill(bill)
    assert (first.status_code, second.status_code) == (201, 201), pretty(second)
    path = f"{home.path}/private-bills?limit=1"
    page = await home.house.get(path, "ada")
    assert page["items"] == [first.json()]
    page = await home.house.get(f"{path}&after={page['next']}", "ada")
    assert page["items"] == [second.json()]
    page = await home.house.get(f"{path}&after={page['next']}", "ada")
    assert page == {"items": [], "next": None}


async def test_what_is_not_logged_yet_has_no_file_yet(home: Home) -> None:
    got = await home.house.ask("GET", f"{home.path}/days/1/proof", "ada")
    assert got.status_code == 409


async def test_days_are_listed_with_how_their_proofs_stand(home: Home) -> None:
    page = await home.house.get(f"{home.path}/days?limit=1", "auditor")
    (first,) = page["items"]
    assert (first["seq"], first["proof"], first["count"]) == (1, "verified", 24)
    assert first["seal_hash"] == home.days[0].digest.hex()
    rest = await home.house.get(f"{home.path}/days?from={page['next']}", "auditor")
    assert [day["seq"] for day in rest["items"]] == [2]


async def test_bills_are_personal(home: Home) -> None:
    told = (await home.post_bill()).json()
    for who in ("bo", "auditor", "metrics"):
        for path in (
            f"{home.path}/private-bills",
            f"/v1/private-bills/{told['id']}/file",
            f"{home.path}/days/1/backup",
        ):
            assert (await home.house.ask("GET", path, who)).status_code == 403


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"amount": 1}, 422, "not-proved"),
    ({"tariff": bytes(32)}, 404, "no-such-tariff"),
    ({"previous": bytes(32)}, 409, "not-chained"),
    ({"meter": bytes(16)}, 404, "no-such-register"),
    ({"end": LATER}, 422, "wrong-period"),
]


async def test_a_wrong_bill_is_a_problem_by_name(home: Home) -> None:
    for change, status, name in WRONG:
        bill = bill_over(home.device, home.days, FLAT, **change)
        answer = await home.post_bill(bill)
        assert answer.status_code == status, pretty(answer)
        assert answer.json()["type"].endswith(name)


SHAPES: list[dict[str, Any]] = [
    {"amount": "007"},
    {"amount": 7},
    {"amount": "1e3"},
    {"amount": "-1"},
    {"amount": "9" * 27},
    {"headers": []},
    {"headers": ["00"]},
    {"consent": "zz"},
    {"register": -1},
    {"extra": 1},
]


async def test_a_body_of_another_shape_is_refused(home: Home) -> None:
    for change in SHAPES:
        body = {**statement_json(home.bill), **change}
        answer = await home.house.post("/v1/private-bills", None, body)
        assert answer.status_code == 422, pretty(answer)


async def a_file(home: Home) -> dict[str, Any]:
    told = (await home.post_bill()).json()
    await do_every_duty(home.house)
    path = f"/v1/private-bills/{told['id']}/file"
    found: dict[str, Any] = json.loads(
        (await home.house.ask("GET", path, "ada")).content
    )
    return found


def flip(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


SPOILED: dict[str, tuple[str, Any]] = {
    "bill": ("bill", lambda f: f["bill"].update(amount=str(int(f["bill"]["amount"]) + 1))),
    "opening": ("opening", lambda f: f["bill"].update(index=0)),
    "signature": ("bill", lambda f: f["bill"].update(signature=flip(f["bill"]["signature"]))),
    "consent": ("bill", lambda f: f["bill"].update(consent=flip(f["bill"]["consent"]))),
    "order": ("days", lambda f: f["days"].reverse()),
    "missing day": ("days", lambda f: f["days"].pop()),
    "range": ("ranges", lambda f: f["days"][0].update(range=flip(f["days"][0]["range"]))),
    "stolen range": ("ranges", lambda f: f["days"][0].update(range=f["days"][1]["range"])),
    "quality": ("commitments", lambda f: f["days"][0].update(qualities="0a" * 24)),
    "points": (
        "commitments",
        lambda f: f["days"][0].update(points=f["days"][1]["points"]),
    ),
    "seal": ("signatures", lambda f: f["days"][0].update(signature=flip(f["days"][0]["signature"]))),
    "inclusion": ("inclusion", lambda f: f["days"][0].update(index=0)),
    "checkpoint": ("checkpoint", lambda f: f.update(checkpoint=f["checkpoint"][:-8] + "AAAAAAA\n")),
    "tariff": (
        "bill",
        lambda f: f["bill"].update(tariff=f["bill"]["tariff"].replace("250000", "250001")),
    ),
    "format": ("format", lambda f: f.update(format="meterseal/proof/1")),
    "no format": ("format", lambda f: f.update(days=[])),
}  # fmt: skip


async def test_every_part_of_a_bill_file_is_checked(home: Home) -> None:
    whole = await a_file(home)
    for what, (name, spoil) in SPOILED.items():
        file = json.loads(json.dumps(whole))
        spoil(file)
        failed = {
            c.name for c in examine(canonical(file), KNOWN) if c.verdict is Verdict.FAIL
        }
        assert name in failed, what


async def test_the_command_prints_a_line_a_claim(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "march.bill.json"
    path.write_bytes(canonical(await a_file(home)))
    capsys.readouterr()
    assert main([str(path), "--network", GENESIS.network.hex()]) == 0
    printed = capsys.readouterr().out.splitlines()
    held = [
        ["PASS", name]
        for name in (
            *("format", "network", "your-network", "checkpoint", "key"),
            *("signatures", "commitments", "ranges", "inclusion"),
            *("days", "tariff", "bill", "opening"),
        )
    ]
    assert [line.split()[:2] for line in printed] == [*held, ["UNCHECKED", "anchor"]]


async def test_the_members_openings_recompute_the_bill_the_api_serves(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bill, own = tmp_path / "march.bill.json", tmp_path / "openings.json"
    bill.write_bytes(canonical(await a_file(home)))
    days = [
        OpenedDay(
            day.digest,
            day.seal.header.first,
            day.seal.header.step,
            tuple(one.value.reveal() for one in day.openings),
            tuple(one.blinding.reveal() for one in day.openings),
        )
        for day in home.days
    ]
    device = home.device
    usage = UsageFile(GENESIS.network, device.meter, device.register, tuple(days))
    own.write_bytes(usage.encode())
    capsys.readouterr()
    assert main([str(bill), "--openings", str(own)]) == 0
    printed = capsys.readouterr().out.splitlines()
    names = [line.split()[:2] for line in printed[-3:]]
    assert names == [["PASS", name] for name in ("openings", "recomputed", "line")]


def spellings(value: int) -> list[bytes]:
    """Return how a value would look in a database, a log, or an answer."""
    return [
        str(value).encode(),
        f"{value:08x}".encode(),
        value.to_bytes(4),
        value.to_bytes(4, "little"),
    ]


async def test_no_interval_value_is_anywhere_in_the_aggregator(
    home: Home, tmp_path: Path
) -> None:
    """Searched: every row, the database's own files, every answer, and every log line."""
    with structlog.testing.capture_logs() as lines:
        told = (await home.post_bill()).json()
        await do_every_duty(home.house)
        answers = [
            (await home.house.ask("GET", path, "operator")).content
            for path in (
                *("/v1/meters", f"/v1/meters/{home.house.meter}", "/v1/evidence"),
                *(f"{home.path}/readings?from=0&limit=1000", f"{home.path}/days"),
                *(f"{home.path}/private-bills", f"{home.path}/credits"),
                *(f"{home.path}/days/1/proof", f"{home.path}/days/1/backup"),
                *(f"/v1/private-bills/{told['id']}/file", "/metrics", "/v1/acts"),
            )
        ]
    async with home.house.db.transaction() as tx:
        tables = await tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        rows = [
            repr(row).encode() + b"".join(v for v in row if isinstance(v, bytes))
            for (name,) in tables
            for row in await tx.rows(f"SELECT * FROM {name}")  # noqa: S608 - our own tables
        ]
        await tx.rows("SELECT 1")
    files = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    haystack = b"\n".join([*rows, *files, *answers, repr(lines).encode()])
    assert str(home.bill.statement.amount).encode() in haystack
    assert home.days[0].seal.records[0].commitment in haystack
    assert b"meterseal/bill/1" in haystack
    day_sums = [sum(day) for day in VALUES]
    for value in [*(v for day in VALUES for v in day), *day_sums]:
        wide = [value.to_bytes(8), str(value).encode()]
        for spelling in spellings(value) if value < 1 << 32 else wide:
            assert spelling not in haystack, (value, spelling)


async def test_the_search_would_find_a_value(home: Home) -> None:
    async with home.house.db.transaction() as tx:
        await tx.rows(
            "INSERT INTO operator_acts (at, actor, act, object) VALUES (1, 'x', 'x', ?)",
            (f"slot told {VALUES[0][0]} Wh",),
        )
        found = await tx.rows("SELECT object FROM operator_acts")
    assert any(re.search(str(VALUES[0][0]), row[0]) for row in found)


async def test_the_audit_agrees(home: Home) -> None:
    await home.post_bill()
    async with home.house.db.reading() as tx:
        found = await privacy_check.findings(tx, GENESIS)
        found += await privacy_check.told(tx, GENESIS)
    assert all(one.ok for one in found), found


async def test_an_open_seal_for_it_leaves_no_trace_of_its_value(home: Home) -> None:
    open_one = replace(
        device(1, register=IMPORT),
        meter=home.device.meter,
        agent="home-1",
        key=home.device.key,
        head=home.device.head,
    )
    sent = open_one.tell(1_587_654_321)
    intake = Intake(home.house.db, Notary(GENESIS, LOG_KEY), lambda: LATER)
    await intake.deliver([sent.by("home-1")])
    intake.close()
    async with home.house.db.reading() as tx:
        rows = await tx.rows("SELECT * FROM quarantine")
    assert len(rows) == 1
    assert b"1587654321" not in repr(rows).encode()
    assert all((1_587_654_321).to_bytes(4) not in row[7] for row in rows)


async def test_an_erased_members_bill_file_is_for_operators_with_a_reason(
    home: Home,
) -> None:
    told = (await home.post_bill()).json()
    await do_every_duty(home.house)
    path = f"/v1/private-bills/{told['id']}/file"
    assert (await home.house.ask("GET", path, "operator")).status_code == 200
    assert (await home.house.ask("GET", f"{path}?reason=why", "bo")).status_code == 403
    await erased(home.house, "ada")
    answer = await home.house.ask("GET", path, "operator")
    assert problem(answer) == (409, "erased")
    assert await looks(home.house) == []
    kept = await home.house.ask("GET", f"{path}?reason=tax+audit", "operator")
    assert kept.status_code == 200
    assert await looks(home.house) == [f"private bill {told['id']}: tax audit"]
