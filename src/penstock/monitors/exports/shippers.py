"""What carries penstock's log lines to Elasticsearch: Filebeat, or Logstash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.config.settings import Settings
from penstock.monitors.exports.prometheus import dump
from penstock.monitors.exports.streams import namespace

LOGS = {
    "predictions": "logs/predictions.ndjson",
    "events": "logs/events.ndjson",
    "commands": "logs/penstock.ndjson",
    "serving": "serve/log/*.ndjson",
}
"""What it is -> files in ``.penstock``."""


def filebeat(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return filebeat.yml."""
    del url
    name = namespace(settings.model.name)
    config = {
        "filebeat.inputs": [_stream(root, name, kind, file) for kind, file in LOGS.items()],
        # What comes twice after a crash has the same id, and is kept once. The journal's ids begin
        # anew with a new journal, so the time belongs to it.
        "processors": [
            {
                "fingerprint": {
                    "fields": ["@timestamp", "event.dataset", "event.id"],
                    "target_field": "@metadata._id",
                    "when": {"has_fields": ["event.id"]},
                }
            }
        ],
        # The templates are those of `export elasticsearch`.
        "setup.template": {
            "enabled": False,
            "name": f"penstock-{name}",
            "pattern": f"logs-penstock.*-{name}",
        },
        "setup.ilm.enabled": False,
        "output.elasticsearch": {
            "hosts": ["${ES_HOSTS:https://localhost:9200}"],
            "api_key": "${ES_API_KEY}",
            # A line that is no JSON has no data set; it is kept with penstock's own.
            "index": f"logs-%{{[event.dataset]:penstock.log}}-{name}",
        },
    }
    return {"filebeat.yml": dump(config)}


def _stream(root: Path, model: str, name: str, file: str) -> dict[str, Any]:
    return {
        "type": "filestream",
        "id": f"penstock-{model}-{name}",
        # A file that was set aside is read to its end under its new name.
        "paths": [str(root / ".penstock" / file), str(root / ".penstock" / f"{file}.1")],
        # Files are known by their first lines; by default, those below 1024 bytes would wait.
        "file_identity.fingerprint": None,
        "prospector.scanner.fingerprint": {"enabled": True, "offset": 0, "length": 256},
        "parsers": [
            {
                "ndjson": {
                    "target": "",
                    "overwrite_keys": True,
                    "add_error_key": True,
                    "expand_keys": True,
                }
            }
        ],
    }


def logstash(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return the pipeline of Logstash, for where lines are to be changed on the way."""
    del url
    folder, model = root / ".penstock", settings.model.name
    files = [name for file in LOGS.values() for name in (file, f"{file}.1")]
    paths = ", ".join(f'"{folder / file}"' for file in files)
    text = _PIPELINE.format(paths=paths, model=model, namespace=namespace(model))
    return {"penstock.conf": text}


_PIPELINE = """# Predictions, events and logs of {model}, from penstock's files to Elasticsearch.
# Names of fields stay as they are written, with dots: "event.dataset" is one name in Logstash, and
# `dataset` below `event` in Elasticsearch.
input {{
  file {{
    path => [{paths}]
    codec => json {{ ecs_compatibility => "v8" }}
    start_position => "beginning"
    mode => "tail"
    ecs_compatibility => "v8"
  }}
}}
filter {{
  if ![event.dataset] {{  # a line that is no JSON is kept with penstock's own
    mutate {{ add_field => {{ "[event.dataset]" => "penstock.log" }} }}
  }}
  # The output takes the stream of each event from these fields; its own settings know no fields.
  mutate {{
    add_field => {{
      "[data_stream][type]" => "logs"
      "[data_stream][dataset]" => "%{{[event.dataset]}}"
      "[data_stream][namespace]" => "{namespace}"
    }}
    remove_field => [ "[event][original]" ]  # the whole line once more
  }}
}}
output {{
  elasticsearch {{
    hosts => ["${{ES_HOSTS:https://localhost:9200}}"]
    api_key => "${{ES_API_KEY}}"
    data_stream => "true"
    data_stream_auto_routing => true
    ecs_compatibility => "v8"
  }}
}}
"""
