#!/usr/bin/env python3
"""impair.py -- calls over bad networks, as a table in Markdown (docs/TUNING.md).

    impair.py [--loss 0,5,10,20,30] [--jitter 0,50,100] [--delay 20] [--turns 6] [--burst 1] [--parallel 3]
              [--clips N] [--only table,events]

A pion caller behind tests/net/relay.py, both ways impaired alike, calls a server with the small model. In each cell:
  words     the recordings of ../shared/audio with a reference, one after the other, no answers: the word error rate of
            the server's transcripts, and how much more that is than in the cell without loss and jitter
  turns     spoken questions with an answer: how many came to their end
  lost      share of the answer's packets of 20 ms that had not come 200 ms after they were due
  gaps      the same after what in-band FEC of the next packet brings back: ms of silence a second
  buffer    the server's jitter buffer, as parley.response.latency says (median, ms)
Then a blackout of 2 s, and a new port and a new address, each in the middle of an answer: seconds until sound is back,
and whether the same call goes on."""
import argparse
import asyncio
import contextlib
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "net"), str(HERE.parent / "e2e"), str(HERE)]
from netns import Network  # noqa: E402

NETWORK = Network() if __name__ == "__main__" else None

import stt_accuracy  # noqa: E402
from callers import PionCaller  # noqa: E402
from harness import Server, pcm24  # noqa: E402

DUE_S = 0.2  # a frame later than this is not heard: the buffer of a patient client
QUESTIONS = ["conv_turn_001", "conv_turn_002", "conv_turn_004", "sb_spk1_snt5", "conv_turn_000", "conv_turn_008"]
INPUT = {"transcription": {"model": "whisper-1", "language": "en"}}


def clips(limit):
    audio = stt_accuracy.default_audio()
    if not audio:
        sys.exit("impair: there are no recordings here")
    return stt_accuracy.read_manifest(audio, "")["en"][:limit], audio / "en"


async def heard_words(caller, path):
    """The server's transcript of one recording."""
    before = len(caller.events)

    def count(type_):
        return sum(event["type"] == type_ for event in caller.events[before:])

    await caller.say(pcm24(path))
    end = time.monotonic() + 8
    with contextlib.suppress(asyncio.TimeoutError):
        while time.monotonic() < end:
            # Done when nothing is open and nothing new began for a second.
            closed = count("conversation.item.input_audio_transcription.completed")
            idle = closed and closed == count("input_audio_buffer.speech_started")
            await caller.take(1.0 if idle else max(0.1, end - time.monotonic()))
    return " ".join(event["transcript"] for event in caller.events[before:]
                    if event["type"] == "conversation.item.input_audio_transcription.completed")


def has_fec(payload):
    """Whether an Opus packet of one 20 ms mono frame carries the frame before it: RFC 6716 §3.1 and §4.2.3."""
    return len(payload) > 2 and payload[0] >> 3 < 16 and payload[0] & 4 == 0 and bool(payload[1] & 0x40)


def missing(packets):
    """(frames, lost, lost after FEC) of an answer. Numbers count: where the answer waits for its next sentence nothing
    is sent, and time stamps jump."""
    came = {}
    for packet in packets:
        number = (packet.seq - packets[0].seq + 0x8000 & 0xffff) - 0x8000
        due = (packet.timestamp - packets[0].timestamp + 0x80000000 & 0xffffffff) - 0x80000000
        late, payload = packet.time - due / 48000, packet.payload
        if number not in came or late < came[number][0]:
            came[number] = (late, payload)
    base = min(late for late, _ in came.values())

    def in_time(number):
        return number in came and came[number][0] - base <= DUE_S

    numbers = range(min(came), max(came) + 1)
    lost = [n for n in numbers if not in_time(n)]
    after = [n for n in lost if not (in_time(n + 1) and has_fec(came[n + 1][1]))]
    return len(numbers), len(lost), len(after)


async def answer(caller, path):
    """One spoken turn; (done, frames, lost, lost after FEC, jitter buffer in ms)."""
    events, packets = len(caller.events), len(caller.rtp)
    await caller.say(pcm24(path))
    try:
        await caller.until("response.done", 30)
        if not any(e["type"] == "output_audio_buffer.stopped" for e in caller.events[events:]):
            await caller.until("output_audio_buffer.stopped", 30)
    except AssertionError:
        return False, 0, 0, 0, None
    new = caller.events[events:]
    done = [e["response"]["status"] for e in new if e["type"] == "response.done"]
    started = caller.times[events + [e["type"] for e in new].index("output_audio_buffer.started")]
    stopped = caller.times[events + [e["type"] for e in new].index("output_audio_buffer.stopped")]
    sound = [p for p in caller.rtp[packets:] if started - 0.1 <= p.time <= stopped + 0.1]
    delays = [e.get("input_delay_ms") for e in new if e["type"] == "parley.response.latency"]
    delays = [delay for delay in delays if delay is not None]
    return (done == ["completed"], *(missing(sound) if sound else (0, 0, 0)), delays[0] if delays else None)


