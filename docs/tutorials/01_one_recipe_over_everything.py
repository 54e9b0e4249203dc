"""One recipe over everything: a sensitive survey, protected, released, attacked and reported."""
# SPDX-License-Identifier: Apache-2.0

# %% [markdown]
# # One recipe over everything
#
# In 1974 a magazine asked married women whether they had had an affair; 6,366 answered, and statsmodels ships
# what they said. It is hard to think of data that are more sensitive, or of a question that social science would
# rather ask. We play three people in turn:
#
# - the **owner** has the table and may not hand it over;
# - the **scientist** wants numbers and a model;
# - the **auditor** believes neither of them.

# %%
import json
import os
import tempfile
from pathlib import Path

import unseen as un

survey = un.datasets.affairs()
survey["affair"] = (survey["affairs"] > 0).map({True: "yes", False: "no"})
print(survey.head(3).to_string(index=False))

# %% [markdown]
# ## The names are gone. Is that enough?
#
# No name stands in the table. But whoever knows a woman well knows how old she is, how long she has been married,
# how many children she has, and what she and her husband do. How many people share all of that with nobody else?

# %%
known = ["age", "yrs_married", "children", "religious", "educ", "occupation", "occupation_husb"]
sizes = survey.groupby(known)["affair"].transform("size")
print(f"{(sizes == 1).mean():.0%} of the women are the only ones with their seven values")

# %% [markdown]
# An adversary who joins two tables on these columns guesses one matching row for each person. `Linkage` does that
# and reports how often it would be right. The released table is the auxiliary table's twin here: this adversary knows
# the seven values of everybody.

# %%
raw = un.attack.Linkage(auxiliary=survey[known]).audit(survey[[*known, "affair"]])
print(raw)
assert raw.verdict is un.Verdict.NO_CLAIM  # nobody promised anything, so nothing can be broken

# %% [markdown]
# ## The owner declares
#
# Everything that follows rests on a declaration: whom we protect (here each row is another person), and which values a
# column *may* have. unseen never looks at the data to find that out, because bounds taken from data leak the extreme
# people. It is what the questionnaire allows, not what was answered. And there is a budget: all that will ever be
# released about these people costs at most ε = 3 together. A file, the ledger, remembers what was spent.

# %%
folder = Path(tempfile.mkdtemp())
jobs = un.Categorical(1, 2, 3, 4, 5, 6)
data = un.protect(
    survey,
    unit=un.EachRow(),
    columns={
        "age": un.Range(17.5, 42),
        "yrs_married": un.Range(0.5, 23),
        "children": un.Range(0, 5.5),
        "religious": un.Range(1, 4),
        "educ": un.Range(9, 20),
        "occupation": jobs,
        "occupation_husb": jobs,
        "rate_marriage": un.Range(1, 5),
        "affair": un.Categorical("no", "yes"),
    },
    quasi_identifiers=known,
    sensitive=["affair"],
    budget=un.DP(epsilon=3, delta=1e-6),
    ledger=folder / "affairs.ledger",
)
print(data)

# %% [markdown]
# ## Statistics: noise with a price
#
# A count under differential privacy is the count plus noise, so much that one woman more or less hardly changes what
# one sees. The interval covers that noise. The price is charged to the ledger *before* the noise is drawn.

# %%
print(data.count(by="affair", epsilon=0.2))
print(data.mean("rate_marriage", by="affair", epsilon=0.2))
release = data.mean("age", epsilon=0.1)
print(release.guarantee)

# %% [markdown]
# ε is the price of the whole call, however many groups it has. What a call would cost can be asked beforehand, for
# nothing, and what is no longer there cannot be spent.

# %%
print(un.query.Histogram("age", epsilon=0.5, edges=7).cost(data).epsilon, "would be charged; left:", data.ledger.left)
try:
    data.count(epsilon=2.9)
except un.UnseenError as refusal:
    print(refusal)

# %% [markdown]
# ## The table itself: k-anonymity
#
# If the table has to leave, its quasi-identifiers can be made vaguer until everybody shares theirs with at least k - 1
# others. unseen finds the best such table and keeps the proof with the owner. The promise is weaker than differential
# privacy, and its sentence says where it ends.

# %%
table = un.deid.KAnonymize(k=5).release(data)
print(table.value.head(3).to_string(index=False))
print(table.guarantee)

# %%
linkage = un.attack.Linkage(auxiliary=survey[known]).audit(table)
print(linkage)
assert linkage.claimed == 0.2
assert linkage.measured is not None
assert raw.measured is not None
assert linkage.measured.value < raw.measured.value / 4

# %% [markdown]
# ## A model
#
# A classifier remembers those it was trained on; membership inference asks it who they were. DP-SGD bounds that:
# each step clips what one woman can contribute, and adds noise.

# %%
members, others = data.split(0.7)
model = un.models.LogisticRegression(epsilon=0.5).fit(members, target="affair")
print(model.guarantee_)
membership = un.attack.Membership().audit(model, members, others)
print(membership)
assert membership.verdict is not un.Verdict.BROKEN

# %% [markdown]
# ## The ledger
#
# Statistics and model are in the total. The k-anonymous table has no price in ε, and the ledger says so rather than
# pretend: *ε covers n of m releases*.

# %%
print(data.ledger)
print("entries that verify:", data.ledger.verify())

# %% [markdown]
# ## All of it in one file
#
# What we did by hand is what a recipe says in one file: data, schema, budget, releases and attacks. It is what an
# owner reads and approves. On the command line: `unseen run examples/affairs.toml --out DIR`.

# %%
here = globals().get("__file__")
examples = os.environ.get("UNSEEN_EXAMPLES") or (Path(here).parents[2] / "examples" if here else "examples")
recipe = un.Recipe.read(Path(examples) / "affairs.toml")
recipe.run(folder / "report")
found = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
for line in found["releases"]:
    measured = line["measured"] and round(line["measured"]["value"], 3)
    print(f"{line['name']:22} claimed {line['claimed']:.3g} · measured {measured} · {line['verdict']}")
assert all(line["verdict"] in ("holds", "not attacked") for line in found["releases"])
print("The page is", (folder / "report" / "report.html").name)

# %% [markdown]
# ## What to take home
#
# - Taking names away protects nobody: most of the women were found by seven ordinary facts.
# - A guarantee is a value: it names whom it protects, what it costs, and what it does not cover.
# - Every release is charged to one ledger, and what has no price is named.
# - No claim goes out alone: beside it stands what an attacker could in fact do.
