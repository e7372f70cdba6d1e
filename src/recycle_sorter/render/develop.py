# SPDX-License-Identifier: Apache-2.0
"""From radiance to a camera's picture: noise off, exposure, blur, sensor noise, tone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from recycle_sorter.render.materials import Picture

Linear = NDArray[np.float32]
GREY = 0.16


@dataclass(frozen=True)
class Sensor:
    """How a camera turns light into a picture.

    Lengths are fractions of the picture's width, so that they hold at any size.

    Attributes:
        gain: picture value (1 is full scale) of radiance 1.
        auto: how far the camera's own exposure goes from `gain` to what it takes for a grey
            middle of the picture, in [0, 1]; 0 is a fixed exposure.
        balance: linear RGB that becomes grey; ones leave the colour of the light in.
        motion: length of the streak that a point leaves while the shutter is open.
        motion_rad: the streak's direction, counter-clockwise from the picture's x axis.
        defocus: standard deviation of the lens blur.
        vignette: how much darker the corners are, in [0, 1].
        read_noise: standard deviation of the noise in the dark, of full scale.
        shot_noise: standard deviation of the noise at full scale that grows with the light.
        jpeg_quality: quality of the stream, 1 to 100; 0 is none.
        seed: of the noise.
    """

    gain: float
    auto: float
    balance: tuple[float, float, float]
    motion: float
    motion_rad: float
    defocus: float
    vignette: float
    read_noise: float
    shot_noise: float
    jpeg_quality: int
    seed: int


def cleaned(passes: Linear) -> Linear:
    """Average independent renderings ``(P, H, W, 3)`` without fireflies and with less noise."""
    # A pixel far above the middle of its passes is one lucky light path, not light.
    middle = np.median(passes, axis=0)
    passes = np.minimum(passes, 2.0 * middle + 0.1 * middle.mean())
    return _smoothed(passes.mean(axis=0), passes.var(axis=0, ddof=1) / len(passes))


def metered(linear: Linear, albedo: float, white: tuple[float, float, float]) -> Picture:
    """Develop as the station's camera does, exposed and balanced for the board.

    Args:
        linear: radiance ``(H, W, 3)``.
        albedo: mean reflectance of the board, which fills the picture's upper and lower rim.
        white: linear RGB of a white board in this light.
    """
    rim = max(2, linear.shape[0] // 16)
    border = np.concatenate([linear[:rim].reshape(-1, 3), linear[-rim:].reshape(-1, 3)])
    irradiance = float(np.median(border.mean(axis=1))) / max(albedo, 1e-3)
    linear = linear * (0.74 / max(irradiance, 1e-6))
    linear = linear / np.asarray(white, dtype=np.float32) ** 0.8
    return _toned(linear)


def exposed(linear: Linear, sensor: Sensor) -> Picture:
    """Develop radiance ``(H, W, 3)`` as the sensor's camera does."""
    height, width = linear.shape[:2]
    light = linear * sensor.gain
    middle = light[height // 4 : -(height // 4), width // 4 : -(width // 4)]
    # The strongest channel is metered: under a coloured lamp the others tell little.
    level = max(float(middle.max(axis=2).mean()), 1e-6)
    light = light * (GREY / level) ** sensor.auto / np.asarray(sensor.balance, dtype=np.float32)
    if sensor.motion * width > 0.5:
        kernel = streak(sensor.motion * width, sensor.motion_rad)
        light = _array(cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REPLICATE))
    if sensor.defocus * width > 0.2:
        light = _array(cv2.GaussianBlur(light, (0, 0), sensor.defocus * width))
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    light = light * (1.0 - sensor.vignette * (rows**2 + columns**2) / 2.0)[..., None]
    spread = np.sqrt(sensor.read_noise**2 + sensor.shot_noise**2 * np.clip(light, 0.0, 1.0))
    light = light + spread * _grain(np.random.default_rng(sensor.seed), height, width)
    picture = _toned(np.maximum(light, 0.0).astype(np.float32))
    return _compressed(picture, sensor.jpeg_quality) if sensor.jpeg_quality else picture


def streak(length_px: float, angle_rad: float) -> NDArray[np.float32]:
    """Return the kernel that smears a point into a line of that length; its sum is 1."""
    middle = int(np.ceil(length_px / 2.0)) + 1
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1))
    along = np.linspace(-0.5, 0.5, 16 * middle) * length_px
    x, y = middle + along * np.cos(angle_rad), middle - along * np.sin(angle_rad)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right_share, low_share = x - left, y - top
    np.add.at(kernel, (top, left), (1 - low_share) * (1 - right_share))
    np.add.at(kernel, (top, left + 1), (1 - low_share) * right_share)
    np.add.at(kernel, (top + 1, left), low_share * (1 - right_share))
    np.add.at(kernel, (top + 1, left + 1), low_share * right_share)
    unit: NDArray[np.float32] = (kernel / kernel.sum()).astype(np.float32)
    return unit


def _array(image: ArrayLike) -> Linear:
    """Return what OpenCV gave as the float32 array that it is."""
    return np.asarray(image, dtype=np.float32)


def _grain(rng: np.random.Generator, height: int, width: int) -> Linear:
    """Return noise of unit variance; demosaicking leaves the colour part of it blotchy."""
    shared = rng.normal(size=(height, width, 1)).astype(np.float32)
    fine = rng.normal(size=(height, width, 3)).astype(np.float32)
    colour = _array(cv2.GaussianBlur(fine, (0, 0), 0.8))
    colour = colour / max(float(colour.std()), 1e-6)
    grain: Linear = (0.75 * shared + 0.66 * colour).astype(np.float32)
    return grain


def _toned(linear: Linear) -> Picture:
    """Roll the highlights off and encode as 8-bit sRGB."""
    shoulder = np.where(linear > 0.6, 0.6 + 0.4 * (1 - np.exp(-(linear - 0.6) / 0.4)), linear)
    curve = np.where(shoulder <= 0.0031308, 12.92 * shoulder, 1.055 * shoulder ** (1 / 2.4) - 0.055)
    return np.clip(curve * 255.0 + 0.5, 0, 255).astype(np.uint8)


def _compressed(picture: Picture, quality: int) -> Picture:
    """Send a picture through JPEG."""
    _, stream = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(stream, cv2.IMREAD_COLOR)
    if decoded is None:
        raise RuntimeError("OpenCV does not read back the JPEG it wrote")
    return np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8)


def _smoothed(linear: Linear, noise: Linear) -> Linear:
    """Average where the passes disagree and keep what they agree on (Lee's filter, 1980).

    Args:
        linear: mean of the passes ``(H, W, 3)``.
        noise: variance of that mean, estimated from the passes, ``(H, W, 3)``.
    """
    size = (5, 5)
    mean = cv2.blur(linear, size)
    spread = np.maximum(cv2.blur(linear * linear, size) - mean * mean, 1e-8).mean(axis=2)
    uncertain = cv2.blur(noise, size).mean(axis=2)
    keep = np.clip(1.0 - 1.2 * uncertain / spread, 0.0, 1.0)[..., None]
    result: Linear = (mean + keep * (linear - mean)).astype(np.float32)
    return result
