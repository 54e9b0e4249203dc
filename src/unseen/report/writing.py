"""How pages write numbers and long texts, and the templates that do so."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from unseen.report.plots import finite

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["cut", "environment", "number"]

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def environment() -> Environment:
    """The templates, with what they need to write numbers. Everything is escaped."""
    from jinja2 import Environment, PackageLoader

    made = Environment(
        loader=PackageLoader("unseen.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = number
    made.filters["cut"] = cut
    return made


def number(value: object) -> str:
    """A value as a reader wants it: grouped digits, a true minus sign, never more digits than help."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "–" if value is None else cut(value, 400)
    if isinstance(value, float) and not math.isfinite(value):
        return "not a number" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if not finite(value):
        return cut(value, 40)
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}" if abs(value) < 1e12 else f"{value:.4g}"
    else:
        text = f"{value:.4g}"
    figure, _, power = text.partition("e")
    if power:
        times = "" if figure == "1" else f"{figure} × "
        text = f"{times}10{str(int(power)).translate(RAISED)}"
    return text.replace("-", "−").replace(",", "\N{NARROW NO-BREAK SPACE}")


def cut(value: object, most: int = 80) -> str:
    """A value's text, cut after so many letters."""
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"
