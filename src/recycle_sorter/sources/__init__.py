# SPDX-License-Identifier: Apache-2.0
"""Where frames come from: USB camera, video, pictures, bag."""
