"""What docs/deploy.md and deploy/ tell people to type: every command is one, every variable is known."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.core.management import load_command_class

from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
UNITS = sorted(DEPLOY.glob("*.service"))
KNOWN_VARIABLES = set(re.findall(r"[A-Z][A-Z0-9_]+", (ROOT / ".env.example").read_text()))
SERVICE_KEYS = {
    "image", "build", "environment", "volumes", "restart", "stop_grace_period", "depends_on", "healthcheck", "ports",
    "command",
}  # fmt: skip
"""Of the compose specification, those that the file uses."""


def parse(command: list[str]) -> None:
    """Let the parser of a manage.py command read its arguments; it exits where it does not know them."""
    name, *arguments = command[command.index("manage.py") + 1 :]
    load_command_class("searches", name).create_parser("manage.py", name).parse_args(arguments)


def commands_of(page: Path) -> list[str]:
    """Lines with manage.py in the page's blocks of shell."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if "manage.py" in line]


@pytest.mark.parametrize("line", commands_of(ROOT / "docs" / "deploy.md"))
def test_commands_on_the_page_are_commands(line):
    parse(shlex.split(line, comments=True))


def test_the_page_has_commands_and_its_links_lead_somewhere():
    page = ROOT / "docs" / "deploy.md"
    assert len(commands_of(page)) >= 5
    for link in re.findall(r"\]\((\.\./[^)]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link
    for name in re.findall(r"NASH_[A-Z_]+", page.read_text()):
        assert name in KNOWN_VARIABLES, name


@pytest.mark.parametrize("name", ["pages", "workers"])
def test_a_service_of_the_compose_file_starts_a_command_that_there_is(name):
    service = COMPOSE["services"][name]
    parse(service["command"])
    assert set(service["environment"]) <= KNOWN_VARIABLES
    assert service["depends_on"] == {"database": {"condition": "service_healthy"}}


def test_the_compose_file_has_the_form_of_one():
    assert set(COMPOSE) == {"name", "x-nash", "services", "volumes"}
    for name, service in COMPOSE["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        for volume in service["volumes"]:
            assert volume.split(":")[0] in COMPOSE["volumes"]
    build = COMPOSE["services"]["pages"]["build"]
    dockerfile = (DEPLOY / build["context"] / build["dockerfile"]).read_text()
    for copied in re.findall(r"^COPY (\S+)", dockerfile, re.MULTILINE):
        assert (DEPLOY / build["context"] / copied).exists(), copied


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_there_is(unit):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(unit)
    parse(shlex.split(parser["Service"]["ExecStart"]))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_a_unit_is_one_for_systemd(unit, tmp_path):
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace("/opt/nash/.venv/bin/python", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
