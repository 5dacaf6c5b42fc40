"""The trustee's SQL: deposits, rosters, sets, answers, its log, checkpoints; all only grow.

Functions take the transaction first; whoever opened it commits it. Keys and unique columns
of the schema hold the rules a second time. This module must never decide what is allowed.
"""

from collections.abc import Collection, Sequence

from meterseal_proto.keys import Algorithm, PublicKey
from meterseal_proto.reporting import LATE, Reported, Roster
from meterseal_proto.seal import parse_header
from meterseal_proto.seedbox import Deposit
from meterseal_proto.totals import Mask, seeds_of
from meterseal_proto.units import MeterId, RegisterId
from meterseal_trustee.database import Transaction
from meterseal_trustee.model import Answer, Entry, SignedSet, Witnessed

_DEPOSIT = "meter, algorithm, key, first_box, second_box, signature"


async def settled(tx: Transaction) -> tuple[bytes, int, int] | None:
    """Return the network, our number in it and the chain id this database was made for."""
    rows = await tx.rows("SELECT network, number, chain_id FROM settled")
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


async def settle(tx: Transaction, network: bytes, number: int, chain_id: int) -> None:
    """Write down for good what this database is for."""
    row = (network, number, chain_id)
    await tx.rows(
        "INSERT INTO settled (id, network, number, chain_id) VALUES (1, ?, ?, ?)", row
    )


async def deposits(
    tx: Transaction, meters: Collection[MeterId]
) -> dict[MeterId, Deposit]:
    """Return the deposits of those of `meters` that made one."""
    marks = ",".join("?" * len(meters))
    rows = await tx.rows(
        f"SELECT {_DEPOSIT} FROM deposits WHERE meter IN ({marks})",  # noqa: S608 - marks only
        tuple(meters),
    )
    return {row[0]: _deposit(row) for row in rows}


async def all_deposits(tx: Transaction) -> list[Deposit]:
    """Return every deposit there is."""
    rows = await tx.rows(f"SELECT {_DEPOSIT} FROM deposits")  # noqa: S608 - a constant
    return [_deposit(row) for row in rows]


def _deposit(row: Sequence[object]) -> Deposit:
    meter, algorithm, key, first, second, signature = row
    assert isinstance(meter, bytes)
    assert isinstance(key, bytes)
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    assert isinstance(signature, bytes)
    public = PublicKey(Algorithm(str(algorithm)), key)
    return Deposit(MeterId(meter), public, (first, second), signature)


async def add_deposit(tx: Transaction, deposit: Deposit) -> None:
    """Keep a meter's first deposit."""
    key = deposit.key
    await tx.rows(
        f"INSERT INTO deposits ({_DEPOSIT}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        (
            deposit.meter, str(key.algorithm), key.raw, *deposit.boxes,
            deposit.signature,
        ),
    )  # fmt: skip


async def add_proposal(tx: Transaction, roster: Roster) -> None:
    """Keep a roster that waits to be countersigned."""
    digest = roster.hash()
    row = (digest, roster.cell, roster.quarter, roster.register)
    await tx.rows(
        "INSERT INTO proposals (hash, cell, quarter, register) VALUES (?, ?, ?, ?)", row
    )
    await tx.many(
        "INSERT INTO proposed_members (hash, meter) VALUES (?, ?)",
        [(digest, meter) for meter in roster.members],
    )


async def proposal(tx: Transaction, network: bytes, digest: bytes) -> Roster | None:
    """Return a proposed roster by its hash."""
    rows = await tx.rows(
        "SELECT cell, quarter, register FROM proposals WHERE hash = ?", (digest,)
    )
    if not rows:
        return None
    cell, quarter, register = rows[0]
    members = await tx.rows(
        "SELECT d.meter, d.algorithm, d.key FROM proposed_members AS p"
        " JOIN deposits AS d ON d.meter = p.meter WHERE p.hash = ?",
        (digest,),
    )
    by_key = {row[0]: PublicKey(Algorithm(row[1]), row[2]) for row in members}
    return Roster(network, cell, quarter, RegisterId(register), by_key)


async def waiting(tx: Transaction) -> list[bytes]:
    """Return the hashes of proposals whose cell has no roster for that quarter yet."""
    rows = await tx.rows(
        "SELECT hash FROM proposals AS p WHERE NOT EXISTS (SELECT 1 FROM rosters AS r"
        " WHERE r.cell = p.cell AND r.quarter = p.quarter) ORDER BY quarter, cell, hash"
    )
    return [row[0] for row in rows]


