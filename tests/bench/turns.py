#!/usr/bin/env python3
"""turns.py -- when the server speaks and when it stops, through the whole server, as Markdown (docs/TUNING.md).

    turns.py [--language en,zh] [--turns semantic_vad,server_vad] [--eagerness auto] [--parallel 3] [--limit N]
             [--only pauses,overlap] [--set KEY=VALUE]... [--verbose]

Each case is a WebSocket conversation in real time; the microphone never stops (between the words there is the recording's
own quiet). Times are taken where sound is sent and where events come in.
  pauses     a recording with one pause inside: as it was spoken ("natural"), or a shorter one made longer with its own
             quiet ("lengthened"), 0.3 to 1.2 s. A cut-in is sound of an answer before the person went on; a late answer
             starts more than 1.2 s after the last loud sample of the recording, beyond the delay of the engines behind
             the commit (--late, in ms: their sum)
  overlap    while an answer sounds: animals, sneezes, noise, and backchannels from our own voices ("synthesised"), which
             must not stop it; and recorded speech, which must. "noticed" is speech_started or the answer's end
Recorded, lengthened and synthesised cases stand in rows of their own; only the first say something about people."""
import argparse
import array
import asyncio
import base64
import contextlib
import os
import pathlib
import random
import sys
import tempfile
import time

import websockets

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import SHARED, Client, Server, pcm24, synthesise  # noqa: E402

RATE, STEP = 24000, 960  # 40 ms a message
LENGTHS = [0.3, 0.45, 0.6, 0.75, 0.9, 1.05, 1.2]
BACKCHANNELS = {"en": ["Mhm.", "Yeah.", "Okay.", "Right.", "Uh huh."], "zh": ["嗯。", "对。", "好的。", "哦。", "是的。"]}
QUESTION = {"en": "Tell me a long story about a ship.", "zh": "请给我讲一个很长的故事。"}
SPEECH = {"en": ["en/conv_turn_004", "en/sb_spk1_snt5", "en/sb_spk2_snt4", "en/conv_turn_001", "en/sb_spk1_snt1",
                 "en/conv_turn_002", "en/lk_weather_question", "en/sb_spk1_snt4"],
          "zh": ["zh/cosyvoice_prompt", "zh/sensevoice_zh", "zh/aishell_BAC009S0764W0121", "zh/aishell_BAC009S0724W0121",
                 "zh/hello_zh", "zh/fireredtts2_s2", "zh/wenet_mid", "zh/funasr_asr_example"]}


