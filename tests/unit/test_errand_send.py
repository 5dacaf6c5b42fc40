"""What private meters' agents are told: in order, again when unanswered, never for nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meterseal_aggregator.privacy import deposits, tariffs
from meterseal_aggregator.privacy.errands import store
from meterseal_aggregator.privacy.errands.send import (
    AGAIN_S,
    REST_S,
    Messenger,
    Voice,
)
from meterseal_aggregator.privacy.trustees.pinned import pin
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.translog import sequencer
from meterseal_proto.errand import BillAsked, BillRefused, NoBill, SeedDeposits
from meterseal_proto.errand_down import DownErrand, SeedsKept, TariffTold, open_told
from meterseal_proto.reporting import Act
from meterseal_proto.seedbox import deposited
from meterseal_proto.units import IMPORT
from tests.support.committed import SEEDS, CommittedDevice, committed_device, flat
from tests.support.devices import GENESIS, device
from tests.support.errands import PINNED, TRUSTEES, kept_by_all
from tests.support.frontdesk import NOW, RECEIPT_KEY, FrontDesk, front_desk
from tests.support.witnessing import cosign_head

FLAT, NIGHT = flat(250_000), flat(240_000, "night")
ORIGIN = "street.example/log"
LOG = sequencer.LogKey(ORIGIN, RECEIPT_KEY)


@dataclass
class Room:
    """A street of private homes and one open one, and who of them is there."""

    front: FrontDesk
    homes: list[CommittedDevice]
    there: set[str] = field(default_factory=lambda: {"pi-1", "pi-2", "pi-3"})
    heard: list[tuple[str, DownErrand]] = field(default_factory=list)
    tried: int = 0
    now: int = NOW

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        voice = Voice(GENESIS.network, RECEIPT_KEY, self._tell)
        self.messenger = Messenger(self.front.database, voice)

    @property
    def db(self) -> Database:
        return self.front.database

    def _tell(self, agent: str, payload: bytes) -> bool:
        self.tried += 1
        if agent not in self.there:
            return False
        told = open_told(payload, GENESIS.network, RECEIPT_KEY.public_key())
        self.heard.append((agent, told))
        return True

    async def run(self, after_s: int = 0) -> list[tuple[str, DownErrand]]:
        """Run the duty later; returns what was heard."""
        self.now += after_s
        self.heard.clear()
        assert await self.messenger.run_once(self.now) == len(self.heard)
        return list(self.heard)

    async def publish(self, *found: object, witnessed: bool = True) -> None:
        async with self.db.transaction() as tx:
            for tariff in (FLAT, NIGHT):
                if not found or tariff in found:
                    await tariffs.publish(tx, tariff.document(), now=NOW)
        await sequencer.run_once(self.db, LOG, NOW)
        if witnessed:
            await cosign_head(self.db, NOW)

    def asked(self, home: CommittedDevice) -> BillAsked:
        return BillAsked(home.meter, IMPORT, 0, 86_400, FLAT.hash())

    async def ask(self, home: CommittedDevice) -> None:
        async with self.db.transaction() as tx:
            await store.ask(tx, home.register_id, self.asked(home), self.now)

    async def refuse(self, home: CommittedDevice) -> None:
        no = BillRefused.sign(
            home.key, GENESIS.network, self.asked(home), NoBill.TOO_SHORT
        )
        async with self.db.transaction() as tx:
            assert await store.refuse(tx, home.register_id, no, self.now)

    async def new_key(self, home: CommittedDevice) -> None:
        self.now += 1
        async with self.db.transaction() as tx:
            await tx.rows(
                "INSERT INTO meter_keys (meter_id, algorithm, public, enrolled_at)"
                " SELECT id, 'secp256k1', ?, ? FROM meters WHERE meter = ?",
                (committed_device(77).key.public.raw, self.now, home.meter),
            )

    async def known(self, agent: str, digest: bytes) -> None:
        async with self.db.transaction() as tx:
            assert await store.note_known(tx, agent, digest, self.now)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    homes = [committed_device(n, agent=f"pi-{n}") for n in (1, 2)]
    async with front_desk(tmp_path, [*homes, device(9, agent="pi-3")]) as front:
        yield Room(front, homes)


async def test_a_tariff_is_told_to_private_meters_agents_once_it_is_cosigned(
    room: Room,
) -> None:
    await room.publish(FLAT, witnessed=False)
    assert await room.run() == []
    await cosign_head(room.db, NOW)
    heard = await room.run()
    assert [agent for agent, _ in heard] == ["pi-1", "pi-2"]
    for _, told in heard:
        assert isinstance(told, TariffTold)
        assert told.document == FLAT.document()
    assert await room.run() == [], "not again before an hour"


async def test_a_tariff_is_told_again_until_it_is_known(room: Room) -> None:
    await room.publish(FLAT)
    await room.run()
    await room.known("pi-1", FLAT.hash())
    assert await room.run(AGAIN_S - 1) == []
    assert [agent for agent, _ in await room.run(1)] == ["pi-2"]


async def test_tariffs_are_held_only_against_agents_that_lack_one(room: Room) -> None:
    """1,000 agents that know 50 tariffs are 1,000 looks at an index, not 50,000 pairs."""
    await room.publish()
    sql = f"EXPLAIN QUERY PLAN {store._UNTOLD}"
    async with room.db.reading() as tx:
        plan = [row[3] for row in await tx.rows(sql, (NOW, "[]", 500))]
    order = [line.split(" USING")[0] for line in plan]
    assert (
        order.index("MATERIALIZE behind")
        < order.index("SCAN b")
        < order.index("SCAN t")
    )
    assert "SEARCH k USING PRIMARY KEY (agent=?)" in plan
    assert not any(line.startswith("SCAN k") for line in plan)


async def test_a_successor_is_told_what_only_its_dead_device_knew(room: Room) -> None:
    """It has another disk: a tariff nobody told it in time is one it never bills by."""
    await room.publish(FLAT)
    await room.run()
    for agent in ("pi-1", "pi-2"):
        await room.known(agent, FLAT.hash())
    await room.new_key(room.homes[0])
    (heard,) = await room.run(AGAIN_S)
    assert heard[0] == "pi-1"
    assert await room.run(AGAIN_S - 1) == []
    await room.known("pi-1", FLAT.hash())
    assert await room.run(AGAIN_S) == [], "it knows it now"


async def test_a_bill_is_asked_for_after_its_tariff_was_told(room: Room) -> None:
    home = room.homes[0]
    await room.publish(FLAT, witnessed=False)
    await room.ask(home)
    assert await room.run() == [], "no bill at a tariff that nobody can believe"
    await cosign_head(room.db, NOW)
    heard = await room.run()
    kinds = [type(told) for agent, told in heard if agent == "pi-1"]
    assert kinds == [TariffTold, BillAsked]
    assert ("pi-1", room.asked(home)) in heard


async def test_a_bill_is_asked_for_again_until_it_is_refused_or_there(
    room: Room,
) -> None:
    home = room.homes[0]
    await room.publish(FLAT)
    await room.ask(home)
    await room.run()
    for agent in ("pi-1", "pi-2"):
        await room.known(agent, FLAT.hash())
    assert await room.run(AGAIN_S - 1) == []
    assert await room.run(1) == [("pi-1", room.asked(home))]
    await room.refuse(home)
    assert await room.run(AGAIN_S) == []
    await room.ask(home)
    assert await room.run() == [("pi-1", room.asked(home))], "asked anew, at once"


async def test_an_agent_that_is_away_is_tried_seldom_and_loses_nothing(
    room: Room,
) -> None:
    room.there.remove("pi-1")
    await room.publish()
    await room.ask(room.homes[0])
    heard = await room.run()
    assert {agent for agent, _ in heard} == {"pi-2"}
    assert room.tried == 3, "two tariffs for one that is there, one try for the other"
    for _ in range(5):
        await room.run(REST_S // 6)
    assert room.tried == 3
    await room.run(REST_S)
    assert room.tried == 4
    room.there.add("pi-1")
    heard = await room.run(REST_S)
    assert [type(told) for _, told in heard] == [TariffTold, TariffTold, BillAsked]


async def test_a_restart_forgets_nothing(room: Room) -> None:
    await room.publish(FLAT)
    await room.ask(room.homes[0])
    await room.run()
    room.start()
    assert await room.run() == []
    assert len(await room.run(AGAIN_S)) == 3


async def seeds_kept(
    room: Room, home: CommittedDevice, *, all_three: bool
) -> SeedsKept:
    """Let a home's seeds be heard, and trustees sign for them."""
    first, second, third = [
        deposited(home.key, GENESIS.network, home.meter, one, SEEDS) for one in TRUSTEES
    ]
    seeds = SeedDeposits((first, second, third))
    kept = kept_by_all(seeds)
    async with room.db.transaction() as tx:
        await pin(tx, PINNED)
        await deposits.take(tx, seeds.deposits, NOW)
        await store.note_heard(tx, home.meter, NOW)
        signatures = kept.signatures if all_three else kept.signatures[:2]
        await answered(tx, signatures)
    return kept


