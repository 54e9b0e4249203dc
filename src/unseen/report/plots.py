"""Plots as inline SVG: they scale, follow light and dark through CSS variables, and never fail on odd data."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import re
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Bar", "Mark", "at", "bars", "bounds", "columns", "dots", "finite", "odometer", "roc", "sizes"]

WIDTH = 360  # units of the viewBox: close to a phone's width, so that text keeps its size there
TEXT = 12.5
MOST_COLUMNS = 60
MOST_POINTS = 300
MOST_ROWS = 24  # beyond, an odometer's rows get thinner and share labels

# Stand-ins that matplotlib draws with; `_svg` turns each into the page's CSS variable.
ACCENT, INK, MUTED, LINE, BAD, WARM = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06"
PAPER = "#0a0b07"
VARIABLES = {ACCENT: "accent", INK: "ink", MUTED: "muted", LINE: "line", BAD: "bad", WARM: "warm", PAPER: "card"}
BOOKKEEPING = "bookkeeping, not a guarantee"
STYLE: Any = {  # matplotlib's own type for this lists every key that it knows
    "svg.fonttype": "none",
    "text.parse_math": False,  # names are text, also where they hold a dollar sign
    "font.size": TEXT,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.unicode_minus": True,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Bar:
    """One bar: its label, length, the length in words, an interval, and whether it is what the page is about."""

    label: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None
    strong: bool = True
    bad: bool = False


@dataclass(frozen=True)
class Mark:
    """One row of an odometer: who, the sum after it, and whether the sum covers it; None of what is no release."""

    label: str
    after: float
    priced: bool | None = True


def finite(value: object) -> bool:
    """Whether this is a number that a plot can show."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e100


def bars(
    title: str,
    rows: Sequence[Bar],
    limit: tuple[float, str] | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> str:
    """Horizontal bars, each under its own label, with a limit that they are held against.

    Args:
        title: what a reader who cannot see it is told.
        rows: from top to bottom; those that are not finite are left out.
        limit: a value that a claim allows, and its label.
        start: where bars begin.
        end: where the axis ends; None for the longest bar.
    """
    kept = [row for row in rows if finite(row.value)]
    if not kept:
        return ""
    ends = [v for row in kept for v in (row.value, row.high) if v is not None and finite(v)]
    if limit is not None:
        ends.append(limit[0])
    stop = max(ends) if end is None else end
    span = (stop - start) or 1.0
    height = 42 * len(kept) + (24 if limit else 6)

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.005, 0.0, 0.99, 1.0))
        axes.set_axis_off()
        axes.set_xlim(start, start + span * 1.002)
        axes.set_ylim(height, 0)
        for index, row in enumerate(kept):
            top = 42 * index
            colour = BAD if row.bad else ACCENT if row.strong else WARM
            axes.text(start, top + 14, _label(row.label, 52 - len(row.text)), color=INK, va="baseline")
            axes.text(start + span, top + 14, row.text, ha="right", va="baseline", color=INK if row.strong else MUTED)
            axes.barh(top + 24, span, left=start, height=9, color=LINE, alpha=0.55)
            axes.barh(top + 24, row.value - start, left=start, height=9, color=colour, alpha=1 if row.strong else 0.8)
            if row.low is not None and row.high is not None and finite(row.low) and finite(row.high):
                axes.plot([row.low, row.high], [top + 24] * 2, color=INK, linewidth=1.3, solid_capstyle="butt")
                axes.plot([row.low, row.high], [top + 24] * 2, "|", color=INK, markersize=8)
        if limit is not None:
            for index in range(len(kept)):
                axes.plot([limit[0]] * 2, [42 * index + 18.5, 42 * index + 31], color=INK, linewidth=1.8)
            right = limit[0] - start > span / 2
            axes.text(limit[0], height - 6, limit[1], ha="right" if right else "left", va="baseline", color=MUTED)

    return _svg(title, height, draw)


