"""The door: arrivals are paced, strangers are few, and everybody who leaves is let go."""

from meterseal_aggregator.intake.mqtt.admission import Door, DoorLimits

LIMITS = DoorLimits(
    connections=5, unnamed=3, unnamed_from_one=2, rate_per_s=10.0, burst=4.0
)


def test_a_burst_is_taken_at_once_and_then_the_rate_holds() -> None:
    door = Door(DoorLimits(rate_per_s=10.0, burst=4.0))
    now = 100.0
    for _ in range(4):
        assert door.wait_s(now) == 0.0
        door.enter("a")
    assert round(door.wait_s(now), 6) == 0.1
    now += 0.1
    assert round(door.wait_s(now), 6) == 0.0
    door.enter("a")
    assert round(door.wait_s(now), 6) == 0.1


def test_a_long_quiet_saves_up_no_more_than_a_burst() -> None:
    door = Door(LIMITS)
    assert door.wait_s(1e6) == 0.0
    for _ in range(4):
        door.enter("a")
    assert door.wait_s(1e6) > 0.0


def test_one_address_has_only_its_share_of_strangers() -> None:
    door = Door(LIMITS)
    assert door.enter("a")
    assert door.enter("a")
    assert not door.enter("a")
    assert door.enter("b")


def test_strangers_are_few_and_those_with_a_name_make_room() -> None:
    door = Door(LIMITS)
    assert [door.enter(address) for address in "abcd"] == [True, True, True, False]
    door.named("a")
    assert door.enter("d")


def test_all_places_taken_means_no_even_for_a_quiet_address() -> None:
    door = Door(LIMITS)
    for address in "abcde":
        assert door.enter(address)
        door.named(address)
    assert not door.enter("f")
    door.leave("a", named=True)
    assert door.enter("f")


def test_a_stranger_who_leaves_gives_back_both_places() -> None:
    door = Door(LIMITS)
    for _ in range(20):
        assert door.enter("a")
        assert door.enter("a")
        door.leave("a", named=False)
        door.leave("a", named=False)
