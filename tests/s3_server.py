"""Starts a server that speaks the protocol of S3, for the tests of the blob store."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.programs import free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ACCESS", "running_s3", "s3_of"]

#: What a client of the server needs in its environment.
ACCESS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_SERVERS = {
    "NANIO_ACCESS_KEY": ACCESS["AWS_ACCESS_KEY_ID"],
    "NANIO_SECRET_KEY": ACCESS["AWS_SECRET_ACCESS_KEY"],
}


@contextmanager
def running_s3(folder: Path, bucket: str) -> Iterator[str]:
    """Run nanio with one bucket: a small server that keeps objects as files. Gives its address."""
    program, port = Path(sys.executable).with_name("nanio"), free_port()
    address, env = f"http://127.0.0.1:{port}", os.environ | _SERVERS
    options = ("--data-dir", str(folder / "data"), "--host", "127.0.0.1", "--port", str(port))
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen([str(program), "serve", *options], stdout=log, stderr=log, env=env)
    try:
        wait_until(lambda: _makes(address, bucket), 30, "the S3 server has its bucket")
        yield address
    finally:
        # It would wait for clients that have a connection open.
        process.kill()
        process.wait(30)


def s3_of(address: str) -> Any:
    """A client of the server."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=ACCESS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ACCESS["AWS_SECRET_ACCESS_KEY"],
        region_name=ACCESS["AWS_DEFAULT_REGION"],
    )


def _makes(address: str, bucket: str) -> bool:
    from botocore.exceptions import BotoCoreError

    client = s3_of(address)
    try:
        client.create_bucket(Bucket=bucket)
    except BotoCoreError:
        return False
    finally:
        client.close()
    return True
