#!/usr/bin/env python3
"""test_recording.py -- recordings of conversations: both sides where they were heard, the words beside them, over
WebSocket, WebRTC and with an upstream; interrupted, cut off, killed, without room.

    test_recording.py [NAME...]     only tests whose name contains one of the words
"""
import asyncio
import base64
import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import urllib.request
import wave

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "net"))
from netns import Network  # noqa: E402

NETWORK = Network() if __name__ == "__main__" else None  # before anything opens a socket

import numpy  # noqa: E402
from callers import AiortcCaller  # noqa: E402
from harness import PATIENCE, Client, Server, jfk, pcm24, run  # noqa: E402
from scripted_openai import SECRET  # noqa: E402
from scripted_realtime import ANSWER, TONE, Realtime  # noqa: E402
from test_remote import running  # noqa: E402

RATE = 24000
SCRIPTED = ("scripted.engines=true", "session.language=en", "scripted.llm_words=6")
LONG = ("scripted.engines=true", "session.language=en", "scripted.llm_words=60")  # some 20 s
KEY = "a-key-that-is-in-no-file"


# ---------------------------------------------------------------- what is on disk


class Recording:
    def __init__(self, path):
        self.path = path
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE), file.getparams()
            frames = numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16).reshape(-1, 2)
            assert len(frames) == file.getnframes(), "shorter than its header says"
        self.user, self.answer = frames[:, 0].astype(float), frames[:, 1].astype(float)
        self.text = path.with_suffix(".jsonl").read_text()
        self.lines = [json.loads(line) for line in self.text.splitlines()]

    def of(self, type_):
        return [line for line in self.lines if line["type"] == type_]

    def runs(self, silence_s=0.15):
        """(first, end) of the answer's stretches of sound."""
        at = numpy.flatnonzero(self.answer)
        if not len(at):
            return []
        gaps = numpy.flatnonzero(numpy.diff(at) > silence_s * RATE)
        starts, ends = [0, *(gaps + 1)], [*gaps, len(at) - 1]
        return [(int(at[a]), int(at[b]) + 1) for a, b in zip(starts, ends)]


def recordings(folder):
    return [Recording(path) for path in sorted(pathlib.Path(folder).glob("*.wav"))]


def place_of(track, sound):
    """(where `sound` lies in the track, how much alike they are there: 1 is the same)."""
    sound = numpy.asarray(sound, float)
    size = 1 << int(len(track) + len(sound) - 1).bit_length()
    found = numpy.fft.irfft(numpy.fft.rfft(track, size) * numpy.conj(numpy.fft.rfft(sound, size)), size)
    at = int(numpy.argmax(found[:max(1, len(track) - len(sound) + 1)]))
    there = track[at:at + len(sound)]
    return at, float(there @ sound[:len(there)] / (numpy.linalg.norm(there) * numpy.linalg.norm(sound) + 1e-9))


def sounding(samples):
    """Without its silence: a server that had to wait for its core let the listener wait too."""
    return samples[samples != 0]


def until(condition, what, limit_s=30):
    end = time.monotonic() + limit_s * PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@contextlib.contextmanager
def recorded(*settings, network=None, **options):
    """A server that records, its folder, and afterwards the recordings in a list."""
    with tempfile.TemporaryDirectory() as base:
        folder = pathlib.Path(base) / "recordings"
        server = Server(*settings, f"recording.dir={folder}", network=network, **options)
        done = []
        try:
            yield server, folder, done
        finally:
            status = server.stop()
        assert status == 0, server.log()
        done += recordings(folder)


async def heard_out(client):
    while not any(event["heard_end_ms"] for event in client.of("parley.response.latency")):
        await client.until("parley.response.latency")


async def spoken_turn(server, speech, **options):
    async with Client(server.ws(), additional_headers=server.headers(), **options) as client:
        await client.until("session.created")
        await client.send("session.update", session={"type": "realtime", "parley": {"latency": True}})
        await client.say(speech)
        await heard_out(client)
        return client


def speech():
    return pcm24(jfk())[:int(2.2 * RATE)]


