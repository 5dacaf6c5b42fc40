"""200,000 mutated payloads: none is accepted, none is quarantined, nothing escapes."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

from meterseal_aggregator.intake.accept import Chain, Fate
from meterseal_aggregator.intake.judge import (
    Judged,
    Spoiled,
    faults_of,
    first_look,
    open_all,
    second_look,
)
from meterseal_aggregator.intake.port import Incoming
from meterseal_proto import message
from meterseal_proto.errors import Rejected
from meterseal_proto.keys import Algorithm
from meterseal_proto.seal import Seal
from tests.support.devices import GENESIS, Device, Sent, claim_of, device
from tests.support.frontdesk import front_desk
from tests.support.misdeeds import NOW
from tests.support.mutation import mutate
from tests.support.seed import SEED

MUTATIONS = int(os.environ.get("METERSEAL_MUTATIONS", "200000"))
ROUND = 4_000


def _devices() -> list[Device]:
    plain = [device(n) for n in range(1, 13)]
    return [*plain, device(13, algorithm=Algorithm.P256)]


def _seals(devices: list[Device]) -> list[Sent]:
    """Return each device's next seal: one record, several, or a long one."""
    found = [d.seal(d.records([10 * n])) for n, d in enumerate(devices[:8], 1)]
    found += [d.seal(d.records(range(n))) for n, d in enumerate(devices[8:11], 2)]
    for d in devices[11:]:
        (record,) = replace(d, step=3600).records([5], quality=10)
        found.append(d.seal([record], d.next_header(d.head.end, 3600)))
    return found


def _judge(
    devices: list[Device], messages: list[Incoming]
) -> tuple[list[Judged], list[Spoiled]]:
    chains = {(d.meter, d.register): Chain.of(claim_of(d), None) for d in devices}
    offers, spoiled = open_all(messages, GENESIS.network, GENESIS.chain_id)
    trial = first_look(offers, chains, NOW)
    late = second_look(trial.pending, faults_of(trial.pending))
    return trial.judged + late, spoiled


def _mutants(originals: list[bytes], count: int, chance: Random) -> list[Incoming]:
    known = set(originals)
    found: list[Incoming] = []
    while len(found) < count:
        changed = mutate(chance.choice(originals), chance, originals)
        agent = "pi-2" if chance.random() < 0.05 else "pi-1"
        if agent == "pi-2" and chance.random() < 0.5:
            changed = chance.choice(originals)
        if changed not in known or agent == "pi-2":
            found.append(Incoming(agent, changed, None))
    return found


def test_no_mutated_payload_is_accepted_and_no_exception_escapes() -> None:
    devices = _devices()
    sent = _seals(devices)
    judged, spoiled = _judge(devices, [s.by("pi-1") for s in sent])
    assert {j.verdict.fate for j in judged} == {Fate.ACCEPTED}
    assert not spoiled
    originals, chance = [s.payload for s in sent], Random(SEED)
    fates: Counter[Fate] = Counter()
    for _ in range(MUTATIONS // ROUND):
        judged, spoiled = _judge(devices, _mutants(originals, ROUND, chance))
        assert len(judged) + len(spoiled) == ROUND
        fates.update(j.verdict.fate for j in judged)
        fates[Fate.REFUSED] += len(spoiled)
    assert fates == {Fate.REFUSED: MUTATIONS // ROUND * ROUND}


async def test_a_batch_of_mutated_payloads_leaves_evidence_only(tmp_path: Path) -> None:
    devices = _devices()
    originals = [s.payload for s in _seals(devices)]
    mutants = _mutants(originals, ROUND, Random(SEED))
    async with front_desk(tmp_path, devices) as desk:
        await desk.take(*mutants)
        for table in ("readings", "seals", "salts", "heads", "log_entries"):
            assert await desk.count(table) == 0
        ((seen,),) = await desk.rows("SELECT sum(seen) FROM refusals")
        assert seen == ROUND
        assert await desk.count("quarantine") > 0


def _outcome(payload: bytes) -> Seal | str:
    try:
        return message.decode_seal(payload, GENESIS.network)
    except Rejected as error:
        return str(error)


def test_the_short_way_of_reading_a_seal_takes_nothing_the_long_way_would_not() -> None:
    chance = Random(SEED)
    originals = [s.payload for s in _seals(_devices())]
    payloads = [m.payload for m in _mutants(originals, ROUND, chance)] + originals
    short = [_outcome(payload) for payload in payloads]
    usual = [message._USUAL.fullmatch(payload) is not None for payload in payloads]
    assert sum(usual) > 100
    for payload, outcome, was_usual in zip(payloads, short, usual, strict=True):
        if was_usual:
            assert isinstance(outcome, Seal)
            assert message.encode_seal(outcome) == payload
            assert message._any_seal(payload, GENESIS.network) == outcome
