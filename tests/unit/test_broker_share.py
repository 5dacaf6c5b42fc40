"""The name of the aggregators' shared subscription: a lasting secret of the network."""

from pathlib import Path

from meterseal_aggregator.app.house import open_house
from meterseal_aggregator.app.serve import broker_settings
from meterseal_aggregator.config import Config, Mqtt
from meterseal_aggregator.intake.mqtt.broker import SHARE
from meterseal_proto.topics import check_name

URL = "mqtt://127.0.0.1:1883"


async def _share(data_dir: Path, client_id: str = "aggregator") -> str:
    mqtt = Mqtt(broker_url=URL, client_id=client_id)
    config = Config(data_dir=data_dir, mqtt=mqtt)
    async with open_house(config, upgrade=True) as house:
        settings = broker_settings(house, URL)
    assert settings.share not in repr(settings)
    return settings.share


async def test_a_restart_and_a_second_worker_read_under_the_same_name(
    tmp_path: Path,
) -> None:
    first = await _share(tmp_path)
    assert await _share(tmp_path) == first
    assert await _share(tmp_path, "another-worker") == first


async def test_another_network_has_another_name_and_none_is_guessable(
    tmp_path: Path,
) -> None:
    names = {await _share(tmp_path / "a"), await _share(tmp_path / "b")}
    assert len(names) == 2
    assert SHARE not in names
    for name in names:
        check_name(name)
        assert len(name) == 64