def check_both_sides(done, said, heard):
    """The left channel is what was said, the right exactly what the client got, after it."""
    said_at, alike = place_of(done.user, said)
    assert alike > 0.9, alike
    samples = numpy.frombuffer(bytes(heard), numpy.int16).astype(float)
    assert numpy.array_equal(sounding(done.answer), sounding(samples)), (len(done.answer), len(samples))
    first = int(numpy.flatnonzero(done.answer)[0])
    # The answer came after the silence that ended the turn, and not much later than the client was told.
    assert first > said_at + len(said) - RATE, (said_at, first)
    latency = done.of("latency")[0]
    assert latency["spoken"] and latency["first_byte_ms"] >= 0, latency
    assert abs(first / RATE * 1000 - latency["ms"]) < 200 * PATIENCE, (first, latency)


def check_lines(done, client):
    start, end = done.lines[0], done.lines[-1]
    assert start["type"] == "recording_started" and start["transport"] == "websocket", start
    assert start["conversation_id"] == client.of("session.created")[0]["session"]["id"]
    assert done.path.name.endswith(start["conversation_id"] + ".wav"), done.path
    assert end["type"] == "recording_ended" and end["gaps"] == 0 and end["reason"] == "over", end
    assert abs(end["ms"] / 1000 - len(done.user) / RATE) < 0.01, (end, len(done.user))
    places = [line["ms"] for line in done.lines]
    assert places == sorted(places), places
    [heard] = client.of("conversation.item.input_audio_transcription.completed")
    [transcript] = done.of("transcript")
    assert transcript["item_id"] == heard["item_id"] and transcript["text"] == heard["transcript"]
    [answer] = done.of("answer")
    [written] = client.of("response.output_audio_transcript.done")
    assert answer["text"] == answer["heard"] == written["transcript"] and not answer["interrupted"], answer
    assert answer["item_id"] == written["item_id"] and answer["heard_ms"] == answer["sent_ms"]
    assert [line["status"] for line in done.of("response_ended")] == ["completed"]


# ---------------------------------------------------------------- tests


def test_both_sides_and_their_words():
    said = speech()
    with recorded(*SCRIPTED, env={"PARLEY_API_KEY": KEY}) as (server, folder, done):
        server.key = KEY
        client = asyncio.run(spoken_turn(server, said))
        assert (folder.stat().st_mode & 0o777) == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        request = urllib.request.Request(server.http("/metrics"), headers=server.headers())
        with urllib.request.urlopen(request, timeout=30 * PATIENCE) as answer:
            assert "\nparley_recordings_total 1\n" in answer.read().decode()
        assert "conversations are recorded in" in server.log()
    [one] = done
    check_both_sides(one, said, client.audio)
    check_lines(one, client)
    assert KEY not in one.text


