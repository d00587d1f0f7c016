"""A client that adds little time of its own: one connection that stays open, requests written
beforehand, and answers read as bytes. The library's own client takes longer than a search."""

import json
import socket
import time
import urllib.parse
from collections import namedtuple

from chain import processes

Answer = namedtuple("Answer", "seconds status body")
MOST_BYTES = 1 << 20


class Client:
    def __init__(self, url):
        place = urllib.parse.urlsplit(url)
        self.address, self.host = (place.hostname, place.port), place.netloc
        self.socket = None

    def search(self, body):
        """Sends one search; the seconds are from the first byte sent to the last one received."""
        return self.send("POST", "/v1/search", json.dumps(body).encode())

    def get(self, path):
        return self.send("GET", path, b"")

    def send(self, method, path, body):
        head = f"{method} {path} HTTP/1.1\r\nhost: {self.host}\r\ncontent-length: {len(body)}\r\n"
        request = head.encode() + b"content-type: application/json\r\n\r\n" + body
        # The server closes idle connections, so the second try has a new one.
        for fresh in (False, True):
            if self.socket is None:
                self.socket = socket.create_connection(self.address, timeout=120)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            begun = time.perf_counter()
            try:
                self.socket.sendall(request)
                status, content = self.receive()
                return Answer(time.perf_counter() - begun, status, content)
            except ConnectionError:
                self.close()
                if fresh:
                    raise

    def receive(self):
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self.more()
        head = received[:end].lower()
        begin = head.find(b"content-length:")
        if begin < 0:
            processes.fail(f"an answer has no content-length: {head.decode(errors='replace')}")
        length = int(head[begin + 15 :].split(b"\r\n", 1)[0])
        parts, missing = [received[end + 4 :]], length - (len(received) - end - 4)
        while missing > 0:
            parts.append(self.more())
            missing -= len(parts[-1])
        return int(head[9:12]), b"".join(parts)

    def more(self):
        received = self.socket.recv(MOST_BYTES)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        return received

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def checked(answer, about):
    """The JSON of a good and complete answer; anything else ends the measurement."""
    if answer.status != 200:
        processes.fail(f"{about} was answered {answer.status}: {answer.body[:500]!r}")
    content = json.loads(answer.body)
    if content.get("degraded"):
        processes.fail(f"{about} was answered degraded: {content['degraded']}")
    return content
