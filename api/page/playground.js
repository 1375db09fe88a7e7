// Sends a job and shows its output as it comes. Everything that a job writes is put into the page as text.

const at = (id) => document.getElementById(id);
const EXAMPLES = {
  python: "for number in range(3):\n    print(number, number ** 2)\n",
  node: "console.log([1, 2, 3].map((number) => number ** 2));\n",
  bash: 'echo "hello from $(uname -s)"\n',
};
const NAMES = { python: "main.py", node: "main.js", bash: "main.sh", cpp: "main.cpp", java: "Main.java", dotnet: "main.cs" };
const AGAIN_MS = 1000;
let job = null;

async function call(path, options = {}) {
  const token = at("token").value.trim();
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...options.headers };
  const answer = await fetch(path, { ...options, headers });
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer;
}

async function showRuntimes() {
  const { runtimes } = await (await call("v1/runtimes")).json();
  const chosen = at("runtime").value || "python";
  at("runtime").replaceChildren(...runtimes.map(({ name, extensions }) => {
    const option = new Option(name, name, false, name === chosen);
    option.dataset.file = NAMES[name] ?? `main${extensions[0] ?? ".txt"}`;
    return option;
  }));
  showExample();
}

function showExample() {
  const known = Object.values(EXAMPLES);
  if (!at("code").value || known.includes(at("code").value)) at("code").value = EXAMPLES[at("runtime").value] ?? "";
}

function say(text) {
  at("status").value = text;
}

function write(kind, text) {
  const piece = document.createElement("span");
  piece.className = kind;
  piece.textContent = text;
  at("output").append(piece);
}

// The events in a stream of bytes, each with its id, kind and data.
async function* eventsIn(body) {
  let rest = "";
  for await (const text of readable(body.pipeThrough(new TextDecoderStream()))) {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const fields = Object.fromEntries(part.split("\n").map((line) => line.split(/: ?(.*)/s, 2)));
      if (fields.event) yield { id: fields.id, kind: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

async function* readable(stream) {
  const reader = stream.getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield piece.value;
}

// A piece may end inside a character: then its bytes come in base64 as well.
function textOf({ text, base64 }, decoder) {
  const bytes = base64 === undefined ? new TextEncoder().encode(text) : Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  return decoder.decode(bytes, { stream: true });
}

async function follow(id) {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  for (let last = "0"; ; ) {
    try {
      const answer = await call(`v1/jobs/${id}/events`, { headers: { "Last-Event-ID": last } });
      for await (const event of eventsIn(answer.body)) {
        last = event.id ?? last;
        if (event.kind === "start") say("running");
        if (event.data.skipped_bytes) write("stderr", `[${event.data.skipped_bytes} bytes are left out]\n`);
        if (event.kind in decoders) write(event.kind, textOf(event.data, decoders[event.kind]));
        if (event.kind === "end") return;
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // fetch's own error for a lost connection
    }
    await new Promise((wake) => setTimeout(wake, AGAIN_MS));
  }
}

async function run() {
  const file = at("runtime").selectedOptions[0]?.dataset.file ?? "main.txt";
  const request = {
    runtime: at("runtime").value,
    files: { [file]: at("code").value },
    entry: file,
    stdin: at("stdin").value,
    timeout: Number(at("timeout").value),
  };
  const headers = { "Content-Type": "application/json" };
  job = (await (await call("v1/jobs", { method: "POST", headers, body: JSON.stringify(request) })).json()).id;
  at("cancel").disabled = false;
  say("queued");
  await follow(job);
  const { result, error } = await (await call(`v1/jobs/${job}?wait=10`)).json();
  if (!result) throw new Error(error?.message ?? "there is no result");
  say(`${result.status}, exit code ${result.exit_code}, ${Math.round(1000 * result.duration)} ms`);
}

async function start(event) {
  event.preventDefault();
  at("run").disabled = true;
  at("output").replaceChildren();
  say("sending");
  try {
    await run();
  } catch (error) {
    say(error.message);
  } finally {
    at("run").disabled = false;
    at("cancel").disabled = true;
  }
}

at("token").value = sessionStorage.getItem("token") ?? "";
at("token").addEventListener("change", () => {
  sessionStorage.setItem("token", at("token").value);
  showRuntimes().then(() => say(""), (error) => say(error.message));
});
at("runtime").addEventListener("change", showExample);
at("job").addEventListener("submit", start);
at("cancel").addEventListener("click", () => call(`v1/jobs/${job}`, { method: "DELETE" }).catch((error) => say(error.message)));
showRuntimes().catch((error) => say(error.message));
