"""A generated census, and the public voter list of the same people, with which names come back."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest, extra
from unseen.core.guarantee import number, whole
from unseen.core.noise.entropy import Entropy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["census", "census_truth", "census_voters"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = NDArray[Any]

DAY = np.datetime64("2020-04-01", "D")
"""The day on which everybody is counted."""

PER_ZIP = 700
"""People of one zip code in the table, on average: a sample of a zip code's people, as of a long questionnaire."""

MOST = 20_000_000

# Householders of each age, the ends of straight lines.
AGES = [18, 25, 35, 60, 70, 80, 90, 100, 105]
WEIGHTS = [0.2, 0.9, 1.0, 1.05, 0.8, 0.45, 0.15, 0.01, 0.0]
SIZES = [0.28, 0.35, 0.15, 0.13, 0.06, 0.03]  # of households of 1, 2, … people

EDUCATION = ["none", "primary", "lower secondary", "upper secondary", "vocational", "bachelor", "master", "doctorate"]
ADULTS = [0.02, 0.06, 0.12, 0.30, 0.18, 0.20, 0.10, 0.02]
JOBS = [
    ["cleaner", "driver", "farm worker", "kitchen aid", "packer", "labourer"],
    ["clerk", "nurse", "carpenter", "electrician", "shop assistant", "police officer", "cook", "mechanic"],
    ["teacher", "engineer", "manager", "accountant", "physician", "lawyer", "scientist"],
]
IDLE = ["pupil", "student", "retired", "unemployed"]
HEALTH = ["none", "asthma", "depression", "diabetes", "hypertension", "heart disease", "cancer", "HIV"]
YOUNG = [0.84, 0.10, 0.03, 0.01, 0.005, 0.005, 0.005, 0.005]
OLD = [0.22, 0.04, 0.08, 0.16, 0.26, 0.14, 0.10, 0.0]

STARTS = ["Ba", "Ce", "Da", "Fe", "Gi", "Ha", "Jo", "Ka", "Le", "Mi", "No", "Pe", "Ro", "Su", "Ta", "Vi", "We", "Zo"]
MIDDLES = ["la", "ri", "ne", "mo", "sa", "vi", "lu"]
WOMEN = ["na", "ra", "lia", "the", "sa", "ya"]
MEN = ["n", "ro", "s", "tor", "k", "lin"]
ENDS = ["dal", "berg", "ton", "mar", "vik", "sen", "low", "rin", "hult", "gard", "beck", "field"]


@dataclass(frozen=True)
class _People:
    """Everybody in the census, in the order of its rows: columns by name, and ages in years."""

    columns: dict[str, Any]
    age: Ints


def census(rows: int = 30_000, seed: int = 0) -> pd.DataFrame:
    """A generated census of made-up people: a row each, in no order.

    Args:
        rows: how many people, at most 20,000,000.
        seed: the same number gives the same people, here, in ``census_voters`` and in ``census_truth``.

    Returns:
        ``ssn`` (of number ranges that are never given out), ``name``, ``sex`` (F, M), ``birth_date`` (ISO 8601, a
        text), ``age`` (whole years on 2020-04-01), ``zip`` (5 digits, a text), ``household``, ``education``,
        ``occupation``, ``income`` (a year's, in hundreds) and ``health`` (one condition, or none).

    People live in households, share their zip code and mostly their family name, and age, education, occupation,
    income and health go together. Each zip code has about 700 people in the table and a few have many more, as in a
    sample of the population: nearly everybody is alone with birth date, zip code and sex. Of the whole population of
    the United States it was 87 %.

    Raises:
        InvalidRequest: more rows, or no whole numbers.
        MissingExtra: pandas is not installed.

    Source: Sweeney 2000, Simple Demographics Often Identify People Uniquely.

    >>> census(3, seed=1).shape
    (3, 11)
    """
    return _frame(_people(rows, seed).columns)


def census_voters(rows: int = 30_000, seed: int = 0, share: float = 0.8) -> pd.DataFrame:
    """The public list of registered voters among the people of ``census(rows, seed)``, in another order.

    Args:
        rows: as given to ``census``.
        seed: as given to ``census``.
        share: of the people of 18 years and more who are registered, in [0, 1].

    Returns:
        ``name``, ``sex``, ``birth_date``, ``zip``, as in the census.

    Raises:
        InvalidRequest: as ``census``, or a share outside [0, 1].
    """
    people = _people(rows, seed)
    chosen = _registered(people, seed, share)
    return _frame({name: people.columns[name][chosen] for name in ("name", "sex", "birth_date", "zip")})


