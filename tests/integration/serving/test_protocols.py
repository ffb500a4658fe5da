"""What a gateway answers, over a socket, in all protocols; and to hostile clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.request

import pytest
from serving_traffic import BODY, connected, read_answer, request

ROW = BODY % (b"1", 2)


def ask(shared, path, body=None, **headers):
    """Return status, headers and body of one request."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        headers.setdefault("content-type", "application/json")
    made = urllib.request.Request(shared.url + path, body, headers)
    try:
        with urllib.request.urlopen(made, timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def talk(shared, *pieces: bytes, answers: int = 1):
    """Send raw bytes piece by piece and return the answers."""

    async def conversation():
        async with connected(shared.port) as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            async with asyncio.timeout(60):
                return [await read_answer(reader) for _ in range(answers)]

    return asyncio.run(conversation())


def test_invocations(shared):
    status, headers, body = ask(shared, "/invocations", ROW, x_request_id="mine")
    assert (status, body) == (200, b'{"predictions": [1]}')
    assert headers["x-penstock-version"] == "1"
    assert headers["x-request-id"] == "mine"


def test_requests_without_id_get_one_each(shared):
    ids = {ask(shared, "/invocations", ROW)[1]["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_health_as_mlflow_says_it(shared, path):
    status, headers, body = ask(shared, path)
    assert (status, body, headers["content-type"]) == (200, b"\n", "application/json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text/html", b"only supports the following content types"),
        ("application/json; charset=latin-1", b"only supports UTF-8"),
        ("application/json; version=2", b"Unrecognized content type parameters"),
    ],
)
def test_other_content_types_are_refused(shared, content, words):
    status, headers, body = ask(shared, "/invocations", ROW, content_type=content)
    assert status == 415
    assert headers["content-type"].startswith("text/plain")
    assert words in body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[1]", "exactly one of"),
        (b"{}", "exactly one of"),
        (b'{"inputs": [[1]], "instances": [[1]]}', "exactly one of"),
        (b'{"inputs": 3}', "does not hold rows"),
        (b"{", "valid JSON"),
        (b'{"inputs": [["\xff"]]}', "valid JSON"),
        (b"[" * 100_000, "valid JSON"),
        (b'{"inputs":' * 50_000, "valid JSON"),
    ],
)
def test_bad_bodies_are_the_callers_mistake(shared, body, words):
    status, _, answer = ask(shared, "/invocations", body)
    assert status == 400
    assert words in json.loads(answer)["message"]


def test_a_model_that_raises_is_an_error_of_its_own(shared):
    before = shared.counters("1", "champion")
    status, _, answer = ask(shared, "/invocations", b'{"inputs": [["raise"]]}')
    assert status == 500
    assert "no such thing" in json.loads(answer)["stack_trace"]
    assert ask(shared, "/invocations", b"{}")[0] == 400
    after = shared.counters("1", "champion")
    assert after.errors - before.errors == 1
    assert after.requests - before.requests == 2


def test_testers_choose_a_version(shared):
    assert ask(shared, "/invocations", ROW, x_penstock_version="1")[0] == 200
    status, _, answer = ask(shared, "/invocations", ROW, x_penstock_version="9")
    assert status == 404
    assert "served: 1" in json.loads(answer)["message"]


def test_open_inference_protocol(shared):
    assert json.loads(ask(shared, "/v2/health/live")[2]) == {"live": True}
    assert json.loads(ask(shared, "/v2/health/ready")[2]) == {"ready": True}
    assert json.loads(ask(shared, "/v2")[2])["name"] == "penstock"
    about = json.loads(ask(shared, "/v2/models/numbers/versions/1")[2])
    assert about["name"] == "numbers"
    assert about["versions"] == ["1"]
    assert json.loads(ask(shared, "/v2/models/numbers/ready")[2])["ready"] is True
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}
    for path in ("/v2/models/numbers/infer", "/v2/models/numbers/versions/1/infer"):
        status, _, body = ask(shared, path, json.dumps({"id": "q", "inputs": [tensor]}).encode())
        assert status == 200
        assert json.loads(body) == {
            "model_name": "numbers",
            "model_version": "1",
            "id": "q",
            "outputs": [{"name": "predict", "shape": [2], "datatype": "INT64", "data": [1, 1]}],
        }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/models/other/infer", 404),
        ("/v2/models/numbers/versions/7/infer", 404),
        ("/v2/models/numbers/infer", 400),
    ],
)
def test_errors_of_the_open_inference_protocol(shared, path, status):
    found, _, body = ask(shared, path, b'{"inputs": []}')
    assert found == status
    assert list(json.loads(body)) == ["error"]


def test_v1_predict(shared):
    status, _, body = ask(shared, "/v1/models/numbers:predict", b'{"instances": [[1], [2]]}')
    assert (status, body) == (200, b'{"predictions": [1, 1]}')
    assert json.loads(ask(shared, "/v1/models/numbers")[2])["ready"] is True


