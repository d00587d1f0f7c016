"""Progress goes to standard error, so that standard output is the report alone."""

import sys


def say(text):
    print(text, file=sys.stderr, flush=True)
