"""Composition and the ledger: how prices add up, and the book that holds everybody to the sum."""
# SPDX-License-Identifier: Apache-2.0

# %% [markdown]
# # Composition and the ledger
#
# One noisy answer protects a person. A thousand noisy answers about the same person may not. This tutorial asks what
# several answers cost *together*: one after another, about different people, of many bins at once, and of hundreds of
# small questions. And it opens the book in which unseen writes all of it down: the ledger.
#
# The data are those of the first tutorial: 6,366 women whom a magazine asked in 1974 whether they had had an affair.
#
# Words that come up, and what they mean here:
#
# - **unit**: whom the promise protects, with all that the table holds of them. Here each row is one woman.
# - **add-or-remove**: what is compared, the table with one unit and the same table without it.
# - **ε** and **δ**: how much more likely any answer may be with you than without you, at most by the factor e^ε; and δ,
#   a tiny number, is how much that promise may be missed by: roughly, the probability that more than ε is lost.
# - **guard**: a configured protection, such as a count with its ε. It takes data and gives a release.
# - **replay**: drawing a guard's answer many times, to look at its noise. Nothing of that is released.
# - **Laplace noise**: a random number on either side of 0, small ones often and large ones rarely. At each step of its
#   *scale* away from 0 it is e = 2.7 times less likely.
# - **Rényi divergence**: a measure of how far the answers with you and those without you differ. Its *order* says how
#   much the rare, telling answers count in it. The divergences of several answers add up.
# - **privacy loss distribution**: how likely an answer is to tell how much, in full and not as one number.
# - **keyed hash**: a fingerprint of a text, such that only who has the key can make it or check it.
# - **head**: what a ledger says of its end: the number of its last entry, its sums, and the keyed hash of all before.
# - **trigger**: a rule within a database that acts by itself. The ledger's refuse to change or delete a line.

# %%
import json
import shutil
import sqlite3
import tempfile
from fractions import Fraction
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import unseen as un

survey = un.datasets.affairs()
survey["affair"] = (survey["affairs"] > 0).map({True: "yes", False: "no"})
survey["faith"] = survey["religious"].map({1: "not", 2: "mildly", 3: "fairly", 4: "strongly"})
folder = Path(tempfile.mkdtemp())
declared = {
    "unit": un.EachRow(),
    "columns": {
        "age": un.Range(17.5, 42),
        "rate_marriage": un.Range(1, 5),
        "affair": un.Categorical("no", "yes"),
        "faith": un.Categorical("not", "mildly", "fairly", "strongly"),
    },
}


def protected(name, **more):
    """The survey with a budget of ε = 1 and a ledger of its own. In real life there is one, not one a chapter."""
    return un.protect(survey, **declared, budget=un.DP(epsilon=1, delta=1e-6), ledger=folder / f"{name}.ledger", **more)


# %% [markdown]
# Besides, the owner keeps a dataset *without* a ledger, to look at the noise. `replay` draws many outputs of a guard
# from it. Nobody is charged, so nothing of it may leave; on a dataset with a ledger it is refused.

# %%
looking = un.protect(survey, **declared)
draws = 2000

# %% [markdown]
# ## One question, and its noise
#
# How many women had an affair? One woman more or less changes this count by one: that is its *sensitivity*. unseen
# adds Laplace noise of scale 1/ε, and then any answer is at most e^ε times as likely with you as without you. The
# smaller ε, the wider the noise.

# %%
figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
for epsilon in (0.02, 0.1, 0.5):
    answers = un.query.Count(epsilon=epsilon, by="affair").replay(looking, draws)[:, 1]
    axes.hist(answers, bins=np.arange(1953, 2154, 3), alpha=0.6, label=f"ε = {epsilon}")
axes.set(xlabel="answer: how many had an affair", ylabel="draws", title="The same count at three prices")
axes.legend()
figure

# %%
data = protected("first")
release = data.count(by="affair", epsilon=0.1)
print(release)
print(release.guarantee)

# %% [markdown]
# ## One question after another
#
# Noise averages out. Who may ask the same mean ten times gets closer to the truth than ε = 0.05 was meant to let them:

