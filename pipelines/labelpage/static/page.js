// The label page. What a key does is shown at once and put into an outbox, which is sent in order, one action at a time,
// until the server has said that each is on its disk. The outbox survives a reload, and an action that is sent twice
// counts once.

const HUES = ["#f5b83d", "#5b9dff", "#ff6b5e", "#c77dff", "#3fc6a8", "#9bc53d", "#8c9cff", "#ff8fc7", "#f08a4b"];
const RETRY = 1500;
const COPY = 1500; // a page that is left gives its name free sooner
const POLL = 10000;
const POLL_GUESSING = 1500;

const $ = (id) => document.getElementById(id);
const stored = (key, fallback) => JSON.parse(sessionStorage.getItem(key) ?? "null") ?? fallback;
const unique = () => Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join("-");

let tab = null;
let outbox = [];
const pictures = new Map(); // faces fetched ahead
let settings = null;
let state = null;
let queue = [];
let sending = false;
let shownImage = null;
let ready = false; // whether the face on the screen can be seen

async function call(path, body) {
  const options = body && {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(path, { cache: "no-store", ...options });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.error ?? response.statusText), { status: response.status });
  return answer;
}

const looking = () => queue[0]?.image ?? null;
const waitsForUndo = () => outbox.some((item) => item.kind === "undo");

// ---- from the server

function adopt(answer, isPoll) {
  state = answer;
  const gone = new Set(outbox.map((item) => item.image));
  const fresh = answer.queue.filter((face) => !gone.has(face.image));
  // a face does not change under the labeller's fingers, unless another tab has labelled it
  const kept = !isPoll && !answer.undone && queue.length ? [queue[0]] : [];
  const named = new Set(kept.map((face) => face.image));
  const renewed = kept.map((face) => fresh.find((other) => other.image === face.image) ?? face);
  queue = [...renewed, ...fresh.filter((face) => !named.has(face.image))];
  draw();
}

async function send() {
  if (sending) return;
  sending = true;
  while (outbox.length) {
    const item = outbox[0];
    try {
      const answer = await call("api/act", { ...item, tab, looking: looking() });
      forget();
      adopt(answer, false);
      if (item.kind === "undo") toast(answer.undone ? "taken back" : "nothing to take back");
      banner(answer.trouble && `Labels are safe, but files could not be moved: ${answer.trouble}`);
    } catch (error) {
      if (error.status === 403) {
        banner("The server was started anew at another address. Open the one it prints; what is not saved is lost.");
        break;
      }
      if (error.status >= 400 && error.status < 500) {
        forget();
        toast(error.message);
        await poll();
        continue;
      }
      const reason = error.status ? error.message : "the server does not answer; start it again and this page goes on";
      banner(`Not saved yet: ${outbox.length}. ${reason}`);
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  }
  sending = false;
}

async function poll() {
  try {
    const query = new URLSearchParams({ tab, looking: looking() ?? "" });
    const answer = await call(`api/state?${query}`);
    if (!outbox.length) adopt(answer, true);
    banner(answer.trouble && `Labels are safe, but files could not be moved: ${answer.trouble}`);
  } catch (error) {
    banner(error.status === 403
      ? "The server was started anew at another address. Open the one it prints."
      : "The server does not answer; start it again and this page goes on.");
  }
}

// ---- what the labeller does

function act(item) {
  outbox.push({ action: unique(), ...item });
  sessionStorage.setItem("outbox", JSON.stringify(outbox));
  draw();
  send();
}

function forget() {
  outbox.shift();
  sessionStorage.setItem("outbox", JSON.stringify(outbox));
}

function give(name, button) {
  if (!ready || !queue.length || waitsForUndo()) return;
  const labeller = $("labeller").value.trim() || settings.labeller;
  flash(button);
  toast(name === settings.rejected ? "not a face" : name, button.style.getPropertyValue("--hue"));
  const face = queue.shift();
  act({ kind: "label", image: face.image, class: name, labeller, suggested: suggestion(face)?.[0] ?? null });
}

function skip() {
  if (!queue.length || waitsForUndo()) return;
  flash($("skip"));
  act({ kind: "skip", image: queue.shift().image });
}

function undo() {
  if (waitsForUndo()) return;
  flash($("undo"));
  act({ kind: "undo" });
}

function onKey(event) {
  if (event.target === $("labeller")) {
    if (event.key === "Enter" || event.key === "Escape") $("labeller").blur();
    return;
  }
  const isUndo = event.key === "Backspace" || event.key.toLowerCase() === "u" || event.key.toLowerCase() === "z";
  // a key that is held down labels one face; Ctrl-Z is undo, other combinations are the browser's
  if (event.repeat || event.altKey || ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() !== "z")) return;
  const number = Number(event.key);
  if (event.key !== " " && number >= 1 && number <= settings.classes.length) {
    give(settings.classes[number - 1], $("classes").children[number - 1]);
  } else if (event.key.toLowerCase() === "x") give(settings.rejected, $("reject"));
  else if (event.key === " " || event.key.toLowerCase() === "s") skip();
  else if (isUndo) undo();
  else return;
  event.preventDefault();
}

// ---- what is seen

