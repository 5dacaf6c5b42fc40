"""The verifier's one wire: a node on loopback that answers, lies, stalls or sends it away."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from meterseal_proto import nodehttp
from meterseal_proto.chainnode import Kept
from meterseal_proto.errors import Unavailable
from meterseal_proto.nodehttp import MAX_ANSWER_BYTES, node_at
from meterseal_proto.verify import main
from tests.support.chainsaying import BLOCK, INFO, Says, a_bundle_on_chain
from tests.support.evidence import GENESIS
from tests.support.oddserver import Act, answering, http

BUNDLE, HONEST = a_bundle_on_chain()
NETWORK = ["--network", GENESIS.network.hex()]
REQUIRED = [*NETWORK, "--require-anchor"]
SHORT_S = 0.5


def speaking(node: Says) -> Act:
    """Serve a node's answers over HTTP."""

    async def act(request: bytes, writer: asyncio.StreamWriter) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        method, path, _ = head.split(b" ", 2)
        posted = body if method == b"POST" else None
        status, content = node.answer(path.decode(), posted)
        writer.write(http(f"{status} said", content))

    return act


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    path = tmp_path / "bundle.json"
    path.write_bytes(BUNDLE.encode())
    return str(path)


async def run(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Run the command beside the server; returns the code, the last line and all."""
    code = await asyncio.to_thread(main, arguments)
    out = capsys.readouterr().out
    return code, out.splitlines()[-1], out


async def test_the_command_follows_a_bundle_to_a_node_that_knows_its_root(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(speaking(HONEST)) as url:
        code, last, out = await run(capsys, bundle, *REQUIRED, "--node", url)
        assert code == 0, out
        assert last.startswith(f"PASS      anchor       {url} says that ST1PQ")
        code, last, _ = await run(capsys, bundle, "--node", f"{url}/", "--json")
        assert code == 0
        assert json.loads(last)["claims"][-1]["verdict"] == "UNCHECKED"
        contract = ["--contract", "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"]
        code, last, _ = await run(
            capsys, bundle, *contract, "--node", url, "--require-anchor"
        )
        assert (code, last[:4]) == (0, "PASS")
        code, last, _ = await run(
            capsys, bundle, *REQUIRED, "--node", url, "--depth", "8"
        )
        assert (code, last[:9]) == (1, "UNCHECKED")


async def test_two_nodes_must_agree(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        answering(speaking(HONEST)) as one,
        answering(speaking(HONEST)) as two,
        answering(speaking(Says({}))) as liar,
    ):
        both = ["--node", one, "--node", two]
        code, last, _ = await run(capsys, bundle, *REQUIRED, *both)
        assert (code, f"{one} and {two} say" in last) == (0, True)
        both = ["--node", one, "--node", liar]
        code, last, _ = await run(capsys, bundle, *NETWORK, *both)
        assert (code, last[:4]) == (1, "FAIL")
        assert one in last
        assert liar in last


async def test_a_node_that_denies_the_root_fails_the_file(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = next(iter(HONEST.roots))
    for lie in ({}, {root: Kept(9, BLOCK + 1)}, {root: Kept(8, BLOCK)}):
        async with answering(speaking(Says(lie))) as url:
            code, last, _ = await run(capsys, bundle, *NETWORK, "--node", url)
            assert (code, last[:4]) == (1, "FAIL")


async def test_a_redirect_is_not_followed(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = Says(HONEST.roots)
    async with answering(speaking(there)) as elsewhere:
        for status in ("301 moved", "302 found", "307 there", "308 there"):
            away = http(status, b"", f"location: {elsewhere}{INFO}")
            async with answering(away) as url:
                code, last, _ = await run(capsys, bundle, *REQUIRED, "--node", url)
                assert (code, last[:9]) == (1, "UNCHECKED")
                assert f"status {status[:3]}" in last
    assert there.asked == []


def _info() -> bytes:
    return HONEST.answer(INFO, None)[1]


async def _drip(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n")
    for _again in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(SHORT_S / 10)


async def _hang(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.wait_for(writer.wait_closed(), 30)


async def _endless(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"[" * 65_536)
        await writer.drain()


async def _continues(_: bytes, writer: asyncio.StreamWriter) -> None:
    for _again in range(100):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(SHORT_S / 10)


PACKED = gzip.compress(b" " * 10_000_000 + b"{}")
ODD: dict[str, tuple[bytes | Act, str]] = {
    "nothing": (b"", "did not answer"),
    "no HTTP": (b"SSH-2.0-\x1b[31mred\x07\r\n", "did not answer"),
    "half an answer": (http("200 OK", _info())[:-9], "not JSON"),
    "a huge length": (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n{}",
                      "no node's answer"),
    "a wrong length": (b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}", "no node's answer"),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500, "did not answer"),
    "a long header": (b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000, "did not answer"),
    "an error": (http("500 no", _info()), "status 500"),
    "another page": (http("200 OK", b"<html>\x1b[2J</html>"), "not JSON"),
    "packed": (http("200 OK", PACKED, "content-encoding: gzip"), "not JSON"),
    "oversized": (http("200 OK", b" " * MAX_ANSWER_BYTES + b"{}"), "more than 65536"),
    "endless": (_endless, "more than 65536"),
    "a hang": (_hang, "did not answer"),
    "a drip": (_drip, "did not answer within 0.5 s"),
    "continues": (_continues, "did not answer within 0.5 s"),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_server_costs_a_line_and_little_time(
    odd: str,
    bundle: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer, words = ODD[odd]
    monkeypatch.setattr(nodehttp.node_at, "__defaults__", (SHORT_S,))
    async with answering(answer) as url:
        asked = run(capsys, bundle, *REQUIRED, "--node", url)
        code, last, out = await asyncio.wait_for(asked, 10)
    assert (code, last[:9]) == (1, "UNCHECKED"), out
    assert url in last
    assert words in last
    assert "another --node" in last
    assert out.count("\n") == 11
    assert "\x1b" not in out


async def test_nobody_there_is_a_line(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(b"") as url:
        pass
    for gone in (url, "http://no-such-host.invalid"):
        code, last, _ = await run(capsys, bundle, *NETWORK, "--node", gone)
        assert (code, last[:9]) == (0, "UNCHECKED")
        assert "did not answer" in last
    secret = f"{url}/my-secret-key"
    _, _, out = await run(capsys, bundle, "--node", secret)
    assert "my-secret-key" not in out


async def test_no_proxy_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []

    async def proxy(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(request)
        writer.write(http("200 OK", _info()))

    async with answering(proxy) as there, answering(speaking(HONEST)) as url:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, there)
        status, content = await asyncio.to_thread(node_at(url).fetch, INFO, None)
    assert (status, content, asked) == (200, _info(), [])


async def test_plain_http_is_not_spoken_to_a_node_named_by_https() -> None:
    async with answering(speaking(HONEST)) as url:
        node = node_at(url.replace("http:", "https:"), SHORT_S)
        with pytest.raises(Unavailable, match="did not answer"):
            await asyncio.to_thread(node.fetch, INFO, None)


WRONG = (
    "", "node.example", "ftp://node.example", "file:///etc/passwd", "http://",
    "http://me:secret@node.example", "https://node.example?key=1", "data:,{}",
    "https://node.example#x", "http://node.example:port", "http://node.example:99999",
    "http://[::1",
)  # fmt: skip


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_nodes_address_is_bad_usage(
    url: str, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([bundle, f"--node={url}"])
    assert ended.value.code == 2
    assert "--node" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given",
    [
        ["--contract", "energy-oracle"],
        ["--contract", "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGX"],
        ["--depth", "-1"],
        ["--depth", "10001"],
        ["--depth", "1" * 5_000],
        ["--depth", "٣"],
        ["--node", "http://a.example", "--node", "http://a.example/v9"],
    ],
)
def test_what_cannot_be_meant_is_bad_usage(given: list[str], bundle: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([bundle, *given])
    assert ended.value.code == 2
