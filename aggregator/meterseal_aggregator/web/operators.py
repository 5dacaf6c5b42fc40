"""Tokens and the trail of what operators did.

A token is shown when it is made and must never be shown again.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import (
    MAX_TOKEN_S,
    TOKEN_VALID_S,
    Act,
    Action,
    MemberId,
    Role,
    TokenInfo,
)
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import (
    AfterId,
    ById,
    Limit,
    Name,
    Page,
    RequestBody,
    View,
    cursor,
)

router = APIRouter(prefix="/v1", tags=["operators"])


class TokenRequest(RequestBody):
    """A token for a role; `member` with the role member, and only then."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"role": "member", "member": 3, "label": "phone"}}
    )

    role: Annotated[str, Field(pattern="^(operator|member|auditor|metrics)$")]
    label: Name
    member: Annotated[int | None, Field(ge=1, lt=1 << 63)] = None
    valid_s: Annotated[int, Field(ge=60, le=MAX_TOKEN_S)] = TOKEN_VALID_S


class NewTokenView(View):
    """A token, shown this once."""

    token: str
    expires_at: int


class TokenView(View):
    """A token without its secret; times are real Unix seconds."""

    id: int
    prefix: str
    role: str
    member: int | None
    label: str
    created_at: int
    expires_at: int
    revoked_at: int | None


class ActView(View):
    """One line of the operators' trail."""

    id: int
    at: int
    actor: str
    act: str
    object: str


@router.post("/tokens", status_code=201)
async def make_token(body: TokenRequest, access: Asking) -> NewTokenView:
    """Make a token (operator)."""
    access.allow(Action.MANAGE)
    role, now = Role(body.role), int(access.site.real_now())
    member = None if body.member is None else MemberId(body.member)
    new = identity.NewToken(role, body.label, now, now + body.valid_s, member)
    async with access.site.database.transaction() as tx:
        token = await identity.grant_token(tx, new, access.caller.prefix)
    return NewTokenView(token=token, expires_at=new.expires_at)


@router.get("/tokens")
async def list_tokens(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[TokenView]:
    """List tokens without their secrets (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        found = await identity.tokens(tx, after=after, limit=limit)
    items = [_token(token) for token in found]
    return Page(items=items, next=cursor(found, limit, _token_id))


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(token_id: ById, access: Asking) -> None:
    """End a token now (operator)."""
    access.allow(Action.MANAGE)
    now = int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        if not await identity.revoke_token(tx, token_id, now=now):
            raise not_found("token in force")
        what = f"token {token_id}"
        await identity.note(tx, access.caller.prefix, "revoke-token", what, now=now)


@router.get("/acts")
async def list_acts(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[ActView]:
    """List what operators did, oldest first (operator, auditor)."""
    access.allow(Action.SEE_TRAIL)
    async with access.site.database.reading() as tx:
        found = await identity.acts(tx, after=after, limit=limit)
    items = [
        ActView(id=act.id, at=act.at, actor=act.actor, act=act.act, object=act.object)
        for act in found
    ]
    return Page(items=items, next=cursor(found, limit, _act_id))


def _token(token: TokenInfo) -> TokenView:
    return TokenView(
        id=token.id,
        prefix=token.prefix,
        role=token.role.value,
        member=token.member,
        label=token.label,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
    )


def _token_id(token: TokenInfo) -> int:
    return token.id


def _act_id(act: Act) -> int:
    return act.id
