"""The patterns on a labelled corpus: the half that they were not tuned on holds the promised recall and precision."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from unseen.deid.detect.batches import found_in
from unseen.deid.detect.defaults import patterns
from unseen.deid.detect.finding import Entity, Finding

FILE = Path(os.environ.get("UNSEEN_DATA", "")) / "pii_text.json"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="UNSEEN_DATA has no pii_text.json")

PROMISED = {
    "CREDIT_CARD": ({Entity.CREDIT_CARD}, 0.99, 0.95),
    "IBAN_CODE": ({Entity.IBAN}, 0.99, 0.95),
    "US_SSN": ({Entity.US_SSN}, 0.99, 0.95),
    "IP_ADDRESS": ({Entity.IP_ADDRESS}, 0.99, 0.95),
    "EMAIL_ADDRESS": ({Entity.EMAIL_ADDRESS}, 0.99, 0.95),
    "PHONE_NUMBER": ({Entity.PHONE_NUMBER, Entity.FAX_NUMBER}, 0.90, 0.90),
    "DATE_TIME": ({Entity.DATE}, 0.85, 0.90),
    "DOMAIN_NAME": ({Entity.URL}, 0.95, 0.90),
}


@pytest.fixture(scope="module")
def held_out() -> tuple[list[dict[str, Any]], list[list[Finding]]]:
    """The texts of templates with odd numbers: no template is in both halves."""
    records = [record for record in json.loads(FILE.read_text()) if record["template_id"] % 2]
    found: list[list[Finding]] = [[] for _ in records]
    for finding in found_in([record["full_text"] for record in records], patterns()):
        found[finding.row].append(finding)
    return records, found


@pytest.mark.parametrize("kind", PROMISED)
def test_the_held_out_half_has_the_promised_recall_and_precision(
    kind: str, held_out: tuple[list[dict[str, Any]], list[list[Finding]]]
) -> None:
    entities, least_recall, least_precision = PROMISED[kind]
    spans = hits = told = right = 0
    for record, findings in zip(*held_out, strict=True):
        truth = [(s["start_position"], s["end_position"]) for s in record["spans"] if s["entity_type"] == kind]
        ours = [(f.start, f.end) for f in findings if f.entity in entities]
        spans += len(truth)
        told += len(ours)
        hits += sum(any(a < end and b > start for a, b in ours) for start, end in truth)
        right += sum(any(a < end and b > start for start, end in truth) for a, b in ours)
    assert spans >= 5 and hits / spans >= least_recall and right / told >= least_precision
