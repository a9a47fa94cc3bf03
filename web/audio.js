// The microphone, its level, and, for the WebSocket only, its sound as samples and the answer's playing. What
// was played is known to the sample, so that an interrupted answer can be cut where it was heard.
const RATE = 24000;

export async function openMicrophone() {
  if (!navigator.mediaDevices) throw Object.assign(new Error('insecure'), { name: 'Insecure' });
  return navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
}

export class Sound {
  constructor(stream, onLevel) {
    this.stream = stream;
    this.onLevel = onLevel;
    this.onPcm = null; // set by whoever sends samples
    this.sources = new Set();
    this.next = 0;
  }

  async open() {
    this.context = new AudioContext({ sampleRate: RATE });
    await this.context.audioWorklet.addModule('microphone.js');
    this.microphone = new AudioWorkletNode(this.context, 'microphone', { numberOfOutputs: 0 });
    this.microphone.port.onmessage = ({ data }) => {
      let loudest = 0;
      for (const sample of data) loudest = Math.max(loudest, Math.abs(sample));
      this.onLevel(loudest / 32768);
      this.onPcm?.(data);
    };
    this.context.createMediaStreamSource(this.stream).connect(this.microphone);
  }

  // False: the browser waits for a click before it plays anything.
  async allowed() {
    const waiting = new Promise((resolve) => { setTimeout(() => resolve(false), 500); });
    const resumed = this.context.resume().then(() => true, () => false);
    return Promise.race([resumed, waiting]);
  }

  close() {
    this.silence();
    for (const track of this.stream.getTracks()) track.stop();
    if (this.context) this.context.close();
  }

  // Plays a chunk of an item behind what is already waiting.
  play(item, pcm) {
    const buffer = this.context.createBuffer(1, pcm.length, RATE);
    const channel = buffer.getChannelData(0);
    for (let i = 0; i < pcm.length; i++) channel[i] = pcm[i] / 32768;
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    const now = this.context.currentTime;
    if (item !== this.item) {
      this.item = item;
      this.spans = [];
    }
    const at = Math.max(now + 0.02, this.next);
    source.start(at);
    this.next = at + buffer.duration;
    this.spans.push([at, buffer.duration]);
    this.sources.add(source);
    source.onended = () => this.sources.delete(source);
  }

  // Milliseconds of the present item that have left the loudspeaker.
  heardMs() {
    const now = this.context.currentTime - (this.context.outputLatency || 0);
    let seconds = 0;
    for (const [at, duration] of this.spans || []) seconds += Math.max(0, Math.min(duration, now - at));
    return Math.round(seconds * 1000);
  }

  playing() {
    return this.sources.size > 0;
  }

  silence() {
    for (const source of this.sources) source.stop();
    this.sources.clear();
    this.next = 0;
  }
}
