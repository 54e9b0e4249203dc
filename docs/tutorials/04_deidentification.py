"""De-identification: why taking names away is not enough, told by three attacks on a census."""
# SPDX-License-Identifier: Apache-2.0

# %% [markdown]
# # De-identification
#
# A statistical office wants to share what it knows without telling on anybody. So it deletes the names. We play the
# adversary, with nothing but public knowledge and a little arithmetic, and attack three times:
#
# - **linking**: the rows without names are joined with a list that has names;
# - **small groups**: instead of rows only averages are told, but some are averages of one person;
# - **differencing**: every group is large, but two of them differ by one person.
#
# Each time we count how many people are found, and then look at what helps.
#
# Words that come up, and what they mean here:
#
# - **identifier**: a column that names a person by itself, such as a social security number.
# - **quasi-identifier**: a column that names nobody by itself but does so with others, and that strangers know.
# - **sensitive value**: what nobody should learn about a person, here income and health.
# - **linking attack**: joining two tables on the quasi-identifiers that both have.
# - **class**: the people who look alike on the quasi-identifiers. **k-anonymity** asks for k people in each.
# - **homogeneity**: that a whole class shares a sensitive value; then it does not matter who is who.
# - **ε**: how much more likely any answer may be with you than without you, at most by the factor e^ε.
#
# The census is generated: nobody in it exists. Its ages, households and zip codes are as skewed as real ones, and its
# voter list is what anybody could buy.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import unseen as un
from unseen.deid import Hierarchy, KAnonymize

census = un.datasets.census(30_000)
voters = un.datasets.census_voters(30_000)
print(census.head(4).to_string(index=False))
print(f"{len(census):,} people, {census['zip'].nunique()} zip codes; {len(voters):,} stand on the voter list")

# %% [markdown]
# ## The names are gone
#
# Number and name identify by themselves, so the office takes them out, and publishes the rest. Then it is safe, no?

# %%
published = census.drop(columns=["ssn", "name", "household"])
print(published.head(3).to_string(index=False))

# %% [markdown]
# ## Linking: one person
#
# You know somebody from the neighbourhood. Her birthday party was in the street, so you know her date of birth; and
# where she lives, you know anyway. The voter list tells both as well, with her name.

# %%
truth = un.datasets.census_truth(30_000)  # which row is whose: the office alone knows, to judge our guesses
born_alike = published.groupby("birth_date")["age"].transform("size").to_numpy()
alone = published.groupby(["birth_date", "zip"])["age"].transform("size").to_numpy() == 1
women = (voters["sex"] == "F").to_numpy()
target = int(np.flatnonzero(women & alone[truth] & (born_alike[truth] > 2))[0])
neighbour = voters.iloc[target]
same_day = published[published["birth_date"] == neighbour["birth_date"]]
here = same_day[same_day["zip"] == neighbour["zip"]]
print(f"{neighbour['name']}, born {neighbour['birth_date']}, lives in {neighbour['zip']}.")
print(f"Of {len(published):,} rows {len(same_day)} have this date of birth, and {len(here)} the zip code too:")
print(here[["occupation", "income", "health"]].to_string(index=False))
assert len(here) == 1
assert census.loc[here.index[0], "name"] == neighbour["name"]

# %% [markdown]
# ## Why so few facts are enough
#
# How often does a value occur? A column *selects* the more the rarer its values are. Sex halves the table. A zip code
# leaves some hundreds of people. A date of birth leaves one or two.

# %%
sets = [["sex"], ["age"], ["zip"], ["birth_date"], ["age", "zip"], ["birth_date", "zip"], ["birth_date", "zip", "sex"]]
shares = []
for columns in sets:
    sizes = published.groupby(columns)["income"].transform("size")
    shares.append((sizes == 1).mean())
    print(f"{' + '.join(columns):24} half of the people share it with {int(sizes.median()) - 1:6,} or fewer others")

