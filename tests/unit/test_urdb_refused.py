"""A rate of the OpenEI database that leaves something open is refused by what it is."""

import json
from random import Random
from typing import Any

import pytest

from meterseal_aggregator.billing.tariffs.urdb import Stated, import_urdb
from meterseal_aggregator.billing.tariffs.urdbread import Refused
from meterseal_proto.rating.components import Allocation, TierCounter
from meterseal_proto.rating.tariff import parse_full_tariff
from tests.support.brokenjson import broken
from tests.support.data import shared_data
from tests.support.seed import SEED, WHOLE

ALL_DAY = [[0] * 24] * 12
ONE = [[{"rate": 0.1, "unit": "kWh"}]]
TIERED = [[{"rate": 0.1, "max": 5, "unit": "kWh"}, {"rate": 0.2, "unit": "kWh"}]]
Fields = dict[str, Any]  # Any: JSON


def rate(**fields: object) -> bytes:
    """A rate of one price, with some fields changed; None takes a field out."""
    whole: Fields = {
        "name": "Rate",
        "energyratestructure": ONE,
        "energyweekdayschedule": ALL_DAY,
        "energyweekendschedule": ALL_DAY,
        **fields,
    }
    return json.dumps({k: v for k, v in whole.items() if v is not None}).encode()


BAD: list[tuple[bytes, str]] = [
    (b"", "no JSON"),
    (b"[]", "a rate is a JSON object"),
    (b"[" * 9_000, "more than 8192 lists"),
    (b'{"items": []}', "items: one rate"),
    (b"{}", "the rate charges nothing"),
    (rate(energyweekdayschedule=None), "energyweekdayschedule is missing"),
    (rate(energyweekdayschedule=ALL_DAY[:11]), "energyweekdayschedule: 12 rows"),
    (rate(energyweekendschedule=[[0] * 23] * 12), "row 1 has not 24 numbers"),
    (rate(energyweekdayschedule=[[1] * 24] * 12), "names a period that has no rate"),
    (rate(energyratestructure=[[{"unit": "kWh"}]]), "[0][0]: rate is missing"),
    (rate(energyratestructure=[[{"rate": "0.1"}]]), "'0.1' is no number"),
    (rate(energyratestructure=[[{"rate": -0.1}]]), "a price of -0.1 is below 0"),
    (rate(energyratestructure=[]), "1 to 64 periods"),
    (rate(energyratestructure=[[]]), "1 to 64 tiers"),
    (
        rate(energyratestructure=[[*TIERED[0], *TIERED[0]]]),
        "max is missing, and it is not the last tier",
    ),
    (
        rate(energyratestructure=[[TIERED[0][0], TIERED[0][0], TIERED[0][1]]]),
        "tiers out of order",
    ),
    (rate(energyratestructure=[TIERED[0][:1]]), "the last tier ends"),
    (
        rate(energyratestructure=[[{"rate": 0.1, "max": 5}, {"rate": 0.2}]]),
        "unit is missing: a tier's max is in kWh, kWh daily or kWh/kW",
    ),
    (
        rate(
            energyratestructure=[
                [{**TIERED[0][0], "unit": "kWh/kW daily"}, {"rate": 1, "unit": "kWh/kW daily"}]
            ]
        ),
        "unit 'kWh/kW daily' is not kWh, kWh daily or kWh/kW",
    ),
    (
        rate(energyratestructure=[[TIERED[0][0], {"rate": 1, "unit": "kWh daily"}]]),
        "units kWh and kWh daily in one rate are not mixed",
    ),
    (rate(realtimepricing=[0.1] * 8_760), "both realtimepricing and"),
    (
        rate(
            energyratestructure=None,
            energyweekdayschedule=None,
            energyweekendschedule=None,
            realtimepricing=[0.1] * 8_784,
        ),
        "8760 prices, one an hour",
    ),
    (rate(fixedchargefirstmeter=5), "fixedchargeunits: is missing, not $/month"),
    (
        rate(fixedchargefirstmeter=5, fixedchargeunits="$/year"),
        "is '$/year', not $/month or $/day",
    ),
    (rate(mincharge=5, minchargeunits="$/day"), "is '$/day', not $/month or $/year"),
    (
        rate(fixedmonthlycharge=5, fixedchargefirstmeter=5, fixedchargeunits="$/month"),
        "which of them?",
    ),
    (rate(lookbackpercent=50), "lookbackpercent: such a charge is not had here"),
    (rate(coincidentratestructure=[[{"rate": 5}]]), "coincidentratestructure: such"),
    (rate(carbonfee=5), "carbonfee: a field that may charge something"),
    (
        rate(flatdemandstructure=[[{"rate": 5}]], flatdemandmonths=[0] * 12),
        "demandwindow is missing",
    ),
    (rate(flatdemandstructure=[[{"rate": 5}]]), "flatdemandmonths is missing"),
    (
        rate(
            flatdemandstructure=[[{"rate": 5}]], flatdemandmonths=[0] * 12,
            flatdemandunit="kVA", demandwindow=15,
        ),
        "power in kVA is not measured here",
    ),
    (rate(startdate="soon"), "startdate: 'soon' is no time"),
    (b'{"mincharge": NaN}', "NaN is no number"),
    (b'{"fixedmonthlycharge": 1e400}', "too large"),
    (b'{"fixedmonthlycharge": 1e-400}', "a price has 400 decimals; at most 18"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "why"), BAD, ids=[why[:40] for _, why in BAD])
def test_a_rate_that_leaves_something_open_is_refused_by_name(
    document: bytes, why: str
) -> None:
    with pytest.raises(Refused) as refused:
        import_urdb(document, Stated())
    assert why in str(refused.value)


def test_a_rate_with_anything_anywhere_is_imported_or_refused() -> None:
    chance = Random(SEED)
    stated = Stated(TierCounter.ALL, Allocation.PROPORTIONAL, 3_600)
    files = sorted(shared_data("bills", "urdb_real").iterdir())
    rates = [json.loads(file.read_text()) for file in files] + [json.loads(rate())]
    for _ in range(4_000 if WHOLE else 200):
        document = json.dumps(broken(chance.choice(rates), chance)).encode()
        try:
            tariff = import_urdb(document, stated).tariff
        except Refused:
            continue
        assert parse_full_tariff(tariff.document()) == tariff