function draw() {
  if (!state) return;
  const counts = { ...state.counts };
  for (const item of outbox) if (item.kind === "label") counts[item.class] += 1;
  const face = queue[0];
  settings.classes.forEach((name, index) => {
    const button = $("classes").children[index];
    const share = face?.guess?.[name];
    button.querySelector(".count").textContent = `${counts[name]} / ${settings.target}`;
    button.querySelector(".bar").style.width = `${Math.min(100, (100 * counts[name]) / settings.target)}%`;
    button.classList.toggle("full", counts[name] >= settings.target);
    button.classList.toggle("guessed", share !== undefined && share === Math.max(...Object.values(face.guess)));
    button.classList.toggle("current", face?.class === name);
  });
  $("rejected").textContent = counts[settings.rejected] || "";
  const left = Math.max(0, state.waiting - outbox.filter((item) => item.kind === "label").length);
  const done = state.total - left;
  $("overall-bar").style.width = `${state.total ? (100 * done) / state.total : 100}%`;
  $("overall-text").textContent = `${done.toLocaleString()} of ${state.total.toLocaleString()} faces`;
  $("saved").textContent = outbox.length ? `saving ${outbox.length}` : "saved";
  $("saved").classList.toggle("waiting", outbox.length > 0);
  drawFace(face, left);
}

function drawFace(face, left) {
  for (const other of queue) fetchAhead(other);
  const wanted = new Set(queue.map((other) => other.image));
  for (const name of pictures.keys()) if (!wanted.has(name)) pictures.delete(name);
  $("done").hidden = Boolean(face) || left > 0;
  $("place").textContent = face ? [face.film, face.time_code].filter(Boolean).join(" · ") : "";
  $("guess").replaceChildren(...guessText(face));
  if (shownImage === (face?.image ?? null)) return;
  shownImage = face?.image ?? null;
  ready = false;
  $("missing").hidden = true;
  $("face").hidden = !face;
  if (!face) return $("face").removeAttribute("src");
  const name = face.image;
  const picture = pictures.get(name);
  $("face").dataset.image = name;
  picture.decode().then(
    () => { if (shownImage === name) { $("face").src = picture.src; ready = true; document.body.dataset.ready = name; } },
    () => { if (shownImage === name) { $("face").hidden = true; $("missing").hidden = false; } },
  );
}

// the class that a model thinks likeliest, and how likely
const suggestion = (face) => face?.guess
  && Object.entries(face.guess).reduce((best, entry) => (entry[1] > best[1] ? entry : best));

function guessText(face) {
  if (!face?.guess) return state.guessing ? [document.createTextNode("the model is looking …")] : [];
  const [name, share] = suggestion(face);
  const strong = document.createElement("b");
  strong.textContent = name;
  return [document.createTextNode("the model says "), strong, document.createTextNode(` ${Math.round(100 * share)}%`)];
}

function fetchAhead(face) {
  if (pictures.has(face.image)) return;
  const picture = new Image();
  picture.src = `image/${face.image}`;
  pictures.set(face.image, picture);
}

function toast(text, hue) {
  $("toast").textContent = text;
  $("toast").style.background = hue || "";
  $("toast").style.color = hue ? "#14161a" : "";
  $("toast").classList.add("shown");
  requestAnimationFrame(() => requestAnimationFrame(() => $("toast").classList.remove("shown")));
}

function flash(button) {
  button.classList.add("pressed");
  setTimeout(() => button.classList.remove("pressed"), 130);
}

function banner(text) {
  $("banner").hidden = !text;
  $("banner").textContent = text || "";
}

function makeButton(name, index) {
  const button = document.createElement("button");
  button.style.setProperty("--hue", HUES[index]);
  button.setAttribute("aria-keyshortcuts", String(index + 1));
  const parts = [["kbd", "", index + 1], ["span", "name", name], ["span", "count", ""], ["span", "bar", ""]];
  for (const [tag, kind, text] of parts) {
    const part = document.createElement(tag);
    part.className = kind;
    part.textContent = text;
    button.append(part);
  }
  button.addEventListener("click", () => { button.blur(); give(name, button); });
  return button;
}

// A tab keeps its name when it is reloaded, so that it can still take back; a copy of a tab gets a name of its own.
async function claimTab() {
  const name = stored("tab", null);
  const isFree = name && (await new Promise((resolve) => {
    const patience = AbortSignal.timeout(COPY);
    navigator.locks.request(name, { signal: patience }, () => { resolve(true); return new Promise(() => {}); })
      .catch(() => resolve(false));
  }));
  tab = isFree ? name : unique();
  outbox = isFree ? stored("outbox", []) : [];
  sessionStorage.setItem("tab", JSON.stringify(tab));
  sessionStorage.setItem("outbox", JSON.stringify(outbox));
  if (!isFree) navigator.locks.request(tab, () => new Promise(() => {}));
}

async function start() {
  await claimTab();
  settings = await call("api/start");
  document.title = `Label ${settings.title}`;
  $("title").textContent = settings.title;
  $("labeller").value = stored("labeller", settings.labeller);
  $("labeller").addEventListener("change", () => {
    sessionStorage.setItem("labeller", JSON.stringify($("labeller").value.trim() || settings.labeller));
  });
  $("classes").style.setProperty("--columns", settings.classes.length);
  $("classes").append(...settings.classes.map(makeButton));
  $("reject").addEventListener("click", () => { $("reject").blur(); give(settings.rejected, $("reject")); });
  $("skip").addEventListener("click", () => { $("skip").blur(); skip(); });
  $("undo").addEventListener("click", () => { $("undo").blur(); undo(); });
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", () => document.hidden || poll());
  addEventListener("beforeunload", (event) => { if (outbox.length) event.preventDefault(); });
  await poll();
  if (!state) { // labels that were not sent before a reload
    state = await call(`api/state?${new URLSearchParams({ tab })}`);
    adopt(state, true);
  }
  send();
  const loop = () => setTimeout(async () => { if (!document.hidden && !outbox.length) await poll(); loop(); }, state?.guessing ? POLL_GUESSING : POLL);
  loop();
}

start();
