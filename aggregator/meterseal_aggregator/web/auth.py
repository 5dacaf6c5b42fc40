"""Who is asking: the bearer token of a request, and whether its role may do this.

A route that is not for everybody takes `Asking` and calls `allow` before it tells or
does anything. This module must never tell why a token is no good.
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action, Caller, MemberId, may
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import Span
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.limits import Rate
from meterseal_aggregator.web.problems import (
    forbidden,
    not_found,
    too_many,
    unauthorized,
)
from meterseal_aggregator.web.shapes import Site, parse_register

_BEARER = HTTPBearer(auto_error=False, description="A token made by the operator")


def site_of(request: Request) -> Site:
    """Return what the composition root gave the app."""
    site = request.app.state.site
    assert isinstance(site, Site)
    return site


TheSite = Annotated[Site, Depends(site_of)]
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


@dataclass(frozen=True, slots=True)
class Access:
    """A request by a known caller."""

    caller: Caller
    site: Site

    def allow(self, action: Action, *, owns: bool = False) -> None:
        """Go on if the caller may; raises the answer 403."""
        if not may(self.caller.role, action, owns=owns):
            raise forbidden()

    def allow_member(self, action: Action, member_id: int) -> None:
        """Go on if the caller may do this to a member; raises the answer 403."""
        self.allow(action, owns=self.caller.member == member_id)

    def me(self, action: Action) -> MemberId:
        """Return the member who asks for what is his own; raises the answer 403."""
        self.allow(action, owns=True)
        if self.caller.member is None:
            raise forbidden()
        return self.caller.member

    def pace(self, rate: Rate) -> None:
        """Count a request of this member; raises the answer 429."""
        now = asyncio.get_running_loop().time()
        wait_s = rate.wait_s(f"member {self.caller.member}", now)
        if wait_s > 0:
            raise too_many(wait_s)

    async def own_spans(self, tx: Transaction, meter: bytes) -> list[Span]:
        """Return the caller's own times of a meter's registers; none for other roles."""
        if self.caller.member is None:
            return []
        spans = await registry.spans(tx, self.caller.member)
        return [span for span in spans if span.meter == meter]

    async def spans(self, tx: Transaction, meter: bytes, action: Action) -> list[Span]:
        """Return the registers of a meter and the times the caller may see of them.

        Raises the answer 403, also to a member for a meter that does not exist.
        """
        own = await self.own_spans(tx, meter)
        self.allow(action, owns=bool(own))
        return own or await registry.all_spans(tx, meter)

    async def register_spans(
        self, tx: Transaction, meter: str, register: str, action: Action
    ) -> list[Span]:
        """Return the times of one register that the caller may see, at least one.

        `meter` in hex and `register` as an OBIS code, as paths have them. Raises the
        answers 403 and 404.
        """
        code = parse_register(register)
        found = await self.spans(tx, bytes.fromhex(meter), action)
        mine = [span for span in found if span.register == code]
        if not mine:
            raise not_found("register")
        return mine


async def asking(site: TheSite, bearer: _Bearer) -> Access:
    """Return who asks; raises the answer 401."""
    if bearer is None:
        raise unauthorized("send a token: Authorization: Bearer ...")
    now = int(site.real_now())
    async with site.database.reading() as tx:
        caller = await identity.caller(tx, bearer.credentials, now=now)
    if caller is None:
        raise unauthorized("this token is not known, has expired or was revoked")
    return Access(caller, site)


Asking = Annotated[Access, Depends(asking)]
