#!/usr/bin/env python3
"""test_models.py -- `parley models` on the real cache, and on an empty one; `parley version`.

    test_models.py [PROGRAM]     default build/release/parley; prints "N passed, N failed" last
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from program import PROGRAM, ROOT, check, finish


def models(*args, **env):
    done = subprocess.run([PROGRAM, "models", *args], env=dict(os.environ, **env), cwd="/",
                          capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout, done.stderr


def test_version():
    said = subprocess.run([PROGRAM, "version"], capture_output=True, text=True, check=True).stdout
    known = re.fullmatch(r"parley \d+\.\d+\.\d+(?: \(([0-9a-f]{7,})(-dirty)?\))?\n", said)
    check(known, f"version: {said!r}")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if (ROOT / ".git").exists() and head.returncode == 0:
        check(known and known[1] and head.stdout.startswith(known[1]), f"{said!r} is not of {head.stdout!r}")


def main():
    test_version()
    status, out, _ = models("list")
    check(status == 0 and "whisper-base" in out, "list names whisper-base")
    wanted = [line for line in out.splitlines() if " bench " not in line]  # those are for benches alone
    check(not any(" missing " in line or " damaged " in line for line in wanted), f"after set-up everything is here:\n{out}")
    status, out, _ = models("verify")
    check(status == 0 and "WRONG" not in out, f"every file has its SHA-256:\n{out}")
    check(out.count("right") > 40, "more than 40 files were compared")
    status, out, _ = models("path", "silero-vad")
    check(status == 0 and pathlib.Path(out.strip()).is_file(), f"path gives a file: {out!r}")
    status, _, err = models("path", "no-such-model")
    check(status == 1 and "no-such-model" in err, f"an unknown name is said: {err!r}")
    check(models("fetch", "silero-vad")[0] == 0, "fetching what is there succeeds")
    check(models("nonsense")[0] == 2, "wrong usage is status 2")
    with tempfile.TemporaryDirectory() as empty:
        status, out, err = models("path", "silero-vad", PARLEY_CACHE=empty)
        check(status == 1 and not out and "make setup" in err, f"an empty cache says what to do: {err!r}")
        status, out, _ = models("verify", "silero-vad", PARLEY_CACHE=empty)
        check(status == 1 and "WRONG" in out, "verify fails in an empty cache")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
