"""Join the rooms: give the web what it may ask, as values and functions.

Rooms that must not know each other meet here. This module must never hold a rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from fastapi import FastAPI

from meterseal_aggregator.app.chain import means, proving
from meterseal_aggregator.app.chainbilling import till
from meterseal_aggregator.app.house import House
from meterseal_aggregator.app.withdrawing import teller
from meterseal_aggregator.billing.receivables.vault import Vault
from meterseal_aggregator.intake.batch import Tally as IntakeTally
from meterseal_aggregator.intake.beside.desk import BesideTally
from meterseal_aggregator.intake.port import Reply, Uplink
from meterseal_aggregator.intake.store import heads
from meterseal_aggregator.jobs import Tally
from meterseal_aggregator.market.documents.desk import Desk
from meterseal_aggregator.privacy import bills
from meterseal_aggregator.privacy.errands.desk import ErrandTally
from meterseal_aggregator.registry.enrol import NetworkTerms
from meterseal_aggregator.registry.rekey import ChainAccess
from meterseal_aggregator.stacks.wallet.handover import ChainDoor
from meterseal_aggregator.translog.store import append
from meterseal_aggregator.web.listeners import Listeners
from meterseal_aggregator.web.site import Site, build
from meterseal_proto.backfill import Backfill, sign_backfill
from meterseal_proto.keys import derive


@dataclass(frozen=True, slots=True)
class WebParts:
    """What a running aggregator shows: the `mqtt` address agents are told, and counts."""

    mqtt: str
    uplink: Uplink
    beside: BesideTally
    intake: IntakeTally
    duties: Mapping[str, Tally]
    errands: ErrandTally
    chain: ChainDoor | None = None
    listeners: Listeners = field(default_factory=Listeners)
    documents: Desk = field(default_factory=Desk)


def chain_access(house: House) -> ChainAccess:
    """Return what the registry needs of the log and of intake."""
    return ChainAccess(house.keys.genesis.network, append, heads, bills.last_openings)


def _vault(house: House) -> Vault:
    """Return what seals prepaid devices' keys; its secret lies in the keys' folder."""
    secret = house.keys.receipt.private_bytes_raw()
    return Vault(derive(secret, "paygo-keys", house.keys.genesis.network))


def web_app(house: House, parts: WebParts) -> FastAPI:
    """Return the API over the open house."""
    config, keys = house.config, house.keys
    tls = config.mqtt.tls
    if config.mqtt.broker_url is not None:
        tls = config.mqtt.broker_url.startswith("mqtts:")
    terms = NetworkTerms(
        authority=keys.authority,
        chain=chain_access(house),
        genesis=keys.genesis,
        network_name=config.network,
        receipt_key=keys.receipt.public_key().public_bytes_raw(),
        broker=parts.mqtt,
        broker_tls=tls,
        trustee_keys=tuple(key.text() for key in config.trustee_keys),
    )
    return build(
        Site(
            database=house.database,
            terms=terms,
            now=house.now,
            real_now=house.real_now,
            uplink=parts.uplink.counters,
            intake=parts.intake,
            duties=parts.duties,
            ask_again=partial(_ask_again, house, parts.uplink),
            beside=parts.beside,
            errands=parts.errands,
            proving=proving(config.stacks),
            means=partial(means, config),
            chain=parts.chain,
            listeners=parts.listeners,
            market=config.market_rules(),
            documents=parts.documents,
            teller=partial(teller, house),
            till=partial(till, house),
            vault=_vault(house),
        )
    )


def _ask_again(house: House, uplink: Uplink, request: Backfill) -> bool:
    payload = sign_backfill(request, house.keys.receipt)
    return uplink.tell(Reply(request.agent, payload))
