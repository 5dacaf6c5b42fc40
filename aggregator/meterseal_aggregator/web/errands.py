"""Bills that an operator asks of private meters' devices, and how each request stands.

Asking is the operator's; how it stands, whose meter it is sees as well: what was asked of
his device is his to know. The device decides, and gives a reason of a closed list. This
module must never tell an amount: the bill itself does, to whom it is for.
"""

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.privacy.errands import store
from meterseal_aggregator.privacy.errands.model import BillRequest, State
from meterseal_aggregator.privacy.model import Cause, NotTaken
from meterseal_aggregator.privacy.tariffs import tariff_named
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import MeterRegister
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.shapes import (
    AfterId,
    Limit,
    MeterHex,
    Obis,
    Page,
    RequestBody,
    Second,
    View,
    cursor,
    parse_register,
)
from meterseal_proto.errand import BillAsked
from meterseal_proto.privatefile import MAX_DAYS
from meterseal_proto.seal import MODE_COMMITTED

router = APIRouter(prefix="/v1", tags=["private"])

DAY_S: Final = 86_400


class BillWish(RequestBody):
    """The bill that is wanted: [`begin`, `end`) in Unix seconds, at a published tariff."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "begin": 1_790_000_000,
                "end": 1_792_592_000,
                "tariff": "5f" * 32,
            }
        }
    )

    begin: Second
    end: Second
    tariff: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BillRequestView(View):
    """A request: `state` asked, billed or refused; `reason` is the device's own.

    `sent_at` is when the device was last asked, `answered_at` when it refused;
    `not_taken` the cause for which a bill it sent was not taken; `bill` the kept one's id.
    """

    id: int
    begin: int
    end: int
    tariff: str
    state: State
    reason: str | None
    asked_at: int
    sent_at: int | None
    answered_at: int | None
    not_taken: str | None
    bill: int | None


@router.post("/meters/{meter}/registers/{register}/bill-requests", status_code=201)
async def ask_bill(
    meter: MeterHex, register: Obis, body: BillWish, access: Asking
) -> BillRequestView:
    """Ask a device for a bill; asked again after a refusal it is asked anew."""
    access.allow(Action.MANAGE)
    site = access.site
    now, code = int(site.now()), parse_register(register)
    tariff = bytes.fromhex(body.tariff)
    async with site.database.transaction() as tx:
        of = await _committed(tx, bytes.fromhex(meter), code)
        asked = BillAsked(of.meter, code, body.begin, body.end, tariff)
        await _check(tx, asked, now)
        found = await store.ask(tx, of.register_id, asked, now)
        what = f"meter {meter} {register} from {asked.begin} to {asked.end}"
        at = int(site.real_now())
        await identity.note(tx, access.caller.prefix, "ask-bill", what, now=at)
    return _view(found)


@router.get("/meters/{meter}/registers/{register}/bill-requests")
async def list_requests(
    meter: MeterHex,
    register: Obis,
    access: Asking,
    after: AfterId = 0,
    limit: Limit = 100,
) -> Page[BillRequestView]:
    """List the requests of a register that are all the caller's own, by id."""
    async with access.site.database.reading() as tx:
        spans = await access.register_spans(tx, meter, register, Action.SEE_READINGS)
        found = await store.of_register(
            tx, spans[0].register_id, after=after, limit=limit
        )
    mine = (
        one
        for one in found
        if any(span.holds(one.asked.begin, one.asked.end) for span in spans)
    )
    items = [_view(one) for one in mine]
    return Page(items=items, next=cursor(found, limit, lambda one: one.id))


async def _committed(tx: Transaction, meter: bytes, register: int) -> MeterRegister:
    for one in await registry.registers(tx, meter):
        if one.register == register and one.mode == MODE_COMMITTED:
            return one
    raise NotTaken(Cause.REGISTER, "no committed register of that name is enrolled")


async def _check(tx: Transaction, asked: BillAsked, now: int) -> None:
    """Raise NotTaken for what no device could ever sign."""
    if not 0 < asked.end - asked.begin <= MAX_DAYS * DAY_S:
        raise NotTaken(Cause.PERIOD, f"a bill is over up to {MAX_DAYS} days")
    if asked.end > now:
        raise NotTaken(Cause.PERIOD, "the period is not over")
    tariff = await tariff_named(tx, asked.tariff)
    if tariff is None:
        raise NotTaken(Cause.TARIFF, "no tariff of that hash is published")
    if tariff.valid_from > asked.begin:
        raise NotTaken(Cause.TARIFF, "the tariff is not valid when the period begins")


def _view(found: BillRequest) -> BillRequestView:
    asked = found.asked
    return BillRequestView(
        id=found.id,
        begin=asked.begin,
        end=asked.end,
        tariff=asked.tariff.hex(),
        state=found.state,
        reason=None if found.why is None else found.why.text,
        asked_at=found.asked_at,
        sent_at=found.sent_at,
        answered_at=found.said_at,
        not_taken=found.not_taken,
        bill=found.bill,
    )
