"""A stolen key ends with revocation or replacement, whatever the thief had planned with it."""

from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.intake.accept import speaking
from meterseal_aggregator.registry import rekey, write
from meterseal_aggregator.registry.model import CodeKind, Refused, Trouble
from meterseal_aggregator.registry.store import claims, key_event_id
from meterseal_proto.units import EXPORT, MeterId
from tests.support.enrolling import (
    NOW,
    SLOT,
    TERMS,
    Registry,
    a_key,
    a_meter,
    a_registry,
    a_request,
)
from tests.support.rekeying import (
    a_rotation,
    enrolled,
    key_events,
    keys_of,
    rotate,
    seal_up_to,
)

OLD, THIEF, NEW = a_key(), a_key("thief"), a_key("new Pi")
FAR = 5 + rekey.MAX_AHEAD


async def _robbed(registry: Registry, from_seq: int) -> MeterId:
    """Enrol a meter, seal five, and let the thief of its key rotate to his own."""
    meter = await enrolled(registry)
    await seal_up_to(registry, meter, 5)
    await rotate(registry, a_rotation(meter, from_seq, OLD, THIEF))
    return meter


async def _revoke(registry: Registry, meter: MeterId) -> set[int]:
    async with registry.db.transaction() as tx:
        return set((await rekey.revoke(tx, meter, TERMS.chain)).values())


async def _replace(registry: Registry, seed: str = "new Pi") -> None:
    code = await registry.code(CodeKind.REPLACEMENT)
    await registry.enrol(a_request(code, key=a_key(seed)))


async def _speakers(registry: Registry, meter: MeterId) -> list[bytes | None]:
    """Return who speaks for a seq before, at and after every turn there was."""
    async with registry.db.reading() as tx:
        claim = (await claims(tx, [meter]))[meter, EXPORT]
    found = [speaking(claim, seq) for seq in (5, 6, 7, 8, FAR - 1, FAR, FAR + 9)]
    return [key.public.raw if key else None for key in found]


@pytest.mark.parametrize("from_seq", [6, 8, FAR])
async def test_a_revocation_ends_also_the_key_that_was_to_begin_later(
    tmp_path: Path, from_seq: int
) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await _robbed(registry, from_seq)
        assert await _revoke(registry, meter) == {5}
        assert await _speakers(registry, meter) == [OLD.public.raw] + [None] * 6
        assert (await key_events(registry))[-1].from_seq == 6
        with pytest.raises(Refused, match="no key in force"):
            await _revoke(registry, meter)


@pytest.mark.parametrize("revoked", [False, True])
@pytest.mark.parametrize("from_seq", [6, 8, FAR])
async def test_after_a_replacement_only_the_successor_speaks(
    tmp_path: Path, from_seq: int, revoked: bool
) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await _robbed(registry, from_seq)
        if revoked:
            await _revoke(registry, meter)
        await _replace(registry)
        assert (
            await _speakers(registry, meter) == [OLD.public.raw] + [NEW.public.raw] * 6
        )
        assert (await keys_of(registry, meter))[-1] == (NEW.public.raw, 6, None)
        event = (await key_events(registry))[-1]
        assert (event.from_seq, event.public) == (6, NEW.public.raw)
        async with registry.db.reading() as tx:
            claim = (await claims(tx, [meter]))[meter, EXPORT]
            told = [await key_event_id(tx, claim.register_id, n) for n in (5, 6, FAR)]
        assert told[0] != told[1] == told[2]


