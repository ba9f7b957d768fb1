// What makes pages quicker to use. Every page works without it.
"use strict";
(() => {
  const root = document.documentElement;
  root.dataset.script = "on";
  const body = document.body;

  // Live parts: send what is here already, so that an unchanged part costs nothing.
  const known = new WeakMap();
  body.addEventListener("htmx:configRequest", (event) => {
    const part = event.detail.elt;
    if (!part.hasAttribute("data-live")) return;
    event.detail.headers["X-Background"] = "1";
    if (known.has(part)) event.detail.headers["If-None-Match"] = known.get(part);
  });
  body.addEventListener("htmx:beforeRequest", (event) => {
    const part = event.detail.elt;
    // Nothing is redrawn under an open row menu.
    if (part.hasAttribute("data-live") && part.querySelector("details.menu[open]")) event.preventDefault();
  });
  body.addEventListener("htmx:afterRequest", (event) => {
    const part = event.detail.elt;
    const tag = event.detail.xhr && event.detail.xhr.getResponseHeader("ETag");
    if (tag && part.hasAttribute("data-live")) known.set(part, tag);
  });
  body.addEventListener("htmx:afterSwap", count);
  // The server doesn't know what is ticked, and a morph would take its word for it.
  Idiomorph.defaults.callbacks.beforeNodeMorphed = (here, sent) => {
    if (here instanceof HTMLInputElement && here.type === "checkbox" && sent instanceof HTMLInputElement) sent.checked = here.checked;
    return true;
  };

  // The stream: one per page, let go when the page is left or hidden for long. A browser keeps pages that were left for
  // its back button, streams and all, and opens only six connections per host.
  let source = null;
  let hidden = 0;
  if (window.htmx) {
    htmx.createEventSource = (address) => {
      source = new EventSource(address);
      return source;
    };
  }
  window.addEventListener("pagehide", () => { if (source) source.close(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (!source) return;
    if (document.hidden) hidden = setTimeout(() => source.close(), 30000);
    // As after a break: it is opened again, and tells at once what to fetch.
    else if (source.readyState === EventSource.CLOSED && source.onerror) source.onerror(new Event("error"));
  });

  // Say when it is down.
  let downSince = 0;
  let told = "";
  const note = () => document.querySelector("[data-live-note]");
  body.addEventListener("htmx:sseError", () => { downSince = downSince || Date.now(); });
  body.addEventListener("htmx:sseOpen", () => {
    downSince = 0;
    if (told && note()) { note().textContent = told; told = ""; }
  });
  setInterval(() => {
    if (!downSince || Date.now() - downSince < 10000 || !note() || told) return;
    told = note().textContent;
    note().textContent = body.dataset.notLive;
  }, 1000);

  // Filters act at once.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
    if (event.target.matches("[data-all]")) {
      for (const box of event.target.form.querySelectorAll("tbody input[name=id]")) box.checked = event.target.checked;
    }
    count();
  });

  function count() {
    for (const label of document.querySelectorAll("[data-count]")) {
      label.dataset.word = label.dataset.word || label.textContent;
      const chosen = label.closest("form").querySelectorAll("tbody input[name=id]:checked").length;
      label.textContent = chosen + " " + label.dataset.word.toLowerCase();
    }
  }
  count();

  // Copying.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const from = button.dataset.copyFrom;
    const text = from ? document.getElementById(from).textContent : button.dataset.copy;
    navigator.clipboard.writeText(text).then(() => toast(body.dataset.copied), () => {});
  });

  function toast(text) {
    const one = document.createElement("div");
    one.className = "toast";
    one.textContent = text;
    const room = document.getElementById("toasts");
    room.append(one);
    while (room.children.length > 3) room.firstChild.remove();
    setTimeout(() => one.remove(), 6000);
  }

  // Menus close on a click outside and on Escape, and open upwards near the lower edge.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!menu.matches || !menu.matches("details.menu") || !menu.open) return;
    const box = menu.querySelector("div");
    box.classList.toggle("up", box.getBoundingClientRect().bottom > window.innerHeight);
  }, true);

  // Questions: asked over the page, as the same form; as a page of their own wherever that does not work.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-ask]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const menu = link.closest("details.menu");
    if (menu) menu.open = false;
    ask(link.href, {}, menu ? menu.querySelector("summary") : link).catch(() => { location.href = link.href; });
  });
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || !button.matches("button[data-ask]")) return;
    event.preventDefault();
    const form = event.target;
    const sent = { method: "POST", body: new URLSearchParams(new FormData(form, button)), redirect: "manual" };
    ask(form.action, sent, button).catch(() => {
      // Not a question: sent again as it would have been.
      button.removeAttribute("data-ask");
      form.requestSubmit(button);
    });
  });

  async function ask(address, sent, from) {
    const answer = await fetch(address, sent);
    if (answer.type === "opaqueredirect") { location.reload(); return; }
    if (!answer.ok || answer.redirected) throw new Error("no question");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const form = document.adoptNode(page.querySelector("form[data-question]"));
    form.classList.remove("panel", "narrow");
    const title = document.createElement("h2");
    title.id = "ask-h";
    title.textContent = page.querySelector("main h1").textContent;
    form.querySelector(".stackv").prepend(title);
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-labelledby", title.id);
    dialog.append(form);
    const keep = form.querySelector("[data-keep]");
    keep.addEventListener("click", (click) => { click.preventDefault(); dialog.close(); });
    dialog.addEventListener("close", () => { dialog.remove(); from.focus(); });
    body.append(dialog);
    dialog.showModal();
    // Enter by accident does nothing that can't be taken back.
    (form.querySelector("button.danger") ? keep : form.querySelector("button.primary")).focus();
  }

  // Rows of a form: one more, one less, without asking the server.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-rows] :is([data-more], [data-less])");
    if (!button) return;
    event.preventDefault();
    const room = button.closest("[data-rows]");
    const rows = [...room.querySelectorAll(".line")];
    const clear = (row) => {
      for (const field of row.querySelectorAll("input")) { field.value = ""; field.removeAttribute("aria-invalid"); }
      for (const why of row.querySelectorAll(".err")) why.remove();
      return row;
    };
    if (button.hasAttribute("data-more")) {
      const row = clear(rows.at(-1).cloneNode(true));
      const next = (text) => text.replace(/\d+$/, (number) => String(Number(number) + 1));
      for (const field of row.querySelectorAll("[id]")) field.id = next(field.id);
      for (const label of row.querySelectorAll("[for]")) label.htmlFor = next(label.htmlFor);
      for (const less of row.querySelectorAll("[data-less]")) less.value = next(less.value);
      rows.at(-1).after(row);
      row.querySelector("input").focus();
    } else {
      const row = button.closest(".line");
      const at = rows.indexOf(row);
      if (rows.length > 1) row.remove(); else clear(row);
      (room.querySelectorAll(".line")[Math.max(at - 1, 0)] || room).querySelector("input").focus();
    }
  });

  // What went wrong is read first.
  const wrong = document.querySelector("[data-focus]");
  if (wrong) wrong.focus();
})();
