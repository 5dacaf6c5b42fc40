"""The aggregator as an operator meets it: commands, their words, and how it stops."""

import json
import os
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mqtt5
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from meterseal_proto.enrolment import EnrolmentAnswer, RegisterStart
from meterseal_proto.units import IMPORT
from tests.support.enrolling import a_meter, a_request

START_WITHIN_S = 60.0
STOP_WITHIN_S = 15.0


def _config(folder: Path, *, demo: bool = False, web: int = 0, extra: str = "") -> Path:
    path = folder / "aggregator.toml"
    path.write_text(
        f'network = "street"\ndata_dir = "{folder / "data"}"\n'
        f"demo = {str(demo).lower()}\n{extra}\n[web]\nport = {web}\n[mqtt]\nport = 0\n"
    )
    return path


def _run(config: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("METERSEAL")}
    code = "import sys; from meterseal_aggregator.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *words, "--config", str(config)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment | more, timeout=120,
        check=False,
    )  # fmt: skip


def _one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a failing command said; exactly one line, and no traceback."""
    assert done.returncode == 1, done
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = _config(tmp_path, demo=True)
    assert _run(made, "migrate").returncode == 0
    return made


def _serve(config: Path) -> tuple[subprocess.Popen[str], str]:
    """Start serving and return the process and its base URL, once it is ready."""
    code = "import sys; from meterseal_aggregator.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("ready: "), process.communicate(timeout=START_WITHIN_S)
    return process, line.split()[1]


@pytest.fixture
def served(config: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process, url = _serve(config)
    yield process, url
    process.kill()
    process.communicate(timeout=START_WITHIN_S)


def test_enrol_prints_a_code_that_nobody_else_gets(config: Path) -> None:
    words = ("enrol", "--member", "Ada", "--agent", "home-1", "--json")
    first, second = (json.loads(_run(config, *words).stdout) for _ in range(2))
    assert first["code"] != second["code"]
    assert len(first["code"]) >= 20
    assert first["member_id"] == second["member_id"]
    said = _run(config, *words[:-1]).stdout
    assert "meterseal-agent enrol --code" in said


def test_a_home_with_another_tenant_is_refused_in_one_sentence(config: Path) -> None:
    _run(config, "enrol", "--member", "Ada", "--point", "Home", "--agent", "a")
    done = _run(config, "enrol", "--member", "Bo", "--point", "Home", "--agent", "b")
    assert "another tenant" in _one_sentence(done)


WRONG = {
    ("enrol", "--member", "Ada", "--agent", "a/b"): "A-Z a-z 0-9",
    ("token", "--role", "member"): "name a member",
    ("token", "--role", "auditor", "--days", "0"): "1 to 3650 days",
    ("token", "--role", "member", "--member", "Nobody"): "no member named",
    ("parameter", "zone", "Mars/Olympus"): "zone",
    ("parameter", "finality_delay_s", "soon"): "finality_delay_s",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_wish_is_one_sentence(config: Path, words: tuple[str, ...]) -> None:
    assert WRONG[words] in _one_sentence(_run(config, *words))


def test_an_empty_house_passes_its_audit_and_fsck(config: Path) -> None:
    audit = _run(config, "audit")
    assert audit.returncode == 0, audit
    numbers = {line.split()[1] for line in audit.stdout.splitlines()}
    assert numbers >= {"1", "2", "3", "4", "6", "8", "10"}
    assert _run(config, "mint").returncode == 0
    assert "proves nothing" in _run(config, "anchor").stdout
    assert "no difference" in _run(config, "fsck").stdout


def test_a_changed_row_fails_the_audit_and_the_fsck(config: Path) -> None:
    _run(config, "anchor")
    data = sqlite3.connect(config.parent / "data" / "aggregator.sqlite")
    data.execute("DROP TRIGGER checkpoints_are_never_changed")
    data.execute("UPDATE checkpoints SET root = zeroblob(32)")
    data.commit()
    data.close()
    audit = _run(config, "audit", "--json")
    assert audit.returncode == 1
    assert [f["invariant"] for f in json.loads(audit.stdout) if not f["ok"]] == [6]
    assert "checkpoints 0" in _one_sentence(_run(config, "fsck"))


def test_pending_migrations_refuse_to_serve(tmp_path: Path) -> None:
    said = _one_sentence(_run(_config(tmp_path), "audit"))
    assert "0001_identity.sql" in said
    assert "meterseal-aggregator migrate" in said


def test_keys_are_for_their_owner_alone_and_never_change(config: Path) -> None:
    keys = config.parent / "data" / "keys"
    files = sorted(keys.iterdir())
    assert [file.name for file in files] == [
        "device-ca-key.pem", "device-ca.pem", "genesis.json", "log.pem", "receipt.pem",
    ]  # fmt: skip
    before = [file.read_bytes() for file in files]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert _run(config, "audit").returncode == 0
    assert [file.read_bytes() for file in files] == before


def test_everything_it_writes_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        made = _config(tmp_path, demo=True)
        assert _run(made, "anchor").returncode == 0
    finally:
        os.umask(before)
    for path in (tmp_path / "data").rglob("*"):
        assert not path.stat().st_mode & 0o077, path


def test_a_key_open_to_others_is_refused(config: Path) -> None:
    key = config.parent / "data" / "keys" / "log.pem"
    key.chmod(0o640)
    assert "chmod 600" in _one_sentence(_run(config, "audit"))


def test_a_network_is_founded_once(tmp_path: Path, config: Path) -> None:
    other = _config(tmp_path, demo=True, extra="chain_id = 1")
    assert "never changes" in _one_sentence(_run(other, "audit"))


def test_a_clock_that_cannot_be_read_is_one_sentence(config: Path) -> None:
    said = _one_sentence(_run(config, "audit", METERSEAL_CLOCK="soon"))
    assert "METERSEAL_CLOCK" in said


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert "data_dir" in _one_sentence(_run(_config(tmp_path), "audit"))


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = _config(tmp_path, demo=True, web=port)
        said = _one_sentence(_run(config, "serve"))
    assert f"127.0.0.1:{port}" in said
    assert "[web]" in said


def test_it_serves_and_stops_at_once(
    served: tuple[subprocess.Popen[str], str],
) -> None:
    process, url = served
    with urllib.request.urlopen(f"{url}/readyz") as answer:  # noqa: S310
        assert json.load(answer) == {"status": "ok"}
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=STOP_WITHIN_S) == 0


def test_an_open_web_connection_does_not_keep_it_from_stopping(
    served: tuple[subprocess.Popen[str], str],
) -> None:
    process, url = served
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as idle:
        idle.sendall(b"POST /v1/enrolments HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_commands_work_beside_a_running_aggregator(
    config: Path, served: tuple[subprocess.Popen[str], str]
) -> None:
    _, url = served
    token = _run(config, "token", "--role", "operator").stdout.strip()
    _run(config, "enrol", "--member", "Ada", "--agent", "home-1")
    request = urllib.request.Request(  # noqa: S310
        f"{url}/v1/members", headers={"Authorization": f"Bearer {token}"}
    )
    acts = urllib.request.Request(  # noqa: S310
        f"{url}/v1/acts", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(acts) as answer:  # noqa: S310
        assert token[:10] in json.load(answer)["items"][0]["object"]
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert [row["name"] for row in json.load(answer)["items"]] == ["Ada"]
    assert _run(config, "audit").returncode == 0


def test_agents_come_over_tls_with_the_certificate_of_their_enrolment(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = _config(tmp_path, demo=True)
    text = config.read_text().replace("[mqtt]\nport = 0", f"[mqtt]\nport = {port}")
    config.write_text(f'{text}tls = true\nadvertise = "127.0.0.1:{port}"\n')
    process, url = _serve(config)
    try:
        code = json.loads(
            _run(
                config, "enrol", "--member", "Ada", "--agent", "home-1", "--json"
            ).stdout
        )["code"]
        key = ec.generate_private_key(ec.SECP256R1())
        at = int(time.time()) // 900 * 900
        meter = a_meter(registers=(RegisterStart(IMPORT, 900, 0, at),))
        wish = a_request(code, meter, csr_pem=_csr(key)).to_json()
        request = urllib.request.Request(  # noqa: S310
            f"{url}/v1/enrolments",
            json.dumps(wish).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as reply:  # noqa: S310
            answer = EnrolmentAnswer.from_json(reply.read())
        assert (answer.broker, answer.broker_tls) == (f"127.0.0.1:{port}", True)
        ca, mine = tmp_path / "ca.pem", tmp_path / "mine.pem"
        ca.write_text(answer.ca_pem)
        mine.write_bytes(_pem(key) + answer.certificate_pem.encode())
        assert _connack(port, ca, mine)
        assert not _connack(port, ca, None)

        token = _run(config, "token", "--role", "operator").stdout.strip()
        revocation = urllib.request.Request(  # noqa: S310
            f"{url}/v1/meters/{answer.meters[0].meter}/revocation",
            b"",
            {"Authorization": f"Bearer {token}"},
        )
        urllib.request.urlopen(revocation).close()  # noqa: S310
        until = time.monotonic() + START_WITHIN_S
        while _connack(port, ca, mine):
            assert time.monotonic() < until, "a revoked agent still comes in"
    finally:
        process.kill()
        process.communicate(timeout=START_WITHIN_S)


def _csr(key: ec.EllipticCurvePrivateKey) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _connack(port: int, ca: Path, mine: Path | None) -> bool:
    """Whether a CONNECT over TLS is answered with a CONNACK of success."""
    context = ssl.create_default_context(cafile=str(ca))
    if mine is not None:
        context.load_cert_chain(mine)
    connect = mqtt5.ConnectPacket("home-1", clean_start=True)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as wire,
        ):
            wire.sendall(connect.write())
            got = wire.recv(64)
    except (ssl.SSLError, OSError):
        return False
    return len(got) > 3 and (got[0], got[3]) == (0x20, 0)
