"""Engines elsewhere: a server without models whose engines answer by script and badly, fallback and breakers, another
parley as the engine node in both languages, and the official SDK against our own endpoints."""
import array
import asyncio
import contextlib
import json
import os
import re
import tempfile
import time
import urllib.request

import openai
from harness import PATIENCE, Client, Server, jfk, loudness, pcm24, run, share_of_words, synthesise
from scripted_openai import ANSWER, FAULTS, RIGHT, SECRET, TONE, TRANSCRIPT, Scripted, decode, wav
from scripted_ws import FAULTS as WS_FAULTS
from scripted_ws import RIGHT as WS_RIGHT
from scripted_ws import ScriptedSocket

KINDS = ("stt", "llm", "tts")
LIMITS = ("engine.connect_ms=20000", "engine.first_byte_ms=1500", "engine.gap_ms=1500")


def far(server_url, *kinds):
    return [setting for kind in kinds for setting in
            (f"{kind}.backend=openai", f"{kind}.url={server_url}", f"{kind}.api_key_env=SCRIPTED_KEY")]


def edge(*settings, wait=True):
    """A server that thinks elsewhere. The key comes from the environment."""
    return Server(*LIMITS, "session.language=en", *settings, env={"SCRIPTED_KEY": SECRET}, wait=wait)


@contextlib.contextmanager
def running(*servers):
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()


def metric(server, name, **labels):
    with urllib.request.urlopen(server.http("/metrics"), timeout=30 * PATIENCE) as answer:
        text = answer.read().decode()
    total = 0.0
    for line in text.splitlines():
        if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    assert SECRET not in text
    return total


async def settled(server, limit_s=30):
    """Nothing is under way any more."""
    end = time.monotonic() + limit_s * PATIENCE
    while metric(server, "parley_engine_in_flight") > 0:
        assert time.monotonic() < end, "requests that never end"
        await asyncio.sleep(0.2)


async def turn(talk, limit_s=30):
    """A typed question and its answer; returns the response, and how much sound came with it."""
    before = len(talk.audio)
    await talk.ask("Count for me.")
    done = await talk.until("response.done", limit_s, allow_error=True)
    return done["response"], bytes(talk.audio[before:])


async def spoken_turn(talk, samples):
    """The same with recorded speech that is committed by hand."""
    data = array.array("h", samples).tobytes()
    import base64
    for i in range(0, len(data), 48000):
        await talk.send("input_audio_buffer.append", audio=base64.b64encode(data[i:i + 48000]).decode())
    await talk.send("input_audio_buffer.commit")
    await talk.send("response.create")


def said(response):
    return " ".join(part.get("transcript") or part.get("text") or "" for item in response["output"]
                    for part in item.get("content", []))


async def test_conversation_without_any_model():
    script = Scripted()
    with running(edge(*far(script.url, *KINDS), "tts.instructions=Be merry.")) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(audio={"input": {"turn_detection": None,
                                                "transcription": {"model": "whisper-1"}}})
            response, sound = await turn(talk)
            assert response["status"] == "completed", response
            assert share_of_words(ANSWER, said(response)) == 1 and "secret" not in said(response), response
            assert len(sound) >= len(TONE) and loudness(sound) > 1000
            assert response["usage"]["output_tokens"] >= 6, response["usage"]
            await spoken_turn(talk, pcm24(jfk())[:48000])
            await talk.until("response.done")
            heard = talk.of("conversation.item.input_audio_transcription.completed")
            assert heard and heard[-1]["transcript"] == TRANSCRIPT, talk.types()
        assert script.keys == {f"bearer {SECRET}"}, script.keys
        assert b"Be merry." in script.bodies["tts"] and TRANSCRIPT.encode() in script.bodies["llm"]
        await settled(server)
        assert SECRET not in server.log()
    script.stop()


