"""The privacy models beside k, in one place."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from unseen.deid.closeness import BetaLikeness, TCloseness
from unseen.deid.demand import Model, PopulationModel
from unseen.deid.distance import Distance, Equal, Hierarchical, Ordered
from unseen.deid.diversity import DistinctDiversity, EntropyDiversity, RecursiveDiversity
from unseen.deid.presence import DeltaPresence, KMap

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
