// Shows one stream as it is: frames over a WebSocket, drawn as they come, with a connection that is made again when it breaks.
"use strict";
(() => {
  const FIRST_PAUSE_MS = 500, LONGEST_PAUSE_MS = 8000, CLOCK_MS = 500;
  const canvas = document.getElementById("picture"), context = canvas.getContext("2d");
  const status = document.getElementById("status"), facts = document.getElementById("facts");
  const form = document.getElementById("key"), secret = document.getElementById("secret");
  const stream = new URL(location.href).searchParams.get("stream");
  const path = `/api/v1/streams/${encodeURIComponent(stream || "")}/live`;
  const causes = {
    auth: "the camera refuses the credentials", not_found: "the camera knows no such path", refused: "nobody answers at the camera's address",
    timeout: "the camera does not answer", tls: "no secure connection to the camera", codec: "the camera's pictures cannot be decoded",
    network: "the connection to the camera broke",
  };
  let key = "", failures = 0, pictures = [], drawing = false, next = null;
  // Whether this connection has brought a picture, and whether the stream is connected as far as the server knows.
  let shown = false, connected = false;

  const tell = (state, text) => {
    status.dataset.state = state;
    status.textContent = text;
    document.title = `${text} · Zoetrope`;
  };
  const reasonOf = (told) => told.detail || causes[told.cause] || "";
  const sentence = (words, reason) => reason ? `${words}: ${reason}` : words;

  // The newest frame that has come is drawn; whatever came before it, while another was drawn, is not.
  const draw = async () => {
    if (drawing) return;
    drawing = true;
    while (next) {
      const { head, jpeg } = next;
      next = null;
      try {
        const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
        if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
          canvas.width = bitmap.width;
          canvas.height = bitmap.height;
        }
        context.drawImage(bitmap, 0, 0);
        bitmap.close();
        pictures.push(performance.now());
        if (!shown) {
          shown = true;
          if (connected) tell("live", "Live");
        }
        canvas.dataset.pts = head.pts_ms;
        canvas.dataset.drawn = Number(canvas.dataset.drawn || 0) + 1;
        canvas.dataset.at = head.at;
      } catch {
        // A damaged picture: the next one comes.
      }
    }
    drawing = false;
  };

  const frame = (buffer) => {
    const length = new DataView(buffer).getUint32(0);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    next = { head, jpeg: new Uint8Array(buffer, 4 + length) };
    draw();
  };

  const state = (told) => {
    const reason = reasonOf(told);
    connected = told.state === "connected";
    if (told.over) tell("ended", sentence(told.state === "error" ? "Failed" : "Ended", reason || "the stream was stopped"));
    else if (told.state === "connecting") tell("connecting", sentence("Connecting", reason));
    else if (told.state === "error") tell("reconnecting", sentence("Somebody has to look after the camera", reason));
    else if (told.state === "reconnecting") tell("reconnecting", sentence("Reconnecting", reason));
    else if (shown) tell("live", "Live");
    else tell("connecting", "Waiting for a picture…");
    return told.over;
  };

  const again = (reason) => {
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.5 + Math.random() / 2);
    failures += 1;
    tell("reconnecting", sentence("Reconnecting", reason));
    setTimeout(connect, pause);
  };
  const ask = (text) => {
    form.hidden = false;
    secret.focus();
    tell("ended", text);
  };

  // Why no WebSocket was opened: a browser does not tell, but the same address does.
  const refused = async () => {
    let answer;
    try {
      answer = await fetch(path, { headers: headers(), cache: "no-store" });
    } catch {
      return again("the server does not answer");
    }
    const problem = await answer.json().catch(() => ({}));
    if (answer.status === 401) return ask(key ? "This key is not valid." : "A key is needed.");
    if (answer.status === 403) return ask(problem.detail || "This key may not watch.");
    if (answer.status === 404 || answer.status === 409) return tell("ended", sentence("Ended", problem.detail));
    again(answer.status >= 429 ? problem.detail || `the server answers ${answer.status}` : "");
  };
  const headers = () => key ? { Authorization: `Bearer ${key}` } : {};

  const ticket = async () => {
    if (!key) return "";
    const answer = await fetch("/api/v1/tickets", { method: "POST", headers: headers() });
    return answer.ok ? `?ticket=${encodeURIComponent((await answer.json()).ticket)}` : "";
  };

  const connect = async () => {
    let query;
    try {
      query = await ticket();
    } catch {
      return again("the server does not answer");
    }
    const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}${path}${query}`);
    socket.binaryType = "arraybuffer";
    let opened = false, over = false;
    shown = connected = false;
    socket.onopen = () => { opened = true; };
    socket.onmessage = ({ data }) => {
      failures = 0;
      if (typeof data === "string") over = state(JSON.parse(data));
      else frame(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (over) return;
      if (!opened) return refused();
      if (code === 1008) return ask(reason || "The server refuses this viewer.");
      again(reason || "the connection broke");
    };
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    key = secret.value.trim();
    secret.value = "";
    form.hidden = true;
    tell("connecting", "Connecting…");
    connect();
  });
  setInterval(() => {
    const now = performance.now();
    pictures = pictures.filter((at) => now - at < 2000);
    const taken = canvas.dataset.at ? new Date(canvas.dataset.at).toLocaleTimeString() : "";
    facts.textContent = pictures.length ? `${(pictures.length / 2).toFixed(0)} pictures a second · ${taken}` : taken;
  }, CLOCK_MS);
  if (stream) connect();
  else tell("ended", "Name a stream: /watch?stream=ID");
})();
