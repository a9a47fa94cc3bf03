#!/usr/bin/env python3
"""hedge.py -- what a second request (llm.hedge) saves where a server is slow now and then, as Markdown (docs/TUNING.md).

    hedge.py [--turns 200] [--slow 0.04]

Two addresses of a scripted model answer after 40 to 80 ms, and in a share of --slow of all requests after a second more. Typed
questions are answered in text, one after the other; the time runs from response.create to response.done."""
import argparse
import asyncio
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import Client, Server  # noqa: E402
from scripted_openai import SECRET, Scripted  # noqa: E402


class Uneven(Scripted):
    def __init__(self, seed, slow):
        self.random, self.slow = random.Random(seed), slow
        super().__init__()

    async def send(self, writer, fault, type_, body):
        late = self.random.random() < self.slow
        await asyncio.sleep(self.random.uniform(0.04, 0.08) + late)
        return await super().send(writer, fault, type_, body)


async def measure(turns, slow, percentile):
    scripts = [Uneven(seed, slow) for seed in (1, 2)]
    url = ",".join(script.url for script in scripts)
    server = Server("llm.backend=openai", f"llm.url={url}", "llm.api_key_env=KEY", f"llm.hedge={percentile}",
                    "stt.backend=openai", f"stt.url={url}", "tts.backend=openai", f"tts.url={url}", env={"KEY": SECRET})
    times = []
    try:
        async with Client(server.ws()) as talk:
            await talk.session(output_modalities=["text"])
            for _ in range(turns):
                start = time.monotonic()
                await talk.ask("Count for me.")
                await talk.until("response.done")
                times.append(1000 * (time.monotonic() - start))
    finally:
        server.stop()
        for script in scripts:
            script.stop()
    return sorted(times), sum(script.asked["llm"] for script in scripts)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--turns", type=int, default=200)
    options.add_argument("--slow", type=float, default=0.04)
    options = options.parse_args()
    print("| llm.hedge | p50 ms | p95 ms | p99 ms | requests |\n|---|---|---|---|---|")
    for percentile in (0, 95, 90):
        times, asked = asyncio.run(measure(options.turns, options.slow, percentile))
        p50, p95, p99 = (times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.95, 0.99))
        print(f"| {percentile or 'off'} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {asked} |", flush=True)


if __name__ == "__main__":
    main()
