"""The privacy models beside k, in one place."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from unseen.deid.models.closeness import BetaLikeness, TCloseness
from unseen.deid.models.demand import Model, PopulationModel
from unseen.deid.models.distance import Distance, Equal, Hierarchical, Ordered
from unseen.deid.models.diversity import DistinctDiversity, EntropyDiversity, RecursiveDiversity
from unseen.deid.models.presence import DeltaPresence, KMap

__all__ = [
    "BetaLikeness",
    "DeltaPresence",
    "Distance",
    "DistinctDiversity",
    "EntropyDiversity",
    "Equal",
    "Hierarchical",
    "KMap",
    "Model",
    "Ordered",
    "PopulationModel",
    "RecursiveDiversity",
    "TCloseness",
]
