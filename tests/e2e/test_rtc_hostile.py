"""What strangers may try on the media ports: forged hellos, packets from unverified and from stolen addresses, short
and long SRTP, replay, amplification by STUN, mutated datagrams, thousands of offers that never connect. The client
stands in a network namespace of its own; a call that is going on must notice nothing."""
import asyncio
import contextlib
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

import aiohttp
from aioice import stun
from callers import AiortcCaller, candidates
from harness import PATIENCE, ROOT, Server, run, slowness

sys.path.insert(0, str(ROOT / "tests/net"))
from netns import Network  # noqa: E402

OFFER = (ROOT / "tests/data/offers/chromium-audio-data.sdp").read_text()
SEED = int(os.environ.get("SEED", "1"))
HELLO = bytes.fromhex("16fefd0000000000000000") + struct.pack(">H", 62) + b"\x01" + bytes(2) + b"\x32" + bytes(58)
network = None


# ---------------------------------------------------------------- tools


def metrics(server):
    """Name → value of everything about WebRTC."""
    request = urllib.request.Request(server.http("/metrics"), headers=server.headers())
    with urllib.request.urlopen(request, timeout=20) as answer:
        return {name: float(value) for name, value in
                re.findall(r"^parley_(rtc_\w+) (\S+)$", answer.read().decode(), re.M)}


async def grown(server, name, before, least, limit_s=5):
    """How much a counter has grown, as soon as it is at least so much."""
    end = time.monotonic() + limit_s * PATIENCE
    while True:
        more = metrics(server)[name] - before[name]
        if more >= least or time.monotonic() > end:
            assert more >= least, f"{name} has grown by {more}, not by {least}"
            return more
        await asyncio.sleep(0.05)


async def offer(server, session=None):
    """(status, answer) of an offer whose client never comes by itself."""
    own = session or aiohttp.ClientSession()
    try:
        async with own.post(server.http("/v1/realtime/calls"), data=OFFER,
                            headers={**server.headers(), "Content-Type": "application/sdp"}) as answer:
            return answer.status, await answer.text()
    finally:
        if not session:
            await own.close()


def names(answer):
    """Our ufrag and password, and the client's ufrag."""
    return (re.search(r"a=ice-ufrag:(\S+)", answer)[1], re.search(r"a=ice-pwd:(\S+)", answer)[1],
            re.search(r"a=ice-ufrag:(\S+)", OFFER)[1])


def check(answer, password=None, user=None, **attributes):
    """A connectivity check as a browser sends it."""
    ufrag, right, theirs = names(answer)
    message = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    message.attributes["USERNAME"] = user or f"{ufrag}:{theirs}"
    message.attributes["PRIORITY"] = 1853824767
    message.attributes.update(attributes or {"ICE-CONTROLLING": 77, "USE-CANDIDATE": None})
    message.add_message_integrity((password or right).encode())
    message.add_fingerprint()
    return bytes(message)


class Stranger:
    """A UDP socket of the client's side."""

    def __init__(self, address=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address or network.client, 0))
        self.socket.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data, to):
        with contextlib.suppress(BlockingIOError):
            self.socket.sendto(data, to)

    async def answers(self, wait_s=0.3, wanted=0):
        """Everything that comes until nothing comes; what is wanted may take its time."""
        found = []
        while True:
            limit_s = wait_s if len(found) >= wanted else 2 * PATIENCE
            try:
                found.append(await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 4096), limit_s))
            except asyncio.TimeoutError:
                return found


