from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from headstart.data import duplicates
from headstart.data.duplicates import candidate_pairs, find_duplicates, perceptual_hash, same_picture
from headstart.data.pictures import PictureSet
from headstart.data.scan import scan


def _near_hashes(rng, n, most):
    """Random hashes, half of them an earlier one with up to ``most`` bits flipped."""
    bits = rng.integers(0, 2, (n, 256), dtype=np.uint8)
    for row in range(n // 2, n):
        bits[row] = bits[rng.integers(n // 2)]
        bits[row, rng.choice(256, rng.integers(most + 1), replace=False)] ^= 1
    return bits, np.packbits(bits, axis=1).view(np.uint64)


def _labels(pictures):
    found = scan(PictureSet(pictures))
    assert not any(found.reasons)
    return find_duplicates(found.digests, found.hashes, found.thumbs, found.tints)


def _encode(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **({"compress_level": 1} if form == "PNG" else {}), **options)
    return stream.getvalue()


def _scene(seed, side=160):
    """A picture with structure at every scale, in colour."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (k, k, 3), dtype=np.uint8)).resize(
                (side, side), Image.Resampling.BICUBIC
            ),
            float,
        )
        for k in (3, 6, 12, 40)
    ]
    mixed = np.tensordot([0.4, 0.3, 0.2, 0.1], layers, 1)
    return Image.fromarray((25 + 200 * (mixed - mixed.min()) / np.ptp(mixed)).astype(np.uint8))


@pytest.mark.parametrize("seed", range(5))
def test_candidates_are_all_pairs_within_the_guaranteed_distance(seed):
    bits, hashes = _near_hashes(np.random.default_rng(seed), 400, 30)
    distance = (bits[:, None] != bits[None]).sum(axis=2)
    found = {tuple(pair) for pair in candidate_pairs(hashes).tolist()}
    near = {tuple(pair) for pair in np.argwhere(np.triu(distance < duplicates.BANDS, 1)).tolist()}
    assert len(near) > 50
    assert near <= found
    assert all(i < j and distance[i, j] <= duplicates.FURTHEST for i, j in found)
    assert {pair for pair in found if distance[pair] < duplicates.BANDS} == near


@pytest.mark.parametrize("band", range(16))
def test_one_equal_band_is_enough(band):
    rng = np.random.default_rng(band)
    bits = rng.integers(0, 2, (2, 256), dtype=np.uint8)
    bits[1] = bits[0]
    bits[1].reshape(16, 16)[np.arange(16) != band, rng.integers(0, 16, 15)] ^= 1
    assert candidate_pairs(np.packbits(bits, axis=1).view(np.uint64)).tolist() == [[0, 1]]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_candidates_of_hardly_any_rows(n):
    assert candidate_pairs(np.zeros((n, 4), np.uint64)).tolist() == ([[0, 1]] if n == 2 else [])


def test_crowded_buckets_are_not_compared_pair_by_pair():
    n = 5000
    equal = candidate_pairs(np.zeros((n, 4), np.uint64))
    assert len(equal) <= n * duplicates.WINDOW * duplicates.BANDS
    rng = np.random.default_rng(0)
    bits = np.zeros((n, 256), np.uint8)  # all rows share 15 of 16 bands
    bits[:, :16] = rng.integers(0, 2, (n, 16))
    crowded = candidate_pairs(np.packbits(bits, axis=1).view(np.uint64))
    assert len(crowded) <= n * duplicates.CROWD * duplicates.BANDS < n * (n - 1) / 8


def test_hash_holds_the_signs_of_an_independent_cosine_transform():
    from scipy.fft import dctn

    thumbs = np.random.default_rng(0).integers(0, 256, (20, 32, 32), dtype=np.uint8)
    bits = np.unpackbits(perceptual_hash(thumbs).view(np.uint8), axis=1)
    waves = dctn(thumbs.astype(float), axes=(1, 2), norm="ortho")
    order = sorted((i * i + j * j, i, j) for i in range(32) for j in range(32))[1:257]
    low = np.stack([waves[:, i, j] for _, i, j in order], axis=1)
    clear = np.abs(low / np.linalg.norm(low, axis=1, keepdims=True) - 0.005) > 1e-4
    np.testing.assert_array_equal(bits[clear], (low > 0.005 * np.linalg.norm(low, axis=1, keepdims=True))[clear])


@pytest.mark.parametrize("seed", range(2))
def test_many_noisy_copies_in_linear_many_comparisons(seed, monkeypatch):
    """3,000 rows, 25 pictures with noise: one cluster each, though the buckets are crowded."""
    rng = np.random.default_rng(seed)
    scenes = np.stack([np.asarray(_scene(k, 32).convert("L")) for k in range(25)])
    truth = rng.integers(0, 25, 3000)
    thumbs = np.clip(scenes[truth] + rng.normal(0, 0.5, (3000, 32, 32)), 0, 255).astype(np.uint8)
    compared = []
    monkeypatch.setattr(
        duplicates, "same_picture", lambda a, b, *tints: (compared.append(len(a)), same_picture(a, b, *tints))[1]
    )
    digests = rng.integers(0, 256, (3000, 32), dtype=np.uint8)
    found = find_duplicates(digests, perceptual_hash(thumbs), thumbs)
    assert [len(set(found[truth == k])) for k in range(25)] == [1] * 25
    assert len(set(found)) == 25
    assert sum(compared) < 3000 * 250 < 3000 * 2999 / 2 / 5


def test_identical_pictures_are_not_compared_at_all(monkeypatch):
    thumbs = np.repeat(np.asarray(_scene(0, 32).convert("L"))[None], 5000, axis=0)
    digests = np.random.default_rng(0).integers(0, 256, (5000, 32), dtype=np.uint8)
    compared = []
    monkeypatch.setattr(
        duplicates, "same_picture", lambda a, b, *_: (compared.append(len(a)), np.ones(len(a), bool))[1]
    )
    assert not find_duplicates(digests, perceptual_hash(thumbs), thumbs).any()
    assert sum(compared) == 0


@pytest.mark.parametrize("n", [0, 1])
def test_no_rows_and_one_row(n):
    thumbs = np.zeros((n, 32, 32), np.uint8)
    assert find_duplicates(np.ones((n, 32), np.uint8), perceptual_hash(thumbs), thumbs).tolist() == [0] * n


def test_equal_bytes_are_one_picture_and_missing_bytes_are_none():
    thumbs = np.zeros((5, 32, 32), np.uint8)  # nothing to see
    digests = np.zeros((5, 32), np.uint8)
    digests[[1, 3]] = 7
    assert find_duplicates(digests, perceptual_hash(thumbs), thumbs).tolist() == [0, 1, 2, 1, 4]


@pytest.mark.parametrize("crowded", [False, True])
def test_a_cluster_does_not_chain_from_picture_to_picture(crowded, monkeypatch):
    """Each frame is like the next one; a fade from one scene to another must not become one picture."""
    if crowded:  # so that clusters have to join clusters

        def neighbours(hashes):
            return np.stack([np.arange(len(hashes) - 1), np.arange(1, len(hashes))], axis=1)

        monkeypatch.setattr(duplicates, "candidate_pairs", neighbours)
    a, b = (np.asarray(_scene(k, 32).convert("L"), float) for k in (1, 2))
    thumbs = np.stack([a + (b - a) * t for t in np.linspace(0, 1, 60)]).astype(np.uint8)
    assert same_picture(thumbs[:-1], thumbs[1:]).all()
    digests = np.random.default_rng(0).integers(0, 256, (60, 32), dtype=np.uint8)
    found = find_duplicates(digests, perceptual_hash(thumbs), thumbs)
    for label in set(found):
        rows = np.flatnonzero(found == label)
        links = np.stack([same_picture(thumbs[rows], np.repeat(thumbs[[row]], len(rows), 0)) for row in rows])
        assert links.all(axis=1).any()  # some member has been compared with every other one
    assert len(set(found)) >= 5


ALTERED = {
    "JPEG 40": lambda image: _encode(image, "JPEG", quality=40),
    "JPEG 90": lambda image: _encode(image, "JPEG", quality=90),
    "WebP": lambda image: _encode(image, "WEBP", quality=80),
    "half": lambda image: _encode(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)),
    "double": lambda image: _encode(image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)),
    "darker": lambda image: _encode(ImageEnhance.Brightness(image).enhance(0.9)),
    "brighter": lambda image: _encode(ImageEnhance.Brightness(image).enhance(1.1)),
    "less contrast": lambda image: _encode(ImageEnhance.Contrast(image).enhance(0.88)),
    "more contrast": lambda image: _encode(ImageEnhance.Contrast(image).enhance(1.12)),
    "gamma": lambda image: _encode(image.point([round(255 * (i / 255) ** 1.15) for i in range(256)] * 3)),
    "grey": lambda image: _encode(image.convert("L")),
}


def test_altered_copies_are_found():
    scenes = [_scene(seed) for seed in range(25)]
    pictures = [_encode(scene) for scene in scenes]
    for alter in ALTERED.values():
        pictures += [alter(scene) for scene in scenes]
    labels = _labels(pictures).reshape(-1, 25)
    assert labels[0].tolist() == list(range(25))
    found = dict(zip(ALTERED, (labels[1:] == labels[0]).mean(axis=1), strict=True))
    assert found.pop("gamma") >= 0.8  # on colours this strong, gamma by channel is more than a tone curve
    assert set(found.values()) == {1.0}


def test_other_pictures_are_not_joined():
    scene = _scene(3)
    detail = scene.copy()
    detail.paste((20, 20, 20), (70, 70, 84, 84))
    hue = Image.merge("RGB", [scene.getchannel(band) for band in "BRG"]).convert("YCbCr")
    hue = Image.merge("YCbCr", [scene.convert("YCbCr").getchannel(0), hue.getchannel(1), hue.getchannel(2)]).convert(
        "RGB"
    )
    pictures = [scene, ImageOps.mirror(scene), scene.rotate(90), scene.crop((8, 8, 152, 152)), detail, hue, _scene(4)]
    assert _labels([_encode(picture) for picture in pictures]).tolist() == list(range(len(pictures)))


def test_flat_pictures_are_the_same_only_byte_by_byte():
    rng = np.random.default_rng(0)
    dotted = np.full((64, 64), 250, np.uint8)
    dotted[30, 30] = 0
    faint = (250 + rng.integers(0, 2, (64, 64))).astype(np.uint8)
    flat = [np.full((64, 64), value, np.uint8) for value in (0, 128, 250, 250)]
    assert _labels([*flat, dotted, faint, faint - 5]).tolist() == [0, 1, 2, 2, 4, 5, 6]


def test_same_picture_is_symmetric():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (300, 32, 32), dtype=np.uint8)
    b = np.clip(a * rng.uniform(0.6, 1.3, (300, 1, 1)) + rng.normal(0, 8, a.shape), 0, 255).astype(np.uint8)
    there, back = same_picture(a, b), same_picture(b, a)
    np.testing.assert_array_equal(there, back)
    assert 0 < there.sum() < 300


def test_drawings_of_one_shape_in_other_colours_stay_apart(shared: Path):
    """Hearts, skin tones and clock faces; what may be joined are flags that truly look alike."""
    files = sorted((shared / "data/emoji/twitter").rglob("*.png"))
    found = scan(PictureSet(files))
    labels = find_duplicates(found.digests, found.hashes, found.thumbs, found.tints)
    bytes_of = np.unique(found.digests, axis=0, return_inverse=True)[1].ravel()
    joined = [np.flatnonzero(labels == label) for label in set(labels)]
    joined = {tuple(files[row].stem for row in rows) for rows in joined if len(set(bytes_of[rows])) > 1}
    assert len(joined) == 3  # Romania and Chad, Indonesia and Monaco, and Norway with its two islands
    assert all(name.startswith("1f1") for names in joined for name in names)


def test_real_photographs_are_found_again_and_not_joined(shared: Path):
    files = sorted((shared / "data/clothing/test").rglob("*.jpg"))[::5]
    images = [Image.open(file).convert("RGB") for file in files]
    alters = ("JPEG 40", "half", "double", "darker", "less contrast", "grey")
    pictures = [file.read_bytes() for file in files] + [ALTERED[name](image) for name in alters for image in images]
    labels = _labels(pictures).reshape(len(alters) + 1, len(files))
    assert labels[0].tolist() == list(range(len(files)))
    assert (labels[1:] == labels[0]).mean() >= 0.995
    mirrored = _labels(pictures[: len(files)] + [_encode(ImageOps.mirror(image)) for image in images])
    assert mirrored.tolist() == list(range(2 * len(files)))


def test_cells_that_look_alike_stay_apart():
    """2,624 photographs of solar cells; by hash distance alone hundreds of them would be joined."""
    elpv = pytest.importorskip("elpv_dataset")
    files = sorted(Path(elpv.__file__).parent.rglob("*.png"))[::2]
    assert len(set(_labels(files))) == len(files) > 1000
