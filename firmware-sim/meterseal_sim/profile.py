"""Pure: what a meter model's register page holds, as its vendor's document says.

A profile is one TOML file under `profiles/`; adding a meter is adding a file.
It must never be derived from the agent's register maps: the port tests compare
two readings of the same page, which is worth nothing if one copied the other.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from meterseal_sim.refusal import Refused

WIDTHS = {
    "u16": 1,
    "s16": 1,
    "u32": 2,
    "s32": 2,
    "f32": 2,
    "u64": 4,
    "s64": 4,
    "f64": 4,
}
"""Registers a value of each kind occupies."""
TEXT = "text"
"""The kind of a value in characters, two to a register, NUL at its end."""
TURNAROUND_MS = 10
"""What a meter takes to answer when its profile does not say: quick, but not at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """A run of addresses that one function code can read, both ends included.

    Within a page, registers without a value read as 0, as vendors' do; a read
    that leaves the page, or finds no value at all, is an illegal data address.
    """

    function: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Register:
    """One value: where it lies (PDU address from 0), its kind and its quantity.

    The register shows quantity x `times` / `divide` (quantities are W, V, A, Hz, Wh,
    varh). One with `raw` shows those bits whatever happens: an identity, a scale, or
    a vendor's "not available". A `text` fills `words` registers with `said`, or with
    its quantity in digits. `nothing` are the bits its model shows for a value that is
    not to be had, None where the document does not say; `turned` is low word first.
    """

    function: int
    address: int
    kind: str
    quantity: str
    divide: int
    times: int = 1
    raw: int | None = None
    said: str = ""
    words: int = 0
    nothing: int | None = None
    turned: bool = False

    @property
    def width(self) -> int:
        """Return how many registers the value occupies."""
        return self.words if self.kind == TEXT else WIDTHS[self.kind]


@dataclass(frozen=True, slots=True)
class Profile:
    """A meter model as a Modbus client meets it.

    `pairs_only` says that a read must cover whole two-register values;
    `exact_below_wh` is where its energy registers stop showing every Wh, and
    `turnaround_ms` how long it thinks before it answers on a serial line. The settings
    of a `writable` one, its address and speed, can be told over the line.
    """

    name: str
    title: str
    vendor: str
    document: str
    phases: int
    low_word_first: bool
    max_registers: int
    pairs_only: bool
    exact_below_wh: int
    turnaround_ms: int
    pages: tuple[Page, ...]
    registers: tuple[Register, ...]
    writable: bool = False

    def functions(self) -> frozenset[int]:
        """Return the Modbus function codes the meter knows."""
        return frozenset(page.function for page in self.pages)


def parse(text: str) -> Profile:
    """Read a profile's TOML; raises Refused with the place of the mistake."""
    try:
        document = tomllib.loads(text)
        profile = _profile(document)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as trouble:
        raise Refused(f"not a meter profile: {trouble}") from None
    for register in profile.registers:
        if not _on_a_page(register, profile.pages):
            raise Refused(f"{profile.name}: {register.address} lies on no page")
    return profile


# tomllib gives untyped tables; the dataclasses below are their types.
def _profile(document: Mapping[str, Any]) -> Profile:
    return Profile(
        name=document["name"],
        title=document["title"],
        vendor=document["vendor"],
        document=document["document"],
        phases=document["phases"],
        low_word_first=document["low_word_first"],
        max_registers=document["max_registers"],
        pairs_only=document["pairs_only"],
        exact_below_wh=document["exact_below_wh"],
        turnaround_ms=document.get("turnaround_ms", TURNAROUND_MS),
        writable=document.get("writable", False),
        pages=tuple(Page(**page) for page in document["page"]),
        registers=tuple(
            replace(
                _register(row),
                nothing=document.get("nothing", {}).get(row["kind"]),
                turned=document["low_word_first"],
            )
            for row in document["register"]
        ),
    )


def _register(row: Mapping[str, Any]) -> Register:  # a TOML table, as above
    kind, where = row["kind"], row["address"]
    if kind not in WIDTHS and kind != TEXT:
        raise Refused(f"kind {kind!r} at {where}: one of {sorted(WIDTHS)} or {TEXT!r}")
    if len(row.keys() & {"quantity", "raw", "said"}) != 1:
        raise Refused(f"{where} shows either a quantity, or raw bits, or what is said")
    if (kind == TEXT) != ("words" in row) or ("said" in row and kind != TEXT):
        raise Refused(f"{where}: a text, and only a text, says how many words it fills")
    return Register(
        function=row["function"],
        address=row["address"],
        kind=kind,
        quantity=row.get("quantity", ""),
        divide=row.get("divide", 1),
        times=row.get("times", 1),
        raw=row.get("raw"),
        said=row.get("said", ""),
        words=row.get("words", 0),
    )


def _on_a_page(register: Register, pages: tuple[Page, ...]) -> bool:
    return any(
        page.function == register.function
        and page.first <= register.address
        and register.address + register.width - 1 <= page.last
        for page in pages
    )
