"""Meters with seeds and committed day seals, and an operator who asks three trustees."""

import hashlib
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx2

from meterseal_proto.commitment import commit
from meterseal_proto.keys import Algorithm, SealKey
from meterseal_proto.reporting import (
    Act,
    Reported,
    Roster,
    answered_by,
    blame_digest,
    quarter_text,
    signed,
)
from meterseal_proto.seal import MODE_COMMITTED, Header
from meterseal_proto.secret import Secret
from meterseal_proto.seedbox import Deposit, TrusteeKey, deposited
from meterseal_proto.totals import SEEDS, Mask, Masked, honest, masked, unmasked
from meterseal_proto.units import IMPORT, MeterId, obis_text

NETWORK: Final = hashlib.sha256(b"a street").digest()
CHAIN_ID: Final = 0x80000000
DAY: Final = 20_000
"""2024-10-04, a Friday."""
NOON_AFTER: Final = (DAY + 1) * 86_400 + 43_200
QUARTER: Final = 2024 * 4 + 3


class House:
    """A meter with a seal key, three seeds and a usage for every day, all from its number."""

    def __init__(self, number: int) -> None:
        self.meter = MeterId(number.to_bytes(16))
        self.key = SealKey(
            Algorithm.SECP256K1, hashlib.sha256(b"key %d" % number).digest()
        )
        self.seeds = [
            hashlib.sha256(b"seed %d %d" % (number, k)).digest() for k in range(SEEDS)
        ]
        self._number = number

    def wh(self, day: int = DAY) -> int:
        return (self._number * 911 + day * 13) % 20_000

    def opening(self, day: int) -> tuple[Secret, Secret]:
        blinding = hashlib.sha512(b"z %d %d" % (self._number, day)).digest()
        return Secret(self.wh(day)), Secret.of_bytes(blinding)

    def seal(self, day: int = DAY, **changes: Any) -> Reported:
        header = Header(
            NETWORK, self.meter, IMPORT, day * 86_400, 900, 96, day,
            bytes(32), hashlib.sha256(b"root").digest(), MODE_COMMITTED, 16,
            commit(*self.opening(day)),
        )  # fmt: skip
        return Reported(replace(header, **changes), 0)

    def report(self, day: int = DAY, *, lie_wh: int = 0) -> Masked:
        value, blinding = self.opening(day)
        told = Secret(value.reveal() + lie_wh)
        return masked(told, blinding, self.seeds, self.seal(day).place())

    def deposit(self, trustee: TrusteeKey) -> Deposit:
        return deposited(self.key, NETWORK, self.meter, trustee, self.seeds)


def houses(first: int, count: int) -> list[House]:
    return [House(number) for number in range(first, first + count)]


def roster_of(
    members: Iterable[House], cell: str = "north", quarter: int = QUARTER
) -> Roster:
    keys = {house.meter: house.key.public for house in members}
    return Roster(NETWORK, cell, quarter, IMPORT, keys)


def summed_reports(reports: Sequence[Masked]) -> Masked:
    """The one masked number the operator tells a trustee in a complaint."""
    none = {seed: Mask(0, 0) for seed in range(SEEDS)}
    return unmasked(reports, none)


