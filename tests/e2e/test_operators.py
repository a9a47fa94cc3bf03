#!/usr/bin/env python3
"""test_operators.py -- what an operator sees: traces at a collector and in a file, `parley top`, and the example
configurations.

    test_operators.py [NAME...]     only tests whose name contains one of the words
"""
import asyncio
import contextlib
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import yaml
from harness import PARLEY, PATIENCE, Client, Server, free_port, jfk, pcm24, run

SCRIPTED = ("scripted.engines=true", "session.language=en", "scripted.llm_words=4")  # an answer is heard in a second or so
CONF = pathlib.Path(__file__).parents[2] / "conf"
PARTS = {"end_of_turn", "stt", "llm.first_token", "tts.first_sound", "hold", "send", "playing"}


class Collector:
    """A small OTLP/HTTP collector: keeps what it is sent, or refuses it."""

    def __init__(self):
        self.requests, self.status = [], 200
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.requests.append((self.path, dict(self.headers), body))
                self.send_response(owner.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self):
        return [span for _, _, body in self.requests for resource in json.loads(body)["resourceSpans"]
                for scope in resource["scopeSpans"] for span in scope["spans"]]


def until(condition, what):
    end = time.monotonic() + 30 * PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def metric(server, name):
    with urllib.request.urlopen(server.http("/metrics"), timeout=30 * PATIENCE) as answer:
        return float(re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)[1])


async def spoken_turn(server):
    """One spoken turn, heard to its end as the server counts it."""
    async with Client(server.ws(), additional_headers=server.headers()) as client:
        await client.until("session.created")
        await client.send("session.update", session={"type": "realtime", "parley": {"latency": True}})
        await client.say(pcm24(jfk())[:int(2.2 * 24000)])
        while not any(event["heard_end_ms"] for event in client.of("parley.response.latency")):
            await client.until("parley.response.latency")
        texts = [event["transcript"] for event in client.events if event["type"] in (
            "response.output_audio_transcript.done", "conversation.item.input_audio_transcription.completed")]
    words = {word for text in texts for word in re.findall(r"\w{5,}", text.lower())}
    assert words, client.types()
    return words


def check_no_words(text, words):
    """Nothing that was said stands in a trace."""
    for word in words:
        assert word not in text.lower(), word


def check_otlp(path, headers, body, words):
    """The members that opentelemetry/proto/collector/trace/v1 wants, in its JSON encoding."""
    assert path == "/v1/traces" and headers["Content-Type"] == "application/json", (path, headers)
    assert headers["Authorization"] == "Bearer trace-key"
    check_no_words(body.decode(), words)
    request = json.loads(body)
    assert set(request) == {"resourceSpans"}
    for resource in request["resourceSpans"]:
        assert {"key": "service.name", "value": {"stringValue": "parley"}} in resource["resource"]["attributes"]
        for scope in resource["scopeSpans"]:
            assert scope["scope"]["name"]
            for span in scope["spans"]:
                assert re.fullmatch("[0-9a-f]{32}", span["traceId"]) and int(span["traceId"], 16), span
                assert re.fullmatch("[0-9a-f]{16}", span["spanId"]) and int(span["spanId"], 16), span
                assert span["name"] and span["kind"] in range(6)
                for end in ("startTimeUnixNano", "endTimeUnixNano"):
                    assert isinstance(span[end], str) and re.fullmatch(r"\d{19}", span[end]), span
                assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])


def check_turn(spans, before_ns, after_ns):
    roots = [span for span in spans if "parentSpanId" not in span]
    statuses = {span["spanId"]: {a["key"]: a["value"]["stringValue"] for a in span["attributes"]} for span in roots}
    turn = next(span for span in roots if span["name"] == "turn"
                and statuses[span["spanId"]]["parley.response.status"] == "completed")
    parts = [span for span in spans if span.get("parentSpanId") == turn["spanId"]]
    assert {part["name"] for part in parts} <= PARTS and len(parts) >= 4, parts
    assert {"end_of_turn", "send", "playing"} <= {part["name"] for part in parts}, parts
    assert len({span["spanId"] for span in spans}) == len(spans)
    for part in parts:
        assert part["traceId"] == turn["traceId"]
        assert int(turn["startTimeUnixNano"]) <= int(part["startTimeUnixNano"]), (turn, part)
        assert int(part["endTimeUnixNano"]) <= int(turn["endTimeUnixNano"]), (turn, part)
    assert before_ns <= int(turn["startTimeUnixNano"]) and int(turn["endTimeUnixNano"]) <= after_ns + 5_000_000_000
    assert statuses[turn["spanId"]]["parley.session.id"].startswith("sess_"), turn


def test_traces():
    """A collector gets the turn, and the file has it; a collector that is down costs nothing but traces."""
    collector = Collector()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "trace.json"
        server = Server(*SCRIPTED, f"trace.otlp_url={collector.url}", "trace.api_key_env=TRACE_KEY",
                        f"trace.chrome_file={file}", env={"TRACE_KEY": "trace-key"})
        try:
            before_ns = time.time_ns()
            words = asyncio.run(spoken_turn(server))
            until(collector.requests.__len__, "the collector got nothing")
            until(lambda: metric(server, "parley_traces_total") >= 1, "not counted")
            for request in collector.requests:
                check_otlp(*request, words)
            check_turn(collector.spans(), before_ns, time.time_ns())
            collector.status = 503
            words |= asyncio.run(spoken_turn(server))
            until(lambda: metric(server, "parley_traces_dropped_total") >= 1, "not counted as dropped")
        finally:
            assert server.stop() == 0
        events = json.loads(file.read_text())
        check_no_words(file.read_text(), words)
        assert len([event for event in events if event["name"] == "turn"]) >= 2, events
        for event in events:
            assert event["ph"] == "X" and event["ts"] > 0 and event["dur"] >= 0, event
            assert isinstance(event["pid"], int) and isinstance(event["tid"], int), event
        assert "trace-key" not in server.log()


