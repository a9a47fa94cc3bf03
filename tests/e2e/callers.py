"""WebRTC callers for the end-to-end tests: aiortc in this process, pion and werift as programs of their own
(tests/net). All of them are what anybody gets from the registries; here is only what drives them.

A caller's microphone sends 20 ms packets all the time, silence where nothing is said. `rtp` is every packet of
the answer as it came off the wire: what is concluded about silence, pauses and loss is concluded from that.
"""
import array
import asyncio
import base64
import collections
import contextlib
import fractions
import ipaddress
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import wave

import aiohttp
import av
import numpy
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "net"))
import relay as relay_program  # noqa: E402
from harness import CACHE, PARLEY, PATIENCE, ROOT, Talk  # noqa: E402

RATE = 48000
FRAME_S = 0.02
FRAME = int(RATE * FRAME_S)
QUIET = 60  # root mean square of 20 ms below which nobody hears anything
Packet = collections.namedtuple("Packet", "time seq timestamp type payload")


# ---------------------------------------------------------------- sound


def at_48k(samples_24k):
    """16-bit samples at 24 kHz to 48 kHz, by linear interpolation."""
    low = numpy.asarray(samples_24k, dtype=numpy.float32)
    between = (low + numpy.append(low[1:], low[-1:])) / 2
    return numpy.stack([low, between], axis=1).reshape(-1).astype(numpy.int16)


