import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from headstart.data import PictureSet
from headstart.finetuning.drift import snapshot
from headstart.finetuning.forgetting import forgetting, with_source_classifier
from headstart.results import DataError, SourceError
from headstart.sources import Card, Preprocessing, from_module, get

# A source that knows three colours: its answers can be told without running it.
PREPROCESSING = Preprocessing((16, 16), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class Colours(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1, bias=False)
        self.norm = nn.BatchNorm2d(3, affine=False)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.out = nn.Linear(3, 3)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(3)[:, :, None, None])
            self.out.weight.copy_(torch.eye(3))
            self.out.bias.zero_()

    def forward(self, x):
        return self.out(self.pool(self.norm(self.mix(x))))


def colours(n=60, wrong=6):
    """Return red, green and blue pictures and their classes, the first ``wrong`` of which lie."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    pictures = [np.uint8(rng.integers(0, 60, (20, 20, 3)) + 150 * np.eye(3, dtype=int)[k]) for k in y]
    labels = y.copy()
    labels[:wrong] = (labels[:wrong] + 1) % 3
    return PictureSet(pictures), labels


def colour_source():
    return from_module(Colours(), PREPROCESSING, name="colours", card=Card("Colours", "paint", n_classes=3))


def test_a_trunk_that_takes_red_for_green_forgets_just_that():
    source, (pictures, labels) = colour_source(), colours()
    trunk = source.network()
    trunk.out = nn.Linear(3, 8)  # the target's classifier: not asked
    kept = snapshot(trunk)
    found = forgetting(trunk, source, pictures, labels)
    assert found.before == found.after == pytest.approx(54 / 60)
    assert (found.change.value, found.change.low, found.change.high) == (0, 0, 0)
    assert "no forgetting was found" in found.headline()
    with torch.no_grad():
        trunk.mix.weight.copy_(trunk.mix.weight[[1, 0, 2]])
    found = forgetting(trunk, source, pictures, labels)
    # Blue is still blue (18 of 20 labelled so); of what lies, 2 greens are called "blue" and 2 reds "green".
    told = {0: 1, 1: 0, 2: 2}
    right = np.array([told[k % 3] == label for k, label in enumerate(labels)])
    assert np.array_equal(found.right_after, right)
    assert found.after == pytest.approx(right.mean()) and found.change.value == pytest.approx(right.mean() - 0.9)
    assert found.change.low < found.change.value < found.change.high < 0
    assert f"{100 * (0.9 - right.mean()):.1f} points fewer" in found.headline()
    frame = found.to_frame()
    assert frame.loc["after", "top-1 accuracy"] == found.after and frame.loc["change", "high"] == found.change.high
    assert not any(
        torch.equal(kept[name], tensor) for name, tensor in trunk.state_dict().items() if name == "mix.weight"
    )


def test_the_interval_is_the_paired_one():
    """McNemar's standard error: only pictures on which the two differ count."""
    source, (pictures, labels) = colour_source(), colours()
    trunk = source.network()
    with torch.no_grad():
        trunk.mix.weight.copy_(trunk.mix.weight[[1, 0, 2]])
    found = forgetting(trunk, source, pictures, labels)
    lost = (found.right_before & ~found.right_after).mean()
    won = (~found.right_before & found.right_after).mean()
    error = math.sqrt((lost + won - (lost - won) ** 2) / 60)
    assert found.change.width == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_statistics_of_the_trunk_count_as_well():
    source, (pictures, labels) = colour_source(), colours()
    trunk = source.network()
    trunk.norm.running_mean[2] = 100.0  # blue is never seen again
    found = forgetting(trunk, source, pictures, labels)
    assert found.after < found.before and not found.right_after[labels == 2].any()


def test_what_was_measured_once_is_not_measured_again():
    source, (pictures, labels) = colour_source(), colours()
    first = forgetting(source.network(), source, pictures, labels)
    trunk = source.network()
    trunk.norm.running_mean[2] = 100.0
    again = forgetting(trunk, source, pictures, labels, right_before=first.right_before)
    assert again == forgetting(trunk, source, pictures, labels)
    assert forgetting(trunk, source, pictures, labels, right_before=np.zeros(60)).before == 0


def test_copies_of_a_picture_are_no_evidence():
    source, (pictures, labels) = colour_source(), colours(wrong=0)
    trunk = source.network()
    with torch.no_grad():
        trunk.mix.weight.copy_(trunk.mix.weight[[1, 0, 2]])
    four = np.tile(np.arange(60), 4)
    once = forgetting(trunk, source, pictures, labels)
    repeated = forgetting(trunk, source, pictures.subset(four), labels[four])
    assert repeated.change.width == pytest.approx(once.change.width, rel=0.1)


def test_what_cannot_be_measured_is_refused(tmp_path):
    source, (pictures, labels) = colour_source(), colours()
    trunk = source.network()
    for wrong, what in (
        (labels[:-1], r"\(59,\), for 60 pictures"),
        (labels.astype(float), "float64"),
        (labels + 1, "run from 1 to 3 where the source has 3 classes"),
        (None, "labels are missing"),
    ):
        with pytest.raises(DataError, match=what):
            forgetting(trunk, source, pictures, wrong)
    with pytest.raises(DataError, match="right_before has shape"):
        forgetting(trunk, source, pictures, labels, right_before=[True])
    with pytest.raises(DataError, match="no pictures in"):
        forgetting(trunk, source, tmp_path)
    Image.new("RGB", (20, 20)).save(tmp_path / "one.png")
    with pytest.raises(DataError, match=r"do not tell the 3 classes of 'colours' \('one\.png'"):
        forgetting(trunk, source, tmp_path)
    (tmp_path / "two.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="picture 1 of the source task cannot be read"):
        forgetting(trunk, source, tmp_path, [0, 1])
    trunk.mix = nn.Conv2d(3, 3, 3)
    with pytest.raises(SourceError, match=r"mix\.weight is \(3, 3, 3, 3\), not \(3, 3, 1, 1\)"):
        forgetting(trunk, source, pictures, labels)
    headless = from_module(nn.Sequential(nn.Conv2d(3, 3, 1)), PREPROCESSING, name="headless")
    with pytest.raises(SourceError, match="'headless' has no classifier"):
        with_source_classifier(headless.network(), headless)


def test_names_of_files_tell_the_classes(tmp_path):
    source, (pictures, _) = colour_source(), colours(n=3)
    for wnid, row in (("n00000009_blue", 2), ("n00000001_red", 0), ("n00000004_green", 1)):
        pictures.open(row).save(tmp_path / f"{wnid}.png")
    assert forgetting(source.network(), source, tmp_path).before == 1


def test_lite0_keeps_what_it_knows_until_its_weights_move(shared):
    files = sorted((shared / "data/imagenet_samples").glob("*.JPEG"))
    chosen = list(range(0, len(files), 10))
    pictures, labels = PictureSet([files[k] for k in chosen]), np.array(chosen)  # classes ascend with the file's name
    source = get("lite0")
    trunk = source.network()
    trunk.reset_classifier(14)
    same = forgetting(trunk, source, pictures, labels)
    assert same.before == same.after > 0.6 and np.array_equal(same.right_before, same.right_after)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in trunk.blocks[4:].parameters():
            parameter += 0.5 * parameter.std() * torch.randn_like(parameter) if parameter.ndim > 1 else 0
    worse = forgetting(trunk, source, pictures, labels, right_before=same.right_before)
    assert worse.change.high < 0 and worse.after < same.before - 0.1
