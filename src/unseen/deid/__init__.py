"""De-identification: find what identifies, replace it, and release tables in which every row hides among k people."""
# SPDX-License-Identifier: Apache-2.0

from unseen.deid import pseudonym
from unseen.deid.dates import DateStep
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.recogniser import Recogniser
from unseen.deid.detect.safe_harbor import SafeHarbor
from unseen.deid.detect.scan import Scan, scan
from unseen.deid.generalize import Generalize, Reached
from unseen.deid.hierarchy import Hierarchy
from unseen.deid.identifying import ColumnSet, Identifying, identifying
from unseen.deid.kanonymize import KAnonymize, Proof, is_k_anonymous
from unseen.deid.mondrian import LocalProof, Mondrian
from unseen.deid.population import Estimate, PopulationUniqueness, population_uniqueness
from unseen.deid.pseudonym import Key, Policy, Pseudonymize, Pseudonymous, reidentify
from unseen.deid.risk import Reidentification, Risk, reidentification

__all__ = [
    "ColumnSet",
    "DateStep",
    "Entity",
    "Estimate",
    "Finding",
    "Generalize",
    "Hierarchy",
    "Identifying",
    "KAnonymize",
    "Key",
    "LocalProof",
    "Mondrian",
    "Policy",
    "PopulationUniqueness",
    "Proof",
    "Pseudonymize",
    "Pseudonymous",
    "Reached",
    "Recogniser",
    "Reidentification",
    "Risk",
    "SafeHarbor",
    "Scan",
    "identifying",
    "is_k_anonymous",
    "population_uniqueness",
    "pseudonym",
    "reidentification",
    "reidentify",
    "scan",
]
