#!/usr/bin/env python3
"""runtests.py -- runs every suite of `make test` and adds up what they counted.

    runtests.py [NAME]...    only the named suites ("e2e" names all of tests/e2e); without names all of them

A suite is a command whose output holds a line "N passed, N failed[, N skipped]" (the last one counts). A
suite that prints none, ends with a non-zero status or takes too long counts as one failure more, so nothing
can pass by not running. In the unit and e2e suites up to TRIES failed tests get a second try each: a shared machine stalls
now and then, and what is really broken breaks twice. Such tests are named again before the sum. The last line printed is the sum; the exit status is 0 only when nothing failed.
"""
import contextlib
import glob
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COUNTS = re.compile(r"^\s*(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$")
JOBS = min(os.cpu_count(), 16)  # compilers, and unit tests, at a time; suites run one after the other
MAKE = ["make", "--no-print-directory", f"-j{JOBS}"]
TRIES = 2


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(os.environ.get("PARLEY_CACHE") or os.path.join(base, "parley"))


def suites():
    """(name, command, limit in seconds); a suite is listed when its sources exist. The limits only end what hangs."""
    python = str(cache() / "venv-test/bin/python")
    listed = [("unit", MAKE + ["MODE=dev", "unit", f"ARGS=-r {TRIES} -j {JOBS}"], 2700)]
    if glob.glob("tests/sim/*.c"):
        listed.append(("sim", MAKE + ["MODE=dev", "sim", "ARGS=-n 500"], 1800))
        listed.append(("sim-20000", MAKE + ["MODE=release", "sim", "ARGS=-n 20000"], 2700))
    # Here a test mostly waits for what cannot come any more.
    listed.append(("oom", MAKE + ["MODE=dev", "unit", f"ARGS=-o -j {min(2 * JOBS, 16)}"], 2700))
    if glob.glob("tests/tools/test_*.py"):
        listed.append(("tools", ["python3", "tests/tools/run.py"], 1800))
    # Each is a program of its own, run against build/release/parley with the real models.
    for path in sorted(glob.glob("tests/e2e/test_*.py")):
        listed.append(("e2e/" + pathlib.Path(path).stem.removeprefix("test_"), [python, path], 3600))
    return listed


def end_what_is_left(child):
    """A program that outlives its suite would keep the suite's output open, and everybody waiting."""
    child.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def run_suite(name, command, limit_s, unstable):
    """Returns [passed, failed, skipped], prints the suite's output as it comes and adds to `unstable`."""
    print(f"== {name}: {' '.join(command)}", flush=True)
    started, counts = time.monotonic(), None
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True,
                             env=dict(os.environ, PARLEY_TEST_TRIES=str(TRIES)))
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(child.pid, signal.SIGKILL))
    signal.alarm(limit_s)
    threading.Thread(target=end_what_is_left, args=(child,), daemon=True).start()
    for raw in child.stdout:
        line = raw.decode(errors="replace").rstrip("\n")
        print(line, flush=True)
        if line.startswith("UNSTABLE "):
            unstable.append(f"{name}: {line}")
        if match := COUNTS.match(line):
            counts = [int(n or 0) for n in match.groups()]
    status = child.wait()
    signal.alarm(0)
    took = time.monotonic() - started
    if counts is None:
        print(f"== {name}: FAILED, no line 'N passed, N failed' (exit status {status}, {took:.0f} s)")
        return [0, 1, 0]
    if status != 0 and counts[1] == 0:
        print(f"== {name}: FAILED, exit status {status} although it counted no failure ({took:.0f} s)")
        counts[1] = 1
    elif sum(counts) == 0:
        print(f"== {name}: FAILED, it ran no test ({took:.0f} s)")
        counts[1] = 1
    else:
        print(f"== {name}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped in {took:.0f} s")
    return counts


def main():
    os.chdir(ROOT)
    known = suites()
    names = sys.argv[1:]
    for name in names:
        if not any(name in (known_name, known_name.split("/")[0]) for known_name, _, _ in known):
            sys.exit(f"runtests: no suite {name}; there are {', '.join(n for n, _, _ in known)}")
    chosen = [s for s in known if not names or s[0] in names or s[0].split("/")[0] in names]
    build = subprocess.run(MAKE + ["MODE=release", "all"], stdin=subprocess.DEVNULL, check=False)
    totals, unstable = [0, int(build.returncode != 0), 0], []
    if build.returncode:
        print("== build: FAILED, the release build does not build")
    for name, command, limit_s in chosen:
        totals = [a + b for a, b in zip(totals, run_suite(name, command, limit_s, unstable))]
    skipped = f", {totals[2]} skipped" if totals[2] else ""
    if unstable:
        print("\n".join(["these tests failed once and passed at the second try; find out why:", *unstable]))
    print(f"{totals[0]} passed, {totals[1]} failed{skipped}")
    sys.exit(totals[1] != 0 or totals[0] == 0)


if __name__ == "__main__":
    main()
