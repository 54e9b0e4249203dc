"""How many people are unique in a population of which the table is a sample: three models, and when each fails."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import Nothing, whole
from unseen.deid.owners import OWNERS, Owners

__all__ = ["Estimate", "PopulationUniqueness", "population_uniqueness"]

Floats = NDArray[np.float64]

EDGE = 1e-4
"""Parameters closer than that to an end of their range are at it: the likelihood has no maximum inside."""
SLOPE = 3e-5
"""The greatest slope of the mean log likelihood, in the transformed parameters, that counts as a maximum."""
SMALL = 0.1
"""Up to this sampling fraction the decision rule takes Pitman's model."""
ASTRAY = 1.5
"""By which factor the population that a fit implies may differ from the given one."""


@dataclass(frozen=True)
class Estimate:
    """What one model says.

    Args:
        model: its name.
        uniques: how many people of the population are unique; None where the model gives no number.
        share: their share of the population; None likewise.
        why: how it was found, or why there is no number.
        parameters: of the fitted model.
    """

    model: str
    uniques: float | None
    share: float | None
    why: str
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PopulationUniqueness(Owners):
    """What the three models say, and which of them the decision rule takes.

    Args:
        sample: people in the table.
        population: people in the population.
        pitman: for small samples of populations with many rare combinations.
        zayatz: takes the sample's class sizes for the population's; needs a large sample.
        snb: for populations whose class sizes scatter like a slid negative binomial distribution.
        chosen: of these, by the decision rule.
        guarantee: that nothing is promised: it stays with the owner.

    Source: Dankar, El Emam, Neisa and Roffey 2012, whose rule takes Pitman's model up to a sampling fraction of 0.1 and
    beyond it the smaller one of Zayatz's and the slid negative binomial. Where the model that it names gives no
    number, Zayatz's is taken.
    """

    sample: int
    population: int
    pitman: Estimate
    zayatz: Estimate
    snb: Estimate
    chosen: Estimate
    guarantee: Nothing = OWNERS


def population_uniqueness(sizes: Mapping[int, int], population: int) -> PopulationUniqueness:
    """How many people of a population are unique, from the class sizes of a simple random sample of it.

    Args:
        sizes: for each class size how many classes of the sample have it.
        population: people in the population, at least as many as in the sample.

    Raises:
        InvalidRequest: no classes, or a population smaller than the sample.
    """
    clean = {whole("size", size, 1): whole("classes", count, 0) for size, count in sizes.items()}
    clean = {size: count for size, count in clean.items() if count}
    sample = sum(size * count for size, count in clean.items())
    if not clean:
        raise InvalidRequest("population uniqueness of no classes was asked for", "at least one person in the sample")
    total = whole("population", population, 1)
    if total < sample:
        raise InvalidRequest(
            f"a population of {total:,} was given for a sample of {sample:,}", "at least as many people as the sample"
        )
    size, count = (np.array(values, dtype=np.float64) for values in zip(*sorted(clean.items()), strict=True))
    pitman = _stated("Pitman", lambda: _pitman(size, count, total), size, count, total)
    zayatz = _stated("Zayatz", lambda: _zayatz(size, count, total), size, count, total)
    snb = _stated("slid negative binomial", lambda: _snb(size, count, total), size, count, total)
    if sample / total <= SMALL:
        chosen = pitman if pitman.uniques is not None else zayatz
    else:
        found = [one for one in (snb, zayatz) if one.uniques is not None]
        chosen = min(found, key=lambda one: one.uniques or 0.0) if found else zayatz
    return PopulationUniqueness(sample, total, pitman, zayatz, snb, chosen)


class _NoNumber(Exception):
    """Why a model gives no number."""


