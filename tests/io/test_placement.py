"""Labels lie on the patient where they were painted, however their layers are turned and moved."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_medseg.io.geometry import Geometry
from napari_medseg.io.placement import geometry_of_labels, sizes_of, world_matrix

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")

SHAPE = (4, 5, 6)
SCAN = Geometry.from_affine(
    [[-2.5, 0.1, 0.0, 7.0], [0.1, 0.7, 0.2, -40.0], [0.0, 0.2, -0.8, 1 / 3], [0, 0, 0, 1]]
)
TURNED = {
    "scale": SCAN.spacing,
    "rotate": (10.0, 20.0, -30.0),
    "shear": (0.1, 0.2, -0.1),
    "translate": (3.0, -2.0, 1.0),
    "affine": np.array([[0, 1, 0, 5], [-1, 0, 0, 6], [0, 0, 2, 7], [0, 0, 0, 1.0]]),
}


def attributes(layer) -> dict:
    return layer.as_layer_data_tuple()[1]


@pytest.mark.parametrize("names", [(), ("scale",), ("rotate", "shear"), tuple(TURNED)])
def test_world_is_napari_s(names):
    layer = Labels(np.zeros(SHAPE, np.uint8), **{name: TURNED[name] for name in names})
    matrix = world_matrix(attributes(layer), 3)
    for index in ([0, 0, 0], [1, 2, 3], [3, 4, 5]):
        expected = layer.data_to_world(index)
        np.testing.assert_allclose((matrix @ [*index, 1.0])[:3], expected, atol=1e-9)


@pytest.mark.parametrize("moved", [{}, TURNED])
def test_labels_on_the_voxels_of_their_image_have_its_geometry_to_the_bit(moved):
    note = {"medseg": {"geometry": SCAN.as_dict()}}
    image = Image(np.zeros(SHAPE), **({"scale": SCAN.spacing} | moved), metadata=note)
    labels = Labels(np.zeros(SHAPE, np.uint8), **({"scale": SCAN.spacing} | moved))
    assert geometry_of_labels(attributes(labels), 3, attributes(image)) == SCAN


def test_labels_of_a_part_of_the_image_lie_on_that_part():
    note = {"medseg": {"geometry": SCAN.as_dict()}}
    image = Image(np.zeros(SHAPE), **TURNED, metadata=note)
    corner = np.array([1, 2, 3])
    part = TURNED | {"translate": image.data_to_world(corner)}
    inner = dict(part, affine=np.eye(4))
    whole = world_matrix(attributes(image), 3)
    inner["translate"] = np.linalg.solve(TURNED["affine"], whole @ [*corner, 1.0])[:3]
    labels = Labels(np.zeros((2, 2, 2), np.uint8), **(inner | {"affine": TURNED["affine"]}))
    found = geometry_of_labels(attributes(labels), 3, attributes(image))
    np.testing.assert_allclose(found.affine[:, 3], SCAN.affine @ [*corner, 1.0], atol=1e-9)
    np.testing.assert_allclose(found.affine[:, :3], SCAN.affine[:, :3], atol=1e-9)


def test_a_voxel_size_given_in_napari_counts():
    note = {"medseg": {"geometry": Geometry((1.0, 1.0, 1.0)).as_dict()}}
    labels = Labels(np.zeros(SHAPE, np.uint8), scale=(3, 2, 1), units="mm", metadata=note)
    found = geometry_of_labels(attributes(labels), 3)
    assert found.spacing == (3.0, 2.0, 1.0) and found.units == "mm" and not found.matrix


@pytest.mark.parametrize(
    ("units", "spacing", "unit"),
    [
        (("nm", "nm"), (0.05, 0.02), "um"),
        (("cm", "cm"), (500.0, 200.0), "mm"),
        (("pixel", "pixel"), (50.0, 20.0), "pixel"),
        (("s", "mm"), (1.0, 1.0), "pixel"),
        (("kg", "kg"), (1.0, 1.0), "pixel"),
    ],
)
@pytest.mark.parametrize("turned", [{}, {"rotate": 30.0}])
def test_lengths_are_told_in_a_unit_of_ours_or_not_at_all(units, spacing, unit, turned):
    layer = Labels(np.zeros(SHAPE[1:], np.uint8), scale=(50, 20), units=units, **turned)
    found = geometry_of_labels(attributes(layer), 2)
    assert found.spacing == pytest.approx(spacing)
    assert found.units == unit


def test_a_file_is_believed_in_whatever_unit_its_layer_is_shown():
    note = {"medseg": {"geometry": SCAN.as_dict()}}
    shown = {"scale": np.array(SCAN.spacing) * 1000.0, "units": "um", "metadata": note}
    found = geometry_of_labels(attributes(Labels(np.zeros(SHAPE, np.uint8), **shown)), 3)
    assert found == SCAN


def test_axes_of_several_units_are_told_in_one():
    plane = Labels(np.zeros(SHAPE[1:], np.uint8), scale=(50, 20), units=("mm", "um"))
    assert geometry_of_labels(attributes(plane), 2) == Geometry((50.0, 0.02), units="mm")


def test_planes_over_time_keep_their_unit():
    stack = Labels(np.zeros(SHAPE, np.uint8), scale=(9, 5, 2), units=("s", "nm", "nm"))
    assert sizes_of(attributes(stack), 3, (1, 2)) == (pytest.approx((5e-3, 2e-3)), "um")
    assert sizes_of(attributes(stack), 3, (0, 1, 2)) == ((1.0, 1.0, 1.0), "pixel")


def test_a_layer_without_a_file_claims_no_patient():
    plain = Labels(np.zeros(SHAPE, np.uint8), scale=(3, 2, 1))
    assert geometry_of_labels(attributes(plain), 3) == Geometry((3.0, 2.0, 1.0))
    turned = Labels(np.zeros(SHAPE[1:], np.uint8), rotate=90.0)
    assert not geometry_of_labels(attributes(turned), 2).matrix
