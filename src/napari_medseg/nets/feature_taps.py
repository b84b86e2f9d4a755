"""Read a net's inner feature maps while it runs, for losses that look inside.

SelfReg-UNet (Zhu et al., MICCAI 2024, section 2) regularises the features of every encoder and
decoder stage. Taps read them by module name, so that any net can be trained that way without a
change to its code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor, nn

Stage = str | tuple[str, ...]


@dataclass(frozen=True)
class TapNames:
    """Which modules' outputs are a net's encoder, decoder and final features.

    Parameters
    ----------
    encoder, decoder : tuple
        One entry per stage, in the order in which they run: a dotted module name, or a tuple of
        names where a stage has several feature maps (SwinUNet: one per transformer block).
    final : str
        The module whose output the classifier sees.
    """

    encoder: tuple[Stage, ...]
    decoder: tuple[Stage, ...]
    final: str


@dataclass
class Features:
    """The feature maps of one forward pass, each of shape (B, C, h, w).

    `encoder` and `decoder` hold one list per stage; `final` is what the classifier saw, or None
    before the net has run.
    """

    encoder: list[list[Tensor]] = field(default_factory=list)
    decoder: list[list[Tensor]] = field(default_factory=list)
    final: Tensor | None = None


@contextmanager
def tap_features(net: nn.Module, taps: TapNames | None = None) -> Iterator[Features]:
    """Collect a net's inner features while it runs inside the ``with`` block.

    Parameters
    ----------
    net : Module
        Any net; the tapped modules must give one tensor of shape (B, C, h, w).
    taps : TapNames, optional
        Where to listen; ``net.taps`` if the net names its own.

    Yields
    ------
    Features
        Filled anew by each forward pass; the tensors keep their gradients.

    Raises
    ------
    ValueError
        If the net has no such module, or if it names no taps of its own and none are given.

    Examples
    --------
    >>> import torch
    >>> from napari_medseg.nets import UNet
    >>> net = UNet(1, 2)
    >>> with tap_features(net) as features:
    ...     logits = net(torch.zeros(2, 1, 32, 32))
    >>> [tuple(stage[0].shape) for stage in features.decoder]
    [(2, 256, 4, 4), (2, 128, 8, 8), (2, 64, 16, 16)]
    """
    names = taps if taps is not None else getattr(net, "taps", None)
    if not isinstance(names, TapNames):
        raise ValueError(f"{type(net).__name__} names no taps of its own: pass `taps`")
    modules = dict(net.named_modules())
    wanted = [*_flat(names.encoder), *_flat(names.decoder), names.final]
    missing = [name for name in wanted if name not in modules]
    if missing:
        raise ValueError(f"{type(net).__name__} has no module named {', '.join(missing)}")

    seen: dict[str, Tensor] = {}
    features = Features()

    def remember(name: str, output: Tensor) -> None:
        seen[name] = output
        if name == names.final:
            features.encoder = [[seen[n] for n in _flat([stage])] for stage in names.encoder]
            features.decoder = [[seen[n] for n in _flat([stage])] for stage in names.decoder]
            features.final = output

    def hook(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda _module, _inputs, output: remember(name, output)

    handles = [modules[name].register_forward_hook(hook(name)) for name in wanted]
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()


def _flat(stages: Sequence[Stage]) -> list[str]:
    """Give the names of all stages in order."""
    return [n for stage in stages for n in ((stage,) if isinstance(stage, str) else stage)]