async def test_key_and_language_of_one_engine_as_yaml():
    script = Scripted()
    with tempfile.TemporaryDirectory() as place:
        key, conf = os.path.join(place, "key"), os.path.join(place, "parley.yaml")
        with open(key, "w") as file:
            file.write(SECRET + "\n")
        with open(conf, "w") as file:
            file.write("\n".join(f"{kind}: [{{backend: openai, url: '{script.url}', model: m-{kind}, api_key_file: {key}{more}}}]"
                                 for kind, more in (("stt", ", language: de"), ("llm", ""), ("tts", ", voice: nova-of-theirs"))))
        with running(Server(*LIMITS, "session.language=en", config=conf)) as (server,):
            async with Client(server.ws()) as talk:
                await talk.session(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
                await spoken_turn(talk, pcm24(jfk())[:48000])
                response = (await talk.until("response.done"))["response"]
                assert response["status"] == "completed" and loudness(talk.audio) > 1000, response
            await settled(server)
            assert SECRET not in server.log()
    assert script.keys == {f"bearer {SECRET}"}, script.keys
    assert b'name="language"\r\n\r\nde\r\n' in script.bodies["stt"] and b"m-stt" in script.bodies["stt"], script.bodies["stt"][:600]
    assert json.loads(script.bodies["llm"])["model"] == "m-llm" and json.loads(script.bodies["tts"])["voice"] == "nova-of-theirs"
    script.stop()


async def waited(condition, what, limit_s=30):
    end = time.monotonic() + limit_s * PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


async def test_connections_are_opened_when_a_conversation_begins():
    for warm_s in (1, 0):
        script = Scripted(tls=True)
        # Without phrases, whose making opens a connection as well.
        with running(edge(*far(script.url, *KINDS), "engine.insecure=true", f"engine.warm_s={warm_s}",
                          "tts.phrases_kib=0")) as (server,):
            # Those of the start are gone, as they are on a quiet morning.
            await waited(lambda: script.answered >= 3, "no probe at the start")  # noqa: B023
            await settled(server)
            script.hang_up()
            asked = script.answered
            await asyncio.sleep(1.1)  # longer than engine.warm_s: what is tested is an engine that was silent for so long
            async with Client(server.ws()) as talk:
                await talk.session(audio={"input": {"turn_detection": None}})
                if warm_s:
                    await waited(lambda: script.answered >= asked + 3, "nothing was opened")  # noqa: B023
                    await settled(server)  # at the latest now the server has read what came
                before = script.accepted
                response, sound = await turn(talk)
                assert response["status"] == "completed" and loudness(sound) > 1000, response
                opened = script.accepted - before
                # The tickets of the connections before were kept.
                assert script.resumed >= 1, (script.resumed, script.accepted)
                assert opened == 0 if warm_s else opened > 0, (warm_s, opened)
            assert (metric(server, "parley_engine_warmed_total") >= 3) == (warm_s > 0)
            assert SECRET not in server.log()
        script.stop()


def tokens_by_rule(messages):
    """As src/llm/estimate.h says."""
    return sum(4 + -(-sum(1 if ord(c) < 128 else 3 if "\u3400" <= c <= "\u9fff" else 2 for c in m["content"]) // 4)
               for m in messages)


async def test_prompts_keep_to_their_tokens_and_to_their_beginning():
    script, prompts, wordy = Scripted(), [], 1

    def count(body):
        prompts.append(json.loads(body)["messages"])
        return int(tokens_by_rule(prompts[-1]) * wordy)
    script.count = count
    with running(edge(*far(script.url, "llm", "tts"), "stt.backend=openai", f"stt.url={script.url}", "llm.prompt_tokens=700",
                      "session.history_bytes=1048576", "session.instructions=Be brief.")) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(output_modalities=["text"], audio={"input": {"turn_detection": None}})
            for i in range(30):
                wordy = 1 if i < 20 else 2  # from then on each of its tokens counts as two
                await talk.ask(f"Question {i}: " + ("how much is the fish today? " if i % 2 else "今天的鱼多少钱一斤呢？") * 5)
                response = (await talk.until("response.done"))["response"]
                assert response["usage"]["input_tokens"] == int(tokens_by_rule(prompts[-1]) * wordy), response["usage"]
    script.stop()
    assert len(prompts) == 30 and all(f"Question {i}:" in p[-1]["content"] for i, p in enumerate(prompts))
    sizes = [tokens_by_rule(p) for p in prompts]
    assert all(size <= 700 for size in sizes) and all(size <= 350 for size in sizes[21:]), sizes
    assert max(sizes[:20]) > 500, sizes
    moved = sum(later[:len(earlier)] != earlier for earlier, later in zip(prompts, prompts[1:], strict=False))
    assert 2 <= moved <= 10, (moved, sizes)


async def test_images_in_a_conversation():
    url = "data:image/png;base64," + "iVBORw0KGgo=" * 1000
    look = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is this?"},
                                                           {"type": "input_image", "image_url": url, "detail": "low"}]}
    for sees in (True, False):
        script = Scripted()
        with running(edge(*far(script.url, *KINDS), f"llm.images={str(sees).lower()}")) as (server,):
            async with Client(server.ws()) as talk:
                await talk.session(output_modalities=["text"], audio={"input": {"turn_detection": None}})
                await talk.send("conversation.item.create", item=look)
                if not sees:
                    error = (await talk.until("error"))["error"]
                    assert error["code"] == "unsupported_content_type" and "sees no images" in error["message"], error
                    continue
                item = (await talk.until("conversation.item.added"))["item"]
                assert [part["type"] for part in item["content"]] == ["input_text", "input_image"], item
                await talk.send("response.create")
                response = (await talk.until("response.done"))["response"]
                assert response["status"] == "completed", response
                asked = json.loads(script.bodies["llm"])["messages"][-1]
                assert asked["role"] == "user" and asked["content"] == [
                    {"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}], asked
                # It stays in the conversation; beside it, in input.
                await turn(talk)
                asked = json.loads(script.bodies["llm"])["messages"]
                assert [m for m in asked if isinstance(m["content"], list)], asked
                await talk.send("response.create", response={"conversation": "none", "input": [look]})
                await talk.until("response.done")
                asked = json.loads(script.bodies["llm"])["messages"]
                assert len([m for m in asked if isinstance(m["content"], list)]) == 1 and len(asked) <= 2, asked
                # What is no image of the user's.
                for bad in ({"role": "assistant", "content": [{"type": "input_image", "image_url": url}]},
                            {"role": "user", "content": [{"type": "input_image", "image_url": "https://example.org/a.png"}]},
                            {"role": "user", "content": [{"type": "input_image", "image_url": url}] * 9},
                            {"role": "user", "content": [{"type": "input_image"}]}):
                    await talk.send("conversation.item.create", item={"type": "message", **bad})
                    error = (await talk.until("error"))["error"]
                    assert error["code"] == "invalid_value", error
        script.stop()


def plain_metric(server, name):
    with urllib.request.urlopen(server.http("/metrics"), timeout=30 * PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.rsplit(" ", 1)[0] == name), None)


def speak(server, style):
    return sdk(server).audio.speech.create(model="tts-1", voice="alloy", input="Good morning.", response_format="pcm",
                                           **({"instructions": style} if style else {})).read()


async def test_style_of_a_conversation():
    script = Scripted()
    with running(edge(*far(script.url, *KINDS), "tts.instructions=Be merry.", "tts.voice=nova-of-theirs")) as (server,):
        async with Client(server.ws()) as talk:
            for style, expected in ((None, "Be merry."), ("Whisper, 慢一点。", "Whisper, 慢一点。"), ("", "Be merry.")):
                own = {} if style is None else {"parley": {"voice_instructions": style}}
                await talk.session(audio={"input": {"turn_detection": None}}, **own)
                response, sound = await turn(talk)
                assert response["status"] == "completed" and loudness(sound) > 1000, response
                asked = json.loads(script.bodies["tts"])
                assert asked["instructions"] == expected and asked["voice"] == "nova-of-theirs", asked
            await talk.send("session.update", session={"type": "realtime", "parley": {"voice_instructions": "x" * 512}})
            await talk.until("error")
        for style, expected in (("Sing, 快一点。", "Sing, 快一点。"), (None, "Be merry.")):
            sound = await asyncio.to_thread(speak, server, style)
            asked = json.loads(script.bodies["tts"])
            assert asked["instructions"] == expected and loudness(sound) > 1000, asked
    script.stop()


async def test_an_apology_sounds_though_the_voice_hangs():
    for kept in (True, False):
        script = Scripted()
        with running(edge(*far(script.url, *KINDS), f"tts.phrases_kib={4096 if kept else 0}")) as (server,):
            async with Client(server.ws()) as talk:
                await talk.session(audio={"input": {"turn_detection": None}})
                if kept:  # made once, when a conversation begins
                    await waited(lambda: plain_metric(server, "parley_phrases") == 1, "no phrase")  # noqa: B023
                await settled(server)
                asked = script.asked["tts"]
                script.fault = {"llm": "500", "tts": "hang"}
                for _ in range(2):
                    response, sound = await turn(talk)
                    assert response["status"] == "failed", response
                    assert (loudness(sound) > 1000 and len(sound) >= len(TONE)) == kept, (kept, len(sound))
                assert (script.asked["tts"] == asked) == kept, (kept, asked, script.asked)
                script.fault = {}
                response, sound = await turn(talk)
                assert response["status"] == "completed" and loudness(sound) > 1000, response
            if kept:
                assert plain_metric(server, 'parley_phrases_total{result="hit"}') == 2
                assert plain_metric(server, "parley_phrases_bytes") >= len(TONE)
        script.stop()


async def test_answers_are_given_again_to_whom_they_were_given():
    script = Scripted()
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:  # mode 0600
        keys.write("key-of-b\n")
        keys.flush()
        with running(Server(*LIMITS, *far(script.url, *KINDS), "llm.cache_answers=true", "llm.temperature=0",
                            f"api.key_file={keys.name}", "session.language=en",
                            env={"SCRIPTED_KEY": SECRET, "PARLEY_API_KEY": "key-of-a"})) as (server,):
            def ask(key, **members):
                asked = script.asked["llm"]
                client = openai.OpenAI(base_url=server.http("/v1"), api_key=key, max_retries=0)
                done = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Count."}],
                                                      **{"temperature": 0, **members})
                if members.get("stream"):
                    pieces = list(done)
                    text = "".join(p.choices[0].delta.content or "" for p in pieces if p.choices)
                    assert pieces[-1].usage.completion_tokens == 6, pieces[-1]
                else:
                    text = done.choices[0].message.content
                    assert done.usage.prompt_tokens == 7 and done.choices[0].finish_reason == "stop", done
                assert text.split() == ANSWER.split(), text
                return script.asked["llm"] == asked  # nobody was asked
            tool = {"type": "function", "function": {"name": "light", "parameters": {"type": "object", "properties": {}}}}
            again = await asyncio.to_thread(lambda: [
                ask("key-of-a"), ask("key-of-a"), ask("key-of-a", stream=True, stream_options={"include_usage": True}),
                ask("key-of-b"), ask("key-of-b"), ask("key-of-a", temperature=0.7), ask("key-of-a", temperature=0.7),
                ask("key-of-a", tools=[tool]), ask("key-of-a", tools=[tool])])
            assert again == [False, True, True, False, True, False, False, False, False], again
            # Conversations of one key with the same words; the store is the same.
            for key, kept in (("key-of-a", False), ("key-of-a", True), ("key-of-b", False)):
                async with Client(server.ws(), additional_headers={"Authorization": f"Bearer {key}"}) as talk:
                    await talk.session(output_modalities=["text"], audio={"input": {"turn_detection": None}})
                    asked = script.asked["llm"]
                    response, _ = await turn(talk)
                    assert response["status"] == "completed" and said(response).split() == ANSWER.split(), response
                    assert response["usage"]["output_tokens"] == 6, response["usage"]
                    assert (script.asked["llm"] == asked) == kept, (key, kept)
    script.stop()


