"""In which order the planes of a volume are worked on."""

from __future__ import annotations

from collections.abc import Iterable


def nearest_first(n_planes: int, sources: Iterable[int]) -> list[int]:
    """Order all planes by their distance to the nearest source plane.

    A person checks the planes beside the painted ones first, and those are predicted best.

    Parameters
    ----------
    n_planes : int
        Number of planes in the volume.
    sources : iterable of int
        Planes that examples were painted on; indices outside the volume are ignored. Without any,
        the middle plane is the source.

    Returns
    -------
    list of int
        Every index of ``range(n_planes)`` once; the lower index first at equal distance.
    """
    inside = sorted({int(source) for source in sources if 0 <= source < n_planes})
    if not inside:
        inside = [n_planes // 2]
    return sorted(
        range(n_planes),
        key=lambda plane: (min(abs(plane - source) for source in inside), plane),
    )
