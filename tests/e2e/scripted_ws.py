"""Speech services over WebSockets that answer by script, and badly when told to: the plain protocol of a voice
(set_voice, synthesize, frames of sound, synthesis_done) and of a recogniser (PCM frames, transcription), and the
realtime transcription of OpenAI and of vLLM."""
import asyncio
import json
import threading

import websockets
from scripted_openai import SECRET, TONE, TRANSCRIPT

# What can go wrong. "delay" and "drip" are slow but right.
FAULTS = ("hang", "401", "cut", "garble", "error", "empty", "drip", "delay")
RIGHT = ("drip", "delay")


class ScriptedSocket:
    """Listens on a port of its own in a thread; `fault` names what goes wrong with the next work."""

    def __init__(self):
        self.fault, self.keys, self.said, self.opened = "", set(), [], 0
        self.heard, self.partials, self.vllm, self.path = 0, True, False, ""
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def run(self, ready):
        async def listen():
            return await websockets.serve(self.serve, "127.0.0.1", 0, process_request=self.meet, max_size=None)
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(listen())
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)  # a hanging one would be waited for
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/v1"

    def meet(self, connection, request):
        if self.fault == "401":
            return connection.respond(401, f"no, {SECRET}\n")
        self.path = request.path
        self.keys.add(request.headers.get("Authorization", ""))
        self.opened += 1
        return None

    async def serve(self, socket):
        try:
            async for message in socket:
                if isinstance(message, str):
                    self.said.append(json.loads(message))
                await self.answer(socket, message)
        except websockets.ConnectionClosed:
            pass

    async def answer(self, socket, message):
        event = json.loads(message) if isinstance(message, str) else {"type": "sound"}
        if event["type"] == "synthesize":
            await self.speak(socket)
        elif event["type"] in ("sound", "input_audio_buffer.append"):
            await self.hear(socket, event)
        elif event["type"] == "commit" or (event["type"] == "input_audio_buffer.commit" and event.get("final", True)):
            await self.answer_commit(socket, event)

    async def hear(self, socket, event):
        """A word every fifth message, while it is spoken."""
        self.heard += 1
        if self.heard % 5 or not self.partials:
            return
        words = TRANSCRIPT.split()[:self.heard // 5]
        if event["type"] == "sound":
            await socket.send(json.dumps({"type": "transcription", "text": " ".join(words), "is_final": False}))
        elif len(words) * 5 == self.heard:
            kind = "transcription.delta" if self.vllm else "conversation.item.input_audio_transcription.delta"
            await socket.send(json.dumps({"type": kind, "delta": " " + words[-1]}))

    async def answer_commit(self, socket, event):
        if await self.goes_wrong(socket):
            return
        if self.fault == "cut":
            socket.transport.abort()
            return
        if event["type"] == "commit":
            final = {"type": "transcription", "text": TRANSCRIPT, "is_final": True}
        elif self.vllm:
            final = {"type": "transcription.done", "text": TRANSCRIPT}
        else:
            final = {"type": "conversation.item.input_audio_transcription.completed", "transcript": TRANSCRIPT}
        await socket.send(json.dumps(final))

    async def speak(self, socket):
        if await self.goes_wrong(socket):
            return
        step = 801 if self.fault == "drip" else 3001  # a sample may be split between messages
        for i in range(0, len(TONE) // (2 if self.fault == "cut" else 1), step):
            await socket.send(TONE[i:i + step])
            await asyncio.sleep(0.02 if self.fault == "drip" else 0)
        if self.fault == "cut":
            socket.transport.abort()
        else:
            await socket.send(json.dumps({"type": "synthesis_done"}))

    async def goes_wrong(self, socket):
        """The faults that every kind of work has alike; True: there is no answer."""
        if self.fault == "hang":
            await asyncio.sleep(3600)
        if self.fault == "delay":
            await asyncio.sleep(0.4)
        if self.fault in ("garble", "error", "empty"):
            await socket.send({"garble": "{no json" + SECRET, "error": json.dumps({"type": "error", "message": "no"}),
                               "empty": json.dumps({"type": "synthesis_done" if self.said[-1]["type"] == "synthesize" else "bye"})}[self.fault])
            return True
        return False