async def faults_of(kind, *settings, events=False):
    """Each fault in turn: the conversation goes on after it, in time, and nothing is left behind."""
    script = Scripted()
    script.events = events
    with running(edge(*far(script.url, *KINDS), "engine.failures_max=100", *settings)) as (server,):
        async with Client(server.ws(), check=False) as talk:
            await talk.session(audio={"input": {"turn_detection": None}})
            await turn(talk)
            files = server.threads_and_files()[1]
            for fault in FAULTS:
                script.fault = {kind: fault}
                if kind == "stt":
                    await spoken_turn(talk, pcm24(jfk())[:48000])
                    response = (await talk.until("response.done", allow_error=True))["response"]
                    sound = None
                else:
                    response, sound = await turn(talk)
                if fault in RIGHT:
                    assert response["status"] == "completed", (fault, response)
                elif kind == "llm":  # an apology, or what there was of the answer
                    assert loudness(sound) > 1000, (fault, response)
                script.fault = {}
                response, sound = await turn(talk)
                assert response["status"] == "completed" and loudness(sound) > 1000, (fault, response)
            await settled(server)
        # The pool may keep some connections; a fault leaves none.
        assert server.threads_and_files()[1] <= files + 8, (files, server.threads_and_files())
        assert metric(server, "parley_engine_failures_total", kind=kind) >= len(FAULTS) - len(RIGHT) - 1
        assert SECRET not in server.log()
    script.stop()


