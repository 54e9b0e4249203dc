"""The six models that `bench_train.py` trains, each with one batch of random rows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["CASES", "Case"]


class LeNet(nn.Module):
    """Two convolutions and two dense layers, for 1 x 28 x 28."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.body(x))
        return found


class Block(nn.Module):
    """Two 3 x 3 convolutions and a way around them, GroupNorm in place of BatchNorm."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.norm1 = nn.GroupNorm(8, outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.norm2 = nn.GroupNorm(8, outside)
        self.around: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.around = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.GroupNorm(8, outside))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.around(x))


class ResNet(nn.Module):
    """ResNet-18 as used for 3 x 32 x 32, of four stages of two blocks, half as wide."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.GroupNorm(8, width), nn.ReLU())
        stages: list[nn.Module] = []
        inside = width
        for number in range(4):
            outside = width << number
            stages += [Block(inside, outside, 1 if number == 0 else 2), Block(outside, outside, 1)]
            inside = outside
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inside, 10)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.stages(self.stem(x)).mean((2, 3)))
        return found


class Transformer(nn.Module):
    """torch's own encoder on sequences of vectors, and a head on their mean."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(256, 8, 1024, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.encoder(x).mean(1))
        return found


class Bag(nn.Module):
    """The mean of a bag's embeddings, and a dense layer. Bags are the rows of a matrix of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(20_000, 64, mode="mean")
        self.head = nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.bag(x))
        return found


class OffsetBag(Bag):
    """The same by EmbeddingBag's other call form, the only one that Opacus has a rule for.

    That rule counts a token once that stands twice in a bag. It is timed as it is.
    """

    def forward(self, x: Tensor) -> Tensor:
        starts = torch.arange(0, x.numel(), x.shape[1], device=x.device)
        found: Tensor = self.head(self.bag(x.flatten(), starts))
        return found


class MeanEmbedding(nn.Module):
    """The same function by Embedding and a mean, for which Opacus and torch.func have quicker rules."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20_000, 64)
        self.head = nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.embedding(x).mean(1))
        return found


@dataclass(frozen=True)
class Case:
    """A model, its batch size and its rows.

    Args:
        title: what is printed.
        build: makes the model.
        batch: rows of a step.
        inputs: makes so many rows of input.
        classes: of the labels.
        stand_ins: by way, another form of the same function and what it is, where the way cannot train the first.
        more_ways: ways beyond those that every model is trained by.
    """

    title: str
    build: Callable[[], nn.Module]
    batch: int
    inputs: Callable[[int], Tensor]
    classes: int = 10
    stand_ins: tuple[tuple[str, Callable[[], nn.Module], str], ...] = ()
    more_ways: tuple[str, ...] = ()

    def model(self, way: str) -> nn.Module:
        torch.manual_seed(0)
        return next((build for name, build, _ in self.stand_ins if name == way), self.build)()

    def form(self, way: str) -> str:
        """What the way trains instead, for its line in the table."""
        return next((f", {what}" for name, _, what in self.stand_ins if name == way), "")

    def rows(self, number: int) -> tuple[Tensor, Tensor]:
        torch.manual_seed(1)
        return self.inputs(number), torch.randint(self.classes, (number,))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))


def numbers(*shape: int) -> Callable[[int], Tensor]:
    return lambda rows: torch.randn(rows, *shape)


def tokens(rows: int) -> Tensor:
    return torch.randint(20_000, (rows, 40))


COMPILED = ("plain-compiled", "ours-compiled")
CASES: dict[str, Case] = {
    "mlp": Case("MLP 784-1024-1024-10", mlp, 256, numbers(784), more_ways=COMPILED),
    "lenet": Case("LeNet on 1 x 28 x 28", LeNet, 256, numbers(1, 28, 28)),
    "resnet": Case("ResNet-18 of width 32 with GroupNorm on 3 x 32 x 32", ResNet, 64, numbers(3, 32, 32)),
    "transformer": Case(
        "TransformerEncoder, 4 layers, d 256, 8 heads, feed-forward 1024, T 128", Transformer, 16, numbers(128, 256)
    ),
    "bag": Case(
        "EmbeddingBag 20,000 x 64, 40 tokens a bag, linear",
        Bag,
        256,
        tokens,
        classes=2,
        stand_ins=(
            ("hooks", OffsetBag, "offsets"),
            ("ghost", OffsetBag, "offsets"),
            ("ghost-embedding", MeanEmbedding, "Embedding + mean"),
            ("functorch", MeanEmbedding, "Embedding + mean"),
        ),
        more_ways=("ghost-embedding",),
    ),
    "logistic": Case(
        "logistic regression 10304-40",
        lambda: nn.Linear(10304, 40),
        256,
        numbers(10304),
        classes=40,
        more_ways=COMPILED,
    ),
}
