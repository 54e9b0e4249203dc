"""The report as one self-contained HTML page: what was released, promised, found by attackers, and left."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from unseen.report import odometer, plots
from unseen.report.claims import Report, Verdict
from unseen.report.plots import finite
from unseen.report.summary import Account, Released, Summary
from unseen.report.writing import cut, environment, number

if TYPE_CHECKING:
    pass

__all__ = ["render", "render_ledger"]

MOST_ROWS = 60
MOST_ENTRIES = 200
MARKS = {
    Verdict.HOLDS: ("ok", "✓", "holds"),
    Verdict.BROKEN: ("bad", "✗", "broken"),
    Verdict.INCONCLUSIVE: ("open", "?", "inconclusive"),
    Verdict.NO_CLAIM: ("open", "–", "no claim"),
    Verdict.NOT_ATTACKED: ("open", "○", "not attacked"),
}
KINDS = {
    "DP": "differential privacy",
    "KAnonymity": "k-anonymity",
    "Robust": "certified robustness",
    "Encrypted": "encryption",
    "SecureSum": "secure sum",
    "Nothing": "nothing promised",
    "Pseudonymous": "nothing promised",
}


def render(summary: Summary) -> str:
    """One HTML page that opens offline, needs no script, and shows everything in the summary.

    Args:
        summary: what to show; if it is shareable, nothing that was computed without a price is shown.

    **Guarantee**: a shareable page shows of a release without a price its name and promise alone.
    """
    if summary.shareable:
        summary = summary.for_sharing()
    views = [_release(place, one, summary.shareable) for place, one in enumerate(summary.released, 1)]
    return (
        environment()
        .get_template("report.html")
        .render(
            summary=summary,
            releases=views,
            outcome=_outcome(views, summary),
            account=None if summary.account is None else _account(summary.account),
            utility=[] if summary.shareable else _utility(summary),
            limits=_limits(views),
            glance=_glance(views, summary),
        )
    )


def render_ledger(account: Account, name: str, locked: str = "", supposed: str = "", beside: str = "") -> str:
    """One HTML page of a ledger alone: what was spent, release by release.

    Args:
        account: the ledger.
        name: what it is called.
        locked: why nothing can be charged; empty if it can.
        supposed: figures of bookkeeping in words; empty if there are none.
        beside: a figure of bookkeeping, as ``odometer.bookkeeping`` draws it.
    """
    page = environment().get_template("odometer.html")
    return page.render(account=_account(account), name=name, locked=locked, supposed=supposed, beside=beside)


@cache
def _on(scale: str, value: object) -> str:
    """A value on a report's scale, in words."""
    if not finite(value):
        return number(value)
    figure = float(value)  # type: ignore[arg-type]
    if "share" in scale.lower():
        return f"{100 * figure:.3g}\u00a0%"
    return f"{figure:.3f}" if "AUC" in scale else f"{figure:.3g}".replace("-", "−")


def _figure(name: str, value: float, scale: str) -> str:
    rate = "share" in scale.lower() and name in _baselines_names(scale, {name: value})
    if finite(value) and abs(value) <= 1 and (rate or name[:3] in ("TPR", "FPR") or "share" in name):
        return f"{100 * value:.3g}\u00a0%"
    return f"{value:.3f}" if "AUC" in name and finite(value) else number(value)


def _baselines_names(scale: str, figures: Mapping[str, float]) -> list[str]:
    """The figures that stand on the report's own scale: what attackers get elsewhere."""
    words = ("before", "without") if "share" in scale.lower() else ("AUC",) if "AUC" in scale else ()
    return [name for name, value in figures.items() if finite(value) and name.startswith(words) and words]


