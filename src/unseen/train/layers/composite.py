"""What stands in a mirror for a module that is made of several maps: the same computation, with its maps watched."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn.utils.parametrize import is_parametrized

from unseen.core.errors import InvalidRequest
from unseen.train.layers.layer import Layer, Seen
from unseen.train.layers.watcher import Watcher

__all__ = ["Watch", "become"]


def become(stand_in: torch.nn.Module, module: torch.nn.Module, name: str) -> None:
    """Give a stand-in all that a module of the same class holds, its parameters and hooks too, without a copy.

    Args:
        stand_in: an instance of a subclass of the module's class, not yet initialised.
        module: left as it is.
        name: of the module.

    Raises:
        InvalidRequest: some of its parameters are computed from others.
    """
    if is_parametrized(module):
        raise _computed(module, f"{name}.{next(iter(module.parametrizations))}")  # type: ignore[arg-type]
    torch.nn.Module.__init__(stand_in)
    vars(stand_in).update(vars(module))


class Watch:
    """One map of a composite: watched if any of its parameters is trained.

    Args:
        tape: watches.
        family: the map's.
        module: read for its options.
        name: of the map, no other map's.
        parameters: of the map, by the names that the family knows them by; None where there is none.

    Raises:
        InvalidRequest: one of them is computed from others that are trained.
    """

    def __init__(
        self,
        tape: Watcher,
        family: type[Layer],
        module: torch.nn.Module,
        name: str,
        parameters: Mapping[str, torch.nn.Parameter | None],
    ) -> None:
        self.trained = {key: one for key, one in parameters.items() if one is not None and one.requires_grad}
        computed = [key for key, one in self.trained.items() if not isinstance(one, torch.nn.Parameter)]
        if computed:
            raise _computed(module, f"{name}.{computed[0]}")
        self._tape = tape
        self._record = tape.record(family(module, self.trained), name) if self.trained else None

    def __call__(self, inputs: Seen, output: torch.Tensor) -> torch.Tensor:
        """The output to go on with.

        Args:
            inputs: what the family wants to see of what went in.
            output: a fresh tensor that came out.
        """
        return output if self._record is None else self._tape.tap(self._record, inputs, output)


def _computed(module: torch.nn.Module, parameter: str) -> InvalidRequest:
    return InvalidRequest(
        f"a {type(module).__name__} was given, whose {parameter!r} is computed from other parameters",
        "parameters that are trained as they are",
        "torch.nn.utils.parametrize.remove_parametrizations (or remove_weight_norm)",
    )
