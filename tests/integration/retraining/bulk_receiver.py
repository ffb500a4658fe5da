"""A receiver of Elasticsearch's `_bulk`, and a real shipper for it: Debian's rsyslog.

The receiver is ours, for there is no Elasticsearch in Debian or on PyPI: it proves what is sent,
by the framing of `_bulk` and by the types of the index template, not that Elasticsearch takes it.
"""

import datetime as dt
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONFIG = """
global(workDirectory="{work}")
module(load="imfile" mode="polling" pollingInterval="1")
module(load="omelasticsearch")
template(name="line" type="string" string="%msg%")
template(name="place" type="string" string="%$!metadata!filename%-%$!metadata!fileoffset%")
"""
INPUT = """
input(type="imfile" file="{path}" tag="{name}" addMetadata="on" ruleset="{name}")
"""
OUTPUT = """
template(name="stream-{name}" type="string" string="logs-penstock.{name}-mini")
ruleset(name="{name}") {{
  action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" bulkmode="on"
         template="line" dynSearchIndex="on" searchIndex="stream-{name}" searchType=""
         writeoperation="create" dynbulkid="on" bulkid="place" action.resumeRetryCount="-1")
}}
"""


class Receiver:
    """Keeps the documents that were sent, by data stream; what breaks the protocol is a fault."""

    def __init__(self):
        self.documents = {}
        self.faults = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self._say({"cluster_name": "receiver", "status": "green"})

            def do_HEAD(self):
                self.do_GET()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                items = owner.take(self.path, body)
                self._say({"took": 1, "errors": False, "items": items})

            def _say(self, item):
                text = json.dumps(item).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, path, body):
        if path.partition("?")[0] != "/_bulk" or not body.endswith("\n"):
            self.faults.append((path, body[-80:]))
        lines = body.splitlines()
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            ((word, meta),) = json.loads(action).items()
            if word != "create":  # data streams take nothing else
                self.faults.append(action)
            self.documents.setdefault(meta["_index"], []).append(json.loads(document))
            items.append({"create": {"_index": meta["_index"], "status": 201}})
        return items

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def ship(files, receiver, rsyslogd, folder, wanted):
    """Let rsyslog send files, (data set, path), until all of their lines have arrived."""
    folder.mkdir()
    text = CONFIG.format(work=folder)
    for name in {name for name, _ in files}:
        text += OUTPUT.format(name=name, port=receiver.port)
    for name, path in files:
        text += INPUT.format(name=name, path=path)
    (folder / "rsyslog.conf").write_text(text)
    words = [rsyslogd, "-n", "-f", "rsyslog.conf", "-i", str(folder / "pid")]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(words, cwd=folder, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + 90
            while sum(map(len, receiver.documents.values())) < wanted:
                assert process.poll() is None, (folder / "out").read_text()
                assert time.monotonic() < deadline, (folder / "out").read_text()
                time.sleep(0.1)
        finally:
            process.terminate()
            process.wait(60)


def refusals(document, mappings):
    """Yield what an index with these mappings, where `dynamic` is false, would not take or keep."""
    for name, value in document.items():
        place = {"properties": mappings}
        for part in name.split("."):
            place = place.get("properties", {}).get(part)
            if place is None:
                yield f"{name} is not mapped"
                break
        else:
            values = value if isinstance(value, list) else [value]
            if not all(_right(place["type"], one) for one in values):
                yield f"{name}: {value!r} is no {place['type']}"


def _right(kind, value):
    if kind == "date":
        return dt.datetime.fromisoformat(value).tzinfo is not None
    if kind in {"long", "integer"}:
        return type(value) is int
    if kind == "double":
        return type(value) in (int, float)
    return isinstance(value, dict) if kind == "flattened" else isinstance(value, str)
