"""The 2x2 table: every cell, its borders, and what is said where something is not known."""

import numpy as np
import pytest

from headstart.finetuning.rule import LARGE, SIMILAR, WAYS, place
from headstart.results import DataError


@pytest.mark.parametrize(
    ("per_class", "similarity", "way"),
    [
        (LARGE - 1, SIMILAR, "freeze"),
        (LARGE, SIMILAR, "fine-tune"),
        (LARGE - 1, np.nextafter(SIMILAR, 0), "low-level"),
        (LARGE, np.nextafter(SIMILAR, 0), "scratch"),
        (1, 0.0, "low-level"),
        (1e6, 1.0, "fine-tune"),
    ],
)
def test_every_cell_and_its_border(per_class, similarity, way):
    found = place(int(per_class * 7), 7, float(similarity))
    assert found.ways == (way,)
    assert WAYS[way] in found.headline() and "measurement decides" in found.headline()
    marked = [text for row in found.to_frame().to_numpy() for text in row if text.startswith("→ ")]
    assert marked == [f"→ {WAYS[way]}"]


def test_the_four_cells_hold_four_ways():
    frame = place(20, 2, 0.5).to_frame()
    assert {text.removeprefix("→ ") for text in frame.to_numpy().ravel()} == set(WAYS.values())
    assert frame.loc["small", "similar source"] == WAYS["freeze"]
    assert frame.loc["large", "dissimilar source"] == WAYS["scratch"]


@pytest.mark.parametrize(("n", "ways"), [(20, ("freeze", "low-level")), (10**7, ("fine-tune", "scratch"))])
def test_without_similarity_both_cells_of_the_row_are_named(n, ways):
    found = place(n, 10, None)
    assert found.similar is None and found.ways == ways
    assert all(WAYS[way] in found.headline() for way in found.ways)
    assert sorted(found.to_frame().map(lambda text: text.startswith("→ ")).sum(axis=1)) == [0, 2]
    assert found.to_dict()["similarity"] is None


def test_near_a_border_there_is_a_warning_and_far_from_it_none():
    assert not place(2, 2, 0.999).warnings and not place(10**7, 2, 0.5).warnings
    assert len(place(2 * LARGE, 2, SIMILAR).warnings) == 2


@pytest.mark.parametrize("arguments", [(0, 2, 0.5), (5, 0, 0.5), (5, 2, 1.5), (5, 2, float("nan"))])
def test_what_is_out_of_range_is_said(arguments):
    with pytest.raises(DataError, match="give"):
        place(*arguments)


@pytest.mark.parametrize("similarity", [0.97, 0.4, None])
def test_the_plot_shades_the_field_that_holds_the_target(similarity):
    found = place(700, 14, similarity)
    shaded = [shape for shape in found.plot().layout.shapes if shape.opacity < 1]
    assert len(shaded) == len(found.ways)
    for shape in shaded:
        assert shape.x0 <= found.per_class <= shape.x1
        assert similarity is None or shape.y0 <= similarity <= shape.y1