async def roster_at(
    tx: Transaction, cell: str, quarter: int
) -> tuple[bytes, bytes] | None:
    """Return hash and signature of the roster of a cell and quarter."""
    rows = await tx.rows(
        "SELECT hash, signature FROM rosters WHERE cell = ? AND quarter = ?",
        (cell, quarter),
    )
    return (rows[0][0], rows[0][1]) if rows else None


async def rosters(tx: Transaction) -> list[tuple[bytes, bytes]]:
    """Return hash and signature of every countersigned roster."""
    return [(h, s) for h, s in await tx.rows("SELECT hash, signature FROM rosters")]


async def add_roster(tx: Transaction, roster: Roster, signature: bytes) -> None:
    """Keep a countersigned roster; its members are in no other cell of the quarter."""
    row = (roster.cell, roster.quarter, roster.hash(), signature)
    await tx.rows(
        "INSERT INTO rosters (cell, quarter, hash, signature) VALUES (?, ?, ?, ?)", row
    )
    await tx.many(
        "INSERT INTO members (quarter, meter, cell) VALUES (?, ?, ?)",
        [(roster.quarter, meter, roster.cell) for meter in roster.members],
    )


async def placed(tx: Transaction, quarter: int, but: str) -> set[MeterId]:
    """Return the meters that are in a cell of that quarter, but not in `but`."""
    rows = await tx.rows(
        "SELECT meter FROM members WHERE quarter = ? AND cell <> ?", (quarter, but)
    )
    return {row[0] for row in rows}


async def members(
    tx: Transaction, cell: str, quarter: int
) -> dict[MeterId, RegisterId]:
    """Return a cell's meters with their register; for `late` those of every cell."""
    rows = await tx.rows(
        "SELECT m.meter, p.register FROM members AS m"
        " JOIN rosters AS r ON r.cell = m.cell AND r.quarter = m.quarter"
        " JOIN proposals AS p ON p.hash = r.hash"
        " WHERE m.quarter = ? AND (m.cell = ? OR ? = ?)",
        (quarter, cell, cell, LATE),
    )
    return {row[0]: RegisterId(row[1]) for row in rows}


async def set_at(tx: Transaction, cell: str, day: int) -> SignedSet | None:
    """Return the set that was signed for a place."""
    rows = await tx.rows(
        "SELECT statement, signature FROM sets WHERE cell = ? AND day = ?", (cell, day)
    )
    if not rows:
        return None
    found = await tx.rows(
        "SELECT header, revision FROM reported WHERE cell = ? AND day = ?"
        " ORDER BY meter",
        (cell, day),
    )
    reported = tuple(Reported(parse_header(h), revision) for h, revision in found)
    return SignedSet(cell, day, reported, *rows[0])


async def sets(tx: Transaction) -> list[tuple[str, int]]:
    """Return cell and day of every set that was signed."""
    rows = await tx.rows("SELECT cell, day FROM sets ORDER BY day, cell")
    return [(cell, day) for cell, day in rows]


async def reported_on(tx: Transaction, day: int) -> set[MeterId]:
    """Return the meters that are in a set of that day."""
    rows = await tx.rows("SELECT meter FROM reported WHERE day = ?", (day,))
    return {row[0] for row in rows}


async def used(tx: Transaction, places: Collection[bytes]) -> set[bytes]:
    """Return those of `places` that are in any set."""
    marks = ",".join("?" * len(places))
    rows = await tx.rows(
        f"SELECT place FROM reported WHERE place IN ({marks})",  # noqa: S608 - marks only
        tuple(places),
    )
    return {row[0] for row in rows}


async def add_set(tx: Transaction, made: SignedSet) -> None:
    """Keep the one set of a place."""
    await tx.rows(
        "INSERT INTO sets (cell, day, statement, signature) VALUES (?, ?, ?, ?)",
        (made.cell, made.day, made.statement, made.signature),
    )
    await tx.many(
        "INSERT INTO reported (day, meter, cell, place, header, revision)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                made.day, one.header.meter, made.cell, one.place(),
                one.header.consensus(), one.revision,
            )
            for one in made.reported
        ],
    )  # fmt: skip


async def answer_at(tx: Transaction, cell: str, day: int, number: int) -> Answer | None:
    """Return what trustee `number`, ourselves, answered for a place."""
    rows = await tx.rows(
        "SELECT first_value, first_blinding, second_value, second_blinding,"
        " first_witness, second_witness, third_witness, signature"
        " FROM answers WHERE cell = ? AND day = ?",
        (cell, day),
    )
    if not rows:
        return None
    *halves, one, two, three, signature = rows[0]
    numbers = [int.from_bytes(half) for half in halves]
    pairs = (Mask(*numbers[:2]), Mask(*numbers[2:]))
    sums = dict(zip(seeds_of(number), pairs, strict=True))
    return Answer(sums, (one, two, three), signature)