class Thief:
    """Sends from an address and port that are somebody else's, as one can who sits on the path."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        size = 28 + len(data)
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, socket.IPPROTO_UDP, 0,
                           socket.inet_aton(self.near[0]), socket.inet_aton(self.far[0]))
        head += struct.pack(">HHHH", self.near[1], self.far[1], 8 + len(data), 0)
        self.socket.sendto(head + data, (self.far[0], 0))


def pair_of(caller):
    """Both ends of the path that ICE has chosen, and the object that sends there."""
    ice = caller.peer.getTransceivers()[0].sender.transport.transport._connection
    pair = ice._nominated[1]
    return (pair.local_addr, pair.remote_addr, pair.protocol)


async def enough(true, what, limit_s=10):
    end = time.monotonic() + limit_s * PATIENCE
    while not true():
        assert time.monotonic() < end, f"no {what}"
        await asyncio.sleep(0.02)


def media_of(heard):
    return [data for data in heard if data[0] >> 6 == 2 and not 192 <= data[1] <= 223]


@contextlib.contextmanager
def overheard(caller):
    """The datagrams that a caller sends meanwhile."""
    protocol = pair_of(caller)[2]
    original, heard = protocol.transport.sendto, []

    def sendto(data, address=None):
        heard.append(bytes(data))
        original(data, address)

    protocol.transport.sendto = sendto
    try:
        yield heard
    finally:
        protocol.transport.sendto = original


async def alive(caller):
    """Events go both ways, and no state has changed."""
    await caller.session(instructions=f"Say {random.random()}.")
    assert caller.states[-1] in ("connected", "channel open"), caller.states


def place(answer):
    return candidates(answer, "udp", 4)[0]


# ---------------------------------------------------------------- tests


async def test_strangers_get_no_answer(server):
    _, answer = await offer(server)
    before = metrics(server)
    chance = random.Random(SEED)
    with Stranger() as stranger:
        for i in range(300):
            noise = chance.randbytes(chance.randrange(1, 1400))
            stranger.send(bytes([i % 256]) + noise, place(answer))
        for _ in range(20):
            stranger.send(HELLO, place(answer))
        stranger.send(check(answer, user="nobody99:abcd"), place(answer))
        stranger.send(check(answer, password="x" * 24), place(answer))
        stranger.send(check(answer)[:-4], place(answer))
        assert await stranger.answers() == []
    await grown(server, "rtc_dropped_strange_total", before, 200)
    assert metrics(server)["rtc_datagrams_out_total"] == before["rtc_datagrams_out_total"]


async def test_answers_to_checks_are_never_longer(server):
    _, answer = await offer(server)
    answered = {}
    requests = {
        "right": check(answer),
        "not nominating": check(answer, **{"ICE-CONTROLLING": 5}),
        "wrong role": check(answer, **{"ICE-CONTROLLED": 5}),
        "no role": check(answer, **{"PRIORITY": 5}),
        "unknown name": check(answer, user="abcdefgh:ijkl"),
        "wrong password": check(answer, password="y" * 24),
        "bare": bytes(stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)),
        "an answer": bytes(stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.RESPONSE)),
    }
    for what, request in requests.items():
        with Stranger() as stranger:
            for _ in range(3):
                stranger.send(request, place(answer))
            replies = await stranger.answers(0.2, 3 if what in ("right", "not nominating") else 0)
        answered[what] = len(replies)
        assert all(len(reply) <= len(request) for reply in replies), (what, len(request), [len(r) for r in replies])
    assert answered["right"] == 3 and answered["not nominating"] == 3, answered
    for silent in ("unknown name", "wrong password", "bare", "an answer"):
        assert answered[silent] == 0, answered


async def test_a_call_survives_what_comes_from_elsewhere(server):
    async with AiortcCaller(server) as caller:
        await caller.dial()
        await caller.until("session.created")
        near, far, _ = pair_of(caller)
        before = metrics(server)
        with overheard(caller) as heard, Stranger() as stranger:
            await enough(lambda: len(media_of(heard)) >= 25, "sound from the microphone")
            # Copies of what the client sends, and a handshake of one's own, from another port of the same host.
            for data in [*heard[-30:], *[HELLO] * 30]:
                if data[0] > 3:  # a copied check proves the address: RFC 8445 cannot tell
                    stranger.send(data, far)
            assert await stranger.answers() == []
        await grown(server, "rtc_dropped_strange_total", before, 40)
        await alive(caller)
        await caller.hang_up()


async def test_a_call_survives_what_comes_from_its_own_address(server):
    async with AiortcCaller(server) as caller:
        await caller.dial()
        await caller.until("session.created")
        near, far, _ = pair_of(caller)
        chance = random.Random(SEED)
        before = metrics(server)
        with Thief(near, far) as thief:
            for _ in range(20):
                thief.send(HELLO)
            # Alerts in clear: handshake failure, close_notify.
            for level, text in ((2, 40), (1, 0)):
                thief.send(bytes.fromhex("15fefd0000000000000009") + struct.pack(">HBB", 2, level, text))
            for size in [*range(0, 64), 100, 500, 1199, 1400, 1472]:
                for second in (111, 0, 200, 201, 205, 255):
                    data = bytearray(chance.randbytes(max(size, 2)))
                    data[0], data[1] = 0x80 | data[0] & 0x3f, second
                    thief.send(bytes(data[:size]))
        await grown(server, "rtc_dropped_forged_total", before, 100)
        await grown(server, "rtc_dropped_malformed_total", before, 1)
        await alive(caller)
        await caller.hang_up()


async def test_replayed_packets_count_once(server):
    async with AiortcCaller(server) as caller:
        await caller.dial()
        await caller.until("session.created")
        near, far, _ = pair_of(caller)
        with overheard(caller) as heard:
            await enough(lambda: len(media_of(heard)) >= 20, "sound from the microphone")
        media = media_of(heard)[:20]
        before = metrics(server)
        with Thief(near, far) as thief:
            for _ in range(5):
                for data in media:
                    thief.send(data)
        await grown(server, "rtc_dropped_repeated_total", before, 100)
        assert metrics(server)["rtc_dropped_forged_total"] == before["rtc_dropped_forged_total"]
        await alive(caller)
        await caller.hang_up()


async def test_mutated_datagrams(server):
    """20,000 datagrams made of real ones, from the call's own address."""
    async with AiortcCaller(server) as caller:
        await caller.dial()
        await caller.until("session.created")
        near, far, _ = pair_of(caller)
        with overheard(caller) as heard:
            # A consent check each 4 to 6 s, RTCP, sound.
            await enough(lambda: any(data[0] < 4 for data in heard) and len(media_of(heard)) >= 100, "check of consent")
        seeds = [data for data in heard if len(data) > 12] + [HELLO]
        chance = random.Random(SEED)
        with Thief(near, far) as thief:
            for i in range(20000):
                data = bytearray(chance.choice(seeds))
                for _ in range(chance.randrange(1, 6)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
                if chance.random() < 0.3:
                    data = data[:chance.randrange(len(data))]
                elif chance.random() < 0.1:
                    data += chance.randbytes(chance.randrange(1, 1400 - len(data)))
                thief.send(bytes(data))
                if i % 100 == 0:
                    await asyncio.sleep(0.005)
        await alive(caller)
        await caller.hang_up()


async def test_streams_of_strangers_are_closed(server):
    _, answer = await offer(server)
    near = candidates(answer, "tcp", 4)[0]

    async def closed_after(data, limit_s):
        reader, writer = await asyncio.open_connection(*near, local_addr=(network.client, 0))
        began = time.monotonic()
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), limit_s * PATIENCE) == b""
        writer.close()
        return time.monotonic() - began

    for data in (b"GET / HTTP/1.1\r\n\r\n", struct.pack(">H", len(HELLO)) + HELLO, b"\xff\xff" + bytes(100)):
        assert await closed_after(data, 3) < 3 * slowness()
    wrong = check(answer, password="z" * 24)
    assert await closed_after(struct.pack(">H", len(wrong)) + wrong, 3) < 3 * slowness()
    assert 4 < await closed_after(b"\x00", 8) < 7 * slowness()  # says nothing
    # The right check is answered, in one piece or in many.
    right = check(answer)
    reader, writer = await asyncio.open_connection(*near, local_addr=(network.client, 0))
    for byte in struct.pack(">H", len(right)) + right:
        writer.write(bytes([byte]))
        await writer.drain()
    size = struct.unpack(">H", await asyncio.wait_for(reader.readexactly(2), 3 * PATIENCE))[0]
    assert size <= len(right) and stun.parse_message(await reader.readexactly(size)).message_class == stun.Class.RESPONSE
    # A hundred silent ones: the oldest make room, and the known one stays.
    crowd = [await asyncio.open_connection(*near, local_addr=(network.client, 0)) for _ in range(100)]
    writer.write(struct.pack(">H", len(right)) + right)
    assert len(await asyncio.wait_for(reader.readexactly(2 + size), 3 * PATIENCE)) == 2 + size
    gone = 0
    for other, _ in crowd[:36]:
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(other.read(), 3 * PATIENCE) == b""
        gone += 1
    assert gone == 36
    for _, other in crowd:
        other.close()
    writer.close()


