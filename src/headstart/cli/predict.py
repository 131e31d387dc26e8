"""``headstart predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli import options as o
from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd

    from headstart.pipeline.run import Run


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="RUN")],
    paths: Annotated[
        list[Path], typer.Argument(help="Pictures, folders of pictures, or a table of features.", metavar="PATHS...")
    ],
    out: Annotated[Path | None, typer.Option(help="CSV or JSON file to write; else a table is printed.")] = None,
    top: Annotated[int, typer.Option(help="How many of the most probable classes to name.", min=1)] = 3,
    device: o.Device = "auto",
    quiet: o.Quiet = False,
    as_json: o.Json = False,
) -> None:
    """Predict the classes of pictures, or the boxes in them, with a finished run.

    Unreadable pictures are listed, not fatal. Boxes are written as CSV, or as COCO results where the file is JSON.
    """
    from headstart.cli.printing import console, print_json
    from headstart.data.pictures import PictureSet
    from headstart.detection.writing import write_boxes_coco
    from headstart.pipeline.detector_run import DetectorRun
    from headstart.pipeline.run import load

    if out is not None and out.suffix.lower() not in {".csv", ".json"}:
        raise DataError(f"{str(out)!r} is neither .csv nor .json: give one of the two")
    model = load(run)
    if not model.takes_pictures:
        frame = _from_tables(model, paths, top)
    else:
        files = _files(paths)
        predicted: Any
        predicted, failed = model.predict_pictures(PictureSet(files), device=device, quiet=quiet or as_json)
        frame = model.table(files, predicted, top=top, failed=failed)
    if out is not None and out.suffix.lower() == ".json" and isinstance(model, DetectorRun):
        write_boxes_coco(out, files, predicted, model.classes)
    elif out is not None:
        _write(frame, out)
    if as_json:
        print_json(_records(frame))
    elif out is None:
        from headstart.results.terminal import table

        shown = [column for column in frame.columns if not column.startswith("p(")]
        console().print(table(frame[shown].set_index(shown[0]), limit=50))
    elif not quiet:
        console().print(f"{len(frame):,} predictions in {out}", soft_wrap=True)


def _files(paths: list[Path]) -> list[str]:
    from headstart.data.readers.walk import walk

    files: list[str] = []
    for path in paths:
        if path.is_dir():
            files.extend(str(path / name) for name in walk(path).pictures)
        elif path.exists():
            files.append(str(path))
        else:
            raise DataError(f"no picture or folder at {str(path)!r}: check the path")
    if not files:
        raise DataError(f"no pictures in {', '.join(repr(str(path)) for path in paths)}: give pictures or their folder")
    return files


def _from_tables(model: Run, paths: list[Path], top: int) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for path in paths:
        if not path.is_file():
            raise DataError(f"no table at {str(path)!r}: this run was made on a table of features")
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, sep=None, engine="python")
        ids = (
            [f"{path}:{row}" for row in range(len(table))]
            if len(paths) > 1
            else [str(row) for row in range(len(table))]
        )
        frames.append(model.table(ids, model.predict_proba(table), top=top))
    return pd.concat(frames, ignore_index=True)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    from headstart.results import plain

    return [{str(key): plain(value) for key, value in row.items()} for row in frame.to_dict(orient="records")]


def _write(frame: pd.DataFrame, out: Path) -> None:
    from headstart.results.files import write_json, write_text

    if out.suffix.lower() == ".json":
        write_json(out, _records(frame))
    else:
        write_text(out, frame.to_csv(index=False, float_format="%.6g"))
