"""ImageNet's hierarchy: where its classes stand in WordNet."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.results import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ROOT = "n00001740"  # entity
_TABLE = Path(__file__).with_name("wordnet.tsv.xz")


@dataclasses.dataclass(frozen=True)
class Synset:
    """A node of the hierarchy.

    Attributes
    ----------
    wnid : str
        WordNet's id, ``n`` and eight digits.
    names : tuple of str
        Its lemmas, the usual one first. Different synsets can have the same names: there are two cranes.
    hypernyms : tuple of str
        The ids right above it, WordNet's first one first; none for the root. A fiftieth of the synsets has several.
    """

    wnid: str
    names: tuple[str, ...]
    hypernyms: tuple[str, ...]

    @property
    def name(self) -> str:
        """The usual name."""
        return self.names[0]


@dataclasses.dataclass(frozen=True, eq=False)
class Hierarchy:
    """Classes and everything above them: a graph without cycles, in which a synset can have several hypernyms.

    Attributes
    ----------
    synsets : dict of str to Synset
        By id, in the order of the ids.
    classes : tuple of str
        The ids of the label space, in the order of a source's outputs.
    """

    synsets: dict[str, Synset] = dataclasses.field(repr=False)
    classes: tuple[str, ...] = dataclasses.field(repr=False)

    def __getitem__(self, wnid: str) -> Synset:
        if wnid not in self.synsets:
            raise DataError(f"{wnid!r} is not in this hierarchy: give an id such as n02084071; find() looks names up")
        return self.synsets[wnid]

    def find(self, name: str) -> tuple[str, ...]:
        """Return the ids of all synsets that go by a name, whatever the case.

        >>> imagenet().find("jean"), len(imagenet().find("crane"))
        (('n03594734',), 2)
        """
        wanted = name.casefold().replace("_", " ")
        return tuple(w for w, one in self.synsets.items() if any(lemma.casefold() == wanted for lemma in one.names))

    def ancestors(self, wnid: str) -> tuple[str, ...]:
        """Return everything above a synset, by whatever way, the deepest first and the root last."""
        found: set[str] = set()
        waiting = list(self[wnid].hypernyms)
        while waiting:
            above = waiting.pop()
            if above not in found:
                found.add(above)
                waiting += self.synsets[above].hypernyms
        return tuple(sorted(found, key=lambda one: (-self._depths[one], one)))

    def depth(self, wnid: str) -> int:
        """Return the number of steps to the root on the shortest way; 0 is the root."""
        return self._depths[self[wnid].wnid]

    def path(self, wnid: str) -> tuple[str, ...]:
        """Return the shortest way to the root, both ends included; of equals, the way of WordNet's first hypernyms.

        >>> [imagenet()[one].name for one in imagenet().path("n02099712")][:4]
        ['Labrador retriever', 'retriever', 'sporting dog', 'hunting dog']
        """
        way = [self[wnid].wnid]
        while above := self.synsets[way[-1]].hypernyms:
            way.append(min(above, key=self._depths.__getitem__))  # the first one of the smallest
        return tuple(way)

    def paths(self, wnid: str) -> tuple[tuple[str, ...], ...]:
        """Return every way to the root, both ends included, the shortest first."""

        def ways(one: str) -> Iterator[tuple[str, ...]]:
            above = self.synsets[one].hypernyms
            if not above:
                yield (one,)
            for hypernym in above:
                for rest in ways(hypernym):
                    yield (one, *rest)

        return tuple(sorted(ways(self[wnid].wnid), key=len))

    def at_level(self, wnid: str, level: int) -> tuple[str, ...]:
        """Return the ancestors that are ``level`` steps from the root, or the synset itself if it is not deeper.

        There is at least one, for depth is counted on the shortest way; with several hypernyms there can be more.

        Raises
        ------
        DataError
            If ``level`` is negative, or the synset unknown.
        """
        if level < 0:
            raise DataError(f"level is {level}: 0 is the root")
        if self.depth(wnid) <= level:
            return (wnid,)
        return tuple(one for one in self.ancestors(wnid) if self._depths[one] == level)

    def lowest_common_ancestors(self, first: str, second: str) -> tuple[str, ...]:
        """Return what stands above both, or is one of them, with nothing below it that also does; the deepest first.

        More than one, where synsets share several hypernyms.

        >>> [imagenet()[one].name for one in imagenet().lowest_common_ancestors("n02099712", "n02099601")]
        ['retriever']
        """
        common = {first, *self.ancestors(first)} & {second, *self.ancestors(second)}
        above = {other for one in common for other in self.ancestors(one)}
        return tuple(sorted(common - above, key=lambda one: (-self._depths[one], one)))

    def classes_under(self, wnid: str) -> tuple[str, ...]:
        """Return the classes that are a synset or stand below it, in the order of the label space."""
        row = self.members[[self.rows[self[wnid].wnid]]]
        return tuple(self.classes[k] for k in np.sort(row.indices))

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each synset in ``members``, which is its place among the sorted ids."""
        return {wnid: row for row, wnid in enumerate(self.synsets)}

    @cached_property
    def members(self) -> csr_array:
        """Which classes a synset is or stands above, by whatever way: ones, shape (synsets, classes)."""
        from scipy.sparse import csr_array

        pairs = [(self.rows[one], k) for k, c in enumerate(self.classes) for one in (c, *self.ancestors(c))]
        rows, columns = np.array(pairs).T
        return csr_array((np.ones(len(pairs)), (rows, columns)), shape=(len(self.synsets), len(self.classes)))

    @cached_property
    def _depths(self) -> dict[str, int]:
        below: dict[str, list[str]] = {}
        for one in self.synsets.values():
            for above in one.hypernyms:
                below.setdefault(above, []).append(one.wnid)
        depths = {one.wnid: 0 for one in self.synsets.values() if not one.hypernyms}
        layer = list(depths)
        while layer:
            nearer = [one for above in layer for one in below.get(above, ()) if one not in depths]
            depths |= dict.fromkeys(nearer, depths[layer[0]] + 1)
            layer = list(dict.fromkeys(nearer))
        return depths


