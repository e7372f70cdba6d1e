# SPDX-License-Identifier: Apache-2.0
"""The ament_python package at the root: built by colcon, or installed editable into `.venv`.

The lists of dependencies live in `requirements/*.txt` and nowhere else; the extras below read them.
ROS packages come from rosdep (`package.xml`) or from wheels (`requirements/run.txt`), so
`install_requires` stays empty of them, as is usual for ament_python.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "recycle_sorter"
# colcon --symlink-install runs a symlink to this file from its own build folder.
ROOT = Path(__file__).resolve().parent
SHARED_FOLDERS = ("config", "launch", "models", "samples")


def requirements(name: str) -> list[str]:
    """Returns the requirements of `requirements/<name>.txt`, with those it includes by `-r`."""
    found: list[str] = []
    for raw in (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        line = raw.split("#", 1)[0].strip()
        if line.startswith("-r "):
            found += requirements(Path(line[3:].strip()).stem)
        elif line:
            found.append(line)
    return found


def shared_files() -> list[tuple[str, list[str]]]:
    """Returns `data_files`: the ament markers, and each shared folder file by file."""
    share = Path("share")
    targets: dict[str, list[str]] = defaultdict(list)
    targets[str(share / "ament_index/resource_index/packages")].append(f"resource/{PACKAGE}")
    targets[str(share / PACKAGE)].append("package.xml")
    for folder in SHARED_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            relative = path.relative_to(ROOT)
            if path.is_file() and "__pycache__" not in relative.parts:
                targets[str(share / PACKAGE / relative.parent)].append(str(relative))
    return sorted(targets.items())


setup(
    name=PACKAGE,
    version="0.4.4",
    description="An open ROS 2 control stack for a robotic recyclable sorter.",
    license="Apache-2.0",
    maintainer="recycle_sorter maintainers",
    maintainer_email="maintainers@recycle-sorter.invalid",
    package_dir={"": "src"},
    # The interfaces beside it are a package of their own (ament_cmake).
    packages=find_packages("src", include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed", "ml/evaluation/templates/*"]},
    data_files=shared_files(),
    python_requires=">=3.10",
    install_requires=["setuptools"],
    extras_require={
        extra: requirements(extra) for extra in ("run", "torch", "train", "render", "test", "lint")
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "recycle-sorter = recycle_sorter.cli.app:main",
            "camera_node = recycle_sorter.ros.camera_node:main",
            "classifier_node = recycle_sorter.ros.classifier_node:main",
            "actuator_node = recycle_sorter.ros.actuator_node:main",
            "recorder_node = recycle_sorter.ros.recorder_node:main",
            "sorter_composed = recycle_sorter.ros.compose:main",
            "belt_classifier_node = recycle_sorter.ros.belt_classifier_node:main",
            "belt_actuator_node = recycle_sorter.ros.belt_actuator_node:main",
            "belt_bag_node = recycle_sorter.ros.belt_bag_node:main",
            "twin_node = recycle_sorter.ros.twin_node:main",
            "belt_composed = recycle_sorter.ros.compose:belt_main",
        ],
    },
)
