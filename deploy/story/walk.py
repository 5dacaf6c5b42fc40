"""Walking a chain as a service does: each deed named, through the outbox, read strictly.

    walk = Walk(books, node, devnet, limits, say)
    number = await walk.does(Person("buyer", account), escrow.open_trade(...), "why")
    await walk.refused(somebody, call, 606, "not with oneself")

Each person's deeds are in one outbox: `books`, or where `elsewhere` says, which while
`driven` somebody else pushes. The walk wants a deed, pushes the outbox, lets the devnet make
blocks, and prints one line once the deed lies deep. Whatever ends otherwise than it should
is Stumbled. This module must never sign anything itself, nor believe what lies less deep
than its limits say.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.node.port import InBlock, Node
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import Outcome, State, Wish
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account, run_once
from meterseal_aggregator.stacks.transaction import Condition, ContractCall, Deploy
from meterseal_aggregator.storage.database import Database
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Err, Ok, Optional, UInt, Value
from meterseal_proto.errors import Unavailable

PUSHES: Final = 60
"""Looks at the chain before a deed is called stuck: a month of proofs takes a dozen."""
DRIVEN_S: Final = 0.3
"""Between two looks at an outbox that a service pushes."""
TRIES: Final = 5
"""Times that a question is asked of a busy machine."""
SHOWN: Final = 24
"""Characters of an answer in a line."""


class Stumbled(Exception):
    """A deed or an answer that is not what the story needs; one sentence says which."""


class Chain(Protocol):
    """What a rehearsal can do to its chain, and no stranger to another."""

    def mine(self, blocks: int = 0) -> None:
        """Mine what waits, then so many empty blocks."""
        ...

    def later(self, seconds: int) -> None:
        """Let the chain's clock go on."""
        ...

    def now(self) -> int:
        """What the chain's clock shows, Unix seconds."""
        ...


class Deed(Protocol):
    """What a transaction does, of which contract, and all that it may move."""

    @property
    def contract(self) -> Principal:
        """The contract that is called or published."""
        ...

    @property
    def function(self) -> str:
        """What of it is called."""
        ...

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What may move."""
        ...

    @property
    def payload(self) -> ContractCall | Deploy:
        """What a transaction carries."""
        ...


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, and the name that lines give them."""

    name: str
    account: Account

    @property
    def principal(self) -> Principal:
        """Who they are on the chain."""
        return self.account.principal


