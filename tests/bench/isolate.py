"""What engine.isolate costs: spoken turns and memory with engines on threads and in child processes, by turns.

    ~/.cache/parley/venv-test/bin/python tests/bench/isolate.py [RUNS] [TURNS]
"""
import asyncio
import base64
import os
import pathlib
import re
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import Client, Server, jfk, pcm24  # noqa: E402


def memory_mib(server):
    """Proportional share of server and children: what they would give back."""
    total = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            if server.process.pid in (parent, int(stat.parent.name)):
                total += int(re.search(r"Pss:\s+(\d+)", (stat.parent / "smaps_rollup").read_text())[1])
        except OSError:
            continue
    return total / 1024


async def turns(server, count):
    """Seconds from the end of the speech to transcript and first sound."""
    words, sounds = [], []
    data = pcm24(jfk())[:24000 * 4].tobytes()
    for _ in range(count):
        async with Client(server.ws()) as client:
            await client.session(instructions="Answer in five words.",
                                 audio={"input": {"turn_detection": None,
                                                  "transcription": {"model": "parley", "language": "en"}}})
            for i in range(0, len(data), 48000):
                await client.send("input_audio_buffer.append", audio=base64.b64encode(data[i:i + 48000]).decode())
            start = time.monotonic()
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            await client.until("response.done", 120)
            at = dict(zip(reversed(client.types()), reversed(client.times)))
            words.append(at["conversation.item.input_audio_transcription.completed"] - start)
            sounds.append(at["response.output_audio.delta"] - start)
    return words, sounds


def median_ms(values):
    return f"{statistics.median(values) * 1000:.0f}"


def main():
    runs, count = (int(sys.argv[i]) if len(sys.argv) > i else 3 + 7 * (i == 2) for i in (1, 2))
    print(f"load {os.getloadavg()[0]:.2f}; {runs} runs of {count} turns each")
    print("| engine.isolate | transcript p50 | first sound p50 | slowest | memory | threads of the server |\n"
          "|---|---|---|---|---|---|")
    for _ in range(runs):
        for kinds in ("off", "stt,llm,tts,eot"):
            server = Server(f"engine.isolate={kinds}")
            try:
                words, sounds = asyncio.run(turns(server, count))
                print(f"| {kinds} | {median_ms(words)} ms | {median_ms(sounds)} ms | {max(sounds) * 1000:.0f} ms | "
                      f"{memory_mib(server):.0f} MiB | {server.threads_and_files()[0]} |", flush=True)
            finally:
                server.stop()


if __name__ == "__main__":
    main()
