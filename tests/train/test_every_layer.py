"""Every class that torch.nn exports trains as a loop over rows would, or is refused by an error that names the fix."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from tests.train.oracle import assert_same
from torch import Tensor, nn
from torch.nn import functional

from unseen.core.errors import InvalidRequest
from unseen.train.clipping import Flat
from unseen.train.gradients import ClippedSum
from unseen.train.layers import COMPOSITES, FAMILIES
from unseen.train.refusals import check_model
from unseen.train.slow import SlowModel

ROWS = 4
Build = Callable[[], nn.Module]


def called(module: Any, x: Tensor) -> Any:
    return module(x)


def twice(module: Any, x: Tensor) -> Any:
    return module(x, x)


def halves(module: Any, x: Tensor) -> Any:
    return module(*x.chunk(2, -1))


def first(module: Any, x: Tensor) -> Any:
    return module(x)[0]


@dataclass(frozen=True)
class Trains:
    """It has parameters; each row's gradient is that of the row alone.

    Args:
        build: makes one.
        shape: of one row.
        call: gives its output for rows.
        ids: whether the rows are whole numbers below 5.
    """

    build: Build
    shape: tuple[int, ...]
    call: Callable[[Any, Tensor], Any] = called
    ids: bool = False


@dataclass(frozen=True)
class Passes:
    """It has no parameters; gradients pass through it row by row, to a linear map before it."""

    build: Build
    shape: tuple[int, ...] = (2, 6)
    call: Callable[[Any, Tensor], Any] = called


@dataclass(frozen=True)
class Measures:
    """It is a loss, of a linear map's output and of ``others``, which have one entry for each row."""

    build: Build
    shape: tuple[int, ...] = (4,)
    others: tuple[Tensor, ...] = ()
    call: Callable[..., Tensor] = lambda module, output, *others: module(output, *others)


@dataclass(frozen=True)
class Refused:
    """It can't train, and the error says what to do instead."""

    build: Build
    fix: str


Entry = Trains | Passes | Measures | Refused


