"""Derive the table of ImageNet's hierarchy from WordNet 3.0: every class that timm lists, and all that stands above.

    python benchmarks/taskonomy/hierarchy.py [WORDNET] [OUT]

WORDNET is the folder that holds ``data.noun``, as Debian's package ``wordnet-base`` installs it (the default,
``/usr/share/wordnet``). ImageNet's ids are offsets in that file of version 3.0.
"""

from __future__ import annotations

import importlib.util
import lzma
import sys
from pathlib import Path

OUT = Path(__file__).parents[2] / "src" / "headstart" / "taskonomy" / "wordnet.tsv.xz"
HEAD = (
    "# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. See WORDNET_LICENSE.txt.\n"
    "# An excerpt: id, 1 for one of the 1,000 ImageNet classes, hypernyms (the first is WordNet's first), lemmas.\n"
)


def nouns(path: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Return, for each noun synset, its hypernyms (also those of instances) and its lemmas (wndb(5WN))."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("  "):
            continue
        fields = line.partition("|")[0].split()
        end = 4 + 2 * int(fields[3], 16)
        lemmas = [lemma.replace("_", " ") for lemma in fields[4:end:2]]
        pointers = [fields[k : k + 3] for k in range(end + 1, end + 1 + 4 * int(fields[end]), 4)]
        above = [f"n{offset}" for kind, offset, part in pointers if kind in ("@", "@i") and part == "n"]
        found[f"n{fields[0]}"] = (above, lemmas)
    return found


def class_lists() -> dict[str, list[str]]:
    """Return timm's lists of ImageNet synsets."""
    timm = importlib.util.find_spec("timm")
    if timm is None or timm.origin is None:
        sys.exit("pip install timm first")
    folder = Path(timm.origin).parent / "data" / "_info"
    return {path.stem: path.read_text().split() for path in sorted(folder.glob("imagenet*_synsets.txt"))}


def main() -> None:
    wordnet = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/wordnet")
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else OUT
    if not (wordnet / "data.noun").is_file():
        sys.exit(f"no data.noun in {wordnet}: install wordnet-base, or name the folder")
    synsets, lists = nouns(wordnet / "data.noun"), class_lists()
    for name, wnids in lists.items():
        print(f"{name}: {len(wnids):,} synsets, {sum(wnid not in synsets for wnid in wnids)} of them not in WordNet")
    wanted: set[str] = set()
    waiting = [wnid for wnids in lists.values() for wnid in wnids if wnid in synsets]
    while waiting:
        wnid = waiting.pop()
        if wnid not in wanted:
            wanted.add(wnid)
            waiting += synsets[wnid][0]
    small = set(lists["imagenet_synsets"])
    lines = []
    for wnid in sorted(wanted):
        above, lemmas = synsets[wnid]
        lines.append(f"{wnid}\t{int(wnid in small)}\t{' '.join(above)}\t{', '.join(lemmas)}\n")
    text = (HEAD + "".join(lines)).encode()
    out.write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))
    several = sum(len(synsets[wnid][0]) > 1 for wnid in wanted)
    print(f"{len(wanted):,} synsets, {several} with several hypernyms: {out.stat().st_size / 1024:.0f} KB in {out}")


if __name__ == "__main__":
    main()