def census_truth(rows: int = 30_000, seed: int = 0, share: float = 0.8) -> Ints:
    """For each row of ``census_voters`` the same person's row of ``census``: what only the owner knows.

    Args:
        rows: as given to both.
        seed: as given to both.
        share: as given to ``census_voters``.

    Returns:
        shape (voters,), positions from 0, as ``attack.Linkage`` takes them.
    """
    return _registered(_people(rows, seed), seed, share)


def _frame(columns: dict[str, Any]) -> pd.DataFrame:
    pandas = extra("pandas", "examples")
    kinds = {name: "str" if column.dtype == object else column.dtype for name, column in columns.items()}
    return pandas.DataFrame({name: pandas.Series(columns[name], dtype=kind) for name, kind in kinds.items()})


def _registered(people: _People, seed: int, share: float) -> Ints:
    grown = np.flatnonzero(people.age >= 18)
    count = round(number("share", share, 0, 1) * len(grown))
    return grown[Entropy(seed, rank=1).permutation(len(grown))[:count]]


def _people(rows: int, seed: int) -> _People:
    count, stream = whole("rows", rows), Entropy(whole("seed", seed))
    if count > MOST:
        raise InvalidRequest(f"rows={count} was asked for", f"at most {MOST:,} people")
    home, place = _households(count, stream)
    homes = int(home.max(initial=-1)) + 1
    years, sex = _years(home, place, homes, stream)
    birth = DAY - (years * 365.2425).astype(np.int64)
    age = _age(birth)
    level = _education(age, stream)
    job = _occupation(age, level, stream)
    found = {
        "ssn": _numbers(count, stream),
        "name": _names(home, place, homes, sex, stream),
        "sex": np.array(["F", "M"], dtype=object)[sex],
        "birth_date": _written(birth),
        "age": age,
        "zip": _zips(count, homes, stream)[home],
        "household": _labels("H", homes)[home],
        "education": np.array(EDUCATION, dtype=object)[level],
        "occupation": job,
        "income": _income(age, level, job, stream),
        "health": _health(age, stream),
    }
    order = stream.permutation(count)
    return _People({name: column[order] for name, column in found.items()}, age[order])


def _pick(shares: Any, drawn: Floats) -> Ints:
    """For each uniform draw the index of the share that it falls into."""
    ends = np.cumsum(np.asarray(shares, dtype=np.float64))
    return np.minimum(np.searchsorted(ends / ends[-1], drawn, side="right"), len(ends) - 1).astype(np.int64)


def _normal(count: int, stream: Entropy) -> Floats:
    from scipy.special import ndtri

    drawn: Floats = ndtri(stream.uniform(count) + 2.0**-54)
    return drawn


def _households(count: int, stream: Entropy) -> tuple[Ints, Ints]:
    """Each person's household, and their place in it from 0."""
    ends = np.cumsum(_pick(SIZES, stream.uniform(count)) + 1)
    home = np.searchsorted(ends, np.arange(count), side="right")
    starts = np.concatenate([[0], ends])[home]
    return home.astype(np.int64), np.arange(count) - starts


def _years(home: Ints, place: Ints, homes: int, stream: Entropy) -> tuple[Floats, Ints]:
    """Exact ages and sexes (0 a woman): a householder, mostly a partner, and children of the householder."""
    grid = np.linspace(AGES[0], AGES[-1], 2000)
    rising = np.cumsum(np.interp(grid, AGES, WEIGHTS))
    first = np.interp(stream.uniform(homes), rising / rising[-1], grid)[home]
    coin = stream.coins(homes, 0.5).astype(np.int64)[home]
    count = len(home)
    partner = (place == 1) & stream.coins(homes, 0.8)[home]
    child = (place > 0) & ~partner
    mate = np.clip(first - 1 + 4 * _normal(count, stream), 18, 104)
    born = first - 19 - 21 * stream.uniform(count)
    young = (born < 0) | ((born > 25) & stream.coins(count, 0.8))
    born = np.where(young, np.minimum(first - 15, 25) * stream.uniform(count), born)
    years = np.where(partner, mate, np.where(child, born, first))
    sex = np.where(partner, np.where(stream.coins(count, 0.95), 1 - coin, coin), coin)
    sex = np.where(child, stream.coins(count, 0.51).astype(np.int64), sex)
    return years, sex


