"""The agent's page for installers: what it tells them to type and to write is true."""

import re
import shlex
from pathlib import Path

from meterseal_agent.cli import COMMANDS, parser
from meterseal_agent.config import parse

PAGE = (Path(__file__).parents[2] / "agent" / "README.md").read_text()


def test_its_configuration_is_taken_as_it_stands() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert [meter.serial for meter in parse(text, {}).meters] == ["S1", "P1", "W1"]


def test_every_command_exists_and_takes_what_the_page_gives_it() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = "".join(blocks).splitlines()
    lines += re.findall(r"`(meterseal-agent [^`]*)`", PAGE)
    assert len(lines) > 15
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        assert parser().parse_args(words).command.name == words[0], line


def test_every_command_is_on_the_page() -> None:
    missing = {c.name for c in COMMANDS if f"`{c.name}`" not in PAGE}
    missing -= set(re.findall(r"meterseal-agent ([a-z-]+)", PAGE))
    assert missing == set()
