"""What leaves: a value, its interval, its guarantee and its receipt."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Generic, TypeVar

from unseen.core.errors import InvalidRequest, LedgerCorrupt
from unseen.core.generalised import Covers
from unseen.core.guarantee import Guarantee

__all__ = ["Receipt", "Release"]

T = TypeVar("T")

NUMBERS = ("epsilon", "delta", "epsilon_left", "delta_left")


@dataclass(frozen=True)
class Receipt:
    """That a ledger recorded a release.

    Args:
        ledger: the ledger's random identifier.
        sequence: the entry's number, from 1.
        head: keyed hash of the chain up to this entry.
        epsilon: ε that the entry charged; 0 if it is unpriced.
        delta: δ that the entry charged.
        epsilon_left: ε that is left of the budget.
        delta_left: δ that is left of the budget.
        priced: releases that the ledger's total covers.
        releases: all releases in the ledger.
        when: time of the entry, UTC, ISO 8601.
        spent: the ledger's sums after the entry, exactly, one for each thing that its composition counts.
        public_key: Ed25519 public key of the ledger's owner, in hexadecimal.
        signature: the owner's signature of all of the above.

    **Guarantee**: who knows the owner's public key knows that the owner's ledger held this entry, and can hold the
    ledger to it: ``unseen ledger verify --against``.
    """

    ledger: str
    sequence: int
    head: str
    epsilon: float
    delta: float
    epsilon_left: float
    delta_left: float
    priced: int
    releases: int
    when: str
    spent: tuple[str, ...] = ()
    public_key: str = ""
    signature: str = ""

    @property
    def message(self) -> bytes:
        """What is signed: all fields but the signature, as canonical JSON."""
        return json.dumps(
            {name: value for name, value in self.to_dict().items() if name != "signature"},
            sort_keys=True,
            separators=(",", ":"),
        ).encode()

    def verify(self, public_key: str | None = None) -> None:
        """Check the owner's signature.

        Args:
            public_key: the owner's, as known from elsewhere; without it the receipt's own is taken.

        Raises:
            LedgerCorrupt: it was changed, or signed with another key.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if public_key is not None and public_key != self.public_key:
            raise LedgerCorrupt(
                f"a receipt under the public key {self.public_key[:16]}… was given",
                f"one under the owner's key {public_key[:16]}…",
            )
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))
            key.verify(bytes.fromhex(self.signature), self.message)
        except (InvalidSignature, ValueError):
            raise LedgerCorrupt(
                f"the signature of receipt {self.sequence} does not verify", "a receipt as the ledger gave it"
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {**self.__dict__, "spent": list(self.spent)}

    @classmethod
    def of(cls, told: Any) -> Receipt:
        """The receipt that ``to_dict`` told of, or that of a release's ``to_dict``, or an export's signed head.

        Raises:
            InvalidRequest: neither.
        """
        if isinstance(told, dict) and len(told) == 1 and "head" in told:
            told = told["head"]
        if isinstance(told, dict) and "receipt" in told:
            told = told["receipt"]
        fits = (
            isinstance(told, dict)
            and set(told) == set(cls.__dataclass_fields__)
            and all(isinstance(told[name], str) for name in ("ledger", "head", "when", "public_key", "signature"))
            and all(isinstance(told[name], int) for name in ("sequence", "priced", "releases"))
            and all(isinstance(told[name], (int, float)) for name in ("epsilon", "delta", "epsilon_left", "delta_left"))
            and isinstance(told["spent"], (list, tuple))
            and all(isinstance(part, str) for part in told["spent"])
        )
        if not fits:
            raise InvalidRequest(
                "something that is no receipt was given", "a release or receipt as save or to_dict wrote it"
            )
        try:
            numbers = {name: float(told[name]) for name in NUMBERS}  # what other tools write as 1 was 1.0
        except OverflowError:
            raise InvalidRequest("a receipt of numbers beyond all bounds was given", "a receipt as it was") from None
        return cls(**{**told, **numbers, "spent": tuple(told["spent"])})

    @classmethod
    def read(cls, path: str | Path) -> Receipt:
        """The receipt in a saved release, by itself as JSON, or at the end of a ledger's export.

        Raises:
            InvalidRequest: no such file, or no receipt in it.
        """
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
            last = text.rpartition("\n")[2]
            told = json.loads(last if last.startswith('{"head"') else text)
        except (OSError, ValueError, TypeError, RecursionError):
            raise InvalidRequest(
                f"no receipt can be read from {str(path)!r}", "a release or receipt as save or to_dict wrote it"
            ) from None
        return cls.of(told)

    def __str__(self) -> str:
        slack = f", δ {self.delta:g}" if self.delta else ""
        cover = "" if self.priced == self.releases else f" · ε covers {self.priced} of {self.releases} releases"
        if not self.epsilon:
            return f"recorded, not charged · ε {self.epsilon_left:.6g} left{cover}"
        return f"ε {self.epsilon:.6g}{slack} charged · {self.epsilon_left:.6g} left{cover}"


@dataclass(frozen=True)
class Release(Generic[T]):
    """The only thing that leaves.

    Args:
        value: what was asked for.
        interval: 95 % interval of the noise alone, not of sampling or clamping; None where there is none.
        guarantee: what is promised about it.
        receipt: the ledger's receipt; None if no ledger was charged.
        guard: the guard's name.
        covers: what generalised values stand for.
        proof: the owner's evidence. It stays in this process: ``save``, ``to_dict``, pickle and the wire leave it out.
    """

    value: T
    interval: Any
    guarantee: Guarantee
    receipt: Receipt | None
    guard: str = ""
    covers: Covers | None = None
    proof: Any = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "proof": None}

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        state = self.__getstate__()
        return _rebuild, (type(self), state)

    @property
    def charge(self) -> str:
        """What the ledger says of it, in words."""
        return str(self.receipt) if self.receipt else "not charged to any ledger"

    def __str__(self) -> str:
        return f"{_brief(self.value, self.interval)} · {self.charge}"

    def _repr_html_(self) -> str:
        return (
            f"<div style='font-family:system-ui;line-height:1.4'><b>{escape(_brief(self.value, self.interval))}</b>"
            f"<br><small>{escape(self.charge)}<br>{escape(str(self.guarantee))}</small></div>"
        )

    def to_dict(self) -> dict[str, Any]:
        """All that leaves, as JSON-ready values."""
        return {
            "guard": self.guard,
            "value": _plain(self.value),
            "interval": _plain(self.interval),
            "guarantee": self.guarantee.to_dict(),
            "receipt": None if self.receipt is None else self.receipt.to_dict(),
            "covers": None
            if self.covers is None
            else {c: {str(v): cover.to_dict() for v, cover in values.items()} for c, values in self.covers.items()},
        }

    def save(self, path: str | Path) -> Path:
        """Write all that leaves to a JSON file and give its path."""
        target = Path(path)
        target.write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
        return target


