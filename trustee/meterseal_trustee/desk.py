"""Where requests are decided: read, ask the rule, write, commit, and only then answer.

    desk = Desk(settings, secrets, database, now)
    signature = await desk.report(place, reported)

Each act is one transaction with its line of the log, durable before its answer leaves, so
after a power cut the same request gets the same answer and another one is still refused.
Where the set of a place should one day be read from the chain, `report` is the place: it
is the only one that takes a set from a request. This module must never answer from what a
request says where it has written down what it signed.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from meterseal_proto.chaintotal import ChainTotal
from meterseal_proto.reporting import (
    Act,
    Place,
    Reported,
    Roster,
    answer_digest,
    blame_digest,
    quarter_of,
    sign,
    statement,
)
from meterseal_proto.seedbox import Deposit, TrusteeKey
from meterseal_proto.totals import Mask, Masked, set_hash
from meterseal_proto.units import MeterId
from meterseal_trustee import rules, store
from meterseal_trustee.database import Database, Transaction
from meterseal_trustee.keys import TrusteeSecrets
from meterseal_trustee.masks import Opener
from meterseal_trustee.model import Answer, SignedSet
from meterseal_trustee.rules import Complaint, Refused, Trouble

CHAIN_TOTAL: Final = "chain-total"
"""What the log calls a total that was signed for the chain."""
MAX_WAITING: Final = 64
"""Proposed rosters that wait for a person; nobody compares more."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a trustee was set up for: `network` 32 bytes, the three trustees' pinned keys.

    With `by_hand` a person countersigns rosters, else a roster that fits is signed at once.
    """

    network: bytes
    chain_id: int
    zone: ZoneInfo
    trustees: tuple[TrusteeKey, ...]
    by_hand: bool = True


@dataclass(frozen=True, slots=True)
class Countersigned:
    """A roster's hash, and our signature once it is countersigned."""

    roster: bytes
    signature: bytes | None


@dataclass(frozen=True, slots=True)
class Shown:
    """Commitments to the masks of single meters, by meter and seed, and our signature."""

    commitments: Mapping[MeterId, Mapping[int, bytes]]
    signature: bytes


