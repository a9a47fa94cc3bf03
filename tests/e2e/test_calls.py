"""Client secrets, the rules of calls and sidebands, and coming back: everything about calls that needs no
media (tests/e2e/test_webrtc.py has the calls that speak)."""
import asyncio
import contextlib
import json
import re
import sys
import time

import aiohttp
import websockets
from harness import PATIENCE, ROOT, Client, Server, run
from openai.types.realtime import ClientSecretCreateResponse
from pydantic import TypeAdapter

KEY, OTHER_KEY = "first-test-key", "second-test-key"
OFFER = (ROOT / "tests/data/offers/chromium-audio-data.sdp").read_bytes()
SDP = {"Content-Type": "application/sdp"}
BASE = "/v1/realtime/calls"


def bearer(key):
    return {"Authorization": f"Bearer {key}"} if key else {}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def error(self):
        error = self.json()["error"]
        assert error["message"] and error["type"], error
        return error["code"], error["param"]


async def ask(server, method, path, key=KEY, headers=None, **options):
    async with aiohttp.ClientSession() as session:
        async with session.request(method, server.http(path), headers={**bearer(key), **(headers or {})},
                                   **options) as answer:
            return Answer(answer.status, answer.headers, await answer.text())


async def secret(server, session=None, key=KEY, **body):
    answer = await ask(server, "POST", "/v1/realtime/client_secrets", key=key,
                       json={**({"session": session} if session else {}), **body})
    assert answer.status == 200, answer.body
    return answer.json()["value"]


async def call(server, key=KEY, **headers):
    """A call whose client never connects: it lives for ten seconds."""
    answer = await ask(server, "POST", BASE, key=key, data=OFFER, headers={**SDP, **headers})
    assert answer.status == 201, answer.body
    return answer.headers["Location"].rsplit("/", 1)[1]


async def refused(server, status, code, query="model=parley", key=KEY, headers=None, **options):
    try:
        async with websockets.connect(server.ws(query), additional_headers={**bearer(key), **(headers or {})},
                                      **options):
            raise AssertionError(f"let in, not refused with {status}")
    except websockets.InvalidStatus as refusal:
        assert refusal.response.status_code == status, refusal
        assert json.loads(refusal.response.body)["error"]["code"] == code, refusal.response.body


async def metric_is(server, name, value, key=KEY):
    """Waits: with several loops the figures of the others are up to a second old."""
    for _ in range(100 * PATIENCE):
        text = (await ask(server, "GET", "/metrics", key=key)).body
        got = float(re.search(rf"^{name} (\S+)$", text, re.M)[1])
        if got == value:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} is {got}, not {value}")


def owner(server, key=KEY, query="model=parley", **headers):
    return Client(server.ws(query), additional_headers={**bearer(key), **headers})


# ---------------------------------------------------------------- client secrets


