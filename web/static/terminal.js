// Shells in one container: several at once, left and come back to. The drawing is xterm's.
"use strict";
(() => {
  const room = document.getElementById("terminals");
  if (!room) return;
  const stage = document.getElementById("term-room");
  const tabs = document.getElementById("term-tabs");
  const none = document.getElementById("term-none");
  const state = document.getElementById("term-state");
  const form = document.getElementById("term-new");
  const words = room.dataset;
  const MOST = 8;
  const open = [];
  let shown = null;
  let count = 0;

  // xterm makes style elements and style attributes, which the page's policy refuses. The same rules as constructed
  // sheets, and the same declarations by the object model, are allowed.
  const make = document.createElement.bind(document);
  document.createElement = (name, options) => {
    // Even an empty style element is complained of.
    const node = make(name === "style" ? "template" : name, options);
    if (name === "style") asSheet(node);
    else if (name === "span") asDeclarations(node);
    return node;
  };
  function asSheet(node) {
    const sheet = new CSSStyleSheet();
    let text = "";
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    Object.defineProperty(node, "textContent", { get: () => text, set: (value) => { text = value; sheet.replaceSync(value); } });
    Object.defineProperty(node, "sheet", { get: () => sheet });
    const remove = node.remove.bind(node);
    node.remove = () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
      remove();
    };
  }
  function asDeclarations(node) {
    const set = node.setAttribute.bind(node);
    node.setAttribute = (name, value) => { if (name === "style") node.style.cssText = value; else set(name, value); };
  }

  // The palette of the page, in numbers: light-dark() and variables are resolved by a probe.
  function colour(name) {
    const probe = make("span");
    probe.style.color = "var(" + name + ")";
    stage.append(probe);
    const parts = getComputedStyle(probe).color.match(/[\d.]+/g) || [0, 0, 0];
    probe.remove();
    return "#" + parts.slice(0, 3).map((part) => Math.round(Number(part)).toString(16).padStart(2, "0")).join("");
  }
  function theme() {
    const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
    const all = { background: colour("--sunken"), foreground: colour("--ink"), cursor: colour("--ink"), cursorAccent: colour("--sunken"), selectionBackground: colour("--ink") + "40" };
    for (const name of names) {
      all[name] = colour("--ansi-" + name);
      all["bright" + name[0].toUpperCase() + name.slice(1)] = all[name];
    }
    return all;
  }
  const repaint = () => { const now = theme(); for (const one of open) one.term.options.theme = now; };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  new MutationObserver(repaint).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });

  function show(one) {
    shown = one;
    for (const each of open) {
      each.view.hidden = each !== one;
      each.tab.setAttribute("aria-selected", String(each === one));
      each.tab.tabIndex = each === one ? 0 : -1;
    }
    none.hidden = open.length > 0;
    tabs.hidden = open.length === 0;
    state.textContent = one ? one.said : "";
    if (one) { fit(one); one.term.focus(); }
  }
  function fit(one) {
    if (!one.view.hidden) one.fit.fit();
  }
  new ResizeObserver(() => { if (shown) fit(shown); }).observe(stage);

  function say(one, text) {
    one.said = text;
    if (shown === one) state.textContent = text;
  }
  function drop(one) {
    open.splice(open.indexOf(one), 1);
    one.term.dispose();
    one.view.remove();
    one.tab.remove();
    show(open[open.length - 1] || null);
  }

  function start(asked) {
    if (open.length >= MOST) { state.textContent = words.full; return; }
    count += 1;
    const view = make("div");
    view.className = "term-view";
    view.setAttribute("role", "tabpanel");
    const tab = make("button");
    tab.type = "button";
    tab.className = "term-tab";
    tab.setAttribute("role", "tab");
    tab.textContent = words.label + " " + count;
    const term = new Terminal({ theme: theme(), fontFamily: getComputedStyle(room).getPropertyValue("--mono") || "monospace", fontSize: 13, scrollback: 5000, cursorBlink: false, screenReaderMode: false, minimumContrastRatio: 4.5, macOptionIsMeta: true });
    const fitter = new FitAddon.FitAddon();
    term.loadAddon(fitter);
    const one = { view, tab, term, fit: fitter, id: asked.id || "", said: "", socket: null, over: false, retry: 500 };
    open.push(one);
    tabs.append(tab);
    stage.append(view);
    tab.addEventListener("click", () => show(one));
    show(one);
    term.open(view);
    fit(one);
    term.focus();
    const bytes = new TextEncoder();
    const write = (data) => { if (one.socket && one.socket.readyState === WebSocket.OPEN) one.socket.send(data); };
    term.onData((text) => { if (one.over) drop(one); else write(bytes.encode(text)); });
    term.onBinary((text) => write(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    term.onResize(({ rows, cols }) => write(JSON.stringify({ rows, columns: cols })));
    connect(one, asked);
  }

  function connect(one, asked) {
    const url = new URL(words.socket, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const about = one.id ? { id: one.id } : { shell: asked.shell, user: asked.user };
    for (const [name, value] of Object.entries({ ...about, rows: one.term.rows, columns: one.term.cols })) url.searchParams.set(name, value);
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    one.socket = socket;
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") { one.term.write(new Uint8Array(data)); return; }
      const told = JSON.parse(data);
      if (told.id) {
        // What is kept of it comes anew.
        if (one.id) one.term.reset();
        one.id = told.id;
        one.retry = 500;
        say(one, words.connected);
      } else if (told.refused !== undefined) {
        one.over = true;
        one.term.write("\r\n" + told.refused.replace(/[\x00-\x1f\x7f]/g, " ") + "\r\n");
        say(one, told.refused);
      } else if (told.ended !== undefined) {
        one.over = true;
        say(one, words.ended.replace("#", told.ended));
        one.term.write("\r\n\x1b[2m" + one.said + "\x1b[0m\r\n");
      }
    };
    socket.onclose = () => {
      if (one.over || !open.includes(one)) return;
      say(one, words.lost);
      if (!one.id) { one.over = true; return; }
      setTimeout(() => { if (open.includes(one) && !one.over) connect(one, {}); }, one.retry);
      one.retry = Math.min(one.retry * 2, 10000);
    };
  }

  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !shown) return;
    event.preventDefault();
    const next = open[(open.indexOf(shown) + step + open.length) % open.length];
    show(next);
    next.tab.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start({ shell: form.elements.shell.value, user: form.elements.user.value });
  });
  for (const row of document.querySelectorAll("[data-terminal]")) start({ id: row.dataset.terminal });
})();
