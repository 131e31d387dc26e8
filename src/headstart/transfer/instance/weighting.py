"""The adapters that weigh the source by a density ratio: its rows count as often as the target has such rows."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from headstart.transfer.adapter import Adapter, Kind
from headstart.transfer.domain import Domain
from headstart.transfer.instance._rows import Floats
from headstart.transfer.instance.classifier import classifier_weights
from headstart.transfer.instance.kliep import kliep_weights
from headstart.transfer.instance.kmm import kmm_weights
from headstart.transfer.instance.neighbours import neighbour_weights
from headstart.transfer.instance.size import effective_sample_size
from headstart.transfer.instance.ulsif import ulsif_weights
from headstart.transfer.instance.weighted import fit_weighted, with_labelled


class WeightingAdapter(Adapter):
    """Base of the adapters that weigh the source; a subclass gives ``_weigh``.

    The estimator learns from the weighted source, and from the target's labelled rows, if there are any, with weight 1
    each; the source then weighs as much as its effective sample size in all. Made for covariate shift: P(Y given X) is
    the same on both sides. An estimator whose ``fit`` takes no ``sample_weight`` is refused.

    Attributes
    ----------
    weights_ : ndarray, shape (ns,)
        Of the source's rows, 0 or more, with mean 1.
    effective_sample_size_ : float
        How many unweighted rows tell as much, see :func:`effective_sample_size`. Where it is small against ns, few rows
        decide.
    estimator_ : estimator
        Fitted with the weights.
    """

    kind: ClassVar[Kind] = "instances"

    weights_: Floats
    effective_sample_size_: float

    def fit(
        self, Xs: ArrayLike, ys: ArrayLike | None = None, Xt: ArrayLike | None = None, yt: ArrayLike | None = None
    ) -> Self:
        """Weigh the source by the target's rows, and learn; see :meth:`headstart.transfer.Adapter.fit`.

        Raises
        ------
        DataError
            If something does not fit together, or the estimator takes no weights.
        """
        source, labels, target, known = self._both(Xs, ys, Xt, yt)
        self.weights_ = self._weigh(source, target)
        self.effective_sample_size_ = effective_sample_size(self.weights_)
        X, y, weights = with_labelled(source, labels, self.weights_, target, known)
        self.estimator_ = fit_weighted(self._fresh(), X, y, weights)
        return self

    def _weigh(self, Xs: Floats, Xt: Floats) -> Floats:
        raise NotImplementedError


class KMM(WeightingAdapter):
    """Kernel mean matching, see :func:`kmm_weights`, and :class:`WeightingAdapter` for what is learned.

    Parameters
    ----------
    estimator : estimator, optional
        Logistic regression by default.
    B, eps, gamma, n_components
        As for :func:`kmm_weights`.
    source : Domain, optional
    random_state : int

    Examples
    --------
    >>> import numpy as np
    >>> Xs = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = KMM().fit(Xs, Xs[:, 0] > 0, Xs[:50] + 1)
    >>> model.weights_.shape, bool(model.effective_sample_size_ < 150), model.predict([[2.0, 0.0]]).tolist()
    ((200,), True, [True])
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        B: float = 1000.0,
        eps: float | None = None,
        gamma: float | None = None,
        n_components: int | None = None,
        source: Domain | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.B = B
        self.eps = eps
        self.gamma = gamma
        self.n_components = n_components

    def _weigh(self, Xs: Floats, Xt: Floats) -> Floats:
        return kmm_weights(
            Xs, Xt, B=self.B, eps=self.eps, gamma=self.gamma, n_components=self.n_components,
            random_state=self.random_state,
        )  # fmt: skip


class KLIEP(WeightingAdapter):
    """The ratio under which the target is most likely, see :func:`kliep_weights` and :class:`WeightingAdapter`.

    Parameters
    ----------
    estimator : estimator, optional
        Logistic regression by default.
    gamma, n_centres
        As for :func:`kliep_weights`.
    source : Domain, optional
    random_state : int
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        gamma: float | None = None,
        n_centres: int = 100,
        source: Domain | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.gamma = gamma
        self.n_centres = n_centres

    def _weigh(self, Xs: Floats, Xt: Floats) -> Floats:
        return kliep_weights(Xs, Xt, gamma=self.gamma, n_centres=self.n_centres, random_state=self.random_state)


class ULSIF(WeightingAdapter):
    """The ratio by least squares, see :func:`ulsif_weights` and :class:`WeightingAdapter`.

    Parameters
    ----------
    estimator : estimator, optional
        Logistic regression by default.
    gamma, penalty, n_centres
        As for :func:`ulsif_weights`.
    source : Domain, optional
    random_state : int
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        gamma: float | None = None,
        penalty: float | None = None,
        n_centres: int = 100,
        source: Domain | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.gamma = gamma
        self.penalty = penalty
        self.n_centres = n_centres

    def _weigh(self, Xs: Floats, Xt: Floats) -> Floats:
        return ulsif_weights(
            Xs, Xt, gamma=self.gamma, penalty=self.penalty, n_centres=self.n_centres, random_state=self.random_state
        )


class ClassifierRatio(WeightingAdapter):
    """The odds of a classifier between the domains, see :func:`classifier_weights` and :class:`WeightingAdapter`.

    Parameters
    ----------
    estimator : estimator, optional
        Logistic regression by default.
    C, highest
        As for :func:`classifier_weights`.
    source : Domain, optional
    random_state : int
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        C: float | None = None,
        highest: float = 1e3,
        source: Domain | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.C = C
        self.highest = highest

    def _weigh(self, Xs: Floats, Xt: Floats) -> Floats:
        return classifier_weights(Xs, Xt, C=self.C, highest=self.highest, random_state=self.random_state)


class NearestNeighbourWeights(WeightingAdapter):
    """Counts of the target's rows by nearest source row, see :func:`neighbour_weights` and :class:`WeightingAdapter`.

    Parameters
    ----------
    estimator : estimator, optional
        Logistic regression by default.
    smoothing
        As for :func:`neighbour_weights`.
    source : Domain, optional
    random_state : int
        For the other adapters' sake: nothing here is random.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        smoothing: float = 1.0,
        source: Domain | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(estimator, source=source, random_state=random_state)
        self.smoothing = smoothing

    def _weigh(self, Xs: Floats, Xt: Floats) -> Floats:
        return neighbour_weights(Xs, Xt, smoothing=self.smoothing)
