"""``fit(source="auto")``: the source is chosen by the ranking, once, and the page says how."""

import json

import pytest

import headstart
from headstart.results import SourceError


def test_the_ranking_chooses_the_source_and_a_second_fit_passes_nothing_again(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    options = {"source": "auto", "strategy": "frozen", "backend": "torch", "input_fit": "crop"}
    told = []
    run = headstart.fit(photos, out=tmp_path / "run", tell=told.append, **options)
    ranking = next(one for one in told if isinstance(one, headstart.Ranking))
    assert {one.name for one in ranking.sources} == {"lite0", "lite1", "lite2"}
    assert run.info["decisions"]["Which source model?"]["headline"] == ranking.headline()
    assert run.info["source"]["name"] == ranking.best
    used = len(run.info["model"]["parts"])
    assert run.info["times"]["pictures_passed"] == 3 * 56 + used * 14, "each picture once through each source it needs"
    page = run.report.read_text()
    assert "fit DATA --source auto" in page and f"Start from {ranking.best}" in page
    assert "no other was compared" not in page

    again = headstart.fit(photos, out=tmp_path / "again", **options)
    assert again.info["times"]["pictures_passed"] == 0
    first, second = (json.loads((one.folder / "run.json").read_text()) for one in (run, again))
    first.pop("times"), second.pop("times")
    assert first == second


def test_auto_takes_no_architecture(photos, tmp_path):
    with pytest.raises(SourceError, match="leave one of the two out"):
        headstart.fit(photos, out=tmp_path / "run", source="auto", architecture="resnet18")
