"""The agent as its own program, from the sheet of enrolment to a page in a browser."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from deploy.freeport import free_port
from meterseal_agent.keystore import Paths
from meterseal_agent.resident import words
from tests.support.agent_bench import WAIT_S, Bench, a_bench
from tests.support.kitchen import trusting

SPEED = 600.0


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with a_bench(tmp_path, homes=1, speed=SPEED) as made:
        text = made.config.read_text() + 'mode = "committed"\n'
        page = f'[resident]\nhost = "127.0.0.1"\nport = {free_port()}\n'
        made.config.write_text(f'zone = "UTC"\n{text}{page}')
        yield made


async def test_the_sheet_of_enrolment_opens_the_running_agents_page(
    bench: Bench, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet"
    status, said = await bench.agent(
        "enrol", "--code", await bench.code(), "--sheet", str(sheet)
    )
    assert status == 0, said
    pin, url, fingerprint = read_sheet(sheet.with_name("sheet.page").read_text())
    assert pin not in said
    bench.accept_enrolment()
    process = await bench.start("run")
    async with httpx2.AsyncClient(
        base_url=url, verify=trusting(Paths(bench.data)), trust_env=False
    ) as browser:
        page = await first_page(browser, pin, process)
    assert "kWh" in page
    checked = await bench.agent("check")
    assert f"ok    page: {url}, with a PIN" in checked[1]
    shown = await bench.agent("resident-pin", "--show")
    assert fingerprint in shown[1]
    assert pin.replace(" ", "") not in shown[1].replace(" ", "")
    status, said = await bench.agent("resident-pin")
    assert (status, "no PIN was made" in said) == (1, True), "this is no terminal"
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(WAIT_S):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert fingerprint in err.decode(), "the log says where the page is"
    for secret in (pin, pin.replace(" ", "")):
        assert secret.encode() not in out + err


async def first_page(
    browser: httpx2.AsyncClient, pin: str, process: asyncio.subprocess.Process
) -> str:
    """Come in as soon as the page is there; return it once something was counted."""
    async with asyncio.timeout(WAIT_S):
        while True:
            assert process.returncode is None
            try:
                entered = await browser.post("/login", data={"pin": pin})
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
                continue
            break
        assert entered.status_code == 303
        while words.TODAY_SO_FAR not in (page := (await browser.get("/")).text):
            await asyncio.sleep(0.2)
    return page


def read_sheet(text: str) -> tuple[str, str, str]:
    """Return PIN, address and fingerprint as somebody types them from the sheet."""
    lines = [line.strip() for line in text.splitlines()]
    (pin,) = [line.removeprefix("PIN ") for line in lines if line.startswith("PIN ")]
    (url,) = [line for line in lines if line.startswith("https://")]
    parts = [line for line in lines if line.count(":") > 10]
    return pin, url, "".join(parts)
