"""The web page in headless Chromium, with a recording in place of the microphone: one spoken turn in each
language, then an interruption of the page's kind, and the sentence for a blocked microphone."""
import os
import pathlib
import re
import sys
import tempfile

from harness import ROOT, SHARED, Server, jfk, pcm24, recording, run, share_of_words, synthesise
from playwright.sync_api import sync_playwright

SHOTS = pathlib.Path(os.environ.get("PARLEY_SHOTS") or ROOT / "build/shots")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream"]


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


def talk_through_page(server, wav, language, ui):
    """Returns (user's words, answer's words) as the page shows them."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        microphone = with_silence(wav, folder)
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=ARGUMENTS + ["--use-fake-ui-for-media-stream",
                              f"--use-file-for-fake-audio-capture={microphone}%noloop"])
        page = browser.new_context(locale=ui).new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.goto(server.http("/"))
        page.wait_for_selector("#voice option:nth-child(11)", state="attached")
        page.select_option("#language", language)
        page.click("#talk")
        page.wait_for_selector("#talk-log li.user", timeout=60000)
        page.wait_for_selector("#talk-log li.assistant", timeout=120000)
        page.wait_for_selector(".bar", timeout=120000)
        page.wait_for_selector("#state[data-state=listening]", timeout=120000)
        page.screenshot(path=str(SHOTS / f"page-{language}.png"), full_page=True)
        user = page.inner_text("#talk-log li.user")
        answer = page.inner_text("#talk-log li.assistant")
        page.click("#stop")
        page.wait_for_selector("#talk:not([disabled])")
        browser.close()
        assert not problems, problems
        return user, answer


def test_english_turn(server):
    path = SHARED / "en/conv_turn_002.wav"
    expected = "How many conference tracks are there?"
    if not path.exists():
        path, expected = jfk(), "and so my fellow"
    user, answer = talk_through_page(server, path, "en", "en-US")
    assert share_of_words(expected, user) >= 0.8, user
    assert re.search("[a-z]", answer), answer


def test_chinese_turn(server):
    expected = "开放时间早上九点至下午五点"
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = recording("zh/sensevoice_zh.wav")
        except Exception:  # no recordings: our own voice, and said so
            print("      (synthesised Chinese)")
            path = synthesise("今天的天气怎么样？我想出去走走。", pathlib.Path(folder) / "zh.wav")
            expected = "今天的天气怎么样我想出去走走"
        user, answer = talk_through_page(server, path, "zh", "zh-CN")
    assert share_of_words(expected, user) >= 0.5, user
    assert re.search("[\u4e00-\u9fff]", answer), answer


def test_blocked_microphone_says_what_to_do(server):
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium",
                                             args=ARGUMENTS + ["--deny-permission-prompts"])
        page = browser.new_context(locale="en-US").new_page()
        page.goto(server.http("/"))
        page.click("#talk")
        page.wait_for_selector("#problem:not([hidden])", timeout=20000)
        assert "microphone" in page.inner_text("#problem").lower(), page.inner_text("#problem")
        page.screenshot(path=str(SHOTS / "page-blocked.png"))
        browser.close()


if __name__ == "__main__":
    sys.exit(run([value for name, value in list(globals().items()) if name.startswith("test_")], Server()))
