"""Pure: a home's load and sunshine for a seed, quarter hour by quarter hour.

The mean household is BDEW's H0 profile (`demandlib`); a seed gives each home its
scale, its shift and its appliances. The sun is `pvlib`'s Ineichen clear sky with
the turbidity maps it ships, dimmed by clouds that belong to the seed. This module
must never fetch anything and must give the same Wh for the same seed for ever.

Local time is the place's fixed offset from UTC; daylight saving is left out, so a
day always has 96 quarters. Results are whole mWh: what follows is exact.
"""

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from math import cos, pi, sqrt
from typing import Any

from meterseal_sim.chance import between, pick_weighted, unit
from meterseal_sim.curve import QUARTER_S, Curve, net

DAY_S = 86_400
DAY_QUARTERS = 96
MILLI = 1000
SYSTEM_SHARE = 0.86
"""What a roof's cables, heat and inverter leave of its nameplate power."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the street lies: degrees north and east, and its clock's offset."""

    latitude: float = 48.14
    longitude: float = 11.58
    utc_offset_s: int = 3600


@dataclass(frozen=True, slots=True)
class Appliance:
    """Something that is switched on now and then: W, quarters, times a day."""

    name: str
    power_w: float
    quarters: int
    times: float


@dataclass(frozen=True, slots=True)
class Household:
    """What a seed made of one home; `kwp` is 0 where there is no PV."""

    seed: int
    index: int
    base_kwh_a_year: float
    shift_quarters: int
    kwp: float
    azimuth: float
    tilt: float


APPLIANCES = (
    Appliance("kettle", 2000.0, 1, 2.5),
    Appliance("cooker", 2200.0, 3, 1.1),
    Appliance("washing machine", 1100.0, 5, 0.5),
    Appliance("dishwasher", 900.0, 6, 0.6),
    Appliance("water heater", 1800.0, 2, 1.2),
)


def household(seed: int, index: int) -> Household:
    """Return home number `index` (from 0) of the street that `seed` names.

    Two homes of three have a roof of 2 to 9 kWp, looking between south-east and
    south-west.
    """
    roofed = unit(seed, index, "roof") < 2 / 3
    return Household(
        seed=seed,
        index=index,
        base_kwh_a_year=between(900.0, 3200.0, seed, index, "scale"),
        shift_quarters=round(between(-4.0, 4.0, seed, index, "shift")),
        kwp=round(between(2.0, 9.0, seed, index, "kwp"), 1) if roofed else 0.0,
        azimuth=between(135.0, 225.0, seed, index, "azimuth"),
        tilt=between(15.0, 45.0, seed, index, "tilt"),
    )


def curve_of(home: Household, start: int, days: int, place: Place) -> Curve:
    """Return the registers' growth over `days` from `start` (UTC s, on the grid)."""
    quarters = days * DAY_QUARTERS
    return net(
        start,
        [Fraction(mwh, MILLI) for mwh in load_mwh(home, start, quarters, place)],
        [Fraction(mwh, MILLI) for mwh in pv_mwh(home, start, quarters, place)],
    )


def load_mwh(home: Household, start: int, quarters: int, place: Place) -> list[int]:
    """Return the home's use per quarter hour, whole mWh, none below 0."""
    first = (start + place.utc_offset_s) // QUARTER_S - home.shift_quarters
    steady = [
        home.base_kwh_a_year * 1e6 * _mean_share(first + step)
        for step in range(quarters)
    ]
    used = [round(mwh) for mwh in steady]
    first_day = (start + place.utc_offset_s) // DAY_S
    last_day = first_day + quarters // DAY_QUARTERS
    begin = (start + place.utc_offset_s) // QUARTER_S
    # A run that began the evening before may still be on at midnight.
    for day in range(first_day - 1, last_day + 1):
        for quarter, mwh in _runs(home, day):
            if 0 <= quarter - begin < quarters:
                used[quarter - begin] += mwh
    return used


def pv_mwh(home: Household, start: int, quarters: int, place: Place) -> list[int]:
    """Return the roof's yield per quarter hour, whole mWh, none below 0."""
    if not home.kwp:
        return [0] * quarters
    return [
        max(
            0,
            round(home.kwp * irradiance * SYSTEM_SHARE * _sky(home, start, step) * 250),
        )
        for step, irradiance in enumerate(
            _clear_sky(start, quarters, place, home.azimuth, home.tilt)
        )
    ]


