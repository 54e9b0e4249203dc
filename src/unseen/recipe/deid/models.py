"""Privacy models beside k as a recipe writes them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from unseen.core.errors import shown
from unseen.recipe.deid.hierarchies import hierarchy
from unseen.recipe.document import Part
from unseen.recipe.keys import NUMBER, NUMBERS, TABLE, TEXT, WHOLE, Keys, Kind, either

if TYPE_CHECKING:
    from unseen.core.schema import Schema
    from unseen.deid.models import Model, PopulationModel

__all__ = ["OF_A_COLUMN", "OF_A_POPULATION", "models"]

Arguments = Mapping[str, tuple[Kind, Any]]
LIMITS = Kind("two numbers, [least, most]", lambda v: NUMBERS.fits(v) and isinstance(v, list) and len(v) == 2)

OF_A_COLUMN: Arguments = {
    "sensitive": (TEXT, None),
    "l": (either(WHOLE, TABLE), None),
    "t": (either(NUMBER, TABLE), None),
    "beta": (NUMBER, None),
}
"""Of the column ``sensitive``: ``l = 3`` (distinct), ``{entropy = 3}`` or ``{recursive = [c, l]}``; ``t = 0.2`` (equal
distances), ``{ordered = 0.2}`` or ``{hierarchical = 0.2, hierarchy = …}``; ``beta = 2``."""

OF_A_POPULATION: Arguments = {"population": (TEXT, None), "k_map": (WHOLE, None), "delta_presence": (LIMITS, None)}
"""``population`` is the path of a table of everybody; ``delta_presence`` is [δ_min, δ_max]."""


def models(arguments: Mapping[str, Any], part: Part, schema: Schema) -> dict[str, Any]:
    """Arguments of a guard: ``l``, ``t``, ``models``, ``sensitive`` and, where it is allowed, ``population``.

    Raises:
        InvalidRequest: a model's number is out of range.
        InvalidRecipe: a model that is none.
    """
    from unseen.deid import BetaLikeness, DeltaPresence, KMap

    over = [name for name in ("k_map", "delta_presence") if arguments.get(name) is not None]
    if bool(over) != (arguments.get("population") is not None):
        raise part.keys.fault(
            f"{shown(over) or 'a population'} was given alone",
            "k_map or delta_presence, and the population that they are about",
            'population = "everybody.csv"',
        )
    further: list[Model | PopulationModel] = []
    if arguments["beta"] is not None:
        further.append(BetaLikeness(arguments["beta"]))
    if arguments.get("k_map") is not None:
        further.append(KMap(arguments["k_map"]))
    if arguments.get("delta_presence") is not None:
        least, most = arguments["delta_presence"]
        further.append(DeltaPresence(most, least))
    known = {} if arguments.get("population") is None else {"population": part.path(arguments["population"])}
    return {
        "l": _diversity(arguments["l"], part),
        "t": _closeness(arguments["t"], arguments["sensitive"], part, schema),
        "models": further,
        "sensitive": arguments["sensitive"],
        **known,
    }


def _diversity(given: Any, part: Part) -> int | Model | None:
    from unseen.deid import DistinctDiversity, EntropyDiversity, RecursiveDiversity

    if given is None or isinstance(given, int):
        return given
    keys = _one(Keys(part.keys.file, f"{part.keys.where} l", given, ("distinct", "entropy", "recursive")), 1)
    if "distinct" in keys.table:
        return DistinctDiversity(keys.take("distinct", WHOLE))
    if "entropy" in keys.table:
        return EntropyDiversity(keys.take("entropy", NUMBER))
    c, l = keys.take("recursive", Kind("two numbers, [c, l]", LIMITS.fits))  # noqa: E741 (the field's name)
    return RecursiveDiversity(c, l)


def _closeness(given: Any, sensitive: str | None, part: Part, schema: Schema) -> float | Model | None:
    from unseen.deid import Equal, Hierarchical, Ordered, TCloseness

    if given is None or isinstance(given, (int, float)):
        return given
    where = f"{part.keys.where} t"
    keys = Keys(part.keys.file, where, given, ("equal", "ordered", "hierarchical", "hierarchy"))
    if ("hierarchical" in keys.table) != ("hierarchy" in keys.table):
        raise keys.fault("hierarchical or hierarchy was given alone", "both", "{hierarchical = 0.2, hierarchy = …}")
    _one(keys, 1 + ("hierarchical" in keys.table))
    if "equal" in keys.table:
        return TCloseness(keys.take("equal", NUMBER), Equal())
    if "ordered" in keys.table:
        return TCloseness(keys.take("ordered", NUMBER), Ordered())
    t, told = keys.take("hierarchical", NUMBER), keys.take("hierarchy", either(TEXT, TABLE))
    return TCloseness(t, Hierarchical(hierarchy(sensitive or "", told, part, schema)))


def _one(keys: Keys, entries: int) -> Keys:
    if len(keys.table) != entries:
        raise keys.fault(f"{len(keys.table)} entries were given", "one model and what it needs")
    return keys
