"""The outbox of an account: what is wanted on the chain is done there once, whatever fails.

    async with database.transaction() as tx:
        await deeds.want(tx, Wish(account.address, "anchor 4711", call), now=now)
    done = await run_once(database, node, account, limits, now)     # again and again

One transaction before each act, one after; between them anything may end. A run looks at
the chain once, at one tip, and takes the step that `plan` says for each deed, if the deed is
still what it was: a runner whose lease ran out may be at it too. This module
must never send what is not written down, nor decide anything that `plan` does not.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.node.port import (
    Found,
    InBlock,
    Node,
    Refused,
    Tip,
    Why,
)
from meterseal_aggregator.stacks.outbox import deeds, troubles
from meterseal_aggregator.stacks.outbox.asking import Questions
from meterseal_aggregator.stacks.outbox.deeds import Open, Try, Wish
from meterseal_aggregator.stacks.outbox.plan import (
    MAX_IN_FLIGHT,
    Do,
    Limits,
    Look,
    Step,
    next_nonce,
    next_step,
)
from meterseal_aggregator.stacks.outbox.troubles import Kind, Trouble
from meterseal_aggregator.stacks.transaction import (
    AccountKey,
    Network,
    Transaction,
    Transfer,
)
from meterseal_aggregator.storage.database import Database
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.errors import Unavailable

LOOKS: Final = 3
"""Looks begun anew because a block came meanwhile: blocks take seconds, a look parts of one."""
DEAF: Final = 3
"""Deeds a node gives no answer about, and about no other, before a run ends."""
_HELD_ALREADY: Final = (Why.NONCE, Why.RIVAL)
"""The nonce is used, or as dear a transaction is held: the next look says whose."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """Who signs, on which chain."""

    network: Network
    key: AccountKey = field(repr=False)

    @property
    def principal(self) -> Principal:
        """The account as a principal."""
        return Principal(self.key.address(self.network))

    @property
    def address(self) -> str:
        """The account's address as text."""
        return self.principal.text()


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did: steps taken, and the deeds that could not be judged or sent, and why."""

    steps: int
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A look at one tip: what the rule reads, the answers behind it, deeds in dispute."""

    look: Look
    found: Mapping[str, Found]
    disputed: Mapping[str, str]


async def run_once(
    database: Database,
    node: Node,
    account: Account,
    limits: Limits,
    now: int,
    contracts: Deployment | None = None,
) -> Done:
    """Take the step that is due for each open deed at Unix second `now`.

    With `contracts` it asks them before a deed's first transaction whether they would
    refuse it. Raises Unavailable when there is no look at the chain to be had; what is
    then undone is done by the next run.
    """
    who = account.principal
    questions = Questions(node, who, contracts)
    runner = _Runner(database, node, account, limits, now, questions, who, who.text())
    return await runner.run()


