"""De-identification: find what identifies, replace it, and release tables in which every row hides among k people."""
# SPDX-License-Identifier: Apache-2.0

from unseen.deid import pseudonym
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.recogniser import Recogniser
from unseen.deid.detect.safe_harbor import SafeHarbor
from unseen.deid.detect.scan import Scan, scan
from unseen.deid.generalize import Generalize, Reached
from unseen.deid.hierarchies.dates import DateStep
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.kanonymize import KAnonymize, Proof, is_k_anonymous
from unseen.deid.models import (
    BetaLikeness,
    DeltaPresence,
    DistinctDiversity,
    EntropyDiversity,
    Equal,
    Hierarchical,
    KMap,
    Ordered,
    RecursiveDiversity,
    TCloseness,
)
from unseen.deid.mondrian.guard import LocalProof, Mondrian
from unseen.deid.pseudonym import Key, Policy, Pseudonymize, Pseudonymous, reidentify
from unseen.deid.risk.identifying import ColumnSet, Identifying, identifying
from unseen.deid.risk.population import Estimate, PopulationUniqueness, population_uniqueness
from unseen.deid.risk.reidentification import Reidentification, Risk, reidentification
from unseen.deid.search.downstream import Downstream
from unseen.deid.search.quality import AverageClassSize, Discernibility, Entropy, Loss, Precision

__all__ = [
    "AverageClassSize",
    "BetaLikeness",
    "ColumnSet",
    "DateStep",
    "DeltaPresence",
    "Discernibility",
    "DistinctDiversity",
    "Downstream",
    "Entity",
    "Entropy",
    "EntropyDiversity",
    "Equal",
    "Estimate",
    "Finding",
    "Generalize",
    "Hierarchical",
    "Hierarchy",
    "Identifying",
    "KAnonymize",
    "KMap",
    "Key",
    "LocalProof",
    "Loss",
    "Mondrian",
    "Ordered",
    "Policy",
    "PopulationUniqueness",
    "Precision",
    "Proof",
    "Pseudonymize",
    "Pseudonymous",
    "Reached",
    "Recogniser",
    "RecursiveDiversity",
    "Reidentification",
    "Risk",
    "SafeHarbor",
    "Scan",
    "TCloseness",
    "identifying",
    "is_k_anonymous",
    "population_uniqueness",
    "pseudonym",
    "reidentification",
    "reidentify",
    "scan",
]
