"""A run on disk: model, optimizers, how far it is; no noise, no coins, nothing that was not priced."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unseen.core.errors import InvalidRequest
from unseen.core.ledger.keys import make_file
from unseen.core.release import Receipt

if TYPE_CHECKING:
    import torch

__all__ = ["Checkpoint", "Stateful", "digest"]

FORMAT = 2


class Stateful(Protocol):
    """Whatever can tell its state and take it back: a model, an optimizer, a scheduler."""

    def state_dict(self) -> dict[str, Any]:
        """The state."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Take it back."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says beside the states of model, optimizers and others.

    Args:
        run: the run's name.
        configuration: of each of the guard's arguments and of the data's identity, a digest.
        size: the number of units as the run knows it: declared, noised, or no secret.
        steps: how many were charged.
        given: how many of them were given out.
        bound: the clipping norm as it is now.
        receipt: the ledger's; None if no ledger was charged.
    """

    run: str
    configuration: dict[str, str]
    size: int
    steps: int
    given: int
    bound: float
    receipt: Receipt | None

    def write(
        self,
        path: Path,
        model: torch.nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        others: Mapping[str, Stateful],
    ) -> None:
        """Write it whole or not at all, durably, so that its owner alone can read it.

        Raises:
            InvalidRequest: it can't be written there.
        """
        import torch

        content = {
            "format": FORMAT,
            **self.__dict__,
            "receipt": None if self.receipt is None else json.dumps(self.receipt.to_dict()),
            "model": model.state_dict(),
            "optimizers": [one.state_dict() for one in optimizers],
            "kinds": [type(one).__qualname__ for one in optimizers],
            "others": {name: one.state_dict() for name, one in others.items()},
        }
        written = io.BytesIO()
        torch.save(content, written)
        try:
            make_file(path, written.getvalue(), over=True)
        except OSError as error:
            raise InvalidRequest(
                f"a checkpoint at {str(path)!r} was asked for", f"a place that can be written ({error.strerror})"
            ) from None

    @classmethod
    def read(cls, path: Path) -> tuple[Checkpoint, dict[str, Any]]:
        """A checkpoint, and the states that it holds.

        Raises:
            InvalidRequest: there is none that can be read.
        """
        import torch

        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}")
            told = {name: content[name] for name in cls.__dataclass_fields__}
            receipt = told.pop("receipt")
            found = cls(**told, receipt=None if receipt is None else Receipt.of(json.loads(receipt)))
        except Exception as error:  # whatever a broken file makes of torch's reader
            raise InvalidRequest(
                f"no checkpoint can be read from {str(path)!r} ({type(error).__name__})",
                "a file as Session.checkpoint wrote it",
            ) from None
        return found, content

    def refuse_another(self, configuration: Mapping[str, str], charged: bool) -> None:
        """Refuse to go on with a run under another configuration than its own.

        Args:
            configuration: of whoever resumes it.
            charged: whether their data have a ledger.

        Raises:
            InvalidRequest: naming the arguments that differ.
        """
        names = self.configuration.keys() | configuration
        other = {name for name in names if self.configuration.get(name) != configuration.get(name)}
        if charged != (self.receipt is not None):
            other.add("data")
        if other:
            raise InvalidRequest(
                f"a run of another configuration was resumed: it had another {', another '.join(sorted(other))}",
                "guard, data and columns as they were at open",
            )

    def restore(
        self,
        states: dict[str, Any],
        model: torch.nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        others: Mapping[str, Stateful],
    ) -> None:
        """Put the states back.

        Raises:
            InvalidRequest: they are of another model, or of other optimizers or others.
        """
        if len(states["optimizers"]) != len(optimizers) or set(states["others"]) != set(others):
            raise InvalidRequest(
                f"a run was resumed with {len(optimizers)} optimizers and {sorted(others)} beside them",
                f"{len(states['optimizers'])} optimizers and {sorted(states['others'])}, as at the checkpoint",
            )
        kinds = [type(one).__qualname__ for one in optimizers]
        if states["kinds"] != kinds:
            raise InvalidRequest(
                f"a run was resumed with {' and '.join(kinds)}",
                f"{' and '.join(states['kinds'])}, as at the checkpoint",
            )
        try:
            model.load_state_dict(states["model"])
            for one, state in zip(optimizers, states["optimizers"], strict=True):
                one.load_state_dict(state)
            for name, other in others.items():
                other.load_state_dict(states["others"][name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise InvalidRequest(
                f"a run was resumed with another model or optimizer ({error})", "those of the checkpoint"
            ) from None


def digest(configuration: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of each value of a configuration, the same in every process.

    Args:
        configuration: numbers, texts, None, sequences and mappings of them, and objects that hold nothing else.

    Raises:
        InvalidRequest: a value holds something that is told apart by its place in memory.
    """
    return {
        name: hashlib.sha256(json.dumps(_stable(name, value, holds=True), sort_keys=True).encode()).hexdigest()
        for name, value in configuration.items()
    }


def _stable(name: str, value: Any, holds: bool = False) -> Any:
    """A value as JSON: an object by its class and what it holds."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_stable(name, one) for one in value]
    if isinstance(value, Mapping):
        return [[_stable(name, key), _stable(name, one)] for key, one in value.items()]
    if (holds or is_dataclass(value)) and not isinstance(value, type):
        return [type(value).__qualname__, _stable(name, object.__getstate__(value))]
    raise InvalidRequest(
        f"{name} that holds a {type(value).__name__} was given",
        "numbers, texts and dataclasses of them, by which a checkpoint can know it again",
        "@dataclass(frozen=True), with numbers as fields",
    )