async def cell(server, loss, jitter, args):
    recordings, folder = clips(args.clips)
    conf = {"loss": loss / 100, "jitter_ms": jitter, "delay_ms": args.delay, "burst": args.burst}
    errors = words = 0
    async with PionCaller(server, check=False) as caller:
        await caller.dial(relay=NETWORK.client, seed=loss * 1000 + jitter)
        caller.relay.set(**conf)
        await caller.session(audio={"input": {**INPUT, "turn_detection": {
            "type": "server_vad", "silence_duration_ms": 700, "create_response": False}}})
        for path, transcript, _ in recordings:
            wanted = stt_accuracy.english_words(transcript)
            errors += stt_accuracy.distance(wanted, stt_accuracy.english_words(await heard_words(caller, path)))
            words += len(wanted)
    turns = []
    async with PionCaller(server, check=False) as caller:
        await caller.dial(relay=NETWORK.client, seed=loss * 1000 + jitter + 1)
        caller.relay.set(**conf)
        await caller.session(instructions="Answer in one short sentence.", audio={"input": INPUT},
                             parley={"latency": True})
        for number in range(args.turns):
            turns.append(await answer(caller, folder / f"{QUESTIONS[number % len(QUESTIONS)]}.wav"))
    frames, lost, gone = (sum(turn[i] for turn in turns) for i in (1, 2, 3))
    delays = [turn[4] for turn in turns if turn[4] is not None]
    return {"loss": loss, "jitter": jitter, "errors": errors, "words": words,
            "turns": sum(turn[0] for turn in turns), "of": len(turns), "frames": frames, "lost": lost / max(1, frames),
            "gap_ms": gone / max(1, frames) * 1000, "delay_ms": statistics.median(delays) if delays else None}


def row(figures, clean):
    rate = figures["errors"] / figures["words"]
    more = f"{(rate - clean['errors'] / clean['words']) * 100:+.1f}" if clean else ""
    delay = "–" if figures["delay_ms"] is None else f"{figures['delay_ms']:.0f}"
    return (f"| {figures['loss']} % | {figures['jitter']} ms | {figures['turns']} of {figures['of']} | {rate * 100:.1f} % | "
            f"{more} | {figures['lost'] * 100:.1f} % | {figures['gap_ms']:.0f} ms/s | {delay} ms |")


async def table(server, args):
    cells = [(loss, jitter) for jitter in args.jitter for loss in args.loss]
    gate, done = asyncio.Semaphore(args.parallel), {}

    async def one(loss, jitter):
        async with gate:
            try:
                done[loss, jitter] = await cell(server, loss, jitter, args)
            except Exception as problem:  # noqa: BLE001  a cell that fails is a row that says so
                print(f"impair: {loss} %, {jitter} ms: {problem!r}", file=sys.stderr, flush=True)
                return
            print(f"impair: {row(done[loss, jitter], None)}", file=sys.stderr, flush=True)

    await asyncio.gather(*(one(*which) for which in cells))
    print("| loss | jitter | turns | WER | points more | answer lost | gaps after FEC | jitter buffer |")
    print("|---|---|---|---|---|---|---|---|")
    for which in cells:
        print(row(done[which], done.get((0, 0))) if which in done else
              f"| {which[0]} % | {which[1]} ms | the call failed | | | | | |")
    if done:
        any_ = next(iter(done.values()))
        print(f"\n{any_['words']} words and {any_['of']} turns a cell, {args.delay} ms of delay each way, bursts of "
              f"{args.burst:g}.")


async def changes(server):
    print("\n| in the middle of an answer | sound is back after | the call |\n|---|---|---|")
    for name, seconds, address in (("blackout of 2 s", 2, None), ("new port", 0, ""), ("new address", 0, NETWORK.client_other)):
        async with PionCaller(server, check=False) as caller:
            await caller.dial(relay=NETWORK.client)
            await caller.ask("Count slowly from one to forty in words.")
            await caller.until("output_audio_buffer.started", 60)
            await asyncio.sleep(2)
            if address is None:
                caller.relay.set(blackout=True)
                await asyncio.sleep(seconds)
                caller.relay.set(blackout=False)
            else:
                caller.relay.order(rebind=address)
            since, back = time.monotonic(), None
            with contextlib.suppress(AssertionError):
                await caller.wait(lambda: caller.rtp[-1].time > since + 0.05, 20, "sound")
                back = next(p.time for p in caller.rtp if p.time > since + 0.05) - since
            try:
                await caller.send("response.cancel")
                await caller.until("response.done", 10)
                await caller.session(instructions="Still here.")
                alive = "goes on"
            except AssertionError:
                alive = "is lost"
            print(f"| {name} | {'never' if back is None else f'{back:.2f} s'} | {alive} |", flush=True)


def main():
    def numbers(text):
        return [int(n) for n in text.split(",")]

    parser = argparse.ArgumentParser(description="calls over bad networks")
    parser.add_argument("--loss", type=numbers, default=[0, 5, 10, 20, 30])
    parser.add_argument("--jitter", type=numbers, default=[0, 50, 100])
    parser.add_argument("--delay", type=float, default=20)
    parser.add_argument("--burst", type=float, default=1)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--parallel", type=int, default=3)
    parser.add_argument("--only", default="table,events")
    args = parser.parse_args()
    server = Server(f"rtc.address={NETWORK.server},{NETWORK.server6}", network=NETWORK)
    try:
        if "table" in args.only:
            asyncio.run(table(server, args))
        if "events" in args.only:
            asyncio.run(changes(server))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