def _release(place: int, one: Released, shareable: bool) -> dict[str, Any]:
    guarantee = dict(one.release.get("guarantee") or {})
    kind = str(guarantee.get("kind", "Nothing"))
    priced = kind == "DP"
    hidden = shareable and not priced
    report = one.report
    promise, _, limits = str(guarantee.get("sentence", "Nothing is promised.")).partition("; not promised: ")
    promise, _, trusted = promise.partition("; trusted: ")
    tone, mark, verdict = MARKS[report.verdict]
    if shareable and report.attack:
        tone, mark, verdict = "open", "○", "result withheld"
    title = f"Release {place}, {one.name}"
    value = None if hidden else one.release.get("value")
    return {
        "place": place,
        "name": one.name,
        "what": one.what or one.name,
        "guard": str(one.release.get("guard") or ""),
        "kind": KINDS.get(kind, kind),
        "price": _price(guarantee),
        "priced": priced,
        "hidden": hidden,
        "promise": promise.rstrip("."),
        "trusted": trusted,
        "limits": limits.rstrip("."),
        "value": _value(value, one.release.get("interval"), one.exact),
        "drawn": _drawn(title, one, value),
        "plots": [] if hidden else _plots(title, one, guarantee),
        "report": report,
        "tone": tone,
        "mark": mark,
        "verdict": verdict,
        "claimed": "nothing" if report.claimed is None else f"at most {_on(report.scale, report.claimed)}",
        "measured": None if report.measured is None else _on(report.scale, report.measured.value),
        "interval": ""
        if report.measured is None
        else f"{_on(report.scale, report.measured.low)} to {_on(report.scale, report.measured.high)}",
        "reach": _on(report.scale, report.reach) if finite(report.reach) else "",
        "baselines": [
            (n, _on(report.scale, report.figures[n])) for n in _baselines_names(report.scale, report.figures)
        ],
        "figures": [(n, _figure(n, v, report.scale)) for n, v in report.figures.items()],
        "strip": _strip(report),
        "utility": [] if shareable else one.utility,
        "receipt": one.release.get("receipt"),
    }


def _price(guarantee: Mapping[str, Any]) -> str:
    if guarantee.get("kind") == "DP":
        delta = f", δ {number(guarantee['delta'])}" if guarantee.get("delta") else ""
        return f"ε {guarantee.get('epsilon', 0):.4g}{delta}"
    return f"k = {guarantee['k']}" if "k" in guarantee else ""


def _value(value: Any, interval: Any, exact: Any) -> dict[str, Any]:
    """The released value in the shape in which the page shows it."""
    if value is None:
        return {"shape": "none"}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        ends = list(interval) if isinstance(interval, (list, tuple)) and len(interval) == 2 else None
        known = [v for v in (*(ends or ()), value, exact) if finite(v)]
        axis = (min(known), max(known)) if ends and known and finite(value) else None
        places = {}
        if axis and axis[1] > axis[0]:
            pad = 0.25 * (axis[1] - axis[0])
            marks = {"low": ends and ends[0], "high": ends and ends[1], "value": value, "exact": exact}
            places = {n: _percent(v, axis[0] - pad, axis[1] + pad) for n, v in marks.items() if finite(v)}
        return {"shape": "number", "text": number(value), "ends": ends, "exact": exact, "places": places}
    if isinstance(value, Mapping) and value and all(isinstance(v, (list, tuple)) for v in value.values()):
        names = list(value)[:30]
        rows = list(zip_longest(*(list(value[n])[:12] for n in names), fillvalue=""))
        return {"shape": "table", "names": names, "rows": rows, "columns": len(value)}
    if isinstance(value, Mapping):
        rows = []
        for key in list(value)[:MOST_ROWS]:
            low, high = plots.bounds(interval, key)
            rows.append((key, value[key], low, high, plots.at(exact, key)))
        has_exact = any(row[4] is not None for row in rows)
        return {"shape": "groups", "rows": rows, "exact": has_exact, "all": len(value)}
    return {"shape": "text", "text": cut(value, 600)}


def _drawn(title: str, one: Released, value: Any) -> list[tuple[str, str]]:
    """The released values as a figure and its caption, where they are numbers by name."""
    numeric = isinstance(value, Mapping) and any(finite(v) for v in value.values())
    made = []
    if numeric:
        mean = "mean" in str(one.release.get("guard", "")).lower()
        draw = plots.dots if mean or all(len(str(k)) > 8 for k in value) else plots.columns
        words = "Released, with the 95 % interval of its noise"
        words += "; the exact result in ochre, for the owner alone." if one.exact is not None else "."
        if len(value) > plots.MOST_COLUMNS:
            words += f" The first {plots.MOST_COLUMNS} of {number(len(value))} are drawn."
        made.append((draw(f"{title}: released values", value, one.release.get("interval"), one.exact), words))
    return [pair for pair in made if pair[0]]


