"""moto's S3 in a process of its own, one request at a time: of several threads it lets two create the same object.

Says on standard output where it listens.
"""

import io
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def in_turn(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    turn = threading.Lock()

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        if len(body) < size:
            raise EOFError("the connection was cut")
        environ["wsgi.input"] = io.BytesIO(body)
        with turn:
            return list(app(environ, start_response))

    return answer


def application() -> Callable[..., Iterable[bytes]]:
    return in_turn(DomainDispatcherApplication(create_backend_app))


if __name__ == "__main__":
    server = make_server(sys.argv[1], 0, application(), threaded=True)
    print(f"listens on http://{sys.argv[1]}:{server.server_port}", flush=True)
    server.serve_forever()
