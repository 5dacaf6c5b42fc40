"""The wire format's page: whoever builds by it finds every name that is on the wire."""

import re
from pathlib import Path

from meterseal_proto.claims_private import BILL_CLAIMS, DAY_CLAIMS
from meterseal_proto.claims_total import TOTAL_CLAIMS
from meterseal_proto.errand import Kind, NoBill
from meterseal_proto.errand_down import ASKED, KEPT, NETTING_ASKED, TOLD
from meterseal_proto.errors import Reason
from meterseal_proto.privatefile import BILL_FORMAT, PROOF_FORMAT
from meterseal_proto.reporting import Act
from meterseal_proto.topics import ASIDES
from meterseal_proto.totalfile import TOTAL_FORMAT
from meterseal_proto.usagefile import FORMAT as OPENINGS_FORMAT

ROOM = Path(__file__).parents[2] / "proto"
PAGE = (ROOM / "README.md").read_text()
OWN = {"meterseal/range-proof/nonce/v1"}
"""How our prover draws what nobody sees: another one draws as it likes."""


def test_every_reason_has_its_number_and_name() -> None:
    said = [f"{one.value} {one.text}" for one in (*Reason, *NoBill)]
    assert [name for name in said if not re.search(rf"\b{name}\b", PAGE)] == []


def test_every_errand_and_topic_is_there() -> None:
    up = {int(kind) for kind in re.findall(r"\| up \| `\[(\d+)", PAGE)}
    down = {int(kind) for kind in re.findall(r"\| down \| `\[(\d+)", PAGE)}
    assert (up, down) == (set(Kind), {KEPT, TOLD, ASKED, NETTING_ASKED})
    assert [aside for aside in ASIDES if f"`.../{aside}`" not in PAGE] == []


def test_every_act_of_a_trustee_is_there() -> None:
    said = [f"| {act.value} {act.name.lower()} |" for act in Act]
    assert [one for one in said if one not in PAGE] == []


def test_every_file_and_every_claim_of_its_own_is_there() -> None:
    files = [PROOF_FORMAT, BILL_FORMAT, TOTAL_FORMAT, OPENINGS_FORMAT]
    claims = [name for name, _ in (*DAY_CLAIMS, *BILL_CLAIMS, *TOTAL_CLAIMS)]
    said = [f"`{name}`" for name in (*files, *claims)]
    assert [one for one in said if one not in PAGE] == []


def test_every_vector_is_there() -> None:
    found = {path.name for path in (ROOM / "vectors").glob("*.json")}
    assert {name for name in found if f"`{name}`" not in PAGE} == set()


def test_every_domain_of_what_is_hashed_or_signed_is_there() -> None:
    """A label in the code that the page has not is a signature nobody else can make."""
    sources = (ROOM / "meterseal_proto").glob("*.py")
    text = "".join(path.read_text() for path in sources)
    labels = set(re.findall(r'b"(meterseal/[a-z0-9/-]+/v1)', text, re.IGNORECASE))
    assert len(labels) > 30
    assert sorted(label for label in labels - OWN if label not in PAGE) == []
