"""Which pictures are the same picture: equal bytes first, then a perceptual hash, then the pixels.

A hash only proposes. Each proposed pair is verified on 32x32 thumbnails: a quadratic tone curve close to the identity
is fitted from one to the other (brightness, contrast and gamma may differ a little), and what it leaves unexplained
must be small everywhere, judged on 3x3 neighbourhoods against the contrast of the picture, so that one changed
detail is enough to tell two pictures apart. Grey levels near black and white may have been clipped: where the curve
fails on the whole picture, it may hold on the rest, and there only roughly. Colours must agree too, unless one picture
is the grey version.

Mirrored, rotated and cropped pictures count as different pictures, and so do two photographs of one object. Nearly
flat pictures (a blank scan, a black frame) show too little to be recognised and are the same only if their bytes are.
A difference much finer than 1/32 of the side is not seen.

Pairs are joined with a *centre* that each member has been verified against directly, so no two members of a cluster
are more than two verified links apart: chains through look-alikes cannot grow.

Share of altered copies that is found, 300 of each set, encoded again and searched for in the whole set:

=====================  ========  =======  =====  =======  =====
alteration             clothing  grocery  ELPV   emoji    28x28
=====================  ========  =======  =====  =======  =====
JPEG, quality 40       1.000     1.000    0.997  0.963    0.393
JPEG 90, back to PNG   1.000     1.000    1.000  1.000    1.000
half size              1.000     1.000    1.000  1.000    0.000
double size            1.000     1.000    1.000  1.000    0.877
half size, JPEG 60     1.000     1.000    0.997  0.360    0.000
brightness x 0.9       1.000     1.000    0.997  1.000    1.000
brightness x 1.1       0.983     0.977    0.980  0.903    0.997
contrast x 1.1         0.997     1.000    1.000  1.000    0.997
gamma 0.85             0.977     1.000    1.000  1.000    1.000
gamma 1.2              0.970     1.000    0.997  1.000    0.997
grey                   1.000     1.000    1.000  1.000    1.000
mirrored, cropped 5 %  0.000     0.000    0.000  (0.253)  0.003
=====================  ========  =======  =====  =======  =====

(emoji: Twitter's 64x64 drawings, of which a quarter equals its mirror image; 28x28: 10,000 of Fashion-MNIST.)
Joined though their bytes differ: clothing 1 pair, grocery none, ELPV none of 2,624 cells, emoji 6 clusters in three
styles (flags such as Romania and Chad, persons drawn alike), Fashion-MNIST 2 pairs; looked at, all the same picture.

The limits below were chosen on these sets. On two that had no part in it, 1,000 ImageNet photographs and 364 blood
smears (100 of each altered), nothing is joined that should not be, and every alteration is found in 0.99 or more of
the cases, but for gamma 0.85 (0.96) and brightness x 1.1 (0.90) on ImageNet.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]  # single precision throughout
Bytes = NDArray[np.uint8]

SIDE = 32  # thumbnails are SIDE x SIDE grey values
BANDS = 16  # of 16 bits each: a pair at Hamming distance < BANDS shares at least one band
FURTHEST = 48  # bits; a cheap filter that copies pass, the pixels decide
CROWD, WINDOW = 32, 8  # a bucket with more than CROWD members is compared along its sorted order only

FLAT = 3.0  # grey levels of standard deviation under which a thumbnail shows nothing to compare
UNEXPLAINED = 0.14, 0.13  # largest residual over contrast: root mean square, and in the worst 3x3 neighbourhood
TONE, GAIN = 45.0, 1.3  # largest change of a grey level, and of contrast
DARK, LIGHT = 8, 240  # outside, grey levels may have been clipped; judged apart where the rest alone is explained
OPEN, CLIPPED = 0.25, 25.0  # least share of the rest, and largest residual where clipped
TINT, NEUTRAL = 20, 4  # largest difference in chroma; chroma up to which a picture is grey
GREY_TONE, GREY_GAIN = 12.0, 1.1  # a grey version keeps its tones, or else a grey drawing matches any coloured one


def perceptual_hash(thumbs: Bytes) -> NDArray[np.uint64]:
    """Return 256 bits for each thumbnail: which of its lowest cosine frequencies are clearly positive.

    A bit is set where a coefficient of the discrete cosine transform exceeds 0.5 % of the norm of all 256, so that
    the many coefficients that vanish in drawn and symmetric pictures do not turn into noise.

    Parameters
    ----------
    thumbs : ndarray of uint8, shape (n, 32, 32)
        Grey values.

    Returns
    -------
    ndarray of uint64, shape (n, 4)
        Bits in order of frequency.
    """
    basis, order = _cosines()
    result = np.zeros((len(thumbs), 4), np.uint64)
    for start in range(0, len(thumbs), 4096):
        block = thumbs[start : start + 4096].astype(np.float32)
        waves = (basis @ block @ basis.T).reshape(len(block), SIDE**2).take(order, axis=1)
        bits = waves > 0.005 * np.linalg.norm(waves, axis=1, keepdims=True) + 1e-3
        result[start : start + 4096] = np.packbits(bits, axis=1).view(np.uint64)
    return result


def candidate_pairs(hashes: NDArray[np.uint64], *, furthest: int = FURTHEST) -> Rows:
    """Return pairs of rows with similar hashes, in about n log n time, by multi-index hashing.

    Norouzi, Punjani and Fleet, *Fast search in Hamming space with multi-index hashing*, CVPR 2012: of 16 bands of
    16 bits, two hashes that differ in at most 15 bits share at least one band, so each such pair meets in a bucket.
    A bucket of more than 32 rows is sorted by the remaining bands, and a row is compared with the 8 that follow;
    there, and only there, a pair can be missed. At most 16 x 31 rows are compared with each row.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n, 4)
        From :func:`perceptual_hash`.
    furthest : int
        Largest Hamming distance of a returned pair.

    Returns
    -------
    ndarray of int64, shape (m, 2)
        Each pair once, first < second, sorted.
    """
    bands = np.ascontiguousarray(hashes).view(np.uint8).reshape(-1, BANDS, 2)
    n = len(bands)
    found = [np.empty(0, np.int64)]
    for band in range(BANDS):
        keys = np.roll(bands, -band, axis=1).reshape(n, 32).view(">u8")
        order = np.lexsort(keys.T[::-1])
        value = keys[order, 0] >> np.uint64(48)
        starts = np.flatnonzero(np.diff(value, prepend=np.uint64(1 << 16)) != 0) if n else np.empty(0, np.int64)
        sizes = np.diff(starts, append=n)
        last = np.repeat(starts + sizes, sizes)
        reach = np.repeat(np.where(sizes > CROWD, WINDOW, CROWD), sizes)
        here = np.arange(n)
        for step in range(1, CROWD):
            here = here[(here + step < last[here]) & (step <= reach[here])]
            left, right = order[here], order[here + step]
            near = np.bitwise_count(hashes[left] ^ hashes[right]).sum(axis=1) <= furthest
            first, second = np.minimum(left, right)[near], np.maximum(left, right)[near]
            found.append(first * n + second)
    pairs = np.unique(np.concatenate(found))
    return np.stack(np.divmod(pairs, max(n, 1)), axis=1)


def same_picture(
    thumbs: Bytes, other_thumbs: Bytes, tints: Bytes | None = None, other_tints: Bytes | None = None
) -> NDArray[np.bool_]:
    """Tell for each pair of thumbnails whether they show the same picture.

    Symmetric in its arguments. The thumbnail with more contrast is mapped onto the other one.

    Parameters
    ----------
    thumbs, other_thumbs : ndarray of uint8, shape (m, 32, 32)
        Grey values.
    tints, other_tints : ndarray of uint8, shape (m, 8, 8, 2), optional
        Chroma (Cb, Cr; 128 is grey). Without it colours are not compared.

    Returns
    -------
    ndarray of bool, shape (m,)
    """
    result = np.zeros(len(thumbs), bool)
    for start in range(0, len(thumbs), 128):  # small blocks stay in the processor's cache
        block = slice(start, start + 128)
        colour = None if tints is None or other_tints is None else (tints[block], other_tints[block])
        result[block] = _same(thumbs[block], other_thumbs[block], colour)
    return result


def find_duplicates(
    digests: Bytes, hashes: NDArray[np.uint64], thumbs: Bytes, tints: Bytes | None = None
) -> NDArray[np.int64]:
    """Return for each picture the first row that shows the same picture.

    Parameters
    ----------
    digests : ndarray of uint8, shape (n, 32)
        Digest of the encoded bytes; all zero where there is none, and such a row is like no other.
    hashes : ndarray of uint64, shape (n, 4)
        From :func:`perceptual_hash`.
    thumbs : ndarray of uint8, shape (n, 32, 32)
        Grey values.
    tints : ndarray of uint8, shape (n, 8, 8, 2), optional
        See :func:`same_picture`; without it drawings that differ in colour only may be joined.

    Returns
    -------
    ndarray of int64, shape (n,)
        Cluster of each row, named by the cluster's first row.

    Examples
    --------
    >>> thumbs = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    >>> thumbs[2] = thumbs[0] // 2 + 64
    >>> digests = np.arange(96, dtype=np.uint8).reshape(3, 32)
    >>> find_duplicates(digests, perceptual_hash(thumbs), thumbs)
    array([0, 1, 2])
    >>> thumbs[2] = 0.8 * thumbs[0] + 20.0
    >>> find_duplicates(digests, perceptual_hash(thumbs), thumbs)
    array([0, 1, 0])
    """
    n = len(digests)
    centre = np.arange(n)
    known = np.flatnonzero(digests.any(axis=1))
    centre[known] = known[_first_equal(digests[known])]
    comparable = np.zeros(n, bool)
    comparable[known] = _contrast(thumbs[known]) >= FLAT

    # Equal thumbnails need no search; thousands of them would only crowd the buckets.
    rows = _centres(centre, comparable)
    looks = _flat(thumbs[rows])
    if tints is not None:
        looks = np.hstack([looks, _flat(tints[rows])])
    centre = _follow(centre, rows, rows[_first_equal(looks)])

    def same(left: Rows, right: Rows) -> NDArray[np.bool_]:
        if tints is None:
            return same_picture(thumbs[left], thumbs[right])
        return same_picture(thumbs[left], thumbs[right], tints[left], tints[right])

    # One pass is all it takes unless crowded buckets hid pairs; then the centres that remain are fewer.
    joined = True
    while joined:
        rows = _centres(centre, comparable)
        pairs = rows[candidate_pairs(hashes[rows])]
        members, stars = _stars(pairs[same(pairs[:, 0], pairs[:, 1])])
        star_of = np.full(n, -1)
        star_of[members] = stars
        followers = np.flatnonzero(star_of[centre] >= 0)
        refused = followers[~same(followers, star_of[centre[followers]])]
        star_of[centre[refused]] = -1  # a cluster joins as a whole or not at all
        members = np.flatnonzero(star_of >= 0)
        centre = _follow(centre, members, star_of[members])
        joined = len(members) > 0
    return _first_equal(centre[:, None])


def _same(left: Bytes, right: Bytes, colour: tuple[Bytes, Bytes] | None) -> NDArray[np.bool_]:
    a = _flat(left).astype(np.float32)
    b = _flat(right).astype(np.float32)
    result, tone, gain = _explained(a, b, np.ones(a.shape, bool))
    open_range = (np.minimum(a, b) > DARK) & (np.maximum(a, b) < LIGHT)
    again = np.flatnonzero(~result & ~open_range.all(axis=1) & (open_range.mean(axis=1) >= OPEN))
    result[again], tone[again], gain[again] = _explained(a[again], b[again], open_range[again])
    if colour is not None:
        one, two = (_flat(tint).astype(np.int16) - 128 for tint in colour)
        apart = np.abs(one - two).max(axis=1)
        grey = np.minimum(np.abs(one).max(axis=1), np.abs(two).max(axis=1)) <= NEUTRAL
        faithful = grey & (tone <= GREY_TONE) & (gain <= GREY_GAIN)
        result &= np.where(apart <= NEUTRAL, True, np.where(grey, faithful, apart <= TINT))
    return result


def _explained(a: Floats, b: Floats, counted: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Tell whether a tone curve over the ``counted`` pixels explains one picture by the other, and how strong it is."""
    from scipy.ndimage import uniform_filter

    weight = counted / counted.sum(axis=1, keepdims=True, dtype=np.float32)

    def mean(x: Floats, y: Floats | None = None) -> Floats:
        return np.asarray(np.einsum("ij,ij->i", weight, x if y is None else x * y)[:, None])

    def spread(x: Floats) -> Floats:
        return np.asarray(np.sqrt(mean(np.square(x - mean(x)))))

    a_spread, b_spread = spread(a), spread(b)
    swap = a_spread < b_spread
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    rich, contrast = np.maximum(a_spread, b_spread)[:, 0], np.minimum(a_spread, b_spread)[:, 0]

    # Least-squares quadratic, in the orthogonal polynomials 1, u and v.
    u = (a - mean(a)) / np.maximum(rich, 1e-3)[:, None]
    v = u * u
    v -= mean(v, u) * u + 1
    bend = mean(v, b) / np.maximum(mean(v, v), 1e-3)  # two grey levels leave nothing to bend
    curve = np.clip(mean(b) + mean(u, b) * u + bend * v, 0, 255)

    rest = np.abs(b - curve).max(axis=1, where=~counted, initial=0)
    residual = (b - curve) * counted
    rms = np.sqrt(mean(residual, residual))[:, 0]
    worst = np.abs(uniform_filter(residual.reshape(-1, SIDE, SIDE), (0, 3, 3))).max(axis=(1, 2))
    tone, gain = np.abs(curve - a).max(axis=1), rich / np.maximum(contrast, 1e-3)
    result = (contrast >= FLAT) & (rms <= UNEXPLAINED[0] * contrast) & (worst <= UNEXPLAINED[1] * contrast)
    return result & (tone <= TONE) & (gain <= GAIN) & (rest <= CLIPPED), tone, gain


