#!/usr/bin/env python3
"""turns.py -- when the server speaks and when it stops, through the whole server, as Markdown (docs/TUNING.md).

    turns.py [--language en,zh] [--turns semantic_vad,server_vad] [--eagerness auto] [--parallel 3] [--limit N]
             [--only pauses,overlap] [--rtc] [--rounds 5] [--kinds noise,listening,speech] [--set KEY=VALUE]... [--verbose]

Each case is a conversation in real time, over WebSocket or, with --rtc, a WebRTC call; the microphone never stops (between
the words there is the recording's own quiet) and sends 20 ms when they have been recorded. Events are timed where they come in.
  pauses     a recording with one pause inside: as it was spoken ("natural"), or a shorter one made longer with its own
             quiet ("lengthened"), 0.3 to 1.2 s. A cut-in is sound of an answer before the person went on; a late answer
             starts more than 1.2 s after the last loud sample of the recording, beyond the delay of the engines behind
             the commit (--late, in ms: their sum)
  overlap    while an answer sounds: animals, sneezes, noise, and backchannels from our own voices ("synthesised"), which
             must not stop it; and recorded speech, which must. The onset is where 10 ms reach a quarter of the level
             of the recording and 200 ms a half of it, in the difference of its samples: a breath, a click or a thump before
             the first word is none. "Decided" is speech_started or the answer's end. "Paused" is when the answer falls
             silent, however it ends: over WebRTC in the sound of the packets (300 ms without any), over WebSocket, where
             sound is sent ahead of its time, when the next piece of it was due and did not come (the client still
             holds what was sent ahead); an answer that was in a gap of its own voice is left out
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

RATE, STEP = 24000, 480  # 20 ms a message
LATE_S = 0.15  # a piece of sound that comes later than that was not sent in its time
SILENT_S = 0.3  # an answer without sound for so long is paused
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


def onset_of(samples):
    """Seconds to where speech begins, as scene_onset of scene.h."""
    samples = [b - 0.97 * a for a, b in zip(samples, samples[1:])]

    def level(part):
        return (sum(s * s for s in part[::4]) / max(1, len(part[::4]))) ** 0.5
    whole, step = level(samples), RATE // 100
    return next((at for at in range(0, len(samples) - 20 * step, step)
                 if level(samples[at:at + step]) >= whole / 4 and level(samples[at:at + 20 * step]) >= whole / 2), 0) / RATE


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


class Ears:
    """What a talk's client does with events; beside a Talk of the harness."""

    language = "en"

    async def hear(self):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await self.next(3600)

    async def come(self, ready, limit_s):
        end = time.monotonic() + limit_s
        while not ready() and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return ready()

    async def configure(self, **session):
        await self.send("session.update", session={"type": "realtime", **session})
        await self.come(lambda: self.of("session.updated"), 60)

    def times_of(self, *types):
        return [at for event, at in zip(self.events, self.times) if event["type"] in types]

    def detection(self, arguments):
        return {"audio": {"input": {"transcription": {"model": "whisper-1", "language": self.language},
                                    "turn_detection": {"type": arguments[0], **({"eagerness": arguments[1]}
                                                       if arguments[0] == "semantic_vad" else {})}}}}


class Person(Ears, Client):
    """A microphone that never stops, and ears, over WebSocket."""

    def __init__(self, server):
        super().__init__(server.ws(), check=False)
        self.queue, self.quiet, self.said_at = [], array.array("h", [0] * STEP), None

    async def __aenter__(self):
        await super().__aenter__()
        await self.until("session.created")
        self.tasks = [asyncio.create_task(self.speak()), asyncio.create_task(self.hear())]
        return self

    async def __aexit__(self, *why):
        for task in self.tasks:
            task.cancel()
        await super().__aexit__(*why)

    async def speak(self):
        due = time.monotonic()
        while True:
            chunk = self.quiet
            if self.queue:
                samples, at = self.queue[0]
                chunk = samples[at:at + STEP]
                if at == 0:
                    self.said_at = due
                self.queue[0] = (samples, at + STEP)
                if at + STEP >= len(samples):
                    self.queue.pop(0)
                    chunk = (chunk + self.quiet)[:STEP]
            due += STEP / RATE  # what is recorded until then is sent then
            await asyncio.sleep(max(0, due - time.monotonic()))
            await self.send("input_audio_buffer.append", audio=base64.b64encode(chunk.tobytes()).decode())

    async def say(self, samples):
        """Starts to say it; returns the time of its first sample."""
        self.said_at = None
        self.queue.append((samples, 0))
        await self.come(lambda: self.said_at, 10)
        return self.said_at

    def sounds(self):
        return bool(self.times_of("response.output_audio.delta"))

    def pieces(self):
        return [(at, len(event["delta"]) * 3 / 4 / 2 / RATE) for event, at in zip(self.events, self.times)
                if event["type"] == "response.output_audio.delta"]

    def sounds_at(self, moment):
        """A voice that is slower than real time leaves gaps, in which nothing can be paused."""
        return any(at <= moment < at + length for at, length in self.pieces())

    def paused_at(self, onset):
        """When the first piece of sound after `onset` was due that did not come."""
        pieces = self.pieces()
        for (at, length), later in zip(pieces, [at for at, _ in pieces[1:]] + [float("inf")]):
            if at + length > onset and later > at + length + LATE_S:
                return at + length
        return None


