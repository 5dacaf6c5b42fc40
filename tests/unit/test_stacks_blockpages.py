"""A block is put together of pages that add up, and of no others."""

import json
from typing import Any

import pytest

from meterseal_aggregator.stacks.node import answers, blockpages
from meterseal_aggregator.stacks.node.answers import Header
from meterseal_aggregator.stacks.node.blockpages import printed_block, upwards
from meterseal_aggregator.stacks.node.port import Place, Print, PrintedBlock
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import TRUE
from meterseal_proto.errors import TooLong

ORACLE = Principal.parse("ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM.energy-oracle")
OTHER = "ST1SJ3DTE5DN7X54YDH5D64R3BCB6A2AG2ZQ8YPD5.energy-oracle"
HASH, PARENT = "b2" * 32, "c3" * 32
HEAD = Header(9, HASH, PARENT, 3)
BLOCK = {
    "canonical": True, "height": 9, "hash": f"0x{HASH}",
    "parent_block_hash": f"0x{PARENT}", "tx_count": 3,
}  # fmt: skip


def txid(number: int) -> str:
    return f"{number:064x}"


def listed(number: int, **change: Any) -> dict[str, Any]:
    return {
        "tx_id": f"0x{txid(number)}", "tx_index": number, "tx_type": "contract_call",
        "tx_status": "success", "canonical": True, "block_hash": f"0x{HASH}",
        "event_count": 2, **change,
    }  # fmt: skip


def event(number: int, index: int, **change: Any) -> dict[str, Any]:
    log = {"contract_id": ORACLE.text(), "value": {"hex": "0x03"}}
    return {
        "event_type": "smart_contract_log", "event_index": index,
        "tx_id": f"0x{txid(number)}", "contract_log": log | change,
    }  # fmt: skip


class Pages:
    """A node's pages by number of transaction; `asked` says which were."""

    def __init__(self) -> None:
        transfer = listed(1, tx_type="token_transfer", event_count=1)
        failed = listed(2, tx_status="abort_by_response")
        # As the API may list them: the newest first.
        self.transactions = [failed, transfer, listed(0)]
        self.events = [event(0, 1), event(0, 0, contract_id=OTHER)]
        self.total: object = 3
        self.change: dict[str, Any] = {}
        self.asked: list[str] = []
        self.most = 100

    async def __call__(self, path: str, things: int) -> Any:
        self.asked.append(path)
        where, _, query = path.partition("?")
        limit, offset = (int(part.split("=")[1]) for part in query.split("&"))
        assert limit == things
        if things > self.most:
            raise TooLong("an answer of more than may be")
        if "/blocks/" in where:
            page = self.transactions[offset:][:limit]
            return {"total": self.total, "results": page}
        return {
            "tx_id": f"0x{txid(0)}", "canonical": True, "block_hash": f"0x{HASH}",
            "event_count": 2, "events": self.events[offset:][:limit], **self.change,
        }  # fmt: skip


async def read(pages: Pages, head: Header = HEAD) -> PrintedBlock:
    return await printed_block(pages, head, ORACLE.address)


async def test_only_what_ours_printed_in_what_succeeded_is_read() -> None:
    pages = Pages()
    printed = Print(ORACLE, Place(txid(0), 1), TRUE)
    assert await read(pages) == PrintedBlock(9, HASH, PARENT, (printed,))
    assert len(pages.asked) == 2, "who cannot have printed is not asked"


async def test_prints_come_in_the_order_of_transactions_and_events() -> None:
    pages = Pages()
    pages.events = [event(0, 1), event(0, 0)]
    block = await read(pages)
    assert [one.place.index for one in block.prints] == [0, 1]


async def test_pages_go_on_until_all_is_there() -> None:
    pages = Pages()
    pages.total = 120
    pages.transactions = [listed(n, event_count=0) for n in range(120)]
    assert (await read(pages, Header(9, HASH, PARENT, 120))).prints == ()
    assert len(pages.asked) == 3


async def test_pages_that_strangers_filled_are_read_a_piece_at_a_time() -> None:
    pages, plenty = Pages(), Pages()
    pages.most = 1
    assert await read(pages) == await read(plenty)
    assert len(pages.asked) > len(plenty.asked)
    pages.most = 0
    with pytest.raises(TooLong):
        await read(pages)