async def test_every_fault_of_a_model():
    await faults_of("llm")


async def test_every_fault_of_a_voice():
    await faults_of("tts")


async def test_every_fault_of_a_voice_in_opus():
    await faults_of("tts", "tts.format=opus")


async def test_every_fault_of_a_voice_over_a_websocket():
    script, voice = Scripted(), ScriptedSocket()
    settings = ("tts.backend=ws", f"tts.url={voice.url}", "tts.api_key_env=SCRIPTED_KEY", "tts.instructions=Be merry.",
                "tts.phrases_kib=0")  # else it says those first
    with running(edge(*far(script.url, "stt", "llm"), *settings, "engine.failures_max=100")) as (server,):
        async with Client(server.ws(), check=False) as talk:
            await talk.session(audio={"input": {"turn_detection": None}, "output": {"voice": "marin"}})
            response, sound = await turn(talk)
            assert response["status"] == "completed" and len(sound) == 2 * len(TONE), (response, len(sound))
            assert voice.opened == 1 and voice.said[0] == {"type": "set_voice", "voice": "marin"}, voice.said
            assert voice.said[1]["text"].startswith("One two") and voice.said[1]["instructions"] == "Be merry.", voice.said
            for fault in WS_FAULTS:
                voice.fault = fault
                response, sound = await turn(talk)
                if fault in WS_RIGHT:
                    assert response["status"] == "completed" and len(sound) == 2 * len(TONE), (fault, response)
                voice.fault = ""
                response, sound = await turn(talk)
                assert response["status"] == "completed" and len(sound) == 2 * len(TONE), (fault, response)
            await settled(server)
        assert voice.keys == {f"Bearer {SECRET}"} and SECRET not in server.log()
        assert metric(server, "parley_engine_failures_total", kind="tts") >= len(WS_FAULTS) - len(WS_RIGHT) - 1
    script.stop()
    voice.stop()