def numbers(*shape: int) -> Tensor:
    return torch.randn((ROWS, *shape), generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def labels(*shape: int, below: int = 4) -> Tensor:
    return torch.randint(below, (ROWS, *shape), generator=torch.Generator().manual_seed(1))


def signs() -> Tensor:
    return 2.0 * labels(below=2).double() - 1


def at_lengths(module: Any, output: Tensor, targets: Tensor) -> Tensor:
    """Two labels in four frames."""
    probabilities = output.log_softmax(-1).transpose(0, 1)
    found: Tensor = module(probabilities, targets, (4,) * len(output), (2,) * len(output))
    return found


def unpooled(module: Any, x: Tensor) -> Any:
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[x.dim() - 3]
    return module(*pool(x, 2, return_indices=True))


LAZY, GROUP, NO_FORWARD = "made-up rows", "GroupNorm", "a model that takes the batch's first tensor"

TABLE: dict[str, Entry] = {
    # --- Linear maps and tables ---
    "Bilinear": Trains(lambda: nn.Bilinear(2, 2, 3), (4,), halves),
    "Embedding": Trains(lambda: nn.Embedding(5, 3, padding_idx=0), (4,), ids=True),
    "EmbeddingBag": Trains(lambda: nn.EmbeddingBag(5, 3), (4,), ids=True),
    "LazyLinear": Refused(lambda: nn.LazyLinear(3), LAZY),
    "Linear": Trains(lambda: nn.Linear(4, 3), (2, 4)),
    # --- Convolutions ---
    "Conv1d": Trains(lambda: nn.Conv1d(2, 4, 3, groups=2), (2, 6)),
    "Conv2d": Trains(lambda: nn.Conv2d(2, 3, 2, stride=2), (2, 4, 5)),
    "Conv3d": Trains(lambda: nn.Conv3d(2, 2, 2, padding=1), (2, 3, 2, 3)),
    "ConvTranspose1d": Trains(lambda: nn.ConvTranspose1d(2, 3, 3, stride=2), (2, 4)),
    "ConvTranspose2d": Trains(lambda: nn.ConvTranspose2d(2, 3, 2), (2, 3, 3)),
    "ConvTranspose3d": Trains(lambda: nn.ConvTranspose3d(2, 2, 2), (2, 2, 2, 2)),
    "LazyConv1d": Refused(lambda: nn.LazyConv1d(2, 3), LAZY),
    "LazyConv2d": Refused(lambda: nn.LazyConv2d(2, 3), LAZY),
    "LazyConv3d": Refused(lambda: nn.LazyConv3d(2, 3), LAZY),
    "LazyConvTranspose1d": Refused(lambda: nn.LazyConvTranspose1d(2, 3), LAZY),
    "LazyConvTranspose2d": Refused(lambda: nn.LazyConvTranspose2d(2, 3), LAZY),
    "LazyConvTranspose3d": Refused(lambda: nn.LazyConvTranspose3d(2, 3), LAZY),
    # --- Normalisations ---
    "BatchNorm1d": Refused(lambda: nn.BatchNorm1d(2), GROUP),
    "BatchNorm2d": Refused(lambda: nn.BatchNorm2d(2), GROUP),
    "BatchNorm3d": Refused(lambda: nn.BatchNorm3d(2, track_running_stats=False), GROUP),
    "CrossMapLRN2d": Passes(lambda: nn.CrossMapLRN2d(2), (3, 2, 2)),
    "GroupNorm": Trains(lambda: nn.GroupNorm(2, 4), (4, 3)),
    "InstanceNorm1d": Trains(lambda: nn.InstanceNorm1d(2, affine=True), (2, 4)),
    "InstanceNorm2d": Trains(lambda: nn.InstanceNorm2d(2, affine=True), (2, 3, 3)),
    "InstanceNorm3d": Trains(lambda: nn.InstanceNorm3d(2, affine=True), (2, 2, 2, 2)),
    "LayerNorm": Trains(lambda: nn.LayerNorm(4), (3, 4)),
    "LazyBatchNorm1d": Refused(lambda: nn.LazyBatchNorm1d(), GROUP),
    "LazyBatchNorm2d": Refused(lambda: nn.LazyBatchNorm2d(), GROUP),
    "LazyBatchNorm3d": Refused(lambda: nn.LazyBatchNorm3d(track_running_stats=False), GROUP),
    "LazyInstanceNorm1d": Refused(lambda: nn.LazyInstanceNorm1d(track_running_stats=False), LAZY),
    "LazyInstanceNorm2d": Refused(lambda: nn.LazyInstanceNorm2d(track_running_stats=False), LAZY),
    "LazyInstanceNorm3d": Refused(lambda: nn.LazyInstanceNorm3d(track_running_stats=False), LAZY),
    "LocalResponseNorm": Passes(lambda: nn.LocalResponseNorm(2)),
    "RMSNorm": Trains(lambda: nn.RMSNorm((3, 4)), (3, 4)),
    "SyncBatchNorm": Refused(lambda: nn.SyncBatchNorm(2), GROUP),
    # --- Attention and recurrence ---
    "GRU": Trains(lambda: nn.GRU(3, 2, batch_first=True), (4, 3), first),
    "GRUCell": Trains(lambda: nn.GRUCell(3, 2), (3,)),
    "LSTM": Trains(lambda: nn.LSTM(3, 2, batch_first=True), (4, 3), first),
    "LSTMCell": Trains(lambda: nn.LSTMCell(3, 2), (3,), first),
    "MultiheadAttention": Trains(
        lambda: nn.MultiheadAttention(4, 2, batch_first=True), (3, 4), lambda module, x: module(x, x, x)[0]
    ),
    "RNN": Trains(lambda: nn.RNN(3, 2, batch_first=True), (4, 3), first),
    "RNNBase": Refused(lambda: nn.RNNBase("GRU", 3, 2), NO_FORWARD),
    "RNNCell": Trains(lambda: nn.RNNCell(3, 2), (3,)),
    "RNNCellBase": Refused(lambda: nn.RNNCellBase(3, 2, True, 4), NO_FORWARD),
    "Transformer": Trains(lambda: nn.Transformer(4, 2, 1, 1, 6, dropout=0, batch_first=True), (3, 4), twice),
    "TransformerDecoder": Trains(
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 6, dropout=0, batch_first=True), 1),
        (3, 4),
        twice,
    ),
    "TransformerDecoderLayer": Trains(
        lambda: nn.TransformerDecoderLayer(4, 2, 6, dropout=0, batch_first=True), (3, 4), twice
    ),
    "TransformerEncoder": Trains(
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(4, 2, 6, dropout=0, batch_first=True), 2, enable_nested_tensor=False
        ),
        (3, 4),
    ),
    "TransformerEncoderLayer": Trains(lambda: nn.TransformerEncoderLayer(4, 2, 6, dropout=0, batch_first=True), (3, 4)),
    # --- What holds others ---
    "Container": Refused(lambda: nn.Container(a=nn.Linear(2, 2)), NO_FORWARD),
    "DataParallel": Trains(lambda: nn.DataParallel(nn.Linear(4, 3)), (4,)),
    "Module": Refused(lambda: nn.Module(), "at least one parameter"),
    "ModuleDict": Trains(
        lambda: nn.ModuleDict({"a": nn.Linear(4, 3), "b": nn.Tanh()}), (4,), lambda held, x: held["b"](held["a"](x))
    ),
    "ModuleList": Trains(
        lambda: nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 3)]), (4,), lambda held, x: held[1](held[0](x).tanh())
    ),
    "ParameterDict": Trains(
        lambda: nn.ParameterDict({"a": nn.Parameter(torch.ones(4))}), (4,), lambda held, x: held["a"] * x
    ),
    "ParameterList": Trains(lambda: nn.ParameterList([nn.Parameter(torch.ones(4))]), (4,), lambda held, x: held[0] * x),
    "Sequential": Trains(lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)), (4,)),
    # --- Activations ---
    "CELU": Passes(lambda: nn.CELU()),
    "ELU": Passes(lambda: nn.ELU()),
    "GELU": Passes(lambda: nn.GELU()),
    "GLU": Passes(lambda: nn.GLU()),
    "Hardshrink": Passes(lambda: nn.Hardshrink()),
    "Hardsigmoid": Passes(lambda: nn.Hardsigmoid()),
    "Hardswish": Passes(lambda: nn.Hardswish()),
    "Hardtanh": Passes(lambda: nn.Hardtanh()),
    "LeakyReLU": Passes(lambda: nn.LeakyReLU(inplace=True)),
    "LogSigmoid": Passes(lambda: nn.LogSigmoid()),
    "LogSoftmax": Passes(lambda: nn.LogSoftmax(-1)),
    "Mish": Passes(lambda: nn.Mish()),
    "PReLU": Trains(lambda: nn.PReLU(2), (2, 5)),
    "RReLU": Passes(lambda: nn.RReLU(0.2, 0.2)),
    "ReLU": Passes(lambda: nn.ReLU(inplace=True)),
    "ReLU6": Passes(lambda: nn.ReLU6()),
    "SELU": Passes(lambda: nn.SELU()),
    "SiLU": Passes(lambda: nn.SiLU()),
    "Sigmoid": Passes(lambda: nn.Sigmoid()),
    "Softmax": Passes(lambda: nn.Softmax(-1)),
    "Softmax2d": Passes(lambda: nn.Softmax2d(), (3, 2, 2)),
    "Softmin": Passes(lambda: nn.Softmin(-1)),
    "Softplus": Passes(lambda: nn.Softplus()),
    "Softshrink": Passes(lambda: nn.Softshrink()),
    "Softsign": Passes(lambda: nn.Softsign()),
    "Tanh": Passes(lambda: nn.Tanh()),
    "Tanhshrink": Passes(lambda: nn.Tanhshrink()),
    "Threshold": Passes(lambda: nn.Threshold(0.1, 0.2)),
    # --- Dropout, where it drops nothing ---
    "AlphaDropout": Passes(lambda: nn.AlphaDropout(0)),
    "Dropout": Passes(lambda: nn.Dropout(0)),
    "Dropout1d": Passes(lambda: nn.Dropout1d(0)),
    "Dropout2d": Passes(lambda: nn.Dropout2d(0), (2, 3, 3)),
    "Dropout3d": Passes(lambda: nn.Dropout3d(0), (2, 2, 2, 2)),
    "FeatureAlphaDropout": Passes(lambda: nn.FeatureAlphaDropout(0)),
    # --- Pooling ---
    "AdaptiveAvgPool1d": Passes(lambda: nn.AdaptiveAvgPool1d(4)),
    "AdaptiveAvgPool2d": Passes(lambda: nn.AdaptiveAvgPool2d(2), (2, 3, 4)),
    "AdaptiveAvgPool3d": Passes(lambda: nn.AdaptiveAvgPool3d(2), (2, 3, 2, 3)),
    "AdaptiveMaxPool1d": Passes(lambda: nn.AdaptiveMaxPool1d(4)),
    "AdaptiveMaxPool2d": Passes(lambda: nn.AdaptiveMaxPool2d(2), (2, 3, 4)),
    "AdaptiveMaxPool3d": Passes(lambda: nn.AdaptiveMaxPool3d(2), (2, 3, 2, 3)),
    "AvgPool1d": Passes(lambda: nn.AvgPool1d(2)),
    "AvgPool2d": Passes(lambda: nn.AvgPool2d(2), (2, 4, 4)),
    "AvgPool3d": Passes(lambda: nn.AvgPool3d(2), (2, 2, 2, 4)),
    # Its places are random unless there is one choice only.
    "FractionalMaxPool2d": Passes(lambda: nn.FractionalMaxPool2d(2, output_size=3), (2, 4, 4)),
    "FractionalMaxPool3d": Passes(lambda: nn.FractionalMaxPool3d(2, output_size=2), (2, 4, 4, 4)),
    "LPPool1d": Passes(lambda: nn.LPPool1d(2, 2)),
    "LPPool2d": Passes(lambda: nn.LPPool2d(2, 2), (2, 4, 4)),
    "LPPool3d": Passes(lambda: nn.LPPool3d(2, 2), (2, 2, 2, 4)),
    "MaxPool1d": Passes(lambda: nn.MaxPool1d(2)),
    "MaxPool2d": Passes(lambda: nn.MaxPool2d(2), (2, 4, 4)),
    "MaxPool3d": Passes(lambda: nn.MaxPool3d(2), (2, 2, 2, 4)),
    "MaxUnpool1d": Passes(lambda: nn.MaxUnpool1d(2), (2, 6), unpooled),
    "MaxUnpool2d": Passes(lambda: nn.MaxUnpool2d(2), (2, 4, 4), unpooled),
    "MaxUnpool3d": Passes(lambda: nn.MaxUnpool3d(2), (2, 2, 2, 4), unpooled),
    # --- Shapes, padding, distances ---
    "ChannelShuffle": Passes(lambda: nn.ChannelShuffle(2), (4, 2, 2)),
    "CircularPad1d": Passes(lambda: nn.CircularPad1d(1)),
    "CircularPad2d": Passes(lambda: nn.CircularPad2d(1), (2, 3, 3)),
    "CircularPad3d": Passes(lambda: nn.CircularPad3d(1), (2, 2, 2, 2)),
    "ConstantPad1d": Passes(lambda: nn.ConstantPad1d(1, 0.5)),
    "ConstantPad2d": Passes(lambda: nn.ConstantPad2d(1, 0.5), (2, 3, 3)),
    "ConstantPad3d": Passes(lambda: nn.ConstantPad3d(1, 0.5), (2, 2, 2, 2)),
    "CosineSimilarity": Passes(lambda: nn.CosineSimilarity(-1), (2, 6), halves),
    "Flatten": Passes(lambda: nn.Flatten()),
    "Fold": Passes(lambda: nn.Fold((3, 3), 2), (8, 4)),
    "Identity": Passes(lambda: nn.Identity()),
    "PairwiseDistance": Passes(lambda: nn.PairwiseDistance(keepdim=True), (6,), halves),
    "PixelShuffle": Passes(lambda: nn.PixelShuffle(2), (4, 2, 2)),
    "PixelUnshuffle": Passes(lambda: nn.PixelUnshuffle(2), (1, 4, 4)),
    "ReflectionPad1d": Passes(lambda: nn.ReflectionPad1d(1)),
    "ReflectionPad2d": Passes(lambda: nn.ReflectionPad2d(1), (2, 3, 3)),
    "ReflectionPad3d": Passes(lambda: nn.ReflectionPad3d(1), (2, 2, 2, 2)),
    "ReplicationPad1d": Passes(lambda: nn.ReplicationPad1d(1)),
    "ReplicationPad2d": Passes(lambda: nn.ReplicationPad2d(1), (2, 3, 3)),
    "ReplicationPad3d": Passes(lambda: nn.ReplicationPad3d(1), (2, 2, 2, 2)),
    "Unflatten": Passes(lambda: nn.Unflatten(2, (2, 3))),
    "Unfold": Passes(lambda: nn.Unfold(2), (2, 3, 3)),
    "Upsample": Passes(lambda: nn.Upsample(scale_factor=2, mode="linear")),
    "UpsamplingBilinear2d": Passes(lambda: nn.UpsamplingBilinear2d(scale_factor=2), (2, 2, 3)),
    "UpsamplingNearest2d": Passes(lambda: nn.UpsamplingNearest2d(scale_factor=2), (2, 2, 3)),
    "ZeroPad1d": Passes(lambda: nn.ZeroPad1d(1)),
    "ZeroPad2d": Passes(lambda: nn.ZeroPad2d(1), (2, 3, 3)),
    "ZeroPad3d": Passes(lambda: nn.ZeroPad3d(1), (2, 2, 2, 2)),
    # --- Losses ---
    "AdaptiveLogSoftmaxWithLoss": Refused(lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2]), "CrossEntropyLoss"),
    "BCELoss": Measures(
        lambda: nn.BCELoss(), (4,), (numbers(4).sigmoid(),), lambda module, output, y: module(output.sigmoid(), y)
    ),
    "BCEWithLogitsLoss": Measures(lambda: nn.BCEWithLogitsLoss(), (4,), (numbers(4).sigmoid(),)),
    "CTCLoss": Measures(lambda: nn.CTCLoss(), (4, 5), (1 + labels(2),), at_lengths),
    "CosineEmbeddingLoss": Measures(lambda: nn.CosineEmbeddingLoss(), (4,), (numbers(4), signs())),
    "CrossEntropyLoss": Measures(lambda: nn.CrossEntropyLoss(), (4,), (labels(),)),
    "GaussianNLLLoss": Measures(lambda: nn.GaussianNLLLoss(), (4,), (numbers(4), numbers(4).exp())),
    "HingeEmbeddingLoss": Measures(lambda: nn.HingeEmbeddingLoss(), (4,), (signs()[:, None].expand(ROWS, 4),)),
    "HuberLoss": Measures(lambda: nn.HuberLoss(), (4,), (numbers(4),)),
    "KLDivLoss": Measures(
        lambda: nn.KLDivLoss(reduction="batchmean"),
        (4,),
        (numbers(4).softmax(1),),
        lambda module, output, y: module(output.log_softmax(1), y),
    ),
    "L1Loss": Measures(lambda: nn.L1Loss(), (4,), (numbers(4),)),
    "LinearCrossEntropyLoss": Trains(
        lambda: nn.LinearCrossEntropyLoss(4, 3, reduction="none"),
        (4,),
        lambda module, x: module(x, x.argmax(1) % 3)[:, None],
    ),
    "MSELoss": Measures(lambda: nn.MSELoss(), (4,), (numbers(4),)),
    "MarginRankingLoss": Measures(lambda: nn.MarginRankingLoss(), (1,), (numbers(1), signs()[:, None])),
    "MultiLabelMarginLoss": Measures(lambda: nn.MultiLabelMarginLoss(), (4,), (labels(4),)),
    "MultiLabelSoftMarginLoss": Measures(lambda: nn.MultiLabelSoftMarginLoss(), (4,), (labels(4, below=2).double(),)),
    "MultiMarginLoss": Measures(lambda: nn.MultiMarginLoss(), (4,), (labels(),)),
    "NLLLoss": Measures(
        lambda: nn.NLLLoss(), (4,), (labels(),), lambda module, output, y: module(output.log_softmax(1), y)
    ),
    "NLLLoss2d": Measures(
        lambda: nn.NLLLoss2d(), (4, 2, 3), (labels(2, 3),), lambda module, output, y: module(output.log_softmax(1), y)
    ),
    "PoissonNLLLoss": Measures(lambda: nn.PoissonNLLLoss(), (4,), (labels(4).double(),)),
    "SmoothL1Loss": Measures(lambda: nn.SmoothL1Loss(), (4,), (numbers(4),)),
    "SoftMarginLoss": Measures(lambda: nn.SoftMarginLoss(), (4,), (signs()[:, None].expand(ROWS, 4),)),
    "TripletMarginLoss": Measures(lambda: nn.TripletMarginLoss(), (4,), (numbers(4), numbers(4).sin())),
    "TripletMarginWithDistanceLoss": Measures(
        lambda: nn.TripletMarginWithDistanceLoss(), (4,), (numbers(4), numbers(4).sin())
    ),
}


