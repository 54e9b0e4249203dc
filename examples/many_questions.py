"""A year of small questions on one budget: Rényi composition, safe retries, parts, receipts, a backup.

Run it as it stands: python examples/many_questions.py [FOLDER]
"""
# SPDX-License-Identifier: Apache-2.0

import sys
import tempfile
from pathlib import Path

import unseen as un

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="unseen-"))
survey = un.datasets.affairs()
survey["affair"] = (survey["affairs"] > 0).map({True: "yes", False: "no"})

data = un.protect(
    survey,
    unit=un.EachRow(),
    columns={
        "age": un.Range(17.5, 42),
        "rate_marriage": un.Range(1, 5),
        "affair": un.Categorical("no", "yes"),
    },
    budget=un.DP(epsilon=1, delta=1e-6),
    ledger=folder / "survey.ledger",
    composition=un.Renyi(),
)

# Each week's question takes 1/60 of the budget, as this ledger prices it: more ε than 1/60 of ε = 1 would be.
weekly = un.calibrate_for(lambda epsilon: un.query.Mean("age", epsilon=epsilon, by="affair"), data, share=1 / 60)
print(f"a sixtieth of the budget buys ε {weekly.epsilon:g} a week; a plain sum would allow {1 / 60:.4f}")
for week in range(1, 53):
    release = weekly.release(data, purpose="weekly report", request=f"week {week}")
    assert weekly.release(data, request=f"week {week}") == release  # a retry: the same answer, charged once
print("week 52:", release)

# Each woman is in one part: both answers together cost what one costs.
for answer, part in data.parts("affair").items():
    print(f"rating of the marriage, affair = {answer}:", part.mean("rate_marriage", epsilon=0.05))

print(data.ledger)
saved = release.save(folder / "week52.json")
print("entries that verify, with week 52's receipt among them:", data.ledger.verify(un.Receipt.read(saved)))
print("backup:", data.ledger.backup(folder / "survey.backup"))
