// A caller on werift for the end-to-end tests; the same commands and lines as tests/net/pion/main.go.
// The packages are where set-up put them: node client.mjs FOLDER offer|call WHAT
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {createInterface} from "node:readline";

const [folder, mode, what] = process.argv.slice(2);
const {RTCPeerConnection, RTCRtpCodecParameters, MediaStreamTrack, RtpPacket, RtpHeader} =
    createRequire(folder + "/")("werift");

const FRAME_MS = 20;
const pcmu = what.includes("pcmu");
const step = pcmu ? 160 : 960;
const silence = pcmu ? Buffer.alloc(160, 0xff) : Buffer.from([0xf8, 0xff, 0xfe]);

const put = value => process.stdout.write(JSON.stringify({...value, t: (performance.timeOrigin + performance.now()) / 1000}) + "\n");

const codec = pcmu
    ? new RTCRtpCodecParameters({mimeType: "audio/PCMU", clockRate: 8000, channels: 1, payloadType: 0})
    : new RTCRtpCodecParameters({mimeType: "audio/opus", clockRate: 48000, channels: 2, payloadType: 96});
const video = new RTCRtpCodecParameters({mimeType: "video/VP8", clockRate: 90000, payloadType: 97});
const peer = new RTCPeerConnection({iceServers: [], codecs: {audio: [codec], video: [video]}});

function packets(path) {
    const data = readFileSync(path), list = [];
    for (let at = 0; at + 2 <= data.length;) {
        const size = data.readUInt16BE(at);
        list.push(data.subarray(at + 2, at + 2 + size));
        at += 2 + size;
    }
    return list;
}

// The microphone: one packet every 20 ms by the clock, silence when there is nothing to say.
const queue = [];
function speak(track) {
    const start = performance.now();
    let count = 0;
    setInterval(() => {
        for (; count * FRAME_MS <= performance.now() - start; count++) {
            const payload = queue.shift() ?? silence;
            if (payload !== silence && queue.length === 0) put({said: true});
            track.writeRtp(new RtpPacket(new RtpHeader({
                payloadType: codec.payloadType, sequenceNumber: count & 0xffff, timestamp: (count * step) >>> 0, ssrc: 1,
            }), payload));
        }
    }, FRAME_MS / 2);
}

async function offer(iceRestart) {
    await peer.setLocalDescription(await peer.createOffer({iceRestart}));
    if (peer.iceGatheringState !== "complete")
        await new Promise(done => peer.iceGatheringStateChange.subscribe(s => s === "complete" && done()));
    return peer.localDescription.sdp;
}

if (what.includes("audio")) {
    const track = new MediaStreamTrack({kind: "audio"});
    peer.addTransceiver(track, {direction: "sendrecv"});
    speak(track);
}
if (what.includes("video")) peer.addTransceiver("video", {direction: "recvonly"});
let channel;
if (what.includes("data")) {
    channel = peer.createDataChannel("oai-events");
    channel.stateChanged.subscribe(state => put({channel: state}));
    channel.onMessage.subscribe(data => put({event: data.toString(), text: typeof data === "string"}));
}
peer.onTrack.subscribe(track => track.onReceiveRtp.subscribe(rtp => put({
    rtp: [rtp.header.sequenceNumber, rtp.header.timestamp, rtp.header.payloadType, rtp.payload.toString("base64")],
})));
peer.connectionStateChange.subscribe(state => put({state}));

const first = await offer(false);
if (mode === "offer") {
    process.stdout.write(first, () => process.exit(0));
} else {
    put({offer: first});
    const commands = {
        answer: sdp => peer.setRemoteDescription({type: "answer", sdp}),
        say: path => queue.push(...packets(path)),
        send: text => channel.send(text),
        restart: async () => put({offer: await offer(true)}),
        close: async () => {
            await peer.close();
            process.exit(0);
        },
    };
    for await (const line of createInterface({input: process.stdin}))
        for (const [name, value] of Object.entries(JSON.parse(line))) await commands[name](value);
    process.exit(0);
}
