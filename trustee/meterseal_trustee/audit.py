"""Everything a trustee ever said, derived again from what it keeps.

Each finding is a sentence that holds or fails: the log's chain, the deposits, the rosters,
the sets, the answers, that no combination of answers tells less than K_MIN meters, and
that the log we witness showed us one history.
This module must never write, and never say what a mask is.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from meterseal_proto.checkpoint import parse_body, parse_note
from meterseal_proto.reporting import (
    Act,
    Place,
    Roster,
    answered_by,
    disagreeing,
    quarter_of,
    signed,
    statement,
)
from meterseal_proto.seedbox import Deposit
from meterseal_proto.units import MeterId, RegisterId
from meterseal_trustee import desk, rules, store
from meterseal_trustee.database import Database
from meterseal_trustee.desk import Settings, chain_total, spelled
from meterseal_trustee.keys import TrusteeSecrets
from meterseal_trustee.masks import Opener
from meterseal_trustee.model import (
    FIRST,
    Answer,
    Entry,
    SignedSet,
    Witnessed,
    entry_hash,
)
from meterseal_trustee.rules import Refused


@dataclass(frozen=True, slots=True)
class Finding:
    """One law, whether it holds, and the first thing that breaks it or how many were seen."""

    law: str
    ok: bool
    detail: str


@dataclass(slots=True)
class Kept:
    """What the tables hold, at one moment."""

    log: list[Entry]
    deposits: dict[MeterId, Deposit]
    rosters: list[tuple[Roster, bytes]]
    sets: list[SignedSet]
    members: dict[tuple[str, int], dict[MeterId, RegisterId]]
    answers: dict[tuple[str, int], Answer]
    blamed: dict[int, set[MeterId]] = field(default_factory=dict)
    vouched: dict[tuple[str, int], tuple[int, bytes]] = field(default_factory=dict)
    witnessed: list[Witnessed] = field(default_factory=list)
    against: list[tuple[Witnessed, str]] = field(default_factory=list)


async def audit(
    settings: Settings, secrets: TrusteeSecrets, database: Database, now: float
) -> list[Finding]:
    """Return every law with its verdict; the answers' masks are computed again."""
    kept = await _read(settings, secrets.public.number, database)
    opener = Opener(secrets.box, settings.network, secrets.public.number)
    return await asyncio.to_thread(_judge, settings, secrets, opener, kept, now)


async def _read(settings: Settings, number: int, database: Database) -> Kept:
    async with database.transaction() as tx:
        log = await store.entries(tx)
        deposits = {one.meter: one for one in await store.all_deposits(tx)}
        rosters = []
        for digest, signature in await store.rosters(tx):
            found = await store.proposal(tx, settings.network, digest)
            assert found is not None, "the schema refers to it"
            rosters.append((found, signature))
        kept = Kept(log, deposits, rosters, [], {}, {})
        for cell, day in await store.sets(tx):
            made = await store.set_at(tx, cell, day)
            assert made is not None, "it was listed"
            kept.sets.append(made)
            quarter = quarter_of(day)
            kept.members[cell, day] = await store.members(tx, cell, quarter)
            answer = await store.answer_at(tx, cell, day, number)
            if answer is not None:
                kept.answers[cell, day] = answer
            kept.blamed[day] = await store.blamed(tx, day)
            vouched = await store.chain_total_at(tx, cell, day)
            if vouched is not None:
                kept.vouched[cell, day] = vouched
        kept.witnessed = await store.all_witnessed(tx)
        kept.against = await store.contradictions(tx)
    return kept


def _judge(
    settings: Settings,
    secrets: TrusteeSecrets,
    opener: Opener,
    kept: Kept,
    now: float,
) -> list[Finding]:
    laws: tuple[tuple[str, int, Callable[[], Iterator[str]]], ...] = (
        ("the log is one chain", len(kept.log), lambda: _chain(kept.log)),
        (
            "deposits are signed by their meters and open",
            len(kept.deposits),
            lambda: _deposits(settings, secrets, opener, kept),
        ),
        (
            "rosters are countersigned and a meter is in one cell",
            len(kept.rosters),
            lambda: _rosters(secrets, kept),
        ),
        (
            "sets are signed, large enough and share nothing",
            len(kept.sets),
            lambda: _sets(settings, secrets, kept, now),
        ),
        (
            "answers are the sums of the masks of a set all three signed",
            len(kept.answers),
            lambda: _answers(settings, secrets, opener, kept),
        ),
        (
            "totals for the chain are of signed sets, under our key",
            len(kept.vouched),
            lambda: _vouched(settings, secrets, kept),
        ),
        (
            "the log says all of it and nothing else",
            len(kept.log),
            lambda: _told(kept),
        ),
        (
            "the witnessed log showed one history",
            len(kept.witnessed),
            lambda: _history(kept),
        ),
    )
    findings = []
    for law, count, look in laws:
        wrong = next(look(), None)
        findings.append(Finding(law, wrong is None, wrong or f"{count} looked at"))
    return findings


def _chain(log: list[Entry]) -> Iterator[str]:
    previous = FIRST
    for number, entry in enumerate(log, 1):
        text = f"{entry.act}\n{entry.body}"
        made = entry_hash(previous, entry.seq, entry.at, text)
        if entry.seq != number or entry.hash != made:
            yield f"entry {number} does not follow the one before"
        previous = entry.hash


