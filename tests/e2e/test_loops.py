"""Several loops in one server: sessions and calls are spread over them, and whatever is for one of them finds it, on
any connection. Engines are scripted; the last tests have the real ones."""
import asyncio
import contextlib
import json
import os
import random
import re
import socket
import struct
import sys
import tempfile

import aiohttp
import test_calls
import websockets
from callers import QUIET, AiortcCaller
from harness import PATIENCE, Client, Server, jfk, pcm24, run, share_of_words
from test_calls import (BASE, KEY, OFFER, OTHER_KEY, SDP, ask, bearer, call, metric_is, owner, refused, resumable,
                        secret)

LOOPS = 3
SCRIPTED = ("scripted.engines=true", "eot.enabled=false", "http.tls=false", "session.lead_ms=10000")


def loop_of(text):
    """By the digit in a call's id or a resume token."""
    return int(text.removeprefix("rtc_")[0], 16)


async def owners(stack, server, count):
    """Clients with open sessions, each with the number of its loop in `loop`."""
    clients = [await stack.enter_async_context(owner(server)) for _ in range(count)]
    for client in clients:
        client.loop = loop_of(await resumable(client))
    return clients


async def answered(client):
    await client.ask("Say something.")
    done = await client.until("response.done")
    assert done["response"]["status"] == "completed", done
    assert client.of("response.output_audio.delta"), client.types()


async def closed_with(client):
    try:
        while True:
            await client.next()
    except websockets.ConnectionClosed as closed:
        return closed.rcvd and closed.rcvd.code


async def test_sessions_and_calls_are_spread(server):
    async with contextlib.AsyncExitStack() as stack:
        clients = await owners(stack, server, 2 * LOOPS)
        calls = [await call(server) for _ in range(2 * LOOPS)]
        for loops in ([client.loop for client in clients], [loop_of(id_) for id_ in calls]):
            assert set(loops) == set(range(LOOPS)), loops
        await metric_is(server, "parley_sessions", 4 * LOOPS)
        await metric_is(server, "parley_calls", 2 * LOOPS)
        await asyncio.gather(*(answered(client) for client in clients))
        for id_ in calls:
            assert (await ask(server, "POST", f"{BASE}/{id_}/hangup")).status == 200
        await metric_is(server, "parley_calls", 0)
        await metric_is(server, "parley_sessions", 2 * LOOPS)


async def test_one_connection_steers_calls_of_all_loops(server):
    """It goes from loop to loop, and is still good for everything else."""
    made = []

    async def count(*_):
        made.append(1)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(count)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1), trace_configs=[trace]) as one:

        async def request(method, path, **options):
            async with one.request(method, server.http(path), headers={**bearer(KEY), **options.pop("headers", {})},
                                   **options) as answer:
                return answer.status, answer.headers, await answer.text()

        calls = []
        for _ in range(2 * LOOPS):
            status, headers, _ = await request("POST", BASE, data=OFFER, headers=SDP)
            assert status == 201
            calls.append(headers["Location"].rsplit("/", 1)[1])
            assert (await request("GET", "/readyz"))[0] == 200
        assert {loop_of(id_) for id_ in calls} == set(range(LOOPS)), calls
        async with contextlib.AsyncExitStack() as stack:
            bands = [await stack.enter_async_context(owner(server, query=f"call_id={id_}")) for id_ in calls]
            for number, band in enumerate(bands):
                assert (await band.session(instructions=f"Call {number}."))["instructions"] == f"Call {number}."
            status, _, text = await request("GET", "/metrics")
            assert status == 200 and "parley_loop_load" in text
            for id_, band in zip(calls, bands):
                status, _, answer = await request("POST", f"{BASE}/{id_}", data=OFFER, headers=SDP)
                assert status == 200 and answer.startswith("v=0"), answer
                assert (await request("POST", f"{BASE}/{id_}/hangup"))[0] == 200
                assert await closed_with(band) == 1000
                assert (await request("POST", f"{BASE}/{id_}/hangup"))[0] == 404
        assert len(made) == 1, made
    for stranger in ("rtc_0" + "x" * 20, "rtc_7" + "x" * 20, "rtc_z", "rtc_", "x"):
        assert (await ask(server, "POST", f"{BASE}/{stranger}/hangup")).status == 404, stranger
        await refused(server, 404, "call_not_found", f"call_id={stranger}")


