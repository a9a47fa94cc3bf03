"""Headless Chromium calls by WebRTC from a page of another origin, with a recording in place of the microphone: once
by the steps of OpenAI's documentation, once by OpenAI's own SDK. The browser stands in a network namespace, the server
in another."""
import array
import base64
import contextlib
import functools
import http.server
import io
import json
import pathlib
import re
import sys
import tempfile
import threading
import time
import urllib.request
import wave

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "net"))
from netns import Network  # noqa: E402

NETWORK = Network() if __name__ == "__main__" else None  # before anything opens a socket

import av  # noqa: E402
import numpy  # noqa: E402
from callers import recognise  # noqa: E402
from harness import (CACHE, PATIENCE, SHARED, Server, check_event, check_heard, free_port, jfk, pcm24, run,  # noqa: E402
                     share_of_words, slowness, synthesise)
from playwright.sync_api import sync_playwright  # noqa: E402

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream",
             "--use-fake-device-for-media-stream"]
PAGES_PORT = free_port() if NETWORK else 0
BRIEF = "Answer in one short sentence."
STORY = "Tell me a long story about a ship and its crew."


class Pages(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".html": "text/html", ".mjs": "text/javascript"}

    def translate_path(self, path):
        name = pathlib.PurePosixPath(path.split("?")[0]).name
        return str((CACHE / "clients/npm/sdk" if path.startswith("/sdk/") else HERE / "pages") / name)

    def log_message(self, *_):
        pass


def microphone(folder, *pieces):
    """A WAV file for Chromium's fake microphone: 24 kHz samples, and seconds of silence between them."""
    samples = array.array("h")
    for piece in pieces:
        samples.extend([0] * int(24000 * piece) if isinstance(piece, (int, float)) else piece)
    doubled = array.array("h")
    for sample in samples:
        doubled.extend((sample, sample))
    path = pathlib.Path(folder) / "microphone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(doubled.tobytes())
    return path


@contextlib.contextmanager
def browser_page(name, *pieces):
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        wav = microphone(folder, *pieces)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[
            *ARGUMENTS, f"--use-file-for-fake-audio-capture={wav}%noloop"])
        page = browser.new_page()
        page.set_default_timeout(30000 * PATIENCE)
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.goto(f"http://127.0.0.1:{PAGES_PORT}/{name}")
        yield page
        browser.close()
        assert not problems, problems


def secret(server, **session):
    """An ephemeral key, as a site's own server would fetch it."""
    request = urllib.request.Request(
        server.http("/v1/realtime/client_secrets"), json.dumps({"session": {"type": "realtime", **session}}).encode(),
        {"Content-Type": "application/json", **server.headers()})
    with urllib.request.urlopen(request, timeout=10 * PATIENCE) as reply:
        return json.loads(reply.read())["value"]


def dial(server, page, session, **options):
    options = {"url": server.http("/v1/realtime/calls"), "key": secret(server, **session), **options}
    page.evaluate("options => dial(options)", options)
    return options


def until(page, type_, limit_s=60, count=1):
    """Waits for an event; returns all of that type."""
    page.wait_for_function(
        "([type, count]) => calls.events.filter(e => e.type === type).length >= count", arg=[type_, count],
        timeout=limit_s * 1000 * PATIENCE)
    return page.evaluate("type => calls.events.filter(e => e.type === type)", type_)


def ask(page, text):
    page.evaluate("""text => {
        for (const event of [{type: "conversation.item.create", item: {type: "message", role: "user",
            content: [{type: "input_text", text}]}}, {type: "response.create"}])
            calls.channel.send(JSON.stringify(event));
    }""", text)


def times(page, type_):
    return page.evaluate("type => calls.times.filter((_, i) => calls.events[i].type === type)", type_)


