"""What the technician's commands may be told on the command line.

It must never load a command's program: help has to be there at once, on every Pi.
"""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable

MAX_SEQ = 1 << 62
DEFAULT_CONFIG = "/etc/meterseal/agent.toml"
PATIENCE_S = 120
"""How long enrolment waits for the meters: somebody is still wiring."""
PROTOCOLS = ("auto", "dsmr", "sml", "mbus", "d0", "han")


def number(low: int, high: int) -> Callable[[str], int]:
    """Return what reads an integer from `low` to `high`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ArgumentTypeError(f"{text!r} is no number from {low} to {high}")
        return value

    return read


def decoding(sub: ArgumentParser) -> None:
    """Take what `decode` needs."""
    sub.add_argument(
        "--protocol", choices=PROTOCOLS, default="auto", help="default: %(default)s"
    )
    sub.add_argument(
        "file", metavar="FILE", help="bytes or hexadecimal text; - is standard input"
    )


def line(sub: ArgumentParser, *, baud: str | None = None) -> None:
    """Take a line by its name; `baud` is said of it where several may be given."""
    serial = sub.add_argument_group("a serial line")
    serial.add_argument("--device", help="best /dev/serial/by-id/...")
    if baud is None:
        serial.add_argument("--baud", type=number(50, 4_000_000), help="default 9600")
        serial.add_argument("--parity", choices=("N", "E", "O"), default="N")
    else:
        serial.add_argument("--baud", help=baud)
        serial.add_argument("--parity", default="N,E,O", help="default %(default)s")
    serial.add_argument("--stop", type=int, choices=(1, 2), default=1)
    network = sub.add_argument_group("a meter or gateway on the network")
    network.add_argument("--host", help="its address")
    network.add_argument(
        "--port", type=number(1, 65535), default=502, help="default %(default)s"
    )
    network.add_argument(
        "--framing",
        choices=("tcp", "rtu"),
        default="tcp",
        help="Modbus TCP, or RTU frames through a device server",
    )


def _timeout(sub: ArgumentParser, default: int | None = 800) -> None:
    says = "default %(default)s" if default else "default 100, network 1000"
    sub.add_argument("--timeout-ms", type=number(1, 60_000), default=default, help=says)


def scanning(sub: ArgumentParser) -> None:
    """Take what `scan` needs."""
    line(sub, baud="a list; default 9600,19200,2400,38400,4800")
    sub.add_argument("--units", default="1-247", help="default %(default)s")
    _timeout(sub, None)


def unit(sub: ArgumentParser) -> None:
    """Take one unit on a line."""
    line(sub)
    sub.add_argument(
        "--unit", type=number(0, 255), default=1, help="default %(default)s"
    )
    _timeout(sub)


def browsing(sub: ArgumentParser) -> None:
    """Take what `registers` needs."""
    unit(sub)
    sub.add_argument("--function", type=int, choices=(3, 4), default=4)
    sub.add_argument(
        "--first", type=number(0, 65535), default=0, help="PDU address, from 0"
    )
    sub.add_argument(
        "--count", type=number(1, 1000), default=80, help="default %(default)s"
    )
    sub.add_argument("--memory", metavar="FILE", help="where the last reading is kept")


def _meter(sub: ArgumentParser) -> None:
    """Take a meter: one on a named line, or one of the configuration."""
    unit(sub)
    sub.add_argument("--profile", help="its model, with --device or --host")
    configured(sub)
    sub.add_argument(
        "--meter", metavar="SERIAL", help="one of the configuration's meters"
    )


def configured(sub: ArgumentParser) -> None:
    """Take the configuration's place."""
    sub.add_argument("--config", default=DEFAULT_CONFIG, help="TOML file (%(default)s)")


def wiring(sub: ArgumentParser) -> None:
    """Take what `wiring` needs."""
    _meter(sub)
    _site(sub)


def _site(sub: ArgumentParser) -> None:
    """Take what the technician knows of the place."""
    sub.add_argument("--nominal", default="230", help="volts, default %(default)s")
    sub.add_argument(
        "--feeding-in", action="store_true", help="PV feeds in now: P may be negative"
    )
    sub.add_argument(
        "--clamp",
        action="append",
        default=[],
        metavar="L1=AMPERES",
        help="what a clamp shows, to check the CT ratio; once a phase",
    )
    sub.add_argument("--ct", metavar="AMPERES", help="the CTs' primary rated current")


def comparing(sub: ArgumentParser) -> None:
    """Take what `compare` needs."""
    _meter(sub)
    sub.add_argument("--by", choices=("clamp", "display"), default="clamp")
    sub.add_argument(
        "--limit", metavar="PERCENT", help="default: 5 by clamp, 0.5 by display"
    )
    sub.add_argument(
        "pairs",
        nargs="+",
        metavar="NAME=VALUE",
        help="voltage_l1=230.4 (V), current_l1=5.1 (A), power=1200 (W), import=12.5 (kWh)",
    )


def stepping(sub: ArgumentParser) -> None:
    """Take what `loadstep` needs."""
    _meter(sub)
    sub.add_argument(
        "--watts", type=number(1, 10**6), required=True, help="the load, by its plate"
    )
    sub.add_argument("--phase", help="where it hangs: L1, L2 or L3")
    sub.add_argument(
        "--within",
        type=number(0, 3600),
        default=60,
        help="seconds to wait, default %(default)s",
    )