# %%
answers = un.query.Mean("age", epsilon=0.05).replay(looking, 10 * draws).reshape(draws, 10)
exact = survey["age"].mean()
once = np.abs(answers[:, 0] - exact).mean()
averaged = np.abs(answers.mean(axis=1) - exact).mean()
print(f"error of one answer {once:.3f} years, of the average of ten {averaged:.3f}: {once / averaged:.1f} times closer")
assert averaged < 0.5 * once

# %% [markdown]
# So ten answers must cost more than one. How much more? **Sequential composition**: what an adversary can learn from
# all ten together is bounded by the *sum* of their ε. That holds for every way of combining them, averaging too, and
# also when each question is chosen in view of the answers before. The ledger adds the prices up:

# %%
for _ in range(10):
    release = data.mean("age", epsilon=0.05)
print(release)
print("spent:", data.ledger.spent[0], "= 0.1 + 10 × 0.05")
assert data.ledger.spent[0] == 0.6

# %% [markdown]
# The prices are added as decimals, exactly: ten times 0.05 is 0.5 and not 0.49999999999999994. And by the way, whoever
# honestly wants one good mean asks *once* for the whole 0.5:

# %%
together = np.abs(un.query.Mean("age", epsilon=0.5).replay(looking, draws)[:, 0] - exact).mean()
print(f"error of one answer at ε = 0.5: {together:.3f} years, against {averaged:.3f} for ten at 0.05")
assert together < averaged

# %% [markdown]
# ## At the end of the budget
#
# ε = 1 was declared, 0.6 is gone. What does not fit is refused, before any noise is drawn and whatever the data say;
# the message says what is left. One release that takes exactly all that remains is always admitted.

# %%
try:
    data.mean("rate_marriage", epsilon=0.5)
except un.UnseenError as refusal:
    print(refusal)

release = data.mean("rate_marriage", epsilon=data.ledger.left[0])
print(release)
assert data.ledger.left[0] == 0

# %% [markdown]
# Now it is over for good. No release is ever refunded, and "the budget is used up" is an answer that everybody may
# hear: it depends on what was asked, never on what the table holds.
#
# What a call costs can be asked before, for nothing: `un.query.Mean("age", epsilon=0.5).cost(data)`.
#
# ## Different questions to different people
#
# Does the marriage of the strongly religious fare better? Each woman gave one answer about her faith, so she is in one
# group. Four means over four groups: each woman's data enter one of them. **Parallel composition**: the four together
# cost as much as the dearest of them, not the sum.

# %%
data = protected("parallel")
for faith, part in data.parts("faith").items():
    print(f"{faith:9}", part.mean("rate_marriage", epsilon=0.2))
assert data.ledger.spent[0] == 0.2

# %% [markdown]
# Each entry in the ledger names its part. A part that is asked again is charged for itself, and the total follows the
# dearest part; a question to everybody is added on top.

# %%
parts = data.parts("faith")
parts["strongly"].mean("age", epsilon=0.1)
print("the dearest part has borne 0.2 + 0.1:", data.ledger.spent[0])
parts["not"].mean("age", epsilon=0.1)
print("another part catches up, for nothing:", data.ledger.spent[0])
data.count(epsilon=0.1)
print("everybody bears one more:            ", data.ledger.spent[0])
for entry in data.ledger.entries()[3:]:
    print(entry.sequence, entry.guard, entry.epsilon, entry.part or "everybody")
assert data.ledger.spent[0] == 0.4

# %% [markdown]
# This rests on one thing: **one person is in one part**. Where a person may have several rows, she may sit in several
# groups, and all of them together tell on her. unseen refuses to pretend:

# %%
visits = un.datasets.patients(300).assign(ward=lambda t: np.where(t["age"] % 2 == 0, "east", "west"))
hospital = un.protect(visits, unit="patient_id", columns={"ward": un.Categorical("east", "west")}, max_rows_per_unit=3)
try:
    hospital.parts("ward")
except un.UnseenError as refusal:
    print(refusal)

# %% [markdown]
# ## What comes after is free
#
# **Post-processing**: what is computed from a release alone costs nothing and weakens nothing, because it knows no more
# than the release. Round it, plot it, divide it, correct it by what everybody knows. That often makes answers *better*.
# Here: ages in half years, a tiny ε, and the knowledge that nobody can be counted a negative number of times.

