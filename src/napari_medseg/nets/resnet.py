"""Residual networks, the convolutional backbones of ConDSeg.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1, with the stride of a
bottleneck in its 3×3 convolution. Module names and state dicts are those of torchvision's models,
so that their ImageNet checkpoints load strictly.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

ResNetDepth = Literal[18, 34, 50, 101]
_BLOCKS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
}
_WIDTHS = (64, 128, 256, 512)


def _conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False
    )


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """Bring the input of a block to the shape of its output, where they differ."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(_conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around an identity: the block of ResNet-18 and 34."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, width, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        out: Tensor = self.relu(x + shortcut)
        return out


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 convolutions around an identity: the block of ResNet-50 and 101."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = _conv(in_channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, 4 * width, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        out: Tensor = self.relu(x + shortcut)
        return out


class ResNet(nn.Module):
    """Residual network with torchvision's module names.

    Parameters
    ----------
    depth
        18, 34, 50 or 101.
    n_classes
        Width of the classification layer `fc`.

    Attributes
    ----------
    channels
        Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution.

    Raises
    ------
    ValueError
        If the depth is another one.
    """

    def __init__(self, depth: ResNetDepth = 50, n_classes: int = 1000) -> None:
        if depth not in _BLOCKS:
            raise ValueError(f"A ResNet has a depth of {get_args(ResNetDepth)}, not {depth}.")
        super().__init__()
        block = BasicBlock if depth < 50 else Bottleneck
        widths = tuple(width * block.expansion for width in _WIDTHS)
        self.channels = (_WIDTHS[0], *widths)
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = [
            self._stage(block, self.channels[i], _WIDTHS[i], _BLOCKS[depth][i], 1 if i == 0 else 2)
            for i in range(4)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _stage(
        block: type[BasicBlock] | type[Bottleneck],
        in_channels: int,
        width: int,
        n_blocks: int,
        stride: int,
    ) -> nn.Sequential:
        first = block(in_channels, width, stride)
        rest = [block(width * block.expansion, width) for _ in range(n_blocks - 1)]
        return nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        """Give class logits (B, n_classes) for normalised RGB images (B, 3, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits
