"""What an operator does by hand: enrol a home, make a token, set a parameter.

Each deed is one transaction with its line in the operators' trail. This module must
never print: it returns what there is to say, and secrets are returned exactly once.
"""

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_aggregator.app.house import House
from meterseal_aggregator.app.keys import keep_new
from meterseal_aggregator.billing.tariffs.governed import change
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.market.model import Declined
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name, Value
from meterseal_aggregator.registry import certificates, write
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.enrol import issue_code
from meterseal_aggregator.registry.model import (
    CODE_VALID_S,
    CodeGrant,
    CodeKind,
    Refused,
    Tenancy,
    Trouble,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.errors import Unavailable
from meterseal_proto.topics import check_name

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class EnrolRequest:
    """A home to prepare: who, where, which agent, how much power is plausible, certified.

    `from_at` is when the tenancy and certification begin, in the network's Unix seconds;
    None is the last midnight UTC.
    """

    member: str
    point: str
    agent: str
    capacity_w: int
    certified_w: int | None = None
    from_at: int | None = None
    valid_s: int = CODE_VALID_S
    kind: CodeKind = CodeKind.ENROLMENT


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What was made: the one-time `code` and the numbers of member and meter point."""

    code: str
    member_id: int
    meter_point_id: int
    agent: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token to make: its role, for which member, what for, and for how many days."""

    role: Role
    member: str | None
    label: str
    days: int


async def enrol(house: House, request: EnrolRequest) -> Enrolled:
    """Make the member, the meter point, tenancy and certification where missing, and a code.

    Raises Refused, also for an agent's name that cannot stand in a topic.
    """
    try:
        check_name(request.agent)
    except ValueError as error:
        raise Refused(Trouble.BAD_REQUEST, str(error)) from None
    now, real = int(house.now()), int(house.real_now())
    begin = now - now % DAY_S if request.from_at is None else request.from_at
    async with house.database.transaction() as tx:
        member = await _member(tx, request.member, real)
        point = await _point(tx, request.point, now)
        await _settle(tx, request, (member, point), begin, now=now)
        grant = CodeGrant(
            0,
            request.kind,
            request.agent,
            point,
            request.capacity_w,
            real + request.valid_s,
        )
        code = await issue_code(tx, grant, created_at=real)
        act = f"code-{request.kind.value}"
        await identity.note(tx, operator(), act, grant.told, now=real)
    return Enrolled(code, member, point, request.agent, grant.expires_at)


async def make_token(house: House, request: TokenRequest) -> str:
    """Make a token and return it, once. Raises TokenRefused, Refused for the member."""
    real = int(house.real_now())
    async with house.database.transaction() as tx:
        member_id = None
        if request.member is not None:
            known = await identity.member_named(tx, request.member)
            if known is None:
                raise Refused(
                    Trouble.NOT_FOUND, f"there is no member named {request.member!r}"
                )
            member_id = known.id
        new = identity.NewToken(
            request.role, request.label, real, real + request.days * DAY_S, member_id
        )
        return await identity.grant_token(tx, new, operator())


async def set_parameter(
    house: House, name: Name, value: Value, from_at: int | None
) -> int:
    """Record a parameter's value from a second on (None: now); returns that second.

    An asset of money it names is one the ledger knows from now on.
    Raises ParameterRefused, also where what was promised or paid stands against it.
    """
    now, real = int(house.now()), int(house.real_now())
    begin = now if from_at is None else from_at
    wish = parameters.Change(name, value, begin, now, operator())
    async with house.database.transaction() as tx:
        try:
            await change(tx, wish)
        except Declined as declined:
            raise parameters.ParameterRefused(declined.detail) from None
        what = f"{name.value} = {value} from {begin}"
        await identity.note(tx, operator(), "parameter", what, now=real)
    return begin


async def issue_certificate(
    house: House, name: str, path: Path, *, server: bool
) -> None:
    """Write a key and a certificate of the device CA to a new file, mode 0600.

    For a broker that agents connect to (`server`), or for ourselves at that broker.
    Raises Refused, and Unavailable when the file is there or cannot be written.
    """
    real = int(house.real_now())
    pem = house.keys.authority.issue(name, server=server, real_now=real)
    try:
        keep_new(path, pem)
    except FileExistsError:
        raise Unavailable(f"{path} exists; nothing was written") from None
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
    async with house.database.transaction() as tx:
        what = f"{'server' if server else 'client'} {name}"
        await identity.note(tx, operator(), "certificate", what, now=real)


def operator() -> str:
    """Return who is at the command line, for the trail."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


async def _member(tx: Transaction, name: str, real: int) -> MemberId:
    known = await identity.member_named(tx, name)
    return known.id if known else await identity.add_member(tx, name, now=real)


async def _point(tx: Transaction, name: str, now: int) -> int:
    known = await registry.meter_point_named(tx, name)
    return known.id if known else await write.add_meter_point(tx, name, now=now)


async def _settle(
    tx: Transaction,
    request: EnrolRequest,
    place: tuple[MemberId, int],
    begin: int,
    *,
    now: int,
) -> None:
    """Begin the tenancy and the certification of a member's point where none is open yet."""
    member, point = place
    held = await registry.tenancies(tx, meter_point_id=point)
    tenants = {tenancy.member_id for tenancy in held if tenancy.to_at is None}
    if tenants - {member}:
        raise Refused(
            Trouble.OVERLAP,
            f"meter point {request.point!r} has another tenant; end that tenancy first",
        )
    if not tenants:
        await write.begin_tenancy(tx, Tenancy(member, point, begin, None))
    if request.certified_w is not None:
        certified = await registry.certified_w(tx, point, member)
        if certified is None:
            wish = certificates.Grant(point, request.certified_w, begin)
            await certificates.grant(tx, wish, operator(), now=now)
        elif certified != request.certified_w:
            raise Refused(
                Trouble.OVERLAP,
                f"{request.point!r} is certified for {certified} W already",
            )
