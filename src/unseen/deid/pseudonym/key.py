"""The key of pseudonyms: 256 random bits in a file of their own, and the subkeys that are derived from them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from unseen.core.errors import InvalidRequest
from unseen.core.ledger.keys import make_file, sync_folder
from unseen.core.noise.entropy import Entropy

__all__ = ["Key"]

BYTES = 32
HEADER = "unseen pseudonym key, version 1"
MOST_BYTES = 1 << 20
CHECK = 16
"""Hexadecimal digits of a check value: two keys share one with probability 2^-64."""


class Key:
    """A key of pseudonyms, held in memory. Made by ``Key.create``, read by ``Key.open``.

    Args:
        secret: 32 bytes.
        retired: secrets that ``rotate`` replaced; they open what was made under them and make nothing new.

    **Guarantee**: whoever lacks the key cannot tell its pseudonyms from random ones of their format, nor those of one
    project from those of another, as far as HMAC-SHA256 and AES are pseudorandom; equal values show as equal. Whoever
    has it can undo reversible pseudonyms and try candidates on all others.
    """

    __slots__ = ("_retired", "_secret")

    def __init__(self, secret: bytes, retired: Sequence[bytes] = ()) -> None:
        if not all(isinstance(one, bytes) and len(one) == BYTES for one in (secret, *retired)):
            raise InvalidRequest("a secret of another size or type was given", f"{BYTES} bytes", "un.deid.Key.create")
        self._secret, self._retired = secret, tuple(retired)

    def __repr__(self) -> str:
        return "<Key>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key of pseudonyms does not leave its process")

    # --- Its file -----------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path) -> Key:
        """A new key in a new file that its owner alone can read (mode 0600), written whole or not at all.

        Raises:
            InvalidRequest: something is there already, or nothing can be written there.
        """
        made, place = cls(Entropy().key()), Path(path)
        try:
            make_file(place, made._written())
            there = place.read_bytes()
        except OSError as error:
            raise InvalidRequest(
                f"the key {str(path)!r} cannot be made ({type(error).__name__})", "a folder that can be written to"
            ) from None
        if not hmac.compare_digest(there, made._written()):
            raise InvalidRequest(
                f"a new key at {str(path)!r} was asked for, where a file is", "a path where nothing is", _open(path)
            )
        return made

    @classmethod
    def open(cls, path: str | Path) -> Key:
        """The key in a file.

        Raises:
            InvalidRequest: it is lost, damaged, no key, or others than its owner can read it.
        """
        try:
            with Path(path).open("rb") as file:
                status = os.fstat(file.fileno())
                content = file.read(MOST_BYTES)
        except FileNotFoundError:
            raise InvalidRequest(
                f"there is no key at {str(path)!r}",
                "the file that Key.create wrote, or a copy of it: what was made under a lost key cannot be undone",
                f"un.deid.Key.create({str(path)!r}) for new pseudonyms",
            ) from None
        except OSError as error:
            raise InvalidRequest(
                f"the key {str(path)!r} cannot be read ({type(error).__name__})", "a file that its owner can read"
            ) from None
        if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InvalidRequest(
                f"the key {str(path)!r} is open to others (mode {stat.S_IMODE(status.st_mode):04o})",
                "mode 0600; if others may have read it, rotate it",
                f"chmod 600 {path}",
            )
        return cls._read(content, str(path))

    @classmethod
    def rotate(cls, path: str | Path) -> Key:
        """Put a new key into the place of the one in a file, which stays behind it to open what it made.

        What is made from now on has other pseudonyms, and is linked to nothing from before. A link to a key stays one.

        Raises:
            InvalidRequest: as ``open``, or somebody else rotates it.
        """
        place = Path(os.path.realpath(path))
        mark = place.with_name(f"{place.name}.rotating")
        cls.open(place)
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise InvalidRequest(
                f"the key {str(path)!r} is being rotated", f"one rotation at a time; if none runs, remove {mark.name!r}"
            ) from None
        except OSError as error:
            raise InvalidRequest(
                f"the key {str(path)!r} cannot be rotated ({type(error).__name__})", "a folder that can be written to"
            ) from None
        try:
            old = cls.open(place)
            made = cls(Entropy().key(), (*old._retired, old._secret))
            make_file(place, made._written(), over=True)
        finally:
            with suppress(OSError):
                mark.unlink()
                sync_folder(place.parent)
        return made

    def _written(self) -> bytes:
        lines = [f"{secret.hex()} {_mark(secret)}" for secret in (*self._retired, self._secret)]
        return "\n".join([HEADER, *lines, ""]).encode()

    @classmethod
    def _read(cls, content: bytes, name: str) -> Key:
        fault = InvalidRequest(
            f"the key {name!r} is damaged, or no key of pseudonyms", "the file as Key.create wrote it, or a copy of it"
        )
        try:
            header, *lines = content.decode("ascii").removesuffix("\n").split("\n")
            secrets = [bytes.fromhex(line.partition(" ")[0]) for line in lines]
        except ValueError:
            raise fault from None
        if header != HEADER or not secrets or any(len(secret) != BYTES for secret in secrets):
            raise fault
        found = cls(secrets[-1], secrets[:-1])
        if found._written() != content:
            raise fault
        return found

    # --- What is derived from it ----------------------------------------------------------------------

    def subkey(self, project: str, purpose: str, length: int = BYTES) -> bytes:
        """The key of one purpose in one project.

        Args:
            project: the project's name; nobody without the key can link two projects' pseudonyms.
            purpose: what it is for.
            length: bytes.

        Raises:
            InvalidRequest: a name that is no Unicode.

        Source: RFC 5869 (HKDF with SHA-256).
        """
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        try:
            names = [part.encode() for part in ("unseen pseudonym 1", project, purpose)]
        except UnicodeEncodeError:
            raise InvalidRequest(
                "a project or kind with half a character (a lone surrogate) was named", "Unicode"
            ) from None
        info = b"".join(len(name).to_bytes(4, "big") + name for name in names)
        return HKDF(SHA256(), length, salt=None, info=info).derive(self._secret)

    def check(self, project: str) -> str:
        """What tells this key in this project from another one; it says nothing else about either."""
        return self.subkey(project, "check", CHECK // 2).hex()

    def matching(self, project: str, check: str) -> Key:
        """This key or the retired one that a check value belongs to.

        Raises:
            InvalidRequest: neither does: another key, or another project.
        """
        for secret in (self._secret, *reversed(self._retired)):
            one = Key(secret)
            if hmac.compare_digest(one.check(project).encode(), str(check).encode()):
                return one
        raise InvalidRequest(
            f"another key than the one that made this was given (its check value is {self.check(project)} in the "
            f"project {project!r})",
            f"the key and the project of the check value {check}",
        )


def _mark(secret: bytes) -> str:
    """Tells a damaged line; in the file alone."""
    return hmac.digest(secret, b"unseen pseudonym key file", "sha256")[: CHECK // 2].hex()


def _open(path: str | Path) -> str:
    return f"un.deid.Key.open({str(path)!r}), or Key.rotate"