async def recogniser_over_a_websocket(backend, path, faults):
    script, ear = Scripted(), ScriptedSocket()
    ear.vllm = backend == "vllm"
    settings = (f"stt.backend={backend}", f"stt.url={ear.url}", "stt.api_key_env=SCRIPTED_KEY", "stt.model=some-ear")
    with running(edge(*far(script.url, "tts", "llm"), *settings, "engine.failures_max=100")) as (server,):
        async with Client(server.ws(), check=False) as talk:
            await talk.session(parley={"partials": True}, audio={"input": {"transcription": {"model": "whisper-1"}}})

            def heard():
                return [event["transcript"] for event in talk.of("conversation.item.input_audio_transcription.completed")]
            # Spoken in real time: words on the way, and one text at the end.
            await talk.say(pcm24(jfk())[:72000])
            response = (await talk.until("response.done", 60))["response"]
            assert response["status"] == "completed" and heard()[-1].startswith(TRANSCRIPT), (response, heard())
            words = [event["text"] for event in talk.of("parley.transcript.partial")]
            assert any(TRANSCRIPT.startswith(text) for text in words if text), words
            assert ear.path == "/v1" + path and ear.heard >= 10, (ear.path, ear.heard)
            assert ear.keys == {f"Bearer {SECRET}"}
            await talk.session(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
            for fault in faults:
                ear.fault = fault
                await spoken_turn(talk, pcm24(jfk())[:24000])
                await talk.until("response.done", 60, allow_error=True)
                ear.fault = ""
                await spoken_turn(talk, pcm24(jfk())[:24000])
                response = (await talk.until("response.done", 60, allow_error=True))["response"]
                assert response["status"] == "completed" and heard()[-1] == TRANSCRIPT, (fault, response, heard())
        await settled(server)
        assert SECRET not in server.log()
        assert metric(server, "parley_engine_failures_total", kind="stt") >= len(set(faults) - set(WS_RIGHT)) - 1
    script.stop()
    ear.stop()


async def test_every_fault_of_a_plain_recogniser_over_a_websocket():
    await recogniser_over_a_websocket("ws", "", WS_FAULTS)


async def test_faults_of_a_realtime_recogniser():
    await recogniser_over_a_websocket("realtime", "/realtime?intent=transcription", ("cut", "error", "garble"))


async def test_faults_of_a_vllm_recogniser():
    await recogniser_over_a_websocket("vllm", "/realtime", ("cut", "error"))


async def test_sound_in_every_form():
    script = Scripted()
    for form in ("wav", "opus"):
        with running(edge(*far(script.url, *KINDS), f"tts.format={form}")) as (server,):
            async with Client(server.ws()) as talk:
                await talk.session(audio={"input": {"turn_detection": None}})
                response, sound = await turn(talk)
                assert response["status"] == "completed", response
                # Two clauses, each to the sample.
                assert len(sound) == 2 * len(TONE) and loudness(sound) > 1000, len(sound)
            assert f'"response_format":"{form}"'.encode() in script.bodies["tts"], script.bodies["tts"]
    script.stop()


async def test_every_fault_of_a_recogniser():
    await faults_of("stt")


async def test_every_fault_of_a_recogniser_that_streams():
    await faults_of("stt", events=True)


async def test_images_and_stop_texts_reach_a_model_elsewhere():
    script = Scripted()
    image = "data:image/png;base64,iVBORw0KGgo="

    def ask(client, url):
        content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
        return client.chat.completions.create(model="parley", messages=[{"role": "user", "content": content}], stop=["END"])
    with running(edge(*far(script.url, *KINDS))) as (server,):
        client = sdk(server)
        answer = await asyncio.to_thread(ask, client, image)
        assert share_of_words(ANSWER, answer.choices[0].message.content) == 1, answer
        body = json.loads(script.bodies["llm"])
        assert body["messages"][-1]["content"] == [{"type": "text", "text": "What is this?"},
                                                   {"type": "image_url", "image_url": {"url": image}}], body
        assert body["stop"] == ["END"], body
        try:
            await asyncio.to_thread(ask, client, "https://example.org/a.png")
            raise AssertionError("not refused")
        except openai.BadRequestError:
            pass
        await settled(server)
    script.stop()


async def test_falls_back_within_the_answer_and_returns():
    bad, good = Scripted(), Scripted()
    settings = [setting.replace(f"{kind}.", f"{kind}.fallback.", 1) for kind in KINDS for setting in far(good.url, kind)]
    with running(edge(*far(bad.url, *KINDS), *settings, "engine.failures_max=2", "engine.open_ms=100")) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
            bad.fault = {"llm": "500", "tts": "500", "stt": "500", "models": "500"}
            for _ in range(3):
                response, sound = await turn(talk)
                assert response["status"] == "completed" and loudness(sound) > 1000, response
            await spoken_turn(talk, pcm24(jfk())[:48000])
            await talk.until("response.done")
            assert talk.of("conversation.item.input_audio_transcription.completed")[-1]["transcript"] == TRANSCRIPT
            # Left out after two failures, so the third answer did not ask it.
            assert bad.asked["llm"] == 2 and good.asked["llm"] >= 3, (bad.asked, good.asked)
            assert metric(server, "parley_engine_breaker_open", kind="llm") > 0
            # It is probed, and comes back.
            bad.fault = {}
            before = bad.asked["llm"]
            end = time.monotonic() + 60 * PATIENCE
            while bad.asked["llm"] == before:
                assert time.monotonic() < end, "the first engine is never asked again"
                response, _ = await turn(talk)
                assert response["status"] == "completed", response
        await settled(server)
    bad.stop()
    good.stop()


async def test_one_engine_has_limits_of_its_own():
    slow, good = Scripted(), Scripted()
    slow.fault = {kind: "hang" for kind in KINDS}
    settings = [setting.replace(f"{kind}.", f"{kind}.fallback.", 1) for kind in KINDS for setting in far(good.url, kind)]
    with running(edge(*far(slow.url, *KINDS), *settings, *(f"{kind}.first_byte_ms=500" for kind in KINDS),
                      "engine.first_byte_ms=600000", "turn.engine_first_byte_ms=60000")) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
            response, sound = await turn(talk)
            assert response["status"] == "completed" and loudness(sound) > 1000, response
            await spoken_turn(talk, pcm24(jfk())[:48000])
            await talk.until("response.done")
            assert talk.of("conversation.item.input_audio_transcription.completed")[-1]["transcript"] == TRANSCRIPT
        await settled(server)
        assert metric(server, "parley_engine_failures_total", failure="first_byte") >= 3
    slow.stop()
    good.stop()


async def test_work_is_shared_and_a_dead_address_is_no_matter():
    one, two = Scripted(), Scripted()
    one.fault = two.fault = {"llm": "delay"}
    url = f"{one.url},{two.url},http://127.0.0.1:9/v1"
    with running(edge(*far(one.url, "stt", "tts"), *far(url, "llm"))) as (server,):
        async def one_talk():
            async with Client(server.ws()) as talk:
                await talk.session(output_modalities=["text"])
                for _ in range(3):
                    response, _ = await turn(talk)
                    assert response["status"] == "completed", response
        await asyncio.gather(*(one_talk() for _ in range(4)))
        assert one.asked["llm"] >= 2 and two.asked["llm"] >= 2, (one.asked, two.asked)
        await settled(server)
    one.stop()
    two.stop()


class Voice(ScriptedSocket):
    """As `Scripted`, over a WebSocket: what hedged() wants to know of a voice."""

    @property
    def asked(self):
        return {"tts": sum(event["type"] == "synthesize" for event in self.said)}


def go_wrong(script, kind, fault):
    script.fault = fault if isinstance(script, Voice) else {kind: fault}


async def hedged(kind, socket=False):
    """One of two addresses hangs, and the other is asked long before any limit."""
    others = Scripted()
    one, two = (Voice(), Voice()) if socket else (Scripted(), Scripted())
    go_wrong(two, kind, "delay")  # so that the first is asked as long as it is well
    settings = [*far(others.url, *(other for other in KINDS if other != kind)), *far(f"{one.url},{two.url}", kind),
                *(("tts.backend=ws", "tts.phrases_kib=0") if socket else ()),
                f"{kind}.hedge=95", "engine.hedge_share=100", "engine.first_byte_ms=600000", "stt.partials=false"]
    with running(edge(*settings)) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(output_modalities=["audio" if kind == "tts" else "text"],
                               audio={"input": {"turn_detection": None}})

            async def ask():
                if kind == "stt":
                    await spoken_turn(talk, pcm24(jfk())[:24000])
                    return (await talk.until("response.done"))["response"]
                return (await turn(talk))[0]

            for _ in range(80):  # it must be known what is slow
                if one.asked[kind] >= 24:
                    break
                assert (await ask())["status"] == "completed"
            assert one.asked[kind] >= 24, (one.asked, two.asked)
            go_wrong(one, kind, "hang")
            before, sooner = one.asked[kind], two.asked[kind]
            for _ in range(3):
                response = await ask()
                assert response["status"] == "completed", response
            assert one.asked[kind] > before and two.asked[kind] > sooner, (one.asked, two.asked)
            await settled(server)
            assert metric(server, "parley_engine_hedges_won_total", kind=kind) >= 1
            assert metric(server, "parley_engine_breaker_open") == 0
            assert metric(server, "parley_engine_failures_total") == 0
    for script in (one, two, others):
        script.stop()


async def test_second_request_to_a_slow_voice_over_a_websocket():
    await hedged("tts", socket=True)


async def test_a_recogniser_over_a_websocket_is_not_asked_twice():
    for backend in ("ws", "realtime", "vllm"):
        server = edge(f"stt.backend={backend}", "stt.url=ws://127.0.0.1:9/v1", "stt.hedge=95", "eot.enabled=false",
                      "llm.backend=none", "tts.backend=none", wait=False)
        await asyncio.to_thread(server.process.wait, 60 * PATIENCE)
        assert server.process.returncode not in (0, None) and "stt.hedge: a recogniser over a WebSocket" in server.log(), server.log()


async def test_second_request_to_a_slow_model():
    await hedged("llm")


async def test_second_request_to_a_slow_voice():
    await hedged("tts")


async def test_second_request_to_a_slow_recogniser():
    await hedged("stt")


async def test_cancel_ends_the_request():
    script = Scripted()
    with running(edge(*far(script.url, *KINDS), "engine.first_byte_ms=600000")) as (server,):
        async with Client(server.ws()) as talk:
            await talk.session(output_modalities=["text"])
            await turn(talk)
            script.fault = {"llm": "hang"}
            asked = script.asked["llm"]
            await talk.ask("Count for me.")
            end = time.monotonic() + 30 * PATIENCE
            while script.asked["llm"] == asked:
                assert time.monotonic() < end
                await asyncio.sleep(0.05)
            await talk.send("response.cancel")
            response = (await talk.until("response.done"))["response"]
            assert response["status"] == "cancelled", response
            await settled(server)
            assert metric(server, "parley_engine_canceled_total", kind="llm") >= 1
    script.stop()


def sdk(server):
    return openai.OpenAI(base_url=server.http("/v1"), api_key="unused", timeout=120 * PATIENCE, max_retries=0)


def check_chat(client):
    asked = [{"role": "system", "content": "Answer in one short sentence."},
             {"role": "user", "content": "What is the capital of France?"}]
    whole = client.chat.completions.create(model="parley", messages=asked, max_tokens=40)
    assert "paris" in whole.choices[0].message.content.lower(), whole
    assert whole.choices[0].finish_reason == "stop" and whole.usage.completion_tokens > 0, whole
    text, reason, usage = "", None, None
    for chunk in client.chat.completions.create(model="parley", messages=asked, max_tokens=40, stream=True,
                                                stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
    assert "paris" in text.lower() and reason == "stop" and usage.prompt_tokens > 0, (text, reason, usage)
    cut = client.chat.completions.create(model="parley", messages=asked, max_tokens=1)
    assert cut.choices[0].finish_reason == "length", cut
    counted = [{"role": "user", "content": "Count from one to six in words, with blanks between: one two three four five six"}]
    for stream in (False, True):
        answer = client.chat.completions.create(model="parley", messages=counted, max_tokens=60, temperature=0, stream=stream,
                                                stop=["hree", " fo"])
        parts = answer if stream else [answer]
        text = "".join((choice.delta if stream else choice.message).content or "" for part in parts for choice in part.choices)
        assert "two" in text.lower() and "hree" not in text and "four" not in text, text
    tool = {"type": "function", "function": {"name": "light", "description": "Switches a light on or off", "parameters": {
        "type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}}}
    for stream in (False, True):
        answer = client.chat.completions.create(model="parley", tools=[tool], tool_choice="required", stream=stream,
                                                messages=[{"role": "user", "content": "Light on!"}])
        if stream:
            names = [call.function.name for chunk in answer for choice in chunk.choices
                     for call in choice.delta.tool_calls or [] if call.function.name]
        else:
            names = [call.function.name for call in answer.choices[0].message.tool_calls]
            assert answer.choices[0].finish_reason == "tool_calls"
        assert names == ["light"], names


def check_speech(client):
    said_text = "The weather is fine today."
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input=said_text,
                                                            response_format="wav") as answer:
        sound = answer.read()
    heard = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound), language="en")
    assert share_of_words(said_text, heard.text) >= 0.8, heard
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input=said_text,
                                                            response_format="pcm", speed=1.4) as answer:
        assert 0 < len(answer.read()) < len(sound)
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input=said_text,
                                                            response_format="opus") as answer:
        small = answer.read()
    pcm = decode(small)
    assert len(small) < len(sound) / 5 and abs(len(pcm) - len(sound)) < 9600 and loudness(pcm) > 300, (len(small), len(pcm))
    events = list(client.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound), language="en", stream=True))
    assert events[-1].language == "en", events
    assert events[-1].type == "transcript.text.done" and share_of_words(said_text, events[-1].text) >= 0.8, events