# %%
edges = np.arange(17.5, 42.01, 0.5).tolist()
counts = un.query.Histogram("age", epsilon=0.02, edges=edges).replay(looking, 500)
truth = np.histogram(survey["age"].clip(17.5, 42), bins=edges)[0]
before = np.abs(counts - truth).mean()
after = np.abs(np.clip(counts, 0, None) - truth).mean()
print(f"mean error of a bin: {before:.1f} as released, {after:.1f} once negative counts became 0; ε 0.02 for both")
assert after < 0.75 * before

# %% [markdown]
# ## A histogram is one question
#
# Each woman is in one bin: parallel composition again. So a histogram is released whole, for one price, however many
# bins it has. Who instead counts bin after bin must share the price out among all of them:

# %%
bins = len(edges) - 1
whole = np.abs(un.query.Histogram("age", epsilon=0.2, edges=edges).replay(looking, 200) - truth).mean()
single = un.query.Count(epsilon=0.2 / bins).replay(looking, draws)
alone = np.abs(single - len(survey)).mean()
print(f"{bins} bins for ε = 0.2 in all: error of a bin {whole:.0f} in one histogram, {alone:.0f} in {bins} counts")
assert alone > 10 * whole

# %%
data = protected("histogram")
release = data.histogram("age", epsilon=0.02, edges=[17.5, 22.5, 27.5, 32.5, 37.5, 42])
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
names, values = list(map(str, release.value)), np.array(list(release.value.values()))
low, high = np.array(list(release.interval.values())).T
axes.bar(names, values, color="#0e6262", alpha=0.5)
axes.errorbar(names, values, yerr=[values - low, high - values], fmt="none", color="black", capsize=6)
axes.set(xlabel="age, years", ylabel="women", title="Five bins in one release, with 95 % intervals of its noise")
print(release.charge)
figure

# %% [markdown]
# ## Hundreds of small questions
#
# The plain sum is a safe bound, and for a few releases a good one. For many small ones it is far too careful: for the
# sum to be reached, hundreds of independent noises would all have to point the same way. *Rényi* composition counts a
# finer quantity, the Rényi divergence at one order. Order and limit are chosen when the ledger is made, from ε and δ,
# and stay: a release is admitted while the sum of all divergences is within the limit. The guarantee for everything
# together is the same (ε, δ). Let us ask both ledgers until they refuse:

# %%
asked = {}
for name, composition in (("basic", un.Basic()), ("renyi", un.Renyi())):
    data = protected(name, composition=composition)
    print(f"{name}: the first release may have up to ε = {data.ledger.left[0]}")
    asked[name] = data.ledger
    try:
        while True:
            data.count(by="affair", epsilon=0.01)
    except un.UnseenError as refusal:
        print("   ", refusal)
    print("    admitted:", len(data.ledger.entries()))
admitted = {name: len(ledger.entries()) for name, ledger in asked.items()}
print(f"{admitted['renyi'] / admitted['basic']:.1f} times as many")
assert admitted["basic"] == 100
assert admitted["renyi"] > 400

# %% [markdown]
# More than four times as many answers under the same promise. It is not always the better choice: see what the first
# release may cost. Rényi is for many small releases; for a handful of large ones take the plain sum.

# %%
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for name, ledger in asked.items():
    shares = [ledger.filter.share(tuple(map(Fraction, entry.spent))) for entry in ledger.entries()]
    axes.step(
        range(1, len(shares) + 1), list(map(float, shares)), where="post", label=f"{name}: {len(shares)} releases"
    )
axes.axhline(1, color="black", linewidth=1, linestyle=":", label="the whole budget")
axes.set(xlabel="releases at ε = 0.01", ylabel="share of the limit", title="What the two ledgers have used")
axes.legend()
figure

