"""WITH=chain: every duty has its transaction, chain and books agree, and a lie is found out."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.chain_duties import DUTIES, MONTH
from deploy.demo import Options
from deploy.freeport import free_port
from deploy.story.month import FLAT_DAYS, FLATS
from tests.contracts.test_contracts import installed, need_node

ROOT = Path(__file__).parents[2]
WITHIN_S = 900
"""The promise is four minutes on a free machine; the suite may share it."""
ROW = re.compile(r"^  (.*?) {2,}(\S+) +(\S+)(  DIFFERS)?$")


@contextmanager
def demo(folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ, "ONCE": "1", "WITH": "chain", "HOMES": "3", "PORT": str(free_port()),
        "TMPDIR": str(folder),
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.demo"],
        cwd=ROOT,
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.terminate()


def ended(child: subprocess.Popen[str], told: str = "") -> str:
    """Wait for the demo's end; returns all that it said."""
    try:
        said, _ = child.communicate(timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGTERM)
        said, _ = child.communicate(timeout=WITHIN_S)
        raise AssertionError(told + said) from None
    return told + said


def compared(said: str, title: str) -> dict[str, tuple[str, str]]:
    """The rows of a comparison: what is compared, what the chain says, what we say."""
    rows = {}
    for line in said.partition(title)[2].splitlines()[1:]:
        match = ROW.match(line)
        if match is None:
            break
        rows[match[1].strip()] = (match[2], match[3])
    return rows


def test_every_duty_has_its_transaction_and_chain_and_books_agree(
    tmp_path: Path,
) -> None:
    need_node()
    installed()
    with demo(tmp_path) as child:
        said = ended(child)
    assert child.returncode == 0, said
    street = compared(said, "The street's contracts beside its aggregator's books:\n")
    story = compared(said, "our mirror of what they printed:\n")
    for rows in (street, story):
        assert all(chain == mirror for chain, mirror in rows.values())
        assert int(rows["Wh there are"][0]) > 1_000
        assert int(rows["micro-STX in escrow"][0]) > 0
        assert int(rows["roots anchored"][0]) >= 3
    wh = [int(chain) for name, (chain, _) in street.items() if name.startswith("Wh of")]
    assert len(wh) == 4
    assert sum(wh) == int(street["Wh there are"][0])
    duties = said.partition("The oracle's duties")[2]
    for functions in DUTIES.values():
        for function in functions:
            assert re.search(rf" {function} +\d+ +\d+  0x[0-9a-f]{{64}}\n", duties)
    # One home of the street has its bills on the chain's rail; the story has its own.
    assert re.search(r" billing.post-bill-hash +1 +3 ", duties)
    proofs = re.search(r" meter-data.submit-usage-proof +0 +(\d+) ", duties)
    assert proofs is not None
    flats = len(FLATS) * FLAT_DAYS
    assert MONTH + flats <= int(proofs[1]) <= 31 + flats
    assert re.search(
        r"invariant  7 holds: \d+ answers of the contracts .* mirrors'", said
    )
    told = re.findall(r"invariant 21 holds: (\d+) answers of the contracts", said)
    # The street's hash of a bill; the story's month, and its three bills at the end.
    assert [int(count) for count in told] == [1, 13, 15]
    bills_otherwise_than_in_stx(said)
    assert "PASS      anchor" in said
    assert "PASS      your-network" in said
    assert len(set(re.findall(r"0x([0-9a-f]{64})", said))) > 150
    for never in ("DIFFER", "MISSING", "FAIL", "fails"):
        assert never not in said, said


def bills_otherwise_than_in_stx(said: str) -> None:
    """What stands in the story of bills in a stablecoin, and no line twice."""
    for told in (
        r"buyer +payment.pay-bill +err u1404 .* STX, and no quote",
        r"buyer +payment.pay-bill +err u1405 .* more than it asks",
        r"buyer +payment.pay-bill +ok u0 .* all of it, in time",
        r"neighbour +payment.pay-bill +err u1403 .* a held bill takes no money",
        r"home +dispute-resolution.decide-by-opening +ok u\d+ ",
        r"home +dispute-resolution.finalise +ok true .* lowered, and let go",
        r"home +dispute-resolution.finalise +ok true .* let go as it was",
        r"provider +payment.refund-excess +ok u\d+ .* by duty",
        r"stablecoin.get-balance: \d+ millionths came back to the buyer",
        r"provider +payment.quote-bill +ok true .* by duty",
        r"neighbour +payment.pay-quoted +err u1405 .* below the quote",
        r"neighbour +payment.pay-quoted +ok true .* micro-STX for \d+",
    ):
        assert len(re.findall(told, said)) == 1, told


def test_a_tampered_mirror_and_another_root_are_named_and_fail(tmp_path: Path) -> None:
    need_node()
    installed()
    with demo(tmp_path) as child:
        told = until_the_day(child)
        tamper(tmp_path)
        said = ended(child, told)
    assert child.returncode == 1, said
    assert re.search(r"^  Wh there are +\d+ +\d+  DIFFERS$", said, re.MULTILINE)
    lie = r"^ +entries under 6666666666666666\.\. +none +\d+  DIFFERS$"
    assert re.search(lie, said, re.MULTILINE), said
    assert "Chain and books DIFFER" in said
    assert "invariant  7 FAILS" in said


def until_the_day(child: subprocess.Popen[str]) -> str:
    """Read on until the street's day has begun; returns what was said so far."""
    told = ""
    assert child.stdout is not None
    deadline = time.monotonic() + WITHIN_S
    while not re.search(r"^  \d\d:\d\d ", told, re.MULTILINE):
        line = child.stdout.readline()
        assert line, told
        assert time.monotonic() < deadline, told
        told += line
    return told


def tamper(folder: Path) -> None:
    """Make up a Wh in the aggregator's mirror, and another root than was anchored first."""
    (books,) = folder.glob("meterseal-demo-*/aggregator/aggregator.sqlite")
    connection = sqlite3.connect(books, timeout=30)
    lie = "UPDATE mirror_anchors SET root = ? WHERE number = 0"
    deadline = time.monotonic() + WITHIN_S
    try:
        with connection:
            connection.execute("UPDATE mirror_totals SET minted = minted + 1")
        while True:
            with connection:
                if connection.execute(lie, (b"\x66" * 32,)).rowcount == 1:
                    return
            # The first anchor is mirrored once it lies deep; the day takes a minute.
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        connection.close()


def test_without_node_it_says_so_loudly_and_goes_on_without(tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    with demo(tmp_path, PATH=str(bare), SPEED="2880") as child:
        said = ended(child)
    assert child.returncode == 0, said
    assert "WITHOUT THE CHAIN: Node 20 is not installed" in said
    assert "PROVES NOTHING" in said
    assert "the equation" in said
    assert "A devnet at" not in said
    assert "UNCHECKED anchor" in said


def test_both_streets_and_the_chain_may_be_asked_for_together() -> None:
    asked = Options.read({"WITH": "private,chain"})
    assert (asked.private, asked.chain) == (True, True)
    assert not Options.read({}).chain