def check_long_transcription(client):
    """Half a minute: its first piece is told before the rest is done."""
    recording = wav(pcm24(jfk()).tobytes() * 3)
    events = list(client.audio.transcriptions.create(model="whisper-1", file=("a.wav", recording), language="en", stream=True))
    deltas = [event.delta for event in events[:-1]]
    assert len(deltas) >= 2 and "".join(deltas) == events[-1].text, events
    assert events[-1].text.lower().count("fellow americans") >= 2, events[-1]


def check_refusals(client):
    def refused(call, status=400):
        try:
            call()
        except openai.APIStatusError as error:
            assert error.status_code == status, error
            return
        raise AssertionError("not refused")
    user = [{"role": "user", "content": "x"}]
    create = client.chat.completions.create
    refused(lambda: create(model="parley", messages=[]))
    refused(lambda: create(model="parley", messages=[{"role": "pirate", "content": "x"}]))
    refused(lambda: create(model="parley", messages=user, stop=["a", "b", "c", "d", "e"]))
    refused(lambda: create(model="parley", messages=user, n=2))
    refused(lambda: create(model="parley", messages=[{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]))
    refused(lambda: client.audio.speech.create(model="tts-1", voice="nobody", input="x", response_format="wav"))
    refused(lambda: client.audio.speech.create(model="tts-1", voice="alloy", input="x", response_format="mp3"))
    refused(lambda: client.audio.speech.create(model="tts-1", voice="alloy", input="", response_format="pcm"))
    refused(lambda: client.models.retrieve("gpt-none"), 404)
    refused(lambda: client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFFnothing")))


async def test_our_endpoints_and_a_node_that_uses_them():
    """The engine node has the real models; the edge node has none and reaches them by URL."""
    wide = ("engine.first_byte_ms=600000", "engine.gap_ms=600000", "session.language=auto")
    with running(Server()) as (node,):
        client = sdk(node)
        models = {model.id: model for model in client.models.list()}
        assert {"parley", "whisper", "kokoro"} <= set(models) and any(name.startswith("qwen") for name in models), models
        assert all(model.object == "model" and model.created > 1e9 and model.owned_by == "parley" for model in models.values())
        assert client.models.retrieve("kokoro").kind == "tts" and client.models.retrieve("parley").kind == "realtime"
        await asyncio.to_thread(check_chat, client)
        await asyncio.to_thread(check_speech, client)
        await asyncio.to_thread(check_long_transcription, client)
        await asyncio.to_thread(check_refusals, client)
        with running(edge(*far(node.http("/v1"), *KINDS), *wide)) as (server,):
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
            await settled(server)
            assert metric(server, "parley_engine_failures_total") == 0
        # The same node's Realtime endpoint as a recogniser that listens while one speaks.
        listens = ("stt.backend=realtime", f"stt.url={node.ws().split('/realtime')[0]}", "stt.api_key_env=SCRIPTED_KEY")
        with running(edge(*far(node.http("/v1"), "llm", "tts"), *listens, *wide)) as (server,):
            english = synthesise("What is the capital of France?", os.path.join(server.state.name, "en.wav"))
            async with Client(server.ws()) as talk:
                await talk.session(audio={"input": {"transcription": {"model": "whisper-1"}}})
                await talk.say(pcm24(english))
                response = (await talk.until("response.done", 120))["response"]
                assert response["status"] == "completed" and loudness(talk.audio) > 300, response
                heard = talk.of("conversation.item.input_audio_transcription.completed")
                assert share_of_words("what is the capital of france", heard[-1]["transcript"]) >= 0.6, heard
            await settled(server)
            assert metric(server, "parley_engine_failures_total") == 0


if __name__ == "__main__":
    raise SystemExit(run([
        test_conversation_without_any_model, test_key_and_language_of_one_engine_as_yaml, test_connections_are_opened_when_a_conversation_begins,
        test_images_in_a_conversation, test_style_of_a_conversation, test_answers_are_given_again_to_whom_they_were_given, test_an_apology_sounds_though_the_voice_hangs, test_prompts_keep_to_their_tokens_and_to_their_beginning, test_every_fault_of_a_model, test_every_fault_of_a_voice,
        test_every_fault_of_a_voice_in_opus, test_sound_in_every_form,
        test_every_fault_of_a_voice_over_a_websocket,
        test_every_fault_of_a_plain_recogniser_over_a_websocket, test_faults_of_a_realtime_recogniser,
        test_faults_of_a_vllm_recogniser,
        test_every_fault_of_a_recogniser, test_every_fault_of_a_recogniser_that_streams,
        test_images_and_stop_texts_reach_a_model_elsewhere, test_falls_back_within_the_answer_and_returns,
        test_one_engine_has_limits_of_its_own, test_work_is_shared_and_a_dead_address_is_no_matter, test_second_request_to_a_slow_model,
        test_second_request_to_a_slow_voice, test_second_request_to_a_slow_recogniser, test_second_request_to_a_slow_voice_over_a_websocket,
        test_a_recogniser_over_a_websocket_is_not_asked_twice, test_cancel_ends_the_request,
        test_our_endpoints_and_a_node_that_uses_them]))
