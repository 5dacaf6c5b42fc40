"""What is heard in a stream of text telegrams that something may have damaged."""

from collections.abc import Callable
from decimal import Decimal

from meterseal_agent.meters.telegrams.model import (
    BadTelegram,
    Frame,
    Splitter,
    Telegram,
)

ENERGY_UNITS = {"kWh", "Wh", "GJ", "m3"}
Energies = set[tuple[object, Decimal | None, str]]


def energies(telegram: Telegram) -> Energies:
    """Return what a telegram tells of energy, water and heat."""
    return {
        (value.register, value.number, value.unit)
        for value in telegram.values
        if value.unit in ENERGY_UNITS
    }


def heard(
    splitter: Splitter, decode: Callable[[bytes], Telegram], stream: bytes
) -> list[Telegram]:
    """Return the telegrams of a stream that are not refused."""
    return [t for frame in splitter.feed(stream) for t in decoded(decode, frame)]


def decoded(decode: Callable[[bytes], Telegram], frame: Frame) -> list[Telegram]:
    """Return the frame's telegram, nothing when it is refused: at a byte that is there."""
    try:
        return [decode(frame.raw)]
    except BadTelegram as error:
        assert 0 <= error.offset <= len(frame.raw)
        return []
