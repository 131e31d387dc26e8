"""Networks on cached features that learn from the source and align the target, as adapters."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils.multiclass import check_classification_targets

from headstart.data.labels import labelled
from headstart.results import DataError, HeadstartWarning
from headstart.transfer.adapter import Floats
from headstart.transfer.deep.validation import Validator, validator
from headstart.transfer.domain import Domain
from headstart.transfer.feature.base import FeatureAdapter, pooled

if TYPE_CHECKING:
    from torch import nn

    from headstart.transfer.deep.alignments import Alignment

_HELD_OUT = 0.2  # of the source, for the validator
_ROWS = 4096  # rows of a batch where nothing is learned


class NetworkAdapter(FeatureAdapter):
    """Base: a network with one hidden layer whose features learn to serve the target.

    Features are standardized by the rows of both domains. What is predicted comes from the network's own classifier, or
    from ``estimator``, fitted on the hidden layer, where one is given.

    Parameters
    ----------
    estimator : scikit-learn classifier, optional
    source : Domain, optional
    weight : float or sequence of float
        Of the alignment. Of several, one is chosen by the validator, on a fifth of the source that is held out.
    validator : {"weighted", "density", "information"}
        See :mod:`headstart.transfer.deep.validation`.
    hidden : int
        Width of the hidden layer, which is what is aligned.
    epochs, batch_size : int
        A batch is half source, half target.
    rate, weight_decay, dropout : float
    random_state : int
        Seed of everything.

    Attributes
    ----------
    weight_ : float
        That was used.
    scores_ : dict of float to float
        What the validator said of each weight; empty where there was one.
    body_, head_ : torch.nn.Module
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        source: Domain | None = None,
        weight: float | Sequence[float] = 1.0,
        validator: Validator = "information",
        hidden: int = 128,
        epochs: int = 20,
        batch_size: int = 64,
        rate: float = 1e-3,
        weight_decay: float = 0.01,
        dropout: float = 0.25,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.weight = weight
        self.validator = validator
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.rate = rate
        self.weight_decay = weight_decay
        self.dropout = dropout

    def _align(self, Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> None:
        self._check_settings()
        _, y = pooled(Xs, ys, Xt, yt)
        check_classification_targets(y)
        self._check_classes(y)
        self._names, codes = np.unique(y, return_inverse=True)
        of_target = np.full(len(Xt), -1)
        if yt is not None:
            of_target[labelled(yt, ys)] = codes[len(Xs) :]
        both = np.vstack([Xs, Xt])
        self._mean, spread = both.mean(axis=0), both.std(axis=0)
        self._spread = np.where(spread > 1e-12 * np.abs(both).max(axis=0), spread, 1.0)
        weights = [float(one) for one in np.atleast_1d(np.asarray(self.weight, dtype=np.float64))]
        self.scores_: dict[float, float] = {}
        if len(weights) > 1:
            self.scores_ = self._validated(Xs, codes[: len(Xs)], Xt, of_target, weights)
        self.weight_ = max(self.scores_, key=self.scores_.__getitem__) if self.scores_ else weights[0]
        self._train(Xs, codes[: len(Xs)], Xt, of_target, self.weight_)

    def _check_settings(self) -> None:
        if not is_classifier(self._fresh()):
            raise DataError(f"{type(self).__name__} tells classes apart: give a classifier")
        if np.size(self.weight) < 1 or not (np.asarray(self.weight, dtype=np.float64) >= 0).all():
            raise DataError(f"weight={self.weight!r}: give numbers from 0 on")
        if self.hidden < 1 or self.epochs < 1 or self.batch_size < 4:
            given = f"hidden={self.hidden}, epochs={self.epochs}, batch_size={self.batch_size}"
            raise DataError(f"{given}: give a hidden unit, an epoch and a batch of 4 at least")
        validator(self.validator)

    def _validated(
        self, Xs: Floats, ys: NDArray[np.int64], Xt: Floats, yt: NDArray[np.int64], weights: list[float]
    ) -> dict[float, float]:
        """Return what the validator says of each weight, of networks that did not see a fifth of the source."""
        rng = np.random.default_rng(self.random_state)
        order = rng.permutation(len(Xs))
        held, kept = np.split(order, [max(1, int(_HELD_OUT * len(Xs)))])
        judge, found = validator(self.validator), {}
        for weight in weights:
            self._train(Xs[kept], ys[kept], Xt, yt, weight)
            fs, ft = self._map_source(Xs[held]), self._map_target(Xt)
            head = self._classifier()
            found[weight] = judge(ys[held], head.predict_proba(fs), fs, head.predict_proba(ft), ft)
        return found

    def _train(self, Xs: Floats, ys: NDArray[np.int64], Xt: Floats, yt: NDArray[np.int64], weight: float) -> None:
        import torch

        from headstart.training.loop import Recipe
        from headstart.transfer.deep.joint import DomainBatches, adapt

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            body, head = self._network(Xs.shape[1], len(self._names))
            alignment = self._alignment(len(self._names))
        recipe = Recipe(
            epochs=self.epochs, batch_size=self.batch_size, rate=self.rate, head_rate=self.rate,
            weight_decay=self.weight_decay, label_smoothing=0.0,
        )  # fmt: skip
        rows_s, rows_t = (self._scaled(X) for X in (Xs, Xt))
        batches = DomainBatches(rows_s, ys, rows_t, yt, batch_size=self.batch_size, seed=self.random_state)
        adapt(body, head, alignment, batches, recipe, weight=weight, seed=self.random_state)
        self.body_, self.head_ = body, head

    def _network(self, n_features: int, n_classes: int) -> tuple[nn.Module, nn.Module]:
        from torch import nn

        body = nn.Sequential(nn.Linear(n_features, self.hidden), nn.ReLU(), nn.Dropout(self.dropout))
        return body, nn.Linear(self.hidden, n_classes)

    def _alignment(self, n_classes: int) -> Alignment:
        raise NotImplementedError

    def _learned(self, Xs: Floats, ys: NDArray[Any], Xt: Floats, yt: NDArray[Any] | None) -> Any:
        return self._classifier(self._names) if self.estimator is None else super()._learned(Xs, ys, Xt, yt)

    def _classifier(self, classes: NDArray[Any] | None = None) -> Any:
        """Return the network's own classifier, which takes the hidden layer."""
        from headstart.training import LogisticHead

        head: Any = self.head_
        arrays = {"weight": head.weight.detach().numpy(), "bias": head.bias.detach().numpy()}
        return LogisticHead.from_arrays(arrays, classes)

    def _scaled(self, X: Floats) -> NDArray[np.float32]:
        return np.asarray((X - self._mean) / self._spread, dtype=np.float32)

    def _map_source(self, X: Floats) -> Floats:
        return features_of(self.body_, self._scaled(X))

    def _map_target(self, X: Floats) -> Floats:
        return features_of(self.body_, self._scaled(X))


class DeepCORAL(NetworkAdapter):
    """The covariances of the hidden layer on source and target are drawn together.

    Parameters and attributes are those of :class:`NetworkAdapter`.

    References
    ----------
    Sun and Saenko (2016), Deep CORAL, arXiv:1607.01719.
    """

    def _alignment(self, n_classes: int) -> Alignment:
        from headstart.transfer.deep.alignments import CoralAlignment

        return CoralAlignment()


class DANN(NetworkAdapter):
    """The hidden layer learns to mislead a discriminator that tells source from target.

    It aligns the marginals, so it harms where the classes have other shares in the target. Parameters and attributes
    are those of :class:`NetworkAdapter`.

    References
    ----------
    Ganin et al. (2016), Domain-adversarial training of neural networks, arXiv:1505.07818.
    """

    def _alignment(self, n_classes: int) -> Alignment:
        from headstart.transfer.deep.alignments import AdversarialAlignment

        return AdversarialAlignment(self.hidden)


class CDAN(NetworkAdapter):
    """As :class:`DANN`, with a discriminator that sees what the network says of each row as well.

    Parameters and attributes are those of :class:`NetworkAdapter`.

    References
    ----------
    Long et al. (2018), Conditional adversarial domain adaptation, arXiv:1705.10667, CDAN+E.
    """

    def _alignment(self, n_classes: int) -> Alignment:
        from headstart.transfer.deep.alignments import ConditionalAlignment

        return ConditionalAlignment(self.hidden, n_classes, random_state=self.random_state)


class MCC(NetworkAdapter):
    """Minimum class confusion: the network learns to be sure on the target, without mixing up classes.

    It aligns nothing, and so can take other shares of the classes. Parameters and attributes are those of
    :class:`NetworkAdapter`.

    References
    ----------
    Jin et al. (2020), Minimum class confusion for versatile domain adaptation, arXiv:1912.03699.
    """

    def _alignment(self, n_classes: int) -> Alignment:
        from headstart.transfer.deep.alignments import ConfusionAlignment

        return ConfusionAlignment()


class AdaBN(NetworkAdapter):
    """A batch-normalized network of the source whose statistics are then those of the target.

    The target is not looked at in training, and labelled rows of it are only learned from where an ``estimator`` is
    given. Source rows are mapped with the source's statistics, target rows with the target's. ``weight`` plays no part.

    Parameters and other attributes are those of :class:`NetworkAdapter`.

    Attributes
    ----------
    recalibration_ : Recalibration
        How far the statistics moved; missing where the target has one row.

    References
    ----------
    Li et al. (2017), Revisiting batch normalization for practical domain adaptation, arXiv:1603.04779.
    """

    def _network(self, n_features: int, n_classes: int) -> tuple[nn.Module, nn.Module]:
        from torch import nn

        body = nn.Sequential(
            nn.BatchNorm1d(n_features, affine=False), nn.Linear(n_features, self.hidden),
            nn.BatchNorm1d(self.hidden), nn.ReLU(), nn.Dropout(self.dropout),
        )  # fmt: skip
        return body, nn.Linear(self.hidden, n_classes)

    def _alignment(self, n_classes: int) -> Alignment:
        from headstart.transfer.deep.alignments import NoAlignment

        return NoAlignment()

    def _train(self, Xs: Floats, ys: NDArray[np.int64], Xt: Floats, yt: NDArray[np.int64], weight: float) -> None:
        import copy

        import torch

        from headstart.normalization import recalibrate

        super()._train(Xs, ys, Xs, np.full(len(Xs), -1), 0.0)
        self.body_source_ = copy.deepcopy(self.body_)
        if len(Xt) < 2:
            message = "AdaBN: one target row has no statistics, so that those of the source stay"
            warnings.warn(message, HeadstartWarning, stacklevel=4)
        else:
            rows = torch.from_numpy(self._scaled(Xt))
            self.recalibration_ = recalibrate(self.body_, [rows[at : at + _ROWS] for at in range(0, len(rows), _ROWS)])

    def _map_source(self, X: Floats) -> Floats:
        return features_of(self.body_source_, self._scaled(X))


def features_of(body: nn.Module, rows: NDArray[np.float32]) -> Floats:
    """Return what a network in evaluation gives for rows (n, ...), float64."""
    import torch

    with torch.inference_mode():
        found = [body(torch.from_numpy(rows[start : start + _ROWS])) for start in range(0, len(rows), _ROWS)]
    return np.asarray(torch.cat(found).double().numpy())
