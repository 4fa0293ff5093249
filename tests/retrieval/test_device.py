from __future__ import annotations

import pytest

from mmrag.config import Settings
from mmrag.doctor import FAISS_WHEELS, too_many_faiss
from mmrag.errors import InvalidSettings
from mmrag.retrieval import device
from mmrag.retrieval.cagra import graph_builder
from mmrag.retrieval.dense import DenseIndex

CPU_WHEEL = {"is_gpu_build": False, "has_cagra": False, "gpus": 0}
GPU_WHEEL = {"is_gpu_build": True, "has_cagra": False, "gpus": 1}
CUVS_WHEEL = {"is_gpu_build": True, "has_cagra": True, "gpus": 1}
has_no_gpu = pytest.mark.skipif(device.choose("auto").searches, reason="FAISS can use a GPU here")


@pytest.mark.parametrize(
    ("asked", "wheel", "builds", "searches", "because"),
    [
        ("auto", CPU_WHEEL, False, False, "built for the CPU only"),
        ("auto", GPU_WHEEL | {"gpus": 0}, False, False, "no GPU that it can use"),
        ("auto", GPU_WHEEL, False, True, "gpu-cuvs"),
        ("auto", CUVS_WHEEL, True, True, "on the GPU"),
        ("gpu", GPU_WHEEL, False, True, "gpu-cuvs"),
        ("gpu", CUVS_WHEEL, True, True, "on the GPU"),
        ("cpu", CUVS_WHEEL, False, False, "faiss_device"),
    ],
)
def test_what_is_done_on_a_gpu_depends_on_the_build_the_gpus_and_the_setting(
    asked, wheel, builds, searches, because
):
    chosen = device.decide(asked, **wheel)
    assert (chosen.builds, chosen.searches) == (builds, searches)
    assert because in chosen.reason


@pytest.mark.parametrize("wheel", [CPU_WHEEL, GPU_WHEEL | {"gpus": 0}, CUVS_WHEEL | {"gpus": 0}])
def test_a_gpu_that_is_asked_for_in_vain_is_an_error_that_says_what_to_do(wheel):
    with pytest.raises(InvalidSettings, match=r"faiss_device is gpu, but .*: install .* or set .* to auto"):
        device.decide("gpu", **wheel)


@has_no_gpu
def test_without_a_gpu_all_is_done_on_the_cpu_and_an_engine_that_must_have_one_does_not_start():
    assert device.choose("auto").reason.startswith("all on the CPU, because")
    with pytest.raises(InvalidSettings, match="faiss_device"):
        graph_builder("gpu")


def test_a_team_that_wants_the_cpu_gets_what_the_cpu_builds():
    assert graph_builder("cpu") == DenseIndex.hnsw


def test_the_setting_takes_nothing_else():
    assert Settings().faiss_device == "auto"
    with pytest.raises(ValueError, match="faiss_device"):
        Settings(faiss_device="tpu")


@pytest.mark.parametrize("installed", [[], *([wheel] for wheel in FAISS_WHEELS)])
def test_one_faiss_is_right(installed):
    assert too_many_faiss(installed) is None


def test_two_builds_of_faiss_are_a_fault_that_names_them():
    finding = too_many_faiss(["faiss-cpu", "faiss-gpu-cuvs"])
    assert finding.state == "fault"
    assert "faiss-cpu and faiss-gpu-cuvs" in finding.says
    assert "pip uninstall faiss-cpu faiss-gpu-cuvs" in finding.remedy
