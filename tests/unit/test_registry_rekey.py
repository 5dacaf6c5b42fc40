"""Keys change hands: rotation by both keys, replacement by code, revocation; never the past."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.registry import rekey
from meterseal_aggregator.registry.model import (
    CodeKind,
    Refused,
    Tenancy,
    Trouble,
)
from meterseal_aggregator.registry.store import spans
from meterseal_aggregator.registry.write import (
    begin_tenancy,
    end_tenancy,
    remove_meter,
)
from meterseal_proto.enrolment import Turn
from meterseal_proto.units import EXPORT
from tests.support.enrolling import (
    NOW,
    SLOT,
    TERMS,
    a_key,
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


async def test_a_rotation_signed_by_both_keys_begins_at_its_turn(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        await seal_up_to(registry, meter, 5)
        old, new = a_key(), a_key("next")
        await rotate(registry, a_rotation(meter, 8, old, new))

        assert await keys_of(registry, meter) == [
            (old.public.raw, 1, 7),
            (new.public.raw, 8, None),
        ]
        event = (await key_events(registry))[-1]
        assert (event.from_seq, event.public) == (8, new.public.raw)
        assert (event.previous, event.initial_value) == (bytes([5]) * 32, 7_000)


async def test_a_rotation_sent_again_changes_nothing(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        await seal_up_to(registry, meter, 5)
        rotation = a_rotation(meter, 8, a_key(), a_key("next"))
        await rotate(registry, rotation)
        keys, events = await keys_of(registry, meter), await key_events(registry)
        await rotate(registry, rotation)
        assert (await keys_of(registry, meter), await key_events(registry)) == (
            keys,
            events,
        )

        # Nobody else may learn by asking, nor begin the key elsewhere.
        with pytest.raises(Refused):
            await rotate(registry, replace(rotation, old_signature=bytes(64)))
        with pytest.raises(Refused):
            await rotate(registry, a_rotation(meter, 9, a_key(), a_key("next")))
        # Once a third key is in force, the old wish is no good any more.
        await seal_up_to(registry, meter, 8)
        third = a_rotation(meter, 12, a_key("next"), a_key("third"))
        await rotate(registry, third, NOW + rekey.ROTATION_PAUSE_S)
        with pytest.raises(Refused):
            await rotate(registry, rotation)


async def test_a_rotation_never_reaches_into_the_past(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        await seal_up_to(registry, meter, 5)
        with pytest.raises(Refused, match="at least 6"):
            await rotate(registry, a_rotation(meter, 5, a_key(), a_key("next")))


async def test_a_rotation_needs_both_signatures(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        good = a_rotation(meter, 8, a_key(), a_key("next"))
        for spoilt in (
            replace(good, old_signature=good.new_signature),
            replace(good, new_signature=good.old_signature),
            replace(good, turns=(Turn(meter, EXPORT, 9),)),
            a_rotation(meter, 8, a_key("thief"), a_key("next")),
        ):
            with pytest.raises(Refused) as refused:
                await rotate(registry, spoilt)
            assert refused.value.trouble is Trouble.BAD_POSSESSION
        assert len(await keys_of(registry, meter)) == 1


async def test_a_revoked_key_ends_after_what_was_accepted(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        await seal_up_to(registry, meter, 5)
        async with registry.db.transaction() as tx:
            ended = await rekey.revoke(tx, meter, TERMS.chain)

        assert set(ended.values()) == {5}
        assert await keys_of(registry, meter) == [(a_key().public.raw, 1, 5)]
        event = (await key_events(registry))[-1]
        assert (event.from_seq, event.public) == (6, rekey.NOBODY)
        with pytest.raises(Refused):
            async with registry.db.transaction() as tx:
                await rekey.revoke(tx, meter, TERMS.chain)
        with pytest.raises(Refused):
            await rotate(registry, a_rotation(meter, 8, a_key(), a_key("next")))


@pytest.mark.parametrize("revoked", [False, True])
async def test_a_replacement_goes_on_where_the_chain_stands(
    tmp_path: Path, revoked: bool
) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        await seal_up_to(registry, meter, 5)
        if revoked:
            async with registry.db.transaction() as tx:
                await rekey.revoke(tx, meter, TERMS.chain)
        code = await registry.code(CodeKind.REPLACEMENT)
        request = a_request(code, key=a_key("new Pi"))
        text = await registry.enrol(request)

        assert await registry.enrol(request) == text
        heads = json.loads(text)["heads"]
        assert {head["register"] for head in heads} == {"1-0:1.8.0", "1-0:2.8.0"}
        assert heads[0] == {
            "meter": meter.hex(), "register": heads[0]["register"], "seq": 5,
            "hash": "05" * 32, "end": SLOT + 900, "value": 7_000,
        }  # fmt: skip
        assert await keys_of(registry, meter) == [
            (a_key().public.raw, 1, 5),
            (a_key("new Pi").public.raw, 6, None),
        ]


async def test_a_replacement_before_any_seal_leaves_the_first_to_the_enrolled_key(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        code = await registry.code(CodeKind.REPLACEMENT)
        await registry.enrol(a_request(code, key=a_key("new Pi")))
        assert [span[1:] for span in await keys_of(registry, meter)] == [
            (1, 0),
            (2, None),
        ]


async def test_a_replacement_names_exactly_the_agents_meters(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        await enrolled(registry)
        for change in ({}, {"agent": "home-2"}):
            code = await registry.code(CodeKind.REPLACEMENT, **change)
            request = a_request(code, key=a_key("new Pi"))
            if not change:
                request = replace(
                    request, meters=(replace(request.meters[0], serial="other"),)
                )
            with pytest.raises(Refused) as refused:
                await registry.enrol(request)
            assert refused.value.trouble is Trouble.NOT_FOUND


async def test_a_new_tenant_never_sees_what_was_before_him(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        await enrolled(registry)
        moved = SLOT + 86_400
        async with registry.db.transaction() as tx:
            await tx.rows(
                "INSERT INTO members (id, name, created_at) VALUES (7, 'Bo', 0)"
            )
            assert await end_tenancy(tx, registry.point, at=moved) == registry.member
            await begin_tenancy(tx, Tenancy(7, registry.point, moved, None))
        async with registry.db.reading() as tx:
            ada, bo = await spans(tx, registry.member), await spans(tx, 7)

        assert {(span.from_at, span.to_at) for span in ada} == {(SLOT, moved)}
        assert {(span.from_at, span.to_at) for span in bo} == {(moved, None)}


async def test_two_tenants_at_once_are_refused(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        for wish in (
            Tenancy(registry.member, registry.point, SLOT, None),
            Tenancy(registry.member, registry.point, 0, SLOT),
        ):
            with pytest.raises(Refused) as refused:
                async with registry.db.transaction() as tx:
                    await begin_tenancy(tx, wish)
            assert refused.value.trouble is Trouble.OVERLAP


async def test_a_removed_meter_may_be_enrolled_again(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        async with registry.db.transaction() as tx:
            await remove_meter(tx, meter, at=SLOT + 900)
        again = await enrolled(registry, SLOT + 900, "a fresh key")
        assert again != meter