async def test_offers_that_never_connect(server):
    """5,000 of them: what they take is bounded, given back after ten seconds, and others are served."""
    memory = server.memory_kib()
    before = metrics(server)
    statuses = {}
    connector = aiohttp.TCPConnector(limit=20)
    async with aiohttp.ClientSession(connector=connector) as session:
        async def one():
            status, _ = await offer(server, session)
            statuses[status] = statuses.get(status, 0) + 1
        for _ in range(50):
            await asyncio.gather(*[one() for _ in range(100)])
    assert set(statuses) <= {201, 429} and sum(statuses.values()) == 5000, statuses
    grown_kib = server.memory_kib() - memory
    print(f"      5,000 offers: {statuses}, {grown_kib} KiB", flush=True)
    assert grown_kib < 250 * 1024, grown_kib
    await grown(server, "rtc_never_connected_total", before, statuses[201], 30)
    assert metrics(server)["rtc_peers"] == 0
    async with AiortcCaller(server) as caller:
        await caller.dial()
        await caller.until("session.created")
        await alive(caller)
        await caller.hang_up()


INSIDE = """
import json, re, socket, sys, urllib.request
sys.path.insert(0, sys.argv[1])
import test_rtc_hostile as hostile
request = urllib.request.Request(sys.argv[2] + "/v1/realtime/calls", hostile.OFFER.encode(),
                                 {"Content-Type": "application/sdp", "Authorization": "Bearer " + sys.argv[3]})
answer = urllib.request.urlopen(request, timeout=20).read().decode()
near = hostile.candidates(answer, "udp", 4)[0]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
    own.settimeout(5)
    own.sendto(hostile.check(answer), near)
    size = len(own.recv(2000))
print(json.dumps({"answer": answer, "near": near, "size": size}))
"""


