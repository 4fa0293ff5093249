"""compose on one machine: valid by the specification, closed off, and speaking of what there is."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.deploy.conftest import DEPLOY, ROOT, USER, VERSION, check_command, check_setting

FOLDER = DEPLOY / "compose"
PLAIN, GPU = FOLDER / "compose.yaml", FOLDER / "compose.gpu.yaml"


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(PLAIN.read_text())["services"]


def test_the_files_are_valid_by_the_compose_specification(tool):
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", PLAIN, GPU)


def test_each_service_is_closed_off(services):
    for service in services.values():
        assert service["read_only"] is True
        assert service["user"] == f"{USER}:{USER}"
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["mem_limit"]
        assert service["pids_limit"]


def test_images_are_built_from_files_that_are_there_and_carry_our_version(services):
    for service in services.values():
        dockerfile = FOLDER / service["build"]["context"] / service["build"]["dockerfile"]
        assert dockerfile.resolve().is_relative_to(ROOT)
        assert dockerfile.is_file()
        assert service["image"].rpartition(":")[2] == VERSION
    gpu = yaml.safe_load(GPU.read_text())["services"]["engine"]
    assert gpu["image"] == f"{services['engine']['image']}-gpu"
    targets = re.findall(
        r"^FROM \S+ AS (\w+)$", (DEPLOY / "docker" / "engine.Dockerfile").read_text(), re.MULTILINE
    )
    assert {gpu["build"]["target"], services["engine"]["build"]["target"]} <= set(targets)


def test_the_commands_are_the_projects_own(services):
    for name, service in services.items():
        entry = ["mmrag"] if name == "engine" else ["python", "-m", "bots"]
        check_command([*entry, *service["command"]])


def test_a_bot_asks_the_engine_at_the_address_that_it_has(services):
    environment = services["engine"]["environment"]
    for name in services.keys() - {"engine"}:
        assert services[name]["command"][-1] == f"http://engine:{environment['MMRAG_SERVE_PORT']}"
        assert set(services[name]["networks"]) & set(services["engine"]["networks"]) == {"inside"}
        assert services[name]["depends_on"]["engine"]["condition"] == "service_healthy"
    assert services["engine"]["ports"][0].endswith(f":{environment['MMRAG_SERVE_PORT']}")
    assert services["engine"]["ports"][0].startswith("127.0.0.1:")


def test_the_settings_exist(services):
    for variable, value in services["engine"]["environment"].items():
        check_setting(variable, value)
    for name in services.keys() - {"engine"}:
        (file,) = services[name]["env_file"]
        for line in (FOLDER / f"{file}.example").read_text().splitlines():
            if not line.startswith("#"):
                check_setting(*line.split("=", 1))


def test_volumes_and_networks_that_are_used_are_declared(services):
    whole = yaml.safe_load(PLAIN.read_text())
    used = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert used == whole["volumes"].keys()
    assert {network for service in services.values() for network in service["networks"]} == whole[
        "networks"
    ].keys()
    assert whole["networks"]["inside"]["internal"] is True
