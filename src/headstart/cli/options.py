"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path,
    typer.Argument(help="Folder of class folders (or of train/val/test), or a CSV or Parquet table.", metavar="DATA"),
]
Image = Annotated[str | None, typer.Option(help="Column with the pictures (paths or bytes).", rich_help_panel="Tables")]
Label = Annotated[
    str | None,
    typer.Option(help="Column with the labels; several with commas (--task multilabel).", rich_help_panel="Tables"),
]
Split = Annotated[str | None, typer.Option(help="Column with train, val or test.", rich_help_panel="Tables")]
Group = Annotated[
    str | None,
    typer.Option(help="Column whose equal values must stay together (patient, product).", rich_help_panel="Tables"),
]
MaxUnreadable = Annotated[float, typer.Option(help="Share of pictures that may be unreadable.", min=0.0, max=1.0)]
TestSize = Annotated[float, typer.Option(help="Share held out where the data has no split.", min=0.01, max=0.9)]
Seed = Annotated[int, typer.Option(help="Seed of all that is random.", min=0)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", rich_help_panel="Engine")]
Backend = Annotated[str, typer.Option(help="auto, openvino or torch.", rich_help_panel="Engine")]
CacheSize = Annotated[
    float, typer.Option(help="GiB that the activation cache may take.", min=0.0, rich_help_panel="Engine")
]
