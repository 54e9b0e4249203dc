"""The TOML file of a recipe, read into frozen values; nothing here touches data."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unseen.core.errors import InvalidRecipe, InvalidRequest, shown
from unseen.core.guarantee import DP
from unseen.core.ledger import Basic, Composition, Renyi
from unseen.core.policy import Policy
from unseen.core.schema import Categorical, Digits, Domain, EachRow, Range, Schema
from unseen.recipe.keys import FLAG, NUMBER, TABLE, TEXT, TEXTS, WHOLE, Keys, Kind, either, near

__all__ = ["Document", "Part", "read"]

TABLES = ("title", "purpose", "data", "schema", "budget", "release", "attack", "policy")
BUDGET = ("epsilon", "delta", "ledger", "key", "composition")
COMPOSITIONS: dict[str, type[Composition]] = {one.name: one for one in (Basic, Renyi)}
MOST_COLUMNS = 500
PAIR = Kind("two numbers, [low, high]", lambda v: isinstance(v, list) and len(v) == 2 and all(map(NUMBER.fits, v)))
WORD = either(TEXT, NUMBER, FLAG)
WORDS = Kind(
    "a list of texts or numbers, at least one", lambda v: isinstance(v, list) and bool(v) and all(map(WORD.fits, v))
)
DOMAINS = {
    "range": "{range = [low, high]}",
    "categories": '{categories = ["no", "yes"]}',
    "digits": "{digits = 5}",
}


@dataclass(frozen=True)
class Part:
    """One ``[[release]]`` or ``[[attack]]``.

    Args:
        name: the release's name, or the attack's kind.
        kind: the guard, or the release that the attack is on.
        keys: the whole entry, for arguments and messages.
        folder: the recipe's.
    """

    name: str
    kind: str
    keys: Keys
    folder: Path

    def path(self, value: str) -> Path:
        """The file that a value names: relative to the recipe or the working directory, ``${NAME}`` filled in.

        Raises:
            InvalidRequest: an environment variable is not set.
        """

        def filled(found: re.Match[str]) -> str:
            if found[1] not in os.environ:
                raise InvalidRequest(f"{value!r} was given", f"the environment variable {found[1]} is set")
            return os.environ[found[1]]

        path = Path(re.sub(r"\$\{(\w+)\}", filled, value))
        beside = self.folder / path
        return beside if beside.is_file() else path


@dataclass(frozen=True)
class Document:
    """What a recipe's file says.

    Args:
        path: of the file.
        title: of the report.
        purpose: why, for the report and the ledger.
        source: ``dataset:NAME``, or a path relative to the file or the working directory.
        derive: new column's name to its expression.
        schema: the owner's declaration.
        budget: ε and δ over everything.
        ledger: path of the ledger, relative to the folder of the results, or a PostgreSQL URL.
        key: path of the owner's key, relative to the folder of the results; None for the one beside the ledger.
        composition: how prices add up; None where the recipe does not say.
        releases: in the order of the file.
        attacks: likewise.
        policy: what may be released without asking; None for anything.
    """

    path: Path
    title: str
    purpose: str
    source: str
    derive: Mapping[str, str]
    schema: Schema
    budget: DP
    ledger: str
    key: str | None
    composition: Composition | None
    releases: tuple[Part, ...]
    attacks: tuple[Part, ...]
    policy: Policy | None


def read(path: str | Path) -> Document:
    """Read a recipe's file.

    Raises:
        InvalidRecipe: naming file, key and what is allowed.
    """
    file = Path(path)
    top = Keys(file.name, "recipe", _toml(file), TABLES)
    data = Keys(file.name, "[data]", top.take("data", TABLE), ("source", "derive"))
    budget = Keys(file.name, "[budget]", top.take("budget", TABLE), BUDGET)
    with budget.faults():
        whole = DP(budget.take("epsilon", NUMBER), budget.take("delta", NUMBER, 0.0))
    releases = tuple(_part(file, "release", "guard", entry) for entry in _entries(top, "release", at_least=1))
    _each_once(releases)
    return Document(
        path=file,
        title=top.take("title", TEXT, file.stem),
        purpose=top.take("purpose", TEXT, ""),
        source=data.take("source", TEXT),
        derive=_derive(data),
        schema=_schema(top),
        budget=whole,
        ledger=_ledger(budget, f"{file.stem}.ledger"),
        key=budget.take("key", TEXT, None),
        composition=_composition(budget, whole),
        releases=releases,
        attacks=tuple(_part(file, "attack", "on", entry) for entry in _entries(top, "attack")),
        policy=_policy(top),
    )


def _ledger(budget: Keys, default: str) -> str:
    place: str = budget.take("ledger", TEXT, default)
    if "://" in place and "key" not in budget.table:
        raise budget.fault(
            "a ledger at a URL was given without its key", "the owner's key file", 'key = "patients.key"'
        )
    return place


def _composition(budget: Keys, whole: DP) -> Composition | None:
    name = budget.take("composition", TEXT, None)
    if name is None:
        return None
    if name not in COMPOSITIONS:
        raise budget.fault(f"composition = {name!r}", f"composition is {shown(COMPOSITIONS)}", near(name, COMPOSITIONS))
    found = COMPOSITIONS[name]()
    with budget.faults("composition"):
        found.record(whole)  # refuses a budget that it does not fit
    return found


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidRecipe(f"no recipe at {str(file)!r}", "the path of a TOML file") from None
    except OSError as error:
        raise InvalidRecipe(f"recipe {str(file)!r} cannot be read ({error.strerror})", "a readable file") from None
    except UnicodeDecodeError:
        raise InvalidRecipe(f"recipe {str(file)!r} is not text", "a TOML file in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidRecipe(f"{file.name}: {error}", "a well-formed TOML file") from None


def _entries(top: Keys, key: str, at_least: int = 0) -> list[Any]:
    kind = Kind(f"one or more [[{key}]] tables", lambda v: isinstance(v, list) and len(v) >= at_least)
    return list(top.take(key, kind, ... if at_least else []))


def _part(file: Path, table: str, kind: str, entry: object) -> Part:
    keys = Keys(file.name, f"[[{table}]]", entry)
    name = keys.take("name", TEXT)
    keys.where = f"[[{table}]] {name!r}"
    if table == "release" and (not _is_file_name(name)):
        raise keys.fault(f"name = {name!r}", "a name of letters, digits, spaces, - and _, at most 80: files bear it")
    return Part(name, keys.take(kind, TEXT), keys, file.parent)


def _is_file_name(name: str) -> bool:
    return len(name) <= 80 and name == name.strip() and all(one.isalnum() or one in " -_" for one in name)


def _each_once(releases: tuple[Part, ...]) -> None:
    seen: set[str] = set()
    for part in releases:
        if part.name.lower() in seen:
            raise part.keys.fault(f"name = {part.name!r} stands twice", "each release has a name of its own")
        seen.add(part.name.lower())


def _derive(data: Keys) -> dict[str, str]:
    keys = Keys(data.file, "[data] derive", data.take("derive", TABLE, {}))
    return {name: keys.take(name, TEXT) for name in keys.table}


def _schema(top: Keys) -> Schema:
    allowed = ("unit", "max_rows_per_unit", "quasi_identifiers", "sensitive", "columns")
    keys = Keys(top.file, "[schema]", top.take("schema", TABLE), allowed)
    columns = Keys(top.file, "[schema.columns]", keys.take("columns", TABLE))
    if len(columns.table) > MOST_COLUMNS:
        raise columns.fault(f"{len(columns.table):,} columns were declared", f"at most {MOST_COLUMNS}")
    unit = keys.take("unit", Kind('"row", or the name of the column that names the person', TEXT.fits))
    domains = {name: _domain(columns, name) for name in columns.table}
    with keys.faults():
        return Schema(
            unit=EachRow() if unit == "row" else unit,
            columns=domains,
            quasi_identifiers=tuple(keys.take("quasi_identifiers", TEXTS, [])),
            sensitive=tuple(keys.take("sensitive", TEXTS, [])),
            max_rows_per_unit=keys.take("max_rows_per_unit", WHOLE, 1),
        )


def _domain(columns: Keys, name: str) -> Domain:
    where = f"[schema.columns] {name}"
    keys = Keys(columns.file, where, columns.table[name], (*DOMAINS, "missing", "other"))
    kinds = [kind for kind in DOMAINS if kind in keys.table]
    if len(kinds) != 1:
        raise keys.fault(f"{shown(kinds) or 'no domain'} was declared", f"one of {', '.join(DOMAINS.values())}")
    with keys.faults():
        match kinds[0]:
            case "range":
                _only(keys, "range", "missing")
                low, high = keys.take("range", PAIR)
                return Range(low, high, keys.take("missing", NUMBER, None))
            case "categories":
                _only(keys, "categories", "other")
                return Categorical(*keys.take("categories", WORDS), other=keys.take("other", WORD, None))
            case _:
                _only(keys, "digits", "missing")
                return Digits(keys.take("digits", WHOLE), keys.take("missing", TEXT, None))


def _only(keys: Keys, *allowed: str) -> None:
    Keys(keys.file, keys.where, keys.table, allowed)


def _policy(top: Keys) -> Policy | None:
    if "policy" not in top.table:
        return None
    allowed = ("guards", "epsilon_at_most", "delta_at_most", "unpriced")
    keys = Keys(top.file, "[policy]", top.take("policy", TABLE), allowed)
    with keys.faults():
        return Policy(
            guards=tuple(keys.take("guards", TEXTS)),
            epsilon_at_most=keys.take("epsilon_at_most", NUMBER),
            delta_at_most=keys.take("delta_at_most", NUMBER, 0.0),
            unpriced=keys.take("unpriced", FLAG, False),
        )


def source_of(document: Document) -> Any:
    """The source that a recipe names: a bundled dataset, or an existing path.

    Raises:
        InvalidRecipe: neither the recipe's folder nor the working directory has the file.
    """
    from unseen import datasets

    keys = Keys(document.path.name, "[data]", {})
    if document.source.startswith(datasets.PREFIX):
        try:
            return datasets.load(document.source)
        except InvalidRequest as error:
            raise keys.fault(f"source: {error.asked}", error.allowed, error.fits) from None
    for folder in (document.path.parent, Path()):
        if (folder / document.source).is_file():
            return folder / document.source
    raise keys.fault(
        f"source = {document.source!r} is no file",
        f"a path relative to {str(document.path.parent)!r} or the working directory, or dataset:affairs",
    )
