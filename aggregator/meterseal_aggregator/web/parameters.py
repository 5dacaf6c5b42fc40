"""The network's parameters for its operator: what holds, what held, and from when something else.

    GET  /v1/parameters
    POST /v1/parameters/market_fee_micro {"value": 5000, "from_at": 1790000000}

A value is never changed, only followed by another, from now or later; only the first of its
name may begin in the past. This module must never let anybody but the operator say one.
"""

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import ConfigDict, Field, StrictInt, StrictStr

from meterseal_aggregator.billing.tariffs import governed
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.parameters import store
from meterseal_aggregator.parameters.model import MAX_TEXT, PARAMETERS, Name
from meterseal_aggregator.parameters.model import Value as Known
from meterseal_aggregator.parameters.store import Change, ParameterRefused
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import not_found, wrong_argument
from meterseal_aggregator.web.shapes import RequestBody, Second, View

router = APIRouter(prefix="/v1/parameters", tags=["parameters"])

MAX_NOTE: Final = 200
"""What a line of the operators' trail holds; the parameters' table has the whole value."""
Value = StrictInt | Annotated[StrictStr, Field(max_length=MAX_TEXT)]


class ParameterRequest(RequestBody):
    """A value, in the unit its name ends with, from a network second on; now if unsaid."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"value": 5_000, "from_at": 1_790_000_000}}
    )

    value: Value
    from_at: Second | None = None


class ChangeView(View):
    """A recorded value: it holds from `from_at` until the next; `by` recorded it."""

    value: Value
    from_at: int
    recorded_at: int
    by: str


class ParameterView(View):
    """A parameter: what holds now, what does where nobody said, between what, and why."""

    name: str
    value: Value
    default: Value
    low: int | None
    high: int | None
    reason: str


class ParameterDetail(ParameterView):
    """A parameter with every recorded value, oldest first; some may lie ahead."""

    history: list[ChangeView]


class ParametersView(View):
    """All parameters there are."""

    items: list[ParameterView]


@router.get("")
async def list_parameters(access: Asking) -> ParametersView:
    """List every parameter with the value in force (operator)."""
    access.allow(Action.MANAGE)
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        values = await store.values_at(tx, tuple(Name), now)
    return ParametersView(items=[_view(name, value) for name, value in values.items()])


@router.get("/{name}")
async def show_parameter(name: str, access: Asking) -> ParameterDetail:
    """Show a parameter and every value recorded of it (operator)."""
    access.allow(Action.MANAGE)
    known, now = _known(name), int(access.site.now())
    async with access.site.database.reading() as tx:
        value = await store.value_at(tx, known, now)
        changes = await store.history(tx, known)
    history = [
        ChangeView(
            value=one.value,
            from_at=one.from_at,
            recorded_at=one.recorded_at,
            by=one.recorded_by,
        )
        for one in changes
    ]
    return ParameterDetail(**_view(known, value).model_dump(), history=history)


@router.post("/{name}", status_code=201)
async def record_parameter(
    name: str, body: ParameterRequest, access: Asking
) -> ChangeView:
    """Record a value from a second on (operator); the grid not under promises made by it.

    Tariffs that are made of it get their next version in the same moment.
    """
    access.allow(Action.MANAGE)
    known, by = _known(name), access.caller.prefix
    now, real = int(access.site.now()), int(access.site.real_now())
    begin = now if body.from_at is None else body.from_at
    wish = Change(known, body.value, begin, now, by)
    async with access.site.database.transaction() as tx:
        try:
            await governed.change(tx, wish)
        except ParameterRefused as error:
            raise wrong_argument("value", str(error)) from None
        what = f"{known.value} = {body.value} from {begin}"
        await identity.note(tx, by, "parameter", what[:MAX_NOTE], now=real)
    return ChangeView(value=body.value, from_at=begin, recorded_at=now, by=by)


def _known(name: str) -> Name:
    try:
        return Name(name)
    except ValueError:
        raise not_found("parameter") from None


def _view(name: Name, value: Known) -> ParameterView:
    parameter = PARAMETERS[name]
    numeric = isinstance(parameter.default, int)
    return ParameterView(
        name=name.value,
        value=value,
        default=parameter.default,
        low=parameter.low if numeric else None,
        high=parameter.high if numeric else None,
        reason=parameter.reason,
    )