def call_of(server):
    """The same as a WebRTC call."""
    from callers import QUIET, AiortcCaller  # what it needs is not needed otherwise

    class Call(Ears, AiortcCaller):
        async def __aenter__(self):
            await super().__aenter__()
            await self.dial()
            self.task = asyncio.create_task(self.hear())
            return self

        async def __aexit__(self, *why):
            self.task.cancel()
            await super().__aexit__(*why)

        async def say(self, samples):
            """A frame that is sent now was recorded in the 20 ms before."""
            due = self.microphone.start + (self.microphone.count - 1) * STEP / RATE
            await super().say(samples, wait=False)
            return due

        def sounds(self):
            return any(level > QUIET for _, level in self.levels())

        def sounds_at(self, moment):
            return any(moment - SILENT_S <= at <= moment for at, level in self.levels() if level > QUIET)

        def paused_at(self, onset):
            loud = [at for at, level in self.levels() if level > QUIET]
            for at, later in zip(loud, loud[1:] + [float("inf")]):
                if later > onset and later - at > SILENT_S:
                    return at + STEP / RATE
            return None

    return Call(server)


async def one_pause(server, case, language, detection):
    name, _, samples, start, goes_on, stop = case
    async with Person(server) as person:
        person.language = language
        await person.configure(**person.detection(detection))
        person.quiet = quiet_of(samples, STEP)
        began = await person.say(samples)
        await asyncio.sleep(max(0, began + stop / RATE - time.monotonic()))
        end = began + stop / RATE

        def sounds():
            return person.times_of("response.output_audio.delta")
        await person.come(lambda: any(at > end for at in sounds()), 20)
        heard = sounds()
        cut_in = [at for at in heard if began + start / RATE < at < began + goes_on / RATE]
        after = [at for at in heard if at > end]
        commits = person.times_of("input_audio_buffer.committed")
        early = sum(began + start / RATE < at < began + goes_on / RATE for at in commits)
        return {"name": name, "cut_in": bool(cut_in), "early_commit": early > 0, "pause": (goes_on - start) / RATE,
                "late": (after[0] - end) * 1000 if after else None,
                "text": " / ".join(event["transcript"] for event in person.of(
                    "conversation.item.input_audio_transcription.completed"))}


def since(times, onset):
    """Milliseconds from the onset to the first of the times after it."""
    return min(((at - onset) * 1000 for at in times if at is not None and at > onset), default=None)


async def one_overlap(line, name, samples, language, detection):
    async with line as person:
        person.language = language
        await person.configure(**person.detection(detection), max_output_tokens=400)
        await person.ask(QUESTION[language])
        if not await person.come(person.sounds, 60):
            return {"name": name, "failed": True}
        await asyncio.sleep(1.0)
        onset = await person.say(samples) + onset_of(samples)
        await asyncio.sleep(len(samples) / RATE + 1.5)
        ends = [(event["response"]["status"], at) for event, at in zip(person.events, person.times)
                if event["type"] == "response.done"]
        if ends and ends[0][1] <= onset:
            return {"name": name, "failed": True}  # all of it had been said
        cancelled = [at for status, at in ends if status == "cancelled"]
        completed = [at for status, at in ends if status == "completed"]
        decided = since(person.times_of("input_audio_buffer.speech_started") + cancelled, onset)
        # An answer that came to its end could not be stopped.
        return {"name": name, "failed": bool(completed) and not cancelled, "stopped": bool(cancelled), "decided": decided,
                "paused": since([person.paused_at(onset), *cancelled], onset) if person.sounds_at(onset) else None,
                "words": [e["transcript"] for e in person.of("conversation.item.input_audio_transcription.completed")]}


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


KINDS = {"noise": ("animals, sneezes, noise", lambda n: "/" not in n and "backchannel" not in n),
         "listening": ("backchannels, synthesised", lambda n: "backchannel" in n),
         "speech": ("speech, recorded", lambda n: "/" in n)}


async def overlap(server, language, detection, args):
    kinds = [KINDS[kind] for kind in args.kinds.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        cases = noises(language, pathlib.Path(folder), args.rounds)
    cases = [case for case in cases if any(wanted(case[0]) for _, wanted in kinds)][:args.limit]
    results = await all_of([one_overlap(call_of(server) if args.rtc else Person(server), name, samples, language, detection)
                            for name, samples, _ in cases], args.parallel, args.verbose)
    for kind, wanted in kinds:
        rows = [r for r in results if wanted(r["name"]) and not r["failed"] and r["name"] != "?"]

        def spread(what):
            values = [r[what] for r in rows if r[what] is not None]
            return f"{percentile(values, 0.5):.0f} / {percentile(values, 0.95):.0f}" if values else "-"
        print(f"| {language} | {detection[0]} | {kind} | {len(rows)} | {sum(r['stopped'] for r in rows)} | "
              f"{spread('paused')} of {sum(r['paused'] is not None for r in rows)} | {spread('decided')} |", flush=True)


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
    parser.add_argument("--kinds", default="noise,listening,speech")
    parser.add_argument("--rtc", action="store_true")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    server = Server(*args.set)
    heads = {"pauses": "| language | turn detection | pauses | cases | cut-ins | commits in the pause | answer after the end, ms (p50 / p95) "
                       "| late |\n|---|---|---|---|---|---|---|---|",
             "overlap": "| language | turn detection | sound over the answer | cases | answers stopped | paused after, ms (p50 / p95) "
                        "| decided after |\n|---|---|---|---|---|---|---|"}
    for only in args.only.split(","):
        print(f"\n{heads[only]}", flush=True)
        for language in args.language.split(","):
            for turns in args.turns.split(","):
                asyncio.run({"pauses": pauses, "overlap": overlap}[only](server, language, (turns, args.eagerness), args))
    print(f"\nload {os.getloadavg()[0]:.1f}")
    server.stop()


if __name__ == "__main__":
    main()