# %% [markdown]
# `unseen ledger show LEDGER --plot FILE.svg` draws such an odometer of any ledger.
#
# Three figures can be told of the releases in the second ledger:
#
# 1. *The sum of the prices*: what the plain sum would count. Far too careful.
# 2. *By the curve so far*: the ε that follows from the sum of the divergences. The filter keeps it within the budget.
# 3. *By privacy loss distributions*: the ε that these releases would have had they been fixed in advance, by the
#    sharpest method there is. The lowest of the three.
#
# But questions that follow from answers were not fixed in advance, and nobody promised to stop just here. The guarantee
# is the budget; the second and the third figure unseen calls what they are:

# %%
ledger = asked["renyi"]
plain = 0.01 * admitted["renyi"]
print(f"ε {plain:.2f}: the sum of the prices")
print(f"ε {ledger.spent[0]:.3f}: by the curve so far; bookkeeping, not a guarantee")
print(f"ε {ledger.bookkeeping():.3f}: by privacy loss distributions; bookkeeping, not a guarantee")
print(f"ε {ledger.budget.epsilon}, δ {ledger.budget.delta}: the guarantee, whatever was asked and why")
assert ledger.bookkeeping() < ledger.spent[0] <= ledger.budget.epsilon < plain

# %% [markdown]
# ## The book itself
#
# A ledger is a file (or a PostgreSQL database) with one line for every release: who asked, what happened, what was
# promised, what it cost, and a keyed hash of it all that also covers the line before. The key is the owner's, in a file
# of its own.

# %%
data = protected("book")
data.count(epsilon=0.1)
un.query.Mean("age", epsilon=0.2).release(data, "for the annual report")
release = data.mean("rate_marriage", epsilon=0.3)
for entry in data.ledger.entries():
    print(entry.sequence, entry.guard, entry.epsilon, entry.purpose)
print(sorted(path.name for path in folder.glob("book*")))

# %% [markdown]
# Every release carries a **receipt**, signed by the ledger's owner. The scientist who keeps it can show years later
# that this entry was made, and when. Checking it needs no ledger, only the owner's public key. On the command line:
# `unseen ledger check mean.json --public-key ...`
#
# The signature is under the *charge*: number, price, sums, time. Value and guarantee lie beside it in the file, and are
# not signed. Changing the price is found; changing the value is not:

# %%
path = release.save(folder / "mean.json")
receipt = un.Receipt.read(path)
receipt.verify(data.ledger.public_key)
print("entry", receipt.sequence, "at", receipt.when, "· signature", receipt.signature[:16] + "…")

told = json.loads(path.read_text(encoding="utf-8"))
path.write_text(json.dumps({**told, "value": 5.0}), encoding="utf-8")
un.Receipt.read(path).verify(data.ledger.public_key)
print("another value: the receipt still verifies, for it never spoke of the value")

path.write_text(json.dumps({**told, "receipt": {**told["receipt"], "epsilon": 0.1}}), encoding="utf-8")
try:
    un.Receipt.read(path).verify(data.ledger.public_key)
except un.UnseenError as found:
    print(found)
else:
    raise AssertionError("a changed receipt passed")

# %% [markdown]
# ## Somebody cooks the books
#
# Budget is worth something, so somebody will try to get it back. Let us be that somebody, with full access to the file.
# First: make an entry cheaper.


# %%
def tried(change):
    """Do something to a copy of the ledger, and say what a check of it finds."""
    for ending in ("", ".key", ".head"):
        shutil.copy(folder / f"book.ledger{ending}", folder / f"cooked.ledger{ending}")
    connection = sqlite3.connect(folder / "cooked.ledger")
    connection.executescript("DROP TRIGGER entries_update; DROP TRIGGER entries_delete;" + change)
    connection.close()
    try:
        un.Ledger(folder / "cooked.ledger").verify()
    except un.UnseenError as found:
        return str(found)
    raise AssertionError("nobody noticed")


print(tried("""UPDATE entries SET body = replace(body, '"epsilon":"0.2"', '"epsilon":"0.1"') WHERE sequence = 2"""))

# %% [markdown]
# Then: tear a page out of the middle, or the last one. The last page is the harder case, for what is left is a ledger
# that was perfectly fine an hour ago. But beside the key lies the highest head that this place has seen.

# %%
print(tried("DELETE FROM entries WHERE sequence = 2"))
print(tried("DELETE FROM entries WHERE sequence = 3"))