class Denied(Exception):
    """A trustee said no; `why` is the name of the rule."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(slots=True)
class Line:
    """The operator's line to one trustee, whose keys it has pinned."""

    url: str
    key: TrusteeKey
    client: httpx2.AsyncClient

    async def post(self, path: str, body: object) -> dict[str, Any]:
        answer = await self.client.post(self.url + path, json=body)
        return self.read(answer)

    @staticmethod
    def read(answer: httpx2.Response) -> dict[str, Any]:
        found: dict[str, Any] = answer.json()
        if answer.status_code not in (200, 202):
            kind = answer.headers["content-type"]
            assert kind == "application/problem+json", answer.text
            raise Denied(answer.status_code, found["type"].rpartition(":")[2])
        return found

    async def seeds(self, deposit: Deposit) -> None:
        body = {
            "meter": deposit.meter.hex(),
            "algorithm": str(deposit.key.algorithm),
            "key": deposit.key.raw.hex(),
            "boxes": [box.hex() for box in deposit.boxes],
            "signature": deposit.signature.hex(),
        }
        found = await self.post("/v1/seeds", body)
        digest = deposit.digest(NETWORK, self.key.box)
        signature = bytes.fromhex(found["signature"])
        assert signed(self.key.sign, Act.DEPOSIT, digest, signature)

    async def roster(self, roster: Roster) -> dict[str, Any]:
        body = {
            "cell": roster.cell,
            "quarter": quarter_text(roster.quarter),
            "register": obis_text(roster.register),
            "members": [
                {"meter": m.hex(), "algorithm": str(k.algorithm), "key": k.raw.hex()}
                for m, k in roster.members.items()
            ],
        }
        return await self.post("/v1/rosters", body)

    async def sign_set(
        self, reported: Sequence[Reported], cell: str = "north", day: int = DAY
    ) -> dict[str, Any]:
        return await self.post("/v1/sets", set_body(reported, cell, day))

    async def masks(
        self,
        stated: str,
        signatures: Sequence[str],
        cell: str = "north",
        day: int = DAY,
    ) -> dict[str, Any]:
        body = {
            "cell": cell,
            "day": day,
            "statement": stated,
            "signatures": list(signatures),
        }
        return await self.post("/v1/masks", body)

    async def blame(
        self,
        stated: str,
        reports: Masked,
        other: Mapping[str, Any],
        meters: Iterable[MeterId],
        day: int = DAY,
    ) -> dict[MeterId, dict[int, bytes]]:
        body = {
            "cell": "north",
            "day": day,
            "statement": stated,
            "reports": {
                "value": reports.value.to_bytes(32).hex(),
                "blinding": reports.blinding.to_bytes(32).hex(),
            },
            "other": dict(other),
            "meters": [meter.hex() for meter in meters],
        }
        found = await self.post("/v1/blames", body)
        shown = {
            MeterId(bytes.fromhex(meter)): {
                int(seed): bytes.fromhex(one) for seed, one in by_seed.items()
            }
            for meter, by_seed in found["commitments"].items()
        }
        digest = blame_digest(bytes.fromhex(stated), shown)
        signature = bytes.fromhex(found["signature"])
        assert signed(self.key.sign, Act.BLAME, digest, signature)
        return shown

    def sums(self, stated: str, answer: Mapping[str, Any]) -> dict[int, Mask]:
        """Read an answer; it must be signed by this trustee."""
        found = {
            int(seed): Mask(int(pair["value"], 16), int(pair["blinding"], 16))
            for seed, pair in answer["sums"].items()
        }
        signature = bytes.fromhex(answer["signature"])
        key, number = self.key.sign, self.key.number
        assert answered_by(key, number, bytes.fromhex(stated), found, signature)
        return found


def set_body(
    reported: Sequence[Reported], cell: str = "north", day: int = DAY
) -> dict[str, Any]:
    members = [
        {"header": one.header.consensus().hex(), "revision": one.revision}
        for one in reported
    ]
    return {"cell": cell, "day": day, "members": members}


async def all_sign(
    lines: Sequence[Line],
    reported: Sequence[Reported],
    cell: str = "north",
    day: int = DAY,
) -> tuple[str, list[str]]:
    """Bring all trustees one set; returns its statement and their signatures."""
    answers = [await line.sign_set(reported, cell, day) for line in lines]
    (stated,) = {one["statement"] for one in answers}
    return stated, [one["signature"] for one in answers]


def named_cheats(
    members: Sequence[House],
    reports: Mapping[MeterId, Masked],
    shown: Sequence[Mapping[MeterId, Mapping[int, bytes]]],
    day: int = DAY,
) -> list[House]:
    """Name the meters whose masked opening is not of their commitment."""
    blamed = []
    for house in members:
        by_seed: dict[int, bytes] = {}
        for one in shown:
            by_seed |= one[house.meter]
        masks = [by_seed[seed] for seed in range(SEEDS)]
        if not honest(reports[house.meter], house.seal(day).header.sum, masks):
            blamed.append(house)
    return blamed


def context_of(directory: str, name: str) -> ssl.SSLContext:
    """A client's TLS from the files an authority wrote."""
    context = ssl.create_default_context(cafile=f"{directory}/ca.pem")
    context.load_cert_chain(f"{directory}/{name}.pem", f"{directory}/{name}.key")
    return context


def clock_at(second: int) -> dict[str, str]:
    """The environment in which a program's clock stands: a second takes eleven days."""
    return {"METERSEAL_CLOCK": f"{second},0.000001"}
