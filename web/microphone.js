// AudioWorklet: the microphone as 16-bit PCM at the context's rate (24 kHz), 40 ms a message.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.pcm = new Int16Array(960);
    this.filled = 0;
  }

  process(inputs) {
    const channel = inputs[0][0];
    if (!channel) return true;
    for (const sample of channel) {
      this.pcm[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.filled === this.pcm.length) {
        this.port.postMessage(this.pcm.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}
registerProcessor('microphone', Microphone);
