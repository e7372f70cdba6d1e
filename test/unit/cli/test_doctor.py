# SPDX-License-Identifier: Apache-2.0
"""``doctor``: each check on good and bad ground, then the whole report."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from support.bundles import make_tiny_bundle
from typer.testing import CliRunner, Result

from recycle_sorter.cli import doctor_checks, doctor_cmd, doctor_ros
from recycle_sorter.cli.doctor_checks import Finding
from recycle_sorter.cli.doctor_cmd import doctor
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.paths import share_file
from recycle_sorter.sources import devices

PROFILE = """<?xml version="1.0"?>
<dds xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"><profiles>
<transport_descriptors>{}</transport_descriptors></profiles></dds>"""
SHM = "<transport_descriptor><type>SHM</type>{}</transport_descriptor>"


def call(*arguments: str | Path) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(doctor)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def only(findings: Iterator[Any]) -> Finding:
    (finding,) = findings
    assert isinstance(finding, Finding)
    return finding


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


def test_python_is_new_enough_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(doctor_checks.check_python()).status == "ok"
    monkeypatch.setattr(doctor_checks, "MIN_PYTHON", (99, 0))
    finding = only(doctor_checks.check_python())
    assert (finding.status, finding.fix) == ("fail", "install Python 99.0 or newer")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("model name\t: Xeon\nflags\t\t: avx2 amx_tile avx512_bf16\n", "AMX, AVX-512 bf16, AVX2"),
        ("model name\t: Atom\nflags\t\t: sse2\n", "Atom, .*no vectors"),
        ("", "no vectors"),
    ],
)
def test_the_cpu_is_described(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "cpuinfo").write_text(content)
    finding = only(doctor_checks.check_cpu(tmp_path / "cpuinfo"))
    assert finding.status == "ok"
    assert re.search(expected, finding.text)


def test_a_machine_without_cpuinfo_is_fine(tmp_path: Path) -> None:
    assert only(doctor_checks.check_cpu(tmp_path / "gone")).status == "ok"


def test_missing_packages_fail_and_extras_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_checks, "_version", lambda name: "")
    findings = {finding.name: finding for finding in doctor_checks.check_packages()}
    assert findings["openvino"].status == "fail"
    assert "pip install openvino" in findings["openvino"].fix
    assert findings["torch"].status == "ok"
    # OpenCV of a system ROS has no entry among Python's packages.
    assert findings["opencv-python-headless"].text.endswith("(the system's)")


class TestRos:
    def run_as(self, monkeypatch: pytest.MonkeyPatch, output: object) -> None:
        def run(*args: Any, **kwargs: Any) -> subprocess.CompletedProcess[str]:
            if isinstance(output, Exception):
                raise output
            return subprocess.CompletedProcess(args, 0, stdout=f"noise\n{json.dumps(output)}\n")

        monkeypatch.setattr(doctor_ros.subprocess, "run", run)

    def test_all_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run_as(
            monkeypatch,
            {"missing": {}, "rmw": "rmw_fastrtps_cpp", "where": "/opt/ros/kilted/rclpy/x.py"},
        )
        findings = list(doctor_ros.check_ros({"ROS_DISTRO": "kilted"}))
        assert [finding.status for finding in findings] == ["ok", "ok"]
        assert "system ROS 2 kilted" in findings[0].text

    def test_no_rclpy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run_as(monkeypatch, {"missing": {"rclpy": "No module"}, "rmw": "", "where": ""})
        finding = only(doctor_ros.check_ros({}))
        assert finding.status == "fail"
        assert "make setup" in finding.fix

    def test_our_messages_are_not_built(self, monkeypatch: pytest.MonkeyPatch) -> None:
        missing = {"recycle_sorter_msgs.msg": "No module"}
        self.run_as(monkeypatch, {"missing": missing, "rmw": "rmw_zenoh_cpp", "where": "/x/y.py"})
        _, messages, rmw = doctor_ros.check_ros({"ROS_DISTRO": "jazzy"})
        assert (messages.status, rmw.status) == ("fail", "warn")
        assert "colcon build" in messages.fix

    @pytest.mark.parametrize(
        "problem",
        [
            subprocess.TimeoutExpired("python", 60),
            subprocess.CalledProcessError(-11, "python"),
            OSError("no fork"),
        ],
    )
    def test_a_crash_while_importing_is_reported(
        self, monkeypatch: pytest.MonkeyPatch, problem: Exception
    ) -> None:
        self.run_as(monkeypatch, problem)
        assert only(doctor_ros.check_ros({})).status == "fail"

    def test_the_probe_says_what_is_missing(self) -> None:
        command = [sys.executable, "-c", doctor_ros._PROBE, "json", "no_such_module"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert list(json.loads(done.stdout)["missing"]) == ["no_such_module"]


class TestTransport:
    @pytest.mark.parametrize(
        ("value", "status"),
        [
            ("", "ok"),
            ("LOCALHOST", "ok"),
            ("SUBNET", "warn"),
            ("OFF", "fail"),
            ("nonsense", "fail"),
        ],
    )
    def test_discovery(self, value: str, status: str) -> None:
        finding = next(doctor_ros.check_transport({doctor_ros.DISCOVERY: value}))
        assert finding.status == status

    def test_the_shipped_profile_is_good(self) -> None:
        _, finding = doctor_ros.check_transport({})
        assert finding.status == "ok"
        assert "32 MB" in finding.text
        assert doctor_ros.shared_segment_bytes(share_file("config/fastdds.xml")) == 32 << 20

    @pytest.mark.parametrize(
        ("content", "status", "text"),
        [
            (PROFILE.format(SHM.format("<segment_size>33554432</segment_size>")), "ok", "32 MB"),
            (PROFILE.format(SHM.format("")), "warn", "0.5 MB cuts pictures"),
            (PROFILE.format(""), "warn", "no shared memory"),
            (PROFILE.format(SHM.format("<segment_size>much</segment_size>")), "fail", "much"),
            ("<dds>", "fail", "no element found"),
            ("<" * ((1 << 20) + 1), "fail", "larger than"),
        ],
    )
    def test_the_users_own_profile(
        self, tmp_path: Path, content: str, status: str, text: str
    ) -> None:
        path = tmp_path / "profile.xml"
        path.write_text(content)
        _, finding = doctor_ros.check_transport({doctor_ros.PROFILES: str(path)})
        assert finding.status == status
        assert text in finding.text
        assert status == "ok" or doctor_ros.PROFILES in finding.fix

    def test_a_profile_that_is_not_there(self) -> None:
        _, finding = doctor_ros.check_transport({doctor_ros.PROFILES: "/no/profile.xml"})
        assert finding.status == "fail"


def test_shared_memory(tmp_path: Path) -> None:
    assert only(doctor_checks.check_shared_memory(tmp_path, 1)).status == "ok"
    little = only(doctor_checks.check_shared_memory(tmp_path, 1 << 60))
    assert little.status == "warn"
    assert "--shm-size" in little.fix
    assert only(doctor_checks.check_shared_memory(tmp_path / "gone")).status == "fail"


class TestCameras:
    def test_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(devices, "list_cameras", list)
        assert only(doctor_checks.check_cameras()).status == "warn"

    @pytest.mark.parametrize(("allowed", "status"), [(True, "ok"), (False, "warn")])
    def test_one(self, monkeypatch: pytest.MonkeyPatch, allowed: bool, status: str) -> None:
        monkeypatch.setattr(devices, "list_cameras", lambda: [devices.Camera("/dev/video7")])
        monkeypatch.setattr(os, "access", lambda path, mode: allowed)
        finding = only(doctor_checks.check_cameras())
        assert finding.status == status
        assert "/dev/video7" in finding.text


class TestModel:
    def test_a_good_bundle_and_all_engines(self, folder: Path) -> None:
        finding, bundle = doctor_checks.check_model(folder)
        assert isinstance(finding, Finding)
        assert "accuracy 1.0 on none" in finding.text
        assert isinstance(bundle, ModelBundle)
        findings = {entry.name: entry for entry in doctor_checks.check_engines(bundle)}
        assert findings["engine openvino"].status == "ok"
        assert "ms a picture" in findings["engine onnxruntime"].text

    def test_a_bad_bundle_fails_with_its_fix(self, tmp_path: Path) -> None:
        finding = only(doctor_checks.check_model(tmp_path))
        assert finding.status == "fail"
        assert finding.fix.startswith("copy the bundle again")

    def test_an_engine_that_is_not_installed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundle = ModelBundle.load(folder)
        for name in ("openvino", "onnxruntime"):
            short = {"onnxruntime": "onnx"}.get(name, name)
            module = f"recycle_sorter.inference.{short}_engine"
            monkeypatch.delitem(sys.modules, module, raising=False)
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setattr(doctor_checks, "_version", lambda name: "")
        findings = {entry.name: entry for entry in doctor_checks.check_engines(bundle)}
        assert findings["engine openvino"].status == "fail"
        assert findings["engine openvino"].fix.startswith("pip install openvino")
        assert findings["engine onnxruntime"].status == "ok"
        assert "not installed" in findings["engine onnxruntime"].text


class TestRouting:
    def test_the_shipped_one_fits(self, folder: Path) -> None:
        finding = only(doctor_checks.check_routing(None, ModelBundle.load(folder)))
        assert finding.status == "ok"
        assert all(material in finding.text for material in MATERIALS)

    def test_one_that_lacks_a_material_fails(self, folder: Path, tmp_path: Path) -> None:
        values = yaml.safe_load(share_file("config/routing.yaml").read_text())
        del values["materials"]["glass"]
        path = tmp_path / "routing.yaml"
        path.write_text(yaml.safe_dump(values))
        finding = only(doctor_checks.check_routing(path, ModelBundle.load(folder)))
        assert finding.status == "fail"
        assert "glass" in finding.fix

    def test_one_that_knows_more_is_a_warning(self, folder: Path, tmp_path: Path) -> None:
        values = yaml.safe_load(share_file("config/routing.yaml").read_text())
        values["materials"]["wood"] = dict(values["materials"]["paper"])
        path = tmp_path / "routing.yaml"
        path.write_text(yaml.safe_dump(values))
        finding = only(doctor_checks.check_routing(path, ModelBundle.load(folder)))
        assert finding.status == "warn"
        assert "never answers wood" in finding.text


class TestReport:
    @pytest.fixture
    def findings(self, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
        found = [Finding("a", "ok", "fine"), Finding("b", "warn", "[so] so", "better it")]
        monkeypatch.setattr(doctor_cmd, "_examine", lambda model, routing: iter(found))
        return found

    def test_plain_lines_in_a_pipe(self, findings: list[Finding]) -> None:
        result = call()
        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            "ok   a: fine",
            "warn b: [so] so. Fix: better it",
            "1 ok, 1 warnings, 0 failures",
        ]

    def test_a_failure_is_exit_code_1(self, findings: list[Finding]) -> None:
        findings.append(Finding("c", "fail", "broken", "mend it"))
        assert call().exit_code == 1
        result = call("--json")
        assert result.exit_code == 1
        shown = json.loads(result.stdout)
        assert shown["ok"] is False
        assert shown["findings"][2] == {
            "name": "c", "status": "fail", "text": "broken", "fix": "mend it",
        }  # fmt: skip

    def test_everything_is_looked_at(self, folder: Path) -> None:
        shown = json.loads(call("--model", folder, "--json").stdout)
        names = {finding["name"] for finding in shown["findings"]}
        wanted = {"python", "cpu", "numpy", "ros 2", "discovery", "fast dds profile", "cameras"}
        assert names >= wanted | {"shared memory", "model", "engine openvino", "routing"}
        assert all(f["fix"] for f in shown["findings"] if f["status"] == "fail")

    def test_help_has_examples(self) -> None:
        assert "recycle-sorter doctor --json" in call("--help").output
