"""tools/models.py: fetching from a server of our own on loopback, and everything that can go wrong."""
import functools
import hashlib
import http.server
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
import zipfile

import models

TOOL = pathlib.Path(models.__file__)
DATA = bytes(range(256)) * 5000


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked = []

    def do_GET(self):
        Quiet.asked.append(self.path)
        if self.path == "/short":  # promises more than it sends
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA[:1000])
            return
        super().do_GET()

    def log_message(self, *_):
        pass


class Fetching(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        (pathlib.Path(cls.folder.name) / "data.bin").write_bytes(DATA)
        handler = functools.partial(Quiet, directory=cls.folder.name)
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.url = f"http://127.0.0.1:{cls.server.server_address[1]}"

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        cls.folder.cleanup()

    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.cache = pathlib.Path(temp.name) / "cache"
        self.lock = pathlib.Path(temp.name) / "models.lock"
        Quiet.asked.clear()

    def run_tool(self, text, *args):
        self.lock.write_text(text)
        env = dict(os.environ, PARLEY_CACHE=str(self.cache), no_proxy="127.0.0.1")
        return subprocess.run([sys.executable, str(TOOL), "--lock", str(self.lock), *args], env=env,
                              capture_output=True, text=True, check=False, timeout=60)

    def entry(self, url="/data.bin", sha=None, name="one", more=""):
        return (f"[{name}]\njob = test\nfile = models/{name}.bin\nurl = {self.url}{url}\n"
                f"sha256 = {sha or digest(DATA)}\n{more}")

    def left_over(self):
        """Files under the cache that are neither the list's own nor bookkeeping."""
        return sorted(str(p.relative_to(self.cache)) for p in self.cache.rglob("*")
                      if p.is_file() and p.parent.name != "state" and p.name != "lock")

    def test_fetches_once(self):
        done = self.run_tool(self.entry(), "fetch")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.left_over(), ["models/one.bin"])
        self.assertEqual((self.cache / "models/one.bin").read_bytes(), DATA)
        again = self.run_tool(self.entry(), "fetch")
        self.assertIn("0 fetched", again.stdout)
        self.assertEqual(Quiet.asked, ["/data.bin"])

    def test_wrong_hash_leaves_nothing(self):
        done = self.run_tool(self.entry(sha="0" * 64), "fetch")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn(f"SHA-256 {digest(DATA)}, expected {'0' * 64}", done.stderr)
        self.assertEqual(self.left_over(), [])

    def test_a_cut_answer_leaves_nothing(self):
        done = self.run_tool(self.entry("/short"), "fetch")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/short", done.stderr)
        self.assertEqual(self.left_over(), [])
        self.assertEqual(len(Quiet.asked), models.TRIES)

    def test_goes_on_after_a_failure(self):
        text = self.entry() + self.entry("/nothing", name="two") + self.entry("/data.bin?3", name="three")
        done = self.run_tool(text, "fetch")
        self.assertEqual(done.returncode, 1)
        self.assertIn("404", done.stderr)
        self.assertEqual(self.left_over(), ["models/one.bin"])
        done = self.run_tool(text.replace("/nothing", "/data.bin"), "fetch")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 fetched", done.stdout)

    def test_a_changed_file_is_fetched_again(self):
        self.run_tool(self.entry(), "fetch")
        (self.cache / "models/one.bin").write_bytes(b"x" * len(DATA))
        self.assertEqual(self.run_tool(self.entry(), "missing").stdout, "one\n")
        self.run_tool(self.entry(), "fetch")
        self.assertEqual((self.cache / "models/one.bin").read_bytes(), DATA)

    def test_a_file_put_there_by_hand_counts(self):
        (self.cache / "models").mkdir(parents=True)
        (self.cache / "models/one.bin").write_bytes(DATA)
        self.assertEqual(self.run_tool(self.entry(), "missing").stdout, "")
        self.assertEqual(Quiet.asked, [])

    def test_too_large_for_the_disk(self):
        done = self.run_tool(self.entry(more="size = 900000000000000\n"), "fetch")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"has .* free, one needs")
        self.assertEqual(self.left_over(), [])

    def test_groups_and_names(self):
        text = self.entry() + self.entry(name="two", more="group = extra\n")
        self.run_tool(text, "fetch")
        self.assertEqual(self.left_over(), ["models/one.bin"])
        self.run_tool(text, "fetch", "--group", "extra")
        self.assertEqual(self.left_over(), ["models/one.bin", "models/two.bin"])
        done = self.run_tool(text, "fetch", "three")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no 'three'", done.stderr)

    def test_loose_url_prints_its_entry(self):
        done = self.run_tool(self.entry(), "fetch", self.url + "/data.bin")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"sha256 = {digest(DATA)}", done.stdout)
        self.assertEqual(self.left_over(), ["models/user/data.bin"])

    def test_warning_is_printed(self):
        done = self.run_tool(self.entry(more="warning = not for sale\n"), "fetch")
        self.assertIn("licence: one: not for sale", done.stdout)

    def test_path_entries(self):
        own = self.lock.parent / "own.gguf"
        text = f"[own]\njob = llm\npath = {own}\n"
        done = self.run_tool(text, "fetch")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"there is no file {own}", done.stderr)
        own.write_bytes(b"weights")
        self.assertEqual(self.run_tool(text, "fetch").returncode, 0)


