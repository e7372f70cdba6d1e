# SPDX-License-Identifier: Apache-2.0
"""A stand-in for W&B's server on loopback: takes what ``wandb sync`` uploads and remembers it.

It answers the few queries that W&B's own client asks, and knows equal artifacts by their digest as
the real one does. What its client reads, and in which order it asks, is therefore W&B's.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import quote, unquote


@dataclass
class Upload:
    """What the server was given.

    Attributes:
        url: Where it listens.
        requests: Each request's name.
        artifacts: By id: name, type, metadata, the run that made it, files' content, committed.
        links: Each pair of an artifact's name and the run that uses it.
        runs: By id: display name, job type, group, config.
        files: Content of each uploaded file that belongs to no artifact.
        history: Rows of history of each run.
        sweep: The configuration of the sweep that was created, as YAML.
        commands: What the next heartbeats of an agent are answered with, one each.
    """

    url: str = ""
    requests: list[str] = field(default_factory=list)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: set[tuple[str, str]] = field(default_factory=set)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    sweep: str = ""
    commands: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def serve() -> Iterator[Upload]:
    """Runs the server for the length of a ``with`` block."""
    upload = Upload()
    handler = type("Handler", (_Handler,), {"upload": upload})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    upload.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield upload
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    upload: ClassVar[Upload]

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.upload.requests.append(f"GET {self.path}")
        self._answer({})

    def do_PUT(self) -> None:
        body = self._body()
        owner, _, name = unquote(self.path.removeprefix("/put/")).partition("/")
        artifact = self.upload.artifacts.get(owner)
        with self.upload.lock:
            (self.upload.files if artifact is None else artifact["files"])[name] = body
        self._answer({})

    def do_POST(self) -> None:
        body = json.loads(self._body())
        if self.path == "/graphql":
            named = re.search(r"(?:query|mutation)\s+(\w+)", body["query"])
            name = body.get("operationName") or (named[1] if named else "?")
            with self.upload.lock:
                self.upload.requests.append(name)
                variables = body.get("variables") or {}
                answer: Any = getattr(self, f"answer_{name}", lambda _: {})(variables)
            self._answer({"data": answer})
            return
        run = self.path.split("/")[-2]
        with self.upload.lock:
            for line in (body.get("files") or {}).get("wandb-history.jsonl", {}).get("content", []):
                self.upload.history.setdefault(run, []).append(json.loads(line))
        self._answer({})

    def _put(self, name: str) -> str:
        return f"{self.upload.url}/put/{quote(name)}"

    def answer_Viewer(self, _: dict[str, Any]) -> Any:
        return {"viewer": {"id": "v", "entity": "us", "username": "us", "flags": "{}"}}

    def answer_UpsertBucket(self, told: dict[str, Any]) -> Any:
        run = self.upload.runs.setdefault(told["name"], {})
        names = ("displayName", "jobType", "groupName", "project", "config")
        run.update({name: told[name] for name in names if told.get(name) is not None})
        project = {"id": "p", "name": told["project"], "entity": {"id": "e", "name": "us"}}
        bucket = {"id": told["name"], "name": told["name"], "project": project}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def answer_CreateArtifact(self, told: dict[str, Any]) -> Any:
        wanted = told["input"]
        name, digest = wanted["artifactCollectionName"], wanted["digest"]
        key = f"{name}:{digest}"
        known = self.upload.artifacts.setdefault(
            key,
            {
                "name": name,
                "type": wanted["artifactTypeName"],
                "metadata": json.loads(wanted["metadata"] or "{}"),
                "made_by": None,
                "files": {},
                "is_committed": False,
            },
        )
        known["made_by"] = known["made_by"] or wanted["runName"]
        state = "COMMITTED" if known["is_committed"] else "PENDING"
        sequence = {"id": name, "latestArtifact": None}
        return {
            "createArtifact": {
                "artifact": {"id": key, "state": state, "artifactSequence": sequence}
            }
        }

    def answer_CreateArtifactManifest(self, _: dict[str, Any]) -> Any:
        file = {"id": "m", "name": "m", "displayName": "m", "uploadHeaders": []}
        manifest = {"id": "m", "file": {**file, "uploadUrl": self._put("-/manifest")}}
        return {"createArtifactManifest": {"artifactManifest": manifest}}

    def answer_CreateArtifactFiles(self, told: dict[str, Any]) -> Any:
        nodes = []
        for wanted in told["input"]["artifactFiles"]:
            node = {"id": "f", "name": wanted["name"], "displayName": wanted["name"]}
            where = {
                "uploadUrl": self._put(f"{wanted['artifactID']}/{wanted['name']}"),
                "uploadHeaders": [],
                "storagePath": "",
            }
            nodes.append({"node": {**node, **where, "artifact": {"id": wanted["artifactID"]}}})
        return {"createArtifactFiles": {"files": {"edges": nodes}}}

    def answer_CommitArtifact(self, told: dict[str, Any]) -> Any:
        self.upload.artifacts[told["artifactID"]]["is_committed"] = True
        return {"commitArtifact": {"artifact": {"id": told["artifactID"], "digest": ""}}}

    def answer_UseArtifact(self, told: dict[str, Any]) -> Any:
        wanted = told["input"]
        name = self.upload.artifacts[wanted["artifactID"]]["name"]
        self.upload.links.add((name, wanted["runName"]))
        artifact = {"id": wanted["artifactID"], "digest": "", "state": "COMMITTED"}
        return {"useArtifact": {"artifact": artifact}}

    def answer_CreateRunFiles(self, told: dict[str, Any]) -> Any:
        files = [{"name": name, "uploadUrl": self._put(f"-/{name}")} for name in told["files"]]
        return {"createRunFiles": {"runID": told["run"], "uploadHeaders": [], "files": files}}

    def answer_ArtifactType(self, told: dict[str, Any]) -> Any:
        return {"project": {"artifact": None}}  # it has no type that would have to be kept to

    def answer_UpsertSweep(self, told: dict[str, Any]) -> Any:
        self.upload.sweep = told["config"]
        project = {"id": "p", "name": told["projectName"], "entity": {"id": "e", "name": "us"}}
        return {"upsertSweep": {"sweep": {"name": "sweep1", "project": project}}}

    def answer_SweepWithRuns(self, told: dict[str, Any]) -> Any:
        sweep = {"id": "s", "name": told["sweep"], "state": "RUNNING", "runs": {"edges": []}}
        return {"project": {"sweep": {**sweep, "config": self.upload.sweep}}}

    def answer_CreateAgent(self, _: dict[str, Any]) -> Any:
        return {"createAgent": {"agent": {"id": "agent1"}}}

    def answer_Heartbeat(self, _: dict[str, Any]) -> Any:
        commands = [self.upload.commands.pop(0)] if self.upload.commands else []
        told = {"agent": {"id": "agent1"}, "commands": json.dumps(commands)}
        return {"agentHeartbeat": told}