async def test_secret_has_the_official_shape(server):
    before = int(time.time())
    answer = await ask(server, "POST", "/v1/realtime/client_secrets", json={
        "expires_after": {"anchor": "created_at", "seconds": 30},
        "session": {"type": "realtime", "model": "gpt-realtime", "instructions": "Only say moo.",
                    "audio": {"output": {"voice": "cedar"}}}})
    assert answer.status == 200, answer.body
    TypeAdapter(ClientSecretCreateResponse).validate_json(answer.body)
    made = answer.json()
    assert re.fullmatch(r"ek_[0-9a-f]{48}", made["value"]) and set(made) == {"value", "expires_at", "session"}, made
    assert before + 30 <= made["expires_at"] <= time.time() + 30, made
    assert made["session"]["instructions"] == "Only say moo." and made["session"]["model"] == "gpt-realtime"
    assert made["session"]["audio"]["output"]["voice"] == "cedar"
    assert made["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500, "not the full session"
    # Without a body: ten minutes and the server's defaults.
    made = (await ask(server, "POST", "/v1/realtime/client_secrets")).json()
    assert abs(made["expires_at"] - time.time() - 600) < 5, made
    transcription = await ask(server, "POST", "/v1/realtime/client_secrets", json={
        "session": {"type": "transcription", "audio": {"input": {"transcription": {"model": "x", "language": "en"}}}}})
    TypeAdapter(ClientSecretCreateResponse).validate_json(transcription.body)
    assert transcription.json()["session"]["type"] == "transcription"


async def test_secret_says_what_is_wrong(server):
    for body, code, param in (
            ({"expires_after": {"seconds": 9}}, "invalid_value", "expires_after.seconds"),
            ({"expires_after": {"seconds": 7201}}, "invalid_value", "expires_after.seconds"),
            ({"expires_after": {"seconds": "60"}}, "invalid_type", "expires_after.seconds"),
            ({"expires_after": {"anchor": "now"}}, "invalid_value", "expires_after.anchor"),
            ({"session": {"audio": {"output": {"speed": 7}}}}, "invalid_value", "session.audio.output.speed"),
            ({"session": 5}, "invalid_type", "session"),
            ([1], "invalid_json", None)):
        answer = await ask(server, "POST", "/v1/realtime/client_secrets", json=body)
        assert answer.status == 400 and answer.error() == (code, param), (body, answer.status, answer.body)
    answer = await ask(server, "POST", "/v1/realtime/client_secrets", data="{")
    assert answer.status == 400 and answer.error() == ("invalid_json", None), answer.body
    assert (await ask(server, "POST", "/v1/realtime/client_secrets", data=" " * 600_000)).status == 413


async def test_secret_starts_sessions_and_does_nothing_else(server):
    value = await secret(server, {"type": "realtime", "model": "bound-model", "instructions": "Only say moo."})
    for query in ("model=another", "intent=transcription"):  # several sessions; its settings, not the address's
        async with owner(server, value, query) as client:
            session = (await client.until("session.created"))["session"]
            assert session["instructions"] == "Only say moo." and session["model"] == "bound-model", session
            assert session["type"] == "realtime", session
            changed = await client.session(instructions="Say meow.")
            assert changed["instructions"] == "Say meow."
    async with websockets.connect(server.ws(), subprotocols=["realtime", f"openai-insecure-api-key.{value}"]) as socket:
        assert socket.subprotocol == "realtime" and "Only say moo." in await socket.recv()
    for method, path in (("GET", "/metrics"), ("GET", "/v1/models"), ("GET", "/v1/voices"),
                         ("POST", "/v1/realtime/client_secrets"), ("POST", "/v1/realtime/sessions")):
        answer = await ask(server, method, path, key=value)
        assert answer.status == 401 and answer.error()[0] == "invalid_api_key", (path, answer.status)
    for wrong in (value[:-1] + ("0" if value[-1] != "0" else "1"), "ek_", value + "0", value.upper()):
        await refused(server, 401, "invalid_api_key", key=wrong)
    assert value not in server.log() and KEY not in server.log()


async def test_secret_expires(server):
    value = await secret(server, expires_after={"anchor": "created_at", "seconds": 10})
    async with owner(server, value) as client:
        await client.until("session.created")
        await asyncio.sleep(11)
        await refused(server, 401, "invalid_api_key", key=value)
        await client.session(instructions="The session goes on.")


async def test_secrets_of_the_beta(server):
    answer = await ask(server, "POST", "/v1/realtime/sessions", json={
        "model": "gpt-4o-realtime-preview", "voice": "alloy", "modalities": ["text"], "instructions": "Moo."})
    made = answer.json()
    assert made["instructions"] == "Moo." and made["modalities"] == ["text"], made
    assert made["object"] == "realtime.session" and made["input_audio_format"] == "pcm16", made
    async with owner(server, made["client_secret"]["value"]) as client:
        session = (await client.until("session.created"))["session"]
        assert session["instructions"] == "Moo." and session["model"] == "gpt-4o-realtime-preview", session
    answer = await ask(server, "POST", "/v1/realtime/transcription_sessions", json={
        "input_audio_transcription": {"model": "whisper-1", "language": "en"}})
    async with owner(server, answer.json()["client_secret"]["value"]) as client:
        assert (await client.until("session.created"))["session"]["type"] == "transcription"


# ---------------------------------------------------------------- calls


async def test_call_is_answered(server):
    for path, type_ in ((f"{BASE}?model=gpt-realtime", "application/sdp"), ("/v1/realtime?model=x", "Application/SDP; a=b"),
                        ("/openai/v1/realtime/calls", "application/sdp")):
        answer = await ask(server, "POST", path, data=OFFER, headers={"Content-Type": type_})
        assert answer.status == 201 and answer.headers["Content-Type"] == "application/sdp", answer.body
        location = answer.headers["Location"]
        assert re.fullmatch(r"/v1/realtime/calls/rtc_\w{20,21}", location), location
        assert answer.body.startswith("v=0\r\n"), answer.body
        assert (await ask(server, "POST", location + "/hangup")).status == 200
        assert (await ask(server, "POST", location + "/hangup")).status == 404
    form = aiohttp.FormData()
    form.add_field("sdp", OFFER, content_type="application/sdp")
    form.add_field("session", json.dumps({"type": "realtime", "model": "gpt-realtime", "instructions": "Moo."}),
                   content_type="application/json")
    answer = await ask(server, "POST", BASE, data=form)
    assert answer.status == 201, answer.body
    id_ = answer.headers["Location"].rsplit("/", 1)[1]
    async with owner(server, query=f"call_id={id_}") as sideband:
        session = (await sideband.until("session.created"))["session"]
        assert session["instructions"] == "Moo." and session["model"] == "gpt-realtime", session
    assert (await ask(server, "POST", f"{BASE}/{id_}/hangup", data=b"{}")).status == 200


async def test_call_says_what_is_wrong(server):
    def form(**parts):
        out = aiohttp.FormData()
        for name, value in parts.items():
            out.add_field(name, value, content_type="text/plain")
        return out
    cut = OFFER.replace(b"a=fingerprint", b"a=fingerprInt")
    for options, status, code, param in (
            ({"data": b"hello", "headers": SDP}, 400, "invalid_sdp", "sdp"),
            ({"data": b"", "headers": SDP}, 400, "invalid_sdp", "sdp"),
            ({"data": cut, "headers": SDP}, 400, "invalid_sdp", "sdp"),
            ({"data": OFFER, "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_content_type", "Content-Type"),
            ({"json": {}}, 415, "unsupported_content_type", "Content-Type"),
            ({"data": b"--x--", "headers": {"Content-Type": "multipart/form-data"}}, 400, "invalid_multipart", None),
            ({"data": form(session="{}")}, 400, "missing_required_parameter", "sdp"),
            ({"data": form(sdp=OFFER, session="{")}, 400, "invalid_json", "session"),
            ({"data": form(sdp=OFFER, session="[]")}, 400, "invalid_json", "session"),
            ({"data": form(sdp=OFFER, session='{"audio": {"output": {"voice": "nobody"}}}')}, 400, "invalid_value",
             "session.audio.output.voice"),
            ({"data": OFFER, "headers": {**SDP, "Parley-Resume": "0" * 64}}, 404, "resume_token_invalid", None)):
        answer = await ask(server, "POST", BASE, **options)
        assert answer.status == status and answer.error() == (code, param), (options, answer.status, answer.body)
    answer = await ask(server, "POST", BASE, data=b"v=0\r\nnonsense\r\n", headers=SDP)
    assert "line 2" in answer.json()["error"]["message"], answer.body
    value = await secret(server)
    answer = await ask(server, "POST", BASE, key=value, data=form(sdp=OFFER, session="{}"))
    assert answer.status == 400 and answer.error() == ("invalid_request", "session"), answer.body
    assert (await ask(server, "POST", BASE, key="wrong-key-1", data=OFFER, headers=SDP)).status == 401
    assert (await ask(server, "POST", f"{BASE}/rtc_nobody/hangup")).error() == ("call_not_found", "call_id")


async def test_call_from_a_page_of_another_origin(server):
    origin = {"Origin": "https://app.example"}
    answer = await ask(server, "OPTIONS", BASE, key=None, headers={
        **origin, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,parley-resume"})
    assert answer.status == 204, answer.status
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "parley-resume")), allowed
    answer = await ask(server, "POST", BASE, data=OFFER, headers={**SDP, **origin})
    assert answer.status == 201 and answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Location" in answer.headers["Access-Control-Expose-Headers"]
    await ask(server, "POST", answer.headers["Location"] + "/hangup")
    answer = await ask(server, "POST", BASE, data=OFFER, headers={**SDP, "Origin": "https://evil.example"})
    assert answer.status == 403


async def test_call_is_steered_by_who_made_it(server):
    value, sibling = await secret(server), await secret(server)
    foreign = await secret(server, key=OTHER_KEY)
    by_key, by_secret = await call(server), await call(server, value)
    for id_, good, bad in ((by_key, [KEY], [OTHER_KEY, value, foreign]),
                           (by_secret, [value, KEY], [OTHER_KEY, sibling, foreign])):
        for key in bad:
            for path in (f"{BASE}/{id_}/hangup", f"{BASE}/{id_}"):
                answer = await ask(server, "POST", path, key=key, data=OFFER, headers=SDP)
                assert answer.status == 403 and answer.error() == ("call_forbidden", "call_id"), answer.body
            await refused(server, 403, "call_forbidden", f"call_id={id_}", key=key)
        for key in (None, "wrong-key-1"):
            await refused(server, 401, "invalid_api_key", f"call_id={id_}", key=key)
            assert (await ask(server, "POST", f"{BASE}/{id_}/hangup", key=key)).status == 401
        for key in good:
            async with owner(server, key, f"call_id={id_}") as sideband:
                await sideband.until("session.created")
    # Wherever the credential arrives.
    async with websockets.connect(server.ws(f"call_id={by_secret}"),
                                  subprotocols=["realtime", f"openai-insecure-api-key.{value}"]) as socket:
        assert json.loads(await socket.recv())["type"] == "session.created"
    await refused(server, 404, "call_not_found", "call_id=rtc_00000000000000000000")
    await refused(server, 404, "call_not_found", "call_id=" + "x" * 300)
    await refused(server, 404, "call_not_found", "call_id=")
    for id_, key in ((by_key, KEY), (by_secret, value)):
        assert (await ask(server, "POST", f"{BASE}/{id_}/hangup", key=key)).status == 200


async def test_sideband_mirrors_and_ends_with_the_call(server):
    id_ = await call(server)
    async with contextlib.AsyncExitStack() as stack:
        bands = [await stack.enter_async_context(owner(server, query=f"call_id={id_}")) for _ in range(8)]
        await refused(server, 429, "too_many_observers", f"call_id={id_}")
        first, second = bands[:2]
        await first.session(instructions="You are a parrot.", output_modalities=["text"])
        assert (await second.until("session.updated"))["session"]["instructions"] == "You are a parrot."
        await second.ask("Say hello.")
        done = [await band.until("response.done", 60) for band in (first, second)]
        assert done[0] == done[1] and done[0]["response"]["status"] == "completed", done
        # The sound of a call is its track's.
        await first.send("input_audio_buffer.append", audio="AAAA", event_id="mine")
        error = (await first.until("error", allow_error=True))["error"]
        assert error["code"] == "unsupported_event" and error["event_id"] == "mine", error
        await first.send("output_audio_buffer.clear")  # nothing sounds: nothing happens
        assert "audio.delta" not in str([band.types() for band in bands])
        assert (await ask(server, "POST", f"{BASE}/{id_}/hangup")).status == 200
        for band in bands:
            try:
                while True:
                    await band.next(5)
            except websockets.ConnectionClosed as closed:
                assert closed.rcvd.code == 1000 and "hung up" in closed.rcvd.reason, closed
    await metric_is(server, "parley_calls", 0)


async def test_call_that_never_connects_is_given_up(server):
    id_ = await call(server)
    async with owner(server, query=f"call_id={id_}") as sideband:
        await sideband.until("session.created")
        try:
            await sideband.next(15)
            raise AssertionError("an event")
        except websockets.ConnectionClosed as closed:
            assert "never connected" in closed.rcvd.reason, closed
    assert (await ask(server, "POST", f"{BASE}/{id_}/hangup")).status == 404


# ---------------------------------------------------------------- coming back


async def token_of(client):
    event = await client.until("parley.resume")
    assert re.fullmatch(r"[0-9a-f]{64,65}", event["token"]) and event["expires_in_s"] == 10, event
    return event


async def resumable(client, **session):
    await client.send("session.update", session={"type": "realtime", "parley": {"resume": True}, **session})
    return (await token_of(client))["token"]


async def remember(client, id_, text):
    await client.send("conversation.item.create", item={
        "id": id_, "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
    await client.until("conversation.item.done")


async def recalls(client, id_, text):
    await client.send("conversation.item.retrieve", item_id=id_)
    assert (await client.until("conversation.item.retrieved"))["item"]["content"][0]["text"] == text


async def test_resume_after_a_drop(server):
    client = owner(server)
    async with client:
        session = (await client.until("session.created"))["session"]
        token = await resumable(client, instructions="Be a parrot.", output_modalities=["text"])
        await remember(client, "kept", "My name is Otto.")
        await client.send("response.create")
        await client.until("response.created")
        client.socket.transport.abort()  # no close frame, no good-bye
    async with owner(server, **{"Parley-Resume": token}) as back:
        assert (await back.next())["type"] == "session.created"
        again = back.events[0]["session"]
        assert again["id"] == session["id"] and again["instructions"] == "Be a parrot.", again
        event = await token_of(back)
        assert event["resumed"] is True and event["token"] != token
        await recalls(back, "kept", "My name is Otto.")
        await back.ask("What is my name? One word.")
        done = await back.until("response.done", 60)
        assert done["response"]["status"] == "completed", done
        # Single use.
        await refused(server, 404, "resume_token_invalid", headers={"Parley-Resume": token})
        await back.session(instructions="Still here.")
        assert not [value for value in (token, event["token"]) if value in server.log()]


async def test_resume_by_subprotocol_closes_the_old_connection(server):
    async with owner(server) as old:
        token = await resumable(old)
        await remember(old, "kept", "hello")
        async with Client(server.ws(), subprotocols=[
                "realtime", f"openai-insecure-api-key.{KEY}", f"parley-resume.{token}"]) as back:
            assert back.socket.subprotocol == "realtime"
            await token_of(back)
            await recalls(back, "kept", "hello")
            try:
                await old.next(5)
                raise AssertionError("an event for the old connection")
            except websockets.ConnectionClosed as closed:
                assert closed.rcvd.code == 4001, closed


async def test_resume_has_its_rules(server):
    value = await secret(server, {"type": "realtime", "parley": {"resume": True}})
    async with owner(server, value) as client:
        token = (await token_of(client))["token"]  # asked for by the settings of the secret
    for key, status, code in ((OTHER_KEY, 404, "resume_token_invalid"), (await secret(server), 404, "resume_token_invalid"),
                              ("wrong-key-1", 401, "invalid_api_key")):
        await refused(server, status, code, key=key, headers={"Parley-Resume": token})
    for wrong in ("", "0" * 64, token[:-1], token + "0"):
        await refused(server, 404, "resume_token_invalid", key=value, headers={"Parley-Resume": wrong})
    # In the address it is none.
    async with owner(server, value, f"parley_resume={token}&resume={token}") as other:
        await other.until("session.created")
        assert not (await token_of(other))["resumed"]
    async with owner(server, value, **{"Parley-Resume": token}) as back:
        token = (await token_of(back))["token"]
    await asyncio.sleep(11)
    await refused(server, 404, "resume_token_invalid", key=value, headers={"Parley-Resume": token})
    # Whoever did not ask is not waited for.
    async with owner(server) as client:
        await client.until("session.created")
        await client.session(instructions="x")
        assert "parley.resume" not in client.types()
    frozen = re.search(r"parley_sessions_frozen (\d+)", (await ask(server, "GET", "/metrics")).body)
    assert int(frozen[1]) <= 1, frozen[0]  # `other` may still be waited for


async def test_resume_from_websocket_to_call_and_back(server):
    async with owner(server) as client:
        session = (await client.until("session.created"))["session"]
        token = await resumable(client, instructions="Be a bear.")
        await remember(client, "kept", "hello")
        # A bad offer does not cost the token.
        bad = await ask(server, "POST", BASE, data=b"v=0\r\n", headers={**SDP, "Parley-Resume": token})
        assert bad.status == 400, bad.body
        id_ = await call(server, **{"Parley-Resume": token})
        try:
            await client.next(5)
            raise AssertionError("an event for the old connection")
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd.code == 4001, closed
    async with owner(server, query=f"call_id={id_}") as sideband:
        again = (await sideband.until("session.created"))["session"]
        assert again["id"] == session["id"] and again["instructions"] == "Be a bear.", again
        await recalls(sideband, "kept", "hello")
        assert "parley.resume" not in sideband.types(), "the token is the client's alone"
    assert (await ask(server, "POST", f"{BASE}/{id_}/hangup")).status == 200


# ---------------------------------------------------------------- limits, and no keys at all


async def test_limits_come_before_work():
    server = Server("api.sessions_max=2", "session.frozen_max=1", env={"PARLEY_API_KEY": KEY}, wait=False)
    try:
        await asyncio.to_thread(server.wait_ready)
        id_ = await call(server)
        async with owner(server) as client:
            await client.until("session.created")
            await refused(server, 429, "too_many_sessions")
            for body in (OFFER, b"nonsense"):
                answer = await ask(server, "POST", BASE, data=body, headers=SDP)
                assert answer.status == 429 and answer.error()[0] == "too_many_sessions", answer.body
            async with owner(server, query=f"call_id={id_}") as sideband:  # no session of its own
                await sideband.until("session.created")
        await ask(server, "POST", f"{BASE}/{id_}/hangup")
        tokens = []
        for _ in range(2):
            async with owner(server) as client:
                await client.send("session.update", session={"parley": {"resume": True}})
                tokens.append((await client.until("parley.resume"))["token"])
            await asyncio.sleep(0.1)
        await refused(server, 404, "resume_token_invalid", headers={"Parley-Resume": tokens[0]})
        async with owner(server, **{"Parley-Resume": tokens[1]}) as back:
            await back.until("parley.resume")
    finally:
        server.stop()


async def test_without_keys_secrets_still_bring_their_settings():
    server = Server(wait=False)
    try:
        await asyncio.to_thread(server.wait_ready)
        value = await secret(server, {"type": "realtime", "instructions": "Only say moo."}, key=None)
        async with owner(server, value) as client:
            assert (await client.until("session.created"))["session"]["instructions"] == "Only say moo."
        await refused(server, 401, "invalid_api_key", key="ek_" + "0" * 48)
        assert (await ask(server, "GET", "/metrics", key=value)).status == 401
        assert (await ask(server, "GET", "/metrics", key="anything")).status == 200
        id_ = await call(server, value)
        await refused(server, 403, "call_forbidden", f"call_id={id_}", key=await secret(server, key=None))
        async with owner(server, None, f"call_id={id_}") as sideband:
            await sideband.until("session.created")
        assert (await ask(server, "POST", f"{BASE}/{id_}/hangup", key=value)).status == 200
    finally:
        server.stop()


def main():
    import os
    import tempfile
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
        keys.write(f"{KEY}\n{OTHER_KEY}\n")
        keys.flush()
        os.chmod(keys.name, 0o600)
        server = Server("llm.temperature=0", f"api.key_file={keys.name}", "session.resume_s=10",
                        "http.origins=https://app.example")
        return run([value for name, value in list(globals().items()) if name.startswith("test_")], server)


if __name__ == "__main__":
    sys.exit(main())
