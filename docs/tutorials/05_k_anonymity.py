"""k-anonymity: checked, reached by hand, reached at the least loss, and attacked where its promise ends."""
# SPDX-License-Identifier: Apache-2.0

# %% [markdown]
# # k-anonymity
#
# The last tutorial ended with rows that nobody could link any more, because each was told as vaguely as four others.
# Here we look at this closely: how it is checked, how it is reached by hand, why a few people stand in the way, what
# the best table is and how one knows, and then at what it does *not* keep secret.
#
# - **Quasi-identifiers** are columns that strangers know of a person: age, zip code, education.
# - **Class**: the people who look alike on all quasi-identifiers of a table.
# - A table is **k-anonymous** if no class has fewer than k people. Whoever looks for somebody finds k rows or more.
# - To **generalise** is to tell a value less precisely: 34 as [30, 40), 02138 as 021**.
# - To **suppress** is to leave a row out.
# - **Loss**: how much of a column's domain a value is hidden in, on average: 0 for the value itself, 1 for nothing
#   told.

# %%
import itertools
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import unseen as un
from unseen.deid import EntropyDiversity, Generalize, Hierarchy, KAnonymize, Mondrian, is_k_anonymous

# %% [markdown]
# ## Six people
#
# A table small enough to see everything.

# %%
few = pd.DataFrame(
    {
        "age": [31, 34, 38, 52, 55, 59],
        "zip": ["02138", "02139", "02139", "02142", "02141", "02141"],
        "health": ["asthma", "none", "diabetes", "cancer", "cancer", "cancer"],
    }
)
print(few.groupby(["age", "zip"]).size().max(), "person in the largest class")
assert not is_k_anonymous(few, k=2, quasi_identifiers=["age", "zip"])

# %% [markdown]
# A **hierarchy** says how a value becomes vaguer, level by level. Level 0 is the value, the top is `*`. It is declared,
# not found in the data: what one finds in data tells of them.

# %%
age = Hierarchy.intervals(0, 120, widths=[5, 10, 20, 40])
code = Hierarchy.prefixes(5)
for level in range(age.levels):
    print(level, age.label(np.array([34]), level)[0], code.label(np.array(["02139"]), level)[0])

# %% [markdown]
# `Generalize` takes the levels that we choose. With `k` it checks what it releases, and refuses levels that fall short,
# and it says by how much.

# %%
small = {"age": age, "zip": code}
try:
    Generalize({"age": 2, "zip": 0}, k=3, hierarchies=small).release(few)
except un.UnseenError as refused:
    print(refused)
table = Generalize({"age": 2, "zip": 1}, k=3, hierarchies=small).release(few)
print(table.value.to_string(index=False))
print(table.guarantee)
assert is_k_anonymous(table.value, k=3, quasi_identifiers=["age", "zip"])

# %% [markdown]
# Rows come in another order each time: the order of a table is a way back to its people too. And keep an eye on the
# three people who have cancer.
#
# ## A census
#
# 30,000 generated people. Three facts about each are known to anybody who cares to know.

# %%
census = un.datasets.census(30_000)
known = ["age", "zip", "education"]
rows = census[[*known, "health"]]
sizes = rows.groupby(known)["health"].transform("size")
print(f"k is {sizes.min()}; {(sizes == 1).mean():.0%} of the people are alone with their three facts")
print(f"{(sizes < 5).mean():.0%} are in classes of fewer than five")
groups = {
    "school": ("at most secondary", ["none", "primary", "lower secondary", "upper secondary"]),
    "college": ("beyond secondary", ["vocational"]),
    "university": ("beyond secondary", ["bachelor", "master", "doctorate"]),
}
education = Hierarchy.taxonomy({leaf: (name, part) for name, (part, all_) in groups.items() for leaf in all_})
hierarchies = {"age": age, "zip": code, "education": education}

# %% [markdown]
# ## By hand
#
# Without `k`, `Generalize` promises nothing, and its proof tells what was reached. Ever vaguer, then:

# %%
for chosen in ((0, 0, 0), (1, 2, 0), (2, 3, 1), (3, 3, 1), (3, 4, 2), (4, 4, 2), (4, 5, 2)):
    levels = dict(zip(known, chosen, strict=True))
    reached = Generalize(levels, hierarchies=hierarchies).release(rows).proof
    print(f"{levels}: k = {reached.k}, loss {reached.score:.3f}")