# %%
figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
axes.barh([" + ".join(columns) for columns in sets][::-1], shares[::-1])
axes.set(xlim=(0, 1), xlabel="share of people who are alone with it", title="What makes somebody unique")
figure

# %% [markdown]
# Latanya Sweeney found in 2000 that date of birth, zip code and sex make 87 % of all people in the United States
# unique. Ours is a sample, in which there are fewer people to be confused with.
#
# ## Linking: everybody
#
# `Linkage` does for all voters what we did for one neighbour. For each it finds the rows that fit, and guesses one.

# %%
known = ["birth_date", "zip"]
before = un.attack.Linkage(voters, truth=truth, columns=known).audit(published)
print(before)
assert before.measured is not None
assert before.measured.low >= 0.95
assert before.verdict is un.Verdict.NO_CLAIM  # nobody promised anything, so nothing can be broken

# %% [markdown]
# So nearly every voter's income and health is public now. Taking names away did not *de-identify* anybody.
#
# ## Aggregates instead of rows
#
# If rows are dangerous, tell averages. Here is the mean income by zip code and decade of birth, and how many people
# each mean is of.

# %%
people = census.assign(decade=census["birth_date"].str[:3] + "0s")
by_both = people.groupby(["zip", "decade"])["income"].agg(["mean", "count"]).reset_index()
print(by_both.sort_values("count").head(3).to_string(index=False))

# %% [markdown]
# ## Small groups
#
# The mean of one person's income *is* that person's income. `SmallGroups` looks for all whom a table gives away. It
# knows who belongs to which group, as everybody with a voter list does.

# %%
attack = un.attack.SmallGroups(people[["zip", "decade", "income"]], value="income")
exposed = attack.audit(by_both)
print(exposed)
print(f"{exposed.figures['guesses that are right']:.0f} people's exact income is known")
assert exposed.figures["guesses that are right"] > 0

# %% [markdown]
# So the office leaves out groups of fewer than three. That helps, until it publishes the means by zip code as well,
# which are of hundreds of people each and look harmless. Where one group only was left out in a zip code, *the whole
# less all others* brings it back: if one person is in it, that person is found, and else two people find each other.

# %%
large_only = by_both[by_both["count"] >= 3]
by_zip = people.groupby("zip")["income"].agg(["mean", "count"]).reset_index()
pairs = un.attack.SmallGroups(people[["zip", "decade", "income"]], value="income", insiders=1)
for name, tables in (("large groups alone", [large_only]), ("with the means by zip code", [large_only, by_zip])):
    alone_found = attack.audit(*tables).figures["guesses that are right"]
    with_help = pairs.audit(*tables).figures["guesses that are right"]
    print(f"{name:28} {alone_found:.0f} people by a stranger, {with_help:.0f} by somebody from the same group")
assert attack.audit(large_only).figures["people singled out"] == 0
assert pairs.audit(large_only, by_zip).figures["by subtraction alone"] > 0

# %% [markdown]
# Only large groups, then, and no two tables that fit together? It would be a long list of what must not be asked, and
# somebody has to keep it, over years and offices.
#
# ## Differencing
#
# And it would not help. Ask for the sum of everybody's ages. Then ask for the sum of everybody's but your neighbour's:
# "all people who were not born on that day in that zip code". Both are sums over 30,000 people.

# %%
ages = census["age"].to_numpy()
person = int(truth[target])
everybody = np.arange(len(ages))
without = np.delete(everybody, person)
print(f"{ages[everybody].sum():,} less {ages[without].sum():,} makes {ages[everybody].sum() - ages[without].sum()}")
assert ages[everybody].sum() - ages[without].sum() == ages[person]


# %% [markdown]
# `Differencing` does it to fifty people at once. It wants to know how to ask: for which people, and how often.


# %%
def exact(who, times):
    """An office that answers every sum over many people, truthfully."""
    return np.full(times, ages[who].sum())


differencing = un.attack.Differencing(exact).audit(ages)
print(differencing)
assert differencing.measured is not None
assert differencing.measured.value == 1

