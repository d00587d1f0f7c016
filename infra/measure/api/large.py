"""Sends two gigabytes to every path that takes a body: refused early, and not kept in memory."""

import threading
import time

import wire

TOTAL = 2 << 30
PIECE = b"x" * (256 << 10)
MEMORY_BYTES = 200 << 20
# The limit of a query picture in base64, plus the bytes in socket buffers.
READ_BYTES = 64 << 20
SECONDS = 20

FORM = [("Content-Type", "multipart/form-data; boundary=b")]
JSON = [("Content-Type", "application/json")]
PICTURE = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
TEXT = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n'


class Watch:
    """The peak memory of a process meanwhile."""

    def __init__(self, world):
        self.world, self.begin = world, world.memory_bytes()
        self.most, self.over = self.begin, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _look(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, self.world.memory_bytes())

    def grown(self):
        return self.most - self.begin


def chunked(body):
    return b"%x\r\n%s\r\n" % (len(body), body)


def announced(target, headers, opening):
    def send(world):
        raw = wire.head(world.base, "POST", target, [*headers, ("Content-Length", TOTAL)]) + opening
        return refused(world, raw, PIECE)

    return send


def in_chunks(target, headers, opening):
    def send(world):
        raw = wire.head(world.base, "POST", target, [*headers, ("Transfer-Encoding", "chunked")])
        return refused(world, raw + (chunked(opening) if opening else b""), chunked(PIECE))

    return send


def refused(world, raw, piece):
    begun = time.monotonic()
    with Watch(world) as watch:
        answer, sent = wire.pour(world.base, raw, piece, TOTAL)
    seconds = time.monotonic() - begun
    wire.problem(answer, 413)
    assert sent < READ_BYTES, f"{sent >> 20} MiB were taken before the answer"
    assert seconds < SECONDS, f"refused after {seconds:.1f} s"
    assert watch.grown() < MEMORY_BYTES, f"memory grew by {watch.grown() >> 20} MiB"
    world.searches()
    return f"413 after {sent >> 20} MiB, memory {watch.grown() >> 20:+} MiB"


def many_at_once(world):
    """Bodies just below the limit from 40 clients at once: memory holds only those in progress."""
    size = 20 << 20
    raw = wire.head(
        world.base, "POST", "/v1/search", [*JSON, ("Content-Length", size), ("Connection", "close")]
    )
    answers = []

    def send():
        answers.append(wire.exchange(world.base, raw + b" " * size, "POST", 120))

    with Watch(world) as watch:
        threads = [threading.Thread(target=send) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for answer in answers:
        wire.problem(answer, 400, 413, 429, 503)
    # search.max_concurrent of them.
    most = 16 * size + MEMORY_BYTES
    assert watch.grown() < most, f"memory grew by {watch.grown() >> 20} MiB"
    world.searches()
    return f"memory {watch.grown() >> 20:+} MiB"


CHECKS = {
    "JSON, its length announced": announced("/v1/search", JSON, b'{"image":"'),
    "JSON in chunks": in_chunks("/v1/search", JSON, b'{"image":"'),
    "a picture in a form, announced": announced("/v1/search", FORM, PICTURE),
    "a picture in a form, in chunks": in_chunks("/v1/search", FORM, PICTURE),
    "a text in a form, in chunks": in_chunks("/v1/search", FORM, TEXT),
    "the beginning of a form without end": in_chunks("/v1/search", FORM, b""),
    "a request for links": in_chunks("/v1/uploads", JSON, b'{"files":['),
    "operations": in_chunks("/v1/ops/sweep", JSON, b'{"stage":"'),
    "bodies just below the limit from 40 clients": many_at_once,
}