def _age(birth: NDArray[np.datetime64]) -> Ints:
    """Whole years on the day of the census."""
    month = birth.astype("datetime64[M]")
    day = (birth - month.astype("datetime64[D]")).astype(np.int64)
    months = (DAY.astype("datetime64[M]") - month).astype(np.int64)
    return np.asarray((months - (day > 0)) // 12, dtype=np.int64)  # it is the first of a month


def _education(age: Ints, stream: Entropy) -> Ints:
    earlier = np.where(age > 65, 0.15, 0.0)  # who is old had less of it
    level = _pick(ADULTS, np.maximum(stream.uniform(len(age)) - earlier, 0))
    ceiling = np.array([0, 1, 2, 4, 5, 7])[np.searchsorted([12, 16, 19, 22, 25], age, side="right")]
    found: Ints = np.minimum(level, ceiling)
    return found


def _occupation(age: Ints, level: Ints, stream: Entropy) -> Texts:
    tier, drawn = np.searchsorted([3, 5], level, side="right"), stream.uniform(len(age)) ** 1.5
    found = np.empty(len(age), dtype=object)
    for index, jobs in enumerate(JOBS):
        here = np.flatnonzero(tier == index)
        found[here] = np.array(jobs, dtype=object)[(drawn[here] * len(jobs)).astype(np.int64)]
    found[stream.coins(len(age), 0.05)] = IDLE[3]
    found[(age >= 67) & stream.coins(len(age), 0.92)] = IDLE[2]
    found[(age < 23) & stream.coins(len(age), 0.6)] = IDLE[1]
    found[age < 18] = IDLE[0]
    return found


def _income(age: Ints, level: Ints, job: Texts, stream: Entropy) -> Ints:
    height = 10.0 + 0.2 * level - ((age - 50) / 45.0) ** 2 * 0.5 + 0.45 * _normal(len(age), stream)
    share = np.ones(len(age))
    for idle, part in zip(IDLE, (0.0, 0.3, 0.6, 0.35), strict=True):
        share[job == idle] = part
    return (np.round(np.exp(height) * share / 100) * 100).astype(np.int64)


def _health(age: Ints, stream: Entropy) -> Texts:
    old = np.clip(age / 90, 0, 1)
    drawn, found = stream.uniform(len(age)), np.zeros(len(age), dtype=np.int64)
    for low, high in zip(np.cumsum(YOUNG)[:-1], np.cumsum(OLD)[:-1], strict=True):
        found += drawn >= low + (high - low) * old
    return np.array(HEALTH, dtype=object)[found]


def _labels(letter: str, count: int) -> Texts:
    return np.array([f"{letter}{index:07d}" for index in range(count)], dtype=object)


def _numbers(count: int, stream: Entropy) -> Texts:
    """Distinct numbers of the form 9dd-dd-dddd whose middle is below 50: no office gives them out."""
    room, step = 50_000_000, 27_182_819  # without a common factor, so that none comes twice
    start = int(stream.uniform(1)[0] * room)
    code = (start + np.arange(count, dtype=np.int64) * step) % room
    area, middle, last = code // 500_000, code // 10_000 % 50, code % 10_000
    first = np.array([f"9{index:02d}-" for index in range(100)], dtype=object)
    second = np.array([f"{index:02d}-" for index in range(50)], dtype=object)
    third = np.array([f"{index:04d}" for index in range(10_000)], dtype=object)
    return np.asarray(first[area] + second[middle] + third[last], dtype=object)


def _names(home: Ints, place: Ints, homes: int, sex: Ints, stream: Entropy) -> Texts:
    women, men = (
        np.array([start + middle + end for start in STARTS for middle in MIDDLES for end in ends], dtype=object)
        for ends in (WOMEN, MEN)
    )
    families = np.array(
        [start + middle + end for start in STARTS for middle in ("", *MIDDLES) for end in ENDS], dtype=object
    )
    count = len(home)
    which = (stream.uniform(count) ** 1.5 * len(women)).astype(np.int64)  # some names are more frequent
    given = np.where(sex == 0, women[which], men[which])
    shared = (stream.uniform(homes) ** 1.7 * len(families)).astype(np.int64)[home]
    own = (stream.uniform(count) ** 1.7 * len(families)).astype(np.int64)
    family = families[np.where((place > 0) & stream.coins(count, 0.12), own, shared)]
    return np.asarray(given + " " + family, dtype=object)


def _zips(count: int, homes: int, stream: Entropy) -> Texts:
    """Each household's zip code. Neighbouring zip codes share their first three digits; their sizes are log-normal."""
    zips = max(1, round(count / PER_ZIP))
    each = max(8, math.ceil(zips / 1000))
    areas = stream.permutation(1000)[: math.ceil(zips / each)]
    offset = (stream.uniform(len(areas)) * 100).astype(np.int64)
    index = np.arange(zips)
    codes = areas[index // each] * 100 + (offset[index // each] + 7 * (index % each)) % 100
    sizes = np.exp(0.7 * _normal(zips, stream))
    named = np.array([f"{code:05d}" for code in codes.tolist()], dtype=object)
    return np.asarray(named[_pick(sizes, stream.uniform(homes))], dtype=object)


def _written(birth: NDArray[np.datetime64]) -> Texts:
    """Dates as ISO texts, each written once: there are far fewer days than people."""
    days, at = np.unique(birth, return_inverse=True)
    return np.asarray(np.datetime_as_string(days).astype(object)[at], dtype=object)
