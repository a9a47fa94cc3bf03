"""A Realtime server that answers by script, and badly when told to: what stands in for an upstream (OpenAI, Azure)."""
import asyncio
import base64
import json
import threading

import websockets
from scripted_openai import SECRET, certificate, tone

TONE = tone(0.5)
ANSWER = "One two three. Four five six."
TRANSCRIPT = "What is the time?"
# What can go wrong, and where: a stage, then how.
STAGES = ("commit", "transcript", "create", "text", "audio", "done")
WAYS = ("hang", "cut", "garble", "error")
BEFORE = ("refuse", "mute", "401")  # of the connection itself
RIGHT = ("drip", "parts")           # slow or odd, but right


class Realtime:
    """Listens on a port of its own in a thread, with `tls` by a certificate that is in `pem`; `fault` is "stage:way", one of
    BEFORE or RIGHT, or ""."""

    def __init__(self, address="127.0.0.1", tls=False):
        self.address = address
        self.tls, self.pem = certificate() if tls else (None, None)
        self.fault, self.events, self.headers, self.paths, self.open, self.connections = "", [], [], [], 0, 0
        self.tool = False  # the next answer calls a tool
        self.long = 1      # how many times the tone
        self.times = None  # how many more times the fault happens; None: always
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(self.listen())
        self.port = self.server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    async def listen(self):
        return await websockets.serve(self.serve, self.address, 0, ssl=self.tls, process_request=self.look, max_size=None, max_queue=None,
                                      ping_interval=None)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://{self.address}:{self.port}/v1"

    def of(self, type_):
        return [event for event in self.events if event["type"] == type_]

    def items(self):
        return [event["item"] for event in self.of("conversation.item.create")]

    def look(self, connection, request):
        self.headers.append(dict(request.headers.raw_items()))
        self.paths.append(request.path)
        if self.fault == "401":
            return connection.respond(401, f"no, {SECRET}\n")
        return None

    def strikes(self, stage):
        if not self.fault.startswith(stage + ":") or self.times == 0:
            return ""
        if self.times is not None:
            self.times -= 1
        return self.fault.split(":")[1]

    async def say(self, socket, stage, type_, **members):
        way = self.strikes(stage)
        if way == "hang":
            await socket.wait_closed()
            raise ConnectionError
        if way == "cut":
            socket.transport.abort()
            raise ConnectionError
        if way == "garble":
            await socket.send('{"type": "' + type_ + '", "delta": nonsense')
            return
        if way == "error":
            event_id = self.asked if stage not in ("commit", "transcript") else self.committed
            await socket.send(json.dumps({"type": "error", "event_id": "e", "error": {
                "type": "server_error", "code": "broken", "message": f"sorry, {SECRET}", "event_id": event_id}}))
            raise StopAsyncIteration
        await socket.send(json.dumps({"type": type_, "event_id": "e", **members}))

    async def serve(self, socket):
        self.open += 1
        self.connections += 1
        self.running, self.number = None, 0
        try:
            if self.fault == "refuse":
                return
            if self.fault != "mute":
                await socket.send(json.dumps({"type": "session.created", "event_id": "e", "session": {}}))
            async for text in socket:
                await self.on_event(socket, json.loads(text))
        except (websockets.ConnectionClosed, ConnectionError):
            pass
        finally:
            self.open -= 1
            if self.running:
                self.running.cancel()

    async def on_event(self, socket, event):
        self.events.append({**event, "connection": self.connections})
        kind = event["type"]
        if kind == "input_audio_buffer.commit":
            self.committed = event["event_id"]
            try:
                await self.on_commit(socket)
            except StopAsyncIteration:
                pass
        elif kind == "response.create":
            self.asked = event["event_id"]
            self.running = asyncio.create_task(self.respond(socket, event["response"]))
        elif kind == "response.cancel" and self.running:
            self.running.cancel()
            await socket.send(json.dumps({"type": "response.done", "event_id": "e", "response": {
                "id": self.response, "status": "cancelled", "output": []}}))

    async def on_commit(self, socket):
        self.number += 1
        item = f"item_user{self.number}"
        await self.say(socket, "commit", "input_audio_buffer.committed", item_id=item)
        await self.say(socket, "transcript", "conversation.item.input_audio_transcription.completed", item_id=item,
                       content_index=0, transcript=TRANSCRIPT)

    async def respond(self, socket, wish):
        try:
            await self.respond_all(socket, wish)
        except (StopAsyncIteration, websockets.ConnectionClosed, ConnectionError):
            pass

    async def respond_all(self, socket, wish):
        self.number += 1
        response, item = f"resp_{self.number}", f"item_answer{self.number}"
        self.response = response
        head = {"id": response, "metadata": wish.get("metadata"), "output": []}
        of = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        await self.say(socket, "create", "response.created", response={**head, "status": "in_progress"})
        if self.tool:
            self.tool = False
            call = {"id": item, "type": "function_call", "call_id": "call_7", "name": "light", "arguments": '{"on":true}'}
            await self.say(socket, "call", "response.output_item.added", response_id=response, output_index=0, item=call)
            await self.say(socket, "call", "response.output_item.done", response_id=response, output_index=0, item=call)
        else:
            message = {"id": item, "type": "message", "role": "assistant", "content": []}
            await self.say(socket, "item", "response.output_item.added", response_id=response, output_index=0, item=message)
            await self.speak(socket, of, "text" in wish["output_modalities"])
        await self.say(socket, "done", "response.done", response={
            **head, "status": "completed", "usage": {"input_tokens": 9, "output_tokens": 6, "total_tokens": 15}})

    async def speak(self, socket, of, text):
        pieces = [word + " " for word in ANSWER.split()]
        size = {"parts": 4801}.get(self.fault, 9600)
        sound = TONE * self.long
        for i in range(max(len(pieces), -(-len(sound) // size))):
            if self.fault == "drip":
                await asyncio.sleep(0.03)
            if i < len(pieces):
                type_ = "response.output_text.delta" if text else "response.output_audio_transcript.delta"
                await self.say(socket, "text", type_, delta=pieces[i], **of)
            part = sound[i * size:(i + 1) * size]
            if part and not text:
                delta = base64.b64encode(part).decode()
                await self.say(socket, "audio", "response.output_audio.delta", delta=delta, **of)
