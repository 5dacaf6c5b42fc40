"""What can be asked for nothing before a transaction pays for the same no.

    questions = Questions(node, account, contracts)      # for one run
    await questions.why_not(payload, fee)                # None: nothing speaks against it

Each question is asked once a run, whatever many deeds wait for its answer. A yes promises
nothing: a contract may be paused a block later. This module must never sign or send.
"""

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.node.port import Node, Refused
from meterseal_aggregator.stacks.outbox.accounts import ChainRole
from meterseal_aggregator.stacks.outbox.guards import GUARDS, Guard
from meterseal_aggregator.stacks.transaction import called
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import FALSE, NONE, TRUE, Ascii, Value


class Questions:
    """Asks `node` about one account, and about `contracts` where they are known."""

    def __init__(
        self, node: Node, who: Principal, contracts: Deployment | None
    ) -> None:
        self._node = node
        self._who = who
        self._contracts = contracts
        self._balance: int | None = None
        self._answers: dict[str, str | None] = {}

    async def why_not(self, payload: bytes, fee: int) -> str | None:
        """Say why a first transaction of this payload would fail now; raises Unavailable."""
        if self._balance is None:
            self._balance = await self._node.balance(self._who)
        if self._balance < fee:
            return (
                f"the account holds {self._balance} micro-STX and the fee is {fee}:"
                f" send STX to {self._who.text()}"
            )
        call = called(payload)
        if call is None or self._contracts is None:
            return None
        contract, function = call
        name = f"{contract.name}.{function}"
        if contract.address != self._contracts.address or name not in GUARDS:
            return None
        if name not in self._answers:
            self._answers[name] = await self._guarded(contract, GUARDS[name])
        return self._answers[name]

    async def _guarded(self, contract: Principal, guard: Guard) -> str | None:
        try:
            if (
                guard.rests
                and await self._asked("roles", "is-paused", contract) != FALSE
            ):
                return f"{contract.text()} is paused: a guardian resumes it"
            if not await self._holds(guard.role):
                return (
                    f"{self._who.text()} is not its {guard.role.value}: the admin grants"
                    " the role, or another key belongs in [stacks]"
                )
        except Refused as refused:
            return f"{refused}: does [stacks] name the right address of our contracts?"
        return None

    async def _holds(self, role: ChainRole) -> bool:
        if role is ChainRole.ORACLE:
            return await self._asked("energy-oracle", "is-oracle", self._who) == TRUE
        if role is ChainRole.CERTIFIER:
            certification = "producer-certification"
            level = await self._asked(certification, "get-certifier-level", self._who)
            return level != NONE
        name = Ascii(role.value)
        return await self._asked("roles", "has-role", name, self._who) == TRUE

    async def _asked(self, contract: str, function: str, *arguments: Value) -> Value:
        assert self._contracts is not None
        where = self._contracts.contract(contract)
        return await self._node.call(where, function, arguments)
