"""tools/runtests.py: nothing may pass by not running."""
import contextlib
import io
import sys
import time
import unittest

import runtests


def count(code, limit_s=20):
    with contextlib.redirect_stdout(io.StringIO()):
        return runtests.run_suite("trial", [sys.executable, "-c", code], limit_s, [])


class Counting(unittest.TestCase):
    def test_counts(self):
        self.assertEqual(count("print('3 passed, 0 failed')"), [3, 0, 0])
        self.assertEqual(count("print('1 passed, 0 failed')\nprint('3 passed, 0 failed, 2 skipped')"), [3, 0, 2])
        self.assertEqual(count("print('3 passed, 2 failed'); exit(1)"), [3, 2, 0])

    def test_silence_is_a_failure(self):
        self.assertEqual(count("pass"), [0, 1, 0])
        self.assertEqual(count("print('all fine')"), [0, 1, 0])

    def test_none_run_is_a_failure(self):
        self.assertEqual(count("print('0 passed, 0 failed')"), [0, 1, 0])

    def test_bad_status_is_a_failure(self):
        self.assertEqual(count("print('3 passed, 0 failed'); exit(3)"), [3, 1, 0])

    def test_too_slow_is_a_failure(self):
        self.assertEqual(count("import threading; threading.Event().wait(60)", limit_s=1), [0, 1, 0])

    def test_what_a_suite_leaves_behind_holds_nobody_up(self):
        code = "import subprocess; subprocess.Popen(['sleep', '60']); print('1 passed, 0 failed', flush=True)"
        began = time.monotonic()
        self.assertEqual(count(code, limit_s=50), [1, 0, 0])
        self.assertLess(time.monotonic() - began, 40)

    def test_unstable_tests_are_named(self):
        unstable = []
        code = "print('UNSTABLE  thing passed at the second try'); print('1 passed, 0 failed')"
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(runtests.run_suite("trial", [sys.executable, "-c", code], 20, unstable), [1, 0, 0])
        self.assertEqual(len(unstable), 1)
