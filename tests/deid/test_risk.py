"""Risk figures: counted as their definitions say, estimates near what is true of simulated populations, no export."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import unseen as un
from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid.risk.identifying import identifying
from unseen.deid.risk.population import population_uniqueness
from unseen.deid.risk.reidentification import expected_inverse, reidentification

CELLS = st.one_of(st.none(), st.integers(0, 3))
TABLES = st.lists(st.tuples(CELLS, CELLS, st.integers(0, 5)), min_size=1, max_size=30)


def frame_of(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"a": pl.Int64, "b": pl.Int64, "c": pl.Int64}, orient="row")


# --- Column sets -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(rows=TABLES)
def test_uniqueness_and_selectivity_are_counted(rows: list[tuple[Any, ...]]) -> None:
    found = {one.columns: one for one in identifying(frame_of(rows)).sets}
    complete = set()
    for size in (1, 2, 3):
        for names in combinations("abc", size):
            keys = Counter(tuple(row["abc".index(name)] for name in names) for row in rows)
            alone = sum(count == 1 for count in keys.values())
            if any(set(part) <= set(names) for part in complete):
                assert names not in found  # the part says it all
                continue
            if alone == len(rows):
                complete.add(names)
            constant = any(len({row["abc".index(name)] for row in rows}) == 1 for name in names)
            if size > 1 and constant:
                assert names not in found
                continue
            one = found[names]
            assert (one.unique, one.classes) == (alone, len(keys))
            assert one.uniqueness == alone / len(rows) and one.selectivity == len(keys) / len(rows)


def test_units_are_counted_and_not_rows() -> None:
    data = un.protect(
        pd.DataFrame({"p": [1, 1, 2, 3, 3, 4, 4], "a": [1, 1, 2, 3, 2, 5, 6]}),
        unit="p",
        columns={"a": un.Range(0, 9)},
        quasi_identifiers=["a"],
    )
    (one,) = identifying(data).sets
    assert (one.unique, one.classes) == (3, 5)  # 1, 3 and 4 have a value of their own
    found = reidentification(data)
    assert found.units == 4 and found.unique == 3 and found.sizes == {1: 4, 2: 1}
    assert found.prosecutor.average == pytest.approx((1 + 0.5 + 1 + 1) / 4) and found.prosecutor.highest == 1
    assert "riskiest row" in found.notes[0]


def test_hundreds_of_columns_are_bounded_work_and_said() -> None:
    wide = pd.DataFrame(np.random.default_rng(1).integers(0, 30, (300, 500))).rename(columns=str)
    told: list[tuple[str, int, int]] = []
    found = identifying(wide, work=300 * 1000, progress=lambda *step: told.append(step))
    assert Counter(len(one.columns) for one in found.sets) == {1: 500, 2: 780, 3: 220}
    assert "40 columns" in found.notes[0] and "220 were counted" in found.notes[1]
    assert len(told) == 1500 and all(done < of for _, done, of in told)


def test_any_kind_of_column_is_counted() -> None:
    table = pl.DataFrame({"list": [[1], [1], [2]], "nan": [math.nan, None, 1.0], "kind": ["x", "y", "x"]})
    table = table.with_columns(pl.col("kind").cast(pl.Categorical))
    assert {one.columns: one.unique for one in identifying(table, up_to=1).sets} == {
        ("list",): 1,
        ("nan",): 1,
        ("kind",): 1,
    }
    empty = identifying(table.clear())
    assert all(one.unique == 0 and one.uniqueness == 0 for one in empty.sets)


# --- Prosecutor, journalist, marketer ----------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(rows=TABLES, others=TABLES, threshold=st.sampled_from([0.2, 0.5, 1.0]))
def test_risks_are_as_defined(rows: list[tuple[Any, ...]], others: list[tuple[Any, ...]], threshold: float) -> None:
    everybody = rows + others
    found = reidentification(frame_of(rows), ["a", "b"], frame_of(everybody), threshold)
    inside, outside = (Counter((a, b) for a, b, _ in table) for table in (rows, everybody))
    here = [1 / inside[a, b] for a, b, _ in rows]
    there = [1 / outside[a, b] for a, b, _ in rows]
    assert found.sizes == Counter(inside.values()) and found.unique == sum(risk == 1 for risk in here)
    assert found.prosecutor.above == pytest.approx(sum(risk > threshold for risk in here) / len(rows))
    assert found.prosecutor.highest == max(here)
    assert found.prosecutor.average == pytest.approx(len(inside) / len(rows))
    assert found.journalist is not None
    assert found.journalist.above == pytest.approx(sum(risk > threshold for risk in there) / len(rows))
    assert found.journalist.highest == max(there)
    ratio = len(inside) / sum(outside[key] for key in inside)
    assert found.journalist.average == pytest.approx(max(ratio, sum(there) / len(rows)))
    assert found.marketer.average == pytest.approx(sum(there) / len(rows))
    assert found.marketer.average <= found.journalist.average + 1e-12 <= found.prosecutor.average + 1e-9


def test_a_population_that_is_not_the_table_s_is_said() -> None:
    found = reidentification(frame_of([(1, 1, 1), (2, 2, 2)]), ["a"], frame_of([(1, 1, 1)] * 4))
    assert "1 have fewer people in the population" in found.notes[0] and found.marketer.highest == 1


@pytest.mark.parametrize("fraction", [1e-6, 0.01, 0.3, 0.7, 0.999, 1.0])
def test_the_estimated_chance_is_the_integral(fraction: float) -> None:
    sizes = np.array([1, 2, 3, 10, 1000])
    for size, found in zip(sizes, expected_inverse(sizes, fraction), strict=True):
        integral = quad(
            lambda u, f=size: u ** (f - 1) * fraction / (fraction + (1 - fraction) * u),
            0,
            1,
            epsabs=0,
            limit=500,
            points=[0.99],
        )[0]
        assert found == pytest.approx(integral, rel=1e-5)
        assert found <= 1 / size


@pytest.mark.statistical
def test_marketer_risk_is_estimated_from_a_sample(proof_runs: Callable[[int, int], int]) -> None:
    """Classes as frequent as the estimate takes them to be. Over 12 runs it was 0.984 of what was counted, with a
    standard deviation of 0.005: 5 % is beyond six of them. The risk in the table alone is 3.5 times that, checked."""
    for seed in range(proof_runs(1, 20)):
        rng = np.random.default_rng(seed)
        owner = np.repeat(np.arange(20_000), rng.logseries(0.995, 20_000))
        chosen = owner[rng.random(len(owner)) < 0.2]
        sample, everybody = pd.DataFrame({"a": chosen}), pd.DataFrame({"a": owner})
        true = reidentification(sample, ["a"], everybody).marketer.average
        estimated = reidentification(sample, ["a"], len(owner)).marketer.average
        assert estimated == pytest.approx(true, rel=0.05)
        assert reidentification(sample, ["a"]).marketer.average > 2 * true


@pytest.mark.parametrize(("rows", "columns"), [(2_000, ["birth_date", "zip", "sex"]), (2_000, ["age", "zip", "sex"])])
def test_the_risk_in_a_population_is_not_told_too_low(rows: int, columns: list[str]) -> None:
    """Where nearly everybody in the population is alone, a prior of 1/F would say that nearly nobody is found."""
    everybody = un.datasets.census(100_000, seed=3)
    sample = everybody.iloc[np.random.default_rng(4).permutation(len(everybody))[:rows]]
    true = reidentification(sample, columns, everybody).journalist
    found = reidentification(sample, columns, len(everybody)).journalist
    assert true is not None and found is not None
    assert 0.9 * true.average < found.average < 1.5 * true.average
    assert found.above > 0.9 * true.above


# --- Population uniqueness ---------------------------------------------------------------------------


def sampled(sizes: np.ndarray[Any, Any], fraction: float, rng: np.random.Generator) -> dict[int, int]:
    """Class sizes in a simple random sample of a population with these class sizes."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    found = np.bincount(owner[rng.permutation(len(owner))[: int(fraction * len(owner))]])
    return dict(Counter(found[found > 0].tolist()))