# %% [markdown]
# For a long time nothing happens, though the loss rises. Why?
#
# ## Outliers
#
# Most people are in large classes long before the last one is. It is a few who hold everybody up: the very old, and
# those with a rare combination.

# %%
levels = {"age": 2, "zip": 2, "education": 1}
vague = rows.assign(**{name: hierarchies[name].label(rows[name].to_numpy(), at) for name, at in levels.items()})
in_class = vague.groupby(known)["health"].transform("size")
alone = rows[in_class < 5]
print(f"{len(alone)} of {len(rows):,} people are in classes of fewer than five")
print(f"the median age is {alone['age'].median():.0f} among them, {rows['age'].median():.0f} among all")
assert 0 < len(alone) < 100

# %% [markdown]
# Two things help. **Clipping**: whoever is 80 or older is told as 80+, so that the tail becomes one group
# (`Hierarchy.coded`). **Suppression**: who is too rare is left out, up to a share that we allow.

# %%
clipped = {**hierarchies, "age": Hierarchy.coded(0, 120, top=80, widths=[10, 20])}  # level 2: tens and 80+
for name, given, share in (
    ("as they are", hierarchies, 0.0),
    ("clipped at 80", clipped, 0.0),
    ("up to 1 % left out", hierarchies, 0.01),
):
    try:
        reached = Generalize(levels, k=5, suppress_at_most=share, hierarchies=given).release(rows).proof
        print(f"{name:22} k = {reached.k}, loss {reached.score:.3f}, {reached.suppressed} left out")
    except un.UnseenError as refused:
        print(f"{name:22} {refused}")

# %% [markdown]
# ## The best table
#
# Six levels of age, six of zip code, four of education make 144 combinations; with nine columns it would be thousands.
# `KAnonymize` finds the one with the least loss.

# %%
best = KAnonymize(k=5, quasi_identifiers=known, suppress_at_most=0.02, hierarchies=hierarchies).release(rows)
print(best.value.head(4).to_string(index=False))
print(best.proof.levels, f"loss {best.proof.score:.4f}, {best.proof.suppressed} left out")
print(best.proof.why)
assert is_k_anonymous(best.value, k=5, quasi_identifiers=known)

# %% [markdown]
# That is its **proof**. Only a few combinations had to be tried, because of what is known of the others without trying:
#
# - a vaguer value never loses less, so what loses more before anybody is left out loses more afterwards;
# - what makes classes larger can only help k. If even the vaguest values of all other columns leave too many people
#   alone, every combination below does.
#
# Believe it, or try all. We do, on a tenth of the people:

# %%
tenth = rows.head(3_000)
proof = KAnonymize(k=5, quasi_identifiers=known, suppress_at_most=0.02, hierarchies=hierarchies).release(tenth).proof
losses = {}
for chosen in itertools.product(*(range(hierarchies[name].levels) for name in known)):
    try:
        guard = Generalize(dict(zip(known, chosen, strict=True)), 5, 0.02, hierarchies)
        losses[chosen] = guard.release(tenth).proof.score
    except un.UnseenError:
        pass  # too many would be left out
print(f"{len(losses)} of 144 combinations reach k = 5; the least loss of all is {min(losses.values()):.6f}")
print(f"the search weighed {proof.checked}, and found {proof.score:.6f}")
assert proof.checked + proof.pruned == 144
assert abs(min(losses.values()) - proof.score) < 1e-9

# %% [markdown]
# The proof is the owner's. Who knows that *this* table is the best one knows that every better one fails, which
# tells something about people (a *minimality attack*); and `proof.origin` says whose row is whose. What a release
# writes of itself leaves the proof out.

# %%
assert best.proof.why not in str(best.to_dict())

# %% [markdown]
# ## More people, less loss
#
# In a crowd it is easy to hide. The same three facts, the same k, more and more people:

# %%
counts = [300, 1_000, 3_000, 10_000, 30_000]
figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
for share in (0.0, 0.02):
    guard = KAnonymize(k=5, quasi_identifiers=known, suppress_at_most=share, hierarchies=hierarchies)
    by_count = [guard.release(rows.head(count)).proof.score for count in counts]
    print(f"{share:.0%} left out at most:", [round(loss, 3) for loss in by_count])
    axes.plot(counts, by_count, marker="o", label=f"{share:.0%} left out at most")
assert by_count[-1] < by_count[0] / 4
axes.set(xscale="log", xlabel="people", ylabel="loss", ylim=0, title="The price of k = 5")
axes.legend()
figure

