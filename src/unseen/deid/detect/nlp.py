"""Persons, places, organisations and nationalities by a spaCy pipeline, beside the lexicon; extra `[nlp]`."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from unseen.core.errors import MissingExtra, extra
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.recogniser import BREAK, Recogniser

__all__ = ["LABELS", "Pipeline", "Spacy"]

LABELS: Mapping[str, tuple[Entity, float]] = MappingProxyType(
    {
        "PERSON": (Entity.PERSON, 0.7),
        "PER": (Entity.PERSON, 0.7),
        "GPE": (Entity.LOCATION, 0.6),
        "LOC": (Entity.LOCATION, 0.5),
        "ORG": (Entity.ORGANISATION, 0.2),
        "NORP": (Entity.NATIONALITY, 0.6),
    }
)
"""What a label means here, and the share of such findings that were right: `en_core_web_sm` 3.8 on short texts with
made-up names. Its organisations are below what a scan tells by default."""

_LONGEST = 100_000  # characters at once: a pipeline's memory grows with its text, and spaCy refuses a million
_MARKS = " \t\r\n.,;:!?'’\"“”()<>*-"


class Pipeline(Protocol):
    """What is needed of a loaded `spacy.Language`."""

    def pipe(self, texts: Iterable[str], *, batch_size: int) -> Iterator[Any]:
        """Documents with `ents`, each with `label_`, `start_char` and `end_char`."""


class Spacy(Recogniser):
    """The named entities of a spaCy pipeline.

    Args:
        model: the name of an installed pipeline, loaded at the first text, or a loaded one.
        labels: the pipeline's labels that count, each with its entity and its score from 0 to 1; spaCy tells none.

    It stands beside `Named`, not for it: ``scan(texts, recognisers=(*everything(), Spacy()))`` keeps the surer of two
    findings that overlap.

    **Guarantee**: none. Texts stay in this process.

    Raises:
        MissingExtra: spaCy or the pipeline is not installed.
    """

    def __init__(
        self, model: str | Pipeline = "en_core_web_sm", labels: Mapping[str, tuple[Entity, float]] = LABELS
    ) -> None:
        self._model, self._labels = model, labels
        if isinstance(model, str):
            spacy = extra("spacy", "nlp")
            if not spacy.util.is_package(model):
                raise MissingExtra(
                    f"the spaCy pipeline {model!r} is not installed", fits=f"python -m spacy download {model}"
                )

    def find(self, text: str) -> Iterator[Finding]:
        """See `Recogniser.find`."""
        pipeline = self._loaded()
        parts = list(_parts(text))
        documents = pipeline.pipe((text[start:end] for start, end in parts), batch_size=64)
        for (start, _), document in zip(parts, documents, strict=True):
            for found in document.ents:
                known = self._labels.get(found.label_)
                if known is not None:
                    yield from _trimmed(text, start + found.start_char, start + found.end_char, *known)

    def _loaded(self) -> Pipeline:
        if not isinstance(self._model, str):
            return self._model
        unused = ["parser", "lemmatizer", "attribute_ruler", "tagger"]
        loaded: Pipeline = extra("spacy", "nlp").load(self._model, exclude=unused)
        self._model = loaded
        return loaded


def _trimmed(text: str, start: int, end: int, entity: Entity, score: float) -> Iterator[Finding]:
    """The entity without the marks and blanks around it; of one that covers a line's end, the first line."""
    shown = text[start:end].lstrip(_MARKS)
    start = end - len(shown)
    shown = shown.split("\n")[0].rstrip(_MARKS)
    shown = shown[:-2] if shown.endswith(("'s", "’s")) else shown
    if shown:
        yield Finding(entity, start, start + len(shown), score, "pipeline")


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Each text of the batch, cut at a blank where it is too long."""
    start = 0
    while start < len(text):
        end = text.find(BREAK, start)
        end = len(text) if end < 0 else end
        while end - start > _LONGEST:
            cut = max(text.rfind("\n", start, start + _LONGEST), text.rfind(" ", start, start + _LONGEST)) + 1
            cut = cut if cut > start else start + _LONGEST
            yield start, cut
            start = cut
        if start < end:
            yield start, end
        start = end + 1
