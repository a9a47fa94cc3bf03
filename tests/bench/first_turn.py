#!/usr/bin/env python3
"""first_turn.py -- what connections opened ahead (engine.warm_s) save: the first typed turn of a conversation with engines
behind TLS and a line with a round trip of --ms, as Markdown (docs/TUNING.md).

    first_turn.py [--ms 60] [--rounds 10] [--upstream]

Engines answer at once, by script. Before each conversation all connections are ended. The conversation begins, the client is
silent for one second, then asks; the time runs from response.create to the first sound. With --upstream one Realtime server is
all engines."""
import argparse
import asyncio
import pathlib
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import Client, Server  # noqa: E402
from scripted_openai import SECRET, Scripted  # noqa: E402
from scripted_realtime import Realtime  # noqa: E402


class Line:
    """Carries connections to a port and back; each byte is half a round trip late."""

    def __init__(self, port, round_trip_s):
        self.port, self.half, self.loop, ready = port, round_trip_s / 2, asyncio.new_event_loop(), threading.Event()
        threading.Thread(target=self.run, args=(ready,), daemon=True).start()
        ready.wait()

    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.own = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def carry(self, reader, writer):
        while data := await reader.read(65536):
            self.loop.call_later(self.half, writer.write, data)
        self.loop.call_later(self.half, writer.close)

    async def serve(self, reader, writer):
        await asyncio.sleep(2 * self.half)  # what connect(2) would take
        far = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(self.carry(reader, far[1]), self.carry(far[0], writer), return_exceptions=True)


async def measure(rounds, round_trip_s, warm_s, upstream):
    script = Realtime(tls=True) if upstream else Scripted(tls=True)
    line = Line(script.port, round_trip_s)
    url = f"https://127.0.0.1:{line.own}/v1"
    kinds = (f"{kind}.{key}" for kind in ("stt", "llm", "tts") for key in ("backend=openai", f"url={url}", "api_key_env=KEY"))
    one = (f"upstream.url={url}", "upstream.model=m", "upstream.api_key_env=KEY", "tts.backend=none", "eot.enabled=false")
    server = Server("engine.insecure=true", f"engine.warm_s={warm_s}", *(one if upstream else kinds), env={"KEY": SECRET})
    times = []
    try:
        for _ in range(rounds):
            await asyncio.sleep(max(warm_s, 1) + 0.5)
            if not upstream:
                script.hang_up()
            async with Client(server.ws()) as talk:
                await talk.session(audio={"input": {"turn_detection": None}})
                await asyncio.sleep(1)
                start = time.monotonic()
                await talk.ask("Count for me.")
                await talk.until("response.output_audio.delta")
                times.append(1000 * (time.monotonic() - start))
                await talk.until("response.done")
    finally:
        server.stop()
        script.stop()
    return times


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--ms", type=float, default=60)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--upstream", action="store_true")
    options = options.parse_args()
    print("| connections | p50 ms | worst ms |\n|---|---|---|")
    for name, warm_s in (("when needed", 0), ("ahead", 1)):
        times = asyncio.run(measure(options.rounds, options.ms / 1000, warm_s, options.upstream))
        print(f"| {name} | {statistics.median(times):.0f} | {max(times):.0f} |", flush=True)


if __name__ == "__main__":
    main()
