"""What a member may do on the chain, handed out for his own wallet to sign.

    GET  /v1/me/calls                               which functions, and what they take
    POST /v1/me/calls/energy-token.retire           the request, the bytes, the words

We keep no member's key: a browser's wallet takes `request` (SIP-030, `stx_callContract`),
any other `unsigned`, and whoever signs reads `words` first. Both say the same, in Deny mode:
what the words do not name cannot move. This module must never hand out a call for an
account that is not the caller's, nor one of no member's.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field, JsonValue
from pydantic.config import JsonDict

from meterseal_aggregator.identity import wallets
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.wallet.handover import NotHandedOut, hand_over
from meterseal_aggregator.stacks.wallet.membercalls import (
    CALLS,
    MemberCall,
    NoSuchCall,
    made,
)
from meterseal_aggregator.stacks.wallet.typed import Wrong
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import (
    no_chain,
    no_wallet,
    not_found,
    not_handed_out,
    wrong_argument,
)
from meterseal_aggregator.web.shapes import RequestBody, View
from meterseal_aggregator.web.wallets import PrincipalText, parse_principal
from meterseal_proto.c32 import Principal

router = APIRouter(prefix="/v1/me/calls", tags=["wallets"])

MAX_NONCE: Final = 1 << 48
Function = Annotated[
    str, Path(pattern=r"^[a-z-]{1,40}\.[a-z-]{1,40}$", examples=["energy-token.retire"])
]
_EXAMPLE: Final[JsonDict] = {
    "arguments": {
        "amount": 1_000, "beneficiary": "33" * 32, "start": 1_790_000_100,
        "end": 1_790_001_000,
    }
}  # fmt: skip


class CallRequest(RequestBody):
    """A call's arguments by name, as `GET /v1/me/calls` lists them.

    `principal` says which account is to sign, where several are linked; `nonce` that of
    the next transaction, where some still wait for a block.
    """

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    arguments: dict[str, JsonValue]
    principal: PrincipalText | None = None
    nonce: Annotated[int | None, Field(ge=0, le=MAX_NONCE)] = None


class HandoutView(View):
    """What a wallet is given. `fee` in micro-STX; nothing is signed, nothing was sent."""

    function: str
    principal: str
    nonce: int
    fee: int
    request: Mapping[str, JsonValue]
    unsigned: str
    words: list[str]


class CallView(View):
    """A function, what it does and moves, and what to write for each argument."""

    function: str
    about: str
    arguments: dict[str, str]


class CallsView(View):
    """What members may call."""

    items: list[CallView]


@router.get("")
async def list_calls(access: Asking) -> CallsView:
    """List what a member may do on the chain, with the arguments of each."""
    access.me(Action.USE_WALLETS)
    return CallsView(items=[_call(name, one) for name, one in CALLS.items()])


@router.post("/{function}")
async def hand_out(
    function: Function, body: CallRequest, access: Asking
) -> HandoutView:
    """Hand out a call of a function for the caller's own wallet to sign and send."""
    member = access.me(Action.USE_WALLETS)
    access.pace(access.site.wallets)
    door = access.site.chain
    if door is None:
        raise no_chain()
    async with access.site.database.reading() as tx:
        linked = [one.principal for one in await wallets.current(tx, member)]
    account = _account(linked, body.principal)
    call = _made(door.contracts, account, function, body.arguments)
    try:
        found = await hand_over(door, call, account.address, body.nonce)
    except NotHandedOut as error:
        raise not_handed_out(str(error)) from None
    return HandoutView(
        function=function,
        principal=account.text(),
        nonce=found.nonce,
        fee=found.fee,
        request=_json(found.given.request),
        unsigned=found.given.unsigned.hex(),
        words=list(found.given.words),
    )


def _made(at: Deployment, me: Principal, function: str, given: object) -> Call:
    """Return the call; raises the answer that names the argument that is wrong."""
    try:
        return made(at, me, function, given)
    except NoSuchCall:
        raise not_found("call of a member: GET /v1/me/calls lists them") from None
    except Wrong as wrong:
        raise wrong_argument(wrong.where, wrong.detail) from None


def _account(linked: list[Principal], wanted: str | None) -> Principal:
    """Return the account that is to sign; raises the answer where there is none, or many."""
    if wanted is not None:
        found = parse_principal(wanted, "principal")
        if found not in linked:
            raise no_wallet("this account is not linked to you: link it first")
        return found
    if not linked:
        raise no_wallet("link a wallet first: POST /v1/me/wallet-challenges")
    if len(linked) > 1:
        raise no_wallet("several wallets are linked: say which by `principal`")
    return linked[0]


def _call(name: str, one: MemberCall) -> CallView:
    return CallView(function=name, about=one.about, arguments=one.words())


def _json(request: Mapping[str, object]) -> Mapping[str, JsonValue]:
    """Return the request as JSON has it: texts and lists of texts."""
    found: dict[str, JsonValue] = {}
    for name, value in request.items():
        found[name] = [str(v) for v in value] if isinstance(value, list) else str(value)
    return found
