# SPDX-License-Identifier: Apache-2.0
"""Nothing leaves this machine, and whole pictures get through, unless the user says otherwise."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from recycle_sorter.paths import share_file
from recycle_sorter.ros.transport import (
    DISCOVERY,
    OLD_PROFILES,
    PROFILES,
    shipped_environment,
    use_shipped_transport,
)

SHIPPED = str(share_file("config/fastdds.xml"))


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A user who has set nothing."""
    for name in (DISCOVERY, PROFILES, OLD_PROFILES):
        # setenv first, so that the variable's old state is restored whatever the test does.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_by_default_it_is_this_machine_and_shared_memory() -> None:
    assert shipped_environment() == {DISCOVERY: "LOCALHOST", PROFILES: SHIPPED}


def test_it_is_set_for_this_process_and_its_children() -> None:
    use_shipped_transport()
    assert os.environ[DISCOVERY] == "LOCALHOST"
    assert os.environ[PROFILES] == SHIPPED
    use_shipped_transport()
    assert os.environ[PROFILES] == SHIPPED


@pytest.mark.parametrize("name", [PROFILES, OLD_PROFILES])
def test_a_profile_of_the_user_stays(bare: pytest.MonkeyPatch, name: str) -> None:
    bare.setenv(name, "/my/profile.xml")
    use_shipped_transport()
    assert os.environ[name] == "/my/profile.xml"
    assert SHIPPED not in os.environ.values()


@pytest.mark.parametrize("value", ["SUBNET", "OFF", "SYSTEM_DEFAULT"])
def test_opened_discovery_stays_open_and_is_not_tied_to_loopback(
    bare: pytest.MonkeyPatch, value: str
) -> None:
    bare.setenv(DISCOVERY, value)
    opened = str(share_file("config/fastdds_open.xml"))
    assert shipped_environment() == {PROFILES: opened}
    use_shipped_transport()
    assert os.environ[DISCOVERY] == value
    text = Path(opened).read_text(encoding="utf-8")
    assert "<segment_size>33554432<" in text
    assert "127.0.0.1" not in text


def test_the_profile_holds_a_picture_and_stays_on_loopback() -> None:
    root = ET.parse(SHIPPED).getroot()
    name = {"dds": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
    transports = {
        found.findtext("dds:transport_id", "", name): found
        for found in root.iterfind(".//dds:transport_descriptor", name)
    }
    used = [
        found.text or "" for found in root.iterfind(".//dds:userTransports/dds:transport_id", name)
    ]
    assert sorted(transports) == sorted(used)
    assert root.findtext(".//dds:useBuiltinTransports", namespaces=name) == "false"
    shared = transports["large_shm"]
    picture_bytes = 1920 * 1080 * 3
    assert int(shared.findtext("dds:segment_size", "0", name)) >= 4 * picture_bytes
    assert int(shared.findtext("dds:maxMessageSize", "0", name)) > picture_bytes
    addresses = transports["loopback_udp"].iterfind("dds:interfaceWhiteList/dds:address", name)
    assert [found.text for found in addresses] == ["127.0.0.1"]
