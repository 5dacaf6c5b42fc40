"""Which line and which unit a command is about: by option, or by the configuration.

A technician comes before the configuration does, so a line can be named outright; where
a meter is configured already, its serial is enough. It must never open a line itself.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_agent.commissioning.presence import Setting
from meterseal_agent.meters.modbus import Line, RtuTransport, TcpTransport
from meterseal_agent.meters.profile import Profile, load, load_file
from meterseal_agent.meters.wire import Place, SerialPlace, TcpPlace
from meterseal_agent.technician.complaint import Complaint

RTU: Final = "rtu"
DEFAULT_BAUD: Final = 9600


@dataclass(frozen=True, slots=True)
class Named:
    """A line as the options name it: its place, and whether RTU frames cross a network."""

    place: Place
    framing: str = "tcp"

    @property
    def serial(self) -> bool:
        """Tell whether it is a serial line of this machine."""
        return isinstance(self.place, SerialPlace)

    def line(self) -> Line:
        """Return a line there, not yet opened."""
        if isinstance(self.place, SerialPlace) or self.framing == RTU:
            return Line(RtuTransport(self.place))
        return Line(TcpTransport(self.place.host, self.place.port))

    def set_to(self, setting: Setting) -> "Named":
        """Return the same serial line, set otherwise."""
        if not isinstance(self.place, SerialPlace):
            return self
        device = self.place.device
        return Named(SerialPlace(device, setting.baud, 8, setting.parity, setting.stop))

    @property
    def setting(self) -> Setting:
        """How the serial line is set."""
        if isinstance(self.place, SerialPlace):
            return Setting(self.place.baud, self.place.parity, self.place.stop)
        return Setting()


def named(options: argparse.Namespace) -> Named | None:
    """Return the line the options name, None when they leave it to the configuration."""
    if options.device is not None and options.host is not None:
        raise Complaint("name --device or --host, not both")
    if options.device is not None:
        baud = options.baud or DEFAULT_BAUD
        return Named(SerialPlace(options.device, baud, 8, options.parity, options.stop))
    if options.host is not None:
        _check_host(options.host)
        return Named(TcpPlace(options.host, options.port), options.framing)
    return None


def _check_host(host: str) -> None:
    try:
        well = bool(host) and bool(host.encode("idna")) and host.isprintable()
    except UnicodeError:
        well = False
    if not well:
        raise Complaint(f"--host is a name or an address, not {host!r}")


def must_be_named(options: argparse.Namespace) -> Named:
    """Return the line the options name; Complaint when they name none."""
    found = named(options)
    if found is None:
        raise Complaint(
            "name the line: --device /dev/serial/by-id/... or --host ADDRESS"
        )
    return found


def profile(name: str) -> Profile:
    """Return a profile by its shipped name or its file; Complaint lists the names."""
    try:
        return load_file(Path(name)) if os.sep in name else load(name)
    except OSError as error:
        raise Complaint(f"profile {name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Complaint(str(error)) from error


def numbers(text: str, what: str, allowed: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of a comma-separated text; Complaint for one not allowed."""
    found = [int(part) if part.strip().isdecimal() else -1 for part in text.split(",")]
    if not set(found) <= set(allowed):
        choices = ", ".join(str(number) for number in allowed)
        raise Complaint(f"{what} is a list of {choices}, not {text!r}")
    return tuple(found)