# %% [markdown]
# And the same people, more and more k:

# %%
by_k = {}
for k in (2, 5, 20, 100):
    by_k[k] = KAnonymize(k=k, quasi_identifiers=known, hierarchies=hierarchies).release(rows).proof
    print(f"k = {k:3}: loss {by_k[k].score:.3f} at {by_k[k].levels}")
assert by_k[2].score <= by_k[5].score <= by_k[20].score <= by_k[100].score

# %% [markdown]
# ## Mondrian: vague only where it has to be
#
# So far a column had one level for everybody: if the old need intervals of twenty years, so do the young. `Mondrian`
# parts the table at a median, then each half at its own, as long as k people remain on both sides. What is crowded is
# told finely, what is thin vaguely, and nobody is left out. It is quick, with millions of rows too, but not the best of
# all such partings: to find that is NP-hard.

# %%
declared = {"age": un.Range(0, 120), "zip": un.Digits(5), "health": un.Categorical(*sorted(set(rows["health"])))}
people = un.Dataset(rows[["age", "zip", "health"]], un.Schema(un.EachRow(), declared))
for share in (0.0, 0.02):
    whole = KAnonymize(k=5, quasi_identifiers=["age", "zip"], suppress_at_most=share).release(people)
    print(f"one level for all: loss {whole.proof.score:.4f}, {whole.proof.suppressed} left out")
parted = Mondrian(k=5, quasi_identifiers=["age", "zip"]).release(people)
print(f"Mondrian: loss {parted.proof.score:.4f} in {parted.proof.classes:,} classes, none left out")
print(parted.value.drop_duplicates(["age", "zip"]).head(4).to_string(index=False))
assert is_k_anonymous(parted.value, k=5, quasi_identifiers=["age", "zip"])

# %% [markdown]
# A class is told as what lies between its cuts, not as its least and greatest value: those are two people's ages.
#
# The price: `[30, 40)` here and `[33, 38)` there are hard to count by. If the table is to be tabulated, one level for
# all is easier to read.
#
# ## Where the promise ends: everybody in the class
#
# Back to the six people. Somebody knows a man of 55 in 02141. He finds three rows and cannot tell which is his. But all
# three say cancer. This is the **homogeneity attack**, and no k is large enough to prevent it.

# %%
report = un.attack.Homogeneity(few[["age", "zip"]], "health", truth=few["health"].tolist()).audit(table)
print(report)
assert report.measured is not None
assert report.measured.value == 0.5
assert report.verdict is un.Verdict.NO_CLAIM  # k-anonymity never claimed anything about it

# %% [markdown]
# How many people of the census does it hit? And how many if the adversary knows a little more, say one or two
# conditions that the person does *not* have?


# %%
def attacked(release):
    """The share of people whose health is certain, by how many values can be ruled out; and who is guessed.

    What is claimed of that the attack reads in the release's own guarantee.
    """
    found = []
    for ruled_out in (0, 1, 2):
        audited = un.attack.Homogeneity(asked, "health", truth=secret, ruled_out=ruled_out).audit(release)
        assert audited.verdict is not un.Verdict.BROKEN
        found.append((audited.figures["certain"], audited.figures["guessed right"]))
    return [certain for certain, _ in found], found[0][1]


asked, secret = census[known].head(5_000), census["health"].tolist()[:5_000]
certain, guessed = attacked(best)
print("certain, with 0, 1 and 2 values ruled out:", ", ".join(f"{share:.2%}" for share in certain))
print(f"guessed right: {guessed:.1%}; {Counter(secret).most_common(1)[0][1] / len(secret):.1%} by guessing 'none'")
assert 0 < certain[0] < certain[1] < certain[2]

# %% [markdown]
# ## Answers: l and t
#
# **l-diversity** asks for at least l values of health in each class. Then l - 2 values may be ruled out and nobody is
# certain yet. But five who have cancer and one each of two other things are three values, and the guess is good. So
# there are stricter kinds: *entropy l-diversity* wants them as uncertain as l equally frequent ones.
#
# **t-closeness** asks that health is distributed in each class nearly as in the whole table: t is the share that may
# lie elsewhere. Finding somebody's class then tells little that was not known from the table at large.

