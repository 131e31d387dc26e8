"""Losses against their papers' equations written out, PyTorch, torchvision and scikit-learn; one contract for all."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import check_grad, minimize
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from torchvision.ops import sigmoid_focal_loss

from headstart.imbalance.loss_counts import filled_counts, ldam_margins, log_priors, loss_weights
from headstart.imbalance.loss_names import LOSSES, loss_spec, make_loss
from headstart.imbalance.loss_spec import LossSpec, value_and_gradient
from headstart.imbalance.losses import ClassificationLoss
from headstart.imbalance.weights import class_weights
from headstart.results import DataError
from headstart.training.loop import Recipe, train

CASES = [
    ("cross_entropy", {}),
    ("cross_entropy", {"class_weight": "balanced", "label_smoothing": 0.1}),
    ("class_balanced", {}),
    ("focal", {}),
    ("focal", {"gamma": 0.5, "class_weight": "sqrt"}),
    ("focal", {"one_vs_rest": True}),
    ("class_balanced_focal", {"gamma": 1.0, "beta": 0.9}),
    ("class_balanced_focal", {"one_vs_rest": True, "beta": 0.9999}),
    ("ldam", {}),
    ("ldam", {"scale": 30.0, "max_margin": 0.3}),
    ("ldam_drw", {"epochs": 10}),
    ("logit_adjustment", {}),
    ("logit_adjustment", {"tau": 0.5, "label_smoothing": 0.2}),
]
each_loss = pytest.mark.parametrize(("name", "options"), CASES, ids=lambda part: str(part))
COUNTS = [60, 25, 10, 5]


def batch(n=12, k=4, seed=0, spread=2.0, absent=()):
    rng = np.random.default_rng(seed)
    z = torch.from_numpy(rng.normal(scale=spread, size=(n, k)))
    y = torch.from_numpy(rng.choice([c for c in range(k) if c not in absent], size=n))
    return z, y


def long_tail(k):
    return np.ceil(1000 * 0.01 ** (np.arange(k) / (k - 1)))


def late(loss):
    """Be in the epochs in which all weights count."""
    loss.set_epoch(10**6)
    return loss


def by_the_paper(name, options, z, y, counts):
    """One example's loss, its class weight included, term by term as it is printed."""
    k, n = len(z), sum(counts)
    smooth, gamma = options.get("label_smoothing", 0.0), options.get("gamma", 2.0)
    kind = options.get(
        "class_weight", "effective" if name in ("class_balanced", "class_balanced_focal", "ldam_drw") else 0
    )
    beta = options.get("beta", 0.999)
    raw = {
        0: [1.0] * k,
        "balanced": [1 / c for c in counts],
        "sqrt": [1 / math.sqrt(c) for c in counts],
        "effective": [(1 - beta) / (1 - beta**c) for c in counts],
    }[kind]
    weight = raw[y] * n / sum(r * c for r, c in zip(raw, counts, strict=True))
    if "focal" in name and options.get("one_vs_rest"):
        total = 0.0
        for c in range(k):
            p = 1 / (1 + math.exp(-z[c] if c == y else z[c]))
            total -= (1 - p) ** gamma * math.log(p)
        return weight * total
    if "focal" in name:
        p = math.exp(z[y]) / sum(math.exp(v) for v in z)
        return -weight * (1 - p) ** gamma * math.log(p)
    if name.startswith("ldam"):
        s = options.get("scale", 1.0)
        biggest = max(1 / c**0.25 for c in counts)
        margin = options.get("max_margin", 0.5) / biggest / counts[y] ** 0.25
        top = math.exp(s * (z[y] - margin))
        return -weight * math.log(top / (top + sum(math.exp(s * v) for c, v in enumerate(z) if c != y)))
    tau = options.get("tau", 1.0) if name == "logit_adjustment" else 0.0
    shifted = [v + tau * math.log(c / n) for v, c in zip(z, counts, strict=True)]
    total = sum(math.exp(v) for v in shifted)
    shares = [(1 - smooth) * (c == y) + smooth / k for c in range(k)]
    return weight * sum(-share * math.log(math.exp(v) / total) for share, v in zip(shares, shifted, strict=True))


