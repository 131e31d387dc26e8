"""Relational distillation: losses against their definitions, term by term, and gradients against numerical ones."""

import itertools

import numpy as np
import pytest
import torch

from headstart.results import DataError
from headstart.transfer.relational import distil
from headstart.transfer.relational.distillation import RelationalLoss, angle_loss, distance_loss

RNG = np.random.default_rng(0)
STUDENT, TEACHER = RNG.normal(size=(7, 3)), 3 * RNG.normal(size=(7, 5))
STUDENT[0] *= 8  # far enough for the straight part of Huber's loss


def huber(difference):
    return difference**2 / 2 if abs(difference) <= 1 else abs(difference) - 0.5


def slow_distance(S, T):
    pairs = list(itertools.combinations(range(len(S)), 2))

    def relative(rows):
        apart = np.array([np.linalg.norm(rows[i] - rows[j]) for i, j in pairs])
        return apart / apart.mean()

    return np.mean([huber(difference) for difference in relative(T) - relative(S)])


def slow_angle(S, T):
    def cosine(rows, i, j, k):
        one, two = rows[i] - rows[j], rows[k] - rows[j]
        return one @ two / np.linalg.norm(one) / np.linalg.norm(two)

    triples = itertools.permutations(range(len(S)), 3)
    return np.mean([huber(cosine(T, *triple) - cosine(S, *triple)) for triple in triples])


@pytest.mark.parametrize(("loss", "slow"), [(distance_loss, slow_distance), (angle_loss, slow_angle)])
def test_losses_are_their_definitions(loss, slow):
    found = loss(torch.tensor(STUDENT), torch.tensor(TEACHER))
    assert float(found) == pytest.approx(slow(STUDENT, TEACHER), abs=1e-12)
    few = loss(torch.tensor(STUDENT[:3]), torch.tensor(TEACHER[:3]))
    assert float(few) == pytest.approx(slow(STUDENT[:3], TEACHER[:3]), abs=1e-12)


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_gradients_are_numerical_ones_and_flow_into_the_student_alone(loss):
    student = torch.tensor(STUDENT, requires_grad=True)
    teacher = torch.tensor(TEACHER, requires_grad=True)
    assert torch.autograd.gradcheck(lambda rows: loss(rows, teacher.detach()), (student,))
    loss(student, teacher).backward()
    assert teacher.grad is None


def test_the_weighted_sum_is_the_paper_s():
    S, T = torch.tensor(STUDENT), torch.tensor(TEACHER)
    assert float(RelationalLoss(25, 50)(S, T)) == pytest.approx(
        25 * slow_distance(STUDENT, TEACHER) + 50 * slow_angle(STUDENT, TEACHER)
    )
    assert float(RelationalLoss(1, 0)(S, T)) == pytest.approx(slow_distance(STUDENT, TEACHER))


def test_turned_and_stretched_is_the_same():
    turn = np.linalg.qr(RNG.normal(size=(5, 5)))[0]
    moved = torch.tensor(4 * TEACHER @ turn + 2)
    for loss in (distance_loss, angle_loss):
        assert float(loss(moved, torch.tensor(TEACHER))) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_examples_that_fall_together_leave_the_gradient_finite(loss):
    rows = STUDENT.copy()
    rows[1] = rows[2] = rows[0]
    for given in (rows, np.zeros((7, 3)), rows[:2], rows[:1]):
        student = torch.tensor(given, requires_grad=True)
        found = loss(student, torch.tensor(TEACHER[: len(given)]))
        found.backward()
        assert torch.isfinite(found) and torch.isfinite(student.grad).all()


def test_a_student_learns_the_teacher_s_relations():
    X = RNG.normal(size=(120, 6))
    teacher = X[:, :2] * [3, 1]
    found = distil(X[:90], teacher[:90], width=2, hidden=32, epochs=25, batch_size=30, rate=0.01)
    unseen = found.transform(X[90:])
    assert slow_distance(unseen, teacher[90:]) < slow_distance(X[90:], teacher[90:]) / 3
    again = distil(X[:90], teacher[:90], width=2, hidden=32, epochs=25, batch_size=30, rate=0.01)
    assert found.losses == again.losses and len(found.losses) == 25


def test_a_network_on_pictures_can_be_the_student():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    pictures = RNG.normal(size=(10, 3, 8, 8))
    found = distil(pictures, TEACHER[RNG.integers(7, size=10)], student=network, epochs=1, batch_size=4)
    assert found.student is network and found.transform(pictures).shape == (10, 4)


def test_bad_input():
    with pytest.raises(DataError, match=r"student \(7, 3\) and teacher \(6, 5\) do not fit"):
        distance_loss(torch.tensor(STUDENT), torch.tensor(TEACHER[:6]))
    with pytest.raises(DataError, match="distance=0, angle=0: give weights"):
        RelationalLoss(0, 0)
    with pytest.raises(DataError, match=r"inputs \(7, 3\) and teacher \(6, 5\) do not fit"):
        distil(STUDENT, TEACHER[:6])
    with pytest.raises(DataError, match="3 or more"):
        distil(STUDENT[:2], TEACHER[:2])
    with pytest.raises(DataError, match="not finite"):
        distil(np.where(STUDENT > 0, np.nan, STUDENT), TEACHER)
    with pytest.raises(DataError, match="give a student for what is not a table"):
        distil(np.zeros((5, 3, 4, 4)), np.zeros((5, 2)))
    with pytest.raises(DataError, match="batch_size=2"):
        distil(STUDENT, TEACHER, batch_size=2)
