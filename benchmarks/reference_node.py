# SPDX-License-Identifier: Apache-2.0
"""What one writes in an afternoon: cv_bridge, eager torch and one executor.

The reference for the latency figures, not part of the sorter. As a program:
``python -m benchmarks.reference_node JOB.json OUT.json``, with the jobs of ``composed``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import torch
from cv_bridge import CvBridge
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from safetensors.torch import load_file
from sensor_msgs.msg import CameraInfo, Image

from benchmarks.probe import ProbeNode
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.torch_networks import ARCHITECTURES
from recycle_sorter.sources.images import ImagesSource
from recycle_sorter.sources.slideshow import SlideshowSpec
from recycle_sorter_msgs.msg import DiverterCommand, MaterialClassification


class Camera(Node):
    """Publishes the same pictures as our camera, from a timer."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__("camera")
        timing = {name: settings[name] for name in ("fps_hz", "show_sec", "gap_sec")}
        self.source = ImagesSource(Path(settings["uri"]), SlideshowSpec(**timing))
        self.images = self.create_publisher(Image, "camera/image_raw", 10)
        self.infos = self.create_publisher(CameraInfo, "camera/camera_info", 10)
        self.bridge = CvBridge()
        self.is_done = False
        self.create_timer(1.0 / settings["fps_hz"], self.on_timer)

    def on_timer(self) -> None:
        """Reads, converts, publishes."""
        frame = self.source.read()
        if frame is None:
            self.is_done = True
            return
        message = self.bridge.cv2_to_imgmsg(frame.pixels, encoding="bgr8")
        message.header.stamp = self.get_clock().now().to_msg()
        self.images.publish(message)
        self.infos.publish(CameraInfo(header=message.header))


def load_network(bundle: ModelBundle) -> torch.nn.Module:
    """The bundle's network in eager torch, as its training leaves it."""
    network = ARCHITECTURES[bundle.architecture](len(bundle.labels))
    network.load_state_dict(load_file(bundle.networks["fp32"].weights))
    return network.eval()


class Classifier(Node):
    """Runs the network in the subscription's callback."""

    def __init__(self, bundle: ModelBundle) -> None:
        super().__init__("classifier")
        self.model = load_network(bundle)
        self.mean = np.array(bundle.preprocessing.mean, np.float32)
        self.std = np.array(bundle.preprocessing.std, np.float32)
        self.bridge = CvBridge()
        self.results = self.create_publisher(
            MaterialClassification, "classifier/classification", 10
        )
        self.create_subscription(Image, "camera/image_raw", self.on_image, 10)

    def on_image(self, message: Image) -> None:
        """Converts, classifies, publishes."""
        image = self.bridge.imgmsg_to_cv2(message, desired_encoding="rgb8")
        start = time.perf_counter()
        small = cv2.resize(image, (224, 224)).astype(np.float32) / 255.0
        batch = torch.from_numpy(((small - self.mean) / self.std).transpose(2, 0, 1)[None].copy())
        with torch.no_grad():
            found = torch.softmax(self.model(batch), dim=1)[0]
        taken_sec = time.perf_counter() - start
        best = int(found.argmax())
        self.results.publish(
            MaterialClassification(
                header=message.header,
                item_present=True,
                material=MATERIALS[best],
                confidence=float(found[best]),
                materials=list(MATERIALS),
                probabilities=found.tolist(),
                inference_time_sec=taken_sec,
            )
        )


class Actuator(Node):
    """Commands a diverter for every classification: it knows no items."""

    def __init__(self) -> None:
        super().__init__("actuator")
        self.commands = self.create_publisher(DiverterCommand, "actuator/diverter_command", 10)
        self.create_subscription(
            MaterialClassification, "classifier/classification", self.on_result, 10
        )

    def on_result(self, message: MaterialClassification) -> None:
        """Publishes the command."""
        self.commands.publish(
            DiverterCommand(header=message.header, material=message.material, bin=message.material)
        )


def main() -> int:
    """Runs a job from a file."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with rclpy.init(args=["--ros-args", "--log-level", "warn"]):
        camera = Camera(job["settings"])
        probe = ProbeNode()
        executor = SingleThreadedExecutor()
        bundle = ModelBundle.load(job["settings"]["model"])
        for node in (probe, Actuator(), Classifier(bundle), camera):
            executor.add_node(node)
        cpu_sec, start_sec = time.process_time(), time.monotonic()
        deadline = time.monotonic() + job["duration_sec"]
        while not camera.is_done and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
        probe.record.cpu_sec = time.process_time() - cpu_sec
        probe.record.run_sec = time.monotonic() - start_sec
        probe.record.write(Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
