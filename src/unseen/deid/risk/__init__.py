"""How easily rows are told apart: for the owner alone."""
# SPDX-License-Identifier: Apache-2.0

from unseen.deid.risk.identifying import ColumnSet, Identifying, identifying
from unseen.deid.risk.population import Estimate, PopulationUniqueness, population_uniqueness
from unseen.deid.risk.reidentification import Reidentification, Risk, reidentification

__all__ = [
    "ColumnSet",
    "Estimate",
    "Identifying",
    "PopulationUniqueness",
    "Reidentification",
    "Risk",
    "identifying",
    "population_uniqueness",
    "reidentification",
]