def columns(title: str, value: Mapping[Any, Any], interval: Any = None, exact: Mapping[Any, Any] | None = None) -> str:
    """A histogram with the interval of its noise, and the exact heights as ticks where the owner has them."""
    shown = [(k, v) for k, v in value.items() if finite(v)][:MOST_COLUMNS]
    if not shown:
        return ""

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.12, 0.17, 0.87, 0.79))
        places = range(len(shown))
        axes.bar(places, [float(v) for _, v in shown], width=0.78, color=ACCENT, alpha=0.55)
        for place, (key, _) in zip(places, shown, strict=True):
            low, high = bounds(interval, key)
            if low is not None and high is not None:
                axes.plot([place, place], [low, high], color=INK, linewidth=1.2)
            true = at(exact, key)
            if finite(true):
                axes.plot([place - 0.39, place + 0.39], [true, true], color=WARM, linewidth=1.6)
        axes.axhline(0, color=LINE, linewidth=0.8)
        axes.set_xlim(-0.6, len(shown) - 0.4)
        longest = max(len(str(k)) for k, _ in shown)
        room = max(1, int(46 // (min(longest, 12) + 1.5)))
        step = max(1, math.ceil(len(shown) / room))
        axes.set_xticks(list(places)[::step], [_label(str(k), 12) for k, _ in shown][::step])
        _grid(axes)

    return _svg(title, 230, draw)


def dots(title: str, value: Mapping[Any, Any], interval: Any = None, exact: Mapping[Any, Any] | None = None) -> str:
    """One point a group with the interval of its noise; the exact result as a tick where the owner has it."""
    shown = [(k, v) for k, v in value.items() if finite(v)][:MOST_COLUMNS]
    if not shown:
        return ""
    height = 30 * len(shown) + 40

    def draw(figure: Figure) -> None:
        width = min(0.42, 0.05 + 0.017 * max(len(_label(str(k), 22)) for k, _ in shown))
        axes = figure.add_axes((width, 34 / height, 0.97 - width, 1 - 38 / height))
        for place, (key, number) in enumerate(shown):
            axes.axhline(place, color=LINE, linewidth=0.7)
            low, high = bounds(interval, key)
            if low is not None and high is not None:
                axes.plot([low, high], [place, place], color=ACCENT, linewidth=5, alpha=0.35)
            true = at(exact, key)
            if finite(true):
                axes.plot([true, true], [place - 0.28, place + 0.28], color=WARM, linewidth=1.6)
            axes.plot([number], [place], "o", color=ACCENT, markersize=7)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_yticks(range(len(shown)), [_label(str(k), 22) for k, _ in shown])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=5)
        axes.margins(x=0.08)
        axes.xaxis.set_major_formatter(_tick)

    return _svg(title, height, draw)


def roc(
    title: str,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    epsilon: float | None = None,
    delta: float = 0.0,
) -> str:
    """Membership inference: true against false positives, and the region that (ε, δ) leaves to any attack.

    Source: Kairouz, Oh and Viswanath 2015, theorem 2.1: TPR ≤ min(e^ε·FPR + δ, 1 − e^−ε·(1 − δ − FPR)).
    """
    kept = {name: [p for p in points if finite(p[0]) and finite(p[1])] for name, points in curves.items()}
    kept = {
        name: points[:: max(1, len(points) // MOST_POINTS)] + points[-1:] for name, points in kept.items() if points
    }
    if not kept:
        return ""
    looks = ((ACCENT, "-", 2.4), (MUTED, "--", 1.6), (WARM, "-", 1.8), (INK, "-.", 1.4))

    def draw(figure: Figure) -> None:
        height = 345 + 22 * (len(kept) + 2)
        axes = figure.add_axes((0.125, 1 - 318 / height, 0.82, 295 / height))
        if epsilon is not None and finite(epsilon):
            grid = [i / 200 for i in range(201)]
            factor = math.exp(min(epsilon, 50.0))
            top = [max(0.0, min(1.0, factor * x + delta, 1 - (1 - delta - x) / factor)) for x in grid]
            axes.fill_between(grid, [1 - y for y in reversed(top)], top, color=ACCENT, alpha=0.14, linewidth=0,
                              label=f"all that ε {epsilon:.3g} allows any attacker")  # fmt: skip
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1.2, label="guessing")
        for index, (name, points) in enumerate(kept.items()):
            colour, dash, width = looks[index % len(looks)]
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=dash, linewidth=width, label=_label(name, 40))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.005)
        ticks = [0, 0.25, 0.5, 0.75, 1]
        axes.set_xticks(ticks, ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.set_yticks(ticks[1:], ["25 %", "50 %", "75 %", "100 %"])
        axes.set_xlabel("outsiders wrongly called members", labelpad=3)
        axes.text(0.02, 0.955, "members found", color=MUTED)
        axes.legend(loc="upper left", bbox_to_anchor=(-0.15, -0.135), fontsize=TEXT, handlelength=1.9,
                    borderpad=0, labelspacing=0.35, labelcolor=INK)  # fmt: skip

    return _svg(title, 345 + 22 * (len(kept) + 2), draw)


def sizes(title: str, points: Sequence[tuple[float, float]], k: float | None = None, x: str = "", y: str = "") -> str:
    """How much lies at each size, such as how many people stand in classes of how many, with the least size allowed."""
    kept = sorted(p for p in points if all(finite(v) and (v == 0 or 1e-6 <= v < 1e12) for v in p))[:MOST_POINTS]
    if not kept:
        return ""

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.12, 0.21, 0.87, 0.73))
        wide = kept[0][0] > 0 and kept[-1][0] > 40 * kept[0][0]
        if wide:
            axes.set_xscale("log")
        axes.vlines([p[0] for p in kept], 0, [p[1] for p in kept], color=ACCENT, alpha=0.35, linewidth=1.6)
        axes.plot(*zip(*kept, strict=True), "o", color=ACCENT, markersize=3.6)
        if k is not None and finite(k):
            axes.axvline(k, color=INK, linewidth=1.4)
            axes.annotate(f"k = {k:g}", (k, 1), xycoords=("data", "axes fraction"), xytext=(4, -3),
                          textcoords="offset points", color=INK)  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x, labelpad=3)
        axes.set_title(y, loc="left", color=MUTED, fontsize=TEXT, pad=2)
        axes.minorticks_off()
        _grid(axes)
        if not wide and all(size == int(size) for size, _ in kept):
            from matplotlib.ticker import MaxNLocator

            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
            axes.set_xlim(min(kept[0][0], k or kept[0][0]) - 1, kept[-1][0] + 1)
        axes.xaxis.set_major_formatter(_tick)

    return _svg(title, 220, draw)


