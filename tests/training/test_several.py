"""Several answers by one layer against single heads."""

import numpy as np
import pytest

from headstart.results import DataError
from headstart.training import LogisticHead, SeveralHead


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) * [1, 3, 9, 0.1, 1] + 2
    Y = np.column_stack([X[:, 0] > 2, np.digitize(X[:, 1], [0, 4]), rng.random(60) < 0.5, np.arange(60) % 2])
    return X, Y.astype(int)


def test_each_answer_is_that_of_a_head_of_its_own():
    X, Y = data()
    head = SeveralHead([0.1, 1.0, 10.0, 0.5], [1, 3, 1, 2]).fit(X, Y)
    found = head.predict_proba(X)
    alone = [LogisticHead(C=C).fit(X, column).predict_proba(X) for C, column in zip(head.Cs, Y.T, strict=True)]
    expected = np.column_stack([alone[0][:, 1], alone[1], alone[2][:, 1], alone[3]])
    assert found == pytest.approx(expected, abs=1e-9)
    again = SeveralHead.from_arrays(head.to_arrays())
    assert again.predict_proba(X) == pytest.approx(found, abs=1e-12) and again.sizes == [1, 3, 1, 2]
    labels = SeveralHead([1.0, 1.0], [1, 1]).fit(X, Y[:, [0, 2]])
    assert "sizes" not in labels.to_arrays()
    assert SeveralHead.from_arrays(labels.to_arrays()).predict_proba(X) == pytest.approx(labels.predict_proba(X))


def test_bad_input_is_named():
    X, Y = data()
    with pytest.raises(DataError, match="give a column and a size for each"):
        SeveralHead([1.0], [1]).fit(X, Y)
    with pytest.raises(DataError, match="of one class"):
        SeveralHead([1.0], [1]).fit(X, np.ones((60, 1)))
    with pytest.raises(DataError, match="answer 0 has 2 classes in these rows, not 3"):
        SeveralHead([1.0], [3]).fit(X, Y[:, :1])
