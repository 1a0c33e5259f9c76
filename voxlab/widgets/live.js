// The browser's end of a live call: the microphone goes to the kernel, the agent's voice comes back.
// microphone.js stands before it, live.py is the Python half, agents/callers/remote.py describes the
// messages.

const LOST_MS = 10000; // without a sign of life from the kernel, the microphone is closed
const DRAIN_MS = 300; // the rest of the agent's voice, when the call is over
const IN_FLIGHT = 3; // messages with sound that the kernel has not yet dealt with
const ANSWER_MS = 250; // after so long a message counts as dealt with

// Returns a function that sends blocks to the kernel, several in one message when the way is jammed:
// a message costs far more than the sound in it, and a queue of them would only grow.
function sender(model) {
  const blocks = [];
  const unanswered = new Set();
  const flush = () => {
    if (!blocks.length || unanswered.size >= IN_FLIGHT) return;
    const joined = join(blocks.splice(0));
    const ticket = {};
    const answered = () => unanswered.delete(ticket) && flush();
    const status = ({ content }) => content.execution_state === "idle" && answered();
    unanswered.add(ticket);
    setTimeout(answered, ANSWER_MS); // not every notebook tells
    model.send({ kind: "sound" }, { iopub: { status } }, [joined.buffer]);
  };
  return (block) => {
    blocks.push(block);
    flush();
  };
}

function rowElement(row) {
  const line = document.createElement("div");
  line.className = `vx-row vx-${row.who}${row.open ? " vx-open" : ""}`;
  const part = (tag, text) => {
    if (text) line.appendChild(document.createElement(tag)).textContent = text;
  };
  part("b", { user: "you", agent: "agent", tool: "tool", error: "failed" }[row.who]);
  const said = line.appendChild(document.createElement("span"));
  said.textContent = row.text;
  if (row.cut) said.append(" ", Object.assign(document.createElement("s"), { textContent: row.cut }));
  part("i", row.note);
  return line;
}

function render({ model, el }) {
  el.innerHTML = `<div class="vx-live"><div class="vx-bar"><button type="button"></button>
    <meter min="0" max="1" title="level of the microphone"></meter><span class="vx-state"></span></div>
    <div class="vx-rows"></div><div class="vx-message" role="status"></div></div>`;
  const find = (name) => el.querySelector(name);
  const [button, meter, state] = [find("button"), find("meter"), find(".vx-state")];
  const [rows, message] = [find(".vx-rows"), find(".vx-message")];
  let sound = null; // what this page has opened; another page may hold the call
  let opening = false;
  let problem = ""; // what only this page knows
  let heardAt = 0;
  let startedAt = 0;
  let watch = 0;
  const page = crypto.randomUUID(); // the kernel's answers go to every page that shows this widget

  const show = () => {
    const running = model.get("running");
    button.textContent = running || sound ? "■ Stop" : "● Start";
    button.disabled = opening;
    const seconds = sound ? Math.floor((performance.now() - startedAt) / 1000) : 0;
    const doing = running ? `agent: ${model.get("state") || "one moment …"}` : "";
    state.textContent = sound && running ? `${doing} · ${seconds} s` : doing;
    message.textContent = opening ? "May we use the microphone?" : problem || model.get("message");
    message.classList.toggle("vx-error", Boolean(problem));
  };
  const showRows = () => {
    rows.replaceChildren(...model.get("rows").map(rowElement));
    rows.scrollTop = rows.scrollHeight;
  };
  const hangUp = (why, trouble = "") => {
    clearInterval(watch);
    sound?.close();
    sound = null;
    meter.value = 0;
    problem = trouble;
    if (why) model.send({ kind: "stop", why });
    show();
  };
  const drain = (ending) => { // the last words are still on their way to the loudspeaker
    ending.mute();
    setTimeout(() => sound === ending && hangUp(""), DRAIN_MS);
  };
  const post = sender(model);
  const start = async () => {
    [opening, problem] = [true, ""];
    show();
    try {
      const opened = await openSound({
        onBlock: (block) => {
          if (!sound) return;
          meter.value = meterOf(block);
          post(block);
        },
        onSilent: () => sound && model.send({ kind: "silent" }),
        onLost: (why) => sound && hangUp(why, `The call is over: ${why}.`),
      });
      if (!opening) return opened.close(); // the cell was run again meanwhile
      sound = opened;
      heardAt = startedAt = performance.now();
      model.send({ kind: "start", rate_hz: sound.rateHz, page });
      watch = setInterval(() => {
        if (performance.now() - heardAt < LOST_MS) return show();
        hangUp("the kernel was silent", "The kernel does not answer: when it is back, run the cell again.");
      }, 500);
    } catch (error) {
      problem = REASONS[error.name] ?? `No sound: ${error.message}`;
    } finally {
      opening = false;
      show();
    }
  };
  const receive = (content, buffers) => {
    if (!sound) return;
    heardAt = performance.now();
    if (content.kind === "sound") {
      const bytes = buffers[0];
      sound.play(new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)));
    } else if (content.kind === "cut") sound.cut();
    else if (content.kind === "end") drain(sound);
    else if (content.kind === "refused" && content.page === page) hangUp("", "A call is held already: stop it first.");
  };
  const lost = () => sound && hangUp("", "The kernel is gone: run the cell again.");

  button.onclick = () => {
    if (sound || model.get("running")) hangUp("you pressed Stop");
    else if (!opening) start();
  };
  model.on("change:running change:state change:message", show);
  model.on("change:rows", showRows);
  model.on("msg:custom", receive);
  model.on("comm_live_update", lost);
  show();
  showRows();
  return () => {
    model.off(null, null);
    opening = false;
    if (sound) hangUp("the widget was taken off the page");
  };
}

export default { render };
