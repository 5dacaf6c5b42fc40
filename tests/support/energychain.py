"""`energy-token` in memory: does the deeds that are wanted, and tells as the contract does.

It asserts what contracts/energy-token.clar asserts, in its order and with its codes, so
a history that passes here meets nothing new there. What it printed waits in `told`.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.calls.token import Claim, Slot
from meterseal_aggregator.stacks.events.energy import (
    EnergyClaimed,
    EnergyMinted,
    EnergyMoved,
    EnergyRetired,
    EnergyReversed,
    EpochPosted,
)
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror import blocks
from meterseal_aggregator.stacks.mirror.blocks import Following
from meterseal_aggregator.stacks.mirror.indexer import Settled
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.transaction import AccountKey, Network
from meterseal_aggregator.stacks.withdrawals.rules import leaf
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import (
    TRUE,
    Buffer,
    Err,
    List,
    Ok,
    UInt,
    Value,
    decode,
    encode,
)
from meterseal_proto.merkle import verify_inclusion

CHAIN = Network.of(0x80000000)
DEPLOYER = AccountKey(hashlib.sha256(b"energy deployer").digest()).address(CHAIN)
AT = Deployment(DEPLOYER)
ORACLE = Principal(AccountKey(hashlib.sha256(b"energy oracle").digest()).address(CHAIN))


def wallet(number: int) -> Principal:
    """The principal of member `number`."""
    return Principal(Address(26, number.to_bytes(20)))


class Refused(Exception):
    """The contract answers (err code)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Issuance:
    owner: Principal
    amount: int
    reversed: int = 0


@dataclass
class Epoch:
    root: bytes
    size: int
    total: int
    claimed: int = 0


