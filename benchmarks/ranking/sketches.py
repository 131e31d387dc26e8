"""Make the statistics of ImageNet that are shipped with the packaged sources, from one picture of each class.

python benchmarks/ranking/sketches.py SHARED
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Write one file for each packaged source."""
    from headstart.data.pictures import PictureSet
    from headstart.features.activations import compute
    from headstart.sources import get
    from headstart.sources.sketches import stored_sketches, write_sketches

    parser = argparse.ArgumentParser()
    parser.add_argument("shared", type=Path)
    options = parser.parse_args()
    pictures = PictureSet(sorted(str(path) for path in (options.shared / "data/imagenet_samples").glob("*.JPEG")))
    for name in ("lite0", "lite1", "lite2"):
        source = get(name)
        found = compute(pictures, source, quiet=False)
        path = write_sketches(source, found, f"{len(pictures):,} pictures, one of each class of ImageNet-1k")
        kept = stored_sketches(source)["last"].kept
        print(f"{path} ({path.stat().st_size / 2**10:.0f} KB); of the last tap's variance it keeps {kept:.0%}")


if __name__ == "__main__":
    main()
