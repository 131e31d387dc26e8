"""The detector's trunk is the source; its loss is torchvision's, but for what it leaves alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import timm
import torch
from torchvision.models.detection.fcos import FCOSHead

from headstart.detection.head import DetectionLoss
from headstart.detection.inputs import as_targets
from headstart.detection.network import STRIDES, Detector
from headstart.finetuning import frozen_stages
from headstart.results import HeadstartError, SourceError
from headstart.sources import get

PICTURES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def detector():
    return Detector(get("lite0"), 3)


@pytest.fixture(scope="module")
def raw(detector):
    torch.manual_seed(0)
    with torch.inference_mode():
        found = detector(PICTURES)
    return found._replace(
        logits=torch.randn_like(found.logits), edges=torch.rand_like(found.edges) * 8,
        centred=torch.randn_like(found.centred),
    )  # fmt: skip


def boxes(*rows, ignored=()):
    """One picture's target from (left, top, right, bottom, label)."""
    values = np.array(rows, dtype=np.float64).reshape(-1, 5)
    skip = np.zeros(len(values), bool)
    skip[list(ignored)] = True
    return values[:, :4], values[:, 4].astype(np.int64), skip


def loss_of(detector, raw, *pictures, weights=(1.0, 1.0, 1.0)):
    return DetectionLoss(detector, weights)(raw, torch.from_numpy(as_targets(pictures)))


def torchvisions(detector, raw, *pictures):
    """The loss with torchvision's own head, on the same matches."""
    targets = [
        {"boxes": torch.tensor(xyxy, dtype=torch.float32).reshape(-1, 4), "labels": torch.tensor(labels)}
        for xyxy, labels, _ in pictures
    ]
    reference = FCOSHead(96, 1, 3, 2)
    own = detector.fcos.head.compute_loss
    detector.fcos.head.compute_loss = reference.compute_loss
    try:
        terms = detector.fcos.compute_loss(targets, raw.outputs, [raw.points] * len(targets), raw.levels)
    finally:
        detector.fcos.head.compute_loss = own
    return sum(terms.values())


