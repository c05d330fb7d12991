"""A server that answers every request with given bytes, in parts, whatever was asked."""

import socket
import threading


class HostileServer:
    """`parts`: what goes out for a request, one by one; `wait`: called before each part but the first."""

    def __init__(self, parts, wait=lambda: None):
        self._parts, self._wait = parts, wait
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def _answer(self, link):
        with link:
            try:
                while self._read_request(link):
                    for number, part in enumerate(self._parts):
                        if number:
                            self._wait()
                        link.sendall(part)
            except OSError:
                return

    def _read_request(self, link):
        data = b""
        while b"\r\n\r\n" not in data:
            if not (part := link.recv(65536)):
                return False
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        while len(body) < length:
            body += link.recv(65536)
        return True


def respond(body, *headers, length=None):
    """Return the bytes of an answer 200."""
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % (len(body) if length is None else length), *headers]
    return b"\r\n".join([*lines, b"", b""]) + body
