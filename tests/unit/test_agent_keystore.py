"""The keystore: made once, ours alone, and silent about what it holds."""

import logging
import os
from pathlib import Path

import pytest
from cryptography import x509

from meterseal_agent.keystore import (
    KeyEpoch,
    Keystore,
    KeystoreError,
    write_once,
    write_over,
)
from meterseal_proto.keys import Algorithm


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    made = Keystore(tmp_path / "data")
    made.make(KeyEpoch())
    return made


def test_making_it_twice_changes_nothing(store: Keystore) -> None:
    paths = store.paths
    before = [p.read_bytes() for p in (paths.secret, paths.tls_key, paths.csr)]
    store.make(KeyEpoch(Algorithm.P256, 3))
    after = [p.read_bytes() for p in (paths.secret, paths.tls_key, paths.csr)]
    assert after == before
    assert store.keys().epoch == KeyEpoch()


def test_secrets_are_for_their_owner_only(store: Keystore) -> None:
    for path in (store.paths.secret, store.paths.tls_key):
        assert path.stat().st_mode & 0o777 == 0o600
    assert store.paths.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o400, 0o700])
def test_a_secret_with_another_mode_is_refused(store: Keystore, mode: int) -> None:
    store.paths.secret.chmod(mode)
    with pytest.raises(KeystoreError, match="chmod 600"):
        store.keys()


def test_a_tls_key_open_to_others_is_refused(store: Keystore) -> None:
    store.paths.tls_key.chmod(0o644)
    with pytest.raises(KeystoreError, match="has mode 0644"):
        store.keys()


def test_a_secret_behind_a_link_is_refused(store: Keystore) -> None:
    elsewhere = store.paths.secret.rename(store.paths.folder / "elsewhere")
    store.paths.secret.symlink_to(elsewhere)
    with pytest.raises(KeystoreError, match="not a plain file"):
        store.keys()


def test_a_missing_secret_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="run meterseal-agent enrol"):
        Keystore(tmp_path).keys()


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33])
def test_a_damaged_secret_is_refused_without_being_quoted(
    store: Keystore, text: str
) -> None:
    store.paths.secret.write_text(text)
    with pytest.raises(KeystoreError, match="damaged") as caught:
        store.keys()
    assert caught.value.__cause__ is None
    assert not text or text not in str(caught.value)


def test_no_repr_and_no_log_shows_a_secret(
    store: Keystore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keys = store.keys()
    shown = f"{keys!r} {keys.root!r} {keys.seal_key!r} {caplog.text}"
    assert keys.root.value.hex() not in shown
    assert repr(keys.root.value) not in shown
    assert keys.seal_key.secret.hex() not in shown


def test_each_epoch_and_curve_has_its_own_key(store: Keystore) -> None:
    root = store.keys().root
    publics = {
        root.seal_key(algorithm, epoch).public.raw
        for algorithm in Algorithm
        for epoch in range(3)
    }
    assert len(publics) == 6


def test_a_recovery_sheet_restores_the_same_keys(
    store: Keystore, tmp_path: Path
) -> None:
    secret = store.keys().root.value
    other = Keystore(tmp_path / "new")
    other.make(KeyEpoch(number=1), secret)
    assert other.keys().root == store.keys().root
    assert other.keys().seal_key.public != store.keys().seal_key.public


def test_a_recovery_sheet_never_replaces_another_secret(store: Keystore) -> None:
    with pytest.raises(KeystoreError, match="empty data_dir"):
        store.make(KeyEpoch(), bytes(32))


def test_the_request_is_signed_by_the_tls_key(store: Keystore) -> None:
    csr = x509.load_pem_x509_csr(store.csr_pem().encode())
    assert csr.is_signature_valid


def test_writing_once_never_writes_over(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_once(path, b"first")
    with pytest.raises(FileExistsError):
        write_once(path, b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["secret"]


def test_writing_over_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "answer"
    write_over(path, b"a long first content")
    write_over(path, b"short")
    assert path.read_bytes() == b"short"
    assert os.listdir(tmp_path) == ["answer"]


@pytest.mark.parametrize(
    "text", ["", "secp256k1", "secp256k1 -1", "rsa 0", "p256 1000"]
)
def test_what_is_no_key_epoch_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"epoch|Algorithm"):
        KeyEpoch.parse(text)