def test_the_trunk_has_the_sources_weights_to_the_bit_and_its_activations(detector):
    source = get("lite0")
    expected = source.network().state_dict()
    found = detector.trunk.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    reference = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(2, 3, 4)).eval()
    reference.load_state_dict({name: expected[name] for name in reference.state_dict()})
    with torch.inference_mode():
        given = reference(PICTURES.permute(0, 3, 1, 2).float() / 127.5 - 1)
        maps = detector.maps(PICTURES)
    for mine, theirs, stride in zip(maps, given, STRIDES, strict=True):
        assert mine.shape[2:] == (64 // stride, 96 // stride)
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_only_what_stands_behind_the_last_activation_is_unused(detector):
    assert set(detector.unused) == {name for name, _ in detector.trunk.named_parameters()} - {
        name for name, _ in detector.trunk.named_parameters() if name.startswith(("conv_stem", "bn1", "blocks."))
    }


def test_the_loss_is_torchvisions_where_nothing_is_ignored_and_classes_weigh_the_same(detector, raw):
    pictures = boxes((4, 4, 40, 44, 0), (30, 10, 90, 60, 2)), boxes((2, 2, 18, 20, 1))
    torch.testing.assert_close(loss_of(detector, raw, *pictures), torchvisions(detector, raw, *pictures))
    empty = boxes(), boxes()
    torch.testing.assert_close(loss_of(detector, raw, *empty), torchvisions(detector, raw, *empty))


def test_points_in_ignored_boxes_are_neither_found_nor_mistakes(detector, raw):
    object_ = (4, 4, 40, 44, 0)
    with_crowd = boxes(object_, (48, 0, 96, 64, 1), ignored=[1]), boxes()
    centre = (raw.points[:, :2] + raw.points[:, 2:]) / 2
    inside = ((centre > torch.tensor([48.0, 0])) & (centre < torch.tensor([96.0, 64]))).all(dim=1)
    assert inside.any()
    assert not inside.all()
    loud = raw._replace(logits=raw.logits.clone())
    loud.logits[0, inside] = 9.0
    torch.testing.assert_close(loss_of(detector, loud, *with_crowd), loss_of(detector, raw, *with_crowd))
    quiet = raw._replace(logits=raw.logits.clone())
    quiet.logits[0, inside] = -80.0  # a certain "nothing" costs nothing either
    plain = boxes(object_), boxes()
    torch.testing.assert_close(loss_of(detector, raw, *with_crowd), torchvisions(detector, quiet, *plain))


def test_a_class_that_weighs_twice_counts_as_if_its_points_stood_there_twice(detector, raw):
    one, two = boxes((4, 4, 40, 44, 0)), boxes((2, 2, 18, 20, 1))
    found = loss_of(detector, raw, one, two, weights=(1.0, 2.0, 1.0))
    # By hand: the picture of the second class is given twice, its background once.
    doubled = raw._replace(**{
        name: torch.cat([value, value[1:]]) for name, value in (
            ("logits", raw.logits), ("edges", raw.edges), ("centred", raw.centred))
    })  # fmt: skip
    targets = [{"boxes": torch.tensor(b, dtype=torch.float32), "labels": torch.tensor(k)} for b, k, _ in (two,)]
    matched = []
    own = detector.fcos.head.compute_loss
    detector.fcos.head.compute_loss = lambda *given: matched.extend(given[3]) or {}
    detector.fcos.compute_loss(targets, raw.outputs, [raw.points], raw.levels)
    detector.fcos.head.compute_loss = own
    quiet = matched[0] < 0
    doubled.logits[2, quiet] = -80.0
    torch.testing.assert_close(found, torchvisions(detector, doubled, one, two, two))


def test_weights_of_the_loss_move_by_the_numerical_gradient(detector, raw):
    pictures = boxes((4, 4, 40, 44, 0)), boxes((2, 2, 18, 20, 1), (40, 20, 80, 60, 2), ignored=[1])
    target = torch.from_numpy(as_targets(pictures)).double()
    exact = raw._replace(
        **{name: getattr(raw, name).double() for name in ("edges", "centred", "points")},
        logits=raw.logits.double().requires_grad_(),
    )
    loss = DetectionLoss(detector, (1.0, 3.0, 0.5))
    loss(exact, target).backward()
    gradient = exact.logits.grad
    place = tuple(int(one) for one in torch.nonzero(gradient.abs() == gradient.abs().max())[0])
    moved = [exact.logits.detach().clone() for _ in range(2)]
    moved[0][place] += 1e-4
    moved[1][place] -= 1e-4
    up, down = (loss(exact._replace(logits=one), target) for one in moved)
    assert float((up - down) / 2e-4) == pytest.approx(float(gradient[place]), rel=1e-4)


def test_found_boxes_stay_in_the_picture_and_doubles_are_suppressed(detector, raw):
    found = detector.found(raw._replace(logits=raw.logits + 2), [(50, 90), (64, 96)])
    from torchvision.ops import box_iou

    for one, (height, width) in zip(found, [(50, 90), (64, 96)], strict=True):
        assert len(one["boxes"])
        assert one["boxes"].min() >= 0
        assert one["boxes"][:, [0, 2]].max() <= width
        assert one["boxes"][:, [1, 3]].max() <= height
        assert (one["scores"].diff() <= 0).all()
        for label in one["labels"].unique():
            of_class = one["boxes"][one["labels"] == label]
            overlap = box_iou(of_class, of_class) - torch.eye(len(of_class))
            assert overlap.nan_to_num().max() <= 0.6 + 1e-6


def test_a_network_without_the_strides_is_refused():
    source = dataclasses.replace(get("timm:vit_tiny_patch16_224", pretrained=False), name="vit")
    with pytest.raises(SourceError, match="'vit' has no activations at stride 8"):
        Detector(source, 2)


def test_seeds_draw_the_new_weights_and_leave_the_generator_alone():
    source = get("timm:resnet18", pretrained=False)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, again, other = Detector(source, 2, seed=1), Detector(source, 2, seed=1), Detector(source, 2, seed=2)
    assert torch.equal(before, torch.random.get_rng_state())
    name = "backbone.inner_blocks.0.0.weight"
    first = one.fcos.state_dict()[name]
    assert torch.equal(first, again.fcos.state_dict()[name])
    assert not torch.equal(first, other.fcos.state_dict()[name])


def test_frozen_stages_and_statistics_do_not_move_and_every_parameter_that_learns_is_in_one_group():
    from headstart.detection.train import RECIPE, detector_groups, let_learn, ways_to_freeze

    source = get("timm:resnet18", pretrained=False)
    assert ways_to_freeze(source) == ("layer2", "", "layer3")
    network = Detector(source, 2)
    let_learn(network, "layer2", hold=True)
    assert set(frozen_stages(network.trunk)) >= {"conv1", "layer1"}
    groups = detector_groups(network, RECIPE)
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates["layer2/decay"] == pytest.approx(RECIPE.rate * RECIPE.layer_decay**3)
    assert rates["layer4/decay"] == pytest.approx(RECIPE.rate * RECIPE.layer_decay)
    assert all(group["weight_decay"] == 0 for group in groups if group["name"].endswith("no decay"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.AdamW(groups)
    network.train()
    for _ in range(2):
        loss_of(
            network, network(PICTURES), boxes((4, 4, 40, 44, 0)), boxes((9, 9, 30, 30, 1)), weights=(1, 1)
        ).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("trunk.layer2") for name in moved)
    assert any(name.startswith("fcos.head") for name in moved)
    assert not [name for name in moved if name.startswith(("trunk.conv1", "trunk.bn1", "trunk.layer1", "trunk.fc"))]
    assert not [name for name in moved if "running" in name or "num_batches" in name]


def test_with_the_whole_trunk_frozen_pyramid_and_head_learn():
    from headstart.detection.train import RECIPE, detector_groups, let_learn

    network = Detector(get("timm:resnet18", pretrained=False), 2)
    let_learn(network, "head", hold=True)
    groups = detector_groups(network, RECIPE)
    assert {id(one) for group in groups for one in group["params"]} == {id(one) for one in network.fcos.parameters()}
    with pytest.raises(HeadstartError, match="no stage 'nowhere'"):
        let_learn(network, "nowhere", hold=True)
