"""Devices that are unlocked by OpenPAYGO tokens, and the tokens of payments.

    POST /v1/paygo-devices {"member": 7, "serial": "SN-0017", "key": "...", ...}   operator
    POST /v1/paygo-tokens {"device": 3, "payment": 77}                             operator
    GET  /v1/me/paygo-tokens

Both posts may be sent again: a serial is one device, a payment makes one token. This module
must never tell a device's key.
"""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.billing.payments import MAX_PAYMENT_MICRO
from meterseal_aggregator.billing.receivables import paygo
from meterseal_aggregator.billing.receivables.paygo import (
    MAX_COUNTER,
    Device,
    NewDevice,
    Token,
    Unlock,
)
from meterseal_aggregator.billing.receivables.vault import Vault
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.money import AssetText
from meterseal_aggregator.web.problems import Problem
from meterseal_aggregator.web.receivables import actor_of
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    Limit,
    Page,
    RequestBody,
    View,
    cursor,
)

router = APIRouter(prefix="/v1", tags=["prepaid"])

MAX_CODE: Final = 999_999_999
"""A starting code has nine digits."""
Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class DeviceRequest(RequestBody):
    """A device: `key` is its 16 bytes in hex, `counter` that of the last token it was given.

    `starting_code` only where it does not follow from the key. A day costs `day_price_micro`
    of `asset`, the network's money where none is named.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "member": 7,
                "serial": "SN-0017",
                "key": "a29ab82edc5fbbc41ec9530f6dac86b1",
                "day_price_micro": 250_000,
            }
        }
    )

    member: Id
    serial: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", repr=False)]
    day_price_micro: Annotated[int, Field(ge=1, le=MAX_PAYMENT_MICRO)]
    asset: AssetText | None = None
    starting_code: Annotated[int, Field(ge=1, le=MAX_CODE)] | None = None
    counter: Annotated[int, Field(ge=0, lt=MAX_COUNTER)] = 0
    four_digits: bool = False


class DeviceView(View):
    """A device; its key is not shown."""

    id: int
    member: int
    serial: str
    counter: int
    day_price_micro: int
    asset: str
    four_digits: bool
    added_at: int


class TokenRequest(RequestBody):
    """A device to unlock, and the recorded payment that pays for its days."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"device": 3, "payment": 7}}
    )

    device: Id
    payment: Id


class TokenView(View):
    """Digits to be entered on the device; the rest of the payment stayed on the balance."""

    id: int
    device: int
    serial: str
    payment: int
    days: int
    amount_micro: int
    asset: str
    token: str
    at: int


@router.post("/paygo-devices", status_code=201)
async def add_device(body: DeviceRequest, access: Asking) -> DeviceView:
    """Add a device that takes OpenPAYGO tokens (operator)."""
    access.allow(Action.MANAGE)
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        asset = body.asset or await text_at(tx, Name.MONEY_ASSET, now)
        new = NewDevice(
            body.member, body.serial, bytes.fromhex(body.key), body.day_price_micro,
            Asset(asset), body.starting_code, body.counter, body.four_digits,
        )  # fmt: skip
        made = await paygo.add(tx, _vault(access), new, actor_of(access), now=now)
    return _device(made)


@router.get("/paygo-devices")
async def list_devices(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[DeviceView]:
    """List devices that take tokens, oldest first (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        found = await paygo.devices(tx, after=after, limit=limit)
    items = [_device(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.post("/paygo-tokens", status_code=201)
async def make_token(body: TokenRequest, access: Asking) -> TokenView:
    """Make the token that a payment pays for, or tell it again (operator)."""
    access.allow(Action.MANAGE)
    wish, now = Unlock(body.device, body.payment), int(access.site.now())
    async with access.site.database.transaction() as tx:
        vault, by = _vault(access), actor_of(access)
        return _token(await paygo.unlock(tx, vault, wish, by, now=now))


@router.get("/me/paygo-tokens")
async def list_own_tokens(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[TokenView]:
    """List the tokens of your devices, oldest first."""
    member = access.me(Action.PAY)
    async with access.site.database.reading() as tx:
        found = await paygo.tokens(tx, member=member, after=after, limit=limit)
    items = [_token(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


def _vault(access: Access) -> Vault:
    vault = access.site.vault
    if vault is None:
        detail = "this aggregator keeps no devices' keys: serve it with its keys folder"
        raise Problem(HTTPStatus.CONFLICT, "no-vault", detail)
    return vault


def _device(one: Device) -> DeviceView:
    return DeviceView(
        id=one.id,
        member=one.member,
        serial=one.serial,
        counter=one.counter,
        day_price_micro=one.day_price,
        asset=one.asset,
        four_digits=one.four_digits,
        added_at=one.added_at,
    )


def _token(one: Token) -> TokenView:
    return TokenView(
        id=one.id,
        device=one.device,
        serial=one.serial,
        payment=one.payment,
        days=one.days,
        amount_micro=one.amount,
        asset=one.asset,
        token=one.token,
        at=one.at,
    )
