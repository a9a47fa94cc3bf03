"""Coming back to a session with media: from a WebSocket to a call, from a call to a call in the middle of an
answer, and from a call to a WebSocket. What needs no media is in test_calls.py."""
import asyncio
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "net"))
from netns import Network  # noqa: E402

NETWORK = Network() if __name__ == "__main__" else None  # before anything opens a socket

import websockets.exceptions  # noqa: E402
from callers import QUIET, AiortcCaller, PionCaller  # noqa: E402
from harness import PATIENCE, Client, Server, jfk, pcm24, run, share_of_words, slowness  # noqa: E402

NAME = "My name is Otto. Remember it."
COUNT = "Count slowly from one to forty in words."
BACK_WITHIN_S = 2.0


def back_in_time(started):
    """Within two seconds, of a machine that is not busy with something else."""
    took = time.monotonic() - started
    assert took < BACK_WITHIN_S or took < BACK_WITHIN_S * slowness(), took


def with_token(kind, server, token):
    """A caller whose offers carry the token."""
    class Returning(kind):
        async def request(self, method, path, key=None, **options):
            if path.startswith("/v1/realtime/calls?"):
                options["headers"] = {**options.get("headers", {}), "Parley-Resume": token}
            return await super().request(method, path, key, **options)
    return Returning(server)


async def wants_resume(talk, **session):
    await talk.send("session.update", session={"type": "realtime", "parley": {"resume": True}, **session})
    return (await talk.until("parley.resume"))["token"]


async def remember(talk):
    await talk.send("conversation.item.create", item={
        "id": "name", "type": "message", "role": "user", "content": [{"type": "input_text", "text": NAME}]})
    await talk.until("conversation.item.done")


async def came_back(talk, session_id):
    """The first two events; returns the next token."""
    first = await talk.until("session.created", 10)
    assert talk.types()[0] == "session.created" and first["session"]["id"] == session_id, talk.types()
    event = await talk.until("parley.resume", 10)
    assert event["resumed"] is True, event
    await talk.send("conversation.item.retrieve", item_id="name")
    assert (await talk.until("conversation.item.retrieved"))["item"]["content"][0]["text"] == NAME
    return event["token"]


async def speaks(caller):
    """An answer by the track."""
    since = time.monotonic()
    await caller.ask("What is my name? Answer in one short sentence.")
    done = await caller.until("response.done", 90)
    assert done["response"]["status"] == "completed", done
    if "output_audio_buffer.stopped" not in caller.types()[-3:]:
        await caller.until("output_audio_buffer.stopped", 60)
    assert max(level for _, level in caller.levels(since)) > 3 * QUIET, "nothing was heard"
    assert not [t for t in caller.types() if t.endswith("audio.delta")], caller.types()


async def test_from_websocket_to_call_and_back(server):
    async with Client(server.ws(), additional_headers=server.headers()) as old:
        session_id = (await old.until("session.created"))["session"]["id"]
        token = await wants_resume(old)
        await remember(old)
        async with with_token(AiortcCaller, server, token) as caller:
            started = time.monotonic()
            await caller.dial()
            token = await came_back(caller, session_id)
            back_in_time(started)
            try:
                await old.next(5)
                raise AssertionError("an event for the old connection")
            except websockets.exceptions.ConnectionClosed as closed:
                assert closed.rcvd.code == 4001, closed
            await speaks(caller)
            async with Client(server.ws(), additional_headers={**server.headers(), "Parley-Resume": token}) as back:
                await came_back(back, session_id)
                await caller.wait(lambda: {"channel closed", "closed", "failed", "disconnected"} & set(caller.states), 5,
                                  "end of the old call")
                await back.ask("What is my name? Answer in one short sentence.")
                done = await back.until("response.done", 90)
                assert done["response"]["status"] == "completed", done
                assert back.audio and not [t for t in back.types() if t.startswith("output_audio_buffer")], back.types()


async def test_call_that_drops_in_the_middle_of_an_answer(server):
    """The client's network dies; it notices first, calls again, and the old call is still there."""
    async with PionCaller(server) as lost:
        await lost.dial(relay=NETWORK.client)
        session_id = (await lost.until("session.created"))["session"]["id"]
        token = await wants_resume(lost)
        await remember(lost)
        await lost.ask(COUNT)
        await lost.until("output_audio_buffer.started", 60)
        await asyncio.sleep(1)
        item = lost.of("response.output_item.added")[-1]["item"]["id"]
        lost.relay.set(loss=1.0)
        await asyncio.sleep(0.5)
        async with with_token(AiortcCaller, server, token) as caller:
            started = time.monotonic()
            await caller.dial()
            await came_back(caller, session_id)
            back_in_time(started)
            # The answer ended there, and only what was heard of it is remembered.
            await caller.send("conversation.item.retrieve", item_id=item)
            kept = (await caller.until("conversation.item.retrieved"))["item"]
            assert kept["status"] == "incomplete", kept
            assert "thirty" not in kept["content"][0]["transcript"].lower(), kept
            await speaks(caller)
            # And the user is heard.
            await caller.say(pcm24(jfk())[:24000 * 3])
            await caller.until("conversation.item.input_audio_transcription.completed", 60)
            transcript = caller.of("conversation.item.input_audio_transcription.completed")[0]["transcript"]
            assert share_of_words("and so my fellow Americans", transcript) >= 0.4, transcript


async def test_call_whose_client_vanishes_is_waited_for(server):
    async with AiortcCaller(server) as caller:
        await caller.dial()
        session_id = (await caller.until("session.created"))["session"]["id"]
        token = await wants_resume(caller)
        await remember(caller)
        call_id = caller.call_id
    # Its client said good-bye: the call is gone, the session is not.
    async with AiortcCaller(server) as other:
        end = time.monotonic() + 5 * PATIENCE
        while (await other.request("POST", f"/v1/realtime/calls/{call_id}", data="x"))[0] != 404:
            assert time.monotonic() < end, "the call is still there"
            await asyncio.sleep(0.1)
    async with with_token(PionCaller, server, token) as back:
        await back.dial()
        await came_back(back, session_id)
        await speaks(back)


if __name__ == "__main__":
    sys.exit(run([value for name, value in list(globals().items()) if name.startswith("test_")],
                 Server("rtc.address=0.0.0.0", network=NETWORK)))