@dataclass(frozen=True, slots=True)
class _Runner:
    database: Database
    node: Node
    account: Account
    limits: Limits
    now: int
    questions: Questions
    who: Principal
    address: str
    met: dict[tuple[int, Kind], str] = field(default_factory=dict)
    over: set[tuple[int, Kind]] = field(default_factory=set)

    async def run(self) -> Done:
        async with self.database.reading() as tx:
            unsettled = await deeds.unsettled(tx, self.address)
        seen = await self._look(unsettled)
        steps = await self._revive(seen.look.nonce)
        for one in unsettled:
            with self._noting(one):
                disputed = _first(one, seen.disputed)
                if disputed is not None:
                    raise Unavailable(disputed)
                steps += await self._advance(one, seen)
        await self._note_troubles()
        names = {one.deed.id: one.name for one in unsettled}
        told = (f"{names[deed_id]}: {why}" for (deed_id, _), why in self.met.items())
        return Done(steps, tuple(told))

    @contextmanager
    def _noting(self, one: Open) -> Iterator[None]:
        """Note that a deed could not be judged: that stops no other."""
        try:
            yield
        except (Unavailable, Refused) as error:
            _log.warning("deed_waits", deed=one.name, why=str(error))
            self.met[one.deed.id, Kind.UNHEARD] = str(error)
        else:
            self.over.add((one.deed.id, Kind.UNHEARD))

    async def _note_troubles(self) -> None:
        """Write down what keeps deeds from going on, and forget what no longer does."""
        met = [Trouble(*key, why) for key, why in self.met.items()]
        async with self.database.reading() as tx:
            known = await troubles.known(tx, self.address)
        over = known & self.over - self.met.keys()
        if met or over:
            async with self.database.transaction() as tx:
                await troubles.clear(tx, over)
                await troubles.note(tx, met, now=self.now)

    async def _look(self, unsettled: list[Open]) -> _Seen:
        """Ask about every attempt, between two answers that the tip is the same."""
        wanted = [[a.txid for a in one.deed.attempts] for one in unsettled]
        tip = await self.node.info()
        for _ in range(LOOKS):
            seen = await self._ask(tip, wanted)
            after = await self.node.info()
            if after == tip:
                return seen
            tip = after
        raise Unavailable("the chain moves on while it is looked at")

    async def _ask(self, tip: Tip, wanted: list[list[str]]) -> _Seen:
        found: dict[str, Found] = {}
        disputed: dict[str, str] = {}
        for txids in wanted:
            for txid in txids:
                try:
                    found[txid] = await self.node.found(txid)
                except Unavailable as error:
                    disputed[txid] = str(error)
                    if len(disputed) >= DEAF and not found:
                        raise
                    break
        nonce = await self.node.nonce(self.who)
        places = {
            txid: one.block if isinstance(one, InBlock) else one
            for txid, one in found.items()
        }
        return _Seen(Look(tip.height, nonce, places), found, disputed)

    async def _revive(self, nonce: int) -> int:
        """Send again what was settled, when the chain expects its nonce as if it were new.

        That is a fork deeper than the depth we believe, or a node that fell behind; the
        same bytes are right for both.
        """
        async with self.database.reading() as tx:
            lost = await deeds.gone(tx, self.address, nonce)
            given = await deeds.given(tx, self.address, nonce)
        if given and nonce not in given:
            _log.error("nonce_that_nobody_fills", nonce=nonce, behind=len(given))
            await self._fill(nonce)
        for txid, raw in lost:
            _log.error("settled_deed_gone", txid=txid, nonce=nonce)
            await self._hand_in(txid, raw)
        return len(lost)

    async def _fill(self, nonce: int) -> None:
        """Want something that does nothing under a nonce for which ours wait."""
        wish = Wish(
            self.address, f"fill nonce {nonce} of {self.address}", self._nothing()
        )
        async with self.database.transaction() as tx:
            await deeds.want(tx, wish, now=self.now)

    async def _advance(self, one: Open, seen: _Seen) -> int:
        deed = one.deed
        price = await self._price(one) if self._needs_price(one, seen.look) else 0
        step = next_step(deed, seen.look, self.now, price, self.limits)
        if step.do is Do.WAIT:
            self._warn(one, seen.look)
            return 0
        if step.do in (Do.PRICE, Do.CANCEL):
            if await self._held(one, step.fee):
                return 0
            return await self._make(one, step, seen.look)
        if step.do is Do.SEND:
            async with self.database.reading() as tx:
                raw = await deeds.raw(tx, step.txid)
            await self._send(one, step.txid, raw)
            return 1
        return await self._note(one, step, seen)

    async def _held(self, one: Open, fee: int) -> bool:
        """Tell whether what is asked first says no to a deed that has no nonce yet."""
        if one.deed.nonce is not None:
            return False
        why = await self.questions.why_not(one.payload.raw, fee)
        if why is None:
            self.over.add((one.deed.id, Kind.HELD))
            return False
        _log.warning("deed_held", deed=one.name, why=why)
        self.met[one.deed.id, Kind.HELD] = why
        return True

    def _needs_price(self, one: Open, look: Look) -> bool:
        attempts = one.deed.attempts
        if not attempts:
            return True
        old = self.now - attempts[-1].made_at >= self.limits.bump_after_s
        return old and look.nonce == one.deed.nonce

    def _warn(self, one: Open, look: Look) -> None:
        """Say when a deed waits for a person: it may not pay what the chain asks."""
        deed = one.deed
        capped = bool(deed.attempts) and deed.attempts[-1].fee >= self.limits.fee_cap
        if capped and deed.seen is None and self._needs_price(one, look):
            fee = deed.attempts[-1].fee
            _log.warning("deed_stuck_at_the_fee_cap", deed=one.name, fee=fee)

    async def _price(self, one: Open) -> int:
        bare = self._transaction(one, nonce=0, fee=0)
        length = len(bare.serialized(bytes(20), bytes(65)))
        return (await self.node.fee(one.payload.raw, length)).middle

    async def _make(self, one: Open, step: Step, look: Look) -> int:
        """Sign at a price, write that down, and send it; 0 while all nonces are out."""
        cancels = step.do is Do.CANCEL
        async with self.database.transaction() as tx:
            if not await deeds.unchanged(tx, one):
                return 0
            nonce = one.deed.nonce
            if nonce is None:
                given = await deeds.given(tx, self.address, look.nonce)
                nonce = next_nonce(look, given)
            if nonce >= look.nonce + MAX_IN_FLIGHT:
                return 0
            wish = self._cancelling if cancels else self._transaction
            made = wish(one, nonce=nonce, fee=step.fee).signed(self.account.key)
            what = Try(nonce, step.fee, cancels)
            await deeds.attempt(tx, one.deed.id, made, what, now=self.now)
        if cancels:
            _log.error("deed_cancelled", deed=one.name, nonce=nonce, txid=made.txid)
        await self._send(one, made.txid, made.raw)
        return 1

    def _transaction(self, one: Open, *, nonce: int, fee: int) -> Transaction:
        network = self.account.network
        return Transaction(network, nonce, fee, one.payload, one.conditions)

    def _cancelling(self, one: Open, *, nonce: int, fee: int) -> Transaction:
        del one
        return Transaction(self.account.network, nonce, fee, self._nothing())

    def _nothing(self) -> Transfer:
        """Return what does nothing: the least amount, for the address that nobody has."""
        nobody = Address(self.who.address.version, bytes(20))
        return Transfer(Principal(nobody), 1)

    async def _send(self, one: Open, txid: str, raw: bytes) -> None:
        """Hand in an attempt; keep that, and what was said against it, in one piece."""
        refused = await self._hand_in(txid, raw)
        deed_id = one.deed.id
        async with self.database.transaction() as tx:
            await deeds.sent(tx, txid, now=self.now)
            if refused is not None and refused.why not in _HELD_ALREADY:
                kind = Kind.POSTPONED if refused.why.passes else Kind.REFUSED
                met = Trouble(deed_id, kind, refused.detail)
                await troubles.note(tx, [met], now=self.now)
            else:
                await troubles.accepted(tx, deed_id)

    async def _hand_in(self, txid: str, raw: bytes) -> Refused | None:
        """Send bytes; that a node refuses them is for the next look to understand."""
        try:
            await self.node.send(raw)
        except Refused as refused:
            event = _log.warning if refused.why.passes else _log.error
            event("transaction_refused", txid=txid, why=refused.detail)
            return refused
        return None

    async def _note(self, one: Open, step: Step, seen: _Seen) -> int:
        deed_id = one.deed.id
        async with self.database.transaction() as tx:
            if not await deeds.unchanged(tx, one):
                return 0
            match step.do:
                case Do.SEE:
                    assert step.block is not None
                    found = seen.found[step.block.txid]
                    assert isinstance(found, InBlock)
                    await deeds.see(tx, deed_id, found)
                case Do.UNSEE:
                    await deeds.unsee(tx, deed_id)
                case Do.TAKEN:
                    await deeds.taken(tx, deed_id, height=seen.look.tip)
                case Do.RENUMBER:
                    await troubles.accepted(tx, deed_id)
                    await deeds.renumber(tx, deed_id)
                case _:
                    assert step.block is not None
                    ok = one.deed.done_by(step.block)
                    await deeds.settle(tx, deed_id, ok=ok, now=self.now)
        _tell(one, step)
        return 1


def _tell(one: Open, step: Step) -> None:
    """Log what an operator would read aloud, and what he must look into."""
    if step.do is Do.SETTLE and step.block is not None:
        ok = one.deed.done_by(step.block)
        event = _log.info if ok else _log.error
        event("deed_settled", deed=one.name, txid=step.block.txid, ok=ok)
    elif step.do is Do.RENUMBER:
        _log.error("nonce_used_by_a_stranger", deed=one.name, nonce=one.deed.nonce)
    elif step.do is Do.UNSEE:
        _log.warning("deed_unseen", deed=one.name, seen=one.deed.seen)


def _first(one: Open, disputed: Mapping[str, str]) -> str | None:
    for attempt in one.deed.attempts:
        if attempt.txid in disputed:
            return disputed[attempt.txid]
    return None
