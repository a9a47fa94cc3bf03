#!/usr/bin/env python3
"""The speaker lock through a whole server: real voice detector and speaker model, scripted words and answers. The speaker
is the recording of set-up; the other voices are people of ../shared/audio where that is present, and our own voice
(synthesised). Everybody speaks in real time, so that the conversations of a test are held at once."""
import array
import asyncio
import contextlib
import sys

from harness import Client, Server, Skip, jfk, own_voice, pcm24, recording, run

RATE = 24000
# How fast the model is in this machine's hands is measured, not tested: there is time for it at the end of a turn.
VAD = {"type": "server_vad", "silence_duration_ms": 2500}
TEXT = ("The weather will be fine in the north of the country, and in the south there will be a little rain towards the "
        "evening. Tomorrow it gets warmer everywhere, and the wind comes from the west.")


def audio(**turn):
    return {"input": {"transcription": {"model": "whisper-1"}, "turn_detection": {**VAD, **turn}}}


def speaker(from_s, to_s):
    return pcm24(jfk())[int(from_s * RATE):int(to_s * RATE)]


def others():
    """Other voices, by name, 6 s of each."""
    yield "our own voice", own_voice(TEXT)[:6 * RATE]
    with contextlib.suppress(Skip):
        yield "zh/sensevoice_zh.wav", pcm24(recording("zh/sensevoice_zh.wav"))[:6 * RATE]


async def turns(client, samples):
    """Says it; returns the transcripts of the utterances that it became."""
    before = len(client.of("input_audio_buffer.committed"))
    heard = len(client.of("conversation.item.input_audio_transcription.completed"))
    await client.say(samples, silence_s=3.5)
    await client.until("input_audio_buffer.committed", 60)
    while len(client.of("conversation.item.input_audio_transcription.completed")) < \
            len(client.of("input_audio_buffer.committed")):
        await client.until("conversation.item.input_audio_transcription.completed", 60)
    assert len(client.of("input_audio_buffer.committed")) > before
    return [e["transcript"] for e in client.of("conversation.item.input_audio_transcription.completed")[heard:]]


async def learn(client, **parley):
    """Lets the server hear the speaker, and answers nothing yet."""
    await client.session(audio=audio(create_response=False), parley=parley)
    await turns(client, speaker(0, 7.6))
    await client.session(audio=audio(create_response=True))


async def gets_no_answer(server, name, samples):
    async with Client(server.ws()) as client:
        await learn(client, speaker_lock=True)
        heard = await turns(client, samples)
        assert not any(heard), f"{name}: {heard}"
        assert not client.of("response.created"), name
        heard = await turns(client, speaker(4, 11))
        assert any(heard), f"after {name} the speaker is not heard"
        await client.until("response.done", 60)


async def test_another_voice_gets_no_answer(server):
    voices = list(others())
    refused = server.metric("parley_other_voices_total")
    await asyncio.gather(*(gets_no_answer(server, *voice) for voice in voices))
    assert server.metric("parley_other_voices_total") >= refused + len(voices)


async def everybody_is_heard(server):
    async with Client(server.ws()) as client:
        await learn(client)
        assert all(await turns(client, own_voice(TEXT)))
        await client.until("response.done", 60)


async def first_speaker_is_heard(server):
    """The lock is switched on late, and knows nobody: whoever speaks first is the speaker."""
    async with Client(server.ws()) as client:
        await learn(client)
        await client.session(audio=audio(create_response=False), parley={"speaker_lock": True})
        assert all(await turns(client, own_voice(TEXT)))


async def test_without_the_lock_everybody_is_heard(server):
    await asyncio.gather(everybody_is_heard(server), first_speaker_is_heard(server))


async def overlap(server, expected, samples, mode, **parley):
    """Says `samples` into an answer, which is to end in the way `expected`."""
    async with Client(server.ws()) as client:
        await learn(client, **parley)
        await client.session(audio={"input": {"turn_detection": {"type": mode}}})
        await client.ask("Tell me something long.")
        answer = (await client.until("response.created", 60))["response"]["id"]
        await client.until("response.output_audio.delta", 60)
        speech = asyncio.create_task(client.say(samples, silence_s=5.0))
        while True:
            done = (await client.until("response.done", 120))["response"]
            if done["id"] == answer:
                break
        await speech
        assert done["status"] == expected, (mode, parley, len(samples), done)


async def test_another_voice_does_not_end_an_answer(server):
    voices = [samples for _, samples in others()]
    await asyncio.gather(
        overlap(server, "cancelled", voices[0], "server_vad"),  # this voice can, where there is no lock
        overlap(server, "completed", voices[0], "server_vad", speaker_lock=True),
        *(overlap(server, "completed", samples, "semantic_vad", speaker_lock=True) for samples in voices))


async def test_the_speaker_ends_an_answer(server):
    short = array.array("h", [*speaker(0.3, 0.8), *([0] * RATE)])  # said before anybody can know
    await asyncio.gather(*(overlap(server, "cancelled", samples, mode, speaker_lock=True)
                           for mode in ("server_vad", "semantic_vad") for samples in (speaker(7.5, 11), short)))


if __name__ == "__main__":
    own_voice(TEXT)
    # The first one counts what the server refused, so that it is alone.
    sys.exit(run([test_another_voice_gets_no_answer],
                 Server("scripted.engines=true", "turn.speaker_lock=ask", "scripted.llm_words=60",
                        "turn.speaker_wait_ms=10000",
                        "turn.resume_ms=1000"),
                 [test_without_the_lock_everybody_is_heard, test_another_voice_does_not_end_an_answer,
                  test_the_speaker_ends_an_answer]))
