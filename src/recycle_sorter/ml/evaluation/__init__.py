# SPDX-License-Identifier: Apache-2.0
"""How good a classifier is, where it errs, how far to trust it, and whether another is better.

Figures and JSON need numpy and OpenCV only; the report needs jinja2 and matplotlib, Grad-CAM torch,
and each is imported only when it is asked for.
"""
