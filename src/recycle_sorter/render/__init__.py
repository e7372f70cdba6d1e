# SPDX-License-Identifier: Apache-2.0
"""Seeded, physically based pictures of recyclables (extra ``render``, Mitsuba 3).

Shapes, surfaces and textures are numpy only; Mitsuba is imported when a scene is rendered.
"""

from __future__ import annotations
