"""The detectors' network: picture in; centre heatmaps, offsets and sizes at stride 4 out.

Decides the layers only. Targets and losses are ``training``'s, boxes from its output are ``TorchDetector``'s.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from operators.models.cards import Architecture

BOX_CHANNELS = 4
"""dx, dy: from the cell's centre to the box centre; log w, log h. All in cells of ``stride_px``."""


class ConvUnit(nn.Module):
    """3 x 3 convolution, batch norm (folded away in shipped models) and, if asked, ReLU."""

    def __init__(self, in_: int, out: int, *, stride: int = 1, dilation: int = 1, relu: bool = True, kernel: int = 3):
        super().__init__()
        padding = (kernel // 2) * dilation
        self.conv: nn.Module = nn.Conv2d(in_, out, kernel, stride, padding, dilation=dilation, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out, momentum=0.03)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return functional.relu_(x) if self.relu else x

    def fold(self) -> None:
        """Folds the batch norm into the convolution: same outputs in evaluation mode, fewer layers."""
        if isinstance(self.norm, nn.BatchNorm2d) and isinstance(self.conv, nn.Conv2d):
            self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = nn.Identity()


class Residual(nn.Module):
    """Two convolutions around a shortcut."""

    def __init__(self, channels: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = ConvUnit(channels, channels, dilation=dilation, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu_(self.second(self.first(x)) + x)


class CentreNet(nn.Module):
    """Encoder to stride 32, additive decoder to stride 4, one head.

    Input: (batch, 3, height, width) float, RGB scaled by ``normalised``. Output: (batch, labels + 4, ceil(height / 4),
    ceil(width / 4)): heatmap logits per label, then ``BOX_CHANNELS``.

    Source: Zhou et al., Objects as Points (2019), §3-4.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        c2, c4, c8, c16, c32 = architecture.channels
        self.architecture = architecture
        self.stem = ConvUnit(3, c2, stride=2)
        widths = ((c2, c4), (c4, c8), (c8, c16), (c16, c32))
        self.stages = nn.ModuleList(
            nn.Sequential(
                ConvUnit(in_, out, stride=2),
                *(Residual(out, dilation=1 + (level == 3 and k > 0)) for k in range(blocks)),
            )
            for level, ((in_, out), blocks) in enumerate(zip(widths, architecture.blocks, strict=True))
        )
        self.narrow = nn.ModuleList(ConvUnit(out, in_, relu=False, kernel=1) for in_, out in widths[1:])
        self.merge = nn.ModuleList(ConvUnit(in_, in_) for in_, _ in widths[1:])
        self.head = ConvUnit(c4, c4)
        self.out = nn.Conv2d(c4, len(architecture.labels) + BOX_CHANNELS, 1)
        with torch.no_grad():
            # A centre is rare: start from a probability of about 1 % so that the focal loss does not explode.
            self.out.weight.mul_(0.1)
            bias = torch.zeros(len(architecture.labels) + BOX_CHANNELS)
            bias[: len(architecture.labels)] = -4.6
            self.out.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        laterals = []
        for stage in self.stages:
            x = stage(x)
            laterals.append(x)
        for k in (2, 1, 0):
            lateral = laterals[k]
            up = functional.interpolate(self.narrow[k](x), scale_factor=2.0)
            x = self.merge[k](lateral + up[:, :, : lateral.shape[2], : lateral.shape[3]])
        out: Tensor = self.out(self.head(x))
        return out

    def fold(self) -> CentreNet:
        """Folds every batch norm, in place; only for evaluation."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvUnit):
                module.fold()
        return self


def channels_last(network: CentreNet) -> CentreNet:
    """Lays the weights out as the processor's convolutions like them."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def folded_network(architecture: Architecture) -> CentreNet:
    """A network without batch norms, its weights still to be loaded."""
    return CentreNet(architecture).fold()


def normalised(rgb: Tensor) -> Tensor:
    """uint8 picture values to the network's range of about [-2, 2]."""
    return rgb.float().mul_(1.0 / 64.0).sub_(2.0)


def resized(rgb: Tensor, height_px: int, width_px: int) -> Tensor:
    """(batch, 3, h, w) uint8 to the given size, low-pass filtered: the same filter in training and on the road."""
    if rgb.shape[-2:] == (height_px, width_px):
        return rgb
    return functional.interpolate(rgb, (height_px, width_px), mode="bilinear", antialias=True)
