"""What the end-to-end tests share: a real server with real models, recordings, and a Realtime client
that checks every event of the server against the official types."""
import array
import asyncio
import base64
import concurrent.futures
import contextlib
import functools
import inspect
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
import wave

import websockets
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PARLEY = str(ROOT / "build/release/parley")
SHARED = ROOT.parent / "shared/audio"
CACHE = pathlib.Path(os.environ.get("PARLEY_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "parley")
SERVER_EVENT = TypeAdapter(RealtimeServerEvent)
OWN_EVENTS = ("parley.",)
# Ours beside the types: LiveKit's word times, and the identity that the published objects also carry.
KNOWN_EXTRA = {"start_time", "call_id", "object", "id"}


class Skip(Exception):
    """A recording that only the maintainers have is absent."""


def recording(name):
    path = SHARED / name
    if not path.exists():
        raise Skip(f"no recording {name}")
    return path


def jfk():
    return CACHE / "test/jfk.wav"


def synthesise(text, path, *options):
    """Our own voice, as a stand-in where no recording is at hand; named as such by the tests."""
    subprocess.run([PARLEY, "tts", "--out", str(path), *options, text], check=True, timeout=120 * PATIENCE,
                   stdout=subprocess.DEVNULL)
    return path


@functools.cache
def own_voice(text):
    """Speech that our own voice makes (synthesised), at 24 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        return pcm24(synthesise(text, pathlib.Path(folder) / "own.wav", "--quality", "fast"))


def pcm24(path):
    """16-bit mono samples at 24 kHz, by linear interpolation: good enough for speech at 16 kHz."""
    return array.array("h", resampled(str(path), pathlib.Path(path).stat().st_mtime_ns))


@functools.lru_cache(maxsize=64)
def resampled(path, _):
    with wave.open(path) as file:
        assert file.getsampwidth() == 2
        rate, channels = file.getframerate(), file.getnchannels()
        samples = array.array("h", file.readframes(file.getnframes()))[::channels]
    if rate == 24000:
        return samples
    out, step = array.array("h"), rate / 24000
    for i in range(int((len(samples) - 1) / step)):
        at = i * step
        left = int(at)
        part = at - left
        out.append(int(samples[left] * (1 - part) + samples[left + 1] * part))
    return out


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Limits only end what will never come: on a busy machine everything may take this many times longer.
PATIENCE = 5


def slowness():
    """How many times longer than its own CPU time a piece of work takes here just now; 1 on a quiet machine."""
    wall, cpu = time.monotonic(), time.thread_time()
    while time.thread_time() - cpu < 0.2:
        pass
    return max(1.0, (time.monotonic() - wall) / 0.2)


class Lag:
    """How late this process itself wakes up: what a test may add to a limit on times that it took itself."""

    async def __aenter__(self):
        self.worst = 0.0
        self.task = asyncio.create_task(self.watch())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()

    async def watch(self):
        while True:
            due = time.monotonic() + 0.02
            await asyncio.sleep(0.02)
            self.worst = max(self.worst, time.monotonic() - due)


class Server:
    """`parley serve` on a free port, ready, with what it said in `log`. With a `network` of tests/net it stands on
    the other side of that network's cable and asks for a key."""

    def __init__(self, *settings, env=None, wait=True, network=None, config=None):
        self.port, self.tls_port = free_port(), free_port()
        self.address, self.key, prefix = "127.0.0.1", None, []
        if network:
            self.address, self.key, prefix = network.server, "a-key-for-tests", network.enter
            settings = (f"http.address={self.address}", *settings)
            env = {"PARLEY_API_KEY": self.key, **(env or {})}
        self.state = tempfile.TemporaryDirectory()
        self.log_file = tempfile.NamedTemporaryFile("w+", suffix=".log")
        command = [*prefix, PARLEY, "serve", "--set", f"http.port={self.port}", "--set", f"http.tls_port={self.tls_port}",
                   "--set", "rtc.udp_port=0", "--set", "rtc.tcp_port=0"]
        if config:
            command += ["--config", config]
        elif not any(s.startswith("llm.model") for s in settings):
            command += ["--set", "llm.model=small"]
        # What a slow engine costs is tested with scripted ones; here slowness is the machine's.
        settings = ("turn.engine_first_byte_ms=120000", "turn.apology_max_ms=60000", *settings)
        for setting in settings:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=self.log_file, stderr=self.log_file,
                                        env={**os.environ, "XDG_STATE_HOME": self.state.name, **(env or {})})
        if wait:
            self.wait_ready()

    def wait_ready(self, limit_s=180 * PATIENCE):
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(self.http("/readyz"), timeout=5) as answer:
                    if answer.status == 200:
                        return
            time.sleep(0.2)
        raise AssertionError(f"not ready after {limit_s} s:\n{self.log()}")

    def http(self, path):
        return f"http://{self.address}:{self.port}{path}"

    def ws(self, query="model=parley", path="/v1/realtime"):
        return f"ws://{self.address}:{self.port}{path}?{query}"

    def headers(self):
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def metric(self, name):
        """The value of one line of /metrics; `name` with its labels."""
        with urllib.request.urlopen(self.http("/metrics"), timeout=12 * PATIENCE) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.split()[1])
        raise AssertionError(f"no metric {name}")

    def log(self):
        return pathlib.Path(self.log_file.name).read_text()

    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def threads_and_files(self):
        """The fewest threads of half a second: a helper of ggml's lives as long as one step of a model."""
        base = pathlib.Path(f"/proc/{self.process.pid}")
        threads = len(list((base / "task").iterdir()))
        for _ in range(25):
            threads = min(threads, len(list((base / "task").iterdir())))
            time.sleep(0.02)
        return threads, len(list((base / "fd").iterdir()))

    def stop(self):
        """Ctrl-C; the exit status must be 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"Ctrl-C did not stop the server:\n{self.log()}") from None
        return self.process.returncode


def check_event(text):
    """Every event must fit the official type and bring nothing unknown."""
    event = json.loads(text)
    assert event.get("event_id"), f"no event_id in {text[:200]}"
    if event["type"].startswith(OWN_EVENTS):
        return event
    parsed = SERVER_EVENT.validate_json(text)
    extra = set(parsed.model_extra or {}) - KNOWN_EXTRA
    assert not extra, f"unknown members {extra} in {text[:300]}"
    return event


class Talk:
    """One conversation as its client sees it: `events` is everything that came. Subclasses bring the wire: send_text,
    and receive, which waits for one event's text."""

    def __init__(self, check=True):
        self.check = check
        self.events, self.times, self.audio = [], [], bytearray()

    async def send(self, type_, **members):
        await self.send_text(json.dumps({"type": type_, **members}))

    async def next(self, limit_s=60):
        return await self.take(limit_s * PATIENCE)

    async def take(self, limit_s):
        text = await asyncio.wait_for(self.receive(), limit_s)
        event = check_event(text) if self.check else json.loads(text)
        self.events.append(event)
        self.times.append(time.monotonic())
        if event["type"] in ("response.output_audio.delta", "response.audio.delta"):
            self.audio += base64.b64decode(event["delta"])
        return event

    async def until(self, type_, limit_s=60, allow_error=False):
        limit_s *= PATIENCE
        end = time.monotonic() + limit_s
        while True:
            left = end - time.monotonic()
            assert left > 0, f"no {type_} in {limit_s} s, but {self.types()[-12:]}"
            try:
                event = await self.take(left)
            except asyncio.TimeoutError:
                raise AssertionError(f"no {type_} in {limit_s} s, but {self.types()[-12:]}") from None
            if event["type"] == type_:
                return event
            assert allow_error or event["type"] != "error", event

    def types(self):
        return [event["type"] for event in self.events]

    def of(self, type_):
        return [event for event in self.events if event["type"] == type_]

    async def session(self, **session):
        await self.send("session.update", session={"type": "realtime", **session})
        return (await self.until("session.updated"))["session"]

    async def ask(self, text):
        await self.send("conversation.item.create",
                        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
        await self.send("response.create")


class Client(Talk):
    """One Realtime connection over WebSocket."""

    def __init__(self, url, check=True, **options):
        super().__init__(check)
        self.url, self.options = url, options

    async def __aenter__(self):
        self.socket = await websockets.connect(self.url, max_size=None, open_timeout=10 * PATIENCE,
                                               ping_timeout=20 * PATIENCE, **self.options)
        return self

    async def __aexit__(self, *_):
        # websockets trips over its own transport when the server has already gone.
        with contextlib.suppress(AttributeError):
            await self.socket.close()

    async def send_text(self, text):
        await self.socket.send(text)

    async def receive(self):
        return await self.socket.recv()

    async def say(self, samples, pace=1.0, silence_s=1.0):
        """Sends sound in real time (pace 1), as a microphone does."""
        data = array.array("h", samples).tobytes() + bytes(int(24000 * silence_s) * 2)
        start, step = time.monotonic(), 1920
        for i in range(0, len(data), step):
            await self.send("input_audio_buffer.append", audio=base64.b64encode(data[i:i + step]).decode())
            ahead = start + (i + step) / 48000 / pace - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)


