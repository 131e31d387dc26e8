import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import headstart
from headstart import TransferClassifier
from headstart.features.activations import compute
from headstart.results import DataError


@parametrize_with_checks([TransferClassifier()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_features_in_a_pipeline():
    from sklearn.preprocessing import MinMaxScaler

    X, y = load_digits(return_X_y=True)
    scores = cross_val_score(make_pipeline(MinMaxScaler(), TransferClassifier(C=0.1)), X[:600], y[:600], cv=3)
    assert scores.mean() > 0.85


def test_pictures_as_paths_and_as_arrays(photos):
    from PIL import Image

    files = sorted(photos.rglob("*.png"))
    y = np.array([file.parent.name for file in files], dtype=object)
    model = TransferClassifier().fit([str(file) for file in files], y)
    assert list(model.classes_) == ["disc", "quer balken", "環"]
    assert (model.predict(files) == y).mean() > 0.9
    arrays = np.stack([np.asarray(Image.open(file)) for file in files])
    assert np.allclose(model.predict_proba(arrays), model.predict_proba(files), atol=1e-5)
    features = compute(headstart.data.PictureSet(files), headstart.sources.get("lite0"))
    assert np.allclose(model.predict_proba(features["last"]), model.predict_proba(files), atol=1e-6)


def test_pictures_for_a_model_of_features():
    X, y = load_digits(return_X_y=True)
    model = TransferClassifier(C=0.1).fit(X, y)
    with pytest.raises(DataError, match="64 features"):
        model.predict(np.zeros((2, 8, 8, 3), np.uint8))
