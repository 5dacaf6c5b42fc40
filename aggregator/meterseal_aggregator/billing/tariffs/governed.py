"""Tariffs that follow what the network agreed on: a change of a rate is a next version.

    await publish_template(tx, document, valid_from=..., now=now)
    await change(tx, Change(Name.RETAIL_PRICE_MICRO, 240_000, from_at, now, "operator"))

Whoever changes a parameter asks here, so that the version that names the new figure is
published in the same transaction, before it holds, and every bill still names one exact
document. This module must never let a published version and the parameter it was made of
disagree: a change that comes before one that is published already is refused.
"""

from typing import Final

from meterseal_aggregator.billing.tariffs import store
from meterseal_aggregator.billing.tariffs.model import Cause, NotPublished, Version
from meterseal_aggregator.billing.tariffs.template import Template, parse_template
from meterseal_aggregator.market import agreement
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.store import Change, ParameterRefused
from meterseal_aggregator.storage.database import Transaction

_KEEP: Final = """
INSERT INTO tariff_templates (hash, code, document, recorded_at) VALUES (?, ?, ?, ?)
ON CONFLICT (hash) DO NOTHING
"""
_FOLLOWING: Final = """
SELECT t.document, v.valid_from FROM full_tariffs v
JOIN tariff_templates t ON t.hash = v.template_hash
WHERE v.valid_to IS NULL ORDER BY v.code
"""


async def publish_template(
    tx: Transaction, document: bytes, *, valid_from: int, now: int
) -> list[Version]:
    """Publish what a template comes to from `valid_from` on, and after each known change.

    Returns the versions, at least one. Until another version of the code is published by
    hand, it follows the template. Raises NotPublished.
    """
    try:
        template = parse_template(document)
    except ValueError as error:
        raise NotPublished(Cause.TEMPLATE, f"not a template: {error}") from None
    row = (template.hash(), template.code, document, now)
    await tx.many(_KEEP, [row])
    made = [await _publish(tx, template, valid_from, now)]
    while at := await parameters.next_change(tx, template.names, made[-1].begin):
        made.append(await _publish(tx, template, at, now))
    return made


async def change(tx: Transaction, wish: Change) -> list[Version]:
    """Record a parameter's value, and publish the versions that follow from it.

    Raises ParameterRefused where the value or its second cannot be, Declined where what
    was promised stands against it.
    """
    await agreement.change(tx, wish)
    made = []
    for document, begins in await tx.rows(_FOLLOWING):
        template = parse_template(document)
        if wish.name not in template.names:
            continue
        if wish.from_at <= begins:
            raise ParameterRefused(
                f"tariff {template.code!r} is published from {begins} with another"
                f" {wish.name}: let it change after {begins}"
            )
        try:
            made.append(await _publish(tx, template, wish.from_at, wish.recorded_at))
        except NotPublished as error:
            raise ParameterRefused(
                f"tariff {template.code!r}: {error.detail}"
            ) from None
    return made


async def _publish(
    tx: Transaction, template: Template, valid_from: int, now: int
) -> Version:
    values = await parameters.values_at(tx, template.names, valid_from)
    document = template.filled(values, valid_from)
    return await store.publish(tx, document, now=now, template=template.hash())
