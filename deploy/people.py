"""The people of the street: each home's member, with a token of his own.

    people = meet(street, {"seller": 3, "buyer": 0})

This module must never do anything in a member's name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.api import Api
from deploy.street import Street, aggregate, registers


@dataclass(frozen=True, slots=True)
class Resident:
    """A home's member: the API as he sees it, his number and his meter point's."""

    name: str
    home: int
    id: int
    point: int
    api: Api


def meet(street: Street, parts: Mapping[str, int]) -> dict[str, Resident]:
    """Give the members of these homes a token each."""
    ids = {row["name"]: int(row["id"]) for row in street.api.pages("/v1/members")}
    found = {}
    for name, home in parts.items():
        called = f"Home {home}"
        said = aggregate(
            street, "token", "--role", "member", "--member", called, "--json"
        )
        api = Api(street.api.url, json.loads(said.splitlines()[-1])["token"])
        detail = api.get(f"/v1/members/{ids[called]}")
        point = int(detail["tenancies"][0]["meter_point"])
        found[name] = Resident(name, home, ids[called], point, api)
    return found


def exports(street: Street) -> dict[int, int]:
    """What each home will have exported when the day is over, Wh by home."""
    last = registers(street, street.end)
    return {
        home: last[meter["serial"]]["export_wh"] - meter["initial_export_wh"]
        for home, meter in enumerate(street.meters)
    }
