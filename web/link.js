// The two ways to the server, with one face: open(stream, resume), send(event), close(), and the callbacks
// onEvent(event), onUp(), onDown(error) and onSound(started), which WebRTC has no use for.
const OPEN_MS = 8000; // given up after that

export class LinkError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status; // of HTTP, 0 when there was none
  }
}

function withKey(key, headers = {}) {
  return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

async function refusal(answer) {
  const body = await answer.json().catch(() => null);
  return new LinkError(answer.status, body?.error?.message || `HTTP ${answer.status}`);
}

// WebRTC: sound on tracks, events on the data channel "oai-events".
export class Call {
  constructor(key, player) {
    this.key = key;
    this.player = player; // an <audio> element
  }

  async open(stream, resume) {
    const servers = await fetch('/v1/realtime/ice_servers', { headers: withKey(this.key) }).catch(() => null);
    this.peer = new RTCPeerConnection(servers?.ok ? await servers.json() : {});
    this.peer.ontrack = ({ track }) => { this.player.srcObject = new MediaStream([track]); };
    for (const track of stream.getAudioTracks()) this.peer.addTrack(track, stream);
    this.channel = this.peer.createDataChannel('oai-events');
    this.channel.onopen = () => { clearTimeout(this.limit); this.up = true; this.onUp(); };
    this.channel.onmessage = ({ data }) => this.onEvent(JSON.parse(data));
    this.channel.onclose = () => this.fail(new LinkError(0, 'closed'));
    this.peer.onconnectionstatechange = () => this.judge();
    this.limit = setTimeout(() => this.fail(new LinkError(0, 'timeout')), OPEN_MS);
    await this.peer.setLocalDescription();
    const headers = withKey(this.key, { 'Content-Type': 'application/sdp' });
    if (resume) headers['Parley-Resume'] = resume;
    const answer = await fetch('/v1/realtime/calls?model=parley',
      { method: 'POST', headers, body: this.peer.localDescription.sdp });
    if (!answer.ok) throw await refusal(answer);
    this.place = answer.headers.get('Location');
    await this.peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  }

  judge() {
    clearTimeout(this.doubt);
    const state = this.peer.connectionState;
    if (state === 'failed') this.fail(new LinkError(0, state));
    // A short gap heals by itself.
    else if (state === 'disconnected') this.doubt = setTimeout(() => this.fail(new LinkError(0, state)), 500);
  }

  fail(error) {
    if (this.over) return;
    const { onDown } = this;
    this.drop();
    onDown(error);
  }

  send(event) {
    if (this.channel?.readyState === 'open') this.channel.send(JSON.stringify(event));
  }

  // Loss in percent, jitter and delay in ms, rates in kb/s, since the last call.
  async stats() {
    const now = { at: performance.now() };
    for (const entry of (await this.peer.getStats()).values()) {
      if (entry.type === 'inbound-rtp' && entry.kind === 'audio')
        Object.assign(now, { lost: entry.packetsLost, got: entry.packetsReceived, jitter: entry.jitter * 1000, down: entry.bytesReceived });
      else if (entry.type === 'outbound-rtp' && entry.kind === 'audio') now.sent = entry.bytesSent;
      else if (entry.type === 'remote-inbound-rtp') Object.assign(now, { lossUp: entry.fractionLost, rtt: entry.roundTripTime * 1000 });
    }
    const before = this.before || {};
    this.before = now;
    const rate = (name) => Math.max(0, ((now[name] - before[name]) * 8) / (now.at - before.at)) || 0;
    const lost = Math.max(0, now.lost - before.lost) || 0;
    const all = lost + (now.got - before.got || 0);
    return {
      loss: Math.max(all > 0 ? (100 * lost) / all : 0, 100 * (now.lossUp || 0)),
      jitter: now.jitter || 0, rtt: now.rtt, down: rate('down'), up: rate('sent'),
    };
  }

  drop() {
    this.over = true;
    clearTimeout(this.limit);
    clearTimeout(this.doubt);
    this.player.srcObject = null;
    this.peer?.close();
  }

  // The user is done: nobody need wait for us.
  close() {
    if (this.over) return;
    this.over = true;
    this.player.srcObject = null;
    if (!this.up) this.drop();
    // In this order: a call whose connection has ended waits for its client, and cannot be hung up.
    else fetch(`${this.place}/hangup`, { method: 'POST', headers: withKey(this.key), keepalive: true })
      .catch(() => {}).finally(() => this.drop());
  }
}

function toBase64(pcm) {
  const bytes = new Uint8Array(pcm.buffer);
  let text = '';
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(text);
}

function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}

// WebSocket: sound inside the events, played by `sound` (audio.js).
export class Wire {
  constructor(key, sound) {
    this.key = key;
    this.sound = sound;
  }

  async open(stream, resume) {
    const protocols = ['realtime'];
    if (this.key) protocols.push(`openai-insecure-api-key.${this.key}`);
    if (resume) protocols.push(`parley-resume.${resume}`);
    this.sound.onPcm = (pcm) => this.send({ type: 'input_audio_buffer.append', audio: toBase64(pcm) });
    this.socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/v1/realtime?model=parley`,
      protocols);
    this.socket.onopen = () => { this.up = true; this.onUp(); };
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.socket.onclose = () => {
      if (this.over) return;
      this.drop();
      this.onDown(new LinkError(0, 'closed'));
    };
  }

  take(event) {
    if (event.type === 'response.output_audio.delta') this.sound.play(event.item_id, fromBase64(event.delta));
    // The user cut in: be silent at once, and tell the server what was heard.
    if (event.type === 'input_audio_buffer.speech_started' && this.sound.playing()) {
      const heard = { item_id: this.sound.item, audio_end_ms: this.sound.heardMs() };
      this.sound.silence();
      this.send({ type: 'conversation.item.truncate', content_index: 0, ...heard });
    }
    this.onEvent(event);
  }

  send(event) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(event));
  }

  async stats() {
    return null;
  }

  drop() {
    this.over = true;
    this.sound.onPcm = null;
    this.sound.silence();
    this.socket?.close();
  }

  close() {
    if (this.over) return;
    this.send({ type: 'session.update', session: { type: 'realtime', parley: { resume: false } } });
    this.drop();
  }
}
