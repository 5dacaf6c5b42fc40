"""What one key signs for one purpose can be taken for nothing else: every label is apart."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

import meterseal_agent
import meterseal_proto
import meterseal_trustee
from meterseal_agent.commissioning import report
from meterseal_proto import sip018

LABEL: Final = re.compile(r'b"(meterseal/[^"]*)"')
SIGNED: Final = {
    "enrolment-possession",
    "rotation",
    "report",
    "bill-consent",
    "envelope",
    "deposit",
    "bill-refused",
    "health",
}
"""What a seal key signs beside seals, whose preimage begins with SIP018."""
END: Final = "\\x00"


def labels() -> list[str]:
    """Return every label in the sources, as it is written there."""
    found: list[str] = []
    for package in (meterseal_agent, meterseal_proto, meterseal_trustee):
        for file in Path(str(package.__file__)).parent.rglob("*.py"):
            found += LABEL.findall(file.read_text("utf-8"))
    return found


def test_every_label_is_written_once() -> None:
    assert [name for name, count in Counter(labels()).items() if count > 1] == []


def test_what_a_seal_key_signs_begins_with_a_label_that_no_other_begins_with() -> None:
    ended = {name.removesuffix(END) for name in labels() if name.endswith(END)}
    assert {f"meterseal/{name}/v1" for name in SIGNED} <= ended
    # Each ends in the one zero byte it has, so none is the beginning of another.
    assert not any("\\" in name for name in ended)
    assert not sip018.PREFIX.startswith(b"meterseal")
    assert report.DOMAIN == b"meterseal/report/v1\x00"
