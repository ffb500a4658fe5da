from penstock.gateway.metadata import record_schema, schema_of, tensor_schema, tensors
from penstock.gateway.mirror import same
from penstock.gateway.openapi import document
from penstock.gateway.sticky import field_of
from penstock.inference.description import Description, Field


def test_types_in_the_words_of_the_protocols():
    fields = (Field("a", "double"), Field("b", "string"), Field("", "float32", (-1, 3)))
    assert [one["datatype"] for one in tensors(fields, "input")] == ["FP64", "BYTES", "FP32"]
    assert tensors(fields, "input")[2] == {"name": "input-2", "datatype": "FP32", "shape": [-1, 3]}
    assert schema_of(Field("d", "datetime")) == {"type": "string", "format": "date-time"}
    assert schema_of(Field("n", "long")) == {"type": "integer"}
    assert tensor_schema(fields[2]) == {
        "type": "array",
        "items": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
    }


def test_optional_columns_may_be_null():
    schema = record_schema(
        Description(inputs=(Field("a", "double"), Field("b", "long", required=False)))
    )
    assert schema["required"] == ["a"]
    assert schema["properties"]["b"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def test_the_document_has_the_signature_and_the_example():
    example = '{"dataframe_split": {"columns": ["a"], "data": [[1.0]]}}'
    made = document("m", "3", Description(inputs=(Field("a", "double"),), example=example))
    post = made["paths"]["/invocations"]["post"]
    content = post["requestBody"]["content"]["application/json"]
    assert content["example"]["dataframe_split"]["data"] == [[1.0]]
    records = content["schema"]["oneOf"][1]["properties"]["dataframe_records"]
    assert records["items"]["properties"] == {"a": {"type": "number"}}
    assert "/v2/models/m/infer" in made["paths"]


def test_the_sticky_field_in_every_form():
    for body in (
        b'{"dataframe_split": {"columns": ["x", "id"], "data": [[1, "ann"]]}}',
        b'{"dataframe_records": [{"id": "ann"}]}',
        b'{"instances": [{"id": "ann"}]}',
        b'{"inputs": {"id": ["ann", "bob"]}}',
        b'{"inputs": [{"name": "id", "shape": [1], "datatype": "BYTES", "data": ["ann"]}]}',
        b'{"inputs": [[1]], "id": "ann"}',
    ):
        assert field_of(body, "id") == b"ann", body
    for body in (b"", b"{", b"[]", b'{"id": {}}', b'{"inputs": [["id"]]}', b'{"id": null}'):
        assert field_of(body, "id") is None, body


def test_answers_are_compared_as_numbers():
    assert same({"predictions": [1.0, "a"]}, {"predictions": [1.0 + 1e-9, "a"]})
    assert not same({"predictions": [1.0]}, {"predictions": [1.001]})
    assert not same({"predictions": [1]}, {"predictions": [1, 2]})
    assert same(
        {"id": "a", "model_version": "1", "o": 1}, {"id": "b", "model_version": "2", "o": 1}
    )
    assert not same([1.0], ["1.0"])
