"""``headstart sources``."""

from __future__ import annotations

from headstart.cli import options as o


def sources(as_json: o.Json = False) -> None:
    """List the pretrained models that can be used without fetching anything."""
    import pandas as pd

    from headstart.cli.printing import console, print_json
    from headstart.results.terminal import table
    from headstart.sources import shelf

    rows = []
    for source in shelf():
        size = source.weights.stat().st_size if source.weights and source.on_disk else None
        rows.append(
            {
                "source": source.name,
                "architecture": source.card.architecture,
                "trained on": source.card.trained_on,
                "classes": source.card.n_classes,
                "input": "x".join(map(str, source.preprocessing.size)),
                "top-1": source.card.accuracy,
                "parameters": source.card.n_parameters,
                "licence": source.card.licence,
                "MB": round(size / 1e6, 1) if size else None,
                "on disk": "yes" if source.on_disk else "no",
            }
        )
    if as_json:
        print_json(rows)
        return
    screen = console()
    screen.print(table(pd.DataFrame(rows).set_index("source")))
    screen.print(
        "Also: timm:NAME (weights from timm's hub), ARCHITECTURE@PATH (a checkpoint), the folder of a finished run.",
        style="dim",
    )
