"""What is alarmed about is measured: every metric of the alert rules is on the page."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.jobs import Tally
from meterseal_aggregator.notices import outbox
from meterseal_aggregator.notices.model import Kind, State, Way
from meterseal_aggregator.storage import audits
from meterseal_aggregator.storage.finding import Finding
from tests.support.billed import a_household, billed
from tests.support.webhouse import LATER, WebHouse, a_house, a_lived_in_house

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
METRIC = re.compile(r"\bmeterseal_[a-z_]+\b")
KEYS = ("expr", "labels", "annotations", "summary", "action")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


async def page(house: WebHouse) -> dict[str, float]:
    answer = await house.ask("GET", "/metrics", "metrics")
    assert answer.status_code == 200
    lines = [one for one in answer.text.splitlines() if not one.startswith("#")]
    return {name: float(value) for name, value in (one.split(" ") for one in lines)}


async def families(house: WebHouse) -> set[str]:
    text = (await house.ask("GET", "/metrics", "metrics")).text
    return {one.split(" ")[2] for one in text.splitlines() if one.startswith("# TYPE")}


async def test_every_metric_that_is_alarmed_about_is_exported(house: WebHouse) -> None:
    named = set()
    for line in RULES.read_text().splitlines():
        if not line.lstrip().startswith(("#", "action:", "summary:", "- alert")):
            named |= set(METRIC.findall(line))
    assert len(named) > 12
    assert named - await families(house) == set()


def test_every_rule_says_when_how_bad_what_and_what_to_do() -> None:
    rules = RULES.read_text().split("- alert: ")[1:]
    names = [rule.splitlines()[0] for rule in rules]
    assert len(set(names)) == len(names) > 10
    for rule in rules:
        assert all(f"{key}:" in rule for key in KEYS), rule
        assert "severity: page" in rule or "severity: warning" in rule


async def test_an_empty_house_alarms_nobody_but_says_it_was_never_audited(
    house: WebHouse,
) -> None:
    found = await page(house)
    for name in (
        "agents_silent", "notices_waiting", "notices_given_up", "notices_oldest_seconds",
        "chain_troubles", "audit_failing", 'bills{state="overdue"}',
    ):  # fmt: skip
        assert found[f"meterseal_{name}"] == 0, name
    assert found["meterseal_audit_age_seconds"] == -1
    assert found["meterseal_anchor_age_seconds"] == -1


async def test_the_page_counts_what_stands(house: WebHouse) -> None:
    async with house.db.transaction() as tx:
        home = await a_household(tx, "Dov")
        await billed(tx, home, 5_00)
        drafts = [
            outbox.Draft(home.member, Way.SMS, Kind.DISPUTE_DECIDED, n, LATER - 50)
            for n in ("1", "2")
        ]
        await outbox.put(tx, drafts)
        first, _ = await outbox.take_due(tx, now=LATER, limit=9)
        await outbox.settle(tx, [outbox.Ending(first.id, State.GIVEN_UP)], now=LATER)
        await audits.keep(
            tx, [Finding(1, ok=True, detail=""), Finding(2, ok=False, detail="")],
            now=LATER - 7,
        )  # fmt: skip
        assert await audits.last(tx) == audits.Audited(LATER - 7, 2, 1)
    found = await page(house)
    assert found["meterseal_notices_waiting"] == 1
    assert found["meterseal_notices_given_up"] == 1
    assert found["meterseal_notices_oldest_seconds"] == 50
    assert found["meterseal_audit_failing"] == 1
    assert found["meterseal_audit_age_seconds"] == 7
    assert found['meterseal_bills{state="issued"}'] == 1


async def test_an_agent_that_falls_silent_is_counted(tmp_path: Path) -> None:
    async with a_lived_in_house(tmp_path) as house:
        found = await page(house)
        assert found["meterseal_agents_silent"] == 0
        assert found["meterseal_anchor_age_seconds"] == 0
        house.app.state.site = replace(
            house.app.state.site,
            now=lambda: LATER + 27 * 3_600,
            duties={"bill": Tally(last_success_at=1.0)},
        )
        found = await page(house)
        assert found["meterseal_agents_silent"] == 1
        assert found["meterseal_anchor_age_seconds"] == 27 * 3_600
        assert found['meterseal_duty_last_success_seconds{duty="bill"}'] == 1
