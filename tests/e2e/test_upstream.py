"""A Realtime server elsewhere as the engine: a scripted one that behaves badly at every stage, also over TLS and for a caller
by WebRTC, and another parley with real models, in both languages, interrupted, killed and back."""
import array
import asyncio
import base64
import json
import os
import pathlib
import re
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "net"))
from netns import Network  # noqa: E402

NETWORK = Network() if __name__ == "__main__" else None  # before anything opens a socket

from callers import AiortcCaller  # noqa: E402
from harness import PATIENCE, Client, Server, jfk, loudness, pcm24, run, share_of_words, synthesise
from scripted_openai import SECRET
from scripted_realtime import ANSWER, BEFORE, RIGHT, STAGES, TONE, TRANSCRIPT, WAYS, Realtime
from test_remote import running, said, turn

QUICK = ("engine.connect_ms=20000", "engine.first_byte_ms=1500", "engine.gap_ms=1500", "engine.failures_max=100")
WIDE = ("engine.connect_ms=60000", "engine.first_byte_ms=600000", "engine.gap_ms=600000")


def edge(url, *settings, limits=QUICK, network=None):
    """A server without a model of its own but the one for voice activity."""
    return Server(*limits, f"upstream.url={url}", "upstream.api_key_env=SCRIPTED_KEY", "upstream.model=any",
                  "tts.backend=none", "eot.enabled=false", *settings, env={"SCRIPTED_KEY": SECRET}, network=network)


def metric(server, name):
    with urllib.request.urlopen(server.http("/metrics"), timeout=30 * PATIENCE) as answer:
        text = answer.read().decode()
    assert SECRET not in text
    return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])


async def until(true, what, limit_s=30):
    end = time.monotonic() + limit_s * PATIENCE
    while not true():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


async def spoken(talk, samples):
    """A recording that is committed by hand, and its answer."""
    data = array.array("h", samples).tobytes()
    for i in range(0, len(data), 48000):
        await talk.send("input_audio_buffer.append", audio=base64.b64encode(data[i:i + 48000]).decode())
    await talk.send("input_audio_buffer.commit")
    await talk.send("response.create")


MANUAL = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}


async def test_turns_in_text_and_speech():
    script = Realtime()
    with running(edge(script.url, "upstream.voice=marin")) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(audio=MANUAL, instructions="Be brief.")
            for fault in ("", *RIGHT):
                script.fault = fault
                response, sound = await turn(talk)
                assert response["status"] == "completed" and said(response).strip() == ANSWER, response
                assert len(sound) == len(TONE) and loudness(sound) > 1000, len(sound)
                assert response["usage"]["output_token_details"]["text_tokens"] == 6, response
            await spoken(talk, pcm24(jfk())[:48000])
            response = (await talk.until("response.done"))["response"]
            assert response["status"] == "completed" and said(response).strip() == ANSWER, response
            heard = talk.of("conversation.item.input_audio_transcription.completed")[-1]
            assert heard["transcript"] == TRANSCRIPT, heard
            await talk.session(output_modalities=["text"])
            response, sound = await turn(talk)
            assert said(response).strip() == ANSWER and not sound, response
        # Turn detection is ours, so are the words that the client typed, and the key stands in the header.
        sounds = [e["session"]["audio"] for e in script.of("session.update") if "audio" in e["session"]]
        assert all(s["input"]["turn_detection"] is None for s in sounds) and sounds[-1]["output"]["voice"] == "marin"
        assert any("Be brief." in e["session"].get("instructions", "") for e in script.of("session.update"))
        sent = sum(len(base64.b64decode(e["audio"])) for e in script.of("input_audio_buffer.append"))
        assert sent > 0, sent
        assert [i["role"] for i in script.items()] == ["user"] * 4, script.items()
        assert not script.of("conversation.item.delete"), script.events
        assert all(h.get("Authorization") == f"Bearer {SECRET}" for h in script.headers), script.headers
        assert script.paths == ["/v1/realtime?model=any"], script.paths
        await until(lambda: script.open == 0, "the connection stays open")
        assert metric(server, "parley_upstream_sessions") == 0
        assert SECRET not in server.log()
    script.stop()


