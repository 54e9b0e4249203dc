"""The key of pseudonyms: in its own file, readable by its owner, whole or refused, and shown nowhere."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import copy
import hmac
import os
import pickle
import stat
import threading
import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.core.errors import InvalidRequest
from unseen.deid.pseudonym import Key

ONE, OTHER = Key(bytes(range(32))), Key(bytes(range(1, 33)))


def secret_of(path: Path) -> bytes:
    return bytes.fromhex(path.read_text().splitlines()[-1].split()[0])


def test_a_key_is_created_once_readable_by_its_owner_alone_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "study.key"
    made = Key.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Key.open(path).check("p") == made.check("p") == Key(secret_of(path)).check("p")
    before = path.read_bytes()
    with pytest.raises(InvalidRequest, match="where a file is"):
        Key.create(path)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["study.key"]
    assert Key.create(tmp_path / "other.key").check("p") != made.check("p")


def test_of_many_that_create_one_key_at_once_one_does(tmp_path: Path) -> None:
    made: list[Key] = []
    refused: list[InvalidRequest] = []

    def create() -> None:
        try:
            made.append(Key.create(tmp_path / "k"))
        except InvalidRequest as error:
            refused.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and len(refused) == 7
    assert Key.open(tmp_path / "k").check("p") == made[0].check("p")


@pytest.mark.skipif(os.name != "posix", reason="wants modes of files")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_that_others_may_read_or_write_is_refused(mode: int, tmp_path: Path) -> None:
    Key.create(tmp_path / "k")
    (tmp_path / "k").chmod(mode)
    with pytest.raises(InvalidRequest, match=f"open to others .mode {mode:04o}.*chmod 600"):
        Key.open(tmp_path / "k")


@pytest.mark.parametrize("act", [Key.open, Key.rotate])
def test_a_lost_key_is_told_as_lost(act: Callable[[Path], Key], tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="there is no key"):
        act(tmp_path / "k")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        act(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be made"):
        Key.create(tmp_path / "no" / "folder")


@given(st.data())
def test_a_damaged_key_is_refused_and_not_shown(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("key") / "k"
    Key.create(path)
    content, secret = bytearray(path.read_bytes()), secret_of(path).hex()
    at = data.draw(st.integers(0, len(content) - 1))
    broken = data.draw(
        st.sampled_from([bytes(content[:at]), bytes(content) + b"\n", b"", os.urandom(40)])
        | st.integers(1, 255).map(lambda bits: bytes([*content[:at], content[at] ^ bits, *content[at + 1 :]]))
    )
    path.write_bytes(broken)
    with pytest.raises(InvalidRequest, match="damaged") as refused:
        Key.open(path)
    told = "".join(traceback.format_exception(refused.value))
    assert secret not in told and secret[:16] not in told


def test_a_rotated_key_makes_other_pseudonyms_and_still_knows_what_it_made(tmp_path: Path) -> None:
    first = Key.create(tmp_path / "k")
    second = Key.rotate(tmp_path / "k")
    third = Key.rotate(tmp_path / "k")
    checks = [one.check("p") for one in (first, second, third)]
    assert len(set(checks)) == 3 and [one.name for one in tmp_path.iterdir()] == ["k"]
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    now = Key.open(tmp_path / "k")
    assert now.check("p") == checks[2]
    for check in checks:
        assert now.matching("p", check).check("p") == check
    with pytest.raises(InvalidRequest, match="another key"):
        second.matching("p", checks[2])


@pytest.mark.skipif(os.name != "posix", reason="wants links")
def test_a_key_that_a_link_leads_to_is_rotated_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    first = Key.create(tmp_path / "keys" / "k")
    (tmp_path / "link").symlink_to("keys/k")
    made = Key.rotate(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and [one.name for one in (tmp_path / "keys").iterdir()] == ["k"]
    there = Key.open(tmp_path / "keys" / "k")
    assert there.check("p") == made.check("p") != first.check("p")
    assert there.matching("p", first.check("p")).check("p") == first.check("p")


def test_two_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    Key.create(tmp_path / "k")
    (tmp_path / "k.rotating").touch()
    before = (tmp_path / "k").read_bytes()
    with pytest.raises(InvalidRequest, match="being rotated"):
        Key.rotate(tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == before


def test_a_key_shows_itself_nowhere_and_does_not_leave() -> None:
    secret = bytes(range(32))
    for shown in (repr(ONE), str(ONE), f"{ONE}", repr([ONE]), str(vars(type(ONE)))):
        assert secret.hex() not in shown and repr(secret)[2:20] not in shown
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="does not leave"):
            leave(ONE)
    with pytest.raises(InvalidRequest) as refused:
        Key(secret[:31])
    assert secret[:31].hex() not in str(refused.value) and repr(secret[:8]) not in str(refused.value)


def expand(secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF as RFC 5869 writes it, with HMAC alone."""
    root = hmac.new(bytes(32), secret, sha256).digest()
    made, block = b"", b""
    for at in range(1, -(-length // 32) + 1):
        block = hmac.new(root, block + info + bytes([at]), sha256).digest()
        made += block
    return made[:length]


WORDS = st.text(st.characters(exclude_categories=["Cs"]))


@given(WORDS, WORDS, st.sampled_from([8, 32, 64]))
def test_subkeys_are_hkdf_of_project_and_purpose(project: str, purpose: str, length: int) -> None:
    names = [part.encode() for part in ("unseen pseudonym 1", project, purpose)]
    info = b"".join(len(name).to_bytes(4, "big") + name for name in names)
    assert ONE.subkey(project, purpose, length) == expand(bytes(range(32)), info, length)


def test_no_two_projects_purposes_or_keys_share_a_subkey() -> None:
    pairs = [("a", "bc"), ("ab", "c"), ("abc", ""), ("bc", "a"), ("a", "b"), ("a", "check")]
    made = {key.subkey(*pair) for key in (ONE, OTHER) for pair in pairs}
    assert len(made) == 2 * len(pairs)
    assert len({key.check(project) for key in (ONE, OTHER) for project in ("a", "b")}) == 4