def odometer(
    title: str, marks: Sequence[Mark], limit: tuple[float, str], own: bool = True, percent: bool = False
) -> str:
    """What was spent, one step a release from top to bottom, up to the budget.

    Args:
        title: what is counted, and how much of it in all.
        marks: in the ledger's order; those that the sum does not cover are hollow.
        limit: the budget, and its label.
        own: whether this is the sum that the ledger admits by; any other is marked as bookkeeping.
        percent: whether the sum is a share.
    """
    rows = [mark for mark in marks if finite(mark.after)]
    count = max(1, len(rows))
    each = 24.0 if count <= MOST_ROWS else 400 / count
    bare = [place for place, mark in enumerate(rows) if mark.priced is False]
    top, bottom = 44, 46 if bare else 26
    height = round(top + each * count + bottom)
    labels = _row_labels(rows, each)
    left = min(0.44, 0.045 + 0.0185 * max((len(label) for _, label in labels), default=1))
    right = 0.945 if percent else 0.965  # room for half of the last tick's label
    stop = max([limit[0], *(mark.after for mark in rows)]) or 1.0

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((left, bottom / height, right - left, each * count / height))
        figure.text(0.005, 1 - 14 / height, _label(title, 52), color=INK)
        figure.text(0.005, 1 - 33 / height, "the sum that the ledger admits by" if own else BOOKKEEPING,
                    color=MUTED if own else WARM)  # fmt: skip
        figure.text(right, 1 - 33 / height, limit[1], color=INK, ha="right")
        sums = [0.0, *(mark.after for mark in rows)]
        kept = sorted({*range(0, len(rows), math.ceil(count / 600)), len(rows) - 1}) if rows else []
        path = [(0.0, 0.0)]
        for place in kept:
            path += [(sums[place], place + 0.5), (sums[place + 1], place + 0.5)]
        path.append((sums[-1], float(len(rows))))
        axes.fill_betweenx([y for _, y in path], [x for x, _ in path], color=ACCENT, alpha=0.14, linewidth=0)
        axes.plot(*zip(*path, strict=True), color=ACCENT, linewidth=2.2 if each > 6 else 1.5)
        if count <= MOST_ROWS:
            full = [place for place, mark in enumerate(rows) if mark.priced]
            axes.plot([sums[p + 1] for p in full], [p + 0.5 for p in full], "o", color=ACCENT, markersize=6,
                      clip_on=False)  # fmt: skip
        for place in bare[:MOST_COLUMNS]:
            axes.plot([sums[place + 1]], [place + 0.5], "o", markersize=6, markerfacecolor=PAPER, clip_on=False,
                      markeredgecolor=ACCENT, markeredgewidth=1.5)  # fmt: skip
        axes.axvline(limit[0], color=INK, linewidth=1.8)
        axes.set_xlim(0, stop)
        axes.set_ylim(count, 0)
        axes.set_yticks([y for y, _ in labels], [label for _, label in labels])
        axes.tick_params(axis="y", labelcolor=INK, pad=8)  # a mark may stand at 0
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=5 if left < 0.3 else 4)
        axes.xaxis.set_major_formatter(_percent if percent else _tick)
        if bare:
            figure.text(0.005, 8 / height, "○ without a price: not in the sum", color=MUTED)

    return _svg(title, height, draw)