# %% [markdown]
# A ledger that is behind what is known of it is *locked*: it can be read, and charges nothing. That happens to honest
# people too, who restore a backup. What was lost is then counted, from receipts or from what was seen here, and the
# ledger goes on. Nothing is given back.
#
# How it is counted, the owner has to say. `older_copy=True` declares that there was *one* ledger, of which this is an
# older copy: then the highest head that is known has counted everything, here 0.7. Without it unseen takes it that the
# copy and the lost original both went on, and adds up the 0.6 here and the 0.7 there: right for a fork, and otherwise
# too much, since what both have in common counts twice. On the command line these are
# `unseen ledger reconcile LEDGER --older-copy` and `--fork`.

# %%
data.ledger.backup(folder / "backup")
data.count(epsilon=0.1)  # a day's work after the backup
(folder / "book.ledger").unlink()
restored = un.Ledger.restore(folder / "backup", folder / "book.ledger")
print("locked:", restored.locked)
restored.reconcile(older_copy=True)
print("spent:", restored.spent[0], "· locked:", restored.locked or "no")
assert restored.spent[0] == 0.7

# %% [markdown]
# ## Asking again without paying again
#
# The network fails, the script is run twice: must the same question be paid twice? Not if it carries a **request key**.
# A retry with the same key gives the *same* release, from the ledger, and charges nothing. The same noise, that is
# why: a second draw would be a second answer.

# %%
data = protected("requests")
first = data.mean("age", epsilon=0.2, request="annual report 1974")
again = data.mean("age", epsilon=0.2, request="annual report 1974")
print(first, "|", again)
assert first.value == again.value
assert len(data.ledger.entries()) == 1

# %% [markdown]
# ## Exercises
#
# 1. You have ε = 1 in all. Every quarter of the coming year the same table of mean marriage ratings by faith is to be
#    released, and once a histogram of ages, which may have twice the ε of a quarter's table. What does each cost at
#    most, and what does the ledger say at the end?
# 2. An adversary may ask for the count of women at ε = 0.01 a piece, until a budget of ε = 1 is gone, and averages.
#    Is she better off than somebody who asks once at ε = 1? By how much, roughly?
# 3. Somebody releases counts for each of 30 hobbies, of which a person may name several. Is that parallel composition?
#
# ### Answers
#
# 1. Four tables and a histogram of double weight are six shares, one after another: 1/6 each, and 2/6 for the
#    histogram. Groups and bins are free. Prices are decimals; cut them, so that the sum fits.

# %%
data = protected("exercise")
share = 0.1666
for _ in range(4):
    data.mean("rate_marriage", by="faith", epsilon=share)
data.histogram("age", epsilon=2 * share, edges=7)
print(data.ledger)
assert data.ledger.left[0] < 0.001

# %% [markdown]
# 2. No. The average of 100 answers has a tenth of the noise of one at ε = 0.01; one answer at ε = 1 has a hundredth.
#    Asking once is more than ten times better: nobody gains by cutting a question into pieces.

# %%
pieces = un.query.Count(epsilon=0.01).replay(looking, 100 * 100).reshape(100, 100).mean(axis=1)
at_once = un.query.Count(epsilon=1).replay(looking, draws)
ratio = np.abs(pieces - len(survey)).mean() / np.abs(at_once - len(survey)).mean()
print(f"{ratio:.1f} times better at once")
assert ratio > 5

# %% [markdown]
# 3. No: a person who names five hobbies is in five counts, so that five counts tell on her. It is sequential
#    composition over as many hobbies as a person may name. Either all 30 share the price, or a bound is declared and
#    each person counts for at most that many.
#
# ## What to take home
#
# - Answers about the same people add up; the sum of ε bounds every way of combining them.
# - Answers about different people do not, as long as each person is in one part.
# - What is computed from releases alone is free. A histogram is one question.
# - For hundreds of small questions choose Rényi composition when you make the ledger; for a few, the plain sum.
# - The ledger holds everybody to it. A changed line is found by the key, a lost end by the head file or a receipt. Who
#   has the key, the ledger, the head file and all receipts can still write any history: keep receipts elsewhere.
