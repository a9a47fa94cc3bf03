#!/usr/bin/env python3
"""Turn-taking with the real engines: semantic_vad in both languages, what stops an answer and what does not, what a
client may switch off. Speech and sneezes are recordings where ../shared/audio is present; "mhm" and "stop" come from our
own voice and are named so. What depends on how a model hears a sound is asked of the server's own transcript."""
import array
import asyncio
import contextlib
import sys

from harness import Client, Server, jfk, own_voice, pcm24, recording, run, share_of_words, words

RATE = 24000
LISTENING = {"mhm", "mm", "mmm", "hmm", "hm", "uh", "huh", "yeah", "okay", "ok", "right", "嗯", "嗯嗯", "哦", "啊", "对", "好", "好的"}
STORY = {"en": "Tell me a long story about a small boat.", "zh": "请给我讲一个很长的故事。"}


def semantic(language, **options):
    return {"input": {"transcription": {"model": "whisper-1", "language": language},
                      "turn_detection": {"type": "semantic_vad", **options}}}


def in_order(types, *wanted):
    at = -1
    for name in wanted:
        at = types.index(name, at + 1)


async def transcript_of_turn(client):
    return (await client.until("conversation.item.input_audio_transcription.completed", 120))["transcript"]


async def finish(client, response_id, limit_s=240):
    """Waits for the end of one response."""
    while True:
        done = (await client.until("response.done", limit_s))["response"]
        if done["id"] == response_id:
            return done


async def turn(server, samples, language, expected):
    before = server.metric("parley_eot_asks_total") + server.metric("parley_eot_skipped_total")
    async with Client(server.ws()) as client:
        await client.session(audio=semantic(language), max_output_tokens=40)
        await client.say(samples, silence_s=5)
        # A speaker who rests long may be answered in between; then the answer gives way, and the last one counts.
        done = (await client.until("response.done", 240))["response"]
        while done["status"] == "cancelled":
            assert done["status_details"]["reason"] == "turn_detected", done
            done = (await client.until("response.done", 240))["response"]
        assert done["status"] in ("completed", "incomplete"), done
        in_order(client.types(), "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
                 "input_audio_buffer.committed", "conversation.item.added", "response.created",
                 "response.output_audio.delta", "response.done")
        heard = " ".join(e["transcript"] for e in client.of("conversation.item.input_audio_transcription.completed"))
        assert share_of_words(expected, heard) > 0.5, heard
    asked = server.metric("parley_eot_asks_total") + server.metric("parley_eot_skipped_total")
    assert asked > before, "nobody asked whether the turn was over"


async def test_semantic_turn_english(server):
    await turn(server, pcm24(jfk()), "en", "ask not what your country can do for you")


async def test_semantic_turn_chinese(server):
    await turn(server, pcm24(recording("zh/sensevoice_zh.wav")), "zh", "开放时间早上九点至下午五点")


async def test_a_sentence_is_not_cut_behind_its_and(server):
    """Words that ask for more keep the turn open through a pause (synthesised)."""
    first, second = own_voice("I would like a cup of tea and"), own_voice("a piece of cake.")
    async with Client(server.ws()) as client:
        await client.session(audio=semantic("en"), max_output_tokens=20)
        await client.say(array.array("h", [*first, *([0] * int(0.9 * RATE)), *second]), silence_s=5)
        heard = await transcript_of_turn(client)
        if len(client.of("input_audio_buffer.committed")) > 1:
            # Cut: then the recogniser did not hear the word that keeps it open.
            assert not words(heard)[-1:] == ["and"], heard
        else:
            assert "tea" in heard.lower() and "cake" in heard.lower(), heard


async def overlap(server, samples, language, silence_s=3.0, **turns):
    """Says `samples` into an answer that sounds. Returns the client's view: the answer's end, and what came meanwhile."""
    client = Client(server.ws())
    await client.__aenter__()
    await client.session(audio=semantic(language, **turns), max_output_tokens=60, parley={"partials": True})
    await client.ask(STORY[language])
    answer = (await client.until("response.created", 240))["response"]["id"]
    await client.until("response.output_audio.delta", 240)
    mark = len(client.events)
    speech = asyncio.create_task(client.say(samples, silence_s=silence_s))
    done = await finish(client, answer)
    await speech
    return client, done, client.events[mark:]


async def goes_on(server, samples, language, lasting=False):
    """A sound that is no speech for us: the answer ends by itself, and no word of it is missing."""
    client, done, since = await overlap(server, samples, language)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_exit(client)
        types = [e["type"] for e in since]
        if done["status"] == "cancelled":
            # Taken for speech: then the recogniser has heard words, for a while at least, or the sound lasted.
            heard = {w for e in client.of("parley.transcript.partial") for w in words(e["text"])}
            heard |= set(words(await transcript_of_turn(client)))
            assert lasting or not heard <= LISTENING, f"stopped by {heard}"
            return False
        assert done["status"] in ("completed", "incomplete"), done
        assert "input_audio_buffer.speech_started" not in types, types
        item = done["output"][0]
        told = "".join(e["delta"] for e in client.of("response.output_audio_transcript.delta"))
        assert told == item["content"][0]["transcript"], (told, item)
        await client.send("conversation.item.retrieve", item_id=item["id"])
        kept = (await client.until("conversation.item.retrieved"))["item"]["content"][0]["transcript"]
        assert kept == told, (kept, told)
    return True


