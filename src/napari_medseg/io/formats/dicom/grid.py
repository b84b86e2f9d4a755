"""Where the planes of a DICOM series lie together: in even steps or not, upright or tilted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.errors import ReadError
from napari_medseg.io.findings import Finding
from napari_medseg.io.formats.dicom.frames import Frame, Pose
from napari_medseg.io.geometry import Geometry

_UNEVEN = 0.01  # of the distance of planes; half a step of what scanners round to
_ROUNDING = 0.011  # mm; positions in files have two decimals or more
SAME_PLACE_MM = 1e-3
TO_APP = np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Turns DICOM's (left, back, up) into the app's (up, front, right)."""


def along(frame: Frame) -> float:
    """Give how far a frame lies along its normal, in mm, without what rounding adds."""
    return round(pose_of(frame).along, 4)


def pose_of(frame: Frame) -> Pose:
    """Give where a frame lies.

    Raises
    ------
    ReadError
        Where it does not say so.
    """
    if frame.pose is None:
        raise ReadError(f"{frame.file.name} does not say where it lies; open it alone.")
    return frame.pose


def unevenness(frames: Sequence[Frame]) -> str:
    """Say how planes are spaced unevenly; empty where they are not."""
    if len(frames) < 3:
        return ""
    corners = np.array([pose_of(frame).corner for frame in frames])
    line = np.linspace(corners[0], corners[-1], len(corners))
    step = float(np.linalg.norm(line[1] - line[0]))
    if np.abs(corners - line).max() <= max(_UNEVEN * step, _ROUNDING):
        return ""
    gaps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    usual = float(np.quantile(gaps, 0.5, method="lower"))  # one that occurs, not between two
    widest = int(np.argmax(np.abs(gaps - usual)))
    return (
        f"its planes are unevenly spaced ({gaps[widest]:.2f} mm between planes {widest + 1} and "
        f"{widest + 2}, else mostly {usual:.2f} mm; a plane may be missing)"
    )


def tilt_findings(frames: list[Frame]) -> list[Finding]:
    """Tell a gantry tilt: planes that are shifted against each other by half a pixel or more."""
    step, pose = _step(frames), pose_of(frames[0])
    sideways = step - (step @ pose.normal) * pose.normal
    drift = float(np.linalg.norm(sideways)) * (len(frames) - 1)
    if drift < 0.5 * min(_spacing(frames[0])):
        return []
    degrees = np.degrees(np.arctan2(np.linalg.norm(sideways), step @ pose.normal))
    return [
        Finding(
            "tilt",
            f"The planes are tilted by {degrees:.1f}° against the way they are stacked (gantry "
            "tilt); they are shown without the shift, so the shape along the stack is slanted. "
            "Labels are saved where they belong.",
        )
    ]


def geometry_of_frames(frames: list[Frame]) -> Geometry:
    """Give the geometry of planes in even steps, in the order in which they lie.

    Raises
    ------
    ReadError
        Where they do not say how large their pixels are, or differ in that.
    """
    spacings = {_spacing(frame) for frame in frames}
    if not np.allclose(np.ptp(np.array(list(spacings)), axis=0), 0.0, atol=1e-5):
        raise ReadError(
            f"The planes around {frames[0].file.name} have pixels of different sizes; choose files "
            "of one scan."
        )
    return Geometry.from_affine(affine_of_frames(frames))


def affine_of_frames(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Give the matrix from (plane, row, column) to the app's space, of planes in even steps.

    Pixels of unknown size count as 1 mm.
    """
    rows, columns = frames[0].spacing or (1.0, 1.0)
    pose = pose_of(frames[0])
    matrix = np.eye(4)
    axes = np.stack([_step(frames), pose.down * rows, pose.across * columns], axis=1)
    matrix[:3, :3] = TO_APP @ axes
    matrix[:3, 3] = TO_APP @ pose.corner
    return matrix


def unplaced(frames: list[Frame]) -> Geometry:
    """Give the geometry of planes that no distance joins: pixels, in their true proportion.

    Millimetres within the planes would give each voxel a volume, which nobody knows.
    """
    rows, columns = frames[0].spacing or (1.0, 1.0)
    return Geometry((1.0, rows / columns, 1.0))


def in_app(vector: NDArray[np.float64]) -> tuple[float, ...]:
    """Give a place or direction of DICOM's axes in those of the app."""
    return tuple((TO_APP @ vector).tolist())


def _step(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Give the way from one plane to the next."""
    first = pose_of(frames[0])
    if len(frames) == 1:
        return first.normal * (frames[0].thickness or 1.0)
    return (pose_of(frames[-1]).corner - first.corner) / (len(frames) - 1)


def _spacing(frame: Frame) -> tuple[float, float]:
    if frame.spacing is None:
        raise ReadError(f"{frame.file.name} does not say how large its pixels are (PixelSpacing).")
    return frame.spacing