@each_loss
def test_the_value_is_that_of_the_papers_equation(name, options):
    z, y = batch(spread=1.0)
    found = late(make_loss(name, COUNTS, reduction="none", **options))(z, y)
    expected = [by_the_paper(name, options, *pair, COUNTS) for pair in zip(z.tolist(), y.tolist(), strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    weight = late(make_loss(name, COUNTS, **options)).weight
    weight = np.ones(4) if weight is None else weight.numpy()
    mean = late(make_loss(name, COUNTS, **options))(z, y)
    assert float(mean) == pytest.approx(sum(expected) / weight[y.numpy()].sum())
    assert float(late(make_loss(name, COUNTS, reduction="sum", **options))(z, y)) == pytest.approx(sum(expected))
    by_number = late(make_loss(name, COUNTS, reduction="examples", **options))(z, y)
    assert float(by_number) == pytest.approx(sum(expected) / len(y))


@each_loss
@pytest.mark.parametrize("reduction", ["mean", "sum", "examples", "none"])
def test_gradients_numerically(name, options, reduction):
    z, y = batch(7, absent=(1,))
    z = (z / options.get("scale", 1.0)).requires_grad_()
    weights = torch.linspace(0, 2, 7, dtype=torch.float64)
    loss = late(make_loss(name, COUNTS, reduction=reduction, **options))
    assert torch.autograd.gradcheck(lambda scores: loss(scores, y, weights), (z,))


@each_loss
def test_the_form_on_arrays_is_the_same_and_its_gradient_right(name, options):
    z, y = batch(9)
    rng = np.random.default_rng(1)
    w, spec = rng.uniform(0, 3, 9), loss_spec(name, COUNTS, **options)
    for reduction in ("mean", "sum"):
        logits = z.clone().requires_grad_()
        value = late(ClassificationLoss(spec, reduction=reduction))(logits, y, torch.from_numpy(w))
        value.backward()
        found, gradient = value_and_gradient(spec, z.numpy(), y.numpy(), w, reduction=reduction)
        assert found == pytest.approx(value.item(), rel=1e-12)
        np.testing.assert_allclose(gradient, logits.grad, rtol=1e-9, atol=1e-14)

    def flat(part):
        return lambda scores: np.ravel(value_and_gradient(spec, scores.reshape(9, 4), y.numpy(), w)[part])

    start = z.numpy().ravel() / options.get("scale", 1.0)
    assert check_grad(lambda scores: flat(0)(scores)[0], flat(1), start) < 1e-5


@each_loss
@pytest.mark.parametrize("k", [2, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_it_is_finite_however_sure_the_logits_are(name, options, k, dtype):
    z = (batch(20, k)[0].sign() * 1e4).to(dtype).requires_grad_()
    y = torch.arange(20) % k
    loss = make_loss(name, long_tail(k), **options)
    for epoch in (0, 9):
        loss.set_epoch(epoch)
        z.grad = None
        value = loss(z, y)
        value.backward()
        assert value.shape == () and value.dtype == (torch.float32 if dtype == torch.bfloat16 else dtype)
        assert torch.isfinite(value) and value >= 0
        assert torch.isfinite(z.grad).all()
    assert value > 100  # some are surely wrong


@each_loss
def test_what_is_surely_right_costs_nothing_and_what_is_wrong_its_distance(name, options):
    sure = torch.full((1, 4), -5e3, dtype=torch.float64).index_fill(1, torch.tensor([2]), 5e3)
    loss = late(make_loss(name, COUNTS, **options))
    smoothed = options.get("label_smoothing", 0.0)
    right, wrong = float(loss(sure, torch.tensor([2]))), float(loss(sure, torch.tensor([1])))
    of_one = options.get("scale", 1.0) * 1e4
    assert right == pytest.approx(smoothed * 0.75 * of_one, abs=1e-9 + smoothed * 10)
    # one-vs-rest asks two sigmoids that are 5,000 off each; else the odds are 10,000 off
    assert wrong == pytest.approx(of_one * (1 - smoothed) + right, rel=1e-2)


@each_loss
def test_contract(name, options):
    loss = late(make_loss(name, COUNTS, reduction="none", **options))
    z, y = batch(6)
    found = loss(z, y)
    assert found.shape == (6,)
    assert loss(z[:1], y[:1]).shape == (1,)
    torch.testing.assert_close(loss(z[:1], y[:1]), found[:1])  # one example does not feel the others
    torch.testing.assert_close(loss(z, y.int()), found)
    assert loss(z[:0], y[:0]).shape == (0,)
    mean = late(make_loss(name, COUNTS, **options))
    assert float(mean(z[:0], y[:0])) == 0 and float(mean(z, y, torch.zeros(6))) == 0
    doubled = torch.cat([z, z[3:]]), torch.cat([y, y[3:]])
    weights = torch.tensor([1.0, 1, 1, 2, 2, 2])
    torch.testing.assert_close(mean(*doubled), mean(z, y, weights))  # a weight of 2 is a row that stands twice
    moved = 3.7 if not options.get("one_vs_rest") else 0.0
    torch.testing.assert_close(mean(z + moved, y), mean(z, y))
    order = torch.tensor([4, 2, 0, 1, 3, 5])
    torch.testing.assert_close(mean(z[order], y[order]), mean(z, y))
    assert not list(mean.parameters()) and not mean.state_dict()
    assert name in repr(mean)


@each_loss
def test_class_shares_count_like_their_classes_with_these_weights(name, options):
    z, y = batch(5)
    other, share = (y + 1) % 4, torch.tensor([1.0, 0.7, 0.5, 0.2, 0.0], dtype=torch.float64)
    mixed = share[:, None] * F.one_hot(y, 4) + (1 - share)[:, None] * F.one_hot(other, 4)
    loss = late(make_loss(name, COUNTS, **options))
    expected = loss(torch.cat([z, z]), torch.cat([y, other]), torch.cat([share, 1 - share]))
    torch.testing.assert_close(loss(z, mixed), expected)
    torch.testing.assert_close(loss(z, F.one_hot(y, 4).double()), loss(z, y))
    single = late(make_loss(name, COUNTS, reduction="none", **options))
    torch.testing.assert_close(single(z, mixed), share * single(z, y) + (1 - share) * single(z, other))
    z.requires_grad_()
    assert torch.autograd.gradcheck(lambda scores: loss(scores, mixed), (z,))


PLAIN = [
    ("cross_entropy", {}, COUNTS),
    ("class_balanced", {"beta": 0}, COUNTS),
    ("class_balanced", {}, [7, 7, 7, 7]),
    ("focal", {"gamma": 0}, COUNTS),
    ("class_balanced_focal", {"gamma": 0}, [7, 7, 7, 7]),
    ("class_balanced_focal", {"gamma": 0, "beta": 0}, COUNTS),
    ("ldam", {"max_margin": 0}, COUNTS),
    ("ldam_drw", {"max_margin": 0, "epochs": 10}, [7, 7, 7, 7]),
    ("logit_adjustment", {"tau": 0}, COUNTS),
    ("logit_adjustment", {}, [7, 7, 7, 7]),
]


@pytest.mark.parametrize(("name", "options", "counts"), PLAIN)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_where_the_definition_says_so_it_is_cross_entropy(name, options, counts, reduction):
    z, y = batch(30)
    found = late(make_loss(name, counts, reduction=reduction, **options))(z, y)
    torch.testing.assert_close(found, F.cross_entropy(z, y, reduction=reduction), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weighted_and_smoothed_as_in_pytorch(reduction):
    z, y = batch(30)
    loss = make_loss("cross_entropy", COUNTS, class_weight=[1, 2, 3, 0.5], reduction=reduction)
    torch.testing.assert_close(loss(z, y), F.cross_entropy(z, y, loss.weight, reduction=reduction))
    smooth = make_loss("cross_entropy", COUNTS, label_smoothing=0.1, reduction=reduction)
    torch.testing.assert_close(smooth(z, y), F.cross_entropy(z, y, reduction=reduction, label_smoothing=0.1))
    shares = torch.softmax(batch(30, seed=3)[0], dim=1)
    plain = make_loss("cross_entropy", COUNTS, reduction=reduction)
    torch.testing.assert_close(plain(z, shares), F.cross_entropy(z, shares, reduction=reduction))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_against_torchvision(gamma):
    z, y = batch(30)
    found = make_loss("focal", COUNTS, gamma=gamma, one_vs_rest=True, reduction="none")(z, y)
    expected = sigmoid_focal_loss(z, F.one_hot(y, 4).double(), alpha=-1, gamma=gamma)
    torch.testing.assert_close(found, expected.sum(dim=1))
    two = make_loss("focal", [5, 3], gamma=gamma, reduction="none")
    log_odds = z[:, 0]
    found = two(torch.stack([torch.zeros_like(log_odds), log_odds], dim=1), y % 2)
    torch.testing.assert_close(found, sigmoid_focal_loss(log_odds, (y % 2).double(), alpha=-1, gamma=gamma))


def test_published_focal_numbers():
    """Lin et al., sec. 3.2: with gamma = 2, p = 0.9 counts 100 times less, 0.968 about 1,000 times, 0.5 4 times."""
    p = torch.tensor([0.9, 0.968, 0.5], dtype=torch.float64)
    z, y = torch.stack([p.log(), (1 - p).log()], dim=1), torch.zeros(3, dtype=torch.long)
    ratio = F.cross_entropy(z, y, reduction="none") / make_loss("focal", [1, 1], reduction="none")(z, y)
    np.testing.assert_allclose(ratio, [100, 1000, 4], rtol=0.03)


def test_published_margins_and_schedule():
    """The authors' CIFAR-10 setting: 5,000 to 50 examples, a largest margin of 0.5, 200 epochs, weights from 160 on."""
    counts = [5000 * 0.01 ** (c / 9) for c in range(10)]
    margins = ldam_margins(counts)
    assert margins[-1] == 0.5 and margins[0] == pytest.approx(0.5 / 100**0.25)
    np.testing.assert_allclose(margins * np.array(counts) ** 0.25, 0.5 * 50**0.25)
    loss = make_loss("LDAM-DRW", counts, epochs=200)
    assert loss.spec.reweight_from == 160
    z, y = batch(40, 10)
    for epoch, expected in [
        (0, make_loss("ldam", counts)),
        (159, make_loss("ldam", counts)),
        (160, make_loss("ldam", counts, class_weight="effective")),
        (3, make_loss("ldam", counts)),
    ]:
        loss.set_epoch(epoch)
        torch.testing.assert_close(loss(z, y), expected(z, y), rtol=1e-12, atol=0)
        found, _ = value_and_gradient(loss.spec, z.numpy(), y.numpy(), epoch=epoch)
        assert found == pytest.approx(float(loss(z, y)))
    assert not torch.isclose(make_loss("ldam", counts)(z, y), late(loss)(z, y))


@pytest.mark.parametrize("how", ["balanced", "sqrt", "effective"])
@pytest.mark.parametrize("counts", [COUNTS, [60, 0, 10, 5], [1, 1, 1, 10**6], long_tail(100)])
def test_weights_sum_to_n_and_are_those_of_the_labels(how, counts):
    weights = loss_weights(counts, how)
    assert weights @ counts == pytest.approx(np.sum(counts))
    assert (weights[np.array(counts) > 0] > 0).all() and (weights[np.array(counts) == 0] == 0).all()
    labels = np.repeat(np.arange(len(counts)), np.asarray(counts, dtype=int))
    np.testing.assert_allclose(weights, class_weights(labels, how, len(counts)))


def test_effective_number_goes_from_equal_to_inverse_frequency():
    np.testing.assert_array_equal(loss_weights(COUNTS, "effective", 0), np.ones(4))
    near = loss_weights(COUNTS, "effective", 1 - 1e-12)
    np.testing.assert_allclose(near, loss_weights(COUNTS, "balanced"), rtol=1e-9)
    np.testing.assert_allclose(loss_weights(COUNTS, {0: 2, 1: 2, 2: 2, 3: 2}), np.ones(4))
    np.testing.assert_allclose(loss_weights(COUNTS, {0: 0, 1: 1, 2: 1, 3: 1}), [0, 2.5, 2.5, 2.5])


@each_loss
def test_a_class_without_examples(name, options):
    z, y = batch(20, absent=(1,))
    loss = late(make_loss(name, [60, 0, 10, 5], **options))
    assert all(part is None or torch.isfinite(part).all() for part in (loss.weight, loss.margins, loss.offsets))
    assert torch.isfinite(loss(z, y))
    assert torch.isfinite(loss(z, torch.ones(20, dtype=torch.long)))  # as a validation example may be
    np.testing.assert_array_equal(filled_counts([60, 0, 10, 5]), [60, 5, 10, 5])
    assert ldam_margins([60, 0, 10, 5])[1] == 0.5 and log_priors([60, 0, 10, 5])[1] == log_priors([60, 0, 10, 5])[3]


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_a_logistic_head_solves_it_on_arrays(class_weight, tau):
    """Logit adjustment only moves the free intercepts of a linear head; weights are scikit-learn's."""
    X, y = load_iris(return_X_y=True)
    rows = np.r_[0:50, 50:80, 100:110]
    X, y, C = X[rows] - X.mean(axis=0), y[rows], 0.7
    counts = np.bincount(y)
    spec = loss_spec("logit_adjustment", counts, tau=tau, class_weight=class_weight)

    def objective(flat):
        W, b = flat[:12].reshape(3, 4), flat[12:]
        value, gradient = value_and_gradient(spec, X @ W.T + b, y, reduction="sum")
        return C * value + W.ravel() @ W.ravel() / 2, np.r_[(C * gradient.T @ X + W).ravel(), C * gradient.sum(axis=0)]

    found = minimize(objective, np.zeros(15), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}).x
    model = LogisticRegression(C=C, class_weight=class_weight, tol=1e-9, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(found[:12].reshape(3, 4), model.coef_, atol=1e-4)
    expected = model.intercept_ - log_priors(counts, tau)
    np.testing.assert_allclose(found[12:] - found[12:].mean(), expected - expected.mean(), atol=1e-3)


class Rows:
    """Batches of at most 8 rows."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __len__(self):
        return -(-len(self.y) // 8)

    def epoch(self, number):
        order = torch.from_numpy(np.random.default_rng(number).permutation(len(self.y)))
        for rows in order.split(8):
            yield self.X[rows], self.y[rows]


def trained(loss):
    z, _ = batch(40, 6)
    y = (z[:, 0] > 1.5).long()
    torch.manual_seed(0)
    net = torch.nn.Linear(6, 2)
    groups = [{"params": list(net.parameters()), "lr": 0.05, "weight_decay": 0.0}]
    return train(net, Rows(z.float(), y), groups, Recipe(epochs=3, label_smoothing=0), loss=loss), net


def test_the_training_loop_takes_it_as_its_loss():
    plain, net = trained(None)
    same, twin = trained(make_loss("focal", [30, 10], gamma=0))
    assert same.losses == pytest.approx(plain.losses, rel=1e-5)
    torch.testing.assert_close(net.weight, twin.weight, rtol=1e-4, atol=1e-5)
    other, _ = trained(make_loss("logit_adjustment", [30, 10]))
    assert other.losses != pytest.approx(plain.losses, rel=1e-2) and np.isfinite(other.losses).all()


def test_names_as_people_write_them():
    for name in LOSSES:
        for written in (name, name.upper(), name.replace("_", "-"), f" {name.replace('_', ' ')} "):
            assert make_loss(written, COUNTS, **({"epochs": 5} if name == "ldam_drw" else {})).spec.name == name


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (("focl", COUNTS), {}, "no loss 'focl': choose cross_entropy, .*focal.* logit_adjustment"),
        (("focal", COUNTS), {"tau": 1}, "focal has no option 'tau': it has gamma, one_vs_rest, class_weight"),
        (("focal", COUNTS), {"gamma": -1}, "gamma=-1"),
        (("ldam", COUNTS), {"scale": 0}, "scale=0"),
        (("ldam", COUNTS), {"max_margin": -0.1}, "max_margin=-0.1"),
        (("ldam", COUNTS), {"epochs": 3}, "no option 'epochs'"),
        (("ldam_drw", COUNTS), {}, "does not know when to reweight: give epochs"),
        (("ldam_drw", COUNTS), {"reweight_from": -1}, "reweight_from=-1"),
        (("logit_adjustment", COUNTS), {"tau": np.nan}, "tau=nan"),
        (("cross_entropy", COUNTS), {"label_smoothing": 1.0}, "label_smoothing=1.0"),
        (("cross_entropy", COUNTS), {"class_weight": "fair"}, "class_weight='fair': choose balanced"),
        (("cross_entropy", COUNTS), {"class_weight": [1, 2]}, r"shape \(2,\) for 4 classes"),
        (("cross_entropy", COUNTS), {"class_weight": {0: 1, 1: 1, 2: 1}}, "differ in class 3"),
        (("cross_entropy", COUNTS), {"class_weight": [1, 1, 1, -1]}, "at least 0"),
        (("cross_entropy", [3, 0]), {"class_weight": [0, 1]}, "every example would weigh 0"),
        (("class_balanced", COUNTS), {"beta": 1.0}, "beta=1.0"),
        (("focal", COUNTS), {"reduction": "median"}, "reduction='median'"),
        (("focal", [5]), {}, r"counts have shape \(1,\)"),
        (("focal", [0, 0]), {}, "all counts are 0"),
        (("focal", [3, -1]), {}, "none below 0"),
        (("focal", [3, np.nan]), {}, "numbers of examples"),
        (("focal", ["many", "few"]), {}, "give the number of examples of each class"),
    ],
)
def test_bad_options(args, options, message):
    with pytest.raises(DataError, match=message):
        make_loss(*args, **options)


def test_bad_batches():
    loss = make_loss("focal", COUNTS)
    z, y = batch(6)
    for logits, target, weight, message in [
        (z[:, :3], y, None, r"logits have shape \(6, 3\): this loss was made for \(b, 4\)"),
        (z[0], y, None, "logits have shape"),
        (z, y[:5], None, "give whole numbers"),
        (z, y == 1, None, "bool"),
        (z, y.double(), None, r"class shares \(b, k\)"),
        (z, y, torch.ones(5), r"sample_weight has shape \(5,\): give \(6,\)"),
        (z, torch.full((6,), 4), None, "class 4 is not one of 0 to 3"),
        (z, y - 1 - y.min(), None, "class -1 is not"),
    ]:
        with pytest.raises(DataError, match=message):
            loss(logits, target, weight)
    spec = LossSpec("cross_entropy", 4)
    for bad, message in [
        ({"labels": y.numpy()[:5]}, "do not fit"),
        ({"labels": y.numpy() + 4}, "whole numbers from 0 to 3"),
        ({"labels": y.numpy() + 0.5}, "whole numbers"),
        ({"sample_weight": [1.0]}, "one weight a row"),
        ({"reduction": "none"}, "mean or sum"),
    ]:
        with pytest.raises(DataError, match=message):
            value_and_gradient(spec, **{"scores": z.numpy(), "labels": y.numpy()} | bad)