def slid(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    return 1 + rng.negative_binomial(1.0, 0.2, 20_000)


def pitman(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """A population of 60,000 by Pitman's sampling formula, person by person."""
    alpha, theta, sizes = 0.5, 100.0, [1]
    owner, chance = [0], rng.random(60_000)
    for count in range(1, 60_000):
        if chance[count] * (theta + count) < theta + len(sizes) * alpha:
            owner.append(len(sizes))
            sizes.append(1)
            continue
        while True:  # somebody's class, given up for its share of α
            at = owner[int(rng.random() * count)]
            if rng.random() * sizes[at] >= alpha:
                break
        owner.append(at)
        sizes[at] += 1
    return np.array(sizes)


@pytest.mark.statistical
def test_each_model_finds_the_uniques_of_a_population_that_it_describes(proof_runs: Callable[[int, int], int]) -> None:
    """Relative errors over 40 runs had standard deviations of 2.4 % (slid, 4,000 uniques, a half sampled), 6.2 %
    (Pitman, 2,500 uniques, a tenth sampled) and 2.9 % (Zayatz, a half sampled): six of them are allowed. Power: on the
    other's population the slid model was 106 % off (deviation 10 %), Zayatz from a fiftieth 1700 %; checked."""
    for seed in range(proof_runs(1, 40)):
        rng = np.random.default_rng(seed)
        one, other = slid(rng), pitman(rng)
        by_slid = population_uniqueness(sampled(one, 0.5, rng), int(one.sum()))
        by_pitman = population_uniqueness(sampled(other, 0.1, rng), int(other.sum()))
        by_zayatz = population_uniqueness(sampled(other, 0.5, rng), int(other.sum()))
        uniques = [int((sizes == 1).sum()) for sizes in (one, other)]
        assert by_slid.snb.uniques == pytest.approx(uniques[0], rel=0.15)
        assert by_pitman.pitman.uniques == pytest.approx(uniques[1], rel=0.37)
        assert by_zayatz.zayatz.uniques == pytest.approx(uniques[1], rel=0.18)
        assert by_slid.chosen is by_slid.snb and by_pitman.chosen is by_pitman.pitman
        assert by_zayatz.chosen in (by_zayatz.snb, by_zayatz.zayatz)
        assert by_pitman.snb.uniques is None or by_pitman.snb.uniques > 1.37 * uniques[1]
        small = population_uniqueness(sampled(one, 0.02, rng), int(one.sum()))
        assert small.zayatz.uniques is not None and small.zayatz.uniques > 2 * uniques[0]


def test_zayatz_is_the_formula_written_out() -> None:
    sizes, population = {1: 5, 2: 3, 7: 1}, 40
    drawn = {size: size * math.comb(population - size, 17) / math.comb(population, 18) for size in sizes}
    chance = 5 * drawn[1] / sum(count * drawn[size] for size, count in sizes.items())
    found = population_uniqueness(sizes, population).zayatz
    assert found.uniques == pytest.approx(5 * chance * 40 / 18)


def test_pitman_is_at_the_top_of_its_likelihood() -> None:
    sizes, population = {1: 40, 2: 12, 3: 5, 8: 2, 30: 1}, 4000
    found = population_uniqueness(sizes, population).pitman
    people, classes = sum(size * count for size, count in sizes.items()), sum(sizes.values())

    def likelihood(alpha: float, theta: float) -> float:
        value = sum(math.log(theta + i * alpha) for i in range(1, classes))
        value -= sum(math.log(theta + i) for i in range(1, people))
        return value + sum(count * sum(math.log(i - alpha) for i in range(1, size)) for size, count in sizes.items())

    alpha, theta = found.parameters["alpha"], found.parameters["theta"]
    best = likelihood(alpha, theta)
    for a, t in ((1.01, 1), (0.99, 1), (1, 1.05), (1, 0.95), (1.01, 1.05), (0.99, 0.95)):
        assert likelihood(alpha * a, theta * t) < best
    expected = population * math.prod((theta + alpha + i) / (theta + 1 + i) for i in range(population - 1))
    assert found.uniques == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("sizes", "population", "model", "said"),
    [
        ({1: 100}, 1000, "pitman", "everybody is unique in the sample"),
        ({1: 100}, 1000, "snb", "everybody is unique in the sample"),
        ({1: 700, 2: 600, 3: 150, 4: 30}, 100_000, "pitman", "more even than Pitman's model knows"),
        ({1: 10, 2: 100}, 400, "snb", "do not scatter like a negative binomial"),
        ({1: 1, 5: 1}, 100, "pitman", "No number"),
    ],
)
def test_where_a_model_fails_it_says_so_and_gives_no_number(
    sizes: dict[int, int], population: int, model: str, said: str
) -> None:
    found = getattr(population_uniqueness(sizes, population), model)
    assert found.uniques is None and found.share is None
    assert found.why.startswith("No number: ") and said in found.why


@settings(deadline=None, max_examples=20)
@given(
    sizes=st.dictionaries(st.sampled_from([1, 2, 3, 5, 40, 10**4]), st.integers(1, 10**4), min_size=1),
    factor=st.sampled_from([1.0, 1.001, 3.0, 100.0, 1e5]),
)
def test_a_number_is_between_nobody_and_everybody_or_there_is_none(sizes: dict[int, int], factor: float) -> None:
    sample = sum(size * count for size, count in sizes.items())
    found = population_uniqueness(sizes, int(sample * factor))
    for one in (found.pitman, found.zayatz, found.snb, found.chosen):
        assert one.why
        if one.uniques is not None:
            assert one.share is not None and 0 <= one.uniques <= found.population * (1 + 1e-9)
            if int(sample * factor) == sample:
                assert one.uniques == sizes.get(1, 0)
    assert found.chosen.uniques is not None


# --- The owner's --------------------------------------------------------------------------------------


def test_figures_stay_with_the_owner() -> None:
    table = frame_of([(1, 1, 1), (2, 2, 2), (2, 2, 3)])
    results = (identifying(table), reidentification(table, ["a"], 100), population_uniqueness({1: 3, 2: 1}, 50))
    for one in results:
        assert isinstance(one.guarantee, un.Nothing) and "not for release" in str(one.guarantee)
        with pytest.raises(InvalidRequest, match="stay in the owner's process"):
            pickle.dumps(one)


def test_plots_show_class_sizes_and_risk_by_column_set() -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame({name: rng.integers(0, 5, 400) for name in ("age", "zip & <b>", "sex")})
    figures = [*identifying(table).figures(), *reidentification(table, ["age", "sex"], 5000).figures()]
    assert len(figures) >= 6
    for heading, svg, caption in figures:
        assert heading and caption and svg.startswith("<svg") and svg.rstrip().endswith("</svg>") and "<b>" not in svg
    assert identifying(table.head(0)).figures() is not None


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda t: reidentification(t), "the columns that an adversary may know"),
        (lambda t: reidentification(t, "a"), "the columns that an adversary may know"),
        (lambda t: reidentification(t, ["income"]), "'income'"),
        (lambda t: reidentification(t, ["a"], 1), "at least as many"),
        (lambda t: reidentification(t, ["a"], pd.DataFrame({"z": [1]})), "without 'a'"),
        (lambda t: reidentification(t, ["a"], threshold=0), "threshold"),
        (lambda t: identifying(t, up_to=4), "1 to 3"),
        (lambda t: identifying(t, ["income"]), "'income'"),
        (lambda t: population_uniqueness({}, 10), "no classes"),
        (lambda t: population_uniqueness({2: 6}, 10), "at least as many people"),
        (lambda t: population_uniqueness({0: 6}, 10), "size"),
    ],
)
def test_a_bad_request_gets_one_clear_line(ask: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        ask(frame_of([(1, 1, 1), (2, 2, 2)]))
    assert "\n" not in str(caught.value)
    with pytest.raises(DataFault, match="empty table"):
        reidentification(frame_of([]), ["a"])
