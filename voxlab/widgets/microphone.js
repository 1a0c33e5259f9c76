// The microphone and the loudspeaker of this page: what live.js and recording.js have in common.
// Python joins this text and theirs into one module.

const RATE_HZ = 16000;

const REASONS = {
  NotAllowedError:
    "The browser does not let this page use the microphone: allow it beside the address, and try " +
    "again. VS Code gives notebooks no microphone; open this one in JupyterLab.",
  NotFoundError: "There is no microphone: plug one in, and try again.",
  NotReadableError: "The microphone is in use, or switched off: close the other program, and try again.",
};

// Runs in the browser's audio thread: cuts the microphone into blocks, plays what is queued.
function audioThread() {
  const FADE = 80; // samples: 5 ms at 16 kHz, so that a cut does not click
  class VoxlabLine extends AudioWorkletProcessor {
    constructor() {
      super();
      this.size = 128 * Math.round((0.016 * sampleRate) / 128);
      this.block = new Float32Array(this.size);
      this.filled = 0;
      this.queue = [];
      this.port.onmessage = ({ data }) => (data === "cut" ? this.cut() : this.queue.push(data));
    }
    cut() {
      const fading = (this.queue[0] ?? new Float32Array(0)).slice(0, FADE);
      this.queue = fading.length ? [fading.map((sample, i) => sample * (1 - i / FADE))] : [];
      this.port.postMessage("silent");
    }
    process([[microphone] = []], [[loudspeaker] = []]) {
      if (microphone) this.capture(microphone);
      if (loudspeaker) this.play(loudspeaker);
      return true;
    }
    capture(samples) {
      this.block.set(samples, this.filled);
      this.filled += samples.length;
      if (this.filled < this.size) return;
      this.port.postMessage(this.block, [this.block.buffer]);
      this.block = new Float32Array(this.size);
      this.filled = 0;
    }
    play(samples) {
      for (let at = 0; at < samples.length && this.queue.length; ) {
        const piece = this.queue[0].subarray(0, samples.length - at);
        samples.set(piece, at);
        at += piece.length;
        const rest = this.queue[0].subarray(piece.length);
        if (rest.length) this.queue[0] = rest;
        else this.queue.shift();
      }
    }
  }
  registerProcessor("voxlab-line", VoxlabLine);
}

// Opens the microphone and the loudspeaker. Returns {rateHz, play, cut, mute, close}.
async function openSound({ onBlock, onSilent, onLost }) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error(
      "The browser gives the microphone only to pages on localhost or https: for a server " +
        "elsewhere, forward its port (ssh -L 8888:localhost:8888) and open localhost:8888.",
    );
  }
  // noise is what the VAD shall cope with, the agent's own voice is not
  const audio = { echoCancellation: true, noiseSuppression: false, channelCount: 1 };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const contexts = [];
  const mute = () => stream.getTracks().forEach((track) => track.stop());
  const close = () => {
    mute();
    for (const context of contexts) context.close().catch(() => {});
  };
  try {
    const code = URL.createObjectURL(
      new Blob([`(${audioThread})()`], { type: "text/javascript" }),
    );
    const open = async (options) => {
      const context = new AudioContext(options);
      contexts.push(context);
      await context.audioWorklet.addModule(code);
      await context.resume();
      return context;
    };
    const node = (context) =>
      new AudioWorkletNode(context, "voxlab-line", {
        outputChannelCount: [1],
        channelCount: 1,
        channelCountMode: "explicit",
      });
    const mouth = await open({ sampleRate: RATE_HZ });
    const loudspeaker = node(mouth);
    let ear = mouth;
    let microphone = loudspeaker;
    try {
      ear.createMediaStreamSource(stream).connect(microphone);
    } catch { // Firefox wants the microphone's own rate; the kernel resamples
      ear = await open();
      microphone = node(ear);
      ear.createMediaStreamSource(stream).connect(microphone);
    }
    URL.revokeObjectURL(code);
    loudspeaker.connect(mouth.destination);
    microphone.port.onmessage = ({ data }) => (data === "silent" ? onSilent() : onBlock(data));
    if (loudspeaker !== microphone) loudspeaker.port.onmessage = () => onSilent();
    stream.getTracks()[0].onended = () => onLost("the microphone was unplugged or taken away");
    return {
      rateHz: ear.sampleRate,
      play: (samples) => loudspeaker.port.postMessage(samples, [samples.buffer]),
      cut: () => loudspeaker.port.postMessage("cut"),
      mute,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

// Levels from -60 dB to full scale, as a part of the meter.
function meterOf(samples) {
  let power = 1e-12;
  for (const sample of samples) power += (sample * sample) / samples.length;
  return Math.max(0, 1 + (10 * Math.log10(power)) / 60);
}

// One array of all the samples in some blocks.
function join(blocks) {
  const joined = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    joined.set(block, at);
    at += block.length;
  }
  return joined;
}
