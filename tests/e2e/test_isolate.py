"""Engines in child processes: each is killed in the middle of a turn, or stands still, and the conversation goes on."""
import asyncio
import base64
import os
import pathlib
import signal
import time

from harness import PATIENCE, Client, Server, jfk, loudness, pcm24, run, share_of_words

KINDS = ("eot", "llm", "stt", "tts")
SPOKEN = "ask not what your country can do for you ask what you can do for your country"


def children(server):
    """{kind: pid} of the server's child processes that do a lane's work; zombies count as their state."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            words = (stat.parent / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(fields[1]) != server.process.pid:
            continue
        kind = words[2].decode() if len(words) > 2 and words[1] == b"lane" else f"state {fields[0]}"
        assert kind not in found, f"two of {kind}"
        found[kind] = int(stat.parent.name)
    return found


def kill(server, kind, number=signal.SIGKILL):
    pid = children(server)[kind]
    os.kill(pid, number)
    return pid


async def reborn(server, kind, old, limit_s=60):
    """A new process of this kind is there."""
    end = time.monotonic() + limit_s * PATIENCE
    while children(server).get(kind, old) == old:
        assert time.monotonic() < end, f"{kind} was not started again:\n{server.log()}"
        await asyncio.sleep(0.1)


async def good_turn(client):
    """A typed question, answered with sound."""
    before, events = len(client.audio), len(client.events)
    await client.ask("Say the word hello.")
    done = (await client.until("response.done", 120))["response"]
    assert done["status"] == "completed", (done, client.types()[events:])
    assert loudness(client.audio[before:]) > 50, "an answer without sound"


async def transcript_of(client, samples):
    data = samples.tobytes()
    for i in range(0, len(data), 48000):
        await client.send("input_audio_buffer.append", audio=base64.b64encode(data[i:i + 48000]).decode())
    await client.send("input_audio_buffer.commit")
    return await client.until("input_audio_buffer.committed", 60)


async def test_language_model_dies(server):
    async with Client(server.ws()) as client, Client(server.ws()) as other:
        await client.session(audio={"input": {"turn_detection": None}})
        await other.session(output_modalities=["text"])
        await good_turn(client)
        # It stands still, so the question is certainly on its way when it dies.
        pid = kill(server, "llm", signal.SIGSTOP)
        before = len(client.audio)
        await client.ask("Tell me a story.")
        await client.until("response.created")
        os.kill(pid, signal.SIGKILL)
        # Either the model had the question, and an apology is spoken, or the next process gets it.
        done = (await client.until("response.done", 120, allow_error=True))["response"]
        assert done["status"] in ("failed", "completed", "incomplete"), done
        assert loudness(client.audio[before:]) > 50, "silence in place of an answer or an apology"
        await reborn(server, "llm", pid)
        await good_turn(client)
        await other.ask("What is 2+2? One digit.")
        assert (await other.until("response.done", 120))["response"]["status"] == "completed"


async def test_language_model_dies_in_its_answer(server):
    async with Client(server.ws()) as client:
        await client.session(output_modalities=["text"], audio={"input": {"turn_detection": None}})
        await client.ask("Write a very long story about a ship.")
        await client.until("response.output_text.delta", 120)
        pid = kill(server, "llm")
        done = (await client.until("response.done", 120, allow_error=True))["response"]
        assert done["status"] in ("failed", "completed", "incomplete"), done
        await reborn(server, "llm", pid)
        await client.ask("What is 2+2? One digit.")
        assert (await client.until("response.done", 120))["response"]["status"] == "completed"


async def test_voice_dies(server):
    async with Client(server.ws()) as client:
        await client.session(audio={"input": {"turn_detection": None}})
        pid = kill(server, "tts", signal.SIGSTOP)
        before = len(client.audio)
        await client.ask("Say the word hello.")
        await client.until("response.created", 120)
        await asyncio.sleep(2)  # the first clause has come to it by then, or comes to the next one
        os.kill(pid, signal.SIGKILL)
        # Nothing of it had sounded: the next process says it.
        done = (await client.until("response.done", 120))["response"]
        assert done["status"] == "completed", done
        assert loudness(client.audio[before:]) > 50, "an answer without sound"
        assert children(server)["tts"] != pid
        await good_turn(client)


async def test_voice_dies_while_it_speaks(server):
    async with Client(server.ws()) as client:
        await client.session(audio={"input": {"turn_detection": None}})
        await client.ask("Count from one to twenty in words.")
        await client.until("response.output_audio.delta", 120)
        pid = kill(server, "tts")
        done = (await client.until("response.done", 120, allow_error=True))["response"]
        assert done["status"] in ("failed", "completed", "incomplete"), done
        await reborn(server, "tts", pid)
        await good_turn(client)


async def test_recogniser_dies(server):
    async with Client(server.ws()) as client, Client(server.ws()) as other:
        for each in (client, other):
            await each.session(output_modalities=["text"],
                               audio={"input": {"turn_detection": None, "transcription": {"model": "parley",
                                                                                          "language": "en"}}})
        # Another session's answer is under way meanwhile, and none of its business.
        await other.ask("Write two sentences about the sea.")
        await other.until("response.output_text.delta", 120)
        pid = kill(server, "stt", signal.SIGSTOP)
        await transcript_of(client, pcm24(jfk()))
        os.kill(pid, signal.SIGKILL)
        heard = await client.until("conversation.item.input_audio_transcription.completed", 120)
        assert share_of_words(SPOKEN, heard["transcript"]) > 0.8, heard["transcript"]
        assert children(server)["stt"] != pid
        assert (await other.until("response.done", 120))["response"]["status"] in ("completed", "incomplete")


async def test_end_of_turn_model_dies(server):
    async with Client(server.ws()) as client:
        await client.session(output_modalities=["text"],
                             audio={"input": {"turn_detection": {"type": "semantic_vad"},
                                              "transcription": {"model": "parley", "language": "en"}}})
        pid = kill(server, "eot", signal.SIGSTOP)
        speech = asyncio.create_task(client.say(pcm24(jfk()), silence_s=8.0))
        await client.until("input_audio_buffer.speech_started", 60)
        await asyncio.sleep(2)
        os.kill(pid, signal.SIGKILL)
        done = (await client.until("response.done", 120))["response"]
        assert done["status"] in ("completed", "incomplete", "cancelled"), done
        await speech
        await reborn(server, "eot", pid)


async def test_nothing_is_left(server):
    """After all those deaths: one live child a kind, no zombie, and as many threads and files as after the next ones."""
    found = children(server)
    assert set(found) == set(KINDS), found
    before = server.threads_and_files()
    for _ in range(2):
        for kind in ("stt", "eot"):
            await reborn(server, kind, kill(server, kind))
    end = time.monotonic() + 60 * PATIENCE
    while set(children(server)) != set(KINDS) or server.threads_and_files() != before:
        assert time.monotonic() < end, (children(server), before, server.threads_and_files())
        await asyncio.sleep(0.2)


async def test_loops_share_the_processes():
    """Sessions of two loops have one child a kind, and each hears its own answers, also of the next child."""
    kinds = ["stt", "llm", "tts"]
    server = Server(f"engine.isolate={','.join(kinds)}", "loops=2", "session.language=en", "eot.enabled=false")
    try:
        async with Client(server.ws()) as one, Client(server.ws()) as two:
            for client in (one, two):
                await client.session(audio={"input": {"turn_detection": None,
                                                      "transcription": {"model": "whisper-1"}}})
            await asyncio.gather(good_turn(one), good_turn(two))
            for kind in kinds:
                await reborn(server, kind, kill(server, kind))
            await asyncio.gather(good_turn(one), good_turn(two))
            await asyncio.gather(*(transcript_of(client, pcm24(jfk())) for client in (one, two)))
            for client in (one, two):
                done = await client.until("conversation.item.input_audio_transcription.completed", 120)
                assert share_of_words(SPOKEN, done["transcript"]) >= 0.7, done
            assert set(children(server)) == set(kinds), children(server)
        assert server.stop() == 0
    finally:
        server.stop()


async def test_hang_is_noticed():
    server = Server("engine.isolate=llm", "engine.hang_s=10")
    try:
        async with Client(server.ws()) as client:
            await client.session(audio={"input": {"turn_detection": None}})
            pid = kill(server, "llm", signal.SIGSTOP)
            await client.ask("Tell me a story.")
            done = (await client.until("response.done", 120, allow_error=True))["response"]
            assert done["status"] in ("failed", "completed", "incomplete"), done
            assert client.audio, "silence in place of an answer or an apology"
            await reborn(server, "llm", pid)
            await good_turn(client)
        assert "its process hung" in server.log()
        # The server's end is the children's end, whatever they do.
        last = kill(server, "llm", signal.SIGSTOP)
        assert server.stop() == 0
        assert not pathlib.Path(f"/proc/{last}").exists()
    finally:
        server.stop()


async def test_children_follow_a_server_that_dies():
    server = Server("engine.isolate=eot")
    pid = children(server)["eot"]
    server.process.kill()
    server.process.wait()
    end = time.monotonic() + 20 * PATIENCE
    while pathlib.Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end, "a child without a parent"
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    isolated = Server("engine.isolate=stt,llm,tts,eot", "engine.hang_s=120", "session.language=en")
    try:
        run([test_language_model_dies, test_language_model_dies_in_its_answer, test_voice_dies,
             test_voice_dies_while_it_speaks, test_recogniser_dies, test_end_of_turn_model_dies, test_nothing_is_left,
             test_loops_share_the_processes, test_hang_is_noticed,
             test_children_follow_a_server_that_dies], isolated)
    finally:
        isolated.stop()
