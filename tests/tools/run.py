#!/usr/bin/env python3
"""Runs tests/tools/test_*.py (unittest, standard library) and closes with "N passed, N failed"."""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))
sys.dont_write_bytecode = True
suite = unittest.defaultTestLoader.discover(str(HERE), pattern="test_*.py")
result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
skipped = f", {len(result.skipped)} skipped" if result.skipped else ""
print(f"{result.testsRun - bad - len(result.skipped)} passed, {bad} failed{skipped}")
sys.exit(bad != 0)