def _stars(links: Rows) -> tuple[Rows, Rows]:
    """Return members and their centres: the row with most links takes its free neighbours, and so on."""
    ends = np.concatenate([links, links[:, ::-1]])
    ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    nodes, starts, degrees = np.unique(ends[:, 0], return_index=True, return_counts=True)
    centre: dict[int, int] = {}
    for k in np.lexsort((nodes, -degrees)).tolist():
        node = int(nodes[k])
        if node not in centre:
            centre[node] = node
            for other in ends[starts[k] : starts[k] + degrees[k], 1].tolist():
                centre.setdefault(other, node)
    members = [row for row, middle in centre.items() if row != middle]
    return np.array(members, np.int64), np.array([centre[row] for row in members], np.int64)


def _centres(centre: Rows, comparable: NDArray[np.bool_]) -> Rows:
    return np.flatnonzero((centre == np.arange(len(centre))) & comparable)


def _follow(centre: Rows, rows: Rows, new: Rows) -> Rows:
    """Return ``centre`` after ``rows``, with all who followed them, went over to ``new``."""
    moved = np.arange(len(centre))
    moved[rows] = new
    return moved[centre]


def _first_equal(values: NDArray[np.generic]) -> Rows:
    """Return for each row of a 2-d array the first row that equals it."""
    if not len(values):
        return np.empty(0, np.int64)
    packed = np.ascontiguousarray(values)
    whole = packed.view(np.dtype((np.void, packed.dtype.itemsize * packed.shape[1])))[:, 0]
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)


def _flat(values: Bytes) -> Bytes:
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _contrast(thumbs: Bytes) -> NDArray[np.float64]:
    """Return the standard deviation of each thumbnail, in grey levels, without an array of floats for all of them."""
    flat = _flat(thumbs)
    mean = flat.mean(axis=1)
    blocks = np.array_split(np.arange(len(flat)), len(flat) // 4096 + 1)
    squares = np.concatenate([np.square(flat[block].astype(np.float32)).mean(axis=1, dtype=float) for block in blocks])
    return np.asarray(np.sqrt(np.maximum(squares - mean**2, 0)))


@functools.cache
def _cosines() -> tuple[NDArray[np.float32], Rows]:
    """Return the orthonormal DCT-II matrix, and the 256 lowest frequencies without the mean, lowest first."""
    k, x = np.mgrid[:SIDE, :SIDE]
    basis = np.sqrt((2 - (k == 0)) / SIDE) * np.cos(np.pi * k * (2 * x + 1) / (2 * SIDE))
    order = np.argsort((k**2 + x**2).ravel(), kind="stable")[1:257]
    return basis.astype(np.float32), order