def encode(samples_48k, pcmu=False):
    """Packets of 20 ms."""
    if pcmu:
        codec, rate, layout = av.CodecContext.create("pcm_mulaw", "w"), 8000, "mono"
        samples_48k = samples_48k[:len(samples_48k) // 6 * 6].reshape(-1, 6).mean(axis=1).astype(numpy.int16)
    else:
        codec, rate, layout = av.CodecContext.create("libopus", "w"), RATE, "mono"
        codec.options = {"application": "voip", "frame_duration": "20", "fec": "1", "packet_loss": "10"}
        codec.bit_rate = 32000
    codec.sample_rate, codec.layout, codec.format = rate, layout, "s16"
    codec.time_base = fractions.Fraction(1, rate)
    size, packets = int(rate * FRAME_S), []
    for start in range(0, len(samples_48k) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples_48k[None, start:start + size], format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, codec.time_base
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


class Ear:
    """Decodes packets one by one."""

    def __init__(self, payload_type):
        self.pcmu = payload_type == 0
        self.rate = 8000 if self.pcmu else RATE
        self.codec = av.CodecContext.create("pcm_mulaw" if self.pcmu else "libopus", "r")
        self.codec.sample_rate, self.codec.layout = self.rate, "mono"
        if not self.pcmu:
            self.codec.format = "s16"

    def hear(self, payload):
        frames = self.codec.decode(av.Packet(payload))
        if not frames:
            return numpy.zeros(0, numpy.int16)
        return numpy.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def rms(samples):
    return float(numpy.sqrt(numpy.mean(numpy.square(samples.astype(numpy.float64))))) if len(samples) else 0.0


def recognise(path, language):
    """What our own recogniser makes of a recording."""
    done = subprocess.run([PARLEY, "stt", "--json", "--language", language, str(path)], capture_output=True,
                          check=True, timeout=120 * PATIENCE)
    return " ".join(json.loads(line)["text"] for line in done.stdout.splitlines())


# ---------------------------------------------------------------- the bad network


class Relay:
    """tests/net/relay.py in front of the server's UDP port; `order` is a line of its language."""

    def __init__(self, near, candidate, seed=1):
        self.near, (host, port) = near, candidate
        self.child = subprocess.Popen([sys.executable, relay_program.__file__, near, host, str(port), str(seed)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = json.loads(self.child.stdout.readline())["port"]

    def order(self, **words):
        self.child.stdin.write(json.dumps(words).encode() + b"\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def set(self, way=None, **conf):
        return self.order(set=conf, **({"way": way} if way else {}))

    def close(self):
        self.child.communicate(timeout=10)


def candidates(sdp, transport="udp", version=None):
    """(address, port) of each candidate."""
    found = re.findall(rf"a=candidate:\S+ 1 {transport} \d+ (\S+) (\d+) typ", sdp, re.I)
    return list(dict.fromkeys((host, int(port)) for host, port in found
                              if version in (None, ipaddress.ip_address(host).version)))


def keep_candidates(sdp, wanted):
    """The description with only those candidates for which wanted(line) holds."""
    lines = [line for line in sdp.split("\r\n") if not line.startswith("a=candidate:") or wanted(line)]
    return "\r\n".join(lines)


def through(sdp, near, port):
    """The description with one candidate, the relay's."""
    kept, seen = [], False
    for line in sdp.split("\r\n"):
        if line.startswith("a=candidate:"):
            words = line.split(" ")
            if seen or words[2].lower() != "udp":
                continue
            seen = True
            words[4], words[5] = near, str(port)
            line = " ".join(words)
        elif line.startswith("m="):
            seen = False
        kept.append(line)
    return "\r\n".join(kept)


# ---------------------------------------------------------------- callers


class Caller(Talk):
    """A call to POST /v1/realtime/calls. `async with` closes the client, not the server's side: use hang_up."""

    stack = None

    def __init__(self, server, what="audio-data", check=True):
        super().__init__(check)
        self.server, self.what = server, what
        self.rtp, self.states, self.call_id, self.relay, self.answer = [], [], None, None, None
        self.heard, self.ear = [], None
        self.inbox, self.changed = asyncio.Queue(), asyncio.Event()
        self.said = asyncio.Event()

    async def __aenter__(self):
        self.http = aiohttp.ClientSession()
        await self.prepare()
        return self

    async def __aexit__(self, *_):
        await self.close()
        await self.http.close()
        if self.relay:
            self.relay.close()

    async def request(self, method, path, key=None, **options):
        """(status, headers, text) of a request with the server's key, or another."""
        headers = {"Authorization": f"Bearer {key}"} if key else self.server.headers()
        headers.update(options.pop("headers", {}))
        async with self.http.request(method, self.server.http(path), headers=headers, **options) as reply:
            return reply.status, reply.headers, await reply.text()

    async def post_offer(self, sdp, session=None, key=None, path="/v1/realtime/calls?model=gpt-realtime"):
        """The answer, with the call's id in `call_id`."""
        if session is None:
            body = {"data": sdp, "headers": {"Content-Type": "application/sdp"}}
        else:
            form = aiohttp.FormData()
            form.add_field("sdp", sdp, content_type="application/sdp")
            form.add_field("session", json.dumps({"type": "realtime", "model": "gpt-realtime", **session}),
                           content_type="application/json")
            body = {"data": form}
        status, headers, text = await self.request("POST", path, key, **body)
        assert status == 201, (status, text)
        assert headers["Content-Type"].startswith("application/sdp"), headers
        self.call_id = headers["Location"].rsplit("/", 1)[1]
        assert headers["Location"] == f"/v1/realtime/calls/{self.call_id}" and self.call_id.startswith("rtc_"), headers
        return text

    async def dial(self, session=None, key=None, offer=None, answer=None, relay=None, seed=1):
        """Calls, and waits until media and events flow. `offer` and `answer` change the descriptions on their way,
        `relay` is our address at which a relay is put between."""
        sdp = await self.make_offer()
        self.answer = await self.post_offer(offer(sdp) if offer else sdp, session, key)
        await self.take_answer(self.routed(answer(self.answer) if answer else self.answer, relay, seed))
        await self.connected()
        return self

    def routed(self, answer, near, seed):
        if near:
            version = ipaddress.ip_address(near).version
            self.relay = Relay(near, candidates(answer, "udp", version)[0], seed)
        return through(answer, self.relay.near, self.relay.port) if self.relay else answer

    async def restart(self):
        """ICE restart: a new offer for the same call."""
        sdp = await self.make_offer(restart=True)
        status, _, text = await self.request("POST", f"/v1/realtime/calls/{self.call_id}", data=sdp,
                                             headers={"Content-Type": "application/sdp"})
        assert status == 200, (status, text)
        await self.take_answer(self.routed(text, None, None))
        return text

    async def connected(self, limit_s=20):
        await self.wait(lambda: "connected" in self.states, limit_s, "a connection")
        if "data" in self.what:
            await self.wait(lambda: "channel open" in self.states, limit_s, "an open channel")

    async def wait(self, true, limit_s, what):
        limit_s *= PATIENCE
        end = time.monotonic() + limit_s
        while not true():
            left = end - time.monotonic()
            assert left > 0, f"{self.stack}: no {what} in {limit_s} s, but {self.states}, {self.types()[-8:]}"
            self.changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.changed.wait(), min(left, 1))

    async def hang_up(self):
        status, _, text = await self.request("POST", f"/v1/realtime/calls/{self.call_id}/hangup")
        assert status == 200, (status, text)

    def state(self, text):
        self.states.append(text)
        self.changed.set()

    def packet(self, seq, timestamp, type_, payload, at):
        self.rtp.append(Packet(at, seq, timestamp, type_, payload))
        self.changed.set()

    async def receive(self):
        return await self.inbox.get()

    # ---- what was heard

    def levels(self, since=0.0):
        """(time, loudness) of each packet off the wire."""
        for packet in self.rtp[len(self.heard):]:
            self.ear = self.ear or Ear(packet.type)
            self.heard.append((packet.time, rms(self.ear.hear(packet.payload))))
        return [(at, level) for at, level in self.heard if at >= since]

    def last_sound(self, since=0.0):
        """When the last packet came that one can hear."""
        return max((at for at, level in self.levels(since) if level > QUIET), default=None)

    async def quiet(self, for_s=0.5, limit_s=30):
        """Waits until nothing has been heard for so long."""
        end = time.monotonic() + limit_s * PATIENCE
        while time.monotonic() < end:
            await asyncio.sleep(for_s / 2)
            last = self.last_sound()
            if last and time.monotonic() - last > for_s:
                return last
        raise AssertionError(f"{self.stack}: never quiet in {limit_s} s")

    def record(self, path, since=0.0):
        """Writes what was heard, packets at the places of their timestamps, nothing in place of lost ones."""
        packets = sorted((p for p in self.rtp if p.time >= since), key=lambda p: p.timestamp)
        assert packets, "no packet came"
        ear = Ear(packets[0].type)
        first = packets[0].timestamp
        pieces = {}
        for packet in packets:
            pieces[packet.timestamp - first] = ear.hear(packet.payload)
        whole = numpy.zeros(max(at + len(piece) for at, piece in pieces.items()), numpy.int16)
        for at, piece in pieces.items():
            whole[at:at + len(piece)] = piece
        if not ear.pcmu:  # to 24 kHz
            whole = whole[:len(whole) // 2 * 2].reshape(-1, 2).mean(axis=1).astype(numpy.int16)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000 if ear.pcmu else 24000)
            file.writeframes(whole.tobytes())
        return path

    def recognised(self, language, since=0.0):
        with tempfile.TemporaryDirectory() as folder:
            return recognise(self.record(pathlib.Path(folder) / "answer.wav", since), language)


class Microphone(MediaStreamTrack):
    """Frames by the clock, whatever the event loop does."""

    kind = "audio"

    def __init__(self, said):
        super().__init__()
        self.queue, self.said = collections.deque(), said
        self.start, self.count = None, 0

    async def recv(self):
        if self.readyState != "live":
            raise MediaStreamError
        self.start = self.start or time.monotonic()
        ahead = self.start + self.count * FRAME_S - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
        samples = self.queue.popleft() if self.queue else numpy.zeros(FRAME, numpy.int16)
        if not self.queue:
            self.said.set()
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.count * FRAME, fractions.Fraction(1, RATE)
        self.count += 1
        return frame


class AiortcCaller(Caller):
    stack = "aiortc"

    async def prepare(self):
        self.peer = RTCPeerConnection()
        self.microphone = Microphone(self.said)
        self.tasks = set()
        if "audio" in self.what:
            self.peer.addTrack(self.microphone)
        if "pcmu" in self.what:
            g711 = [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.mimeType == "audio/PCMU"]
            self.peer.getTransceivers()[0].setCodecPreferences(g711)
        if "video" in self.what:
            self.peer.addTransceiver("video", direction="recvonly")
        if "data" in self.what:
            self.channel = self.peer.createDataChannel("oai-events")
            self.channel.on("open", lambda: self.state("channel open"))
            self.channel.on("close", lambda: self.state("channel closed"))
            self.channel.on("message", self.inbox.put_nowait)
        self.peer.on("connectionstatechange", lambda: self.state(self.peer.connectionState))
        self.peer.on("track", self.listen)

    def listen(self, track):
        receiver = next(t.receiver for t in self.peer.getTransceivers() if t.receiver.track is track)
        original = receiver._handle_rtp_packet

        async def tap(packet, arrival_time_ms):
            self.packet(packet.sequence_number, packet.timestamp, packet.payload_type, packet.payload, time.monotonic())
            await original(packet, arrival_time_ms)

        async def swallow():
            with contextlib.suppress(MediaStreamError):
                while True:
                    await track.recv()

        receiver._handle_rtp_packet = tap
        task = asyncio.ensure_future(swallow())
        self.tasks.add(task)

    async def make_offer(self, restart=False):
        assert not restart, "aiortc cannot restart ICE"
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return self.peer.localDescription.sdp

    async def take_answer(self, sdp):
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def send_text(self, text):
        self.channel.send(text)

    async def say(self, samples_24k, wait=True):
        self.said.clear()
        samples = at_48k(samples_24k)
        for start in range(0, len(samples) - FRAME + 1, FRAME):
            self.microphone.queue.append(samples[start:start + FRAME])
        if wait:
            await self.said.wait()

    async def close(self):
        await self.peer.close()


class ProgramCaller(Caller):
    """A client that is a program: lines of JSON both ways."""

    command = None

    async def prepare(self):
        self.offers, self.folder, self.count = asyncio.Queue(), tempfile.TemporaryDirectory(), 0
        self.child = await asyncio.create_subprocess_exec(
            *self.command, "call", self.what, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            limit=1 << 24)
        self.reader = asyncio.ensure_future(self.read())

    async def read(self):
        skew = time.time() - time.monotonic()
        async for line in self.child.stdout:
            self.line(json.loads(line), skew)
        self.state("ended")

    def line(self, line, skew):
        if "rtp" in line:
            seq, timestamp, type_, payload = line["rtp"]
            self.packet(seq, timestamp, type_, base64.b64decode(payload), line["t"] - skew)
        elif "event" in line:
            assert line["text"], "an event came as bytes"
            self.inbox.put_nowait(line["event"])
        elif "offer" in line:
            self.offers.put_nowait(line["offer"])
        elif "said" in line:
            self.said.set()
        else:
            self.state(line.get("state") or line.get("failed") or f"channel {line['channel']}")

    async def tell(self, **command):
        self.child.stdin.write(json.dumps(command).encode() + b"\n")
        await self.child.stdin.drain()

    async def make_offer(self, restart=False):
        if restart:
            await self.tell(restart=True)
        return await asyncio.wait_for(self.offers.get(), 20 * PATIENCE)

    async def take_answer(self, sdp):
        await self.tell(answer=sdp)

    async def send_text(self, text):
        await self.tell(send=text)

    async def say(self, samples_24k, wait=True):
        self.said.clear()
        self.count += 1
        path = pathlib.Path(self.folder.name) / f"{self.count}.packets"
        packets = encode(at_48k(samples_24k), "pcmu" in self.what)
        path.write_bytes(b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets))
        await self.tell(say=str(path))
        if wait:
            await asyncio.wait_for(self.said.wait(), 60 * PATIENCE)

    async def close(self):
        with contextlib.suppress(ConnectionError):
            await self.tell(close=True)
        try:
            await asyncio.wait_for(self.child.wait(), 10)
        except asyncio.TimeoutError:
            self.child.kill()
            await self.child.wait()
        await self.reader
        self.folder.cleanup()


class PionCaller(ProgramCaller):
    stack = "pion"
    command = [str(CACHE / "clients/pion/pion")]


class WeriftCaller(ProgramCaller):
    stack = "werift"
    command = [str(CACHE / "venv-test/bin/node"), str(ROOT / "tests/net/werift/client.mjs"), str(CACHE / "clients/npm")]