async def test_a_server_on_loopback_serves_its_machine_only():
    local = Server("http.address=127.0.0.1", network=network, wait=False)
    try:
        base = f"http://127.0.0.1:{local.port}"
        command = [*network.enter, sys.executable, "-c", INSIDE, str(ROOT / "tests/e2e"), base, local.key]
        for _ in range(100):
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
            if done.returncode == 0 or "refused" not in done.stderr or local.process.poll() is not None:
                break
            await asyncio.sleep(0.3)
        assert done.returncode == 0, done.stderr + local.log()
        inside = json.loads(done.stdout)
        assert inside["near"][0] == network.server and inside["size"] > 0, inside
        with Stranger() as stranger:
            stranger.send(check(inside["answer"]), tuple(inside["near"]))
            assert await stranger.answers(1) == []
        with socket.socket() as stream:
            stream.settimeout(5)
            stream.connect(tuple(candidates(inside["answer"], "tcp", 4)[0]))
            with contextlib.suppress(ConnectionError):
                assert stream.recv(1) == b""
    finally:
        # Models that are being loaded hold up the end; nobody here can ask /readyz.
        for _ in range(600):
            if "ready after" in local.log() or local.process.poll() is not None:
                break
            await asyncio.sleep(0.2)
        local.stop()


async def test_a_port_in_use_is_one_sentence(server):
    _, answer = await offer(server)
    port = place(answer)[1]
    with tempfile.TemporaryDirectory() as state:
        done = await asyncio.to_thread(
            subprocess.run, [*network.enter, server.process.args[len(network.enter)], "serve", "--set", "http.port=0",
                             "--set", "http.tls=false", "--set", f"rtc.address={network.server}", "--set",
                             f"rtc.udp_port={port}"], capture_output=True, text=True, timeout=180,
            env={**os.environ, "XDG_STATE_HOME": state})
    lines = [line for line in done.stderr.splitlines() if " error " in line]
    assert done.returncode == 1 and len(lines) == 2, done.stderr
    assert f"cannot listen on {network.server} UDP port {port}: the port is in use by another program" in lines[0], lines


def main():
    global network
    network = Network()
    try:
        server = Server("api.sessions_max=1000", network=network)
        return run([value for name, value in list(globals().items()) if name.startswith("test_")], server)
    finally:
        network.close()


if __name__ == "__main__":
    sys.exit(main())
