"""Whether a model is still the one that was looked at."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import torch

__all__ = ["Fingerprint"]

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class Fingerprint:
    """What a model's computation depends on, as far as its modules hold it themselves.

    That is: the modules, their classes and modes, hooks, plain attributes, which objects the others are, the buffers'
    contents by their versions, and which parameters are trained, of which dtype. Not: the parameters' values, nor what
    lies inside objects.

    Args:
        model: read only. What is compared by identity is kept alive, so that no address stands for two things.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._held: list[Any] = []
        self._marks: list[Any] = []
        for module in model.modules():
            self._is(module)
            self._marks.append(type(module))
            for name, value in vars(module).items():
                self._marks.append(name)
                if name == "_parameters":
                    self._parameters(value)
                elif name == "_buffers":
                    self._buffers(value)
                elif isinstance(value, dict):  # children, hooks, and what else is held by name
                    for one in value.values():
                        self._is(one)
                elif isinstance(value, _PLAIN):
                    self._marks.append(value)
                else:
                    self._is(value)

    def _is(self, value: Any) -> None:
        self._held.append(value)
        self._marks.append(id(value))

    def _parameters(self, named: dict[str, torch.nn.Parameter | None]) -> None:
        for one in named.values():
            self._is(one)
            if one is not None:
                self._marks += [one.requires_grad, one.dtype]

    def _buffers(self, named: dict[str, torch.Tensor | None]) -> None:
        for one in named.values():
            self._is(one)
            if one is not None:
                self._marks.append(one._version)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and self._marks == other._marks

    __hash__ = None  # type: ignore[assignment]