def _plots(title: str, one: Released, guarantee: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a figure of the attack and its caption, those that the data allow."""
    report, made = one.report, []
    baselines = _baselines_names(report.scale, report.figures)
    if report.measured is not None and baselines:
        rows = [plots.Bar("this release, attacked", report.measured.value, _on(report.scale, report.measured.value),
                          report.measured.low, report.measured.high, bad=report.verdict is Verdict.BROKEN)]  # fmt: skip
        rows += [plots.Bar(n, report.figures[n], _on(report.scale, report.figures[n]), strong=False) for n in baselines]
        rows.sort(key=lambda row: -row.value)
        start, end = (min(0.5, *(r.value for r in rows)), 1.0) if "AUC" in report.scale else (0.0, None)
        claimed = report.claimed
        limit = (claimed, f"claimed: {_on(report.scale, claimed)}") if claimed is not None and finite(claimed) else None
        drawn = plots.bars(f"{title}: {report.scale}", rows, limit, start, end)
        made.append(
            (drawn, f"{report.scale[:1].upper()}{report.scale[1:]}: this release in teal, its baselines in ochre.")
        )
    rocs = {n: p for n, p in report.curves.items() if _is_roc(p)}
    if rocs:
        epsilon = guarantee.get("epsilon") if guarantee.get("kind") == "DP" else None
        drawn = plots.roc(
            f"{title}: members found at each false-positive rate", rocs, epsilon, guarantee.get("delta") or 0.0
        )
        made.append((drawn, "How many members are found, at each share of outsiders wrongly called members."))
    for name, points in report.curves.items():
        if name not in rocs:
            least = ", and the least that was promised" if guarantee.get("k") else ""
            x = "people in a class" if "class" in name else ""
            drawn = plots.sizes(f"{title}: {name}", points, guarantee.get("k"), x)
            made.append(
                (
                    drawn,
                    f"{name[:1].upper()}{name[1:]}: how much lies at each{least}.",
                )
            )
    return [pair for pair in made if pair[0]]


def _is_roc(points: Any) -> bool:
    return len(points) > 2 and all(0 <= x <= 1 and 0 <= y <= 1 for x, y in points) and points[-1][0] > 0.9


def _percent(value: float, low: float, high: float) -> float:
    return round(100 * min(1.0, max(0.0, (value - low) / ((high - low) or 1.0))), 2)


def _strip(report: Report) -> dict[str, Any] | None:
    """One row of the overview: claim, measurement and baselines as percentages of an axis of their own."""
    if report.claimed is None and report.measured is None:
        return None
    beside = [report.figures[n] for n in _baselines_names(report.scale, report.figures)]
    values = [*beside, report.claimed]
    if report.measured is not None:
        values += [report.measured.value, report.measured.low, report.measured.high]
    known = [float(v) for v in values if v is not None and finite(v)]
    if not known:
        return None
    auc = "AUC" in report.scale
    low = min(0.5, *known) - 0.02 if auc else min(0.0, *known)
    high = 1.0 if auc and max(known) <= 1 else (1.12 * max(known) or 1.0)
    if "share" in report.scale.lower() and max(known) <= 1:
        high = min(1.0, high)
    strip: dict[str, Any] = {
        "start": _on(report.scale, low if not auc else round(low, 2)),
        "end": _on(report.scale, high),
    }
    strip["claim"] = (
        _percent(report.claimed, low, high) if report.claimed is not None and finite(report.claimed) else None
    )
    strip["beside"] = [_percent(v, low, high) for v in beside]
    got = report.measured
    shown = got is not None and finite(got.value)
    strip["value"] = _percent(got.value, low, high) if got is not None and shown else None
    if got is not None and shown:
        strip["low"] = _percent(got.low if finite(got.low) else low, low, high)
        strip["high"] = _percent(got.high if finite(got.high) else high, low, high)
    return strip


def _spent(account: Account) -> float:
    """What was spent: ε, or under Rényi composition a share of the curve."""
    last = account.entries[-1].get("after") if account.entries else None
    if last is not None and finite(last):
        return float(last)
    if account.composition == "renyi":
        return math.nan if account.entries else 0.0
    if not (finite(account.epsilon) and finite(account.epsilon_left)):
        return math.nan
    return max(0.0, round(account.epsilon - account.epsilon_left, 9))


def _account(account: Account) -> dict[str, Any]:
    renyi = account.composition == "renyi"
    spent = _spent(account)
    releases = [e for e in account.entries if (e.get("kind") or "release") == "release"]
    return {
        "raw": account,
        "renyi": renyi,
        "left": _share(1 - spent) if renyi else f"ε {number(account.epsilon_left)}",
        "of": "of the curve left" if renyi else f"of {number(account.epsilon)}",
        "spent_words": f"{_share(spent)} of the curve for ε {number(account.epsilon)}, δ {number(account.delta)} used"
        if renyi
        else f"ε {number(spent)} of {number(account.epsilon)} spent",
        "parts": _stacked(account),
        "parts_used": any(e.get("part") for e in account.entries),
        "kinds": len(releases) < len(account.entries),
        "odometer": odometer.figure(account),
        "entries": account.entries[:MOST_ENTRIES],
        "unpriced": [e for e in releases if not e.get("priced", True)],
    }


def _share(value: float) -> str:
    return f"{number(round(100 * value, 1))}\u00a0%" if finite(value) else number(value)


def _stacked(account: Account) -> list[dict[str, Any]]:
    """The budget bar: what each entry added to the sum, the first nine by name."""
    budget = 1.0 if account.composition == "renyi" else account.epsilon
    before, added = 0.0, list[tuple[str, int, float, float]]()
    for entry in account.entries:
        after = entry["after"] if finite(entry.get("after")) else math.nan
        price = float(entry["epsilon"]) if finite(entry.get("epsilon")) else 0.0
        more = after - before if finite(after) else price
        before = after if finite(after) else before
        if more > 1e-12:
            name = cut(entry.get("purpose") or entry.get("guard") or entry.get("kind") or "?", 40)
            added.append((name, 1, more, price or more))
            if len(added) > 1 and added[-2][0] == name:  # one after another of one name are one part
                (_, count, some, paid), _ = added[-2:]
                added[-2:] = [(name, count + 1, some + more, paid + (price or more))]
    shown = [(name if count == 1 else f"{name} × {count}", more, price) for name, count, more, price in added[:9]]
    if rest := added[9:]:
        counts, sums, prices = (sum(values) for values in list(zip(*rest, strict=True))[1:])
        shown.append((f"{counts} more", sums, prices))
    drawn, at = [], 0.0
    for place, (name, more, price) in enumerate(shown):
        width = min(100 - at, 100 * more / budget) if finite(budget) and budget > 0 else 0.0
        drawn.append({"name": name, "epsilon": price, "x": round(at, 3), "width": round(width, 3),
                      "shade": (1.0, 0.62, 0.82, 0.46, 0.72)[place % 5]})  # fmt: skip
        at += width
    return drawn


def _utility(summary: Summary) -> list[dict[str, Any]]:
    made = []
    for place, one in enumerate(summary.released, 1):
        for use in one.utility:
            rows = [
                plots.Bar("released", use.released, number(use.released)),
                plots.Bar("without protection", use.unprotected, number(use.unprotected), strong=False),
            ]
            svg = plots.bars(f"Release {place}, {one.name}: {use.measure}", rows)
            made.append({"name": one.name, "use": use, "svg": svg})
    return made


def _outcome(views: list[dict[str, Any]], summary: Summary) -> list[str]:
    parts = ["1 release" if len(views) == 1 else f"{len(views)} releases"]
    if summary.shareable:
        parts.append(f"{sum(v['priced'] for v in views)} of them priced")
    else:
        counts = {verdict: sum(v["report"].verdict is verdict for v in views) for verdict in Verdict}
        attacked = len(views) - counts[Verdict.NOT_ATTACKED]
        if attacked and counts[Verdict.HOLDS] == attacked:
            each = "within its claim" if attacked == 1 else "all within their claims"
            parts.append(f"{attacked} attacked, {each}")
        elif attacked:
            words = ((Verdict.BROKEN, "claims broken" if counts[Verdict.BROKEN] > 1 else "claim broken"),
                     (Verdict.HOLDS, "within their claims" if counts[Verdict.HOLDS] > 1 else "within its claim"),
                     (Verdict.INCONCLUSIVE, "inconclusive"), (Verdict.NO_CLAIM, "without a claim"))  # fmt: skip
            parts.append(f"{attacked} attacked: " + ", ".join(f"{counts[v]} {w}" for v, w in words if counts[v]))
        elif views:
            parts.append("none attacked")
    if summary.account is None:
        parts.append("no ledger was kept")
    else:
        parts.append(str(_account(summary.account)["spent_words"]))
    return parts


def _glance(views: list[dict[str, Any]], summary: Summary) -> dict[str, Any]:
    epsilons = [
        v.get("epsilon")
        for one in summary.released
        for v in [one.release.get("guarantee") or {}]
        if v.get("kind") == "DP"
    ]
    most = max((float(e) for e in epsilons if e is not None and finite(e)), default=None)
    kinds: dict[str, int] = {}
    for view in views:
        kinds[view["kind"]] = kinds.get(view["kind"], 0) + 1
    return {
        "kinds": kinds,
        "most": most,
        "factor": None if most is None or most > 50 else number(round(math.exp(most), 2)),
        "unpriced": [v["name"] for v in views if not v["priced"]],
        "spared": [v["name"] for v in views if not v["report"].attack and v["report"].measured is None],
        "dp": any(v["priced"] for v in views),
    }


def _limits(views: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """What is not promised, each limit once, with the releases that it belongs to."""
    found: dict[str, list[str]] = {}
    for view in views:
        if view["limits"]:
            found.setdefault(view["limits"], []).append(view["name"])
    return list(found.items())
