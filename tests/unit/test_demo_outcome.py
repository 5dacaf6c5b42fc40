"""The demo's equation: every Wh is credited, imported or refused credit, and used once."""

import json
from dataclasses import replace

import pytest

from deploy.outcome import Outcome, table

DAY = Outcome(
    homes=17,
    sealed=3_320,
    accepted=3_320,
    duplicates=0,
    refused=0,
    quarantined=0,
    register_import_wh=203_054,
    register_export_wh=71_105_911,
    import_wh=203_054,
    export_wh=71_105_911,
    credits_wh=71_097_885,
    refused_credit={"questionable": 8_026},
    kept_wh=71_000_000,
    bought_wh=97_000,
    fed_in_wh=885,
    log_size=3_354,
    checkpoint="meterseal/street\n3354\nroot\n\nsignature\n",
)


def test_export_that_is_refused_credit_is_accounted_for_by_its_cause() -> None:
    assert DAY.settled
    assert DAY.holds
    assert json.loads(DAY.to_json())["holds"]
    shown = table(DAY, seconds=80.0)
    assert "+ export refused as questionable" in shown
    assert "8,026" in shown
    assert "DOES NOT HOLD" not in shown


@pytest.mark.parametrize(
    "change",
    [
        {"refused_credit": {}},
        {"refused_credit": {"questionable": 8_026, "vacant": 1}},
        {"credits_wh": 71_097_884},
        {"kept_wh": 71_000_001},
        {"bought_wh": 96_999},
        {"fed_in_wh": 886},
        {"register_export_wh": 71_105_912},
        {"register_import_wh": 203_055},
        {"accepted": 0},
    ],
)
def test_a_wh_too_many_or_too_few_breaks_the_equation(
    change: dict[str, object],
) -> None:
    broken = replace(DAY, **change)  # type: ignore[arg-type] # fields of several types
    assert not broken.holds
    assert "DOES NOT HOLD" in table(broken, seconds=80.0)


def test_an_agent_that_has_not_said_all_it_sealed_is_waited_for() -> None:
    assert DAY.told
    assert not replace(DAY, sealed=3_319).told