def words(text):
    return re.sub(r"[^a-z0-9\u4e00-\u9fff ]", " ", text.lower()).split()


def share_of_words(expected, got):
    """How many of the expected words (or ideographs) came, in any order."""
    def units(text):
        return re.findall(r"[a-z0-9']+|[\u4e00-\u9fff]", text.lower())
    have = units(got)
    want = units(expected)
    return sum(word in have for word in want) / max(1, len(want))


def check_heard(written, heard, least=0.6):
    """What our own recogniser heard of an answer is what was written."""
    if re.search(r"\d", written):  # "22:45" is said and heard in other characters: then the amount of speech counts
        assert len(re.findall(r"\w", heard)) >= 0.5 * len(re.findall(r"\w", written)), (written, heard)
        return
    assert share_of_words(written, heard) >= least, (written, heard)


def loudness(data):
    samples = array.array("h", bytes(data))
    return (sum(s * s for s in samples[::7]) / max(1, len(samples[::7]))) ** 0.5


def attempt(test, name, server):
    """Runs one test: "ok", "skip" or "FAIL", said with its time."""
    started = time.monotonic()
    try:
        arguments = [server] if inspect.signature(test).parameters else []
        if inspect.iscoroutinefunction(test):
            asyncio.run(asyncio.wait_for(test(*arguments), 300 * PATIENCE))
        else:
            test(*arguments)
        print(f"ok    {name} ({time.monotonic() - started:.1f} s)", flush=True)
        return "ok"
    except Skip as why:
        print(f"skip  {name}: {why}", flush=True)
        return "skip"
    except Exception:  # noqa: BLE001  a test's failure, whatever it is
        print(f"FAIL  {name} ({time.monotonic() - started:.1f} s)\n{traceback.format_exc()}", flush=True)
        return "FAIL"


