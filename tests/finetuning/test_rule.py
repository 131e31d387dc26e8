import pytest

from headstart.finetuning.rule import LARGE, SIMILAR, WAYS, place
from headstart.results import DataError


@pytest.mark.parametrize(
    ("per_class", "similarity", "way"),
    [
        (LARGE - 1, SIMILAR, "freeze"),
        (LARGE, SIMILAR, "fine-tune"),
        (LARGE - 1, SIMILAR - 0.01, "low-level"),
        (LARGE, SIMILAR - 0.01, "scratch"),
    ],
)
def test_each_cell_of_the_table(per_class, similarity, way):
    found = place(int(per_class * 7), 7, similarity)
    assert found.ways == (way,) and WAYS[way] in found.headline() and "measurement decides" in found.headline()
    marked = found.to_frame().map(lambda cell: cell.startswith("→ "))
    assert marked.to_numpy().sum() == 1
    assert len(found.plot().data) > 0


def test_without_a_similarity_both_cells_of_the_row_are_named():
    assert place(30, 3, None).ways == ("freeze", "low-level") and place(30_000, 3, None).ways == (
        "fine-tune",
        "scratch",
    )


@pytest.mark.parametrize("arguments", [(0, 3, 0.5), (10, 0, 0.5), (10, 2, 1.5)])
def test_bad_input(arguments):
    with pytest.raises(DataError):
        place(*arguments)