async def add_answer(tx: Transaction, cell: str, day: int, answer: Answer) -> None:
    """Keep the one answer of a place."""
    halves = [
        half.to_bytes(32)
        for _, mask in sorted(answer.sums.items())
        for half in (mask.value, mask.blinding)
    ]
    await tx.rows(
        "INSERT INTO answers (cell, day, first_value, first_blinding, second_value,"
        " second_blinding, first_witness, second_witness, third_witness, signature)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (cell, day, *halves, *answer.witnesses, answer.signature),
    )


async def chain_total_at(
    tx: Transaction, cell: str, day: int
) -> tuple[int, bytes] | None:
    """Return the total we signed for the chain of a place, and the signature."""
    rows = await tx.rows(
        "SELECT usage, signature FROM chain_totals WHERE cell = ? AND day = ?",
        (cell, day),
    )
    return (rows[0][0], rows[0][1]) if rows else None


async def add_chain_total(
    tx: Transaction, cell: str, day: int, usage: int, signature: bytes
) -> None:
    """Keep the one total of a place that we signed for the chain."""
    await tx.rows(
        "INSERT INTO chain_totals (cell, day, usage, signature) VALUES (?, ?, ?, ?)",
        (cell, day, usage, signature),
    )


async def blamed(tx: Transaction, day: int) -> set[MeterId]:
    """Return the meters of a day whose masks' commitments were shown."""
    rows = await tx.rows("SELECT meter FROM blamed WHERE day = ?", (day,))
    return {row[0] for row in rows}


async def add_blamed(
    tx: Transaction, cell: str, day: int, meters: Collection[MeterId]
) -> None:
    """Note whose masks' commitments are shown."""
    await tx.many(
        "INSERT INTO blamed (day, meter, cell) VALUES (?, ?, ?)",
        [(day, meter, cell) for meter in sorted(meters)],
    )


async def say(tx: Transaction, at: int, act: str, said: dict[str, object]) -> None:
    """Append an entry to the log."""
    rows = await tx.rows(
        "SELECT seq, at, act, body, hash FROM log ORDER BY seq DESC LIMIT 1"
    )
    entry = Entry.after(Entry(*rows[0]) if rows else None, at, act, said)
    row = (entry.seq, entry.at, entry.act, entry.body, entry.hash)
    await tx.rows(
        "INSERT INTO log (seq, at, act, body, hash) VALUES (?, ?, ?, ?, ?)", row
    )


async def entries(tx: Transaction, after: int = 0) -> list[Entry]:
    """Return the log from the entry after `after` on."""
    rows = await tx.rows(
        "SELECT seq, at, act, body, hash FROM log WHERE seq > ? ORDER BY seq", (after,)
    )
    return [Entry(*row) for row in rows]


async def witnessed(tx: Transaction, origin: str) -> Witnessed | None:
    """Return the checkpoint of a log that we cosigned last."""
    rows = await tx.rows(
        "SELECT origin, size, root, note, at FROM witnessed WHERE origin = ?", (origin,)
    )
    return Witnessed(*rows[0]) if rows else None


async def all_witnessed(tx: Transaction) -> list[Witnessed]:
    """Return the last cosigned checkpoint of every log."""
    rows = await tx.rows("SELECT origin, size, root, note, at FROM witnessed")
    return [Witnessed(*row) for row in rows]


async def witness(tx: Transaction, new: Witnessed) -> None:
    """Write down the checkpoint that is to be cosigned, in place of the last of its log."""
    await tx.rows(
        "INSERT INTO witnessed (origin, size, root, note, at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root,"
        " note = excluded.note, at = excluded.at",
        (new.origin, new.size, new.root, new.note, new.at),
    )


async def contradictions_of(tx: Transaction, origin: str) -> int:
    """Count the checkpoints of a log that are kept against it."""
    rows = await tx.rows(
        "SELECT count(*) FROM contradictions WHERE origin = ?", (origin,)
    )
    return int(rows[0][0])


async def add_contradiction(tx: Transaction, last: Witnessed, new: Witnessed) -> None:
    """Keep a signed checkpoint that was not cosigned, with the one that stands."""
    await tx.rows(
        "INSERT INTO contradictions (origin, size, root, note, standing, at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (origin, size, root) DO NOTHING",
        (new.origin, new.size, new.root, new.note, last.note, new.at),
    )


async def contradictions(tx: Transaction) -> list[tuple[Witnessed, str]]:
    """Return what is kept against logs, each with the note that stood then."""
    rows = await tx.rows(
        "SELECT origin, size, root, note, at, standing FROM contradictions"
        " ORDER BY at, origin, size"
    )
    return [(Witnessed(*row[:5]), row[5]) for row in rows]
