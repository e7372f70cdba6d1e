# SPDX-License-Identifier: Apache-2.0
"""The include folders of the wheels' build machine give way to this environment's."""

from __future__ import annotations

from pathlib import Path

import pytest

import build_interfaces

EXPORTED = """\
set_target_properties(std_msgs::std_msgs__rosidl_generator_py PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES "{python};{numpy}"
)
"""


@pytest.mark.parametrize("tag", ["310", "311", "313"])
@pytest.mark.parametrize("core", ["core", "_core"])
def test_both_folders_are_replaced_and_nothing_else(tag: str, core: str) -> None:
    python = f"/opt/python/cp{tag}-cp{tag}"
    text = EXPORTED.format(
        python=f"{python}/include/python3.{tag[1:]}",
        numpy=f"{python}/lib/python3.{tag[1:]}/site-packages/numpy/{core}/include",
    )
    rewritten = build_interfaces.rewrite_include_paths(text, "/env/include", "/env/numpy")
    assert rewritten == EXPORTED.format(python="/env/include", numpy="/env/numpy")


def test_a_backslash_in_a_path_is_no_group_reference() -> None:
    text = '"/opt/python/cp311-cp311/include/python3.11"'
    assert build_interfaces.rewrite_include_paths(text, r"/a\1b", "/n") == r'"/a\1b"'


def test_only_exported_files_are_rewritten_and_only_once(tmp_path: Path) -> None:
    folder = tmp_path / "share" / "std_msgs" / "cmake"
    folder.mkdir(parents=True)
    text = '"/opt/python/cp311-cp311/include/python3.11"'
    exported = folder / "export_std_msgs__rosidl_generator_pyExport.cmake"
    other = folder / "std_msgsConfig.cmake"
    exported.write_text(text)
    other.write_text(text)
    assert build_interfaces.rewrite_exported_targets(tmp_path, "/env/include", "/n") == 1
    assert build_interfaces.rewrite_exported_targets(tmp_path, "/env/include", "/n") == 0
    assert exported.read_text() == '"/env/include"'
    assert other.read_text() == text
    assert sorted(path.name for path in folder.iterdir()) == [exported.name, other.name]


def test_an_earlier_build_is_removed_and_its_neighbours_stay(tmp_path: Path) -> None:
    site_packages = tmp_path / "lib" / "python3.11" / "site-packages"
    gone = [
        tmp_path / "share" / "recycle_sorter_msgs" / "msg" / "Old.msg",
        tmp_path / "lib" / "librecycle_sorter_msgs__rosidl_generator_c.so",
        site_packages / "recycle_sorter_msgs" / "msg" / "_old.py",
        site_packages / "recycle_sorter_msgs-0.1.0-py3.11.egg-info" / "PKG-INFO",
    ]
    stays = [
        tmp_path / "share" / "std_msgs" / "msg" / "String.msg",
        tmp_path / "lib" / "libstd_msgs__rosidl_generator_c.so",
        site_packages / "recycle_sorter" / "__init__.py",
    ]
    for path in gone + stays:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    build_interfaces.remove_installed(tmp_path, site_packages)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stays)


def test_the_build_sees_this_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/opt/ros/other")
    monkeypatch.setenv("PYTHONPATH", "/opt/ros/other/lib")
    monkeypatch.setenv("CMAKE_PREFIX_PATH", "/opt/ros/other")
    environment = build_interfaces.build_environment(tmp_path)
    assert environment["AMENT_PREFIX_PATH"] == str(tmp_path)
    assert environment["PATH"].startswith(f"{tmp_path}/bin:")
    assert not {"PYTHONPATH", "CMAKE_PREFIX_PATH"} & environment.keys()