# %%
asking = {
    "k alone": {},
    "l = 3": {"l": 3},
    "l = 6": {"l": 6},
    "entropy l = 2": {"l": EntropyDiversity(2)},
    "t = 0.3": {"t": 0.3},
    "t = 0.15": {"t": 0.15},
}
print("               loss    certain, ruled out 0 / 1 / 2     guessed")
seen = {}
for name, models in asking.items():
    sensitive = "health" if models else None
    guard = KAnonymize(k=5, quasi_identifiers=known, hierarchies=hierarchies, sensitive=sensitive, **models)
    release = guard.release(rows)
    certain, guessed = attacked(release)
    seen[name] = release.proof.score, certain
    print(f"{name:14} {release.proof.score:.3f}   " + " / ".join(f"{one:7.2%}" for one in certain), f"  {guessed:.1%}")
assert seen["l = 3"][1][:2] == [0, 0]  # l - 2 values ruled out, and nobody is certain
assert seen["l = 6"][1] == [0, 0, 0]
assert seen["k alone"][0] <= seen["l = 3"][0] <= seen["l = 6"][0]
assert seen["t = 0.3"][0] <= seen["t = 0.15"][0]

# %% [markdown]
# The guess hardly moves, since most people are healthy; it is the rare, certain cases that l takes away.
#
# Read the losses again. Health goes with age, and a class in which health is as in the whole country is a class in
# which age is hardly told: what t-closeness forbids is just what a researcher wants to learn. There is no k, l and t
# that tells much about groups and nothing about their members.
#
# The guarantee says what was promised, and what not.

# %%
print(release.guarantee)

# %% [markdown]
# ## What none of them bounds: another column
#
# The promise is about the columns that were *named*. Publish the income too, unchanged, as if nobody could know it. Who
# does, the tax office or a colleague, links as before.

# %%
truth = np.full(len(census), -1)  # nobody's row, for who was left out
wide = KAnonymize(k=5, quasi_identifiers=known, hierarchies=hierarchies).release(census[[*known, "income", "health"]])
truth[wide.proof.origin] = np.arange(len(wide.proof.origin))
for columns in (known, [*known, "income"]):
    linked = un.attack.Linkage(census[columns], truth=truth, columns=columns).audit(wide)
    print(f"{' + '.join(columns):32} {linked.measured}")
assert linked.measured is not None
assert linked.measured.low > 0.5

# %% [markdown]
# ## What none of them bounds: a second release
#
# Another office publishes the same people, 5-anonymous too, with intervals of age that begin elsewhere. Each table
# alone keeps its promise. Who has both finds somebody's class in each, and what the person has is in both.

# %%
shifted = {**hierarchies, "age": Hierarchy.intervals(-5, 125, widths=[10])}
both = [
    Generalize({"age": 2, "zip": 2, "education": 0}, k=5, suppress_at_most=0.02, hierarchies=hierarchies),
    Generalize({"age": 1, "zip": 2, "education": 0}, k=5, suppress_at_most=0.02, hierarchies=shifted),
]


def possible(guard):
    """For each person the health values that the class holds in a table; None for who was left out."""
    release = guard.release(rows)
    assert is_k_anonymous(release.value, k=5, quasi_identifiers=known)
    at = release.proof.levels
    own = [guard.hierarchies[name].label(rows[name].to_numpy(), at[name]).tolist() for name in known]
    values = {place: set(group) for place, group in release.value.groupby(known)["health"]}
    return [values.get(place) for place in zip(*own, strict=True)]


here, there = (possible(guard) for guard in both)
once = [sum(one is not None and len(one) == 1 for one in table) for table in (here, there)]
together = sum(bool(one and other) and len(one & other) == 1 for one, other in zip(here, there, strict=True))
print(f"certain from the first table {once[0]}, from the second {once[1]}, from both together {together}")
assert together > sum(once)

# %% [markdown]
# Nobody who made one of the tables could have prevented it: neither knows the other. Only a promise that composes,
# whatever else is published, does: differential privacy (tutorial 02).
#
# ## What to take home
#
# - k-anonymity is a property that anybody can check, of a table and a list of columns. Name *all* columns that a
#   stranger may know.
# - A few rare people cost most. Clip, suppress a little, or get more people.
# - The best table can be found, and proven to be; keep the proof to yourself.
# - Linking stops, inference does not: l-diversity and t-closeness bound what a class tells, at a price in just what
#   one wanted to know.
# - None bounds other columns, more knowledge, or a second table. Where that matters, give answers with noise rather
#   than rows; where rows must leave, know who gets them.
