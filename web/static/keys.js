// Keys: on rows, in logs, between pages. Single keys never act inside fields or under a dialog, and can be switched off.
"use strict";
(() => {
  const body = document.body;
  const single = body.hasAttribute("data-keys");
  const places = { o: "/", c: "/containers", i: "/images", b: "/builds", a: "/audit", t: "/teams" };
  const list = document.getElementById("keys");
  let after = 0;

  // A row is one that can be opened. The keyboard's place is the focus itself, so Enter opens what is marked.
  const opener = (row) => row.querySelector("th a[href]") || row.querySelector(".acts a[href]");
  const rows = () => [...document.querySelectorAll("main .tbl tbody tr")].filter(opener);
  const present = () => {
    const row = document.activeElement && document.activeElement.closest("main .tbl tbody tr");
    return row && opener(row) ? row : null;
  };
  let last = "";

  function move(by) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(present());
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
    opener(all[next]).focus();
    all[next].scrollIntoView({ block: "nearest" });
  }

  function select(row, range) {
    const box = row.querySelector("input[name=id]");
    if (!box) return false;
    const all = rows();
    const from = all.findIndex((one) => one.id && one.id === last);
    if (range && from >= 0) {
      const [low, high] = [from, all.indexOf(row)].sort((a, b) => a - b);
      for (const one of all.slice(low, high + 1)) one.querySelector("input[name=id]").checked = true;
      box.dispatchEvent(new Event("change", { bubbles: true }));
    } else {
      box.click();
    }
    last = row.id;
    return true;
  }

  function press(row, css) {
    const one = row.querySelector(css);
    if (one) one.click();
    return Boolean(one);
  }

  function onRow(row, event, key) {
    switch (key) {
      case "arrowdown": move(1); return true;
      case "arrowup": move(-1); return true;
      case "x": return select(row, event.shiftKey);
      case "l": return press(row, "a[href$='/logs']");
      case "s": return press(row, "a[href$='/stop'], button[formaction$='/start']");
      case "r": return press(row, "button[formaction$='/restart']");
      case ".": {
        const menu = row.querySelector("details.menu");
        if (!menu) return false;
        menu.open = true;
        menu.querySelector("summary").focus();
        return true;
      }
      default: return false;
    }
  }

  function inLogs(logs, event, key) {
    switch (key) {
      case "f": logs.querySelector("input[name=f]:not(:checked)").click(); return true;
      case "t": document.getElementById("log-times").click(); return true;
      case "w": document.getElementById("log-wrap").click(); return true;
      case "n": {
        const search = document.getElementById("log-search");
        search.dataset.by = event.shiftKey ? "-1" : "1";
        search.requestSubmit();
        search.dataset.by = "1";
        return true;
      }
      default: return false;
    }
  }

  function anywhere(key) {
    switch (key) {
      case "j": move(1); return true;
      case "k": move(-1); return true;
      case "/": {
        const find = document.querySelector("#lq, .filters input[type=search]");
        if (find) find.focus();
        return Boolean(find);
      }
      case "n": location.href = "/containers/new"; return true;
      case "o": document.getElementById("ops").togglePopover(); return true;
      case "?": list.showModal(); return true;
      default: return false;
    }
  }

  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      event.preventDefault();
      document.querySelector(".jump input").focus();
      return;
    }
    // A ticked box is no place to write: on it, keys act on its row.
    const field = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
    if (!single || field || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (Date.now() - after < 1500 && places[key]) { location.href = places[key]; return; }
    after = key === "g" ? Date.now() : 0;
    const row = present();
    const logs = document.getElementById("logs");
    if ((row && onRow(row, event, key)) || (logs && inLogs(logs, event, key)) || anywhere(key)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (list && event.target.closest("[data-keys-list]")) list.showModal();
  });
})();
