"""Configuration of Filebeat and Logstash: where lines go, and that it says nothing undocumented.

Neither program is to be had here. The options are those of their documentation (Filebeat 9.5, the
plugins of Logstash 8), written down once by hand: a misspelt one fails.
"""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from penstock.config.settings import ModelSettings, Settings
from penstock.monitors.exports.elasticsearch import FIELDS, elasticsearch
from penstock.monitors.exports.shippers import filebeat, logstash
from penstock.monitors.exports.streams import DATASETS, stream

MODELS = ["flights", "credit-risk", "team/Flights"]
FILEBEAT = {
    "filebeat.inputs", "processors", "setup.template", "setup.ilm.enabled", "output.elasticsearch",
}  # fmt: skip
FILESTREAM = {
    "type", "id", "paths", "parsers", "file_identity.fingerprint",
    "prospector.scanner.fingerprint",
}  # fmt: skip
NDJSON = {
    "target", "overwrite_keys", "expand_keys", "add_error_key", "message_key", "document_id",
    "ignore_decoding_error",
}  # fmt: skip
FINGERPRINT = {"fields", "target_field", "ignore_missing", "method", "encoding", "when"}
LOGSTASH = {
    "file": {"path", "codec", "start_position", "mode", "ecs_compatibility"},
    "json": {"ecs_compatibility", "target", "charset"},
    "mutate": {"add_field", "remove_field"},
    "elasticsearch": {
        "hosts", "api_key", "data_stream", "data_stream_auto_routing", "ecs_compatibility",
    },
}  # fmt: skip
"""Plugin -> its options, or those of them that are used."""


def settings(model):
    known = ModelSettings(name=model, path="m", test_data="d", target="t")
    return Settings(root=Path("/srv/it"), model=known)


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


def beat(model):
    return yaml.safe_load(filebeat(Path("/srv/it"), settings(model), None)["filebeat.yml"])


def pipeline(model):
    return logstash(Path("/srv/it"), settings(model), None)["penstock.conf"]


def patterns(model):
    made = elasticsearch(Path("/srv/it"), settings(model), None)
    return json.loads(made["index-template.json"])["index_patterns"]


def test_filebeat_sends_each_data_set_to_the_stream_that_the_template_is_for(model):
    index = beat(model)["output.elasticsearch"]["index"]
    (pattern,) = patterns(model)
    for data in DATASETS:
        named = re.sub(r"%\{\[event\.dataset\](:[\w.]+)?\}", data, index)
        assert named == stream(data, model)
        assert fnmatchcase(named, pattern)
        assert not any(fnmatchcase(named, p) for m in MODELS if m != model for p in patterns(m))
    assert "%{[event.dataset]:penstock.log}" in index  # for a line that is no JSON
    assert beat(model)["setup.ilm.enabled"] is False  # else the index is not looked at


def test_logstash_names_the_same_streams(model):
    text = pipeline(model)
    parts = dict(re.findall(r'"\[data_stream\]\[(\w+)\]" => "([^"]*)"', text))
    assert parts.pop("dataset") == "%{[event.dataset]}"
    for data in DATASETS:
        assert "{type}-{data}-{namespace}".format(data=data, **parts) == stream(data, model)
    assert 'add_field => { "[event.dataset]" => "penstock.log" }' in text


def test_filebeat_is_told_nothing_that_its_documentation_does_not_know(model):
    made = beat(model)
    assert set(made) == FILEBEAT
    ids = [one["id"] for one in made["filebeat.inputs"]]
    assert len(ids) == len(set(ids))
    for one in made["filebeat.inputs"]:
        assert set(one) == FILESTREAM
        (parser,) = one["parsers"]
        assert set(parser["ndjson"]) <= NDJSON
        assert one["prospector.scanner.fingerprint"]["length"] >= 64  # the least that it takes
        assert all(path.startswith("/srv/it/.penstock/") for path in one["paths"])
    (processor,) = made["processors"]
    assert set(processor["fingerprint"]) <= FINGERPRINT
    assert set(processor["fingerprint"]["fields"]) <= set(FIELDS)
    assert set(made["setup.template"]) == {"enabled", "name", "pattern"}
    assert made["setup.template"]["pattern"] in patterns(model)


def test_logstash_is_told_nothing_that_its_documentation_does_not_know(model):
    text = re.sub(r"#.*", "", pipeline(model))
    text = re.sub(r"if [^{]*\{", "if {", re.sub(r'"[^"]*"', '""', text))
    stack, found = [], set()
    for word, brace, end in re.findall(r'(\w+|"")\s*(=>\s*\w*\s*\{|=>|\{)|(\})', text):
        inner = re.match(r"=>\s*(\w*)\s*\{", brace)
        if end:
            stack.pop()
        elif brace == "{":
            stack.append(word)
        else:
            if stack[-1]:
                assert word in LOGSTASH[stack[-1]], (stack, word)
                found.add(stack[-1])
            if inner:
                stack.append(inner[1])  # a codec with options, or a hash with names of its own
    assert stack == []
    assert found == set(LOGSTASH)
