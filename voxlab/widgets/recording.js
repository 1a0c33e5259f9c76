// Records one sentence. microphone.js stands before it; the Python half is recording.py.

const LIMIT_S = 15;

function render({ model, el }) {
  el.innerHTML = `<div class="vx-live"><div class="vx-bar"><button type="button"></button>
    <meter min="0" max="1" title="level of the microphone"></meter><span class="vx-state"></span></div>
    <div class="vx-player"></div><div class="vx-message" role="status"></div></div>`;
  const find = (name) => el.querySelector(name);
  const [button, meter, state] = [find("button"), find("meter"), find(".vx-state")];
  const [player, message] = [find(".vx-player"), find(".vx-message")];
  let sound = null;
  let opening = false;
  let problem = "";
  let blocks = [];

  const show = () => {
    button.textContent = sound ? "■ Stop" : "● Record";
    button.disabled = opening;
    message.textContent = opening ? "May we use the microphone?" : problem || model.get("message");
    message.classList.toggle("vx-error", Boolean(problem));
  };
  const showPlayer = () => {
    player.innerHTML = model.get("player");
  };
  const stop = (trouble = "") => {
    const { rateHz } = sound;
    sound.close();
    sound = null;
    meter.value = 0;
    state.textContent = "";
    problem = trouble;
    const recorded = join(blocks.splice(0));
    if (recorded.length) model.send({ kind: "recording", rate_hz: rateHz }, {}, [recorded.buffer]);
    show();
  };
  const start = async () => {
    [opening, problem, blocks] = [true, "", []];
    let samples = 0;
    show();
    try {
      const opened = await openSound({
        onBlock: (block) => {
          if (!sound) return;
          blocks.push(block);
          samples += block.length;
          meter.value = meterOf(block);
          state.textContent = `${(samples / sound.rateHz).toFixed(1)} s`;
          if (samples >= LIMIT_S * sound.rateHz) stop();
        },
        onSilent: () => {},
        onLost: (why) => sound && stop(`The recording is over: ${why}.`),
      });
      if (!opening) return opened.close(); // the cell was run again meanwhile
      sound = opened;
    } catch (error) {
      problem = REASONS[error.name] ?? `No sound: ${error.message}`;
    } finally {
      opening = false;
      show();
    }
  };

  button.onclick = () => (sound ? stop() : opening || start());
  model.on("change:message", show);
  model.on("change:player", showPlayer);
  show();
  showPlayer();
  return () => {
    model.off(null, null);
    opening = false;
    sound?.close();
  };
}

export default { render };