def test_unknown_paths_and_methods(shared):
    assert ask(shared, "/nowhere")[0] == 404
    assert ask(shared, "/invocations")[0] == 405
    assert ask(shared, "/metrics", b"{}")[0] == 405


def test_openapi_names_every_path(shared):
    document = json.loads(ask(shared, "/openapi.json")[2])
    assert document["openapi"].startswith("3.")
    for path, verbs in document["paths"].items():
        if "get" in verbs:
            assert ask(shared, path)[0] == 200, path


def test_metrics_in_both_formats(shared):
    ask(shared, "/invocations", ROW)
    _, headers, plain = ask(shared, "/metrics")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (
        b'penstock_requests_total{model="numbers",version="1",role="champion",code="200"}' in plain
    )
    _, headers, modern = ask(shared, "/metrics", accept="application/openmetrics-text")
    assert headers["content-type"].startswith("application/openmetrics-text")
    assert modern.endswith(b"# EOF\n")
    assert b"# TYPE penstock_requests counter" in modern


# ---------------------------------------------------------------- hostile and odd clients


def test_requests_split_at_every_byte(shared):
    whole = request(ROW, "/invocations?a=b")
    for at in range(1, len(whole), 7):
        ((status, _, body),) = talk(shared, whole[:at], whole[at:])
        assert (status, body) == (200, b'{"predictions": [1]}')


def test_pipelined_requests_are_answered_in_order(shared):
    many = b"".join(request(ROW, headers=f"x-request-id: r{k}\r\n") for k in range(300))
    found = talk(shared, many, answers=300)
    assert [headers["x-request-id"] for _, headers, _ in found] == [f"r{k}" for k in range(300)]


def test_chunked_bodies(shared):
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    ((status, _, _),) = talk(shared, head, b"5\r\n" + ROW[:5] + b"\r\n", b"%x\r\n" % (len(ROW) - 5)
                             + ROW[5:] + b"\r\n0\r\n\r\n")  # fmt: skip
    assert status == 200


def test_expect_continue(shared):
    async def conversation():
        async with connected(shared.port) as (reader, writer):
            writer.write(request(ROW, headers="expect: 100-continue\r\n")[: -len(ROW)])
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(ROW)
            return await read_answer(reader)

    assert asyncio.run(conversation())[0] == 200


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /ping HTTP/9.9\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nhost : x\r\n\r\n", 400),
        (b"POST /ping HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST /ping HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST /ping HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /ping HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /ping HTTP/1.1\r\nx: " + b"y" * 70_000, 431),
        (b"GET /ping HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431),
        (b"POST /invocations HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        (b"POST /invocations HTTP/1.1\r\nexpect: 200-ok\r\ncontent-length: 1\r\n\r\n", 417),
        (b"GET /ping HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", 200),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n{", 408),
        (b"GET /ping HTT", 408),
    ],
)
def test_malformed_and_oversized_requests(shared, raw, status):
    ((found, headers, _),) = talk(shared, raw)
    assert found == status
    assert headers["connection"] == "close"
    assert ask(shared, "/ping")[0] == 200


def test_too_long_a_chunked_body(shared):
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"80000\r\n" + b"x" * 0x80000 + b"\r\n"
    ((status, _, _),) = talk(shared, head, chunk, chunk, chunk)
    assert status == 413


def test_http_1_0_closes(shared):
    ((status, headers, _),) = talk(shared, b"GET /ping HTTP/1.0\r\n\r\n")
    assert (status, headers["connection"]) == (200, "close")


def test_clients_that_leave_harm_nobody(shared):
    async def leave():
        for k in range(100):
            async with connected(shared.port) as (_, writer):
                writer.write(request(ROW)[: 20 + k])
                if k % 2:
                    writer.write(request(ROW) * 3)
                await writer.drain()

    asyncio.run(leave())
    assert ask(shared, "/invocations", ROW)[0] == 200


def test_many_idle_connections_harm_nobody(shared):
    async def idle():
        async with contextlib.AsyncExitStack() as held:
            for _ in range(400):
                await held.enter_async_context(connected(shared.port))
            loop = asyncio.get_running_loop()
            return (await loop.run_in_executor(None, ask, shared, "/invocations", ROW))[0]

    assert asyncio.run(idle()) == 200


def test_a_client_that_does_not_read_is_not_read_either(shared):
    """Answers that nobody takes may not pile up; others are served meanwhile."""

    async def flood():
        whole = request(b"", "/openapi.json").replace(b"POST", b"GET") * 500
        sent = 0
        async with connected(shared.port) as (_, writer):
            with contextlib.suppress(TimeoutError):
                while sent < 64 << 20:
                    writer.write(whole)
                    async with asyncio.timeout(1.0):
                        await writer.drain()
                    sent += len(whole)
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(None, ask, shared, "/invocations", ROW)
        return sent, found[0]

    sent, status = asyncio.run(flood())
    assert sent < 64 << 20
    assert status == 200
