"""A table that came as a file alone is attacked by what its labels say, as the release itself is."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import unseen as un
from unseen.attack import Homogeneity, Linkage
from unseen.deid import Hierarchy, KAnonymize, Mondrian
from unseen.report.claims import Verdict

CENSUS = un.datasets.census(1_500)[["birth_date", "age", "zip", "sex", "health"]]
HIERARCHIES = {
    "birth_date": Hierarchy.dates("1910-01-01", "2029-12-31"),
    "age": Hierarchy.coded(0, 120, top=90, widths=[10, 30]),
    "zip": Hierarchy.prefixes(5),
    "sex": Hierarchy.flat(["F", "M"]),
}


def _figures(report: un.Report) -> tuple[float, dict[str, float]]:
    assert report.measured is not None
    return report.measured.value, dict(report.figures)


@pytest.mark.parametrize("columns", [["birth_date", "sex"], ["age", "zip"], ["zip", "birth_date"]])
@pytest.mark.parametrize("local", [False, True])
def test_a_file_is_attacked_as_the_release_is(columns: list[str], local: bool, tmp_path: Path) -> None:
    given = {name: HIERARCHIES[name] for name in columns}
    guard = Mondrian(4, columns, given) if local else KAnonymize(4, columns, 0.05, given)
    release = guard.release(CENSUS)
    release.value.to_csv(tmp_path / "out.csv", index=False)
    for people in (CENSUS[columns], CENSUS[columns].astype(str)):
        attack = Linkage(people, columns=columns)
        whole, bare = _figures(attack.audit(release)), _figures(attack.audit(tmp_path / "out.csv"))
        assert bare == whole and whole[0] > 0
    learned = Homogeneity(CENSUS[columns], "health", columns=columns)
    assert _figures(learned.audit(tmp_path / "out.csv")) == _figures(learned.audit(release))


def test_one_who_is_homogeneous_is_found_in_a_file_and_the_claim_is_broken() -> None:
    table = pd.DataFrame({"age": ["[20, 40)"] * 9 + ["[40, 60]"] * 9, "ill": ["flu"] * 9 + ["flu", "gout", "cold"] * 3})
    people = pd.DataFrame({"age": [20 + 2 * at for at in range(18)]})
    report = Homogeneity(people, "ill", distinct_l=2).audit(table)
    assert report.verdict is Verdict.BROKEN and report.measured is not None and report.measured.value >= 0.5


def test_names_of_groups_are_told_apart_as_what_cannot_be_read() -> None:
    table = pd.DataFrame({"age": ["[20, 40)"] * 4, "job": ["care"] * 2 + ["*"] * 2})
    people = pd.DataFrame({"age": [21, 33], "job": ["nurse", "cook"]})
    report = Linkage(people).audit(table)
    assert any("job 'care'" in note for note in report.notes)
    assert not any("covers" in note for note in Linkage(people).audit(people).notes)