async def test_the_connection_is_made_when_the_conversation_begins():
    for warm_s in (20, 0):
        script = Realtime()
        with running(edge(script.url, f"engine.warm_s={warm_s}")) as (server,):
            async with Client(server.ws()) as talk:
                await talk.session(output_modalities=["text"])
                if warm_s:
                    await until(lambda: script.of("session.update"), "nobody came")  # noqa: B023
                else:
                    assert not script.paths, script.paths
                response, _ = await turn(talk)
                assert response["status"] == "completed" and said(response).strip() == ANSWER, response
                assert len(script.paths) == 1, script.paths
            # One that nobody answers costs the conversation nothing but a line in the log.
            script.fault = "refuse"
            async with Client(server.ws()) as talk:
                await talk.session(output_modalities=["text"])
                if warm_s:
                    await until(lambda: len(script.paths) == 2, "nobody came")  # noqa: B023
                script.fault = ""
                response, _ = await turn(talk)
                assert response["status"] == "completed", response
        script.stop()


async def test_azure_form():
    script = Realtime()
    url = f"ws://127.0.0.1:{script.port}/openai/v1/realtime?deployment=mine"
    with running(edge(url, "upstream.auth=api-key")) as (server,):
        async with Client(server.ws()) as talk:
            response, _ = await turn(talk)
            assert response["status"] == "completed", response
        # What stands in nobody's place is refused, not missed.
        for path, body in (("chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]}),
                           ("audio/speech", {"model": "m", "voice": "alloy", "input": "x"})):
            request = urllib.request.Request(server.http(f"/v1/{path}"), json.dumps(body).encode(),
                                             {"Content-Type": "application/json"})
            try:
                urllib.request.urlopen(request, timeout=30 * PATIENCE)
                raise AssertionError(f"{path} was answered")
            except urllib.error.HTTPError as error:
                assert error.code >= 500, (path, error.code)
    assert script.paths == ["/openai/v1/realtime?deployment=mine"], script.paths
    assert script.headers[0].get("api-key") == SECRET and "Authorization" not in script.headers[0]
    script.stop()


async def test_a_tool():
    script = Realtime()
    script.tool = True
    tool = {"type": "function", "name": "light", "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}}}}
    with running(edge(script.url)) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(tools=[tool])
            response, _ = await turn(talk)
            call = response["output"][0]
            assert call["type"] == "function_call" and call["name"] == "light", call
            assert call["arguments"] == '{"on":true}', call
            await talk.send("conversation.item.create", item={
                "type": "function_call_output", "call_id": call["call_id"], "output": "done"})
            await talk.send("response.create")
            response = (await talk.until("response.done"))["response"]
            assert said(response).strip() == ANSWER, response
    outputs = [i for i in script.items() if i["type"] == "function_call_output"]
    assert outputs == [{"id": outputs[0]["id"], "type": "function_call_output", "call_id": "call_7", "output": "done"}]
    assert not [i for i in script.items() if i["type"] == "function_call"], "the call is there already"
    tools = [e["session"]["tools"] for e in script.of("session.update") if "tools" in e["session"]]
    assert tools[-1][0]["name"] == "light", tools
    script.stop()


async def test_beside_the_conversation():
    script = Realtime()
    with running(edge(script.url)) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(output_modalities=["text"])
            await talk.send("response.create", response={
                "conversation": "none", "instructions": "Sum up.",
                "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "aside"}]}]})
            response = (await talk.until("response.done"))["response"]
            assert said(response).strip() == ANSWER, response
    wish = script.of("response.create")[0]["response"]
    assert wish["conversation"] == "none" and wish["input"][0]["content"][0]["text"] == "aside", wish
    assert "Sum up." in wish["instructions"] and not script.items(), wish
    script.stop()


async def test_an_interruption_is_told():
    """The client stops the answer: it is cancelled upstream, and cut there to what was heard before the next one."""
    script = Realtime()
    script.long = 40  # 20 s
    with running(edge(script.url)) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(output_modalities=["audio"])
            script.fault = "drip"
            await talk.ask("Count for me.")
            await until(lambda: script.of("response.create"), "no response upstream")
            while len(talk.audio) < 24000:
                await talk.next()
            item = talk.of("response.output_item.added")[0]["item"]["id"]
            await talk.send("response.cancel")
            await talk.until("response.done")
            await talk.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=300)
            await talk.until("conversation.item.truncated")
            script.long = 1
            response, _ = await turn(talk)
            assert response["status"] == "completed", response
        assert len(script.of("response.cancel")) == 1
        cuts = script.of("conversation.item.truncate") + script.of("conversation.item.delete")
        assert len(cuts) == 1 and cuts[0]["item_id"].startswith("item_answer"), cuts
        assert cuts[0].get("audio_end_ms", 0) <= 2000, cuts
    script.stop()


async def test_every_fault():
    """Whatever goes wrong upstream: the turn ends in time, visibly, and the next one is right."""
    script = Realtime()
    speech = pcm24(jfk())[:48000]
    # Without a voice of its own the edge node cannot apologise: the failed response says it.
    with running(edge(script.url)) as (server,):
        for stage in STAGES:
            for way in WAYS:
                async with Client(server.ws()) as talk:
                    await talk.session(audio=MANUAL)
                    script.fault, script.times = f"{stage}:{way}", None
                    await spoken(talk, speech)
                    done = await talk.until("response.done", 30, allow_error=True)
                    status = done["response"]["status"]
                    if stage in ("commit", "transcript"):
                        # The client wanted an answer, and gets one without the words that nobody could write down.
                        failed = talk.of("conversation.item.input_audio_transcription.failed")
                        assert failed, (stage, way, talk.types())
                    elif stage == "create":
                        assert status == "failed", (stage, way, done)
                    else:  # sound that came before the fault is kept
                        assert status in ("failed", "incomplete"), (stage, way, done)
                    script.fault = ""
                    response, sound = await turn(talk)
                    assert response["status"] == "completed" and said(response).strip() == ANSWER, (stage, way, response)
                    assert len(sound) == len(TONE), (stage, way, len(sound))
        for fault in BEFORE:
            script.fault = fault
            async with Client(server.ws()) as talk:
                await talk.session(output_modalities=["audio"])
                if fault == "mute":
                    continue  # seen below, with a limit that can be waited for
                response, _ = await turn(talk)
                assert response["status"] == "failed", (fault, response)
                script.fault = ""
                response, _ = await turn(talk)
                assert response["status"] == "completed", (fault, response)
        await until(lambda: script.open == 0, "connections stay open")
        assert metric(server, "parley_upstream_sessions") == 0
        assert SECRET not in server.log(), "the key is in the log"
    script.stop()


async def test_mute_and_left_out():
    """One that accepts and says nothing costs a connection's time, and after some failures no time at all."""
    script = Realtime()
    script.fault = "mute"
    with running(edge(script.url, "engine.connect_ms=300", "engine.failures_max=2", "engine.open_ms=600000")) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(output_modalities=["text"])
            for _ in range(4):
                response, _ = await turn(talk)
                assert response["status"] == "failed", response
            assert len(script.paths) == 2, "it is asked although it was left out"
    script.stop()


async def test_a_lost_connection_before_the_answer_is_made_up_for():
    script = Realtime()
    with running(edge(script.url)) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(audio=MANUAL)
            await turn(talk)
            for stage in ("commit", "transcript", "create"):
                script.fault, script.times = f"{stage}:cut", 1
                await spoken(talk, pcm24(jfk())[:48000])
                response = (await talk.until("response.done"))["response"]
                assert response["status"] == "completed" and said(response).strip() == ANSWER, (stage, response)
                # The new connection was told what had been said before, by both.
                told = [e["item"] for e in script.of("conversation.item.create")
                        if e["connection"] == script.connections]
                assert [i["role"] for i in told[:2]] == ["user", "assistant"], (stage, told)
                assert told[1]["content"][0]["text"].strip() == ANSWER, told
    script.stop()


async def test_an_apology_where_there_is_a_voice():
    script = Realtime()
    script.fault = "create:error"
    with running(edge(script.url, "tts.backend=embedded")) as (server,):
        async with Client(server.ws()) as talk:
            response, sound = await turn(talk, 60)
            assert response["status"] == "failed" and loudness(sound) > 300, response
    script.stop()


async def test_another_parley():
    """Real models upstream: a spoken turn in each language, and an interruption by voice."""
    with running(Server("session.language=auto")) as (node,):
        with running(edge(node.http("/v1"), limits=WIDE)) as (server,):
            assert server.memory_kib() < node.memory_kib() / 2
            english = synthesise("What is the capital of France?", os.path.join(server.state.name, "en.wav"))
            chinese = synthesise("你好，请问你是谁？", os.path.join(server.state.name, "zh.wav"))
            for path, words in ((english, "what is the capital of france"), (chinese, "你好请问你是谁")):
                async with Client(server.ws()) as talk:
                    await talk.session(audio={"input": {"transcription": {"model": "whisper-1"}}})
                    await talk.say(pcm24(path))
                    response = (await talk.until("response.done", 120))["response"]
                    assert response["status"] == "completed" and loudness(talk.audio) > 300, response
                    heard = talk.of("conversation.item.input_audio_transcription.completed")
                    assert share_of_words(words, heard[-1]["transcript"]) >= 0.6, heard
                    if path == chinese:
                        assert re.search("[\u4e00-\u9fff]", said(response)), response
            async with Client(server.ws()) as talk:
                await talk.session(audio={"input": {"transcription": {"model": "whisper-1"}}})
                await talk.ask("Tell me a long story about the sea, in ten sentences.")
                while len(talk.audio) < 48000:
                    await talk.next()
                await talk.say(pcm24(english))
                first = (await talk.until("response.done", 120))["response"]
                assert first["status"] == "cancelled", first
                second = (await talk.until("response.done", 120))["response"]
                assert second["status"] == "completed" and said(second), second


async def test_the_upstream_is_killed_and_comes_back():
    """In mid-answer. The conversation goes on, and what was said before is known to the new one."""
    node = Server()
    port = node.port
    with running(edge(node.http("/v1"), "engine.failures_max=100", limits=WIDE)) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(output_modalities=["audio"])
            await talk.ask("My name is Anna. Tell me a long story about the sea, in ten sentences.")
            while len(talk.audio) < 48000:
                await talk.next()
            node.process.send_signal(signal.SIGKILL)
            node.process.wait()
            response = (await talk.until("response.done", 60, allow_error=True))["response"]
            # What had come is heard to the end of its last sentence.
            assert response["status"] in ("incomplete", "failed"), response
            again = Server(f"http.port={port}", wait=False)
            again.port = port
            with running(again):
                await asyncio.to_thread(again.wait_ready)
                await talk.session(output_modalities=["text"])
                response, _ = await turn_about(talk, "What is my name?")
                assert response["status"] == "completed" and "anna" in said(response).lower(), response


async def test_over_tls():
    """The certificate is looked at; behind it all is the same, a lost connection too."""
    script = Realtime(tls=True)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as ca:
        ca.write(script.pem)
        ca.flush()
        with running(edge(script.url)) as (server,):
            async with Client(server.ws()) as talk:
                await talk.session(output_modalities=["text"])
                response, _ = await turn(talk)
                assert response["status"] == "failed" and not script.paths, (response, script.paths)
        for trust in (f"engine.ca_file={ca.name}", "engine.insecure=true"):
            script.events.clear()
            with running(edge(script.url, trust)) as (server,):
                async with Client(server.ws()) as talk:
                    await talk.session(audio=MANUAL)
                    for fault in ("", *RIGHT):
                        script.fault = fault
                        response, sound = await turn(talk)
                        assert response["status"] == "completed" and said(response).strip() == ANSWER, response
                        assert len(sound) == len(TONE) and loudness(sound) > 1000, len(sound)
                    for stage in ("commit", "transcript", "create", "text", "audio"):
                        script.fault, script.times = f"{stage}:cut", 1
                        await spoken(talk, pcm24(jfk())[:48000])
                        response = (await talk.until("response.done"))["response"]
                        # What had not been handed out is made up for.
                        right = ("completed",) if stage != "audio" else ("completed", "incomplete", "failed")
                        assert response["status"] in right, (stage, response)
                    script.fault, script.times = "", None
                    response, _ = await turn(talk)
                    assert response["status"] == "completed", response
                await until(lambda: script.open == 0, "the connection stays open")
                assert SECRET not in server.log()
    script.stop()


async def test_a_call_by_webrtc():
    """Opus and RTP on this side, a WebSocket over TLS on the other: heard, interrupted by voice, cut where it was heard."""
    script = Realtime(NETWORK.client, tls=True)
    script.long = 4  # 2 s
    speech = pcm24(jfk())[:24000 * 3]
    vad = {"turn_detection": {"type": "server_vad", "silence_duration_ms": 1200}, "transcription": {"model": "whisper-1"}}
    with running(edge(script.url, "engine.insecure=true", f"rtc.address={NETWORK.server}", network=NETWORK)) as (server,):
        async with AiortcCaller(server) as caller:
            await caller.dial({"audio": {"input": vad}})
            began = time.monotonic()
            await caller.say(speech)
            response = (await caller.until("response.done"))["response"]
            assert response["status"] == "completed" and said(response).strip() == ANSWER, response
            await caller.until("output_audio_buffer.stopped")
            loud = sum(level > 500 for _, level in caller.levels(began))
            assert 0.7 * 100 <= loud <= 1.3 * 100, loud  # packets of 20 ms
            await caller.wait(lambda: script.of("input_audio_buffer.commit"), 10, "a commit upstream")
            sent = sum(len(base64.b64decode(e["audio"])) for e in script.of("input_audio_buffer.append"))
            assert sent >= 48000, sent
            # An answer of 20 s is interrupted by voice.
            script.long = 40
            await caller.ask("Count for me.")
            await caller.until("output_audio_buffer.started")
            script.long = 1
            await caller.say(speech)
            first = (await caller.until("response.done"))["response"]
            second = (await caller.until("response.done"))["response"]
            states = {first["status"], second["status"]}
            assert first["id"] != second["id"] and "completed" in states, (first, second)
            await caller.until("output_audio_buffer.stopped")
            cuts = script.of("conversation.item.truncate")
            assert len(cuts) == 1 and 0 <= cuts[0]["audio_end_ms"] < 15000, (cuts, caller.types()[-40:])
            assert caller.of("output_audio_buffer.cleared"), caller.types()[-40:]
            await caller.hang_up()
        await until(lambda: script.open == 0, "the connection stays open")
        assert SECRET not in server.log()
    script.stop()


async def turn_about(talk, text):
    await talk.ask(text)
    done = await talk.until("response.done", 120, allow_error=True)
    return done["response"], b""


if __name__ == "__main__":
    raise SystemExit(run([
        test_turns_in_text_and_speech, test_over_tls, test_a_call_by_webrtc, test_azure_form, test_the_connection_is_made_when_the_conversation_begins, test_a_tool, test_beside_the_conversation,
        test_an_interruption_is_told, test_every_fault, test_mute_and_left_out,
        test_a_lost_connection_before_the_answer_is_made_up_for, test_an_apology_where_there_is_a_voice,
        test_another_parley, test_the_upstream_is_killed_and_comes_back]))
