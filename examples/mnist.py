"""MNIST under differential privacy: a linear model on scattering features, trained by DP-SGD.

Run it as it stands: python examples/mnist.py [--epsilon 3 1] [--runs 3] [--quick]
It wants mnist.npz in the folder that UNSEEN_DATA names.

Every weight gets noise and every image a bounded say, so a linear model on strong fixed features beats a deep network
that has to find its own. The features are wavelets, chosen before any image was seen: they cost no privacy, are
computed once, and leave a convex problem of 39,700 weights.
Source: Tramèr and Boneh 2021, "Differentially private learning needs better features (or much more data)".
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import argparse
import math
import statistics
import time
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch.nn.functional import conv2d, cross_entropy, group_norm, normalize

import unseen as un

ANGLES = 8
CHANNELS = 1 + 2 * ANGLES + ANGLES**2  # the blurred image, two scales of edges, edges of fine edges
PLACES = 7  # along each side of the image, 4 pixels apart
LENGTH = CHANNELS * PLACES**2
DELTA = 1e-5  # below 1 / 60,000
BATCH = 4096  # large: the sum of more gradients stands further above the same noise
EPOCHS = 40
CLIP = 0.1  # small: only images not yet learnt reach it, and the noise shrinks with it


def wavelets(scale: float, size: int) -> torch.Tensor:
    """Morlet wavelets at ``ANGLES`` angles, real parts before imaginary ones, shape (2 · ANGLES, 1, size, size).

    A plane wave under a Gaussian, less a constant that makes it blind to uniform grey.
    """
    y, x = torch.meshgrid(*[torch.arange(size) - size // 2] * 2, indexing="ij")
    width, frequency, slant = 0.8 * scale, 0.75 * math.pi / scale, 0.5
    found = []
    for angle in (math.pi * turn / ANGLES for turn in range(ANGLES)):
        along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        window = torch.exp(-(along**2 + (slant * across) ** 2) / (2 * width**2))
        window = window / window.sum()
        wave = torch.exp(1j * frequency * along)
        found.append(window * (wave - (window * wave).sum()))
    return torch.stack([w.real for w in found] + [w.imag for w in found]).unsqueeze(1)


def modulus(images: torch.Tensor, bank: torch.Tensor, stride: int) -> torch.Tensor:
    """How strongly each wavelet answers at each place, whatever its phase: (n, 1, s, s) to (n, ANGLES, t, t)."""
    answer = conv2d(images, bank, stride=stride, padding=bank.shape[-1] // 2)
    return (answer[:, :ANGLES].square() + answer[:, ANGLES:].square()).sqrt()


def blur(maps: torch.Tensor, step: int) -> torch.Tensor:
    """Gaussian averages around 7 × 7 places, of maps whose pixels lie ``step`` pixels of the image apart."""
    places, pixels = 4.0 * torch.arange(PLACES) + 1.5, float(step) * torch.arange(maps.shape[-1])
    weights = torch.exp(-((places[:, None] - pixels) ** 2) / 8)  # a deviation of two pixels
    return weights @ maps @ weights.T * (step**2 / (8 * math.pi))


def scattering(images: torch.Tensor) -> torch.Tensor:
    """Scattering coefficients to second order (Bruna and Mallat 2013) of images (n, 28, 28), as unit vectors.

    All scaling is within one image, so that no statistic of the private images is used.
    """
    fine, coarse, image = wavelets(1, 9), wavelets(2, 13), images.unsqueeze(1)
    edges = modulus(image, fine, 1)
    bends = modulus(edges.reshape(-1, 1, 28, 28), coarse, 2).reshape(len(image), -1, 14, 14)
    maps = torch.cat([blur(image, 1), blur(edges, 1), blur(modulus(image, coarse, 2), 2), blur(bends, 2)], 1)
    # At length 1 a gradient's norm is how wrong the model is, whatever the image.
    return normalize(group_norm(maps, CHANNELS // 3).flatten(1))


def read(quick: bool, bar: Progress) -> tuple[torch.Tensor, ...]:
    """Features and digits of the training images, then of the test images."""
    result: list[torch.Tensor] = []
    with np.load(un.datasets.stored("mnist.npz")) as stored:
        for part in ("train", "test"):
            pixels, digits = stored[f"x_{part}"], stored[f"y_{part}"]
            if quick:
                pixels, digits = pixels[:2000], digits[:2000]
            pieces = torch.split(torch.from_numpy(pixels), 500)
            watched = bar.track(pieces, description=f"features of the {part} images")
            result += [torch.cat([scattering(piece / 255) for piece in watched]), torch.from_numpy(digits).long()]
    return tuple(result)


def train(data: tuple[torch.Tensor, ...], epsilon: float, run: int, epochs: int, bar: Progress) -> un.Release[Any]:
    """One private run; the release holds the model and what is promised for it."""
    torch.manual_seed(run)  # of the first weights only: coins and noise are the system's
    model = torch.nn.Linear(LENGTH, 10)
    # Momentum averages the noise of ten steps. More noise wants shorter steps: the rate goes with ε.
    optimizer = torch.optim.SGD(model.parameters(), lr=min(60 * epsilon, 200), momentum=0.9)
    guard = un.train.DPSGD(
        epsilon=epsilon,
        delta=DELTA,
        max_grad_norm=CLIP,
        expected_batch_size=BATCH * len(data[0]) // 60_000,
        epochs=epochs,
        dataset_size=len(data[0]),  # MNIST's size is public
    )
    with guard.open(model, optimizer, data) as session:
        for batch in bar.track(session.batches(), total=session.steps, description=f"ε = {epsilon:g}, run {run + 1}"):
            session.step(cross_entropy, *batch)
    return session.release()


def main() -> None:
    """Train at each ε, some times each, and print one table."""
    options = argparse.ArgumentParser(description="MNIST under differential privacy")
    options.add_argument("--epsilon", type=float, nargs="+", default=[3.0, 1.0])
    options.add_argument("--runs", type=int, default=3, help="runs at each ε, each from other first weights")
    options.add_argument("--quick", action="store_true", help="2,000 images, one epoch: does it run at all?")
    asked = options.parse_args()
    try:
        un.datasets.stored("mnist.npz")
    except un.UnseenError as missing:
        print(f"skipped: {missing}")
        return
    shortened = "first 2,000 images only, " if asked.quick else ""
    table = Table("ε", "accuracy, mean", "each run", "seconds a run", title=f"MNIST, {shortened}δ = {DELTA:g}")
    with Progress(console=Console(stderr=True)) as bar:
        start = time.perf_counter()
        *data, test_features, test_digits = read(asked.quick, bar)
        once = time.perf_counter() - start
        for epsilon in asked.epsilon:
            accuracies, seconds = [], []
            for run in range(1 if asked.quick else asked.runs):
                start = time.perf_counter()
                release = train(tuple(data), epsilon, run, 1 if asked.quick else EPOCHS, bar)
                seconds.append(time.perf_counter() - start)
                guesses = release.value(test_features).argmax(1)
                accuracies.append(100 * (guesses == test_digits).double().mean().item())
            mean, each = statistics.mean(accuracies), " ".join(f"{accuracy:.2f}" for accuracy in accuracies)
            table.add_row(f"{epsilon:g}", f"{mean:.2f} %", each, f"{statistics.mean(seconds) + once:.0f}")
    table.caption = f"of these {once:.0f} for the features, made once"
    Console().print(table)


if __name__ == "__main__":
    main()