def sound(page):
    """What the page recorded of the answer, 16-bit at 48 kHz."""
    data = base64.b64decode(page.evaluate("recorded()"))
    with av.open(io.BytesIO(data)) as file:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48000)
        return numpy.concatenate([part.to_ndarray().reshape(-1) for frame in file.decode(audio=0)
                                  for part in resampler.resample(frame)])


def heard(page, language):
    samples = sound(page)
    samples = samples[:len(samples) // 2 * 2].reshape(-1, 2).mean(axis=1).astype(numpy.int16)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "answer.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(24000)
            file.writeframes(samples.tobytes())
        return recognise(path, language)


def spoken_turn(server, language, samples, expected, enough, **options):
    instructions = BRIEF if language == "en" else "请用一句很短的中文回答。"
    with browser_page("call.html", 1.5, samples, 30) as page:
        dial(server, page, {"instructions": instructions, "audio": {"input": {
            "transcription": {"model": "whisper-1", "language": language}}}}, **options)
        until(page, "response.done", 90)
        until(page, "output_audio_buffer.stopped", 60)
        understood = until(page, "conversation.item.input_audio_transcription.completed", 30)[0]["transcript"]
        for event in page.evaluate("calls.events"):
            check_event(json.dumps(event))
        assert share_of_words(expected, understood) >= enough, (expected, understood)
        done = until(page, "response.done")[0]["response"]
        assert done["status"] == "completed", done
        written = done["output"][0]["content"][0]["transcript"]
        check_heard(written, heard(page, language))
        return page.evaluate("selected()")


def english():
    path = SHARED / "en/conv_turn_002.wav"
    if path.exists():
        return pcm24(path), "How many conference tracks are there?"
    return pcm24(jfk())[:24000 * 3], "and so my fellow Americans"


# How much of it must be understood: the noisy old recording is heard differently from run to run.
ENOUGH = 0.8 if (SHARED / "en/conv_turn_002.wav").exists() else 0.5


def test_english_turn(server):
    stats = spoken_turn(server, "en", *english(), ENOUGH)
    assert stats["remote"]["protocol"] == "udp", stats["remote"]
    assert stats["transport"]["dtlsState"] == "connected" and stats["transport"]["tlsVersion"] == "FEFD", stats
    assert stats["inbound"]["packetsReceived"] > 50 and stats["inbound"]["packetsLost"] == 0, stats["inbound"]
    # Our receiver reports reach the browser.
    assert stats["reports"]["roundTripTimeMeasurements"] >= 1, stats["reports"]


def test_chinese_turn(server):
    path, expected = SHARED / "zh/sensevoice_zh.wav", "开放时间早上九点至下午五点"
    with tempfile.TemporaryDirectory() as folder:
        if not path.exists():
            print("      (synthesised Chinese)")
            expected = "今天的天气怎么样？我想出去走走。"
            path = synthesise(expected, pathlib.Path(folder) / "zh.wav", "--quality", "fast")
        samples = pcm24(path)
    spoken_turn(server, "zh", samples, expected, 0.5)


def test_tcp_only(server):
    stats = spoken_turn(server, "en", *english(), ENOUGH, keep="tcp")
    assert stats["remote"]["protocol"] == "tcp", stats["remote"]


def test_barge_in(server):
    with browser_page("call.html", 15, pcm24(jfk())[:24000 * 4], 30) as page:
        dial(server, page, {"instructions": "Do what you are asked.", "audio": {"input": {
            "transcription": {"model": "whisper-1", "language": "en"}}}})
        until(page, "session.created")
        ask(page, STORY)
        until(page, "output_audio_buffer.started", 30)
        until(page, "input_audio_buffer.speech_started", 30)
        done = until(page, "response.done", 10)[0]["response"]
        assert done["status"] == "cancelled" and done["status_details"]["reason"] == "turn_detected", done
        until(page, "output_audio_buffer.cleared", 5)
        truncated = until(page, "conversation.item.truncated", 5)[0]
        assert truncated["item_id"] == done["output"][0]["id"], truncated
        began, started = times(page, "output_audio_buffer.started")[0], times(page, "input_audio_buffer.speech_started")[0]
        # Less than the time in between where the answer waited for its next sentence.
        assert 500 < truncated["audio_end_ms"] < started - began + 700 * slowness(), (truncated, started - began)
        # The next answer comes when the speaker is done.
        until(page, "output_audio_buffer.started", 60, 2)
        assert page.evaluate("calls.peer.connectionState") == "connected"


def test_ice_restart(server):
    with browser_page("call.html", 30) as page:
        options = dial(server, page, {})
        until(page, "session.created")
        ask(page, STORY)
        until(page, "output_audio_buffer.started")
        time.sleep(1)
        before = page.evaluate("selected()")
        answer = page.evaluate("options => restart(options)", options)
        ufrag = re.search("a=ice-ufrag:(.*)\r", answer)[1]
        page.wait_for_function("""async ufrag => (await selected()).remote?.usernameFragment === ufrag""", arg=ufrag,
                               timeout=10000 * PATIENCE)
        time.sleep(2)
        after = page.evaluate("selected()")
        # 100 packets when the answer speaks without a pause, 5 when it waits for its next sentence all the time.
        assert after["inbound"]["packetsReceived"] - before["inbound"]["packetsReceived"] > 3, (before, after)
        assert page.evaluate("calls.peer.connectionState") == "connected"
        page.evaluate("calls.channel.send(JSON.stringify({type: 'response.cancel'}))")
        assert until(page, "response.done", 10)[0]["response"]["status"] == "cancelled"


def test_official_sdk(server):
    samples, expected = english()
    with browser_page("sdk.html", 3, samples, 30) as page:
        page.evaluate("options => dial(options)", {
            "url": server.http("/v1/realtime/calls"), "key": secret(server), "instructions": BRIEF,
            "config": {"audio": {"input": {"transcription": {"model": "whisper-1", "language": "en"}}}}})
        assert page.evaluate("talk.transport.status") == "connected"
        assert page.evaluate("talk.transport.callId").startswith("rtc_")
        page.wait_for_function("talk.events.some(e => e.type === 'output_audio_buffer.stopped')", timeout=90000 * PATIENCE)
        page.wait_for_function("""talk.history.filter(i => i.status === "completed" &&
            i.content.some(c => c.transcript)).length >= 2""", timeout=30000 * PATIENCE)
        user, answer = page.evaluate("""talk.history.map(i => [i.role, i.content.map(c => c.transcript ?? c.text).join("")])""")
        assert user[0] == "user" and share_of_words(expected, user[1]) >= ENOUGH, user
        assert answer[0] == "assistant" and re.search("[a-z]", answer[1]), answer
        updated = page.evaluate("talk.events.filter(e => e.type === 'session.updated')")
        assert BRIEF in updated[0]["session"]["instructions"], updated[0]
        # Interrupted by the SDK's own call.
        page.evaluate("text => talk.session.sendMessage(text)", STORY)
        page.wait_for_function("talk.events.filter(e => e.type === 'output_audio_buffer.started').length >= 2", timeout=60000 * PATIENCE)
        time.sleep(1)
        page.evaluate("talk.session.interrupt()")
        page.wait_for_function("talk.events.some(e => e.type === 'output_audio_buffer.cleared')", timeout=10000 * PATIENCE)
        page.wait_for_function("talk.events.some(e => e.type === 'response.done' && e.response.status === 'cancelled')",
                               timeout=10000 * PATIENCE)
        assert page.evaluate("talk.errors") == []
        page.evaluate("talk.session.close()")


if __name__ == "__main__":
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", PAGES_PORT), functools.partial(Pages))
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    sys.exit(run([value for name, value in list(globals().items()) if name.startswith("test_")],
                 Server(f"http.origins=http://127.0.0.1:{PAGES_PORT}", f"rtc.address={NETWORK.server},{NETWORK.server6}",
                        "llm.temperature=0", network=NETWORK)))