def _stated(
    name: str, fit: Callable[[], tuple[float, str, dict[str, float]]], size: Floats, count: Floats, total: int
) -> Estimate:
    """A model's number if it is one, else why not."""
    if size @ count == total:
        alone = float(count[size == 1].sum())
        return Estimate(name, alone, alone / total, "The table is the whole population: counted, not estimated.")
    if size[0] > 1:
        return Estimate(name, 0.0, 0.0, "Nobody is unique in the sample; the models take that for nobody at all.")
    try:
        uniques, why, parameters = fit()
    except _NoNumber as reason:
        return Estimate(name, None, None, f"No number: {reason}.")
    if not 0 <= uniques <= total * (1 + 1e-9):  # also where it is not a number
        return Estimate(name, None, None, "No number: the fitted model does not give one between 0 and everybody.")
    return Estimate(name, uniques, uniques / total, why, parameters)


def _zayatz(size: Floats, count: Floats, total: int) -> tuple[float, str, dict[str, float]]:
    """Bayes's rule for "one in the population" given "one in the sample".

    Source: Zayatz 1991; Dankar et al. 2012, appendix A: P(F=1|f=1) = p₁h(1) / Σ pⱼh(j), with pⱼ the sample's share of
    classes of size j and h(j) the hypergeometric probability that one of j is drawn; uniques = s₁ P(F=1|f=1) N/n.
    """
    from scipy.special import gammaln

    sample = float(size @ count)
    free = total - size - sample + 1
    possible = np.where(free >= 0, free, 0.0)
    drawn = np.log(size) + gammaln(total - size + 1) - gammaln(sample) - gammaln(possible + 1)
    drawn -= gammaln(total + 1) - gammaln(sample + 1) - gammaln(total - sample + 1)
    weight = np.where(free >= 0, count / count.sum() * np.exp(drawn), 0.0)
    chance = float(weight[0] / weight.sum())
    alone = float(count[0])
    why = "Bayes's rule, with the sample's class sizes for the population's: too many uniques from a small sample."
    return alone * chance * total / sample, why, {"unique if unique in the sample": chance}


def _pitman(size: Floats, count: Floats, total: int) -> tuple[float, str, dict[str, float]]:
    """Pitman's sampling formula, fitted by maximum likelihood.

    Source: Hoshino 2001: the likelihood of (α, θ) is Π(θ+iα) / Π(θ+i) · Π (1-α)(2-α)…(j-1-α); uniques of N are
    N Γ(θ+1)Γ(θ+α+N-1) / (Γ(θ+α)Γ(θ+N)), about N^α Γ(θ+1)/Γ(θ+α).
    """
    from scipy.special import digamma, expit, gammaln

    sample, classes = float(size @ count), float(count.sum())
    if classes == count[0]:
        raise _NoNumber("everybody is unique in the sample, so that the likelihood has no maximum (α runs to 1)")
    steps = np.arange(1.0, classes)
    if not len(steps):
        raise _NoNumber("there is one class only")

    def likelihood(at: Floats) -> tuple[float, Floats]:
        alpha, shifted = float(expit(at[0])), math.exp(min(at[1], 100.0))
        theta = shifted - alpha
        grown = theta + steps * alpha
        value = np.log(grown).sum() - (gammaln(theta + sample) - gammaln(theta + 1))
        value += count @ (gammaln(size - alpha) - gammaln(1 - alpha))
        by_theta = (1 / grown).sum() - (digamma(theta + sample) - digamma(theta + 1))
        by_alpha = (steps / grown).sum() - count @ (digamma(size - alpha) - digamma(1 - alpha))
        slope = np.array([(by_alpha - by_theta) * alpha * (1 - alpha), by_theta * shifted])
        return -float(value) / classes, -slope / classes

    at, slope = _highest(likelihood, [(alpha, math.log(theta)) for alpha in (-1.5, 1.0) for theta in (10.0, classes)])
    alpha, theta = float(expit(at[0])), math.exp(at[1]) - float(expit(at[0]))
    if not EDGE < alpha < 1 - EDGE or theta > 1e3 * sample:
        raise _NoNumber(
            "the likelihood has no maximum inside 0 < α < 1: the class sizes are more even than Pitman's model knows"
            if alpha < 0.5
            else "the likelihood has no maximum inside 0 < α < 1: nearly everybody is unique in the sample"
        )
    _converged(slope)
    uniques = math.exp(
        math.log(total)
        + gammaln(theta + 1)
        - gammaln(theta + alpha)
        + (gammaln(theta + alpha + total - 1) - gammaln(theta + total))
    )
    return uniques, "Pitman's sampling formula, by maximum likelihood.", {"alpha": alpha, "theta": theta}