def _deposits(
    settings: Settings, secrets: TrusteeSecrets, opener: Opener, kept: Kept
) -> Iterator[str]:
    for deposit in kept.deposits.values():
        try:
            opener.check(deposit)
            rules.check_deposit(
                deposit, settings.network, secrets.public, other_seeds=False
            )
        except (ValueError, Refused) as error:
            yield f"meter {deposit.meter.hex()}: {error}"


def _rosters(secrets: TrusteeSecrets, kept: Kept) -> Iterator[str]:
    seen: Counter[tuple[int, MeterId]] = Counter()
    for roster, signature in kept.rosters:
        seen.update((roster.quarter, meter) for meter in roster.members)
        if not signed(secrets.public.sign, Act.ROSTER, roster.hash(), signature):
            yield f"cell {roster.cell}: its signature is not ours"
    for (_, meter), times in seen.items():
        if times > 1:
            yield f"meter {meter.hex()} is in {times} cells of one quarter"


def _sets(
    settings: Settings, secrets: TrusteeSecrets, kept: Kept, now: float
) -> Iterator[str]:
    days: dict[int, set[MeterId]] = {}
    places: set[bytes] = set()
    for made in kept.sets:
        place = Place(settings.network, made.cell, made.day)
        where = f"cell {made.cell}, day {made.day}"
        stated = statement(place, made.reported, settings.chain_id)
        if stated != made.statement or not signed(
            secrets.public.sign, Act.SET, stated, made.signature
        ):
            yield f"{where}: its members are not those that were signed"
        try:
            span = rules.day_span(made.day, settings.zone)
            members = kept.members[made.cell, made.day]
            rules.check_set(place, made.reported, members, span, now)
            meters = days.setdefault(made.day, set())
            rules.check_apart(made.reported, meters, places)
        except Refused as error:
            yield f"{where}: {error}"
        days[made.day] |= {one.header.meter for one in made.reported}
        places |= {one.place() for one in made.reported}


def _answers(
    settings: Settings, secrets: TrusteeSecrets, opener: Opener, kept: Kept
) -> Iterator[str]:
    own, keys = secrets.public, [one.sign for one in settings.trustees]
    for made in kept.sets:
        answer = kept.answers.get((made.cell, made.day))
        if answer is None:
            continue
        where = f"cell {made.cell}, day {made.day}"
        if missing := disagreeing(keys, made.statement, answer.witnesses):
            yield f"{where}: answered without trustee {missing[0]}"
        held = [(kept.deposits[one.header.meter], one) for one in made.reported]
        if opener.sums(held) != answer.sums or not answered_by(
            own.sign, own.number, made.statement, answer.sums, answer.signature
        ):
            yield f"{where}: the answer is not the sum of the masks"


def _vouched(settings: Settings, secrets: TrusteeSecrets, kept: Kept) -> Iterator[str]:
    for made in kept.sets:
        if (made.cell, made.day) not in kept.vouched:
            continue
        usage, signature = kept.vouched[made.cell, made.day]
        place = Place(settings.network, made.cell, made.day)
        total = chain_total(place, made.reported, usage, settings.chain_id)
        if total.signer([secrets.chain_public], signature, settings.chain_id) is None:
            yield f"cell {made.cell}, day {made.day}: not the total that was signed"


def _told(kept: Kept) -> Iterator[str]:
    told = Counter(_key(entry) for entry in kept.log)
    done = Counter(("deposit", meter.hex()) for meter in kept.deposits)
    done.update(("roster", roster.hash().hex()) for roster, _ in kept.rosters)
    done.update(("set", made.statement.hex()) for made in kept.sets)
    for made in kept.sets:
        answer = kept.answers.get((made.cell, made.day))
        if answer is not None:
            sums = json.dumps(spelled(answer.sums)["sums"], sort_keys=True)
            done["masks", made.statement.hex() + sums] += 1
        vouched = kept.vouched.get((made.cell, made.day))
        if vouched is not None:
            done[desk.CHAIN_TOTAL, f"{made.statement.hex()} {vouched[0]}"] += 1
    shown = Counter(
        meter
        for entry in kept.log
        if entry.act == "blame"
        for meter in json.loads(entry.body)["shown"]
    )
    told = Counter({key: n for key, n in told.items() if key[0] != "blame"})
    for act, what in (told - done).keys() | (done - told).keys():
        yield f"{act} {what[:64]} is in the log or the tables, but not in both"
    blamed = Counter(m.hex() for meters in kept.blamed.values() for m in meters)
    if shown != blamed:
        yield "the log does not name the meters whose commitments were shown"


def _history(kept: Kept) -> Iterator[str]:
    for one in kept.witnessed:
        if _head(one.note) != (one.origin, one.size, one.root):
            yield f"log {one.origin}: its last checkpoint is not what its note says"
    for shown, standing in kept.against:
        (_, size, root), ours = _head(shown.note), _head(standing)
        if size == ours[1] and root != ours[2]:
            yield f"log {shown.origin} signed two roots at size {size}: tell everybody"


def _head(note: str) -> tuple[str, int, bytes]:
    found = parse_body(parse_note(note).body)
    return found.origin, found.size, found.root


def _key(entry: Entry) -> tuple[str, str]:
    said = json.loads(entry.body)
    match entry.act:
        case "deposit":
            return entry.act, said["meter"]
        case "roster":
            return entry.act, said["roster"]
        case "masks":
            return entry.act, said["statement"] + json.dumps(
                said["sums"], sort_keys=True
            )
        case desk.CHAIN_TOTAL:
            return entry.act, f"{said['statement']} {said['usage']}"
        case _:
            return entry.act, said["statement"]