async def test_backchannel_english(server):
    """Synthesised."""
    await goes_on(server, own_voice("Mhm."), "en")


async def test_backchannel_chinese(server):
    """Synthesised."""
    await goes_on(server, own_voice("嗯。"), "zh")


async def test_sneeze(server):
    """Recorded. Its voiced part may last longer than what a sound without words is allowed; then it is speech."""
    await goes_on(server, pcm24(recording("overlap/person_sneeze_1-59324-A.wav"))[:int(1.2 * RATE)], "en",
                  lasting=True)


async def test_noise(server):
    """Recorded rain is no voice at all: nothing is even paused for long."""
    before = server.metric('parley_interruptions_total{verdict="real"}')
    assert await goes_on(server, pcm24(recording("overlap/rain_1-17367-A.wav"))[:int(2 * RATE)], "en")
    assert server.metric('parley_interruptions_total{verdict="real"}') == before


async def takes_the_floor(server, samples, language):
    client, done, since = await overlap(server, samples, language)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_exit(client)
        assert done["status"] == "cancelled", done["status"]
        assert done["status_details"]["reason"] == "turn_detected", done
        types = [e["type"] for e in since]
        assert types.index("input_audio_buffer.speech_started") < types.index("response.done"), types
        item = done["output"][0]["id"]
        # Far beyond the end: clamped to what was sent, answered once, and no sound of it follows.
        await client.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=10_000_000)
        cut = await client.until("conversation.item.truncated")
        sent = len(client.audio) / 48
        assert cut["audio_end_ms"] <= sent + 1, (cut, sent)
        # And back to what the user heard: the words follow.
        await client.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=700)
        await client.until("conversation.item.truncated")
        await client.send("conversation.item.retrieve", item_id=item)
        kept = (await client.until("conversation.item.retrieved"))["item"]["content"][0].get("transcript", "")
        told = "".join(e["delta"] for e in client.of("response.output_audio_transcript.delta")
                       if e["item_id"] == item)
        assert told.startswith(kept.rstrip()), (kept, told)


async def test_stop_english(server):
    """Synthesised."""
    await takes_the_floor(server, own_voice("Stop. Wait a moment, please."), "en")


async def test_stop_chinese(server):
    """Synthesised."""
    await takes_the_floor(server, own_voice("等一下，先别说了，我有别的问题。"), "zh")


async def test_speech_takes_the_floor(server):
    """Recorded."""
    await takes_the_floor(server, pcm24(recording("en/lk_weather_question.wav")), "en")


async def test_without_create_response(server):
    async with Client(server.ws()) as client:
        await client.session(audio=semantic("en", create_response=False, eagerness="high"), max_output_tokens=20)
        await client.say(pcm24(jfk())[:3 * RATE], silence_s=4)
        await transcript_of_turn(client)
        assert "response.created" not in client.types()
        await client.send("response.create")
        await client.until("response.done", 240)
        assert len(client.of("response.created")) == 1


async def test_without_interrupt_response(server):
    client, done, since = await overlap(server, pcm24(jfk())[:2 * RATE], "en", silence_s=5, interrupt_response=False,
                                        eagerness="high")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_exit(client)
        assert done["status"] in ("completed", "incomplete"), done
        # What was said meanwhile is answered afterwards.
        if len(client.of("response.created")) < 2:
            await client.until("response.created", 240)
        following = (client.of("response.created"))[1]["response"]["id"]
        await finish(client, following)
        types = client.types()
        assert types.index("response.done") < len(types) - 1 - types[::-1].index("response.created"), types


async def test_idle_timeout(server):
    async with Client(server.ws()) as client:
        await client.session(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}},
                             max_output_tokens=10)
        await client.ask("Say hello.")
        await client.until("response.done", 240)
        triggered = await client.until("input_audio_buffer.timeout_triggered", 120)
        assert triggered["audio_end_ms"] >= triggered["audio_start_ms"], triggered
        committed = await client.until("input_audio_buffer.committed", 60)
        assert committed["item_id"] == triggered["item_id"], (committed, triggered)
        await client.until("response.created", 120)


if __name__ == "__main__":
    # A verdict may take its time here: how fast it comes is measured (tests/bench/turns.py), not tested.
    sys.exit(run([value for name, value in list(globals().items()) if name.startswith("test_")],
                 Server("turn.verdict_max_ms=10000")))