def run(tests, server=None, together=()):
    """Runs test functions (sync or async, taking the server if they ask for it) and prints the counts; behind `tests`,
    one after the other, those of `together` at once, each on a thread of its own. PARLEY_TEST_TRIES says how many failed
    ones get a second try (tools/runtests.py sets it); they are named as unstable."""
    tries = int(os.environ.get("PARLEY_TEST_TRIES", "0"))
    wanted = sys.argv[1:]

    def named(group):
        pairs = [(test, test.__name__.removeprefix("test_")) for test in group]
        return [pair for pair in pairs if not wanted or any(part in pair[1] for part in wanted)]

    def settle(test, name, result):
        nonlocal tries
        if result == "FAIL" and tries > 0:
            tries -= 1
            result = attempt(test, name, server)
            if result == "ok":
                print(f"UNSTABLE  {name} passed at the second try", flush=True)
        return result

    results = [settle(test, name, attempt(test, name, server)) for test, name in named(tests)]
    at_once = named(together)
    with concurrent.futures.ThreadPoolExecutor(max(1, len(at_once))) as pool:
        first = [pool.submit(attempt, test, name, server) for test, name in at_once]
    results += [settle(test, name, tried.result()) for (test, name), tried in zip(at_once, first)]
    passed, failed, skipped = (results.count(kind) for kind in ("ok", "FAIL", "skip"))
    if server:
        with contextlib.suppress(AssertionError):
            status = server.stop()
            if status != 0:
                failed += 1
                print(f"FAIL  the server's exit status is {status}")
        if failed:
            print("---- the server's log, its end ----\n" + server.log()[-20000:])
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return failed > 0