# %% [markdown]
# ## What helps: noise, for answers
#
# The three attacks have in common that an exact answer changes when one person comes or goes, by exactly this person's
# value. **Differential privacy** adds noise that is as wide as the most that one person can change, divided by ε. Then
# an answer is about as likely with the neighbour as without her, *whatever* else is asked or known. That is a promise,
# so now there is something to break.
#
# The claim is what ε allows: of guesses about people, at most e^ε as many are right as of guesses about people who are
# not even in the data.

# %%
schema = un.Schema(un.EachRow(), {"age": un.Range(0, 110)})
few = pd.DataFrame({"age": ages[:2000]})
whole = un.Dataset(few, schema)


def guarded(who, times):
    """The same office behind a guard: every answer has ε = 1."""
    data = whole if len(who) == len(few) else un.Dataset(few.iloc[who], schema)
    return un.query.Sum("age", epsilon=1).replay(data, times)[:, 0]


protected = un.attack.Differencing(guarded, bounds=(0, 110), targets=20).audit(few["age"], claim=un.DP(1, unit="row"))
print(protected)
print(f"a guess is {protected.figures['mean absolute error of a guess']:.0f} years off, on average")
assert protected.measured is not None
assert protected.verdict is un.Verdict.HOLDS
assert protected.measured.value < 0.1

# %% [markdown]
# The sum itself is hardly hurt: noise of about a hundred years in a sum of some 75,000.
#
# ## What helps a little: vaguer rows
#
# If rows must leave, the quasi-identifiers can be made vaguer until each person looks like at least four others. A
# **hierarchy** says how: a date by month, quarter, year or decade; a zip code by its first digits. `KAnonymize` finds
# the levels that lose least.

# %%
hierarchies = {"birth_date": Hierarchy.dates("1910-01-01", "2029-12-31"), "zip": Hierarchy.prefixes(5)}
rows = published[["birth_date", "zip", "health"]]
table = KAnonymize(k=5, quasi_identifiers=known, hierarchies=hierarchies).release(rows)
print(table.value.head(4).to_string(index=False))
print(table.guarantee)

# %% [markdown]
# The voter list again. The office knows which released row is whose, so it can say how often a guess is right; k = 5
# claims one in five, and no more.

# %%
position = np.full(len(census), -1)  # nobody's row, for people who were left out
position[table.proof.origin] = np.arange(len(table.proof.origin))
after = un.attack.Linkage(voters[known], truth=position[truth]).audit(table)
print(after)
assert after.claimed == 0.2
assert after.measured is not None
assert after.measured.low <= 0.2
assert after.verdict is un.Verdict.HOLDS

# %% [markdown]
# But whom we cannot tell from four others we may not *need* to tell from them. If all five are ill with the same thing,
# so is she. And who knows one thing more, say that she has no asthma, can rule that out.

# %%
for ruled_out in (0, 1, 2):
    alike = un.attack.Homogeneity(census[known], "health", truth=census["health"].tolist(), ruled_out=ruled_out)
    found = alike.audit(table)
    print(f"{ruled_out} values ruled out: {found.figures['certain']:.1%} of the people's health is certain")
assert found.measured is not None
assert found.measured.value > 0
assert found.verdict is un.Verdict.NO_CLAIM  # k-anonymity says so itself: nothing about values that a class shares

# %% [markdown]
# ## What to take home
#
# - Who is unique is found. Two ordinary facts are enough for nearly everybody, and they are on lists that are sold.
# - An aggregate is not private for being an aggregate: of one person it is that person's value, and what was left out
#   comes back by subtraction.
# - Large groups do not help either: two of them that differ by one person tell on this person.
# - Rules about what may be asked have to foresee every combination. Noise in proportion to what one person can change
#   does not; and its promise can be measured.
# - k-anonymous rows stop linking, as far as their quasi-identifiers go, but not what a class has in common. The next
#   tutorial is about that.
