"""The shipped systemd unit starts the agent as the agent expects to be started."""

import configparser
import shlex
from pathlib import Path

from meterseal_agent.cli import parser
from meterseal_agent.config import parse
from meterseal_agent.run.telling import STATUS_S
from meterseal_agent.technician.arguments import DEFAULT_CONFIG

ROOT = Path(__file__).parents[2]


def test_the_unit_runs_what_the_command_line_takes_and_gives_it_time() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # systemd's keys have capitals
    unit.read_string((ROOT / "deploy/meterseal-agent.service").read_text())
    service = unit["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert program.endswith("/meterseal-agent")
    assert parser().parse_args(arguments).config == DEFAULT_CONFIG
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) > 4 * STATUS_S
    assert service["ExecReload"] == "kill -HUP $MAINPID"
    assert "dialout" in service["SupplementaryGroups"].split()


def test_what_the_sample_shows_in_comments_can_be_switched_on() -> None:
    text = (ROOT / "deploy/samples/agent.toml").read_text()
    for key in ("telemetry_s = 10", "health_s = 300", "[metrics]", "port = 9464"):
        assert f"# {key}" in text
    head, tail = text.split("# health_s = 300")
    switched = "health_s = 300\n" + head.replace("# telemetry_s", "telemetry_s")
    config = parse(
        switched
        + tail.replace("# [metrics]", "[metrics]").replace(
            "# port = 9464", "port = 9464"
        ),
        {},
    )
    assert (config.health_s, config.metrics_port) == (300, 9464)
    assert config.meters[0].telemetry_s == 10