async def test_clients_come_back_to_their_loop(server):
    async with contextlib.AsyncExitStack() as stack:
        clients = await owners(stack, server, 2 * LOOPS)
        assert {client.loop for client in clients} == set(range(LOOPS))
        for client in clients:
            token = client.of("parley.resume")[-1]["token"]
            session = client.of("session.created")[0]["session"]["id"]
            client.socket.transport.abort()
            back = await stack.enter_async_context(owner(server, **{"Parley-Resume": token}))
            assert (await back.until("session.created"))["session"]["id"] == session
            again = await back.until("parley.resume")
            assert again["resumed"] is True and loop_of(again["token"]) == client.loop, again
            await answered(back)


async def test_secrets_are_good_on_all_loops(server):
    value = await secret(server, {"type": "realtime", "instructions": "Only say moo.", "parley": {"resume": True}})
    loops = set()
    for _ in range(2 * LOOPS):
        async with owner(server, value) as client:
            assert (await client.until("session.created"))["session"]["instructions"] == "Only say moo."
            loops.add(loop_of((await client.until("parley.resume"))["token"]))
    assert loops == set(range(LOOPS)), loops
    id_ = await call(server, value)
    assert (await ask(server, "POST", f"{BASE}/{id_}/hangup", key=OTHER_KEY)).status == 403
    assert (await ask(server, "POST", f"{BASE}/{id_}/hangup", key=value)).status == 200


async def test_broken_connections_harm_nobody_else(server):
    """Resets in the middle of a message, of an answer and of a request, on every loop."""
    async with contextlib.AsyncExitStack() as stack:
        kept = await owners(stack, server, 2 * LOOPS)
        for client in kept:
            await client.ask("Say something.")
        for path in [BASE] * LOOPS + [f"{BASE}/rtc_{loop}{'x' * 20}" for loop in range(LOOPS)]:
            half = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
                    f"Content-Type: application/sdp\r\nContent-Length: {len(OFFER)}\r\n\r\n").encode()
            for body in (OFFER[:100], OFFER):  # the second is complete: the answer finds nobody
                with socket.create_connection(("127.0.0.1", server.port)) as raw:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    raw.sendall(half + body)
        for _ in range(2 * LOOPS):
            async with owner(server) as broken:
                await broken.ask("Say something.")
                await broken.until("response.created")
                broken.socket.transport.write(b"\x81\xfe\xff\xff")  # a frame that never comes
                broken.socket.transport.abort()
        for client in kept:
            done = await client.until("response.done")
            assert done["response"]["status"] == "completed", done
            await answered(client)


def free_ports():
    """The first of LOOPS ports in a row that are free for UDP and TCP."""
    for _ in range(50):
        base = random.randrange(20000, 30000)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                for i in range(LOOPS):
                    held.enter_context(socket.socket(socket.AF_INET, kind)).bind(("", base + i))
            return base
    raise AssertionError("no free ports")


async def test_udp_ports_follow_the_loops():
    base = free_ports()
    server = Server(*SCRIPTED, f"loops={LOOPS}", f"rtc.udp_port={base}", f"rtc.tcp_port={base}", wait=False)
    try:
        await asyncio.to_thread(server.wait_ready)
        for _ in range(2 * LOOPS):
            answer = await ask(server, "POST", BASE, key=None, data=OFFER, headers=SDP)
            loop = loop_of(answer.headers["Location"].rsplit("/", 1)[1])
            for kind in ("udp", "tcp"):
                ports = {int(port) for port in re.findall(rf"^a=candidate:\S+ \d {kind} \d+ \S+ (\d+) typ host",
                                                          answer.body, re.M | re.I)}
                assert ports == {base + loop}, (loop, ports, answer.body)
    finally:
        assert server.stop() == 0


async def test_start_that_fails_says_why_and_ends():
    """With all of the first loop made, and a part of the second one."""
    base = free_ports()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", base + 1))
        server = Server(*SCRIPTED, f"loops={LOOPS}", f"rtc.udp_port={base}", wait=False)
        assert await asyncio.to_thread(server.process.wait, 30 * PATIENCE) == 1
        assert f"port {base + 1}" in server.log() and "not started" in server.log(), server.log()
    server = Server("loops=2", "llm.model=/nowhere/model.gguf", wait=False)
    assert await asyncio.to_thread(server.process.wait, 60 * PATIENCE) == 1, server.log()
    # Ctrl-C while models load, or before.
    server = Server("loops=2", wait=False)
    for _ in range(300 * PATIENCE):
        if "listening on" in server.log():
            break
        await asyncio.sleep(0.02)
    assert await asyncio.to_thread(server.stop) == 0, server.log()


