import errno
import os
import resource
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.act.safehold import VaultCorrupt, VaultFull
from grace.act.safehold.vault import FolderVault, VaultKeyUnsafe, open_vault

KEY = bytes(range(32))


def vault_in(folder: Path) -> FolderVault:
    return open_vault(folder / "vault", folder / "vault.key")


@given(content=st.binary(max_size=2000))
@settings(max_examples=50)
def test_what_was_put_comes_back(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    vault = vault_in(tmp_path_factory.mktemp("vault"))
    assert vault.get(vault.put(content)) == content


def test_equal_content_has_one_address_and_one_file(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    assert vault.put(b"same") == vault.put(b"same")
    assert len(list(vault.addresses())) == 1


def test_nothing_of_the_content_is_readable_on_the_disk(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    vault.put(b"hunter2-hunter2-hunter2")
    assert all(b"hunter2" not in file.read_bytes() for file in (tmp_path / "vault").iterdir())


def test_an_address_tells_nothing_to_those_without_the_key(tmp_path: Path) -> None:
    one, other = vault_in(tmp_path / "one"), vault_in(tmp_path / "other")
    assert one.put(b"1234") != other.put(b"1234")


@pytest.mark.parametrize("position", [0, 20, 40, -1])
def test_any_changed_byte_is_found(tmp_path: Path, position: int) -> None:
    vault = vault_in(tmp_path)
    address = vault.put(b"precious" * 10)
    file = tmp_path / "vault" / address.removeprefix("vault:")
    stored = bytearray(file.read_bytes())
    stored[position] ^= 1
    file.write_bytes(stored)
    with pytest.raises(VaultCorrupt):
        vault.get(address)


def test_a_content_under_another_name_is_found(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    one, other = vault.put(b"one"), vault.put(b"other")
    folder = tmp_path / "vault"
    (folder / one.removeprefix("vault:")).replace(folder / other.removeprefix("vault:"))
    with pytest.raises(VaultCorrupt):
        vault.get(other)


@pytest.mark.parametrize("address", ["", "vault:", "vault:../../etc/passwd", "vault:" + "0" * 64, "sha256:" + "0" * 64])
def test_an_address_of_nothing_is_said_to_be_one(tmp_path: Path, address: str) -> None:
    with pytest.raises(VaultCorrupt):
        vault_in(tmp_path).get(address)


def test_putting_again_mends_a_damaged_content(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    address = vault.put(b"precious")
    (tmp_path / "vault" / address.removeprefix("vault:")).write_bytes(b"rubbish")
    assert vault.put(b"precious") == address
    assert vault.get(address) == b"precious"


def test_an_exception_leaves_nothing_of_a_stage(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)

    def fail() -> None:
        with vault.stage() as stage:
            stage.put(b"one")
            stage.put(b"two")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert list((tmp_path / "vault").iterdir()) == []


def test_a_failed_stage_takes_nothing_from_others(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    shared = vault.put(b"shared")

    def fail() -> None:
        with vault.stage() as stage:
            stage.put(b"shared")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert vault.get(shared) == b"shared"


def test_what_is_kept_already_is_made_durable_again_only_where_it_may_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = vault_in(tmp_path)
    disk = Disk()
    monkeypatch.setattr("grace.act.safehold.vault.sync_folder", disk.sync)
    disk.is_broken = True
    with pytest.raises(OSError, match="Input/output"):
        vault.put(b"named, but not durably")
    assert disk.synced == 0
    disk.is_broken = False
    vault.put(b"named, but not durably")
    assert disk.synced == 1

    again = vault_in(tmp_path)
    assert disk.synced == 2, "what died before may have left a name that is not durable"
    again.put(b"named, but not durably")
    again.put(b"new")
    again.put(b"new")
    assert disk.synced == 3


@dataclass
class Disk:
    """Counts how often a folder was made durable, and fails to do so while it is broken."""

    is_broken: bool = False
    synced: int = 0

    def sync(self, _folder: Path) -> None:
        if self.is_broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.synced += 1


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    vault.put(b"small")
    before = sorted(file.name for file in (tmp_path / "vault").iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(VaultFull, match="no room"):
            vault.put(os.urandom(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(file.name for file in (tmp_path / "vault").iterdir()) == before


def test_leftovers_of_an_interrupted_put_are_swept_at_the_start(tmp_path: Path) -> None:
    vault_in(tmp_path).put(b"kept")
    (tmp_path / "vault" / ("0" * 64 + ".beef.staged")).write_bytes(b"half")
    vault = vault_in(tmp_path)
    assert len(list((tmp_path / "vault").iterdir())) == 1
    assert len(list(vault.addresses())) == 1


def test_the_key_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    vault_in(tmp_path)
    assert (tmp_path / "vault.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    vault_in(tmp_path)
    (tmp_path / "vault.key").chmod(mode)
    with pytest.raises(VaultKeyUnsafe, match="chmod 600"):
        vault_in(tmp_path)


def test_a_symlink_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(KEY)
    (tmp_path / "vault.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(VaultKeyUnsafe):
        vault_in(tmp_path)


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    vault_in(tmp_path)
    (tmp_path / "vault.key").write_bytes(b"short")
    with pytest.raises(VaultKeyUnsafe, match="5 bytes"):
        vault_in(tmp_path)


def test_a_lost_key_is_not_replaced_while_it_is_needed(tmp_path: Path) -> None:
    vault_in(tmp_path).put(b"kept")
    (tmp_path / "vault.key").unlink()
    with pytest.raises(VaultKeyUnsafe, match="backup"):
        vault_in(tmp_path)
    assert not (tmp_path / "vault.key").exists()
