"""Trustees and the shortest bill in the configuration: written down, and never reloaded."""

from dataclasses import replace

import pytest

from meterseal_agent.config import ConfigError, parse
from meterseal_agent.run.reload import fixed_changes
from tests.support.errands import TRUSTEES

TOP = """
data_dir = "/tmp/agent"
aggregator_url = "https://oracle.example.org"
"""
METER = """
[[meters]]
serial = "1"
profile = "eastron-sdm120"
host = "127.0.0.1"
capacity_w = 7400
"""
PRINTS = tuple(one.fingerprint() for one in TRUSTEES)


def three(*texts: str) -> str:
    return "trustees = [" + ", ".join(f'"{text}"' for text in texts) + "]\n"


def test_without_trustees_there_are_none_and_a_bill_is_over_a_month() -> None:
    config = parse(TOP + METER, {})
    assert (config.trustees, config.shortest_bill_days) == ((), 27)


def test_fingerprints_are_read_as_people_write_them() -> None:
    bare = [text.replace(" ", "") for text in PRINTS]
    shouted = [text.upper() for text in PRINTS]
    for texts in (PRINTS, bare, shouted):
        assert parse(TOP + three(*texts) + METER, {}).trustees == PRINTS


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (three(*PRINTS[:2]), "trustees are 3 fingerprints"),
        (three(PRINTS[0], PRINTS[1], PRINTS[1]), "given twice"),
        (three(PRINTS[0], PRINTS[1], PRINTS[2][:-1]), "32 hex digits"),
        (three(PRINTS[0], PRINTS[1], "z" * 32), "32 hex digits"),
        ("trustees = [1, 2, 3]\n", "32 hex digits"),
        ("shortest_bill_days = 0\n", "from 1 to 366"),
        ("shortest_bill_days = 367\n", "from 1 to 366"),
        ("net_purchases = 1\n", "net_purchases"),
    ],
)
def test_what_is_no_fingerprint_and_no_month_is_refused(more: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse(TOP + more + METER, {})


def test_a_running_agent_changes_neither_trustees_nor_its_shortest_bill() -> None:
    config = parse(TOP + METER, {})
    other = replace(config, trustees=PRINTS, shortest_bill_days=7, net_purchases=False)
    fixed = ["trustees", "shortest_bill_days", "net_purchases"]
    assert fixed_changes(config, other) == fixed


def test_what_neighbours_sold_is_netted_unless_the_home_says_no() -> None:
    assert parse(TOP + METER, {}).net_purchases
    assert not parse(TOP + "net_purchases = false\n" + METER, {}).net_purchases
