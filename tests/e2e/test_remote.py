"""Engines elsewhere: a server without models whose engines answer by script."""
import array
import asyncio
import base64
import contextlib
import time
import urllib.request

from harness import PATIENCE, Client, Server, jfk, loudness, pcm24, run, share_of_words
from scripted_openai import ANSWER, SECRET, TONE, TRANSCRIPT, Scripted

KINDS = ("stt", "llm", "tts")
LIMITS = ("engine.connect_ms=20000", "engine.first_byte_ms=1500", "engine.gap_ms=1500")


def far(server_url, *kinds):
    return [setting for kind in kinds for setting in
            (f"{kind}.backend=openai", f"{kind}.url={server_url}", f"{kind}.api_key_env=SCRIPTED_KEY")]


def edge(*settings):
    """A server that thinks elsewhere. The key comes from the environment."""
    return Server(*LIMITS, "session.language=en", *settings, env={"SCRIPTED_KEY": SECRET})


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


if __name__ == "__main__":
    raise SystemExit(run([test_conversation_without_any_model, test_cancel_ends_the_request]))
