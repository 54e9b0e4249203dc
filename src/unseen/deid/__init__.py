"""De-identification: find what identifies, replace it, and release tables in which every row hides among k people."""
# SPDX-License-Identifier: Apache-2.0

from unseen.deid import pseudonym
from unseen.deid.check import is_k_anonymous
from unseen.deid.detect.columns import ColumnSummary, Suggestion
from unseen.deid.detect.defaults import everything, patterns
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.nlp import Spacy
from unseen.deid.detect.recogniser import Recogniser
from unseen.deid.detect.safe_harbor import RuleEvidence, SafeHarbor, SafeHarborReport
from unseen.deid.detect.scan import Scan, scan
from unseen.deid.generalize import Generalize, Reached
from unseen.deid.hierarchies.dates import DateStep
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.kanonymize import KAnonymize, Proof
from unseen.deid.models import (
    BetaLikeness,
    DeltaPresence,
    Distance,
    DistinctDiversity,
    EntropyDiversity,
    Equal,
    Hierarchical,
    KMap,
    Model,
    Ordered,
    PopulationModel,
    RecursiveDiversity,
    TCloseness,
)
from unseen.deid.mondrian.guard import LocalProof, Mondrian
from unseen.deid.pseudonym import Key, Policy, Pseudonymize, Pseudonymous, reidentify
from unseen.deid.risk.identifying import ColumnSet, Identifying, identifying
from unseen.deid.risk.population import Estimate, PopulationUniqueness, population_uniqueness
from unseen.deid.risk.reidentification import Reidentification, Risk, reidentification
from unseen.deid.search.downstream import Downstream
from unseen.deid.search.quality import AverageClassSize, Discernibility, Entropy, Loss, Precision, Quality

__all__ = [
    "AverageClassSize",
    "BetaLikeness",
    "ColumnSet",
    "ColumnSummary",
    "DateStep",
    "DeltaPresence",
    "Discernibility",
    "Distance",
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
    "Model",
    "Mondrian",
    "Ordered",
    "Policy",
    "PopulationModel",
    "PopulationUniqueness",
    "Precision",
    "Proof",
    "Pseudonymize",
    "Pseudonymous",
    "Quality",
    "Reached",
    "Recogniser",
    "RecursiveDiversity",
    "Reidentification",
    "Risk",
    "RuleEvidence",
    "SafeHarbor",
    "SafeHarborReport",
    "Scan",
    "Spacy",
    "Suggestion",
    "TCloseness",
    "everything",
    "identifying",
    "is_k_anonymous",
    "patterns",
    "population_uniqueness",
    "pseudonym",
    "reidentification",
    "reidentify",
    "scan",
]