def imagenet(classes: Sequence[str] | None = None) -> Hierarchy:
    """Return the hierarchy of ImageNet's classes.

    Parameters
    ----------
    classes : sequence of str, optional
        The ids of a label space in the order of the source's outputs, such as
        ``timm.data.ImageNetInfo("imagenet22k").label_names()``; the 1,000 classes by default. All synsets of timm's
        lists are known. A class can stand above another one in the larger lists; among the 1,000 none does.

    Returns
    -------
    Hierarchy
        The classes and everything above them; the root is ``n00001740``, entity.

    Raises
    ------
    DataError
        If an id is unknown or stands twice, or there is none.

    References
    ----------
    Fellbaum (1998), WordNet: an electronic lexical database (version 3.0); Russakovsky et al. (2015), ImageNet large
    scale visual recognition challenge, section 3.1, arXiv 1409.0575.

    Examples
    --------
    >>> known = imagenet()
    >>> len(known.classes), known["n02084071"].name, len(known.classes_under("n02084071"))
    (1000, 'dog', 118)
    """
    return _thousand() if classes is None else _above(tuple(classes))


@lru_cache(maxsize=1)
def _thousand() -> Hierarchy:
    return _above(_table()[1])


def _above(classes: tuple[str, ...]) -> Hierarchy:
    synsets, _ = _table()
    if not classes:
        raise DataError("there is no class: give the ids of a label space")
    if len(set(classes)) < len(classes):
        twice = next(one for k, one in enumerate(classes) if one in classes[:k])
        raise DataError(f"class {twice!r} stands twice in the label space: an output has one id")
    wanted: set[str] = set()
    waiting = list(classes)
    while waiting:
        wnid = waiting.pop()
        if wnid not in synsets:
            raise DataError(f"{wnid!r} is no class of ImageNet: ids are WordNet 3.0's, such as n02084071")
        if wnid not in wanted:
            wanted.add(wnid)
            waiting += synsets[wnid].hypernyms
    return Hierarchy({wnid: one for wnid, one in synsets.items() if wnid in wanted}, classes)


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, Synset], tuple[str, ...]]:
    """Read all synsets, and which are the 1,000 classes, whose order is that of their ids."""
    import lzma

    synsets, small = {}, []
    with lzma.open(_TABLE, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            wnid, flag, above, names = line.rstrip("\n").split("\t")
            synsets[wnid] = Synset(wnid, tuple(names.split(", ")), tuple(above.split()))
            if flag == "1":
                small.append(wnid)
    return synsets, tuple(small)