async def test_the_successor_rotates_revokes_and_is_replaced_like_any_key(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await _robbed(registry, FAR)
        await _replace(registry)
        await _replace(registry, "newer Pi")
        assert (await keys_of(registry, meter))[-2:] == [
            (NEW.public.raw, 6, 5),
            (a_key("newer Pi").public.raw, 6, None),
        ]
        await seal_up_to(registry, meter, 6)
        wish = a_rotation(meter, 7, a_key("newer Pi"), a_key("next"))
        await rotate(registry, wish, NOW + rekey.ROTATION_PAUSE_S)
        await seal_up_to(registry, meter, 9)
        assert await _revoke(registry, meter) == {9}
        assert (await keys_of(registry, meter))[-1] == (a_key("next").public.raw, 7, 9)


@pytest.mark.parametrize("kind", [CodeKind.REPLACEMENT, CodeKind.ENROLMENT])
async def test_no_key_a_meter_ever_had_comes_back_by_a_code(
    tmp_path: Path, kind: CodeKind
) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await _robbed(registry, 8)
        again = a_meter()
        if kind is CodeKind.ENROLMENT:
            starts = (replace(start, at=SLOT + 900) for start in again.registers)
            again = a_meter(registers=tuple(starts))
            async with registry.db.transaction() as tx:
                await write.remove_meter(tx, meter, at=SLOT + 900)
        before = await keys_of(registry, meter)
        code = await registry.code(kind)
        for used in (OLD, THIEF):
            with pytest.raises(Refused, match="had this seal key before") as refused:
                await registry.enrol(a_request(code, again, key=used))
            assert refused.value.trouble is Trouble.KEY_USED
        assert await keys_of(registry, meter) == before
        # The refusal did not use the code up: the next key of the same agent may try.
        await registry.enrol(a_request(code, again, key=NEW))


async def test_no_key_a_meter_ever_had_comes_back_by_rotation(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await _robbed(registry, 6)
        await seal_up_to(registry, meter, 6)
        back = a_rotation(meter, 7, THIEF, OLD)
        with pytest.raises(Refused) as refused:
            await rotate(registry, back, NOW + rekey.ROTATION_PAUSE_S)
        assert refused.value.trouble is Trouble.KEY_USED


async def test_a_rotation_begins_at_most_a_thousand_seals_ahead(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        await seal_up_to(registry, meter, 5)
        for from_seq in (FAR + 1, 1 << 61):
            with pytest.raises(Refused, match="at most 1005"):
                await rotate(registry, a_rotation(meter, from_seq, OLD, NEW))
        await rotate(registry, a_rotation(meter, FAR, OLD, NEW))


async def test_a_key_rotates_only_after_it_sealed(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        with pytest.raises(Refused, match="sealed nothing yet") as refused:
            await rotate(registry, a_rotation(meter, 2, OLD, NEW))
        assert refused.value.trouble is Trouble.TOO_SOON
        await seal_up_to(registry, meter, 5)
        await rotate(registry, a_rotation(meter, 8, OLD, NEW))
        # The next one waits until this one has begun, however much time passes.
        await seal_up_to(registry, meter, 7)
        second = a_rotation(meter, 20, NEW, a_key("third"))
        with pytest.raises(Refused, match="sealed nothing yet"):
            await rotate(registry, second, NOW + 9 * rekey.ROTATION_PAUSE_S)


async def test_a_meter_rotates_once_a_real_day(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await _robbed(registry, 6)
        await seal_up_to(registry, meter, 6)
        again = a_rotation(meter, 7, THIEF, NEW)
        for real in (NOW, NOW + rekey.ROTATION_PAUSE_S - 1):
            with pytest.raises(Refused, match="tomorrow") as refused:
                await rotate(registry, again, real)
            assert refused.value.trouble is Trouble.TOO_SOON
        await rotate(registry, again, NOW + rekey.ROTATION_PAUSE_S)


async def test_a_chain_at_its_last_number_is_revoked_and_its_meter_enrolled_anew(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        await seal_up_to(registry, meter, rekey.MAX_SEQ)
        with pytest.raises(Refused, match="enrol it anew"):
            await _replace(registry)
        with pytest.raises(Refused):
            await rotate(registry, a_rotation(meter, rekey.MAX_SEQ, OLD, NEW))
        assert await _revoke(registry, meter) == {rekey.MAX_SEQ}
