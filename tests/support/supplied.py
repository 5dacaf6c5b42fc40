"""Tariffs in full for tests, and a house whose members are supplied by them."""

from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.components import Fixed, Flat, Per, Price, Proration
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split

CURRENCY = "XTS"
ZONE = "Africa/Nairobi"
CODE = "residential"


def a_full_tariff(
    valid_from: int,
    code: str = CODE,
    *,
    price: int = 250_000,
    currency: str = CURRENCY,
    zone: str = ZONE,
) -> FullTariff:
    """Return a flat price a kWh and three a month, in 10^-6 of a currency."""
    return FullTariff(
        code, currency, zone, valid_from, Commodity.ELECTRICITY,
        (
            Flat("energy", Price(price)),
            Fixed("standing charge", Price(3_000_000), Per.MONTH, Proration.DAYS),
        ),
        Rule.HALF_EVEN, Split.PROPORTION,
    )  # fmt: skip


async def declare_money(tx: Transaction, asset: str = CURRENCY) -> None:
    """Let the ledger know the asset of these tariffs."""
    await declare(tx, Asset(asset), now=0)
