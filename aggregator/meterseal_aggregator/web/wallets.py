"""Members' own accounts on the chain: a challenge, its answer, and what is linked.

    POST /v1/me/wallet-challenges {"principal": "ST..."}      what the wallet signs
    POST /v1/me/wallets {"nonce": ..., "signature": ...}      linked

A wallet signs by SIP-018 (SIP-030's `stx_signMessage` takes `message` and `domain`): it
costs nothing and moves nothing. This module must never tell a member of another's wallets,
nor take a key.
"""

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity import wallets
from meterseal_aggregator.identity.model import Action, MemberId
from meterseal_aggregator.identity.wallets import Answer, Asker, Wallet
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import not_found, wrong_argument
from meterseal_aggregator.web.shapes import (
    AfterId,
    ById,
    Limit,
    Page,
    RequestBody,
    View,
    cursor,
)
from meterseal_proto.c32 import Principal

router = APIRouter(prefix="/v1/me", tags=["wallets"])

MAX_PRINCIPAL: Final = 90
"""An address and a contract's name; a longer text is neither."""
_ADDRESS: Final = "ST1R1DK09KR030JDQETCS45X91DES0C5SNCGSRJ6M"
PrincipalText = Annotated[str, Field(max_length=MAX_PRINCIPAL, examples=[_ADDRESS])]


class ChallengeRequest(RequestBody):
    """The account that is to be linked: the address of one key."""

    model_config = ConfigDict(json_schema_extra={"example": {"principal": _ADDRESS}})

    principal: PrincipalText


class ChallengeView(View):
    """What the account's key is to sign by `expires`, real Unix seconds.

    `message` and `domain` are the SIP-018 tuples in consensus bytes, hex; the other fields
    are what the message says.
    """

    network: str
    chain_id: int
    member: int
    principal: str
    nonce: str
    expires: int
    message: str
    domain: str


class LinkRequest(RequestBody):
    """The challenge's nonce, and the signature as wallets give it: r, s, recovery byte."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"nonce": "ec" * 32, "signature": "4c" * 64 + "00"}
        }
    )

    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{130}$")]


class WalletView(View):
    """A linked account; `to_at` null is still; real Unix seconds."""

    id: int
    principal: str
    from_at: int
    to_at: int | None


@router.post("/wallet-challenges", status_code=201)
async def ask_challenge(body: ChallengeRequest, access: Asking) -> ChallengeView:
    """Give out a challenge for an account, good for 15 minutes and for one answer."""
    who = _asker(access)
    principal = parse_principal(body.principal, "principal")
    now = int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        asked = await wallets.issue(tx, who, principal, now=now)
    return ChallengeView(
        network=asked.network.hex(),
        chain_id=who.chain_id,
        member=asked.member,
        principal=principal.text(),
        nonce=asked.nonce.hex(),
        expires=asked.expires,
        message=asked.message().hex(),
        domain=asked.domain(who.chain_id).hex(),
    )


@router.post("/wallets", status_code=201)
async def link_wallet(body: LinkRequest, access: Asking) -> WalletView:
    """Link the account whose key signed the challenge; the challenge is used up."""
    who = _asker(access)
    answer = Answer(bytes.fromhex(body.nonce), bytes.fromhex(body.signature))
    now = int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        return _view(await wallets.link(tx, who, answer, now=now))


@router.get("/wallets")
async def list_wallets(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[WalletView]:
    """List the caller's accounts, ended links too."""
    member = access.me(Action.USE_WALLETS)
    async with access.site.database.reading() as tx:
        return await wallet_page(tx, member, after, limit)


@router.delete("/wallets/{wallet_id}", status_code=204)
async def end_wallet(wallet_id: ById, access: Asking) -> None:
    """End a link: the account is nobody's here from now on."""
    member = access.me(Action.USE_WALLETS)
    now = int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        if not await wallets.end(tx, member, wallet_id, now=now):
            raise not_found("wallet of yours in force")


async def wallet_page(
    tx: Transaction, member: MemberId, after: int, limit: int
) -> Page[WalletView]:
    """Return a page of a member's links, for whoever may see him."""
    found = await wallets.wallets(tx, member, after=after, limit=limit)
    items = [_view(one) for one in found]
    return Page(items=items, next=cursor(found, limit, _id))


def parse_principal(text: str, where: str) -> Principal:
    """Return the principal that a body's field holds; raises the answer 422."""
    try:
        return Principal.parse(text)
    except ValueError as error:
        raise wrong_argument(where, str(error)) from None


def _asker(access: Access) -> Asker:
    member = access.me(Action.USE_WALLETS)
    access.pace(access.site.wallets)
    genesis = access.site.terms.genesis
    return Asker(member, genesis.network, genesis.chain_id)


def _view(one: Wallet) -> WalletView:
    return WalletView(
        id=one.id,
        principal=one.principal.text(),
        from_at=one.from_at,
        to_at=one.to_at,
    )


def _id(one: Wallet) -> int:
    return one.id
