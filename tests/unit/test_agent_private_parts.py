"""What a private meter's agent is put together from: wrong trustees take one thing away."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_agent.config import Config, ConfigError, parse
from meterseal_agent.keystore import Keystore
from meterseal_agent.outbox.model import Start
from meterseal_agent.run.checks import check_trustees
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.health import find_alarms
from meterseal_agent.run.private import make_billing, make_seeds
from meterseal_agent.sampler import Clock
from meterseal_agent.uplink.address import Address
from meterseal_proto.enrolment import EnrolmentAnswer
from meterseal_proto.units import EXPORT
from tests.support.boxes import KEYS
from tests.support.devices import GENESIS
from tests.support.errands import TRUSTEES, TWO_KEYS, trustee
from tests.support.private_home import METER, PrivateHome

CONFIG = parse(
    'data_dir = "/tmp/agent"\naggregator_url = "https://oracle.example.org"\n'
    '[[meters]]\nserial = "1"\nprofile = "eastron-sdm120"\nhost = "127.0.0.1"\n'
    "capacity_w = 7400\n",
    {},
)
PRINTS = tuple(one.fingerprint() for one in TRUSTEES)
TOLD = tuple(one.text() for one in TRUSTEES)
STRANGE = (*TOLD[:2], trustee(2, lot=1).text())


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PrivateHome]:
    with closing(PrivateHome(tmp_path / "home")) as made:
        yield made


def enrolment(
    home: PrivateHome, *told: str, starts: tuple[Start, ...] = ()
) -> Enrolment:
    answer = EnrolmentAnswer(
        "pi-1", "street", "", "", GENESIS.document().hex(), GENESIS.chain_id,
        GENESIS.registry, GENESIS.log_key, "00" * 32, told, "127.0.0.1:1", False, (),
    )  # fmt: skip
    address = Address("127.0.0.1", 1)
    return Enrolment(KEYS, answer, {"1": starts or (home.start,)}, address)


def with_trustees(*prints: str) -> Config:
    return replace(CONFIG, trustees=prints)


def test_pinned_trustees_get_every_private_meters_seeds(home: PrivateHome) -> None:
    seeds = make_seeds(with_trustees(*PRINTS), enrolment(home, *TOLD), home.outbox)
    assert seeds.deposits is not None
    assert list(seeds.deposits.waiting()) == [METER]
    assert (seeds.trouble, seeds.kept(METER)) == ("", False)


@pytest.mark.parametrize("told", [(), STRANGE])
def test_other_trustees_get_none_and_an_alarm_says_so(
    home: PrivateHome, told: tuple[str, ...]
) -> None:
    seeds = make_seeds(with_trustees(*PRINTS), enrolment(home, *told), home.outbox)
    assert seeds.deposits is None
    assert not seeds.kept(METER)
    assert home.outbox.deposits() == {}
    document = {
        "outbox": {"full": False, "damaged": 0},
        "meters": [],
        "registers": [],
        "running": True,
        "uplink": {"connected": True, "trouble": ""},
        "errands": {"trouble": seeds.trouble},
    }
    (alarm,) = find_alarms(document, clock=Clock.TRUSTED, now=0)
    assert (alarm.name, alarm.text) == ("trustees", seeds.trouble)
    assert "no seeds are deposited" in alarm.text


def test_seeds_that_lie_with_others_than_those_written_down_raise_an_alarm(
    home: PrivateHome,
) -> None:
    first = make_seeds(with_trustees(*PRINTS), enrolment(home, *TOLD), home.outbox)
    assert not first.trouble
    prints = (*PRINTS[:2], trustee(2, lot=1).fingerprint())
    later = make_seeds(with_trustees(*prints), enrolment(home, *STRANGE), home.outbox)
    assert "lie with other trustees" in later.trouble


def test_without_trustees_or_without_a_private_meter_nothing_is_deposited(
    home: PrivateHome,
) -> None:
    bare = make_seeds(CONFIG, enrolment(home, *TOLD), home.outbox)
    told = replace(home.start, register=EXPORT, bits=0)
    plain = enrolment(home, *TOLD, starts=(told,))
    none = make_seeds(with_trustees(*PRINTS), plain, home.outbox)
    assert (bare.deposits, bare.trouble) == (none.deposits, none.trouble) == (None, "")
    assert home.outbox.deposits() == {}


def test_bills_are_signed_under_the_log_of_the_enrolment_and_the_witness_written_down(
    home: PrivateHome,
) -> None:
    config = replace(CONFIG, witness=TWO_KEYS.second)
    pinned = make_billing(config, enrolment(home), home.outbox)._pinned
    assert pinned is not None
    assert (pinned.log, pinned.second) == (GENESIS.log_key, TWO_KEYS.second)
    assert make_billing(CONFIG, enrolment(home), home.outbox)._pinned is None


@pytest.mark.parametrize(
    ("told", "says"),
    [(TOLD, "are those configured"), (STRANGE, "trustee 2"), ((), "no three")],
)
async def test_check_compares_the_trustees_with_those_written_down(
    home: PrivateHome, tmp_path: Path, told: tuple[str, ...], says: str
) -> None:
    answer = enrolment(home, *told).answer
    raw = json.dumps(answer.to_json()).encode()
    Keystore(tmp_path).keep_answer(answer, raw)
    config = replace(with_trustees(*PRINTS), data_dir=tmp_path)
    if told == TOLD:
        assert says in await check_trustees(config)
        return
    with pytest.raises(ConfigError, match=says):
        await check_trustees(config)