@dataclass
class EnergyChain:
    """The contract's state, whom it certified, and what it told."""

    network: bytes
    issued: dict[bytes, Issuance] = field(default_factory=dict)
    registers: dict[tuple[int, int], tuple[str, int]] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    claims: set[tuple[int, int]] = field(default_factory=set)
    balances: dict[Principal, int] = field(default_factory=dict)
    debts: dict[Principal, int] = field(default_factory=dict)
    uncertified: set[Principal] = field(default_factory=set)
    paused: bool = False
    told: list[Settled] = field(default_factory=list)
    nonce: int = 0

    @property
    def supply(self) -> int:
        return sum(self.balances.values())

    async def run(self, database: Database, most: int = 1_000) -> int:
        """Do the deeds that are wanted, in order, each to its end; returns how many."""
        async with database.reading() as tx:
            wanted = await deeds.unsettled(tx, ORACLE.text())
        for one in wanted[:most]:
            txid = hashlib.sha256(b"deed %d" % self.nonce).hexdigest()
            function, arguments = _call(one.payload.raw)
            try:
                result: Value = Ok(self._do(function, arguments, txid))
            except Refused as refused:
                result = Err(UInt(refused.code))
            ok = isinstance(result, Ok)
            state = "confirmed" if ok else "failed"
            height = 1 + len(self.told)
            place = (one.deed.id, txid, height, "b" * 64, int(ok), encode(result))
            async with database.transaction() as tx:
                await tx.rows(
                    "INSERT INTO attempts (deed_id, txid, nonce, fee, raw, made_at)"
                    " VALUES (?, ?, ?, 1, ?, 0)",
                    (one.deed.id, txid, self.nonce, one.payload.raw),
                )
                await tx.rows(
                    "INSERT INTO seen (deed_id, txid, height, block_id, ok, result)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    place,
                )
                await tx.rows(
                    "UPDATE deeds SET state = ?, nonce = ?, settled_at = 0 WHERE id = ?",
                    (state, self.nonce, one.deed.id),
                )
            self.nonce += 1
        return len(wanted[:most])

    def _do(self, function: str, given: list[Value], txid: str) -> Value:
        values = [_plain(one) for one in given]
        match function:
            case "mint":
                owner, point, register, start, end, revision, amount = values
                assert revision == 0
                return UInt(
                    self.mint(owner, Slot(point, register, start, end), amount, txid)
                )
            case "reverse":
                mint_id, revision, amount = values
                assert revision == 0
                return UInt(self.reverse(mint_id, amount, txid))
            case "post-epoch":
                number, root, size, total = values
                self.post_epoch(number, root, size, total, txid)
                return TRUE
        raise AssertionError(function)

    def mint(self, owner: Principal, slot: Slot, amount: int, txid: str) -> int:
        name = b"meterseal-mint" + self.network
        for part in (slot.meter_point, slot.register, slot.start):
            name += part.to_bytes(8)
        mint_id = hashlib.sha256(name).digest()
        place = (slot.meter_point, slot.register)
        way, through = self.registers.get(place, ("direct", 0))
        self._need(301, not self.paused)
        self._need(302, amount > 0)
        self._need(308, owner not in self.uncertified)
        self._need(307, way == "direct")
        self._need(305, mint_id not in self.issued)
        self._need(306, slot.start >= through)
        self.issued[mint_id] = Issuance(owner, amount)
        self.registers[place] = ("direct", slot.end)
        fields = (slot.meter_point, slot.register, slot.start, slot.end)
        self.tell(txid, EnergyMinted(mint_id, 0, owner, amount, *fields))
        return self._issue(owner, amount)

    def reverse(self, mint_id: bytes, amount: int, txid: str) -> int:
        self._need(309, mint_id in self.issued)
        known = self.issued[mint_id]
        self._need(301, not self.paused)
        self._need(302, 0 < amount <= known.amount - known.reversed)
        known.reversed += amount
        burned = min(amount, self.balances.get(known.owner, 0))
        self._add(known.owner, -burned)
        self.debts[known.owner] = self.debts.get(known.owner, 0) + amount - burned
        self.tell(txid, EnergyReversed(mint_id, 0, known.owner, amount, burned))
        return burned

    def post_epoch(
        self, epoch: int, root: bytes, size: int, total: int, txid: str
    ) -> None:
        self._need(301, not self.paused)
        self._need(312, epoch == len(self.epochs) + 1)
        self.epochs.append(Epoch(root, size, total))
        self.tell(txid, EpochPosted(epoch, root, size, total))

    def claim(self, of: Claim, siblings: tuple[bytes, ...], txid: str) -> int:
        self._need(309, 0 < of.epoch <= len(self.epochs))
        posted = self.epochs[of.epoch - 1]
        slot = of.slot
        place = (slot.meter_point, slot.register)
        way, through = self.registers.get(place, ("epoch", 0))
        self._need(301, not self.paused)
        proved = verify_inclusion(
            leaf(AT, of), of.index, posted.size, siblings, posted.root
        )
        self._need(310, proved)
        self._need(311, (of.epoch, of.index) not in self.claims)
        self._need(310, of.amount <= posted.total - posted.claimed)
        self._need(307, way == "epoch")
        self._need(306, slot.start >= through)
        self._need(308, of.owner not in self.uncertified)
        self.claims.add((of.epoch, of.index))
        self.registers[place] = ("epoch", slot.end)
        posted.claimed += of.amount
        fields = (slot.meter_point, slot.register, slot.start, slot.end)
        self.tell(txid, EnergyClaimed(of.epoch, of.index, of.owner, of.amount, *fields))
        return self._issue(of.owner, of.amount)

    def retire(self, holder: Principal, amount: int, name: bytes, txid: str) -> None:
        self._need(301, not self.paused)
        self._need(303, 0 < amount <= self.balances.get(holder, 0))
        self._add(holder, -amount)
        self.tell(txid, EnergyRetired(holder, amount, name, 900, 1_800))

    def transfer(
        self, amount: int, sender: Principal, to: Principal, txid: str
    ) -> None:
        self._need(303, 0 < amount <= self.balances.get(sender, 0) and sender != to)
        self._add(sender, -amount)
        self._add(to, amount)
        self.tell(txid, EnergyMoved(amount, sender, to))

    def _issue(self, owner: Principal, amount: int) -> int:
        repaid = min(amount, self.debts.get(owner, 0))
        self.debts[owner] = self.debts.get(owner, 0) - repaid
        self._add(owner, amount - repaid)
        return amount - repaid

    def _add(self, holder: Principal, amount: int) -> None:
        self.balances[holder] = self.balances.get(holder, 0) + amount

    def tell(self, txid: str, told: Told) -> None:
        """Print, deep enough at once."""
        number = len(self.told)
        block = hashlib.sha256(b"block %d" % number).hexdigest()
        self.told.append(Settled(number + 2, block, txid, 0, told))

    def _need(self, code: int, holds: bool) -> None:
        if not holds:
            raise Refused(code)


async def heard_of(tx: Transaction, events: int) -> None:
    """Note that so many events were heard, as the indexer notes up to which block."""
    if await blocks.following(tx) is None:
        await blocks.begin(tx, Following(AT.address.text(), 1, 0, 1, 0))
    await tx.rows("UPDATE chain_state SET settled = ?", (events + 1,))


def _call(raw: bytes) -> tuple[str, list[Value]]:
    """The function and arguments of a contract call's payload (SIP-005)."""
    at = 23 + raw[22]
    end = at + 1 + raw[at]
    values = decode(b"\x0b" + raw[end:])
    assert isinstance(values, List)
    return raw[at + 1 : end].decode(), list(values.items)


def _plain(value: Value) -> Any:  # Any: a contract's argument, of its own type
    match value:
        case UInt(plain) | Buffer(plain):
            return plain
        case _:
            return value