async def test_limits_are_of_the_server():
    server = Server(*SCRIPTED, f"loops={LOOPS}", "api.sessions_max=4", "http.connections_max=8", wait=False)
    try:
        await asyncio.to_thread(server.wait_ready)
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(owner(server, None)) for _ in range(4)]
            await refused(server, 429, "too_many_sessions", key=None)
            await clients.pop().socket.close()
            await metric_is(server, "parley_sessions", 3, key=None)
            clients.append(await stack.enter_async_context(owner(server, None)))
            for client in clients:
                await client.until("session.created")
            # Connections that have gone to other loops count on: beside the four there is room for four.
            let_in, line = 0, b""
            while b" 429 " not in line:
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                stack.callback(writer.close)
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                line = await reader.readline()
                let_in += b" 200 " in line
                assert let_in <= 4, line
    finally:
        assert server.stop() == 0


async def test_everything_is_given_back_and_the_end_is_clean():
    server = Server(*SCRIPTED, f"loops={LOOPS}", wait=False)
    try:
        await asyncio.to_thread(server.wait_ready)

        async def round_():
            async with contextlib.AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(owner(server, None)) for _ in range(24)]
                await asyncio.gather(*(answered(client) for client in clients))
                for _ in range(6):
                    id_ = await call(server, None)
                    assert (await ask(server, "POST", f"{BASE}/{id_}/hangup", key=None)).status == 200
            await metric_is(server, "parley_sessions", 0, key=None)
            await metric_is(server, "parley_connections", 1, key=None)  # the one that asks

        await round_()
        before = server.threads_and_files(), server.memory_kib()
        for _ in range(3):
            await round_()
        files = await asyncio.to_thread(server.threads_and_files)
        for _ in range(20 * PATIENCE):  # the last connection that asked may still be there
            if files <= before[0]:
                break
            files = await asyncio.to_thread(server.threads_and_files)
        assert files <= before[0], (before, files)
        assert server.memory_kib() - before[1] < 16 << 10, (before, server.memory_kib())
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(owner(server, None)) for _ in range(2 * LOOPS)]
            for client in clients:
                await client.ask("Say something.")
            ends = asyncio.gather(*(closed_with(client) for client in clients))
            assert await asyncio.to_thread(server.stop) == 0
            ends = await ends
            assert 1001 in ends and set(ends) <= {1001, None}, ends  # None: it had no time to say so
    finally:
        server.stop()


async def heard(caller, words_wanted):
    item = await caller.until("conversation.item.input_audio_transcription.completed")
    assert share_of_words(words_wanted, item["transcript"]) >= 0.5, item
    done = await caller.until("response.done", 90)
    assert done["response"]["status"] == "completed", done


async def test_real_engines_serve_two_loops():
    """Speech on two loops at a time, over a WebSocket each and over WebRTC each."""
    server = Server("loops=2", "llm.temperature=0", wait=False)
    session = {"instructions": "Answer in one short sentence.",
               "audio": {"input": {"transcription": {"model": "whisper-1", "language": "en"}}}}
    speech, said = pcm24(jfk())[:24000 * 3], "and so my fellow Americans"
    try:
        await asyncio.to_thread(server.wait_ready)
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(server.ws())) for _ in range(2)]
            for client in clients:
                await client.session(**session)
            await asyncio.gather(*(client.say(speech) for client in clients), *(heard(client, said) for client in clients))
        async with contextlib.AsyncExitStack() as stack:
            callers = [await stack.enter_async_context(AiortcCaller(server)) for _ in range(2)]
            for caller in callers:
                await caller.dial(session)
            assert {loop_of(caller.call_id) for caller in callers} == {0, 1}
            await asyncio.gather(*(caller.say(speech) for caller in callers),
                                 *(heard(caller, said) for caller in callers))
            for caller in callers:
                await caller.wait(lambda: max(level for _, level in caller.levels(0)) > 3 * QUIET, 30, "sound")
                status, _, text = await caller.request("POST", f"{BASE}/{caller.call_id}/hangup")
                assert status == 200, text
    finally:
        assert server.stop() == 0


# The rules of calls, sidebands and coming back are the same.
SAME = [test_calls.test_call_is_answered, test_calls.test_call_is_steered_by_who_made_it,
        test_calls.test_sideband_mirrors_and_ends_with_the_call, test_calls.test_resume_after_a_drop,
        test_calls.test_resume_by_subprotocol_closes_the_old_connection,
        test_calls.test_resume_from_websocket_to_call_and_back]


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
        keys.write(f"{KEY}\n{OTHER_KEY}\n")
        keys.flush()
        os.chmod(keys.name, 0o600)
        server = Server(*SCRIPTED, f"loops={LOOPS}", f"api.key_file={keys.name}", "session.resume_s=10")
        return run(SAME + [value for name, value in list(globals().items()) if name.startswith("test_") and
                           callable(value)], server)


if __name__ == "__main__":
    sys.exit(main())
