"""Telegrams a second, decoded from the captures of real meters: each format, one core.

    python -m bench telegrams                  # or: make bench ROOM=telegrams

The bytes come in the chunks a serial adapter gives; every telegram is cut out, checked
and decoded to exact values, those of P1 to a sample too. The bare limit beside each is one
CRC over the same bytes by the standard library's C, which no decoder can do without.
dsmr-parser reads the same P1 stream in the same run, in an environment of its own. Medians
of CPU time: what else runs on the box does not count.
"""

import binascii
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.peers import NoPeer, environment
from meterseal_agent.meters.telegrams.detect import Decoder, Format, decoder
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram
from meterseal_agent.meters.telegrams.sample import to_sample
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.data import shared_data

RESULTS: Final = Path(__file__).parent / "results" / "telegrams.json"
GOAL: Final = 2_000
"""Telegrams a second that are asked of the P1 stream."""
CHUNK: Final = 64
"""Bytes at once: the buffer of an FTDI adapter, less its two status bytes, is 62."""
RUNS: Final = 5
LEAST_S: Final = 0.3
"""A run repeats its captures until it has worked so long."""
P1: Final = ("meters", "dsmr", "nl_v5_stream_first_100.txt")
PEER: Final = "dsmr-parser"
PEER_READS: Final = """
import sys, time
from dsmr_parser import telegram_specifications
from dsmr_parser.clients.telegram_buffer import TelegramBuffer
from dsmr_parser.parsers import TelegramParser
stream, rounds = open(sys.argv[1], newline="").read(), int(sys.argv[2])
parser, count, began = TelegramParser(telegram_specifications.V5), 0, time.process_time()
for _ in range(rounds):
    buffer = TelegramBuffer()
    for at in range(0, len(stream), 64):
        buffer.append(stream[at : at + 64])
        for telegram in buffer.get_all():
            parser.parse(telegram, throw_ex=True)
            count += 1
print(count / (time.process_time() - began))
"""
"""Its own buffer and parser, as its documentation puts them together."""
SAMPLED: Final = "dsmr: stream to sample"
Row = dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Captures:
    """The captures of one format, each a stream of its own."""

    which: Format
    streams: Sequence[bytes]


def captures() -> list[Captures]:
    """Return the captures of every format."""
    readouts = json.loads(
        shared_data("meters", "iec62056_21", "readouts.json").read_text()
    )
    frames = json.loads(shared_data("meters", "dlms_han", "frames.json").read_text())
    mbus = sorted(shared_data("meters", "mbus").glob("*.hex"))
    sml = sorted(shared_data("meters", "sml").glob("*.bin"))
    return [
        Captures(Format.DSMR, [shared_data(*P1).read_bytes()]),
        Captures(Format.SML, [path.read_bytes() for path in sml]),
        Captures(Format.D0, [f"{text}\r\n".encode() for text in readouts.values()]),
        Captures(Format.MBUS, [bytes.fromhex(path.read_text()) for path in mbus]),
        Captures(
            Format.HAN, [_flagged(bytes.fromhex(text)) for text in frames.values()]
        ),
    ]


def _flagged(frame: bytes) -> bytes:
    """Return an HDLC frame, whose flags the capture left out, as it comes on the line."""
    return b"\x7e" + frame + b"\x7e" if frame[0] & 0xF0 == 0xA0 else frame


def read_all(by: Decoder, streams: Sequence[bytes]) -> list[Telegram]:
    """Return what the streams tell; damaged telegrams among them are left out."""
    found: list[Telegram] = []
    for stream in streams:
        splitter = by.splitter()
        for at in range(0, len(stream), CHUNK):
            for frame in splitter.feed(stream[at : at + CHUNK]):
                try:
                    found.append(by.decode(frame.raw))
                except BadTelegram:
                    continue
    return found


def rate(work: Callable[[], int]) -> float:
    """Return what `work` gets done a CPU second: the median of RUNS runs."""
    rates = []
    for _ in range(RUNS):
        done, began = 0, time.process_time()
        while (spent := time.process_time() - began) < LEAST_S:
            done += work()
        rates.append(done / spent)
    return median(rates)


def measure() -> list[Row]:
    """Measure every format, the P1 stream to the sample, and the peer."""
    rows = [row for each in captures() for row in _rows(each)]
    ours = rate(_sampled)
    rows.append(_row(SAMPLED, ours, f"goal of {GOAL:,}/s", ours / GOAL))
    try:
        theirs = _peer()
    except NoPeer as missing:
        _say(str(missing))
    else:
        rows.append(_row(f"dsmr: {PEER}", theirs, SAMPLED, theirs / ours))
    return rows


def _rows(each: Captures) -> list[Row]:
    by = decoder(each.which)
    count = len(read_all(by, each.streams))
    whole = b"".join(each.streams)
    limit = rate(lambda: count if binascii.crc_hqx(whole, 0) >= 0 else 0)
    decoded = rate(lambda: len(read_all(by, each.streams)))
    bare = f"bare limit: {each.which}, a CRC in C"
    return [
        _row(bare, limit, bare, 1.0),
        _row(f"{each.which}: stream", decoded, bare, decoded / limit),
    ]


def _sampled() -> int:
    by = decoder(Format.DSMR)
    telegrams = read_all(by, [shared_data(*P1).read_bytes()])
    samples = [to_sample(0, telegram, (IMPORT, EXPORT)) for telegram in telegrams]
    return sum(len(sample.values) == 2 for sample in samples)


def _peer() -> float:
    command = [str(environment(PEER)), "-c", PEER_READS, str(shared_data(*P1)), "10"]
    rates = []
    for _ in range(RUNS):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rates.append(float(done.stdout))
    return median(rates)


def _row(name: str, value: float, against: str, ratio: float) -> Row:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": "telegrams/s",
        "against": against,
        "ratio": round(ratio, 5),
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, print the table and write it to bench/results/telegrams.json."""
    rows = measure()
    for row in rows:
        _say(
            f"{row['name']:32} {row['value']:>14,} {row['unit']} {row['ratio']:>8} of {row['against']}"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