def _row_labels(rows: Sequence[Mark], each: float) -> list[tuple[float, str]]:
    """Where the labels of rows stand: one each, or one for all of a kind in a row where they would not fit."""
    if len(rows) <= MOST_ROWS:
        return [(place + 0.5, _label(mark.label, 22)) for place, mark in enumerate(rows)]
    found: list[tuple[float, str]] = []
    free, start = 0.0, 0
    for place in range(1, len(rows) + 1):
        if place == len(rows) or rows[place].label != rows[start].label:
            middle, many = (start + place) / 2, place - start
            if middle * each - 8 >= free and middle * each + 8 <= each * len(rows):
                times = f" × {many}" if many > 1 else ""
                found.append((middle, _label(rows[start].label, 22 - len(times)) + times))
                free = middle * each + 8
            start = place
    return found


def _percent(value: float, _: object = None) -> str:
    return f"{100 * value:.4g} %"


def _grid(axes: Axes) -> None:
    axes.locator_params(axis="y", nbins=5)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.yaxis.set_major_formatter(_tick)


def _tick(value: float, _: object = None) -> str:
    for size, sign in ((1e9, " bn"), (1e6, " m"), (1e3, " k")):
        if size <= abs(value) < 1e12:
            return f"{value / size:.4g}{sign}"
    return f"{value:.4g}".replace("-", "−")


def _label(text: str, most: int) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= most else text[: max(1, most - 1)].rstrip() + "…"


def at(values: Any, key: Any) -> Any:
    """What belongs to a key, also where the keys became text on the way."""
    if not isinstance(values, Mapping):
        return None
    return values.get(key, values.get(str(key)))


def bounds(interval: Any, key: Any) -> tuple[float | None, float | None]:
    """The finite interval of a key, or nothing."""
    pair = at(interval, key)
    if isinstance(pair, (list, tuple)) and len(pair) == 2 and finite(pair[0]) and finite(pair[1]):
        return float(pair[0]), float(pair[1])
    return None, None


def _svg(title: str, height: float, draw: Any) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    stream = StringIO()
    # A glyph that matplotlib's own font lacks is drawn by the reader's: its warning says nothing here.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": title}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        draw(figure)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*</defs>", "", text)
    text = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font-family: [^;\"]*;?", "", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    name = f"p{zlib.crc32((title + text).encode()):x}"  # ids must differ between the plots of one page
    used = set(re.findall(r"#([\w-]+)[\")]", text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r"(href=\"|url\()#", rf"\1#{name}-", text)
    opening = text.index(">") + 1
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink"><title>{escape(title)}</title>{text[opening:]}'
    )