def _rebuild(kind: type[Release[Any]], state: dict[str, Any]) -> Release[Any]:
    return kind(**state)


def _brief(value: Any, interval: Any) -> str:
    if isinstance(value, (int, float)):
        if interval is None:
            return f"{value:.6g}"
        low, high = interval
        below, above = value - low, high - value
        widest = max(below, above)
        even = abs(above - below) <= 0.05 * widest
        digits = 0 if isinstance(value, int) else 1 - math.floor(math.log10(widest)) if widest > 0 else 3
        shown, wide, up, down = (f"{x:,.{max(0, digits)}f}" for x in (value, widest, above, below))
        return f"{shown} {f'± {wide}' if even else f'+{up} −{down}'} (95 %)"
    if isinstance(value, dict):
        parts = [
            f"{k}: {_brief(v, interval[k] if isinstance(interval, dict) else None)}"
            for k, v in list(value.items())[:12]
        ]
        return " · ".join(parts) + (" · …" if len(value) > 12 else "")
    if hasattr(value, "shape") and len(value.shape) == 2:
        return f"{type(value).__name__} of {value.shape[0]:,} rows × {value.shape[1]} columns"
    return type(value).__name__


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)  # JSON has no word for them
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        import narwhals as nw

        return {
            name: _plain(column)
            for name, column in nw.from_native(value, eager_only=True).to_dict(as_series=False).items()
        }
    if hasattr(value, "to_pydict"):
        return _plain(value.to_pydict())
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return repr(type(value).__name__)