def top(server, *options, key=None):
    return subprocess.run([PARLEY, "top", "--url", server.http(""), *options], capture_output=True, text=True, check=False,
                          timeout=60 * PATIENCE, env={"PARLEY_API_KEY": key} if key else {})


def test_top():
    server = Server(*SCRIPTED, env={"PARLEY_API_KEY": "a-key-for-tests"})
    server.key = "a-key-for-tests"
    try:
        asyncio.run(spoken_turn(server))
        shown = top(server, "--once", key=server.key)
        assert shown.returncode == 0, shown
        assert re.search(r"turns +answers [1-9]\d*  spoken [1-9]", shown.stdout), shown.stdout
        row = re.search(r"end of speech to answer +[1-9]\d* +(\d+) +(\d+)", shown.stdout)
        assert row and int(row[1]) > 0, shown.stdout
        for row in ("sessions", "loop", "interruptions", "errors", "transcript", "first token", "first sound"):
            assert re.search(rf"^ *{row} ", shown.stdout, re.M), shown.stdout
        refused = top(server, "--once")
        assert refused.returncode == 1 and "401" in refused.stderr, refused
    finally:
        assert server.stop() == 0
    assert top(server, "--once").returncode == 1  # nobody is there


def test_top_goes_on():
    """Until Ctrl-C; the second table is about the interval."""
    server = Server(*SCRIPTED)
    try:
        process = subprocess.Popen([PARLEY, "top", "--interval", "1", "--url", server.http("/")], stdout=subprocess.PIPE,
                                   text=True)
        text = ""
        while "counts of the last" not in text:
            line = process.stdout.readline()
            assert line, text
            text += line
        process.send_signal(2)
        process.stdout.read()
        assert process.wait(30 * PATIENCE) == 0 and "counts since the start" in text, text
    finally:
        assert server.stop() == 0


def starts(command, environment):
    """The command, on ports of its own and with scripted engines where it has some: does it come to serve?"""
    port = free_port()
    extra = {"http.port": port, "http.tls_port": free_port(), "rtc.udp_port": 0, "rtc.tcp_port": 0, "llm.model": "small"}
    arguments = [part for key, value in extra.items() for part in ("--set", f"{key}={value}")]
    if "--config" not in command:
        arguments += ["--set", "scripted.engines=true"]
    with tempfile.TemporaryFile("w+") as log, tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen([PARLEY, *command[1:], *arguments], stdout=log, stderr=log,
                                   env={**os.environ, **environment, "XDG_STATE_HOME": state})
        try:
            end = time.monotonic() + 60 * PATIENCE
            while True:
                log.seek(0)
                assert process.poll() is None and time.monotonic() < end, (command, log.read())
                with contextlib.suppress(OSError):
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5 * PATIENCE) as answer:
                        return answer.status == 200
                time.sleep(0.1)
        finally:
            process.terminate()
            process.wait(30 * PATIENCE)


def urls_of(value):
    """All texts below a member called "url"."""
    if isinstance(value, list):
        return [url for item in value for url in urls_of(item)]
    if isinstance(value, dict):
        return [url for key, item in value.items() for url in
                ([item] if key == "url" and isinstance(item, str) else item if key == "url" else urls_of(item))]
    return []


def test_compose():
    """conf/compose.yaml: its commands start, its names fit together. No container is made."""
    services = yaml.safe_load((CONF / "compose.yaml").read_text())["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "parley"}
    assert set(ours) == {"edge", "engines"} and set(services) == {*ours, "vllm"}
    for service in ours.values():
        mounts = dict(volume.split(":")[1::-1] for volume in service.get("volumes", ()))
        command = [str((CONF / mounts[part]).resolve()) if part in mounts else part for part in service["command"]]
        assert command[0] == "parley" and all("/etc/" not in part for part in command), command
        keys = {name: "a-key-for-tests" for name in service["environment"]}
        assert all(re.fullmatch(r"\$\{\w+:\?\}", value) for value in service["environment"].values()), service
        assert starts(command, keys), command
    elsewhere = yaml.safe_load((CONF / "engines-elsewhere.yaml").read_text())
    urls = [urllib.parse.urlsplit(url) for url in urls_of(elsewhere)]
    assert len(urls) == 4 and {url.hostname for url in urls} <= set(services), urls
    assert "http.hosts=engines" in services["engines"]["command"]
    wanted = {engine["api_key_env"] for kind in ("stt", "llm", "tts") for engine in elsewhere[kind]}
    assert wanted <= set(services["edge"]["environment"])
    # The keys of both sides are the same variable.
    assert services["engines"]["environment"]["PARLEY_API_KEY"] == services["edge"]["environment"]["PARLEY_NODE_KEY"]
    assert services["edge"]["environment"]["VLLM_KEY"] in services["vllm"]["command"]
    # What is published is what is listened on without further settings.
    shown = subprocess.run([PARLEY, "config"], capture_output=True, text=True, check=True).stdout
    settings = yaml.safe_load(shown)
    ports = {f'{settings["http"]["port"]}:{settings["http"]["port"]}'}
    ports |= {f'{settings["rtc"][f"{kind}_port"]}:{settings["rtc"][f"{kind}_port"]}/{kind}' for kind in ("udp", "tcp")}
    assert set(services["edge"]["ports"]) == ports, ports


if __name__ == "__main__":
    sys.exit(run([test_traces, test_top, test_top_goes_on, test_compose]))
