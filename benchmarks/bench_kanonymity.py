"""The optimal k-anonymous table of Adult: how long a whole release takes, and that its optimum is ARX's."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import statistics
import sys
import time

import unseen as un

RUNS = 5
LIMITS = {0.0: 0.63554, 0.02: 0.35748, 1.0: 0.22770}  # suppression limit: loss of ARX 3.9.2's optimum


def main() -> None:
    if "UNSEEN_DATA" not in os.environ:
        sys.exit(print("bench_kanonymity: skipped; it wants adult/adult.csv under UNSEEN_DATA"))
    adult = un.datasets.adult()
    hierarchies = {
        name: un.deid.Hierarchy.read(un.datasets.stored(f"adult/adult_hierarchy_{name}.csv")) for name in adult.columns
    }
    print(f"Adult, {len(adult):,} rows x {len(adult.columns)} columns, k = 5, median of {RUNS}, milliseconds")
    for limit, optimum in LIMITS.items():
        whole = []
        guard = un.deid.KAnonymize(5, list(adult.columns), suppress_at_most=limit, hierarchies=hierarchies)
        for _ in range(RUNS):
            start = time.perf_counter()
            release = guard.release(adult)
            whole.append((time.perf_counter() - start) * 1e3)
        same = "ARX's" if abs(release.proof.score - optimum) < 5e-6 else "NOT ARX's"
        loss = f"loss {release.proof.score:.5f} ({same})"
        print(f"  at most {limit:4.0%} suppressed: {statistics.median(whole):6.0f}, {loss}")


if __name__ == "__main__":
    main()
