"""Runs the example `rows` of the table crate, which writes generated rows into tables."""

import json
import os
import subprocess

from chain import processes, stack

TABLES = ".bucketlens/tables"
CAPTIONER = "demo-captioner"


class Tables:
    """The tables of one model on a running store."""

    def __init__(self, programs, home, model, digest, dim):
        """`model` is the id and the space, `digest` the hash of its manifest."""
        self.programs, self.env = programs, stack.store_settings(home)
        self.names = [model, model, digest, str(dim), CAPTIONER]

    def command(self, what, folder, *numbers):
        program = self.programs / "examples" / "rows"
        uri = f"s3://{self.env['BUCKETLENS__BUCKET__NAME']}/{TABLES}"
        return [str(part) for part in (program, uri, *self.names, what, folder, *numbers)]

    def variables(self, thumbnail=""):
        options = {
            "aws_endpoint": self.env["BUCKETLENS__BUCKET__ENDPOINT"],
            "aws_region": self.env["BUCKETLENS__BUCKET__REGION"],
            "aws_access_key_id": self.env["BUCKETLENS__BUCKET__ACCESS_KEY_ID"],
            "aws_secret_access_key": self.env["BUCKETLENS__BUCKET__SECRET_ACCESS_KEY"],
            "allow_http": "true",
            "aws_virtual_hosted_style_request": "false",
        }
        return {
            **os.environ,
            "TABLE_OPTIONS": json.dumps(options),
            "TABLE_THUMBNAIL": str(thumbnail),
        }

    def run(self, what, folder, *numbers, thumbnail=""):
        """Runs a command to its end; returns what it printed."""
        done = subprocess.run(
            self.command(what, folder, *numbers),
            env=self.variables(thumbnail),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            processes.fail(f"rows {what} ended with status {done.returncode}; see above")
        return done.stdout

    def start(self, what, folder, *numbers):
        """Starts a command whose output is read line by line."""
        return subprocess.Popen(
            self.command(what, folder, *numbers),
            env=self.variables(),
            stdout=subprocess.PIPE,
            text=True,
        )

    def expect(self, status, count):
        """Fails unless the searcher with this /v1/status sees so many rows in both tables."""
        for name in (f"embeddings_{self.names[0]}", f"captions_{CAPTIONER}"):
            seen = status["tables"].get(name)
            if (seen or {}).get("rows") != count:
                processes.fail(f"the searcher sees {seen} in {name} instead of {count} rows")
