#!/usr/bin/env python3
"""make bench: the numbers of the README, on a quiet machine. Prints Markdown.

    bench.py [--force] [--rounds N] [--only en-small,en-default,zh-default,zh-fast,memory] [--turns semantic_vad]
             [--set KEY=VALUE]...

A turn is `parley talk --wav` in real time against a server of its own; zero is the last loud sample of the
recording (30 dB below its loudest 10 ms, see prl_caller_speech_end), not what the VAD says. The parts are the
server's own (parley.response.latency). --force measures on a busy machine and says so in the heading."""
import argparse
import asyncio
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import PARLEY, ROOT, SHARED, Client, Server, jfk, synthesise, words  # noqa: E402

ENGLISH = ["conv_turn_000", "conv_turn_001", "conv_turn_002", "conv_turn_004", "conv_turn_005", "conv_turn_006",
           "conv_turn_008", "sb_spk1_snt3", "sb_spk2_snt2", "lk_weather_question"]
CHINESE = ["sensevoice_zh", "cosyvoice_prompt", "aishell_BAC009S0724W0121", "aishell_BAC009S0764W0121",
           "funasr_asr_example"]
PARTS = ["detected_ms", "stt_ms", "first_token_ms", "first_audio_ms", "first_byte_ms"]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def clips(language, folder):
    names = ENGLISH if language == "en" else CHINESE
    found = [SHARED / language / f"{name}.wav" for name in names]
    found = [path for path in found if path.exists()]
    if found:
        return found, "recordings"
    if language == "en":
        return [jfk()], "jfk.wav alone"
    lines = ["今天天气怎么样？", "请给我讲一个故事。", "明天早上七点叫我起床。", "附近有什么好吃的？"]
    return [synthesise(line, folder / f"zh{i}.wav") for i, line in enumerate(lines)], "synthesised Chinese"


def measure(title, language, rounds, turns, *settings):
    with tempfile.TemporaryDirectory() as folder:
        files, kind = clips(language, pathlib.Path(folder))
        server = Server(*settings)
        results, failed, spoken = [], 0, 0
        load = os.getloadavg()[0]
        for round_ in range(rounds):
            for path in files:
                out = subprocess.run([PARLEY, "talk", "--url", server.ws(), "--wav", str(path), "--language", language,
                                      "--turns", turns, "--json"], capture_output=True, text=True, timeout=180)
                if out.returncode != 0 or not out.stdout.strip():
                    failed += 1
                    continue
                result = json.loads(out.stdout)
                results.append(result)
                if round_ == 0:
                    spoken += len(words(result["transcript"])) if language == "en" else len(result["transcript"])
        memory = server.memory_kib() / 1024
        server.stop()
    first = [r["first_byte_ms"] for r in results if r["first_byte_ms"] >= 0]
    parts = {part: statistics.median([r["server"][part] for r in results if r["server"] and r["server"][part] is not None])
             for part in PARTS if any(r["server"] and r["server"][part] is not None for r in results)}
    unit = "words" if language == "en" else "characters"
    if not first:
        print(f"| {title} | no turn was answered ({failed} failed) | | | | |")
        return
    print(f"| {title} | {len(first)} of {len(first) + failed} | {len(files)} {kind}, {spoken} {unit} | "
          f"{min(first)} / {statistics.median(first):.0f} / {percentile(first, 0.95)} | "
          + ", ".join(f"{name.removesuffix('_ms').replace('_', ' ')} {value:.0f}" for name, value in parts.items())
          + f" | {memory:.0f} MiB, load {load:.1f} |", flush=True)


async def memory_and_churn():
    server = Server("llm.model=qwen2.5-coder-1.5b")
    base = server.memory_kib()
    clients = [Client(server.ws(), check=False) for _ in range(100)]
    for client in clients:
        await client.__aenter__()
        await client.until("session.created")
    idle = (server.memory_kib() - base) / 100
    for client in clients:
        await client.__aexit__()

    async def one():
        async with Client(server.ws(), check=False) as client:
            await client.session(output_modalities=["text"], max_output_tokens=2)
            await client.ask("Say ok.")
            await client.until("response.done", 120)
    for _ in range(20):
        await one()
    before, counts = server.memory_kib(), server.threads_and_files()
    started = time.monotonic()
    for _ in range(125):
        await asyncio.gather(*(one() for _ in range(4)))
    await asyncio.sleep(1)
    after = server.memory_kib()
    peak = int([line for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
                if line.startswith("VmHWM")][0].split()[1]) / 1024
    print(f"\nIdle session: {idle:.0f} KiB (100 open). Peak memory with the default model: {peak:.0f} MiB.")
    print(f"500 sessions with one text turn each, 4 at a time, {time.monotonic() - started:.0f} s: memory {before} -> "
          f"{after} KiB, threads and descriptors {counts} -> {server.threads_and_files()}.")
    server.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="en-small,en-default,zh-default,zh-fast,memory")
    parser.add_argument("--turns", default="server_vad", choices=["server_vad", "semantic_vad"])
    parser.add_argument("--set", action="append", default=[], help="a further setting of the server, to compare")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 0.5 and not options.force:
        sys.exit(f"bench: the machine is busy (load {load:.2f}, limit 0.5); wait, or say --force")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    print(f"`make bench`, {time.strftime('%Y-%m-%d')}, commit {commit}, {os.cpu_count()} cores of {model}, load "
          f"{load:.2f} at the start. Milliseconds from the last loud sample of the recording to the first byte of the "
          f"answer's sound at the client, `{options.turns}`, `silence_duration_ms` 500, language configured.\n")
    print("| configuration | turns | clips | best / median / p95 | median of the server's parts | memory |")
    print("|---|---|---|---|---|---|")
    runs = {"en-small": ("English, small model", "en", "llm.model=small"),
            "en-default": ("English, default model", "en", "llm.model=qwen2.5-coder-1.5b"),
            "zh-default": ("Chinese, default model and voice", "zh", "llm.model=qwen2.5-coder-1.5b"),
            "zh-fast": ("Chinese, default model, fast voice", "zh", "llm.model=qwen2.5-coder-1.5b",
                        "tts.fast_chinese=true")}
    for name, (title, language, *settings) in runs.items():
        if name in options.only.split(","):
            measure(title, language, options.rounds * (1 if language == "en" else 2), options.turns, *settings, *options.set)
    if "memory" in options.only.split(","):
        asyncio.run(memory_and_churn())


if __name__ == "__main__":
    main()
