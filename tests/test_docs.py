"""The Python of the README and of the pages runs as it stands there, on fewer jets."""

import re
from pathlib import Path

import pytest

from tests.detector.test_pileup import flat_pool
from tests.report.conftest import write_run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
FEWER = {
    r"n_jets=\d[\d_]*": "n_jets=60",
    r"generate\((\"\w+\"), \d+": r"generate(\1, 60",
    r"max_epochs=\d+": "max_epochs=1",
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # lightning's advice
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_runs(page, tmp_path, monkeypatch):
    code = "\n".join(BLOCK.findall(page.read_text()))
    if not code:
        pytest.skip("no Python on this page")
    for pattern, smaller in FEWER.items():
        code = re.sub(pattern, smaller, code)
    monkeypatch.chdir(tmp_path)
    # to start Pythia for minimum-bias events takes longer than all else of a page
    monkeypatch.setattr("pyg_jets.events.minimum_bias.generate_pool", lambda *_, **__: flat_pool())
    for run in ("plain", "pre-aug"):
        write_run(tmp_path / "runs" / "demo" / run, n=200)
    exec(compile(code, page.name, "exec"), {"__name__": "example"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target
