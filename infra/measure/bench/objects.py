"""Uploads very many small objects, all different pictures, as fast as this machine can."""

import colorsys
import io
import threading
import time
import urllib.parse
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from PIL import Image

SIDE = 8
# Signing holds the interpreter's lock, waiting does not: few processes, some threads in each.
PROCESSES, THREADS, PER_TASK = 2, 4, 500


def put_all(env, folder, count, make=None):
    """Uploads `count` pictures of `make(number)` under `folder`; returns the seconds it took."""
    begun = time.monotonic()
    place = {name: env[f"BUCKETLENS__BUCKET__{name}"] for name in ("ENDPOINT", "NAME", "REGION")}
    secrets = [
        env[f"BUCKETLENS__BUCKET__{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    ]
    tasks = [
        (make or tiny, place, secrets, folder, range(count)[first : first + PER_TASK])
        for first in range(0, count, PER_TASK)
    ]
    with ProcessPoolExecutor(PROCESSES) as processes:
        for _ in processes.map(_put_some, tasks):
            pass
    return time.monotonic() - begun


def tiny(number):
    """A JPEG of some hundred bytes, coloured by number; a comment makes equal colours differ."""
    red, green, blue = (
        round(255 * part) for part in colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.8, 0.9)
    )
    body = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (red, green, blue)).save(
        body, "JPEG", quality=60, comment=f"{number}".encode()
    )
    return body.getvalue()


def _put_some(task):
    make, place, secrets, folder, numbers = task
    signer = S3SigV4Auth(Credentials(*secrets), "s3", place["REGION"])
    own = threading.local()

    def put(number):
        if not hasattr(own, "pool"):
            own.pool = urllib3.PoolManager(retries=urllib3.Retry(3))
        key = f"{folder}/{number // 1000:04}/{number:07}.jpg"
        request = AWSRequest(
            "PUT",
            f"{place['ENDPOINT']}/{place['NAME']}/{urllib.parse.quote(key)}",
            data=make(number),
        )
        request.headers["Content-Type"] = "image/jpeg"
        signer.add_auth(request)
        answer = own.pool.request(
            "PUT", request.url, body=request.data, headers=dict(request.headers.items())
        )
        if answer.status != 200:
            raise RuntimeError(f"PUT {key}: {answer.status} {answer.data[:200]!r}")

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(put, numbers))
