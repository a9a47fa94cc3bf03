#!/usr/bin/env python3
"""test_bench.py -- `parley bench` with its own server: what it counts, not how fast it was.

    test_bench.py [NAME...]     only tests whose name contains one of the words
"""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from harness import PARLEY, run, synthesise

UTTERANCE = "Could you please tell me which birds sing in the garden?"
# Nothing here may depend on how busy the machine is.
PATIENT = "turn.input_stall_ms=60000 turn.engine_first_byte_ms=120000"


FOLDER = tempfile.TemporaryDirectory()


def utterance():
    path = pathlib.Path(FOLDER.name) / "utterance.wav"
    return str(path if path.exists() else synthesise(UTTERANCE, path))


def bench(*options, status=0):
    done = subprocess.run([PARLEY, "bench", "--json", "--patience", "120", "--set", PATIENT, *options], capture_output=True,
                          text=True, timeout=280, check=False)
    assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_step(step, sessions, turns):
    assert step["sessions"] == step["connected"] == step["finished"] == sessions, step
    assert step["turns"] == step["marked"] == sessions * turns, step
    assert step["refused"] == step["broken"] == step["errors"] == step["unanswered"] == step["early"] == 0, step
    assert step["delay_ms"]["count"] == sessions * turns and step["delay_ms"]["p50"] > 0, step


def test_websocket_sessions():
    steps = bench("--sessions", "1,5", "--turns", "2")  # speaks its own utterance
    assert len(steps) == 2
    check_step(steps[0], 1, 2)
    check_step(steps[1], 5, 2)
    assert steps[1]["transport"] == "websocket" and steps[1]["after_turn_ms"]["count"] == 10
    # An answer cannot come before the silence that ends the turn.
    assert steps[1]["delay_ms"]["p50"] >= 500, steps[1]
    assert steps[1]["own_ms"]["count"] == 10 and "eot_skipped" not in steps[1], steps[1]
    assert steps[1]["core_percent"] > 0 and steps[1]["memory_kib"] >= 0


def test_webrtc_sessions():
    steps = bench("--rtc", "--sessions", "3", "--turns", "2", "--wav", utterance())
    assert steps[0]["transport"] == "webrtc", steps
    check_step(steps[0], 3, 2)
    assert steps[0]["packets"] > 100 and steps[0]["pacing_ms"]["count"] > 0, steps
    assert steps[0]["own_ms"]["count"] == steps[0]["after_turn_ms"]["count"] == 6, steps


def test_semantic_sessions():
    steps = bench("--semantic", "--sessions", "2", "--turns", "2", "--wav", utterance())
    check_step(steps[0], 2, 2)
    # Each turn says how long it was waited for, and each pause was judged with the model or without it.
    assert steps[0]["own_ms"]["count"] == 4, steps
    assert steps[0]["eot_asked"] >= 0 and steps[0]["eot_asked"] + steps[0]["eot_skipped"] >= 4, steps


def test_refusals_are_counted():
    path = utterance()
    steps = bench("--sessions", "5", "--turns", "1", "--wav", path, "--set", PATIENT + " api.sessions_max=2")
    assert steps[0]["connected"] == steps[0]["finished"] == 2 and steps[0]["refused"] == 3, steps
    assert steps[0]["refuse_ms"]["count"] == 3 and steps[0]["turns"] == 2, steps


def test_it_says_what_is_wrong():
    assert bench("--sessions", "1", "--url", "http://127.0.0.1:1", "--wav", utterance(),
                 status=1)[0]["broken"] == 1
    for wrong in (["--sessions", "0"], ["--set", "no.such=1"], ["--wav", "/no/such.wav"]):
        done = subprocess.run([PARLEY, "bench", *wrong], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and "parley bench: " in done.stderr, (wrong, done.stderr)


def test_interrupted():
    """Ctrl-C hangs up, reports what there is, and leaves no server behind."""
    process = subprocess.Popen([PARLEY, "bench", "--json", "--sessions", "2", "--turns", "50", "--wav",
                                utterance()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    child = []
    end = time.monotonic() + 120
    while not child and time.monotonic() < end:
        child = [int(word) for word in open(children).read().split()]
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, (process.returncode, out, err)
    assert child and all(subprocess.run(["kill", "-0", str(pid)], capture_output=True, check=False).returncode != 0
                         for pid in child)


if __name__ == "__main__":
    sys.exit(run([test_websocket_sessions, test_webrtc_sessions, test_semantic_sessions, test_refusals_are_counted, test_it_says_what_is_wrong, test_interrupted]))