def test_brackets_in_a_strangers_texts_are_no_lists() -> None:
    said = {"results": [{"repr": '[{"' * 100_000, "source_code": '\\"{[\n' * 100_000}]}
    assert answers.page(json.dumps(said).encode()) == said
    for nested in ("[" * 65 + "]" * 65, '{"a":' * 65 + "1" + "}" * 65, "[" * 99_999):
        with pytest.raises(ValueError, match="within more than"):
            answers.page(nested.encode())
    with pytest.raises(ValueError, match="more than"):
        answers.page(b"[" + b"[]," * answers.MAX_PAGE_BRACKETS + b"[]]")
    for wrong in ('["', '["a]', '"\\', "", "[1]]"):
        with pytest.raises(ValueError, match=r"."):
            answers.page(wrong.encode())
    with pytest.raises(ValueError, match=r"."):
        answers.page(json.dumps(said).encode("utf-16"))


@pytest.mark.parametrize("end", [b"", b"\\", b"[", b"\\\\\\"])
def test_a_text_without_end_is_refused_at_once(end: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        answers.page(b'"' + b'\\"' * 500_000 + end)


def wrong_transactions(pages: Pages, what: str) -> None:
    one = pages.transactions
    match what:
        case "too few":
            one.pop()
        case "one twice":
            one[0] = one[1]
        case "one place twice":
            one[0] = listed(2, tx_index=1)
        case "of another block":
            one[0] = listed(2, block_hash=f"0x{PARENT}")
        case "of no block":
            one[0] = listed(2, canonical=False)
        case "another total":
            pages.total = 4
        case "no total":
            pages.total = None
        case _:
            one[0] = listed(2, event_count=-1)


@pytest.mark.parametrize(
    "what",
    [
        "too few", "one twice", "one place twice", "of another block", "of no block",
        "another total", "no total", "less than none",
    ],
)  # fmt: skip
async def test_transactions_that_do_not_make_the_block_are_refused(what: str) -> None:
    pages = Pages()
    wrong_transactions(pages, what)
    with pytest.raises(ValueError, match=r"."):
        await read(pages)


@pytest.mark.parametrize(
    "change",
    [
        {"tx_id": f"0x{txid(1)}"},
        {"block_hash": f"0x{PARENT}"},
        {"canonical": False},
        {"event_count": 3},
        {"events": [event(0, 0)]},
        {"events": [event(0, 0), event(0, 0)]},
        {"events": None},
        {"events": [event(0, 0), event(0, 1, value={"hex": "0x03ff"})]},
        {"events": [event(0, 0), event(0, 1, contract_id=5)]},
        {"events": [event(0, 0), event(0, 1, contract_id=f"{ORACLE.address.text()}.")]},
        {"events": [event(0, 0), event(0, -1)]},
    ],
)
async def test_events_that_are_not_the_transactions_are_refused(
    change: dict[str, Any],
) -> None:
    pages = Pages()
    pages.change = change
    with pytest.raises(ValueError, match=r"."):
        await read(pages)


@pytest.mark.parametrize(
    "change",
    [
        {"canonical": False}, {"height": 8}, {"height": "9"}, {"hash": "b2"},
        {"parent_block_hash": None}, {"tx_count": -1}, {"tx_count": True},
    ],
)  # fmt: skip
def test_a_header_of_another_form_is_refused(change: dict[str, Any]) -> None:
    assert answers.header(BLOCK, 9) == HEAD
    with pytest.raises(ValueError, match=r"."):
        answers.header(BLOCK | change, 9)


async def test_more_than_a_block_can_hold_is_refused_unread() -> None:
    pages = Pages()
    many = Header(9, HASH, PARENT, blockpages.MAX_TRANSACTIONS + 1)
    with pytest.raises(ValueError, match="at most"):
        await read(pages, many)
    assert not pages.asked
    pages.transactions[2] = listed(0, event_count=blockpages.MAX_EVENTS + 1)
    with pytest.raises(ValueError, match="at most"):
        await read(pages)


def test_blocks_go_upwards_as_far_as_each_stands_on_the_one_before() -> None:
    chain = [Header(n, txid(n), txid(n - 1), 0) for n in range(3, 9)]
    assert upwards(chain[::-1], 4, 30) == chain[1:]
    assert upwards(chain[::-1], 4, 2) == chain[1:3]
    assert upwards(chain, 9, 30) == upwards(chain, 2, 30) == []
    chain[3] = Header(6, txid(6), txid(99), 0)
    assert upwards(chain, 3, 30) == chain[:3]