def _snb(size: Floats, count: Floats, total: int) -> tuple[float, str, dict[str, float]]:
    """Class sizes in the population are 1 plus a negative binomial number, thinned by the sampling.

    With sampling fraction π a class shows 1 with probability π, plus a negative binomial number of the same α and
    β' = β / (β + π(1-β)); classes that show nothing are not seen. K classes, K β^α of them uniques.

    Source: Chen and Keller-McNulty 1998, the model. They solve two equations for the classes of one and two, with
    Shlosser's estimate of K; here all class sizes tell, by the likelihood of what is seen, and K = seen / P(seen).
    """
    from scipy.special import expit
    from scipy.stats import nbinom

    sample, classes = float(size @ count), float(count.sum())
    fraction = sample / total
    if classes == count[0]:
        raise _NoNumber("everybody is unique in the sample, which says nothing of how class sizes scatter")

    def parameters(at: Floats) -> tuple[float, float, float, float]:
        alpha, beta = math.exp(min(max(at[0], -30.0), 30.0)), float(expit(at[1]))
        thinned = beta / (beta + fraction * (1 - beta))
        return alpha, beta, thinned, (1 - fraction) * thinned**alpha

    def value(at: Floats) -> float:
        alpha, _, thinned, unseen = parameters(at)
        more = nbinom.logpmf(size, alpha, thinned) + math.log1p(-fraction)
        one = nbinom.logpmf(size - 1, alpha, thinned) + math.log(fraction)
        found = count @ np.logaddexp(more, one) - classes * math.log1p(-unseen)
        return -float(found) / classes if math.isfinite(found) else 1e6

    def likelihood(at: Floats) -> tuple[float, Floats]:
        step = 1e-5
        slope = [(value(at + way) - value(at - way)) / (2 * step) for way in np.eye(2) * step]
        return value(at), np.array(slope)

    at, slope = _highest(likelihood, [(alpha, beta) for alpha in (-1.5, 0.7) for beta in (-4.0, 0.0)])
    alpha, beta, _, unseen = parameters(at)
    if not (1e-6 < alpha < 1e6 and EDGE**2 < beta < 1 - EDGE):
        raise _NoNumber("the likelihood has no maximum inside: class sizes do not scatter like a negative binomial")
    _converged(slope)
    everything = classes / (1 - unseen)
    implied = everything * (1 + alpha * (1 - beta) / beta)
    if not 1 / ASTRAY < implied / total < ASTRAY:
        raise _NoNumber(
            f"the fitted model implies a population of {implied:,.0f} and not {total:,}: it does not describe the table"
        )
    found = {"alpha": alpha, "beta": beta, "classes": everything}
    why = "A slid negative binomial distribution, by maximum likelihood."
    if fraction <= SMALL:
        why += f" A sample of {fraction:.2%} tells little of how the population's classes scatter."
    return everything * beta**alpha, why, found


def _highest(
    likelihood: Callable[[Floats], tuple[float, Floats]], starts: list[tuple[float, float]]
) -> tuple[Floats, float]:
    """Where minus the mean log likelihood is least, from the best of several starts, and its slope there."""
    from scipy.optimize import minimize

    best: tuple[float, Floats] | None = None
    with np.errstate(all="ignore"):
        for start in starts:
            found = minimize(
                likelihood,
                np.array(start),
                jac=True,
                method="L-BFGS-B",
                bounds=[(-30.0, 30.0), (-30.0, 60.0)],
                options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-9},
            )
            if np.isfinite(found.fun) and (best is None or found.fun < best[0]):
                best = float(found.fun), np.asarray(found.x, dtype=np.float64)
        if best is None:
            raise _NoNumber("the likelihood could not be computed")
        return best[1], float(np.abs(likelihood(best[1])[1]).max())


def _converged(slope: float) -> None:
    if not slope < SLOPE:
        raise _NoNumber(f"the search for the likeliest parameters did not converge (slope {slope:.1g})")
