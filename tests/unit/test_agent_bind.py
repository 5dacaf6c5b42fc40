"""`bind`: an enrolled device says whose its meter is, and for this network's chain only."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_agent import cli
from meterseal_agent.commissioning.enrol import make_request
from meterseal_agent.commissioning.private import keep_private
from meterseal_agent.keystore import KeyEpoch, Keystore
from meterseal_agent.technician.bind import FOR_EVER
from meterseal_proto.binding import Binding
from meterseal_proto.c32 import Address, Principal, single
from meterseal_proto.enrolment import (
    EnrolledMeter,
    EnrolmentAnswer,
    Genesis,
    MeterRequest,
    RegisterHead,
    RegisterStart,
)
from meterseal_proto.keys import Algorithm, PublicKey, RootSecret
from meterseal_proto.seal import MODE_COMMITTED
from meterseal_proto.units import RegisterId

SECRET = bytes(range(32))
IMPORT, EXPORT = RegisterId(0x0100_0108_00FF), RegisterId(0x0100_0208_00FF)
METERS = {"S1": b"\x07" * 16, "P1": b"\x08" * 16}
OWNER = "ST1R1DK09KR030JDQETCS45X91DES0C5SNCGSRJ6M"
MAIN = Address(22, Address.parse(OWNER).hash).text()
TEST, REAL = 0x80000000, 1


def enrolled(
    folder: Path, epoch: KeyEpoch, chain_id: int, heads: tuple[RegisterHead, ...] = ()
) -> Path:
    """An agent of an open and of a committed meter; returns its configuration."""
    data = folder / "data"
    store = Keystore(data)
    store.make(epoch, SECRET)
    hidden = RegisterStart(IMPORT, 900, 1_200, 1_790_000_100, MODE_COMMITTED, 16)
    shown = RegisterStart(EXPORT, 900, 300, 1_790_000_100)
    asked = (
        MeterRequest("S1", "x", 7_400, (shown, replace(shown, register=IMPORT))),
        MeterRequest("P1", "x", 7_400, (hidden,)),
    )
    make_request(store, "code", keep_private(store, asked))
    genesis = Genesis(chain_id, "none", "log+01234567+AQ==")
    meters = tuple(EnrolledMeter(name, raw.hex()) for name, raw in METERS.items())
    answer = EnrolmentAnswer(
        "pi-1", "street", "", "", genesis.document().hex(), chain_id, genesis.registry,
        genesis.log_key, "00" * 32, (), "127.0.0.1:1", False, meters, heads,
    )  # fmt: skip
    store.keep_answer(answer, json.dumps(answer.to_json()).encode())
    path = folder / "agent.toml"
    path.write_text(
        f'data_dir = "{data}"\naggregator_url = "http://127.0.0.1:1"\n'
        '[[meters]]\nserial = "S1"\ncapacity_w = 7400\nhost = "127.0.0.1"\n'
        'profile = "eastron-sdm630"\n'
    )
    return path


def asks(config: Path, *more: str) -> int:
    return cli.main(["bind", "--config", str(config), *more])


def told(capsys: pytest.CaptureFixture[str]) -> Any:  # JSON
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("serial", METERS)
@pytest.mark.parametrize("algorithm", Algorithm)
def test_open_and_committed_meters_are_bound_alike(
    tmp_path: Path,
    serial: str,
    algorithm: Algorithm,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = enrolled(tmp_path, KeyEpoch(algorithm, 0), TEST)
    before = {path: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    assert asks(config, "--meter", serial, "--owner", OWNER, "--json") == 0
    found = told(capsys)
    network = Genesis(TEST, "none", "log+01234567+AQ==").network
    key = RootSecret(SECRET).seal_key(algorithm).public
    assert found == {
        "meter": METERS[serial].hex(), "owner": OWNER, "key": key.raw.hex(),
        "p256": algorithm is Algorithm.P256, "from_seq": 1, "network": network.hex(),
        "chain_id": TEST, "signature": found["signature"],
    }  # fmt: skip
    wish = Binding(network, METERS[serial], Principal.parse(OWNER), 1)
    assert wish.holds(key, bytes.fromhex(found["signature"]), TEST)
    after = {path: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    assert after == before, "it changes nothing"


def test_the_same_wish_has_the_same_bytes_and_says_that_it_is_for_ever(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = enrolled(tmp_path, KeyEpoch(), TEST)
    said = []
    for _ in range(2):
        assert asks(config, "--meter", "S1", "--owner", OWNER) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert FOR_EVER in said[0]
    assert SECRET.hex() not in said[0]


def test_a_replaced_device_binds_from_its_own_first_seal_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def head(obis: str, seq: int) -> RegisterHead:
        return RegisterHead(METERS["S1"].hex(), obis, seq, "11" * 32, 1_790_000_100, 5)

    heads = head("1-0:1.8.0", 41), head("1-0:2.8.0", 17)
    config = enrolled(tmp_path, KeyEpoch(number=1), TEST, heads)
    assert asks(config, "--meter", "S1", "--owner", OWNER, "--json") == 0
    found = told(capsys)
    assert found["from_seq"] == 18
    key = RootSecret(SECRET).seal_key(epoch=1).public
    assert PublicKey.parse("secp256k1", bytes.fromhex(found["key"])) == key
    more = "--meter", "S1", "--owner", OWNER, "--json", "--from-seq", "42"
    assert asks(config, *more) == 0
    assert told(capsys)["from_seq"] == 42


@pytest.mark.parametrize(
    ("chain_id", "serial", "owner", "says"),
    [
        (TEST, "S1", MAIN, "another chain"), (REAL, "S1", OWNER, "another chain"),
        (TEST, "S1", f"{MAIN}.purse", "another chain"),
        (TEST, "S1", OWNER[:-1] + "N", "typing mistake"), (TEST, "S1", "", "--owner"),
        (TEST, "S1", "00" * 32, "--owner"), (TEST, "S9", OWNER, "P1, S1"),
    ],
)  # fmt: skip
def test_what_is_not_of_this_network_is_not_signed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    chain_id: int,
    serial: str,
    owner: str,
    says: str,
) -> None:
    config = enrolled(tmp_path, KeyEpoch(), chain_id)
    assert asks(config, "--meter", serial, "--owner", owner, "--json") == 1
    heard = capsys.readouterr()
    assert (heard.out, says in heard.err) == ("", True), heard.err


def test_before_enrolment_there_is_nothing_to_bind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = enrolled(tmp_path, KeyEpoch(), TEST)
    (tmp_path / "data" / "enrolment.json").unlink()
    assert asks(config, "--meter", "S1", "--owner", OWNER) == 1
    assert "not enrolled" in capsys.readouterr().err


def test_a_mainnet_owner_is_bound_on_mainnet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = enrolled(tmp_path, KeyEpoch(), REAL)
    owner = single(b"\x02" + b"\x11" * 32, mainnet=True).text()
    assert asks(config, "--meter", "S1", "--owner", owner, "--json") == 0
    assert told(capsys)["owner"] == owner


@pytest.mark.parametrize("seq", ["0", "-1", str(1 << 62), "one"])
def test_a_seq_that_no_seal_has_is_refused(tmp_path: Path, seq: str) -> None:
    config = enrolled(tmp_path, KeyEpoch(), TEST)
    with pytest.raises(SystemExit):
        asks(config, "--meter", "S1", "--owner", OWNER, "--from-seq", seq)
