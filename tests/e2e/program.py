"""What the tests of single commands share: the program, runs of it, checks that are counted, texts compared.

A test is called as test_X.py [PROGRAM] and ends with `sys.exit(finish())`, which prints "N passed, N failed, N skipped".
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/release/parley")
counts = {"passed": 0, "failed": 0, "skipped": 0}
counting = threading.Lock()


def count(kind):
    with counting:
        counts[kind] += 1


def check(good, what):
    count("passed" if good else "failed")
    if not good:
        print(f"FAIL  {what}", flush=True)


def skip(why):
    count("skipped")
    print(f"skipped: {why}", flush=True)


def finish():
    """Prints the sum, which is the last line; returns the exit status."""
    print(", ".join(f"{number} {kind}" for kind, number in counts.items()))
    return counts["failed"] > 0


def run(*args, data=b"", status=0, limit_s=6000):
    """Runs the program; (standard output, standard error). That its exit status is `status` is a check."""
    done = subprocess.run([PROGRAM, *args], input=data, capture_output=True, timeout=limit_s, check=False)
    err = done.stderr.decode(errors="replace")
    check(done.returncode == status, f"{args}: exit status {done.returncode}: {err[-500:]}")
    return done.stdout.decode(errors="replace"), err


def side_by_side(function, *columns):
    """The function's results for each row of arguments, computed by as many threads as there are cores."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, *columns))


def distance(a, b):
    """Edit distance of two sequences."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1]