def test_off_by_default():
    server = Server(*SCRIPTED)
    try:
        threads = [path.read_text().strip() for path in pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/comm")]
        assert "recorder" not in threads and threads, threads
        asyncio.run(spoken_turn(server, speech()))
        assert "recorded" not in server.log()
    finally:
        assert server.stop() == 0


async def interrupt(server):
    async with Client(server.ws()) as client:
        await client.until("session.created")
        await client.ask("Tell me a long story.")
        while len(client.audio) < 4 * RATE * 2:  # two seconds of it were heard
            await client.until("response.output_audio.delta")
        sent = asyncio.ensure_future(client.say(speech()))
        started = await client.until("input_audio_buffer.speech_started")
        while not any(e["response"]["status"] == "cancelled" for e in client.of("response.done")):
            await client.until("response.done")
        first = client.of("response.done")[0]["response"]["id"]
        await sent
        await client.until("response.output_audio.delta")
        await asyncio.sleep(1)
    sound = b"".join(base64.b64decode(e["delta"]) for e in client.of("response.output_audio.delta")
                     if e["response_id"] == first)
    return started, numpy.frombuffer(sound, numpy.int16).astype(float), first


def test_an_interruption_is_silent_from_where_it_was():
    """By the output clock: what was sent ahead of real time and cut is not in the recording."""
    with recorded(*LONG, "session.lead_ms=2000") as (server, _, done):
        _, sound, response = asyncio.run(interrupt(server))
    [one] = done
    cut = next(line for line in one.of("answer") if line["response_id"] == response)
    assert cut["interrupted"] and len(cut["heard"]) < len(cut["text"]), cut
    # Up to the cut it is what was sent, sample for sample; then nothing, although more had been sent.
    known = (cut["ms"] + 1) * RATE // 1000
    heard, sent = sounding(one.answer[:known]), sounding(sound)
    assert RATE // 2 < len(heard) < len(sent), (len(heard), len(sent))
    assert numpy.array_equal(heard, sent[:len(heard)]), "not what was sent"
    following = [line["ms"] for line in one.of("response_started") if line["ms"] >= cut["ms"]][0] * RATE // 1000
    assert following > known + RATE // 2 and not one.answer[known:following].any(), (known, following)
    places = numpy.flatnonzero(one.answer[:known])
    first, end = int(places[0]) - int(numpy.flatnonzero(sound)[0]), int(places[-1]) + 1
    # The line's number is of the last time at which the floor looked at the clock.
    assert -RATE * 0.3 * PATIENCE < cut["heard_ms"] * RATE / 1000 - (end - first) < RATE * 0.05, (cut, end - first)
    # Cut by the voice that is to be heard on the left just then.
    voice = one.of("speech_started")[0]["ms"] * RATE // 1000
    assert abs(end - voice) < RATE * 0.3 * PATIENCE, (end, voice)
    window = one.user[max(0, end - RATE // 2):end]
    assert numpy.abs(window).max() > 500, "no voice before the cut"
    [end] = [line for line in one.of("response_ended") if line["response_id"] == response]
    assert end["status"] == "cancelled" and end["reason"] == "turn_detected", end


def test_a_client_that_vanishes():
    """Its connection is cut in the middle of an answer: the files are whole all the same."""
    async def vanish(server):
        client = Client(server.ws())
        await client.__aenter__()
        await client.ask("Tell me a long story.")
        while len(client.audio) < RATE * 2:
            await client.until("response.output_audio.delta")
        client.socket.transport.abort()

    with recorded(*LONG) as (server, folder, done):
        asyncio.run(vanish(server))
        until(lambda: any('"recording_ended"' in path.read_text() for path in folder.glob("*.jsonl")), "never ended")
    [one] = done
    assert one.of("answer")[0]["interrupted"] and one.runs(), one.lines


def test_a_server_that_is_killed():
    """Both files can be read up to a second or so before the end."""
    async def talk(server, folder):
        async with Client(server.ws()) as client:
            await client.ask("Tell me a long story.")
            while len(client.audio) < 4 * RATE * 2:
                await client.until("response.output_audio.delta")
            until(lambda: len(recordings(folder)[0].answer) > RATE and recordings(folder)[0].runs(), "nothing is there yet")
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(20 * PATIENCE)

    with tempfile.TemporaryDirectory() as base:
        folder = pathlib.Path(base) / "recordings"
        server = Server(*LONG, f"recording.dir={folder}")
        asyncio.run(talk(server, folder))
        [one] = recordings(folder)
        assert len(one.answer) > RATE and one.runs(), len(one.answer)
        assert one.lines[0]["type"] == "recording_started"
        # A new server in the same folder takes no offence.
        server = Server(*SCRIPTED, f"recording.dir={folder}")
        asyncio.run(spoken_turn(server, speech()))
        assert server.stop() == 0
        assert len(recordings(folder)) == 2


async def call(server):
    async with AiortcCaller(server) as caller:
        await caller.dial({"parley": {"latency": True}})
        await caller.say(speech())
        await caller.until("output_audio_buffer.stopped")
        began = time.monotonic()
        # The answer to a typed question is interrupted by voice.
        await caller.ask("Tell me a long story.")
        await caller.until("output_audio_buffer.started")
        await asyncio.sleep(1.5)
        await caller.say(speech())
        await caller.until("output_audio_buffer.cleared")
        await asyncio.sleep(1)
        await caller.hang_up()
        return caller, began


def test_a_call():
    """Over WebRTC: what left, when it was heard; silent from the cut on."""
    with recorded(*LONG[:2], "scripted.llm_words=16", f"rtc.address={NETWORK.server}", network=NETWORK) as (server, _, done):
        caller, began = asyncio.run(call(server))
    [one] = done
    assert one.lines[0]["transport"] == "webrtc" and one.lines[-1]["type"] == "recording_ended", one.lines
    with tempfile.TemporaryDirectory() as folder:
        with wave.open(str(caller.record(pathlib.Path(folder) / "heard.wav"))) as file:
            heard = numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16).astype(float)
    loud = numpy.flatnonzero(numpy.abs(heard) > 200)
    piece = heard[loud[0]:loud[0] + RATE // 2]
    answer_at, alike = place_of(one.answer, piece)
    assert alike > 0.7, alike
    # It is said again later; and the jitter buffer may have stretched it, so pieces of it are looked for.
    said = numpy.asarray(speech(), float)
    starts = range(0, len(said) - RATE // 4, RATE // 4)
    loud = [start for start in starts if numpy.abs(said[start:start + RATE // 4]).mean() > 500]
    found = [(*place_of(one.user[:answer_at + RATE // 2], said[start:start + RATE // 4]), start) for start in loud]
    at, alike, start = max(found, key=lambda place: place[1])
    assert alike > 0.7, found
    said_at = at - start
    assert answer_at > said_at + len(speech()) - RATE, (said_at, answer_at)
    cut = [line for line in one.of("answer") if line["interrupted"]]
    assert cut and cut[0]["heard_ms"] < 10000, one.lines
    # Less than a second after the cut became known nothing is left of it, while the voice still speaks.
    end = (cut[0]["ms"] + 800) * RATE // 1000
    assert not one.answer[end:end + RATE // 4].any(), "it goes on"


def test_an_upstream():
    """A Realtime server elsewhere as the engine: the same two tracks."""
    script = Realtime()
    settings = (f"upstream.url={script.url}", "upstream.api_key_env=SCRIPTED_KEY", "upstream.model=any", "tts.backend=none",
                "eot.enabled=false")
    said = speech()
    with recorded(*settings, env={"SCRIPTED_KEY": SECRET}) as (server, _, done):
        client = asyncio.run(spoken_turn(server, said))
    script.stop()
    [one] = done
    check_both_sides(one, said, client.audio)
    assert len(client.audio) == len(TONE)
    assert one.of("answer")[0]["text"].strip() == ANSWER and one.of("transcript")[0]["text"], one.lines
    assert SECRET not in one.text


def test_several_loops_share_a_recorder():
    async def both(server):
        await asyncio.gather(*[spoken_turn(server, speech()) for _ in range(4)])

    with recorded(*SCRIPTED, "loops=2") as (server, _, done):
        asyncio.run(both(server))
    assert len(done) == 4
    for one in done:
        assert one.runs() and one.of("answer") and one.lines[-1]["type"] == "recording_ended", one.lines


def test_the_folder_has_a_limit():
    """The oldest go, and what is no recording stays."""
    with tempfile.TemporaryDirectory() as base:
        folder = pathlib.Path(base) / "recordings"
        folder.mkdir(mode=0o700)
        old = [folder / f"2020-01-0{day}T00-00-00Z_sess_old.{end}" for day in (1, 2) for end in ("wav", "jsonl")]
        for path in old:
            path.write_bytes(bytes(400_000))
        (folder / "notes.txt").write_bytes(bytes(3_000_000))
        server = Server(*SCRIPTED, f"recording.dir={folder}", "recording.folder_mib=1")
        try:
            asyncio.run(spoken_turn(server, speech()))
            until(lambda: server.metric("parley_recordings_removed_total") >= 1, "nothing was removed")
        finally:
            assert server.stop() == 0
        assert not old[0].exists() and not old[1].exists() and (folder / "notes.txt").exists()
        assert len([path for path in folder.glob("*.wav") if "old" not in path.name]) == 1


def test_a_folder_that_cannot_be_used():
    """At the start it is an error with a reason; later a log line, and the conversation goes on."""
    with tempfile.TemporaryDirectory() as base:
        file = pathlib.Path(base) / "file"
        file.write_text("")
        server = Server(*SCRIPTED, f"recording.dir={file}", wait=False)
        assert server.process.wait(60 * PATIENCE) == 1
        assert f"recording.dir: {file} cannot be written: Not a directory (20)" in server.log(), server.log()
        folder = pathlib.Path(base) / "recordings"
        server = Server(*SCRIPTED, f"recording.dir={folder}")
        try:
            os.rmdir(folder)
            client = asyncio.run(spoken_turn(server, speech()))
            assert client.audio
            until(lambda: server.metric("parley_recording_errors_total") >= 1, "not counted")
            until(lambda: "cannot be written: No such file or directory (2)" in server.log(), server.log())
        finally:
            assert server.stop() == 0


if __name__ == "__main__":
    raise SystemExit(run([value for name, value in list(globals().items())
                          if name.startswith("test_") and callable(value)]))