@dataclass(frozen=True, slots=True)
class Step:
    """A deed of somebody, and what to say of it."""

    who: Person
    call: Deed
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A deed that was done: by whom, which function of which contract, its transaction.

    `token` is the name of the token that it moved, where it moved one.
    """

    who: str
    function: str
    txid: str
    token: str = ""


@dataclass(slots=True)
class Walk:
    """The way through a story. `name` begins the name of every deed; `lines` are all done."""

    books: Database
    node: Node
    chain: Chain
    limits: Limits
    say: Callable[[str], None]
    name: str = "story"
    elsewhere: dict[str, Database] = field(default_factory=dict)
    driven: bool = False
    lines: list[Line] = field(default_factory=list)
    steps: int = 0
    troubles: list[str] = field(default_factory=list)

    def chapter(self, title: str) -> None:
        """Say what comes."""
        self.say(f"\n{title}")

    async def does(self, who: Person, call: Deed, note: str = "") -> Value:
        """Do what has to succeed; returns its value."""
        (value,) = await self.do([Step(who, call, note)])
        return value

    async def do(self, steps: Sequence[Step]) -> list[Value]:
        """Do together what has to succeed, in order for each person; returns the values."""
        values = []
        for step, outcome in zip(steps, await self._settled(steps), strict=True):
            if outcome.state is not State.CONFIRMED or not isinstance(
                outcome.result, Ok
            ):
                raise Stumbled(
                    f"{_title(step)} ended {outcome.state.value}: {outcome.result}"
                )
            txid = self._told(step, outcome)
            token = _token(step.call)
            self.lines.append(Line(step.who.name, _function(step.call), txid, token))
            values.append(outcome.result.value)
        return values

    async def refused(self, who: Person, call: Deed, code: int, note: str = "") -> None:
        """Do what the contract has to refuse with this error."""
        step = Step(who, call, note)
        (outcome,) = await self._settled([step])
        if outcome.state is not State.FAILED or outcome.result != Err(UInt(code)):
            raise Stumbled(
                f"{_title(step)} was not refused as u{code}: {outcome.result}"
            )
        self._told(step, outcome)

    async def broken(self, who: Person, call: Deed) -> None:
        """Do what its own post-conditions have to stop: the contract says yes, and nothing moves."""
        step = Step(who, call, "stopped by its post-conditions")
        (outcome,) = await self._settled([step])
        if outcome.state is not State.FAILED or not isinstance(outcome.result, Ok):
            raise Stumbled(f"{_title(step)} was not stopped: {outcome.state.value}")
        self._told(step, outcome)

    async def seen(self, who: str, function: str, txid: str, note: str) -> Value:
        """Wait until a transaction that somebody else sent lies deep; returns its value."""
        for _ in range(PUSHES):
            self.chain.mine(self.limits.depth)
            try:
                found, tip = await self.node.found(txid), await self.node.info()
            except Unavailable as why:
                self.troubles.append(str(why))
                continue
            if isinstance(found, InBlock) and (
                tip.height - found.block.height >= self.limits.depth
            ):
                if not found.block.ok or not isinstance(found.result, Ok):
                    raise Stumbled(f"{function} by {who} ended {found.result}")
                self.noted(who, function, txid, note, found.result)
                return found.result.value
            await self.pause()
        raise Stumbled(f"{function} by {who} is in no block")

    def noted(
        self, who: str, function: str, txid: str, note: str, result: Value | None = None
    ) -> None:
        """Print and keep the line of a deed that was done."""
        self.lines.append(Line(who, function, txid))
        self._print(who, function, txid, note, result)

    async def pause(self) -> None:
        """Leave a service the time to look."""
        await asyncio.sleep(DRIVEN_S)

    async def reads(self, at: Deployment, function: str, *arguments: Value) -> Value:
        """Ask a read-only function, `CONTRACT.FUNCTION`."""
        contract, _, name = function.partition(".")
        for _ in range(TRIES):
            try:
                return await self.node.call(at.contract(contract), name, arguments)
            except Unavailable as why:
                self.troubles.append(str(why))
                await self.pause()
        raise Stumbled(f"{function} is not answered: {self.troubles[-1]}")

    async def sees(
        self,
        at: Deployment,
        function: str,
        arguments: Sequence[Value],
        wanted: Value,
        note: str,
    ) -> None:
        """Ask a read-only function and hold it to what it has to answer."""
        found = await self.reads(at, function, *arguments)
        if found != wanted:
            raise Stumbled(f"{function} answers {found}, not {wanted}")
        self.say(f"     {function}: {note}")

    def later(self, seconds: int, why: str) -> None:
        """Let the chain's clock go on."""
        self.chain.later(seconds)
        at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self.chain.now()))
        self.say(f"     the chain's clock shows {at}: {why}")

    async def _settled(self, steps: Sequence[Step]) -> list[Outcome]:
        """Want the steps, and push until each lies deep or is refused for good."""
        names = [await self._want(step) for step in steps]
        accounts = {step.who.account.address: step.who.account for step in steps}
        for _ in range(PUSHES):
            for account in accounts.values():
                await self._push(account)
            found = [
                await self._outcome(step, name)
                for step, name in zip(steps, names, strict=True)
            ]
            if all(one.state in (State.CONFIRMED, State.FAILED) for one in found):
                return found
            self.chain.mine(self.limits.depth)
        last = self.troubles[-1:] or ["nothing was said"]
        raise Stumbled(f"{_title(steps[-1])} did not settle: {last[0]}")

    async def _want(self, step: Step) -> str:
        self.steps += 1
        name = f"{self.name} {self.steps:03d} {_function(step.call)}"
        call = step.call
        wish = Wish(step.who.account.address, name, call.payload, call.conditions)
        async with self._books(step.who.account).transaction() as tx:
            await deeds.want(tx, wish, now=int(time.time()))
        return name

    async def _push(self, account: Account) -> None:
        if self.driven and account.address in self.elsewhere:
            await self.pause()
            return
        now, books = int(time.time()), self._books(account)
        try:
            done = await run_once(books, self.node, account, self.limits, now)
        except Unavailable as why:
            # Blocks come four a second: on a busy machine no look is quick enough.
            self.troubles.append(str(why))
            await self.pause()
            return
        if done.troubles:
            raise Stumbled("; ".join(done.troubles))

    async def _outcome(self, step: Step, name: str) -> Outcome:
        async with self._books(step.who.account).reading() as tx:
            found = await deeds.outcome(tx, name)
        assert found is not None
        return found

    def _books(self, account: Account) -> Database:
        return self.elsewhere.get(account.address, self.books)

    def _told(self, step: Step, outcome: Outcome) -> str:
        assert outcome.block is not None
        txid = outcome.block.txid
        function = _function(step.call)
        self._print(step.who.name, function, txid, step.note, outcome.result)
        return txid

    def _print(
        self, who: str, function: str, txid: str, note: str, result: Value | None
    ) -> None:
        line = f"{who:10} {function:47} {_shown(result):{SHOWN}} 0x{txid}"
        self.say(f"     {line}{'  ' + note if note else ''}")


def number(value: Value) -> int:
    """Return an answer that has to be a number; Stumbled for any other."""
    if not isinstance(value, UInt):
        raise Stumbled(f"a number was to be answered, not {value}")
    return value.value


def _function(call: Deed) -> str:
    return f"{call.contract.name}.{call.function}"


def _token(call: Deed) -> str:
    """Return the name of the first token that a deed may move."""
    tokens = (one.asset.name for one in call.conditions if one.asset is not None)
    return next(tokens, "")


def _title(step: Step) -> str:
    return f"{_function(step.call)} by {step.who.name}"


def _shown(result: Value | None) -> str:
    match result:
        case Ok(inner):
            return f"ok {_bare(inner)}"
        case Err(inner):
            return f"err {_bare(inner)}"
    return _bare(result)


def _bare(value: Value | None) -> str:
    match value:
        case None:
            return "-"
        case UInt(number):
            return f"u{number}"
        case Optional(inner):
            return "none" if inner is None else _bare(inner)
    text = getattr(value, "value", value)
    text = f"0x{text.hex()}" if isinstance(text, bytes) else str(text).lower()
    return text if len(text) <= SHOWN - 4 else f"{text[: SHOWN - 7]}..."
