"""Task2Vec: a target as a vector, the Fisher information of a source's filters, and how far two targets lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked_rows
from headstart.results import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from headstart.data.pictures import PictureSet
    from headstart.sources import Source

Floats = NDArray[np.float64]

ENOUGH = 200  # pictures


def task2vec(
    pictures: PictureSet,
    labels: ArrayLike,
    source: Source,
    *,
    features: ArrayLike | None = None,
    n_draws: int = 1,
    random_state: int | np.random.Generator | None = 0,
    device: str = "cpu",
) -> Floats:
    """Return how much each filter of ``source`` matters for telling the classes of these pictures apart.

    A logistic head is fitted on the last tap; the embedding is the diagonal of the Fisher information of the network's
    weights under that head, ``E_x E_{y ~ p(y|x)} (∂ log p(y|x) / ∂ w)²``, averaged over the weights of each filter.
    y is drawn from what the model says, so that no label enters here; a picture is one step forward and one back.

    Parameters
    ----------
    pictures : PictureSet
        The n pictures; some 200 are enough.
    labels : array_like, shape (n,)
        Their classes.
    source : Source
        With its exact preprocessing. Only embeddings of the same source compare.
    features : array_like, shape (n, d), optional
        Its last tap, where it is at hand.
    n_draws : int
        Labels drawn for each picture.
    random_state : int, Generator or None
        Of the draws.
    device : str
        A PyTorch device.

    Returns
    -------
    ndarray of float64, shape (filters,)
        Not negative; in the order of the network's convolutions and linear layers, the classifier left out.

    Raises
    ------
    DataError
        If labels do not match, or are of one class.

    References
    ----------
    Achille et al. (2019), Task2Vec: task embedding for meta-learning, arXiv:1902.03545, sections 2 and 3.
    """
    import torch

    from headstart.features.activations import compute
    from headstart.features.preprocess import prepare, shorter_side
    from headstart.finetuning.top import Top, classifier_of, with_head
    from headstart.training import LogisticHead
    from headstart.training.frozen import freeze_statistics
    from headstart.transferability.score import checked_labels

    codes = checked_labels(labels).codes
    last = compute(pictures, source, taps=["last"])["last"] if features is None else features
    X = checked_rows(last, len(codes), "features")
    if len(pictures) != len(codes):
        raise DataError(f"there are {len(pictures):,} pictures and {len(codes):,} labels: give one for each")
    arrays = LogisticHead().fit(X, codes).to_arrays()
    network = freeze_statistics(with_head(source.network(), arrays["weight"], arrays["bias"]))
    weights = filters(network, classifier_of(network))
    top = Top(network, None, source.preprocessing).to(device).eval()

    def inputs(row: int) -> Tensor:
        opened = pictures.open(row, at_least=shorter_side(source.preprocessing))
        return torch.from_numpy(np.array(prepare(opened, source.preprocessing)))[None].to(device)

    return fisher(
        top, [weight for _, weight in weights], inputs, len(codes), n_draws=n_draws,
        rng=np.random.default_rng(random_state),
    )  # fmt: skip


def filters(network: nn.Module, classifier: nn.Module) -> list[tuple[str, Tensor]]:
    """Return the weights of convolutions and linear layers, by name, those of the classifier left out."""
    import torch

    kinds = (torch.nn.modules.conv._ConvNd, torch.nn.Linear)
    return [
        (name, module.weight)
        for name, module in network.named_modules()
        if isinstance(module, kinds) and module is not classifier
    ]


def fisher(
    network: nn.Module, weights: Sequence[Tensor], inputs: Any, n: int, *, n_draws: int, rng: np.random.Generator
) -> Floats:
    """Return the diagonal Fisher information of ``weights``, averaged over the first dimension of each.

    Parameters
    ----------
    network : torch.nn.Module
        Returns logits (1, k).
    weights : sequence of Tensor
        Parameters of the network.
    inputs : callable
        Returns the input of an example, of batch size 1, by its row.
    n : int
        Examples.
    n_draws : int
        Labels drawn for each, from what the network says.
    rng : Generator
    """
    import torch

    summed = [torch.zeros_like(weight, dtype=torch.float64) for weight in weights]
    for row in range(n):
        logs = torch.log_softmax(network(inputs(row))[0].double(), dim=0)
        shares = logs.detach().exp().cpu().numpy()
        drawn = rng.choice(len(shares), size=n_draws, p=shares / shares.sum())
        for place, code in enumerate(drawn):
            gradients = torch.autograd.grad(logs[int(code)], weights, retain_graph=place + 1 < n_draws)
            for total, gradient in zip(summed, gradients, strict=True):
                total += gradient.double() ** 2
    return np.concatenate([(total / (n * n_draws)).flatten(1).mean(dim=1).cpu().numpy() for total in summed])


def task_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Return how far two targets lie apart: the cosine distance of ``a / (a + b)`` and ``b / (a + b)``.

    Filters with much information in both would drown the others; divided by their sum, each counts by its share.

    Parameters
    ----------
    a, b : array_like, shape (filters,)
        Embeddings of two targets by the same source; filters that matter for neither are left out.

    Returns
    -------
    float
        0 for targets that need the same filters, to 1.

    Raises
    ------
    DataError
        If they are not of the same source, or hold negative numbers.

    References
    ----------
    Achille et al. (2019), arXiv:1902.03545, section 4.1, the symmetric distance.

    Examples
    --------
    >>> task_distance([1, 2, 3], [2, 4, 6]), task_distance([1, 0], [0, 1])
    (0.0, 1.0)
    """
    one, other = (np.asarray(values, dtype=np.float64) for values in (a, b))
    if one.shape != other.shape or one.ndim != 1:
        raise DataError(f"embeddings have shapes {one.shape} and {other.shape}: make both with the same source")
    if not ((one >= 0).all() and (other >= 0).all()):
        raise DataError("an embedding holds negative or missing numbers: give what task2vec returned")
    total = one + other
    known = total > 0
    x, y = one[known] / total[known], other[known] / total[known]
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    return min(1.0, max(0.0, 1 - float(x @ y) / norms)) if norms else 1.0