class Desk:
    """One open trustee."""

    def __init__(
        self,
        settings: Settings,
        secrets: TrusteeSecrets,
        database: Database,
        now: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.public = secrets.public
        self.database = database
        self._sign_key = secrets.sign
        self._chain_key = secrets.chain
        self._opener = Opener(secrets.box, settings.network, secrets.public.number)
        self._now = now

    def place(self, cell: str, day: int) -> Place:
        """Return the place of a cell and day of our network; Refused for an odd name."""
        rules.check_cell(cell)
        return Place(self.settings.network, cell, day)

    async def deposit(self, deposit: Deposit) -> bytes:
        """Keep a meter's seeds; returns our signature over the deposit."""
        network, meter = self.settings.network, deposit.meter
        async with self.database.transaction() as tx:
            known = (await store.deposits(tx, [meter])).get(meter)
            try:
                alike = self._opener.alike(deposit, known or deposit)
            except ValueError as error:
                raise Refused(Trouble.BAD_DEPOSIT, str(error)) from None
            rules.check_deposit(deposit, network, self.public, other_seeds=not alike)
            if known is None:
                await store.add_deposit(tx, deposit)
                await self._say(tx, Act.DEPOSIT, {"meter": meter.hex()})
        return self._signature(Act.DEPOSIT, deposit.digest(network, self.public.box))

    async def propose(self, roster: Roster) -> Countersigned:
        """Take a roster in; it is countersigned now, or waits for a person."""
        digest = roster.hash()
        async with self.database.transaction() as tx:
            standing = await store.roster_at(tx, roster.cell, roster.quarter)
            if standing is not None:
                if standing[0] != digest:
                    raise Refused(
                        Trouble.ANOTHER_ROSTER, "that cell has another roster"
                    )
                return Countersigned(*standing)
            await self._check(tx, roster)
            if await store.proposal(tx, roster.network, digest) is None:
                if len(await store.waiting(tx)) >= MAX_WAITING:
                    text = "too many rosters wait to be countersigned"
                    raise Refused(Trouble.TOO_MANY_WAITING, text)
                await store.add_proposal(tx, roster)
            if self.settings.by_hand:
                return Countersigned(digest, None)
            return await self._countersign(tx, roster)

    async def countersign(self, digest: bytes) -> Countersigned:
        """Countersign a proposed roster: a person of the trustee says it is true."""
        async with self.database.transaction() as tx:
            roster = await store.proposal(tx, self.settings.network, digest)
            if roster is None:
                raise Refused(Trouble.NO_ROSTER, "no roster with that hash is here")
            standing = await store.roster_at(tx, roster.cell, roster.quarter)
            if standing is not None:
                if standing[0] != digest:
                    raise Refused(
                        Trouble.ANOTHER_ROSTER, "that cell has another roster"
                    )
                return Countersigned(*standing)
            await self._check(tx, roster)
            return await self._countersign(tx, roster)

    async def report(self, place: Place, reported: Sequence[Reported]) -> SignedSet:
        """Sign the one set of a place; the same set again has the same signature."""
        day = rules.day_span(place.day, self.settings.zone)
        try:
            stated = statement(place, reported, self.settings.chain_id)
        except ValueError as error:
            raise Refused(Trouble.REPEATED, str(error)) from None
        async with self.database.transaction() as tx:
            standing = await store.set_at(tx, place.cell, place.day)
            if standing is not None:
                if standing.statement != stated:
                    raise Refused(
                        Trouble.ANOTHER_SET, "another set of that place is signed"
                    )
                return standing
            members = await store.members(tx, place.cell, quarter_of(place.day))
            rules.check_set(place, reported, members, day, self._now())
            places = [one.place() for one in reported]
            rules.check_apart(
                reported,
                await store.reported_on(tx, place.day),
                await store.used(tx, places),
            )
            signature = self._signature(Act.SET, stated)
            made = SignedSet(place.cell, place.day, tuple(reported), stated, signature)
            await store.add_set(tx, made)
            await self._say(tx, Act.SET, _named(made) | {"meters": len(reported)})
        return made

    async def answer(
        self, place: Place, stated: bytes, signatures: Sequence[bytes]
    ) -> Answer:
        """Answer the sums of masks of a place's set, once all three trustees signed it."""
        async with self.database.transaction() as tx:
            signed = await self._signed(tx, place, stated)
            rules.check_signatures(self.settings.trustees, stated, signatures)
            found = await store.answer_at(tx, place.cell, place.day, self.public.number)
            if found is not None:
                return found
            held = await self._held(tx, signed.reported)
            sums = await asyncio.to_thread(self._opener.sums, held)
            signature = self._signature(Act.MASKS, answer_digest(stated, sums))
            made = Answer(sums, tuple(signatures), signature)
            await store.add_answer(tx, place.cell, place.day, made)
            await self._say(tx, Act.MASKS, _named(signed) | spelled(sums))
        return made

    async def blame(
        self,
        place: Place,
        stated: bytes,
        complaint: Complaint,
        meters: Collection[MeterId],
    ) -> Shown:
        """Show commitments to single meters' masks of a set whose total is not right."""
        async with self.database.transaction() as tx:
            signed = await self._signed(tx, place, stated)
            own = await store.answer_at(tx, place.cell, place.day, self.public.number)
            if own is None:
                raise Refused(Trouble.NOT_ANSWERED, "nothing was answered for that set")
            other = self.settings.trustees[complaint.trustee]
            rules.check_complaint(complaint, stated, own.sums, signed.reported, other)
            asked = [one for one in signed.reported if one.header.meter in meters]
            if not asked or len(asked) != len(meters):
                raise Refused(Trouble.NOT_A_MEMBER, "a meter is not of that set")
            held = await self._held(tx, asked)
            shown = await asyncio.to_thread(self._opener.commitments, held)
            fresh = shown.keys() - await store.blamed(tx, place.day)
            if fresh:
                await store.add_blamed(tx, place.cell, place.day, fresh)
                named = {"shown": sorted(meter.hex() for meter in fresh)}
                await self._say(tx, Act.BLAME, _named(signed) | named)
        return Shown(shown, self._signature(Act.BLAME, blame_digest(stated, shown)))

    async def vouch(self, place: Place, stated: bytes, total: Masked) -> bytes:
        """Sign a set's proved total for the chain's contract; again gives the same bytes.

        The total is public once it is proved, and one number alone opens a sum: the
        signature tells nobody more. 65 bytes, `meterseal_proto.chaintotal`.
        """
        async with self.database.transaction() as tx:
            signed = await self._signed(tx, place, stated)
            await asyncio.to_thread(rules.check_total, total, signed.reported)
            standing = await store.chain_total_at(tx, place.cell, place.day)
            if standing is not None:
                return standing[1]
            chain_id = self.settings.chain_id
            made = chain_total(place, signed.reported, total.value, chain_id)
            signature = made.sign(self._chain_key, chain_id)
            await store.add_chain_total(
                tx, place.cell, place.day, total.value, signature
            )
            told = _named(signed) | {"usage": total.value}
            await store.say(tx, int(self._now()), CHAIN_TOTAL, told)
        return signature

    async def _check(self, tx: Transaction, roster: Roster) -> None:
        this = quarter_of(rules.day_of(self._now(), self.settings.zone))
        found = await store.deposits(tx, roster.members.keys())
        keys = {meter: deposit.key for meter, deposit in found.items()}
        elsewhere = await store.placed(tx, roster.quarter, roster.cell)
        rules.check_roster(roster, keys, elsewhere, this)

    async def _countersign(self, tx: Transaction, roster: Roster) -> Countersigned:
        digest = roster.hash()
        signature = self._signature(Act.ROSTER, digest)
        await store.add_roster(tx, roster, signature)
        said: dict[str, object] = {"cell": roster.cell, "quarter": roster.quarter}
        await self._say(tx, Act.ROSTER, said | {"roster": digest.hex()})
        return Countersigned(digest, signature)

    async def _signed(self, tx: Transaction, place: Place, stated: bytes) -> SignedSet:
        signed = await store.set_at(tx, place.cell, place.day)
        if signed is None:
            raise Refused(Trouble.NO_SUCH_SET, "no set of that place is signed")
        if signed.statement != stated:
            raise Refused(Trouble.ANOTHER_SET, "another set of that place is signed")
        return signed

    async def _held(
        self, tx: Transaction, reported: Sequence[Reported]
    ) -> list[tuple[Deposit, Reported]]:
        found = await store.deposits(tx, [one.header.meter for one in reported])
        return [(found[one.header.meter], one) for one in reported]

    def _signature(self, act: Act, digest: bytes) -> bytes:
        return sign(self._sign_key, act, digest)

    async def _say(self, tx: Transaction, act: Act, said: dict[str, object]) -> None:
        await store.say(tx, int(self._now()), act.name.lower(), said)


def chain_total(
    place: Place, reported: Sequence[Reported], usage: int, chain_id: int
) -> ChainTotal:
    """Return a set's total as the chain's contract knows it."""
    rows = [(one.header.meter, one.header.digest(chain_id)) for one in reported]
    named = set_hash(place.network, place.cell, place.day, rows)
    return ChainTotal(place, named, len(rows), usage)


def spelled(sums: Mapping[int, Mask]) -> dict[str, object]:
    """Return sums of masks as the log and the API write them, hex by seed number."""
    return {
        "sums": {
            str(seed): {
                "value": mask.value.to_bytes(32).hex(),
                "blinding": mask.blinding.to_bytes(32).hex(),
            }
            for seed, mask in sorted(sums.items())
        }
    }


def _named(signed: SignedSet) -> dict[str, object]:
    return {
        "cell": signed.cell,
        "day": signed.day,
        "statement": signed.statement.hex(),
    }
