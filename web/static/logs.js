// The log of one container or build: follows, pauses, searches, keeps 5,000 lines. Output is always text, never markup.
"use strict";
(() => {
  const room = document.getElementById("logs");
  if (!room) return;
  const view = room.querySelector(".log");
  const list = view.querySelector("ol");
  const state = document.getElementById("log-state");
  const pill = document.getElementById("log-pill");
  const words = room.dataset;
  const KEPT = 5000;
  let follow = true;
  let unseen = 0;
  let last = words.last;
  let retry = 500;

  // ANSI: colours become classes, every other control code is dropped.
  const COLOURS = { 31: "a-r", 32: "a-g", 33: "a-y", 34: "a-b", 35: "a-m", 36: "a-c", 90: "a-d", 91: "a-r", 92: "a-g", 93: "a-y", 94: "a-b", 95: "a-m", 96: "a-c" };
  const CODES = /\x1b\[([0-9;]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|[\x00-\x08\x0b-\x1f\x7f]/g;
  function paint(node, text) {
    let at = 0;
    let colour = "";
    const put = (part) => {
      if (!part) return;
      if (!colour) { node.append(part); return; }
      const span = document.createElement("span");
      span.className = colour;
      span.textContent = part;
      node.append(span);
    };
    for (const code of text.matchAll(CODES)) {
      put(text.slice(at, code.index));
      at = code.index + code[0].length;
      if (code[2] === "m") {
        for (const number of (code[1] || "0").split(";")) {
          if (number === "0" || number === "39") colour = "";
          else if (COLOURS[number]) colour = COLOURS[number];
        }
      }
    }
    put(text.slice(at));
  }
  function paintAll(within) {
    for (const text of within.querySelectorAll(".t")) {
      const raw = text.textContent;
      if (CODES.test(raw)) { text.textContent = ""; paint(text, raw); }
      CODES.lastIndex = 0;
    }
  }
  paintAll(list);

  function clock(at) {
    const two = (number, width = 2) => String(number).padStart(width, "0");
    return two(at.getHours()) + ":" + two(at.getMinutes()) + ":" + two(at.getSeconds()) + "." + two(at.getMilliseconds(), 3);
  }

  function row(line) {
    const item = document.createElement("li");
    if (line.skipped || line.rotated) {
      item.className = "gap";
      const said = document.createElement("span");
      said.className = "grow";
      said.textContent = line.skipped ? words.skipped.replace("0", String(line.skipped)) : words.rotated;
      item.append(said);
      if (line.skipped && line.from && words.part) {
        const load = document.createElement("a");
        load.className = "btn";
        load.textContent = words.load;
        load.href = words.part + "?" + new URLSearchParams({ from: line.from, after: line.after, count: line.skipped });
        load.addEventListener("click", (event) => {
          event.preventDefault();
          fill(item, line).catch(() => { location.href = load.href; });
        });
        item.append(load);
      }
      return item;
    }
    if (line.s === "err") item.className = "e";
    const time = document.createElement("time");
    time.dateTime = line.t;
    time.title = line.t;
    time.textContent = clock(new Date(line.t));
    const stream = document.createElement("span");
    stream.className = "s";
    stream.textContent = line.s === "err" ? words.err : words.out;
    const text = document.createElement("span");
    text.className = "t";
    paint(text, line.line);
    item.append(time, stream, text);
    return item;
  }

  // What was skipped is fetched into its place; of very much, the beginning, and the gap stays for the rest.
  async function fill(gap, line) {
    const answer = await fetch(gap.querySelector("a").href, { headers: { "HX-Request": "true" } });
    if (!answer.ok || answer.redirected) throw new Error("no lines");
    const page = new DOMParser().parseFromString("<ol>" + (await answer.text()) + "</ol>", "text/html");
    const rows = [...page.querySelectorAll("li")].map((one) => document.adoptNode(one));
    const times = rows.map((one) => one.querySelector("time").dateTime);
    const rest = line.skipped - times.length;
    const to = times.at(-1);
    const after = times.filter((time) => time === to).length + (to === line.from ? line.after : 0);
    setFollow(false);
    for (const one of rows) paintAll(one);
    if (rest > 0 && times.length) rows.push(row({ skipped: rest, from: to, after }));
    gap.replaceWith(...rows);
    if (rows.length) rows[0].scrollIntoView({ block: "center" });
  }

  function show(lines) {
    const none = document.getElementById("log-none");
    if (none) none.remove();
    const rows = document.createDocumentFragment();
    for (const line of lines) rows.append(row(line));
    list.append(rows);
    while (list.children.length > KEPT) list.firstElementChild.remove();
    if (follow) view.scrollTop = view.scrollHeight;
    else {
      unseen += lines.length;
      pill.hidden = false;
      pill.textContent = words.new.replace("0", String(unseen));
    }
  }

  function setFollow(on) {
    follow = on;
    for (const choice of room.querySelectorAll("input[name=f]")) choice.checked = (choice.value === "follow") === on;
    if (on) {
      unseen = 0;
      pill.hidden = true;
      view.scrollTop = view.scrollHeight;
    }
    if (open) state.textContent = on ? words.following : words.paused;
  }

  let open = false;
  function connect() {
    const address = new URL(words.socket, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (last) address.searchParams.set("since", last);
    const edge = last;
    const socket = new WebSocket(address);
    window.addEventListener("pagehide", () => { socket.onclose = null; socket.close(); }, { once: true });
    socket.onopen = () => { open = true; retry = 500; setFollow(follow); };
    socket.onmessage = (event) => {
      // The socket begins with the last line's own moment: what the page has is not shown twice.
      const lines = JSON.parse(event.data).filter((line) => !line.t || !edge || line.t !== edge);
      const newest = lines.findLast((line) => line.t);
      if (newest) last = newest.t;
      if (lines.length) show(lines);
    };
    socket.onclose = (event) => {
      open = false;
      if (event.code === 1000) { state.textContent = words.ended; return; }
      if (event.code === 4401) { location.reload(); return; }
      state.textContent = words.again;
      setTimeout(connect, retry);
      retry = Math.min(retry * 2, 15000);
    };
  }

  view.scrollTop = view.scrollHeight;
  // Rows that get their real height move the end away too: only a person who scrolls up pauses.
  let touched = 0;
  for (const kind of ["wheel", "touchmove", "keydown"]) view.addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  view.addEventListener("pointerdown", () => { touched = Infinity; });
  document.addEventListener("pointerup", () => { touched = Math.min(touched, Date.now()); });
  view.addEventListener("scroll", () => {
    const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 24;
    if (atEnd) { if (!follow) setFollow(true); }
    else if (follow && Date.now() - touched < 1000) setFollow(false);
    else if (follow) view.scrollTop = view.scrollHeight;
  }, { passive: true });
  pill.addEventListener("click", () => setFollow(true));
  for (const choice of room.querySelectorAll("input[name=f]")) {
    choice.addEventListener("change", () => setFollow(choice.value === "follow" && choice.checked));
  }

  const option = (id, name) => {
    const box = document.getElementById(id);
    box.addEventListener("change", () => room.classList.toggle(name, !box.checked));
  };
  option("log-times", "no-times");
  option("log-wrap", "no-wrap");
  const stream = document.getElementById("ls");
  if (stream) stream.addEventListener("change", () => { room.dataset.show = stream.value; });

  const search = document.getElementById("log-search");
  const wanted = document.getElementById("lq");
  const found = document.getElementById("log-found");
  let at = -1;
  function matches() {
    const text = wanted.value.toLowerCase();
    return text ? [...list.children].filter((item) => item.textContent.toLowerCase().includes(text)) : [];
  }
  function step(by) {
    const all = matches();
    for (const item of list.querySelectorAll(".on")) item.classList.remove("on");
    if (!all.length) { found.textContent = wanted.value ? "0" : ""; at = -1; return; }
    at = (at + by + all.length) % all.length;
    setFollow(false);
    all[at].classList.add("on");
    all[at].scrollIntoView({ block: "center" });
    found.textContent = at + 1 + " / " + all.length;
  }
  search.addEventListener("submit", (event) => { event.preventDefault(); step(Number(search.dataset.by || 1)); });
  wanted.addEventListener("input", () => { at = -1; step(1); });

  if (words.socket) connect();
})();
