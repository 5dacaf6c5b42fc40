"""Evidence of what was not accepted: what is kept, how much of it, and for how long."""

from pathlib import Path

import pytest

from meterseal_aggregator.intake import keep, store
from meterseal_aggregator.intake.keep import (
    EVIDENCE_DETAIL,
    EVIDENCE_PAYLOAD,
    EVIDENCE_ROWS,
)
from meterseal_aggregator.intake.port import Incoming
from meterseal_proto.encoding import encode
from meterseal_proto.entry import seal_entry
from meterseal_proto.errors import Reason
from tests.support.devices import BEGAN_AT, CAPACITY_W, device
from tests.support.frontdesk import front_desk
from tests.support.misdeeds import HISTORY, MISDEEDS


async def test_every_bad_input_is_answered_kept_as_evidence_and_never_counted(
    tmp_path: Path,
) -> None:
    devices = [device(n) for n in range(1, len(MISDEEDS) + 1)]
    async with front_desk(tmp_path, devices) as desk:
        for deltas in HISTORY:
            await desk.take(*(d.tell(*deltas).by("pi-1") for d in devices))
        counted = await desk.count("readings")
        payloads = [m.act(d) for m, d in zip(MISDEEDS, devices, strict=True)]
        await desk.take(*(Incoming("pi-1", payload, None) for payload in payloads))
        assert await desk.count("readings") == counted
        assert await desk.count("seals") == len(devices) * len(HISTORY)
        kept = {
            (payload, Reason(reason))
            for payload, reason in await desk.rows(
                "SELECT payload, reason FROM quarantine"
            )
        }
        for misdeed, payload in zip(MISDEEDS, payloads, strict=True):
            row = (payload[:EVIDENCE_PAYLOAD], misdeed.reason)
            assert (row in kept) == misdeed.evidence, misdeed.name
        answered = await desk.answers(*(Incoming("pi-1", p, None) for p in payloads))
        assert set(answered.values()) == {"durable"} | {
            m.reason.text
            for m in MISDEEDS
            if m.reason not in {None, Reason.TOO_LARGE, Reason.MALFORMED}
        }


async def test_time_told_twice_is_named_with_the_moment_it_was_known(
    tmp_path: Path,
) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        first, twin = one.seal(one.records([5, 6])), one.seal(one.records([7]))
        answers = await desk.answers(first.by("pi-1"))
        answers |= await desk.answers(twin.by("pi-1"))
        assert answers == {first.digest: "durable", twin.digest: "equivocation"}
        spans = "SELECT from_at, to_at, received_at FROM equivocations ORDER BY to_at"
        assert await desk.rows(spans) == [
            (BEGAN_AT, BEGAN_AT + 900, desk.now),
            (BEGAN_AT, BEGAN_AT + 1800, desk.now),
        ]
        async with desk.database.reading() as tx:
            (evidence,) = await store.quarantined(tx)
        assert (evidence.hash, evidence.payload) == (twin.digest, twin.payload)


async def test_evidence_of_an_agent_is_limited_a_day_and_then_counted(
    tmp_path: Path,
) -> None:
    async with front_desk(tmp_path) as desk:
        count = EVIDENCE_ROWS + 20
        junk = [Incoming("pi-9", b"%d" % n, None) for n in range(count)]
        await desk.take(*junk[:60])
        await desk.take(*junk[60:], Incoming("pi-8", b"x", None))
        assert await desk.count("quarantine") == EVIDENCE_ROWS + 1
        totals = "SELECT seen, kept FROM refusals WHERE agent = 'pi-9'"
        assert await desk.rows(totals) == [(count, EVIDENCE_ROWS)]
        desk.now += 86_400
        await desk.take(Incoming("pi-9", b"tomorrow", None))
        assert await desk.count("quarantine") == EVIDENCE_ROWS + 2


async def test_a_sentence_about_a_message_is_short_whatever_the_message(
    tmp_path: Path,
) -> None:
    async with front_desk(tmp_path) as desk:
        await desk.take(Incoming("pi-9", encode([bytes(60_000)] + [0] * 8), None))
        await desk.take(Incoming("pi-9", encode({"k" * 60_000: 1}), None))
        rows = await desk.rows("SELECT detail, length(payload) FROM quarantine")
        assert len(rows) == 2
        assert all(len(detail) <= EVIDENCE_DETAIL for detail, _ in rows)
        booked = sum(len(detail) + length for detail, length in rows)
        assert await desk.rows("SELECT kept_bytes FROM refusals") == [(booked,)]


async def test_both_of_two_contradicting_seals_are_kept_whatever_else_was_sent(
    tmp_path: Path,
) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        junk = [Incoming("pi-1", b"%d" % n, None) for n in range(EVIDENCE_ROWS)]
        await desk.take(*junk)
        seals = [one.seal(one.records([n])) for n in range(6)]
        await desk.take(seals[0].by("pi-1"))
        await desk.take(*(s.by("pi-1") for s in seals[1:4]))
        await desk.take(*(s.by("pi-1") for s in seals[4:]))
        kept = await desk.rows("SELECT payload FROM quarantine WHERE reason = 11")
        assert len(kept) == 1, "one contradiction is proof, five are not more of it"
        assert kept[0][0] in {s.payload for s in seals[1:4]}
        seen = await desk.rows("SELECT seen, kept FROM refusals WHERE reason = 11")
        assert seen == [(5, 1)]


async def test_of_quarantined_seals_beyond_the_days_limit_the_headers_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = device()
    async with front_desk(tmp_path, [one]) as desk:
        sent = []
        for _ in range(4):
            sent.append(one.seal(one.records([1, 2, CAPACITY_W])))
            one.answered(sent[-1], Reason.CAPACITY)
        monkeypatch.setattr(keep, "LINK_BYTES", 3 * len(sent[0].payload))
        await desk.take(
            Incoming("pi-1", b"junk", None), *(s.by("pi-1") for s in sent[:3])
        )
        answers = await desk.answers(sent[3].by("pi-1"))
        assert answers == {sent[3].digest: "capacity"}
        rows = await desk.rows(
            "SELECT payload, hash FROM quarantine WHERE chained = 1 ORDER BY seq"
        )
        assert [digest for _, digest in rows] == [s.digest for s in sent]
        assert [payload for payload, _ in rows] == [
            *(s.payload for s in sent[:2]),
            *(seal_entry(s.seal.header, s.seal.signature) for s in sent[2:]),
        ]
        counted = "SELECT seen, kept FROM refusals WHERE reason = 16"
        assert await desk.rows(counted) == [(4, 2)]
        again = await desk.answers(*(s.by("pi-1") for s in sent))
        assert set(again.values()) == {"capacity"}
        assert await desk.answers(one.tell(3).by("pi-1")) != {}
