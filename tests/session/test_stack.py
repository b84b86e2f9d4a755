"""Which planes are on display, and where layers lie."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.stack import show_plane, stack_on_display


def world(layer: object) -> np.ndarray:
    corners = np.array(np.meshgrid(*[(0.0, 7.0)] * layer.ndim)).reshape(layer.ndim, -1).T
    return np.array([layer.data_to_world(corner) for corner in corners])


ROTATED = {
    "scale": (3.0, 0.5, 0.7),
    "translate": (10.0, -4.0, 2.0),
    "rotate": (10.0, 20.0, 30.0),
    "shear": (0.1, 0.2, 0.0),
    "units": ("mm", "mm", "mm"),
    "axis_labels": ("z", "y", "x"),
}


OBLIQUE = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")


@OBLIQUE
def test_a_new_layer_lies_exactly_where_the_image_lies() -> None:
    affine = np.eye(4)
    affine[:3, :3] += 0.05
    image = Image(np.zeros((4, 6, 5)), affine=affine, **ROTATED)
    labels = Labels(np.zeros((4, 6, 5), np.uint8), **geometry_of(image))
    assert np.allclose(world(labels), world(image))
    assert (labels.units, labels.axis_labels) == (image.units, image.axis_labels)


def test_a_lower_triangular_shear_survives() -> None:
    image = Image(np.zeros((6, 5)), shear=np.array([[1, 0], [0.3, 1]]))
    labels = Labels(np.zeros((6, 5), np.uint8), **geometry_of(image))
    assert np.allclose(world(labels), world(image))


def test_a_plane_of_a_volume_takes_the_trailing_axes() -> None:
    image = Image(np.zeros((4, 6, 5)), scale=(3, 0.5, 0.7), translate=(9, 1, 2), units=("mm",) * 3)
    plane = Labels(np.zeros((6, 5), np.uint8), **geometry_of(image, 2))
    assert tuple(plane.scale) == (0.5, 0.7)
    assert tuple(plane.translate) == (1, 2)
    with pytest.raises(ValueError, match="3 axes"):
        geometry_of(plane, 3)


def viewer_with(shape: tuple[int, ...], **kwargs: object) -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.zeros(shape), **kwargs)
    return viewer


def test_the_planes_follow_the_slider_and_the_order_of_axes() -> None:
    viewer = viewer_with((4, 6, 5), scale=(2, 1, 1), translate=(10, 0, 0))
    image = viewer.layers[0]
    viewer.dims.set_current_step(0, 3)
    stack = stack_on_display(image, viewer.dims)
    assert (stack.axes, stack.axis, stack.position, stack.n_planes) == ((1, 2), 0, 3, 4)
    assert stack.index(2) == (2, slice(None), slice(None))
    viewer.dims.order = (2, 1, 0)
    viewer.dims.set_current_step(2, 1)
    turned = stack_on_display(image, viewer.dims)
    assert (turned.axes, turned.axis, turned.position, turned.n_planes) == ((0, 1), 2, 1, 5)
    assert not turned.same_planes(stack)
    assert turned.position_of(stack.key(3)) is None


def test_time_stays_where_it_is() -> None:
    viewer = viewer_with((2, 4, 6, 5))
    viewer.dims.set_current_step(0, 1)
    stack = stack_on_display(viewer.layers[0], viewer.dims)
    assert (stack.axes, stack.axis) == ((2, 3), 1)
    assert stack.key(3) == (1, 3, None, None)
    assert stack.volume_index == (1, slice(None), slice(None), slice(None))
    viewer.dims.set_current_step(0, 0)
    earlier = stack_on_display(viewer.layers[0], viewer.dims)
    assert not earlier.same_planes(stack)


def test_a_photo_is_one_plane_and_a_flat_layer_may_lie_in_a_deep_viewer() -> None:
    viewer = viewer_with((6, 5, 3), rgb=True)
    viewer.add_image(np.zeros((4, 6, 5)))
    stack = stack_on_display(viewer.layers[0], viewer.dims)
    assert (stack.axes, stack.axis, stack.n_planes) == ((0, 1), None, 1)
    assert stack.index(0) == (slice(None), slice(None))


def test_points_of_a_mask_are_where_the_mask_is_in_the_array() -> None:
    viewer = viewer_with((2, 4, 6, 5))
    viewer.dims.order = (0, 3, 1, 2)
    stack = stack_on_display(viewer.layers[0], viewer.dims)
    mask = np.zeros((4, 6), bool)
    mask[1, 5] = mask[3, 0] = True
    array = np.zeros((2, 4, 6, 5), bool)
    array[stack.points(2, mask)] = True
    assert np.array_equal(array[stack.index(2)], mask)
    assert array.sum() == 2


@OBLIQUE
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_on_an_oblique_volume_the_plane_is_the_one_seen(order: tuple[int, ...]) -> None:
    volume = np.arange(8 * 9 * 7).reshape(8, 9, 7)
    viewer = ViewerModel()
    image = viewer.add_image(
        volume, scale=(3, 1, 1.5), rotate=(15, 10, 20), translate=(-30, 4, 9), shear=(0.1, 0, 0.2)
    )
    viewer.dims.order = order
    low, high, _ = viewer.dims.range[order[0]]
    compared = 0
    for point in np.linspace(low, high, 12):
        viewer.dims.set_point(order[0], point)
        stack = stack_on_display(image, viewer.dims)
        seen = np.asarray(image._slice.image.raw)
        if seen.size > 1:  # else the slider is beside the volume, and nothing is seen
            plane = volume[stack.index(stack.position)]
            assert np.array_equal(np.sort(seen.ravel()), np.sort(plane.ravel()))
            compared += 1
    assert compared > 3


@OBLIQUE
def test_the_viewer_can_be_sent_to_a_plane_of_any_orientation() -> None:
    viewer = viewer_with((2, 8, 9, 7), scale=(1, 3, 1, 1), rotate=np.eye(4), translate=(0, 5, 1, 2))
    viewer.add_image(np.zeros((9, 7)))
    image = viewer.layers[0]
    for key in [(1, 6, None, None), (0, None, 5, None), (1, None, None, 3)]:
        show_plane(image, viewer.dims, key)
        stack = stack_on_display(image, viewer.dims)
        assert stack.key(stack.position) == key
