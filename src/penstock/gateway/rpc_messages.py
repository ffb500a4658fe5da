"""Messages of the Open Inference Protocol over gRPC, described when they are needed.

Source: ``open_inference_grpc.proto`` of the Open Inference Protocol, package ``inference``. The
table below says the same as that file; protobuf makes the classes from it, so no generated code
has to be kept. A pool of our own holds them, because clients' packages register the same names.
"""

from __future__ import annotations

from functools import cache
from typing import Any

PACKAGE = "inference"
SERVICE = "inference.GRPCInferenceService"
METHODS = (
    "ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer",
)  # fmt: skip
"""Methods of the service; each takes ``<Name>Request`` and returns ``<Name>Response``."""

_TENSOR = (
    "string name", "string datatype", "int64* shape", "map parameters",
    "InferTensorContents contents",
)  # fmt: skip
_ABOUT = ("string name", "string datatype", "int64* shape")
_MESSAGES: dict[str, tuple[str, ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready",),
    "ModelReadyRequest": ("string name", "string version"),
    "ModelReadyResponse": ("bool ready",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ("string name", "string version", "string* extensions"),
    "ModelMetadataRequest": ("string name", "string version"),
    "ModelMetadataResponse": (
        "string name", "string* versions", "string platform",
        "ModelMetadataResponse.TensorMetadata* inputs",
        "ModelMetadataResponse.TensorMetadata* outputs",
    ),
    "ModelMetadataResponse.TensorMetadata": _ABOUT,
    "InferParameter": (
        "bool bool_param", "int64 int64_param", "string string_param", "double double_param",
        "uint64 uint64_param",
    ),
    "InferTensorContents": (
        "bool* bool_contents", "int32* int_contents", "int64* int64_contents",
        "uint32* uint_contents", "uint64* uint64_contents", "float* fp32_contents",
        "double* fp64_contents", "bytes* bytes_contents",
    ),
    "ModelInferRequest": (
        "string model_name", "string model_version", "string id", "map parameters",
        "ModelInferRequest.InferInputTensor* inputs",
        "ModelInferRequest.InferRequestedOutputTensor* outputs", "bytes* raw_input_contents",
    ),
    "ModelInferRequest.InferInputTensor": _TENSOR,
    "ModelInferRequest.InferRequestedOutputTensor": ("string name", "map parameters"),
    "ModelInferResponse": (
        "string model_name", "string model_version", "string id", "map parameters",
        "ModelInferResponse.InferOutputTensor* outputs", "bytes* raw_output_contents",
    ),
    "ModelInferResponse.InferOutputTensor": _TENSOR,
}  # fmt: skip
"""Message -> its fields, numbered from 1: type, ``*`` if repeated, name; ``map`` is
``map<string, InferParameter>``."""


@cache
def classes() -> dict[str, Any]:
    """Return the message classes by their names.

    Raises:
        ImportError: protobuf is not installed (extra ``grpc``).
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="penstock/open_inference_grpc.proto", package=PACKAGE, syntax="proto3"
    )
    made: dict[str, Any] = {}
    for name in sorted(_MESSAGES, key=lambda one: one.count(".")):
        outer, _, inner = name.rpartition(".")
        made[name] = (made[outer].nested_type if outer else file.message_type).add(
            name=inner if outer else name
        )
    for name, written in _MESSAGES.items():
        for number, one in enumerate(written, start=1):
            _add_field(made[name], name, number, *one.split())
    parameter = made["InferParameter"]
    parameter.oneof_decl.add(name="parameter_choice")
    for field in parameter.field:
        field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _add_field(message: Any, owner: str, number: int, kind: str, name: str) -> None:
    """Add one field to a description; a map is a repeated entry of its own, as protobuf wants."""
    repeated = kind.endswith("*") or kind == "map"
    field = message.field.add(name=name, number=number, label=3 if repeated else 1)
    kind = kind.rstrip("*")
    if kind == "map":
        entry = message.nested_type.add(name="ParametersEntry")
        entry.options.map_entry = True
        _add_field(entry, "", 1, "string", "key")
        _add_field(entry, "", 2, "InferParameter", "value")
        kind = f"{owner}.ParametersEntry"
    scalar = f"TYPE_{kind.upper()}"
    if scalar in field.Type.keys():  # noqa: SIM118 - protobuf's wrapper of an enumeration
        field.type = field.Type.Value(scalar)
    else:
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
