"""Losses by which a small network learns how far apart, and at which angles, a big one sees the examples."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headstart.results import DataError

_EPS = 1e-12  # share of the mean squared length up to which two examples count as one point


def distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean Huber loss between the two networks' distances of all pairs, each in units of its mean.

    ``mean over i < j of l(ψ(t_i, t_j), ψ(s_i, s_j))`` with ``ψ(a, b) = |a - b| / μ``, μ being the mean distance in the
    batch and l the Huber loss with δ = 1. The widths of the two may differ.

    Parameters
    ----------
    student : Tensor, shape (b, d)
        Gradients flow into it alone.
    teacher : Tensor, shape (b, e)

    Returns
    -------
    Tensor, shape ()
        0 where the batch has fewer than two examples.

    Raises
    ------
    DataError
        If the two do not have the same number of rows.

    References
    ----------
    Park et al. (2019), Relational knowledge distillation, arXiv:1904.05068, eq. 5 to 7; the sum over pairs is a mean
    here, so that its weight does not depend on the batch.

    Examples
    --------
    >>> points = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    >>> round(float(distance_loss(7 * points, points)), 4), round(float(distance_loss(points[[1, 0, 2]], points)), 4)
    (0.0, 0.0208)
    """
    _checked(student, teacher)
    if len(student) < 2:
        return student.sum() * 0
    return F.huber_loss(_relative(student), _relative(teacher.detach()))


def angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean Huber loss between the cosines of the two networks' angles at j, over all triples i, j, k.

    ``mean of l(ψ(t_i, t_j, t_k), ψ(s_i, s_j, s_k))`` over triples of three examples, ``ψ(a, b, c) = <e_ab, e_cb>`` and
    ``e_ab = (a - b) / |a - b|``. Where two examples fall together their angle counts as right.

    Parameters
    ----------
    student : Tensor, shape (b, d)
        Gradients flow into it alone.
    teacher : Tensor, shape (b, e)
        Work and memory grow with b³: 64 examples are 250,000 triples.

    Returns
    -------
    Tensor, shape ()
        0 where the batch has fewer than three examples.

    Raises
    ------
    DataError
        If the two do not have the same number of rows.

    References
    ----------
    Park et al. (2019), Relational knowledge distillation, arXiv:1904.05068, eq. 8 and 9; a mean here.

    Examples
    --------
    >>> points = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    >>> turned = points @ torch.tensor([[0.0, 2.0], [-2.0, 0.0]])
    >>> round(float(angle_loss(turned, points)), 6)
    0.0
    """
    _checked(student, teacher)
    b = len(student)
    if b < 3:
        return student.sum() * 0
    # Angles with i = k, i = j or k = j are the same on both sides and add nothing.
    total = F.huber_loss(_cosines(student), _cosines(teacher.detach()), reduction="sum")
    return total / (b * (b - 1) * (b - 2))


class RelationalLoss(nn.Module):
    """``distance * distance_loss + angle * angle_loss``.

    Parameters
    ----------
    distance, angle : float
        Weights; 25 and 50 (1 to 2) in the paper.

    References
    ----------
    Park et al. (2019), arXiv:1904.05068, section 4.
    """

    def __init__(self, distance: float = 1.0, angle: float = 2.0) -> None:
        super().__init__()
        if min(distance, angle) < 0 or distance + angle <= 0:
            raise DataError(f"distance={distance:g}, angle={angle:g}: give weights from 0 on, one above 0")
        self.distance, self.angle = distance, angle

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of a batch, ()."""
        loss = student.sum() * 0
        if self.distance:
            loss = loss + self.distance * distance_loss(student, teacher)
        if self.angle:
            loss = loss + self.angle * angle_loss(student, teacher)
        return loss


def _relative(rows: Tensor) -> Tensor:
    """Return the distances of all pairs over their mean, (b * (b - 1) / 2,); zeros where all are one point."""
    _, squared, apart = _products(rows)
    first, second = torch.triu_indices(len(rows), len(rows), offset=1)
    apart = apart[first, second]
    # The root has no gradient at 0: what falls together there stays, and does not turn the others into NaN.
    distances = torch.where(apart, torch.where(apart, squared[first, second], 1.0).sqrt(), 0.0)
    mean = distances.mean()
    return distances / torch.where(mean > 0, mean, 1.0)


def _cosines(rows: Tensor) -> Tensor:
    """Return the cosine of each angle (j, i, k) at j, (b, b, b); 0 where j falls together with one of the others."""
    products, squared, apart = _products(rows)
    inverse = torch.where(apart, torch.where(apart, squared, 1.0).rsqrt(), 0.0)
    own = products.diagonal()[:, None, None]
    between = products[None] - products[:, :, None] - products[:, None, :] + own
    return between * inverse[:, :, None] * inverse[:, None, :]


def _products(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return inner products about the mean, squared distances and whether two rows are apart, (b, b) each.

    Distances and angles follow from the products, which spares the (b, b, d) differences. What then cancels needs
    double precision.
    """
    wide = rows if rows.device.type == "mps" else rows.double()
    centred = wide - wide.mean(dim=0)
    products = centred @ centred.T
    length = products.diagonal()
    squared = length[:, None] + length[None] - 2 * products
    return products, squared, squared > _EPS * length.mean()


def _checked(student: Tensor, teacher: Tensor) -> None:
    if student.ndim != 2 or teacher.ndim != 2 or len(student) != len(teacher):
        raise DataError(
            f"student {tuple(student.shape)} and teacher {tuple(teacher.shape)} do not fit: "
            "give (b, d) and (b, e) of the same b examples"
        )
