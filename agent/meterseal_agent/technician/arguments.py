"""What the technician's commands may be told on the command line.

It must never load a command's program: help has to be there at once, on every Pi.
"""

from argparse import ArgumentParser

PROTOCOLS = ("auto", "dsmr", "sml", "mbus", "d0", "han")


def decoding(sub: ArgumentParser) -> None:
    """Take what `decode` needs."""
    sub.add_argument(
        "--protocol", choices=PROTOCOLS, default="auto", help="default: %(default)s"
    )
    sub.add_argument(
        "file", metavar="FILE", help="bytes or hexadecimal text; - is standard input"
    )