class Lists(unittest.TestCase):
    def read(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "models.lock"
            path.write_text(text)
            return models.read_lock(path)

    def test_own_list(self):
        entries = models.read_lock(models.ROOT / "models.lock")
        for entry in entries.values():
            for spec, package_digest, _ in entry["sources"]:
                self.assertRegex(spec, r"^(pypi|pypi-src):[^ =]+==[^ ]+$|^npm:.+@.+$|^deb:.+/.+=.+$")
                self.assertRegex(package_digest, "^[0-9a-f]{64}$")
            for key in ("job", "licence", "languages"):
                self.assertTrue(entry.get(key), f"{entry['name']} has no {key}")
            if "convert" in entry:
                script = models.ROOT / "tools/convert" / entry["convert"].split()[0]
                self.assertTrue(script.is_file(), script)

    def test_documented_table_is_current(self):
        text = (models.ROOT / "docs/MODELS.md").read_text(encoding="utf-8")
        current = models.doc_text(models.read_lock(models.ROOT / "models.lock"))
        self.assertTrue(text == current, "docs/MODELS.md is out of date: run tools/models.py doc")

    def test_broken_lists(self):
        ok = "[a]\nfile = x\nurl = http://h/x\nsha256 = " + "0" * 64 + "\n"
        self.assertEqual(list(self.read(ok)), ["a"])
        for text in (
            "file = x\n", "[a b]\n", ok + ok, ok + "colour = red\n", ok + "like = b\n",
            "[a]\nfile = x\n",
            "[a]\nfile = ../x\nurl = http://h/x\nsha256 = " + "0" * 64 + "\n",
            "[a]\nfile = /x\nurl = http://h/x\nsha256 = " + "0" * 64 + "\n",
            "[a]\nfile = x\nurl = http://h/x\n",
            "[a]\nfile = x\nconvert = c.py {b}\n",
            "[a]\npath = relative/x\n",
            ok + "path = /x\n",
        ):
            with self.assertRaises(models.Stop, msg=text):
                self.read(text)


class Members(unittest.TestCase):
    def test_wheel_and_tarball(self):
        with tempfile.TemporaryDirectory() as folder:
            wheel = pathlib.Path(folder) / "a.whl"
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.writestr("a/b.bin", DATA)
            ball = pathlib.Path(folder) / "a.tgz"
            with tarfile.open(ball, "w:gz") as archive:
                info = tarfile.TarInfo("package/b.bin")
                info.size = len(DATA)
                archive.addfile(info, io.BytesIO(DATA))
            for package, member in ((wheel, "a/b.bin"), (ball, "package/b.bin")):
                with models.open_member(package, member) as f:
                    self.assertEqual(f.read(), DATA)
                with self.assertRaisesRegex(models.Stop, "holds no nothing"):
                    with models.open_member(package, "nothing"):
                        pass
