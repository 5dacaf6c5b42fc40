"""A program that prints what wmbusmeters prints, as a script told it to.

    python wmbusmeters_double.py FIFO

Each line that comes through the FIFO is one order: `out TEXT`, `err TEXT`, `exit STATUS`
or `deaf` (from then on SIGTERM is ignored).
"""

import os
import signal
import sys
from pathlib import Path


def main() -> None:
    print("Started config rtlwmbus[00000001] listening on c1", flush=True)
    with Path(sys.argv[1]).open(encoding="utf-8") as orders:
        for order in orders:
            verb, _, text = order.rstrip("\n").partition(" ")
            match verb:
                case "out":
                    print(text, flush=True)
                case "err":
                    print(text, file=sys.stderr, flush=True)
                case "exit":
                    os._exit(int(text))
                case "deaf":
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    print("deaf", flush=True)


if __name__ == "__main__":
    main()
