"""What a fresh interpreter loads: the web process and the engine's configuration never load torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def modules_after(code: str, folder: Path) -> set[str]:
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    process = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "NASH_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "nashweb.settings"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return set(process.stdout.split())


def test_the_web_process_loads_no_torch(tmp_path):
    code = (
        "from nashweb.asgi import application\n"
        "from django.urls import get_resolver\n"
        "assert get_resolver().url_patterns\n"
        "import searches.views, searches.tasks, searches.consumers\n"
    )
    loaded = modules_after(code, tmp_path)
    assert "searches.consumers" in loaded
    assert {"torch", "torchvision", "sklearn", "PIL", "onnx"} & loaded == set()


def test_up_loads_no_torch(tmp_path):
    code = "import django\ndjango.setup()\nfrom searches.management.commands import demo, search, up\n"
    assert "torch" not in modules_after(code, tmp_path)


@pytest.mark.parametrize("names", ["SearchConfig", "Bounds", "Architecture, Deepen, Widen", "plan", "draw_morphisms"])
def test_configuration_and_algorithm_1_load_no_torch_and_no_django(tmp_path, names):
    loaded = modules_after(f"from searches.nash import {names}", tmp_path)
    assert {"torch", "numpy", "django", "huey"} & loaded == set()


@pytest.mark.slow
def test_the_engine_loads_no_framework(tmp_path):
    code = "from searches.nash import Network, inherit, train, evaluate, load_dataset, run_search"
    loaded = modules_after(code, tmp_path)
    assert "torch" in loaded
    assert {"django", "huey", "channels", "plotly"} & loaded == set()
