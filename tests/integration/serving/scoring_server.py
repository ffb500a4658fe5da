"""MLflow's real scoring application, asked without a network between."""

from __future__ import annotations

import asyncio


def mlflow_answers(path, bodies) -> list[tuple[int, bytes]]:
    """Return status and body of the answers to (content type, body) pairs."""
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server

    app = scoring_server.init(mlflow.pyfunc.load_model(str(path)))

    async def one(content, body):
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/invocations",
            "raw_path": b"/invocations",
            "query_string": b"",
            "headers": [(b"content-type", content.encode())],
        }
        said = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            said.append(message)

        try:
            await app(scope, receive, send)
        except Exception:  # its server would say 500
            return 500, b""
        body = b"".join(message.get("body", b"") for message in said[1:])
        return said[0]["status"], body

    async def every():
        return [await one(content, body) for content, body in bodies]

    return asyncio.run(every())
