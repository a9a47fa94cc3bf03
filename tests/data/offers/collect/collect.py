#!/usr/bin/env python3
"""Writes down the SDP offers of real WebRTC clients into the folder above (see README.md there).

    collect.py chromium|firefox|aiortc|gstreamer
    collect.py save NAME < offer        an offer printed by another program

Addresses, names and the host part of mDNS names are replaced by those of documentation; nothing else is touched, so
that odd spaces, orders and line ends stay what the client sends.
"""
import http.server
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent
# Addresses of RFC 5737 and RFC 3849, one for each that was seen, in order.
IPV4 = re.compile(r"(?<![\d.])(?!0\.0\.0\.0|127\.0\.0\.1)(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])")
IPV6 = re.compile(r"(?<![0-9A-Za-z:])(?=[0-9a-f:]*::|(?:[0-9a-f]{1,4}:){7})[0-9a-f:]{3,39}(?![0-9A-Za-z:])")


def anonymous(sdp):
    seen = {}

    def known(kind, text):
        number = len([k for k in seen if k[0] == kind]) + 1
        return seen.setdefault((kind, text), number)

    lines = []
    for line in sdp.split("\r\n"):
        if line.startswith(("c=", "o=", "a=candidate", "a=rtcp:")):
            line = IPV4.sub(lambda m: f"192.0.2.{known(4, m[1])}", line)
            line = IPV6.sub(lambda m: m[0] if m[0] in ("::", "::1") else f"2001:db8::{known(6, m[0])}", line)
            line = re.sub(r"[0-9a-f-]{36}\.local",
                          lambda m: f"00000000-0000-4000-8000-{known('m', m[0]):012x}.local", line)
        lines.append(line)
    return "\r\n".join(lines)


def save(name, sdp):
    (OUT / f"{name}.sdp").write_bytes(anonymous(sdp).encode())
    print(name, len(sdp), flush=True)


class Pages(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        body = (HERE / "collect.html").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        if "sdp" in body:
            save(f"{self.server.client}-{body['name']}", body["sdp"])
        else:
            print(self.server.client, body, flush=True)
            self.server.done.set()


def browser(client):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.client, server.done = client, threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    with tempfile.TemporaryDirectory() as profile:
        if client == "chromium":
            command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
                       "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", url]
        else:
            pathlib.Path(profile, "user.js").write_text(
                'user_pref("media.navigator.permission.disabled", true);\n'
                'user_pref("media.navigator.streams.fake", true);\n')
            command = ["firefox-esr", "--headless", "--profile", profile, "--no-remote", url]
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        server.done.wait(60)
        child.terminate()
        child.wait()


def aiortc():
    import asyncio

    from aiortc import RTCPeerConnection

    async def one(name, audio, data, video):
        peer = RTCPeerConnection()
        if audio:
            peer.addTransceiver("audio", direction="sendrecv")
        if video:
            peer.addTransceiver("video", direction="recvonly")
        if data:
            peer.createDataChannel("oai-events")
        await peer.setLocalDescription(await peer.createOffer())
        save(f"aiortc-{name}", peer.localDescription.sdp)
        await peer.close()

    async def every():
        await one("audio-data", True, True, False)
        await one("audio", True, False, False)
        await one("audio-video-data", True, True, True)
        await one("data", False, True, False)

    asyncio.run(every())


def gstreamer():
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstWebRTC", "1.0")
    gi.require_version("GstSdp", "1.0")
    from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: F401  the types of the offer
    Gst.init(None)
    audio = "audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=97 ! application/x-rtp,media=audio," \
            "encoding-name=OPUS,payload=97 ! rtc. "
    video = "videotestsrc is-live=true ! vp8enc deadline=1 ! rtpvp8pay pt=96 ! application/x-rtp,media=video," \
            "encoding-name=VP8,payload=96 ! rtc. "

    def one(name, data, media):
        loop = GLib.MainLoop()
        pipe = Gst.parse_launch("webrtcbin name=rtc bundle-policy=max-bundle " + media)
        rtc = pipe.get_by_name("rtc")

        def offered(promise, *_):
            promise.wait()
            reply = promise.get_reply()
            rtc.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

        def gathered(*_):
            if int(rtc.get_property("ice-gathering-state")) == 2:
                loop.quit()

        rtc.connect("notify::ice-gathering-state", gathered)
        rtc.connect("on-negotiation-needed", lambda _: rtc.emit(
            "create-offer", None, Gst.Promise.new_with_change_func(offered)))
        pipe.set_state(Gst.State.READY)
        if data:
            rtc.emit("create-data-channel", "oai-events", None)
        pipe.set_state(Gst.State.PLAYING)
        GLib.timeout_add_seconds(10, loop.quit)
        loop.run()
        save(f"gstreamer-{name}", rtc.get_property("local-description").sdp.as_text())
        pipe.set_state(Gst.State.NULL)

    one("audio-data", True, audio)
    one("audio", False, audio)
    one("audio-video-data", True, audio + video)


if __name__ == "__main__":
    if sys.argv[1] == "save":
        save(sys.argv[2], sys.stdin.buffer.read().decode())
    elif sys.argv[1] in ("chromium", "firefox"):
        browser(sys.argv[1])
    else:
        {"aiortc": aiortc, "gstreamer": gstreamer}[sys.argv[1]]()
