"""Measuring regions, on shapes whose size is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pytest import approx

import napari_medseg as medseg
from napari_medseg.engine.measure.boundary import boundary_size, longest_diameter
from napari_medseg.engine.results import Provenance, Segmentation


def ball(radius, spacing):
    """All pixels whose centre is within the radius (mm) of the origin."""
    axes = [np.arange(-math.ceil(radius / s) - 1, math.ceil(radius / s) + 2) * s for s in spacing]
    grid = np.meshgrid(*axes, indexing="ij")
    return sum(g**2 for g in grid) <= radius**2


def row(*arguments, **options):
    return medseg.measure(*arguments, **options).iloc[0]


class TestPlanes:
    def test_a_rectangle_is_exact_in_millimetres(self):
        labels = np.zeros((50, 60), dtype=np.uint8)
        labels[10:20, 30:50] = 1
        found = row(labels, spacing=(0.5, 2.0))
        assert found.pixels == 200
        assert found.area_mm2 == approx(200)
        assert found.longest_diameter_mm == approx(math.hypot(5, 40))
        assert found.equivalent_diameter_mm == approx(2 * math.sqrt(200 / math.pi))
        assert (found.centroid_y_mm, found.centroid_x_mm) == approx((14.5 * 0.5, 39.5 * 2))

    @pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5), (2.0, 1.0), (0.3, 0.9)])
    def test_the_perimeter_of_a_disc_does_not_depend_on_the_grid(self, spacing):
        found = row(ball(30, spacing), spacing=spacing)
        assert found.perimeter_mm == approx(2 * math.pi * 30, rel=0.02)
        assert found.area_mm2 == approx(math.pi * 30**2, rel=0.01)
        assert found.longest_diameter_mm == approx(60, abs=2 * max(spacing))

    def test_the_perimeter_of_a_square_hardly_depends_on_how_it_is_turned(self):
        y, x = np.mgrid[-60:61, -60:61]
        for degrees in range(0, 91, 15):
            c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            square = (abs(c * y + s * x) <= 30) & (abs(c * x - s * y) <= 30)
            assert boundary_size(square, (1, 1)) == approx(240, rel=0.04)


class TestVolumes:
    def test_a_box_is_exact_in_millilitres(self):
        labels = np.zeros((8, 30, 40), dtype=np.uint8)
        labels[2:6, 5:25, 10:35] = 1
        found = row(labels, spacing=(5.0, 0.5, 0.8))
        assert found.volume_ml == approx(20 * 10 * 20 / 1000)
        assert found.longest_diameter_mm == approx(math.sqrt(20**2 + 10**2 + 20**2))
        assert found.centroid_z_mm == approx(3.5 * 5)

    @pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 1.0, 1.0), (0.7, 0.7, 2.0)])
    def test_the_surface_of_a_ball_does_not_depend_on_the_grid(self, spacing):
        found = row(ball(15, spacing), spacing=spacing)
        assert found.surface_mm2 == approx(4 * math.pi * 15**2, rel=0.04)
        assert found.volume_ml == approx(4 / 3 * math.pi * 15**3 / 1000, rel=0.03)
        assert found.equivalent_diameter_mm == approx(30, rel=0.01)


class TestUnits:
    def test_without_spacing_everything_is_in_pixels(self):
        assert row(np.ones((3, 4), int)).area_px2 == 12
        assert row(np.ones((2, 3, 4), int)).volume_px3 == 24

    def test_micrometres_are_named_as_such(self):
        found = row(np.ones((2, 3, 4), int), spacing=(2, 1, 1), units="um")
        assert found.volume_um3 == 48


class TestIntensities:
    def test_are_those_of_the_pixels_inside(self):
        labels = np.array([[0, 1, 1], [2, 2, 2]], dtype=np.uint8)
        table = medseg.measure(labels, image=np.array([[9, 1, 3], [5, 5, 5]]))
        assert table.intensity_mean.to_list() == [2, 5]
        assert table.intensity_std.to_list() == [1, 0]
        assert table.intensity_min.to_list() == [1, 5]
        assert table.intensity_max.to_list() == [3, 5]

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_leave_out_what_is_not_finite(self, bad):
        found = row(np.ones((1, 4), int), image=np.array([[1.0, bad, 3.0, 5.0]]))
        assert (found.intensity_mean, found.intensity_min, found.intensity_max) == (3, 1, 5)
        assert found.intensity_std == approx(math.sqrt(8 / 3))
        nothing = row(np.ones((1, 1), int), image=np.array([[bad]]))
        assert math.isnan(nothing.intensity_mean)

    def test_of_half_precision_do_not_overflow(self):
        image = np.linspace(-1000, 3000, 4000).astype(np.float16)[None]
        found = row(np.ones(image.shape, int), image=image)
        assert found.intensity_std == approx(image.astype(float).std())
        colours = np.full((2, 2, 3), 60_000, np.float16)
        assert row(np.ones((2, 2), int), image=colours).intensity_mean == approx(60_000, rel=1e-3)

    def test_of_a_colour_image_are_its_brightness_without_alpha(self):
        image = np.full((2, 2, 4), (0, 30, 60, 255), dtype=np.uint8)
        assert row(np.ones((2, 2), int), image=image).intensity_mean == 30

    def test_refuse_an_image_of_another_shape(self):
        with pytest.raises(ValueError, match=r"\(3, 3\) does not belong.*\(2, 2\)"):
            medseg.measure(np.ones((2, 2), int), image=np.ones((3, 3)))


class TestTable:
    def test_has_a_row_for_each_class_and_counts_its_pieces(self):
        labels = np.array([[1, 0, 1, 0, 3], [0, 0, 0, 0, 3]], dtype=np.uint8)
        table = medseg.measure(labels)
        assert table.label.to_list() == [1, 3]
        assert table.name.to_list() == ["class 1", "class 3"]
        assert table.regions.to_list() == [2, 1]

    def test_says_zero_of_a_named_class_that_is_absent(self):
        labels = np.array([[0, 1]], dtype=np.uint8)
        names = ("background", "left lung", "right lung")
        found = Segmentation(labels, None, names, Provenance("segment"))
        table = medseg.measure(found, spacing=(1, 1), image=labels)
        assert table.name.to_list() == ["left lung", "right lung"]
        absent = table.iloc[1]
        assert (absent.pixels, absent.regions, absent.area_mm2, absent.perimeter_mm) == (0,) * 4
        assert math.isnan(absent.centroid_x_mm)
        assert math.isnan(absent.intensity_mean)

    def test_has_its_columns_also_without_any_class(self):
        empty, full = np.zeros((3, 3), int), np.ones((3, 3), int)
        assert list(medseg.measure(empty)) == list(medseg.measure(full))

    @settings(max_examples=40)
    @given(arrays(np.uint16, (4, 5, 6), elements=st.sampled_from([0, 1, 7, 5000])))
    def test_adds_up_to_all_labelled_pixels(self, labels):
        table = medseg.measure(labels)
        assert table.pixels.sum() == np.count_nonzero(labels)
        for found in table.itertuples():
            points = np.argwhere(labels == found.label)
            place = [found.centroid_z_px, found.centroid_y_px, found.centroid_x_px]
            assert place == approx(points.mean(axis=0))


@settings(max_examples=40)
@given(arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_the_longest_diameter_is_that_between_the_farthest_corners(mask):
    spacing = (0.7, 1.9)
    corners = [p + np.array(s) for p in np.argwhere(mask) for s in ((0, 0), (0, 1), (1, 0), (1, 1))]
    corners = np.array(corners).reshape(-1, 2) * spacing
    between = np.linalg.norm(corners[:, None] - corners[None], axis=-1)
    assert longest_diameter(mask, spacing) == approx(between.max(initial=0))


@pytest.mark.parametrize("spacing", [2.0, "ab", (1, None)])
def test_a_spacing_is_a_number_for_each_axis(spacing):
    with pytest.raises(ValueError, match="the spacing needs 2 positive numbers"):
        medseg.measure(np.ones((3, 4), np.uint8), spacing=spacing)


def test_an_image_of_complex_numbers_is_refused():
    with pytest.raises(ValueError, match="convert the image to integers or floats"):
        medseg.measure(np.ones((3, 4), np.uint8), image=np.ones((3, 4), complex))
