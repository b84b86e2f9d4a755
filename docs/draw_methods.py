"""Draw the pictures of what each method does, for the manual.

    python docs/draw_methods.py [cluster s3net by-example selfreg condseg]

Needs no display. All images are the synthetic samples; no patient is in them. No weights of ConDSeg
may be shipped: it is trained here for some minutes, on lesions drawn for it, which says how
its maps look and not how good they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pictures import boxed, clusters, heat, painted, photo, save_sheet
from PIL import Image
from torch import Tensor

from medseg_samples import FOLDER
from medseg_samples.phantoms.skin import skin_lesion
from medseg_training.losses import (
    SemanticDecouplingLoss,
)
from napari_medseg import SupportSet, segment, segment_by_example
from napari_medseg.engine.by_example.refine import closer_windows
from napari_medseg.engine.cluster.focus import emphasise_middle
from napari_medseg.engine.cluster.job import cluster_job
from napari_medseg.engine.cluster.options import ClusterOptions
from napari_medseg.engine.results import finished
from napari_medseg.engine.with_model.model_input import input_planes, prepare, shrink_plane
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels
from napari_medseg.nets import ConDSeg
from napari_medseg.nets.feature_taps import tap_features
from napari_medseg.zoo.registry import get_card
from napari_medseg.zoo.specs import InputSpec
from napari_medseg.zoo.weights import load_net

CLUSTER_SIDE = 128
"""Pixels squared at which S3-Net works here; twice as many by default."""
SIDE = 96
"""Pixels squared at which nets are trained here."""
STEPS, BATCH = 150, 4
DRAWN, FIRST_DRAWN = 32, 1000
"""How many lesions are drawn to train with; the samples have the seeds 0 to 7."""


def sample(folder: str, file: str) -> tuple[NDArray, NDArray]:
    """Give an image of the samples and the right answer."""
    image = read_image(FOLDER / folder / "images" / file).data
    return image, read_labels(FOLDER / folder / "masks" / file).labels


def cluster() -> None:
    """Draw every method on a lesion: without a focus, looking for something dark, for a lesion."""
    image, _ = sample("skin_lesions", "06.png")
    rows = []
    for focus, seen in (("none", "image"), ("dark", "seen with focus dark"), ("lesion", "lesion")):
        plane = emphasise_middle(image.astype(np.float32) / 255, focus)
        row = [photo(plane, seen, 0.0, max(1.0, float(plane.max())))]
        for method in ("otsu", "kmeans", "s3net"):
            options = ClusterOptions(method, focus=focus, size=CLUSTER_SIDE)
            labels = finished(cluster_job(image, options)).labels
            row.append(clusters(labels, f"{method}: {labels.max()} clusters"))
        rows.append(row)
    save_sheet("cluster", rows)


def s3net() -> None:
    """Draw S3-Net, iteration by iteration."""
    image, _ = sample("stained_cells", "05.png")
    tiles = [photo(image, "image")]
    for progress in cluster_job(image, ClusterOptions("s3net", size=CLUSTER_SIDE)):
        tiles.append(clusters(progress.preview.labels, progress.message))
    save_sheet("s3net", [tiles[:5], tiles[5:10]])


def by_example() -> None:
    """Draw examples, the answer of the in-context net, and its second, closer look."""
    support = SupportSet.load(FOLDER / "skin_lesions" / "examples")
    image, truth = sample("skin_lesions", "06.png")
    first, last = (segment_by_example(image, support, refine=again) for again in (False, True))
    windows = closer_windows("crop", first.probabilities[0])
    examples = [
        painted(photo(item.image, f"example {number}"), item.mask)
        for number, item in enumerate(support, start=1)
    ]
    seen = photo(image, "new image")
    framed = painted(seen, first.labels, "first look")
    for window in windows:
        framed = boxed(framed, window.top, window.left, window.bottom, window.right)
    answers = [
        seen,
        framed,
        painted(seen, last.labels, "after the second look"),
        painted(seen, truth, "right answer"),
    ]
    save_sheet("by-example", [examples, answers])


def selfreg() -> None:
    """Draw what a bundled UNet answers, and the features that self-regularisation joins."""
    image, truth = sample("skin_lesions", "06.png")
    card = get_card("skin-lesion")
    spec = InputSpec.of(card)
    planes = input_planes(image, spec, axis=0, rgb=True, value_range=None)
    seen = prepare(shrink_plane(planes, 0, spec.size), spec)
    net = load_net(card).eval()
    with torch.inference_mode(), tap_features(net) as features:
        net(torch.from_numpy(seen)[None])
    stages = [*features.encoder, *features.decoder, [features.final]]
    names = [f"encoder {n}" for n in (1, 2, 3, 4)] + [f"decoder {n}" for n in (1, 2, 3)] + ["final"]
    maps = [heat(_scaled(stage[0]), name) for stage, name in zip(stages, names, strict=True)]
    found = segment(image, "skin-lesion")
    answer = [
        photo(image, "image"),
        heat(found.probabilities[0], "probability of lesion"),
        painted(photo(image, ""), found.labels, "labels"),
        painted(photo(image, ""), truth, "right answer"),
    ]
    save_sheet("selfreg", [answer, maps[:4], maps[4:]])


def _scaled(features: Tensor) -> NDArray:
    """Give the mean strength of the features, from 0 to 1."""
    strength = features[0].abs().mean(0).numpy()
    strength = (strength - strength.min()) / np.ptp(strength)
    return np.asarray(Image.fromarray(strength).resize((192, 144), Image.Resampling.NEAREST))


def condseg() -> None:
    """Draw the four maps of ConDSeg, after a short training on drawn lesions."""
    torch.manual_seed(0)
    net = ConDSeg("resnet18", width=32)
    loss = SemanticDecouplingLoss()
    train(net, lambda images, masks: loss(net(images.flip(1)), masks, 1 - masks))
    rows = []
    for file in ("05.png", "06.png", "08.png"):
        image, truth = sample("skin_lesions", file)
        with torch.inference_mode():
            maps = net(seen_by_net(image).flip(1))
        names = ("mask", "foreground", "background", "uncertainty")
        rows.append(
            [painted(photo(image, ""), truth, "image, right answer")]
            + [heat(part[0, 0].numpy(), name) for part, name in zip(maps, names, strict=True)]
        )
    save_sheet("condseg", rows)


def seen_by_net(image: NDArray) -> Tensor:
    """Give a photograph as the nets that are trained here take it: (1, 3, SIDE, SIDE)."""
    small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)[None] / 255


def train(net: torch.nn.Module, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Fit a net for some steps to lesions drawn for it, none of which is a sample."""
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, STEPS)
    net.train()
    for step, (images, masks) in enumerate(batches(), start=1):
        optimiser.zero_grad()
        value = loss(images, masks)
        value.backward()
        optimiser.step()
        schedule.step()
        if step % 25 == 0:
            print(f"  step {step} of {STEPS}: loss {float(value):.3f}", flush=True)
    net.eval()


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    """Give batches of drawn lesions and their masks, mirrored at random."""
    images, masks = [], []
    for seed in range(FIRST_DRAWN, FIRST_DRAWN + DRAWN):
        image, mask = skin_lesion(seed)
        images.append(seen_by_net(image))
        small = Image.fromarray(mask).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        masks.append(torch.from_numpy(np.asarray(small).copy())[None, None].float())
    whole, answers = torch.cat(images), torch.cat(masks)
    for _ in range(STEPS):
        chosen = torch.randint(DRAWN, (BATCH,))
        mirrored = [axis for axis in (2, 3) if torch.rand(()) < 0.5]
        yield whole[chosen].flip(mirrored), answers[chosen].flip(mirrored)


PICTURES: dict[str, Callable[[], None]] = {
    "cluster": cluster,
    "s3net": s3net,
    "by-example": by_example,
    "selfreg": selfreg,
    "condseg": condseg,
}


def main() -> None:
    """Draw the pictures that are named, or all."""
    for name in sys.argv[1:] or PICTURES:
        print(name, flush=True)
        PICTURES[name]()


if __name__ == "__main__":
    main()
