"""Sheets of small captioned pictures, for the pages of the manual that show what a method does."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

IMAGES = Path(__file__).resolve().parent / "images"
TILE = 190
"""Width of a picture on a sheet, in pixels."""
_GAP, _CAPTION, _TEXT = 8, 20, 13
_GOLDEN = 0.618034
_TINT = 0.3


@dataclass(frozen=True)
class Tile:
    """A picture (H, W, 3) uint8 and what stands under it."""

    pixels: NDArray[np.uint8]
    caption: str


def photo(image: NDArray, caption: str, low: float = 0.0, high: float = 255.0) -> Tile:
    """Show an image, grey or in colour; `low` is black and `high` white."""
    scaled = np.clip((image.astype(np.float32) - low) / (high - low), 0, 1)
    colours = scaled if scaled.ndim == 3 else np.repeat(scaled[..., None], 3, -1)
    return Tile(np.rint(255 * colours).astype(np.uint8), caption)


def clusters(labels: NDArray, caption: str) -> Tile:
    """Show a label map, each label in a colour of its own."""
    colours = [(40, 40, 46)] + [_colour(number) for number in range(int(labels.max()))]
    return Tile(np.array(colours, np.uint8)[labels], caption)


def heat(values: NDArray, caption: str) -> Tile:
    """Show values of [0, 1]: black, violet, orange, pale yellow."""
    stops = np.array([(0, 0, 4), (87, 16, 110), (229, 92, 48), (252, 255, 164)], np.float32)
    places = np.linspace(0, 1, len(stops))
    channels = [np.interp(values, places, stops[:, channel]) for channel in range(3)]
    return Tile(np.stack(channels, -1).astype(np.uint8), caption)


def painted(image: Tile, labels: NDArray, caption: str | None = None) -> Tile:
    """Tint every label of a picture of the same size, and draw its outline."""
    pixels = image.pixels.astype(np.float32)
    for label in range(1, int(labels.max()) + 1):
        inside = labels == label
        edge = inside & ~ndimage.binary_erosion(inside, border_value=1)
        colour = np.array(_colour(label - 1), np.float32)
        pixels[inside] = (1 - _TINT) * pixels[inside] + _TINT * colour
        pixels[edge] = colour
    return Tile(pixels.astype(np.uint8), image.caption if caption is None else caption)


def boxed(tile: Tile, top: int, left: int, bottom: int, right: int) -> Tile:
    """Draw a rectangle on a picture."""
    image = Image.fromarray(tile.pixels)
    ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), outline=(255, 214, 0))
    return Tile(np.asarray(image), tile.caption)


def save_sheet(name: str, rows: list[list[Tile]]) -> Path:
    """Write rows of pictures as one PNG of at most 256 colours, and give its path."""
    heights = [max(_height(tile) for tile in row) for row in rows]
    width = max(len(row) for row in rows) * (TILE + _GAP) + _GAP
    sheet = Image.new("RGB", (width, sum(heights) + len(rows) * (_CAPTION + _GAP) + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for number, tile in enumerate(row):
            left = _GAP + number * (TILE + _GAP)
            sheet.paste(_sized(tile), (left, top))
            draw.text((left, top + height + 2), tile.caption, fill=(30, 30, 30), font=font)
        top += height + _CAPTION + _GAP
    path = IMAGES / f"method-{name}.png"
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def _height(tile: Tile) -> int:
    return round(TILE * tile.pixels.shape[0] / tile.pixels.shape[1])


def _sized(tile: Tile) -> Image.Image:
    small = tile.pixels.shape[1] < TILE
    way = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return Image.fromarray(tile.pixels).resize((TILE, _height(tile)), way)


def _colour(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb((0.58 + number * _GOLDEN) % 1, 0.62, 0.92)
    return round(255 * red), round(255 * green), round(255 * blue)
