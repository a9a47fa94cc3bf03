"""A server with OpenAI's endpoints that answers by script, and badly when told to: what stands in for engines elsewhere."""
import asyncio
import io
import json
import math
import pathlib
import ssl
import struct
import subprocess
import tempfile
import threading

import av
import numpy

SECRET = "sk-scripted-secret"
ANSWER = "One two three. Four five six."
TRANSCRIPT = "What is the time?"
# What can go wrong at each endpoint. "delay" and "drip" are slow but right.
FAULTS = ("hang", "429", "500", "cut_head", "cut_body", "garble", "lie_long", "lie_short", "empty", "close", "drip",
          "delay")
RIGHT = ("drip", "delay")


def tone(seconds):
    return b"".join(struct.pack("<h", int(8000 * math.sin(i * 0.05))) for i in range(int(24000 * seconds)))


TONE = tone(0.1)  # of one clause: a conversation waits until it has been heard


def wav(pcm, rate=24000):
    return b"RIFF" + struct.pack("<I", 36 + len(pcm)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) \
        + b"data" + struct.pack("<I", len(pcm)) + pcm


def opus(pcm, rate=24000):
    """The sound as Opus in Ogg, encoded by libopus and muxed by FFmpeg."""
    out = io.BytesIO()
    with av.open(out, "w", format="ogg") as file:
        stream = file.add_stream("libopus", rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(numpy.frombuffer(pcm, "int16").reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return out.getvalue()


def decode(data):
    """Any sound file as 24 kHz mono PCM, by FFmpeg."""
    with av.open(io.BytesIO(data)) as file:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=24000)
        frames = [out for frame in file.decode(audio=0) for out in resampler.resample(frame)] + resampler.resample(None)
    return b"".join(frame.to_ndarray().astype("int16").tobytes() for frame in frames)


# What audio/speech answers by the format that is asked for.
SOUNDS = {"pcm": ("audio/pcm", TONE), "wav": ("audio/wav", wav(TONE)), "opus": ("audio/ogg", opus(TONE))}


def sse(*events):
    return b"".join(b"data: " + (e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n\n" for e in events)


def chat_body(tokens=7):
    words = [{"choices": [{"index": 0, "delta": {"content": word + " "}}]} for word in ANSWER.split()]
    return sse({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "<think>secret plan</think>"}}]}, *words,
               {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
               {"choices": [], "usage": {"prompt_tokens": tokens, "completion_tokens": 6, "total_tokens": tokens + 6}}, b"[DONE]")


def transcript_body():
    words = [{"type": "transcript.text.delta", "delta": " " + word} for word in TRANSCRIPT.split()]
    return sse(*words, {"type": "transcript.text.done", "text": " " + TRANSCRIPT, "language": "en"})


def certificate_files(place):
    """The paths of a key and of a certificate for 127.0.0.1 that it signed itself."""
    key, chain = pathlib.Path(place) / "key.pem", pathlib.Path(place) / "chain.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=scripted", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", chain],
                   check=True, capture_output=True)
    return key, chain


def certificate():
    """TLS for 127.0.0.1, signed by itself: the context, and the certificate as PEM."""
    with tempfile.TemporaryDirectory() as place:
        key, chain = certificate_files(place)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        return context, chain.read_text()


class Scripted:
    """Listens on a port of its own in a thread; `fault` names what goes wrong by kind: {"llm": "hang"}. `accepted` counts
    connections; with `tls` they are encrypted."""

    def __init__(self, tls=False):
        self.tls, self.accepted, self.writers = certificate()[0] if tls else None, 0, set()
        self.fault, self.asked, self.keys, self.bodies = {}, {"stt": 0, "llm": 0, "tts": 0, "models": 0}, set(), {}
        self.answered, self.count = 0, lambda body: 7  # count: the tokens of a prompt, as it is told
        self.resumed = 0  # of the connections, those whose TLS went on from an earlier one
        self.open, self.events = 0, False  # events: transcriptions come as an event stream
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.tls))
        self.port = self.server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.server.close()
        self.loop.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1"

    def hang_up(self):
        """Ends all connections; returns when none is left."""
        async def close():
            for writer in list(self.writers):
                writer.transport.abort()
            while self.writers:
                await asyncio.sleep(0.01)
        asyncio.run_coroutine_threadsafe(close(), self.loop).result(60)

    async def serve(self, reader, writer):
        self.open += 1
        self.accepted += 1
        self.writers.add(writer)
        secure = writer.get_extra_info("ssl_object")
        self.resumed += bool(secure and secure.session_reused)
        try:
            while await self.answer(reader, writer):
                self.answered += 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self.writers.discard(writer)
            writer.close()

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        path = head.split(" ")[1]
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        kind = {"/v1/audio/transcriptions": "stt", "/v1/chat/completions": "llm", "/v1/audio/speech": "tts"}.get(path, "models")
        self.asked[kind] += 1
        self.keys.add(fields.get("authorization", ""))
        self.bodies[kind] = body
        type_, answer = {"stt": ("application/json", json.dumps({"text": TRANSCRIPT}).encode()),
                         "llm": ("text/event-stream", chat_body(self.count(body) if kind == "llm" else 7)), "tts": ("audio/pcm", TONE),
                         "models": ("application/json", b'{"object":"list","data":[]}')}[kind]
        if kind == "stt" and self.events and b'name="stream"\r\n\r\ntrue' in body:
            type_, answer = "text/event-stream", transcript_body()
        if kind == "tts":
            type_, answer = SOUNDS[json.loads(body)["response_format"]]
        return await self.send(writer, self.fault.get(kind, ""), type_, answer)

    async def send(self, writer, fault, type_, body):
        half = len(body) // 2
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "close":
            return False
        if fault == "delay":
            await asyncio.sleep(0.4)
        if fault in ("429", "500"):
            text = f'{{"error":{{"message":"no, {SECRET}"}}}}'.encode()
            writer.write(f"HTTP/1.1 {fault} No\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()
            return True
        if fault == "cut_head":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
            return False
        length = {"lie_long": len(body) * 3, "lie_short": half, "empty": 0}.get(fault, len(body))
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {type_}\r\nContent-Length: {length}\r\n\r\n".encode())
        if fault == "empty":
            return True
        if fault == "garble":
            body = bytes(b ^ 0x5A for b in body) if type_ != "audio/pcm" else b"OggS" + body[4:]  # noise is a sound as well
        if fault == "drip":
            for i in range(0, len(body), max(1, len(body) // 12)):
                writer.write(body[i:i + max(1, len(body) // 12)])
                await writer.drain()
                await asyncio.sleep(0.03)
            return True
        writer.write(body[:half] if fault == "cut_body" else body)
        await writer.drain()
        if fault == "lie_long":
            await asyncio.sleep(3600)
        return fault not in ("cut_body", "lie_short")
