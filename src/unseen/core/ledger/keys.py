"""The owner's key: one file of 32 random bytes, from which every other key of a ledger is derived."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from unseen.core.errors import LedgerError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Fingerprint", "OwnerKey", "make_file", "sync_folder"]

Fingerprint = Callable[[bytes], str]
"""Maps a key, derived from the owner's for this alone, to the keyed fingerprint of the data."""


class OwnerKey:
    """The owner's key, held in memory; it leaves by no door of the ledger.

    Args:
        secret: 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "<OwnerKey>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an owner's key does not leave its process")

    @classmethod
    def read(cls, path: Path) -> OwnerKey:
        """The key in a file.

        Raises:
            LedgerError: no such file, or not a key.
        """
        try:
            secret = path.read_bytes()
        except OSError:
            raise LedgerError(f"the key {str(path)!r} cannot be read", "the owner's key of this ledger") from None
        if len(secret) != 32:
            raise LedgerError(f"the key {str(path)!r} has {len(secret)} bytes", "a key of 32 bytes")
        return cls(secret)

    @classmethod
    def make(cls, path: Path) -> OwnerKey:
        """Make the key file, mode 0600, and give whichever key is there in the end."""
        make_file(path, secrets.token_bytes(32))
        return cls.read(path)

    def mac(self, kind: str, text: str) -> str:
        """HMAC-SHA256 of a text of one kind, in hexadecimal; no record passes for one of another kind."""
        return hmac.new(self._secret, f"{kind}\n{text}".encode(), hashlib.sha256).hexdigest()

    def holds(self, kind: str, text: object, mac: object) -> bool:
        """Whether a text of one kind has this mac; whatever is not a text has none."""
        if not isinstance(text, str) or not isinstance(mac, str):
            return False
        return hmac.compare_digest(self.mac(kind, text).encode(), mac.encode(errors="replace"))

    def fingerprinted(self, fingerprint: Fingerprint) -> str:
        """The keyed fingerprint of data."""
        return fingerprint(self.derive("fingerprint"))

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose."""
        return hmac.new(self._secret, b"derive " + purpose.encode(), hashlib.sha256).digest()

    def sign(self, message: bytes) -> str:
        """Ed25519 signature, in hexadecimal (RFC 8032)."""
        return self._signing.sign(message).hex()

    @cached_property
    def public(self) -> str:
        """The public half of the signing key, in hexadecimal."""
        return self._signing.public_key().public_bytes_raw().hex()

    @cached_property
    def _signing(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.derive("signed heads"))


def make_file(path: Path, content: bytes, *, over: bool = False) -> None:
    """Make a file that its owner alone can read, whole or not at all, and durable with its name.

    Args:
        path: where.
        content: what it holds.
        over: put it in the place of one that is there; else that one stays.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if over:
            os.replace(draft, path)
        else:
            with suppress(FileExistsError):
                os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