def _runs(home: Household, local_day: int) -> list[tuple[int, int]]:
    """Return (local quarter since 1970, mWh) of every appliance run of a day."""
    weights = tuple(
        _mean_share(local_day * DAY_QUARTERS + quarter)
        for quarter in range(DAY_QUARTERS)
    )
    found = []
    for appliance in APPLIANCES:
        mwh = round(
            appliance.power_w * between(0.8, 1.2, home.seed, home.index, appliance.name)
        ) * (MILLI // 4)
        for turn in range(3):
            names = (home.index, local_day, appliance.name, turn)
            if unit(home.seed, *names, "run") >= appliance.times / 3:
                continue
            begin = pick_weighted(weights, unit(home.seed, *names, "at"))
            found += [
                (local_day * DAY_QUARTERS + begin + step, mwh)
                for step in range(appliance.quarters)
            ]
    return found


def _sky(home: Household, start: int, step: int) -> float:
    """Return the share of clear-sky light that the clouds let through.

    One sky hangs over the whole street: a day is bright or dull, clouds pass
    within hours, and each roof sees its own edge of them.
    """
    at = start // QUARTER_S + step
    clearness = 0.35 + 0.65 * sqrt(unit(home.seed, "day", at // DAY_QUARTERS))
    passing = _smooth(home.seed, "cloud", at, 6)
    own = _smooth(home.seed, f"roof {home.index}", at, 3)
    return clearness * (1 - 0.5 * (1 - clearness) * passing) * (0.94 + 0.06 * own)


def _smooth(seed: int, name: str, at: int, width: int) -> float:
    """Return value noise in [0, 1): dice every `width` quarters, cosine between."""
    cell, place = divmod(at, width)
    blend = (1 - cos(pi * place / width)) / 2
    return unit(seed, name, cell) * (1 - blend) + unit(seed, name, cell + 1) * blend


def _mean_share(local_quarter: int) -> float:
    """Return the share of a year's energy that H0 uses in this quarter hour."""
    year = datetime.fromtimestamp(local_quarter * QUARTER_S, tz=UTC).year
    first = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) // QUARTER_S
    return _mean_year(year)[local_quarter - first]


@lru_cache(maxsize=8)
def _mean_year(year: int) -> tuple[float, ...]:
    """Return the dynamic H0 profile of a year: 35,040 or 35,136 shares of 1."""
    # The library is heavy, and it leaves every warning an error behind itself.
    with warnings.catch_warnings():
        # Imported here: the command line answers without it. It has no types.
        from demandlib.bdew import ElecSlp  # type: ignore[import-untyped]

        profile = ElecSlp(year).slp_frame["h0_dyn"]
    total = float(profile.sum())
    return tuple(float(share) / total for share in profile.to_numpy())


def _clear_sky(
    start: int, quarters: int, place: Place, azimuth: float, tilt: float
) -> list[float]:
    """Return W/m2 on the roof's plane at the middle of every quarter hour."""
    from pvlib.irradiance import get_total_irradiance  # type: ignore[import-untyped]

    sky = _sun(start, quarters, place)
    plane = get_total_irradiance(
        tilt,
        azimuth,
        sky["apparent_zenith"],
        sky["azimuth"],
        sky["dni"],
        sky["ghi"],
        sky["dhi"],
    )["poa_global"]
    return [float(light) for light in plane.fillna(0.0).to_numpy()]


@lru_cache(maxsize=4)
def _sun(start: int, quarters: int, place: Place) -> Any:  # a DataFrame without types
    """Return sun angles and clear-sky light (W/m2), one row per quarter hour."""
    import pandas as pd  # type: ignore[import-untyped]
    from pvlib.location import Location  # type: ignore[import-untyped]

    middles = pd.date_range(
        pd.Timestamp(start + QUARTER_S // 2, unit="s", tz="UTC"),
        periods=quarters,
        freq=f"{QUARTER_S}s",
    )
    here = Location(place.latitude, place.longitude)
    angles = here.get_solarposition(middles)
    return here.get_clearsky(middles, solar_position=angles).join(
        angles[["apparent_zenith", "azimuth"]]
    )