def exported() -> list[str]:
    """The names of the module classes in torch.nn."""
    every = {name: getattr(nn, name) for name in (*dir(nn), *nn.modules.__all__) if hasattr(nn, name)}
    return sorted(name for name, one in every.items() if isinstance(one, type) and issubclass(one, nn.Module))


def of_kind(kind: type) -> list[str]:
    return [name for name in exported() if isinstance(TABLE.get(name), kind)]


class Called(nn.Module):
    """Calls a module as its entry says."""

    def __init__(self, module: nn.Module, call: Callable[[Any, Tensor], Any], before: int | None = None) -> None:
        super().__init__()
        self.before = nn.Identity() if before is None else nn.Linear(before, before)
        self.module, self.call = module, call

    def forward(self, x: Tensor) -> Any:
        return self.call(self.module, self.before(x))


def filled(model: nn.Module) -> nn.Module:
    """In float64, no parameter alike."""
    generator = torch.Generator().manual_seed(5)
    model = model.double()
    with torch.no_grad():
        for one in model.parameters():
            one.copy_(0.7 * torch.randn(one.shape, generator=generator, dtype=one.dtype))
    return model


def built(entry: Entry) -> nn.Module:
    """An outdated class says so when it is made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return entry.build()


def held(model: nn.Module) -> bool:
    """Whether every module with parameters of its own is of a family, or a part of one that is."""
    known = tuple(FAMILIES) + tuple(COMPOSITES)
    if isinstance(model, known):
        return True
    own = list(model.parameters(recurse=False))
    return not own and all(held(child) for child in model.children())


def test_the_table_knows_every_class_of_torch_nn() -> None:
    assert set(exported()) <= set(TABLE)


@pytest.mark.parametrize("name", of_kind(Trains))
@pytest.mark.parametrize("counts", [[1] * ROWS, [1, 3]])
def test_what_has_parameters_trains_like_the_loop(name: str, counts: list[int]) -> None:
    entry = TABLE[name]
    assert isinstance(entry, Trains)
    model = filled(Called(built(entry), entry.call))
    check_model(model, torch.optim.SGD(model.parameters(), lr=0.1))
    inputs = labels(*entry.shape, below=5) if entry.ids else numbers(*entry.shape)
    with warnings.catch_warnings():
        if not held(model) or name == "LinearCrossEntropyLoss":  # a Linear by its class, not by what it computes
            warnings.simplefilter("ignore", SlowModel)
        assert_same(model, (inputs,), counts)


@pytest.mark.parametrize("name", of_kind(Passes))
def test_what_has_no_parameters_passes_rows_through(name: str) -> None:
    entry = TABLE[name]
    assert isinstance(entry, Passes)
    module = built(entry)
    assert not list(module.parameters())
    model = filled(Called(module, entry.call, before=entry.shape[-1]))
    check_model(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert_same(model, (numbers(*entry.shape),), [1, 3], ways=1)


@pytest.mark.parametrize("name", of_kind(Measures))
def test_what_is_a_loss_measures_each_row_by_itself(name: str) -> None:
    entry = TABLE[name]
    assert isinstance(entry, Measures)
    module = built(entry)
    assert not list(module.parameters())
    model = filled(nn.Linear(entry.shape[-1], entry.shape[-1]))

    def loss(output: Tensor, *others: Tensor) -> Tensor:
        return entry.call(module, output, *others)

    assert_same(model, (numbers(*entry.shape), *entry.others), [1, 3], loss, ways=1)


@pytest.mark.parametrize("name", of_kind(Refused))
def test_what_cannot_train_is_refused_with_the_fix(name: str) -> None:
    entry = TABLE[name]
    assert isinstance(entry, Refused)
    model = built(entry)
    with pytest.raises(InvalidRequest, match=entry.fix):
        check_model(model, torch.optim.SGD([*model.parameters(), torch.zeros(1)], lr=0.1))
        ClippedSum(model, Flat(), 8).probe(numbers(4))


@pytest.mark.parametrize("kind", [nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d])
def test_what_records_statistics_is_refused_with_the_fix(kind: type[nn.InstanceNorm1d]) -> None:
    model = kind(2, affine=True, track_running_stats=True)
    with pytest.raises(InvalidRequest, match="track_running_stats=False"):
        check_model(model, torch.optim.SGD(model.parameters(), lr=0.1))