def measuring(sub: ArgumentParser) -> None:
    """Take what `quality` needs."""
    _meter(sub)
    sub.add_argument(
        "--reads", type=number(1, 100_000), default=200, help="default %(default)s"
    )


def addressing(sub: ArgumentParser) -> None:
    """Take what `address` needs."""
    unit(sub)
    sub.add_argument("--profile", help="the unit's model")
    sub.add_argument(
        "--to", type=number(1, 247), metavar="UNIT", help="its new address"
    )
    sub.add_argument(
        "--to-baud", type=number(300, 115_200), metavar="BAUD", help="its new baud rate"
    )
    sub.add_argument("--undo", action="store_true", help="take the last change back")
    sub.add_argument("--memory", metavar="FILE", help="where the way back is kept")


def rehearsing(sub: ArgumentParser) -> None:
    """Take what `dry-run` needs."""
    configured(sub)
    sub.add_argument(
        "--wait",
        type=number(0, 86_400),
        default=0,
        metavar="SECONDS",
        help="wait until the running agent gets its next receipt",
    )


def resident(sub: ArgumentParser) -> None:
    """Take what `resident-pin` needs."""
    configured(sub)
    sub.add_argument(
        "--show",
        action="store_true",
        help="only say where the page is and its fingerprint; change nothing",
    )
    sub.add_argument(
        "--sheet", metavar="FILE", help="write the sheet to a new file, not here"
    )


def binding(sub: ArgumentParser) -> None:
    """Take what `bind` needs."""
    configured(sub)
    sub.add_argument(
        "--meter", metavar="SERIAL", required=True, help="one of this agent's meters"
    )
    sub.add_argument(
        "--owner",
        metavar="ADDRESS",
        required=True,
        help="the account on the chain that is to hold the meter",
    )
    sub.add_argument(
        "--from-seq",
        type=number(1, MAX_SEQ - 1),
        metavar="N",
        help="the first seal the binding is for; default: the first of this agent's key",
    )
    sub.add_argument("--json", action="store_true", help="one JSON document")


def chain_opening(sub: ArgumentParser) -> None:
    """Take what `open-on-chain` needs."""
    sub.add_argument(
        "--openings", metavar="FILE", required=True, help="exported on your own page"
    )
    sub.add_argument(
        "--bill", metavar="FILE", required=True, help="the file of the private bill"
    )
    sub.add_argument(
        "--for-ever",
        action="store_true",
        help="yes: everybody may know what the period used, for ever",
    )


def reporting(sub: ArgumentParser) -> None:
    """Take what `report` needs."""
    configured(sub)
    _site(sub)
    sub.add_argument("--technician", default="", metavar="NAME")
    sub.add_argument("--place", default="", metavar="TEXT", help="where this is")
    sub.add_argument(
        "--reads",
        type=number(0, 10_000),
        default=50,
        help="to time each line, default %(default)s",
    )
    sub.add_argument(
        "--out", metavar="FILE", help="default: commissioning-DATE.json, and .pdf"
    )
    sub.add_argument("--no-pdf", action="store_true", help="write the JSON only")
    sub.add_argument(
        "--diff", metavar="OLD.json", help="say what changed since an old report"
    )
    sub.add_argument(
        "--verify", metavar="FILE", help="check a report's signature; do nothing else"
    )


def coded(sub: ArgumentParser, *, restores: bool) -> None:
    """A one-time code, and how a secret leaves or comes back: `enrol` and `replace`."""
    configured(sub)
    sub.add_argument("--code", required=True, help="the one-time code")
    sub.add_argument(
        "--patience",
        type=int,
        default=PATIENCE_S,
        help="seconds to wait for the meters (%(default)s)",
    )
    sub.add_argument(
        "--sheet",
        metavar="FILE",
        help="write the recovery sheet to a new file, not to the terminal",
    )
    sub.add_argument(
        "--shares",
        metavar="FOLDER",
        help="split the secret in three files in a new folder, any two of which restore"
        " it, instead of the recovery sheet",
    )
    if restores:
        holding(sub)


def holding(sub: ArgumentParser) -> None:
    """What shows that the secret is held: its sheet, or two shares."""
    sub.add_argument(
        "--secret-file", help="the recovery sheet, or its 64 digits, in a file"
    )
    sub.add_argument(
        "--share",
        action="append",
        metavar="FILE",
        help="a share of the secret, instead of the sheet; give two of one set",
    )


def splitting(sub: ArgumentParser) -> None:
    """What `shares` takes."""
    configured(sub)
    holding(sub)
    sub.add_argument(
        "--folder", required=True, help="a new folder for the three shares"
    )


def restoring(sub: ArgumentParser) -> None:
    """What `restore-history` takes."""
    configured(sub)
    sub.add_argument(
        "--patience",
        type=number(0, 86_400),
        default=PATIENCE_S,
        help="seconds to wait until the log tells of this device (%(default)s)",
    )


def shown(sub: ArgumentParser) -> None:
    """What `show` takes."""
    configured(sub)
    sub.add_argument("--json", action="store_true", help="the whole document")