async def answered(tx: Transaction, signatures: tuple[bytes, ...]) -> None:
    """Write down what trustees signed, as the duty that asks them does."""
    ((subject,),) = await tx.rows("SELECT max(id) FROM seed_deposits")
    await tx.many(
        "INSERT INTO trustee_answers (act, subject, trustee, signature, said_at)"
        " VALUES (?, ?, ?, ?, ?)",
        [(int(Act.DEPOSIT), subject, n, s, NOW) for n, s in enumerate(signatures)],
    )


async def test_a_device_hears_that_its_seeds_are_kept_by_all_three(room: Room) -> None:
    one, other = room.homes
    kept = await seeds_kept(room, one, all_three=True)
    await seeds_kept(room, other, all_three=False)
    assert await room.run() == [("pi-1", kept)]
    assert await room.run(AGAIN_S) == [], "once, until it asks by sending them again"
    async with room.db.transaction() as tx:
        await store.note_heard(tx, one.meter, room.now)
    assert await room.run() == [("pi-1", kept)]


async def test_a_run_with_nothing_to_say_reads_four_times_and_writes_nothing(
    room: Room,
) -> None:
    await room.publish(FLAT)
    await room.run()
    for agent in ("pi-1", "pi-2"):
        await room.known(agent, FLAT.hash())
    counted = 0

    async def rows(self: Transaction, sql: str, params: object = ()) -> object:
        nonlocal counted
        counted += 1
        return await plain(self, sql, params)  # type: ignore[arg-type]  # as it came

    plain = Transaction.rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transaction, "rows", rows)
        assert await room.run() == []
    assert counted == 4
