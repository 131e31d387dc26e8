"""Where classes stand in a tree: the way to each, from columns with levels or from WordNet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError
from headstart.taskonomy.hierarchy import Hierarchy

Paths = Sequence[Sequence[str]]
Codes = NDArray[np.int64]


def level_paths(*columns: Sequence[object]) -> tuple[tuple[str, ...], ...]:
    """Return the path of each class from columns that hold its levels, the coarsest first and the class itself last.

    Classes are in natural order of the last column, as ``load_target`` numbers them.

    Raises
    ------
    DataError
        If there is no column, lengths differ, or a class stands below two different ones.

    Examples
    --------
    >>> level_paths(["fruit", "tool", "fruit"], ["pear", "saw", "apple"])
    (('fruit', 'apple'), ('fruit', 'pear'), ('tool', 'saw'))
    """
    from headstart.data.readers.base import natural_key

    if not columns or not len(columns[-1]):
        raise DataError("there is no level: give a column of coarse classes and one of fine ones")
    if len({len(column) for column in columns}) > 1:
        raise DataError(
            f"the levels have {', '.join(str(len(column)) for column in columns)} values: give as many each"
        )
    found: dict[str, tuple[str, ...]] = {}
    for row in zip(*columns, strict=True):
        path = tuple(map(str, row))
        other = found.setdefault(path[-1], path)
        if other != path:
            raise DataError(
                f"class {path[-1]!r} stands below {'/'.join(other[:-1])!r} and below {'/'.join(path[:-1])!r}: a class "
                "has one place; call it by two names"
            )
    return tuple(found[name] for name in sorted(found, key=natural_key))


def imagenet_paths(hierarchy: Hierarchy) -> tuple[tuple[str, ...], ...]:
    """Return the shortest way from below the root to each class of WordNet, as ids.

    >>> from headstart.taskonomy import imagenet
    >>> known = imagenet()
    >>> way = imagenet_paths(known)[known.classes.index("n02099712")]
    >>> [known[one].name for one in way][-3:]
    ['sporting dog', 'retriever', 'Labrador retriever']
    """
    return tuple(tuple(reversed(hierarchy.path(one)[:-1])) for one in hierarchy.classes)


def checked_paths(paths: Paths) -> tuple[list[tuple[str, ...]], Codes]:
    """Return the paths, and for each class and level the number of its ancestor there, (k, levels)."""
    ways = [tuple(map(str, path)) for path in paths]
    if not ways or not all(ways):
        raise DataError("a class has no path: give the way to it, from the coarsest level to the class itself")
    if len(set(ways)) < len(ways):
        twice = next(way for k, way in enumerate(ways) if way in ways[:k])
        raise DataError(f"two classes have the path {'/'.join(twice)!r}: give each its own")
    depth = max(map(len, ways))
    columns = []
    for level in range(1, depth + 1):
        number: dict[tuple[str, ...], int] = {}
        columns.append([number.setdefault(way[:level], len(number)) for way in ways])
    return ways, np.array(columns, dtype=np.int64).T
