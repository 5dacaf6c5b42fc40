"""The ledger's audit: replay everything and compare; invariant 4 of ARCHITECTURE.

It trusts the transfers' order and nothing else: balances, holds, freezes and the hash
chain are made again from the first entry. This module must never write.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from meterseal_aggregator.ledger.assets import declared
from meterseal_aggregator.ledger.book import AccountKey, Book
from meterseal_aggregator.ledger.chain import START, entry_hash
from meterseal_aggregator.ledger.model import (
    Account,
    Asset,
    Entry,
    Frost,
    HoldState,
    Phase,
    TransferId,
)
from meterseal_aggregator.ledger.post import post
from meterseal_aggregator.ledger.store import (
    accounts,
    entries_after,
    frosts,
    hold_states,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

INVARIANT: Final = 4
"""The number of the ledger's invariant in ARCHITECTURE, "What must always hold"."""


@dataclass(slots=True)
class Replay:
    """A ledger made again from its entries: feed them in order to `enter`.

    `assets` are those of money; everything else comes from the entries.
    """

    assets: frozenset[Asset] = frozenset()
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    pending: dict[TransferId, Entry] = field(default_factory=dict)
    holds: dict[TransferId, HoldState] = field(default_factory=dict)
    frosts: dict[TransferId, Frost] = field(default_factory=dict)
    seq: int = 0
    hash: bytes = START

    def enter(self, seq: int, digest: bytes, entry: Entry) -> str:
        """Enter one more; returns what is wrong with it, or nothing."""
        if seq != self.seq + 1:
            return f"entry {self.seq + 1} is missing"
        self.hash = entry_hash(self.hash, seq, entry)
        self.seq = seq
        if self.hash != digest:
            return f"the hash of entry {seq} is not what its content and history give"
        # The members of a chain are in order and all there; each is tried by itself,
        # so a floor broken inside a chain shows as well.
        alone = replace(entry.transfer, linked=False)
        book = Book(self.accounts, self.pending, self.holds, self.frosts, self.assets)
        posting = post(book, [alone], now=entry.recorded_at)
        result = posting.results[0]
        if result.refusal is not None:
            return f"entry {seq} should have been refused: {result.refusal.name}"
        if result.amount != entry.transfer.amount:
            return f"entry {seq} moves {entry.transfer.amount}, not {result.amount}"
        self.accounts.update(posting.accounts)
        self.holds.update(posting.holds)
        self.frosts.update(posting.frosts)
        if entry.transfer.phase is Phase.HOLD:
            self.pending[entry.transfer.id] = entry
        return ""


async def findings(tx: Transaction) -> list[Finding]:
    """Replay the whole ledger and compare chain, balances, holds and sums per asset."""
    replay = Replay(await declared(tx))
    wrong = await _replay(tx, replay)
    if wrong:
        return [Finding(INVARIANT, ok=False, detail=f"ledger replay: {wrong}")]
    chain = f"{replay.seq} transfers replay to hash {replay.hash.hex()[:16]}"
    found = [Finding(INVARIANT, ok=True, detail=chain)]
    stored = await _stored_accounts(tx)
    found.append(_compare(stored, replay.accounts))
    found.append(await _compare_holds(tx, replay))
    return found + sums(stored.values())


async def _replay(tx: Transaction, replay: Replay) -> str:
    while page := await entries_after(tx, replay.seq):
        for seq, digest, entry in page:
            wrong = replay.enter(seq, digest, entry)
            if wrong:
                return wrong
    return ""


async def _stored_accounts(tx: Transaction) -> dict[AccountKey, Account]:
    found: dict[AccountKey, Account] = {}
    last = 0
    while page := await accounts(tx, after_id=last):
        last = page[-1][0]
        found.update(((a.asset, a.code), a) for _, a in page)
    return found


async def _compare_holds(tx: Transaction, replay: Replay) -> Finding:
    detail = f"{len(replay.holds)} holds stand as replayed"
    same = await hold_states(tx) == replay.holds
    if not same:
        detail = "the states of holds are not what the transfers give"
    elif await frosts(tx) != replay.frosts:
        same, detail = False, "frozen holds are not those the transfers freeze"
    return Finding(INVARIANT, ok=same, detail=detail)


def _compare(
    stored: dict[AccountKey, Account], replayed: dict[AccountKey, Account]
) -> Finding:
    if stored == replayed:
        detail = f"{len(stored)} accounts balance as their transfers say"
        return Finding(INVARIANT, ok=True, detail=detail)
    names = sorted(stored.keys() | replayed.keys())
    asset, code = next(k for k in names if stored.get(k) != replayed.get(k))
    kept, made = stored.get((asset, code)), replayed.get((asset, code))
    what = "does not balance" if _totals(kept) != _totals(made) else "is not frozen"
    detail = f"account {code} ({asset}) {what} as its transfers say"
    return Finding(INVARIANT, ok=False, detail=detail)


def _totals(account: Account | None) -> Account | None:
    return account and replace(account, frozen=0, thawed_at=0)


def sums(found: Iterable[Account]) -> list[Finding]:
    """Say for every asset whether debits equal credits, pending and posted apart."""
    posted: dict[Asset, int] = defaultdict(int)
    pending: dict[Asset, int] = defaultdict(int)
    for account in found:
        posted[account.asset] += account.debits_posted - account.credits_posted
        pending[account.asset] += account.debits_pending - account.credits_pending
    return [
        Finding(
            INVARIANT,
            ok=posted[asset] == 0 and pending[asset] == 0,
            detail=f"{asset}: debits less credits are {posted[asset]} posted,"
            f" {pending[asset]} pending",
        )
        for asset in sorted(posted)
    ]
