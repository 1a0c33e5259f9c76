// Listens in on the page: the loudest sample of each 8 ms, of the microphone and of the agent, as
// they pass through the browser. browser_check.py puts this into the page before all else.
{
  window.heard = []; // [time, microphone, agent] per 8 ms
  window.cuts = []; // when the audio thread was told to drop what it had in hand
  window.tracks = []; // every microphone track that was opened
  const tap = `registerProcessor("tap", class extends AudioWorkletProcessor {
    batch = [];
    process(inputs) {
      const peaks = inputs.map(([samples]) => Math.max(0, ...(samples ?? []).map(Math.abs)));
      this.batch.push([currentTime, ...peaks]);
      if (this.batch.length === 8) this.port.postMessage(this.batch.splice(0));
      return true;
    }
  });`;
  const address = URL.createObjectURL(new Blob([tap], { type: "text/javascript" }));
  const { addModule } = AudioWorklet.prototype;
  AudioWorklet.prototype.addModule = async function (...given) {
    await addModule.call(this, address);
    return addModule.call(this, ...given);
  };
  const { connect } = AudioNode.prototype;
  const taps = new WeakMap();
  const tapOf = (context) => {
    if (!taps.has(context)) {
      const node = new AudioWorkletNode(context, "tap", { numberOfInputs: 2 });
      node.port.onmessage = ({ data }) => window.heard.push(...data);
      connect.call(node, context.destination);
      taps.set(context, node);
    }
    return taps.get(context);
  };
  AudioNode.prototype.connect = function (target, ...rest) {
    const which = this instanceof MediaStreamAudioSourceNode ? 0 : 1;
    connect.call(this, tapOf(this.context), 0, which);
    if (which === 1) {
      const { port, context } = this;
      port.postMessage = (data, ...how) => {
        if (data === "cut") window.cuts.push(context.currentTime);
        return MessagePort.prototype.postMessage.call(port, data, ...how);
      };
    }
    return connect.call(this, target, ...rest);
  };
  const { getUserMedia } = MediaDevices.prototype;
  MediaDevices.prototype.getUserMedia = async function (...given) {
    const stream = await getUserMedia.apply(this, given);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
}
