"""The web page in headless Chromium, with a recording in place of the microphone: one spoken turn in each
language over WebRTC, one over the WebSocket, a network that dies and a page that comes back to the same
conversation, and the sentence for a blocked microphone."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from harness import PATIENCE, ROOT, SHARED, Server, jfk, pcm24, recording, run, share_of_words, slowness, synthesise
from playwright.sync_api import sync_playwright

SHOTS = pathlib.Path(os.environ.get("PARLEY_SHOTS") or ROOT / "build/shots")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream",
             "--allow-loopback-in-peer-connection"]


def with_silence(path, folder):
    """The recording behind half a second of silence, at 48 kHz, as Chromium's fake microphone wants it."""
    import array
    import wave
    samples = pcm24(path)
    doubled = array.array("h")
    for sample in samples:
        doubled.extend((sample, sample))
    out = pathlib.Path(folder) / "microphone.wav"
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(bytes(48000) + doubled.tobytes() + bytes(96000 * 2))
    return out


def talk_through_page(server, wav, language, ui, query="", kind="WebRTC"):
    """Returns (user's words, answer's words) as the page shows them; the page must have used `kind`."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        microphone = with_silence(wav, folder)
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=ARGUMENTS + ["--use-fake-ui-for-media-stream",
                              f"--use-file-for-fake-audio-capture={microphone}%noloop"])
        page = browser.new_context(locale=ui).new_page()
        page.set_default_timeout(30000 * PATIENCE)
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.goto(server.http("/" + query))
        page.wait_for_selector("#voice option:nth-child(11)", state="attached")
        page.select_option("#language", language)
        page.click("#talk")
        page.wait_for_selector("#link[data-state=up]", timeout=20000 * PATIENCE)
        assert page.inner_text("#link").startswith(kind), page.inner_text("#link")
        page.wait_for_selector("#talk-log li.user", timeout=60000 * PATIENCE)
        page.wait_for_selector("#talk-log li.assistant", timeout=120000 * PATIENCE)
        page.wait_for_selector(".bar", timeout=120000 * PATIENCE)
        page.wait_for_selector("#state[data-state=listening]", timeout=120000 * PATIENCE)
        page.screenshot(path=str(SHOTS / f"page-{kind}-{language}.png"), full_page=True)
        user = page.inner_text("#talk-log li.user")
        answer = page.inner_text("#talk-log li.assistant")
        page.click("#stop")
        page.wait_for_selector("#talk:not([disabled])")
        browser.close()
        assert not problems, problems
        return user, answer


def english():
    """(recording, what is said, how much of it must be understood): the noisy old one is less clear."""
    path = SHARED / "en/conv_turn_002.wav"
    return (path, "How many conference tracks are there?", 0.8) if path.exists() else (jfk(), "and so my fellow", 0.5)


def test_english_turn(server):
    path, expected, enough = english()
    user, answer = talk_through_page(server, path, "en", "en-US")
    assert share_of_words(expected, user) >= enough, user
    assert re.search("[a-z]", answer), answer


def test_english_turn_over_the_websocket(server):
    path, expected, enough = english()
    user, answer = talk_through_page(server, path, "en", "en-US", "?transport=websocket", "WebSocket")
    assert share_of_words(expected, user) >= enough, user
    assert re.search("[a-z]", answer), answer


class Relay:
    """tests/net/relay.py between the browser and one UDP port of the server."""

    def __init__(self, address, port):
        self.process = subprocess.Popen([sys.executable, str(ROOT / "tests/net/relay.py"), address, address, str(port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def blackout(self):
        self.process.stdin.write(json.dumps({"set": {"blackout": True}}) + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()


def test_page_comes_back_to_the_conversation(server):
    """Each call goes through a relay of its own; the first one falls silent, as a network does that is gone."""
    relays = []

    def through_relay(route):
        answer = route.fetch()
        body = answer.text()
        found = re.search(r"^a=candidate:\S+ 1 udp \d+ ([\d.]+) (\d+) ", body, re.M | re.I)
        assert found, body
        relays.append(Relay(found[1], int(found[2])))
        lines = [line for line in body.splitlines() if not line.startswith("a=candidate") or found[0] in line]
        body = "\r\n".join(lines).replace(f"{found[1]} {found[2]} ", f"{found[1]} {relays[-1].port} ") + "\r\n"
        route.fulfill(response=answer, body=body)

    path, _, _ = english()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=ARGUMENTS + ["--use-fake-ui-for-media-stream",
                              f"--use-file-for-fake-audio-capture={with_silence(path, folder)}"])
        page = browser.new_context(locale="en-US").new_page()
        page.set_default_timeout(30000 * PATIENCE)
        page.add_init_script("""window.seen = [];
            const open = RTCPeerConnection.prototype.createDataChannel;
            RTCPeerConnection.prototype.createDataChannel = function (...args) {
              const channel = open.apply(this, args);
              channel.addEventListener('message', ({ data }) => {
                const event = JSON.parse(data);
                if (event.type === 'session.created') window.seen.push([performance.now(), event.session.id]);
              });
              this.addEventListener('connectionstatechange', () => {
                if (this.connectionState === 'disconnected') window.lostAt = performance.now();
              });
              return channel;
            };""")
        page.route(re.compile("/v1/realtime/calls\\?"), through_relay)
        page.goto(server.http("/"))
        page.click("#talk")
        page.wait_for_selector("#talk-log li.assistant", timeout=120000 * PATIENCE)
        relays[0].blackout()
        deadline = time.monotonic() + 60 * PATIENCE
        while len(page.evaluate("window.seen")) < 2 and time.monotonic() < deadline:
            page.wait_for_timeout(50)
        seen = page.evaluate("window.seen")
        took = seen[1][0] - page.evaluate("window.lostAt")
        print(f"      back {took:.0f} ms after the loss was noticed")
        assert seen[0][1] == seen[1][1], seen  # the same session
        assert took < 4000 * slowness(), took  # 2 s on a quiet machine
        # It goes on listening: the recording repeats, and is heard again.
        before = page.locator("#talk-log li.user").count()
        deadline = time.monotonic() + 90 * PATIENCE
        while page.locator("#talk-log li.user").count() <= before and time.monotonic() < deadline:
            page.wait_for_timeout(200)
        assert page.locator("#talk-log li.user").count() > before
        page.click("#stop")
        page.wait_for_selector("#talk:not([disabled])")
        browser.close()
    for relay in relays:
        relay.stop()
    assert len(relays) >= 2


def test_chinese_turn(server):
    expected = "开放时间早上九点至下午五点"
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = recording("zh/sensevoice_zh.wav")
        except Exception:  # no recordings: our own voice, and said so
            print("      (synthesised Chinese)")
            path = synthesise("今天的天气怎么样？我想出去走走。", pathlib.Path(folder) / "zh.wav", "--quality", "fast")
            expected = "今天的天气怎么样我想出去走走"
        user, answer = talk_through_page(server, path, "zh", "zh-CN")
    assert share_of_words(expected, user) >= 0.5, user
    assert re.search("[\u4e00-\u9fff]", answer), answer


def test_voices_come_with_the_key(_):
    guarded = Server(env={"PARLEY_API_KEY": "open-sesame"})
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            page = browser.new_context(locale="en-US").new_page()
            page.set_default_timeout(30000 * PATIENCE)
            page.goto(guarded.http("/"))
            page.wait_for_selector("#key-label:not([hidden])")
            for key, count in (("wrong", 0), ("open-sesame", 11)):
                page.fill("#key", key)
                with page.expect_response("**/v1/voices") as answer:
                    page.press("#key", "Tab")
                assert (answer.value.status == 200) == (count > 0), answer.value.status
            page.wait_for_selector("#voice option:nth-child(11)", state="attached")
            browser.close()
    finally:
        guarded.stop()


def test_blocked_microphone_says_what_to_do(server):
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium",
                                             args=ARGUMENTS + ["--deny-permission-prompts"])
        page = browser.new_context(locale="en-US").new_page()
        page.set_default_timeout(30000 * PATIENCE)
        page.goto(server.http("/"))
        page.click("#talk")
        page.wait_for_selector("#problem:not([hidden])", timeout=20000 * PATIENCE)
        assert "microphone" in page.inner_text("#problem").lower(), page.inner_text("#problem")
        page.screenshot(path=str(SHOTS / "page-blocked.png"))
        browser.close()


if __name__ == "__main__":
    sys.exit(run([value for name, value in list(globals().items()) if name.startswith("test_")], Server()))
