"""Publishing with a window: never more than the peer takes, never without bound."""

from meterseal_aggregator.intake.mqtt.codec import MAX_PACKET_BYTES, read_packets
from meterseal_aggregator.intake.mqtt.outflow import Outflow
from meterseal_aggregator.intake.port import Counters
from meterseal_proto.topics import MAX_MESSAGE_BYTES


def flow(counters: Counters, *, window: int = 2, queued: int = 3) -> Outflow:
    return Outflow(counters, window=window, queued=queued, largest=MAX_PACKET_BYTES)


def sent(packets: list[bytes]) -> list[tuple[int, bytes, bool]]:
    read, _, _ = read_packets(b"".join(packets), MAX_PACKET_BYTES)
    return [(one.packet_id, one.payload, one.duplicate) for one in read]  # type: ignore[union-attr,misc]


def yes() -> bool:
    return True


def test_no_more_is_sent_than_the_window_allows() -> None:
    out = flow(Counters())
    for number in range(3):
        out.offer("t", b"%d" % number)
    assert sent(out.ready(yes)) == [(1, b"0", False), (2, b"1", False)]
    assert out.ready(yes) == []
    out.acknowledge(2)
    assert sent(out.ready(yes)) == [(3, b"2", False)]


def test_a_full_queue_drops_its_oldest_and_counts_it() -> None:
    counters = Counters()
    out = flow(counters)
    for number in range(5):
        out.offer("t", b"%d" % number)
    assert [payload for _, payload, _ in sent(out.ready(yes))] == [b"2", b"3"]
    assert counters.replies_dropped_total == 2


def test_nothing_is_sent_to_a_peer_that_does_not_read() -> None:
    out = flow(Counters())
    out.offer("t", b"0")
    assert out.ready(lambda: False) == []
    assert len(out) == 1


def test_a_payload_over_the_protocols_limit_is_never_sent() -> None:
    counters = Counters()
    out = flow(counters)
    out.offer("t", bytes(MAX_MESSAGE_BYTES + 1))
    out.offer("t", bytes(MAX_MESSAGE_BYTES))
    assert len(out.ready(yes)) == 1
    assert counters.replies_dropped_total == 1


def test_a_resumed_session_repeats_the_unacknowledged_under_their_ids() -> None:
    out = flow(Counters())
    out.offer("t", b"0")
    out.offer("t", b"1")
    out.ready(yes)
    out.acknowledge(1)
    assert sent(out.resume(session_present=True)) == [(2, b"1", True)]


def test_a_new_session_gets_the_unacknowledged_first_and_under_new_ids() -> None:
    out = flow(Counters())
    for number in range(3):
        out.offer("t", b"%d" % number)
    out.ready(yes)
    assert out.resume(session_present=False) == []
    again = sent(out.ready(yes))
    assert [payload for _, payload, _ in again] == [b"0", b"1"]
    assert not any(duplicate for _, _, duplicate in again)


def test_ids_go_round_and_skip_those_in_use() -> None:
    out = flow(Counters(), queued=10)
    out.offer("t", b"kept")
    assert sent(out.ready(yes))[0][0] == 1
    ids = set()
    for _ in range(65_535):
        out.offer("t", b"")
        (packet,) = out.ready(yes)
        packet_id = int.from_bytes(packet[5:7])
        ids.add(packet_id)
        out.acknowledge(packet_id)
    assert ids == set(range(2, 65_536))