def energies(samples):
    """RMS of each 10 ms."""
    step = RATE // 100
    return [(sum(s * s for s in samples[i:i + step:4]) / (step // 4)) ** 0.5
            for i in range(0, len(samples) - step, step)]


def stretches(samples):
    """(first loud 10 ms, one past the last, quiet runs between them of at least 60 ms as (from, to))."""
    loud = energies(samples)
    limit = max(loud) * 10 ** (-30 / 20)
    voiced = [i for i, value in enumerate(loud) if value > limit]
    runs, since = [], None
    for i in range(voiced[0], voiced[-1] + 1):
        if loud[i] <= limit:
            since = i if since is None else since
        elif since is not None:
            if i - since >= 6:
                runs.append((since, i))
            since = None
    return voiced[0], voiced[-1] + 1, runs


def quiet_of(samples, count):
    """`count` samples of the recording's own quiet: its quietest 200 ms, forwards and backwards in turn."""
    loud = energies(samples)
    span = min(20, len(loud))
    start = min(range(len(loud) - span + 1), key=lambda i: sum(loud[i:i + span])) * (RATE // 100)
    piece = samples[start:start + span * (RATE // 100)]
    out = array.array("h")
    while len(out) < count:
        out += piece + piece[::-1]
    return out[:count]


def pause_cases(language):
    """(name, kind, samples, where the pause begins, where speech goes on, where it ends), positions in samples."""
    cases, turn = [], 0
    for folder in (language, f"{language}_synthetic"):
        for path in sorted((SHARED / folder).glob("*.wav")):
            samples = pcm24(path)
            _, last, runs = stretches(samples)
            for number, (start, end) in enumerate(runs):
                start, end, stop = (x * RATE // 100 for x in (start, end, last))
                length = (end - start) / RATE
                if length >= LENGTHS[0]:
                    cases.append((f"{path.stem}#n{number}", "natural", samples, start, end, stop))
                    continue
                for _ in range(1 if language == "en" else 3):
                    turn += 1
                    more = int(LENGTHS[turn % len(LENGTHS)] * RATE) - (end - start)
                    middle = (start + end) // 2
                    longer = samples[:middle] + quiet_of(samples, more) + samples[middle:]
                    cases.append((f"{path.stem}#{turn}", "lengthened", longer, start, end + more, stop + more))
    synthetic = {path.stem for path in (SHARED / f"{language}_synthetic").glob("*.wav")}
    return [(name, "synthetic, " + kind if name.split("#")[0] in synthetic else kind, *rest)
            for name, kind, *rest in cases]


class Person(Client):
    """A microphone that never stops, and ears."""

    def __init__(self, url):
        super().__init__(url, check=False)
        self.queue, self.quiet, self.sent_at = [], array.array("h", [0] * STEP), None

    async def __aenter__(self):
        await super().__aenter__()
        await self.until("session.created")
        self.language = "en"
        self.tasks = [asyncio.create_task(self.speak()), asyncio.create_task(self.listen())]
        return self

    async def __aexit__(self, *why):
        for task in self.tasks:
            task.cancel()
        await super().__aexit__(*why)

    async def configure(self, **session):
        await self.send("session.update", session={"type": "realtime", **session})
        await self.wait(lambda: self.of("session.updated"), 60)

    async def listen(self):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await self.next(3600)

    async def wait(self, ready, limit_s):
        end = time.monotonic() + limit_s
        while not ready() and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return ready()

    async def speak(self):
        due = time.monotonic()
        while True:
            chunk, at = self.quiet, None
            if self.queue:
                samples, at = self.queue[0]
                chunk = samples[at:at + STEP]
                if at == 0:
                    self.sent_at = time.monotonic()
                self.queue[0] = (samples, at + STEP)
                if at + STEP >= len(samples):
                    self.queue.pop(0)
                    chunk = (chunk + self.quiet)[:STEP]
            await self.send("input_audio_buffer.append", audio=base64.b64encode(chunk.tobytes()).decode())
            due += STEP / RATE
            await asyncio.sleep(max(0, due - time.monotonic()))

    def times_of(self, *types):
        return [at for event, at in zip(self.events, self.times) if event["type"] in types]

    async def say(self, samples):
        """Starts to say it; returns the time of its first sample."""
        self.sent_at = None
        self.queue.append((samples, 0))
        await self.wait(lambda: self.sent_at, 10)
        return self.sent_at

    def detection(self, arguments):
        return {"audio": {"input": {"transcription": {"model": "whisper-1", "language": self.language},
                                    "turn_detection": {"type": arguments[0], **({"eagerness": arguments[1]}
                                                       if arguments[0] == "semantic_vad" else {})}}}}


async def one_pause(server, case, language, detection):
    name, _, samples, start, goes_on, stop = case
    async with Person(server.ws()) as person:
        person.language = language
        await person.configure(**person.detection(detection))
        person.quiet = quiet_of(samples, STEP)
        began = await person.say(samples)
        await asyncio.sleep(max(0, began + stop / RATE - time.monotonic()))
        end = began + stop / RATE

        def sounds():
            return person.times_of("response.output_audio.delta")
        await person.wait(lambda: any(at > end for at in sounds()), 20)
        heard = sounds()
        cut_in = [at for at in heard if began + start / RATE < at < began + goes_on / RATE]
        after = [at for at in heard if at > end]
        commits = person.times_of("input_audio_buffer.committed")
        early = sum(began + start / RATE < at < began + goes_on / RATE for at in commits)
        return {"name": name, "cut_in": bool(cut_in), "early_commit": early > 0, "pause": (goes_on - start) / RATE,
                "late": (after[0] - end) * 1000 if after else None,
                "text": " / ".join(event["transcript"] for event in person.of(
                    "conversation.item.input_audio_transcription.completed"))}


async def one_overlap(server, name, samples, language, detection):
    async with Person(server.ws()) as person:
        person.language = language
        await person.configure(**person.detection(detection), max_output_tokens=400)
        await person.ask(QUESTION[language])
        if not await person.wait(lambda: person.times_of("response.output_audio.delta"), 60):
            return {"name": name, "failed": True}
        await asyncio.sleep(1.0)
        loud = energies(samples)
        first = next(i for i, value in enumerate(loud) if value > max(loud) * 0.06) / 100
        onset = await person.say(samples) + first
        await asyncio.sleep(len(samples) / RATE + 1.5)
        began = [at for at in person.times_of("input_audio_buffer.speech_started") if at > onset]
        ended = [at for event, at in zip(person.events, person.times) if event["type"] == "response.done"
                 and event["response"]["status"] == "cancelled" and at > onset]
        over = any(event["response"]["status"] == "completed" for event in person.of("response.done"))
        return {"name": name, "failed": over and not ended, "stopped": bool(ended),
                "noticed": (min(began + ended) - onset) * 1000 if began or ended else None}


async def all_of(jobs, parallel, verbose):
    gate, results = asyncio.Semaphore(parallel), []

    async def run(job):
        async with gate:
            try:
                result = await job
            except (OSError, AssertionError, asyncio.TimeoutError) as why:
                result = {"name": "?", "failed": True, "why": str(why)}
            results.append(result)
            if verbose:
                print(result, file=sys.stderr, flush=True)
    await asyncio.gather(*(run(job) for job in jobs))
    return results


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def noises(language, folder, count):
    """(name, samples, must it stop the answer) of the overlap cases, shuffled by a fixed seed."""
    cases = [(path.stem, pcm24(path), False) for path in sorted((SHARED / "overlap").glob("*.wav"))
             if "meeting" not in path.stem]
    for i, word in enumerate(BACKCHANNELS[language]):
        path = folder / f"{language}{i}.wav"
        synthesise(word, path)
        cases.append((f"backchannel {word}", pcm24(path), False))
    cases = [case for _ in range(count) for case in cases]
    cases += [(name, pcm24(SHARED / f"{name}.wav"), True) for name in SPEECH[language] for _ in range(count)]
    random.Random(1).shuffle(cases)
    return cases


async def pauses(server, language, detection, args):
    cases = pause_cases(language)[:args.limit]
    results = await all_of([one_pause(server, case, language, detection) for case in cases], args.parallel, args.verbose)
    kinds = {case[0]: case[1] for case in cases}
    for kind in sorted(set(kinds.values())):
        rows = [r for r in results if kinds.get(r["name"]) == kind]
        late = [r["late"] for r in rows if r.get("late") is not None]
        print(f"| {language} | {detection[0]} | {kind} | {len(rows)} | {sum(r.get('cut_in', False) for r in rows)} | "
              f"{sum(r.get('early_commit', False) for r in rows)} | {percentile(late, 0.5):.0f} / {percentile(late, 0.95):.0f} | "
              f"{sum(x > 1200 + args.late for x in late) + len(rows) - len(late)} |", flush=True)


async def overlap(server, language, detection, args):
    with tempfile.TemporaryDirectory() as folder:
        cases = noises(language, pathlib.Path(folder), args.rounds)[:args.limit]
    results = await all_of([one_overlap(server, name, samples, language, detection) for name, samples, _ in cases],
                           args.parallel, args.verbose)
    for kind, wanted in (("animals, sneezes, noise", lambda n: "/" not in n and "backchannel" not in n),
                         ("backchannels, synthesised", lambda n: "backchannel" in n),
                         ("speech, recorded", lambda n: "/" in n)):
        rows = [r for r in results if wanted(r["name"]) and not r["failed"] and r["name"] != "?"]
        noticed = [r["noticed"] for r in rows if r["noticed"] is not None]
        print(f"| {language} | {detection[0]} | {kind} | {len(rows)} | {sum(r['stopped'] for r in rows)} | "
              f"{percentile(noticed, 0.5):.0f} / {percentile(noticed, 0.95):.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", default="en,zh")
    parser.add_argument("--turns", default="semantic_vad,server_vad")
    parser.add_argument("--eagerness", default="auto")
    parser.add_argument("--parallel", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=100000)
    parser.add_argument("--late", type=int, default=0)
    parser.add_argument("--only", default="pauses,overlap")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    server = Server(*args.set)
    heads = {"pauses": "| language | turn detection | pauses | cases | cut-ins | commits in the pause | answer after the end, ms (p50 / p95) "
                       "| late |\n|---|---|---|---|---|---|---|---|",
             "overlap": "| language | turn detection | sound over the answer | cases | answers stopped | noticed after, ms (p50 / p95) |\n"
                        "|---|---|---|---|---|---|"}
    for only in args.only.split(","):
        print(f"\n{heads[only]}", flush=True)
        for language in args.language.split(","):
            for turns in args.turns.split(","):
                asyncio.run({"pauses": pauses, "overlap": overlap}[only](server, language, (turns, args.eagerness), args))
    print(f"\nload {os.getloadavg()[0]:.1f}")
    server.stop()


if __name__ == "__main__":
    main()
