// Charts of one container: live, a reading a second, five minutes wide; or of the hours and days before now.
"use strict";
(() => {
  const room = document.getElementById("stats");
  if (!room) return;
  const words = room.dataset;
  const state = document.getElementById("stats-state");
  const WIDE = 300;
  const style = getComputedStyle(document.documentElement);
  const probe = document.createElement("i");
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = "var(" + name + ")";
    return getComputedStyle(probe).color;
  };
  const lang = document.documentElement.lang;
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  const scaled = (step, units) => (value) => {
    let unit = 0;
    while (value >= step && unit < units.length - 1) { value /= step; unit += 1; }
    return number.format(value) + "\u202f" + units[unit];
  };
  const memory = scaled(1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
  const rate = scaled(1000, ["B/s", "kB/s", "MB/s", "GB/s"]);
  const percent = (value) => number.format(value) + "\u202f%";
  const long = Number(words.span || 0) > 0;
  const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", second: long ? undefined : "2-digit", hourCycle: "h23" });
  const limit = Number(words.limit);
  const kinds = [
    { write: percent, series: [[words.cpu, 0]], least: 5 },
    { write: memory, series: [[words.memory, 1]], least: 1 << 20, limit },
    { write: rate, series: [[words.in, 2], [words.outWord || words.out, 3]], least: 1000 },
    { write: rate, series: [[words.write, 4], [words.read, 5]], least: 1000 },
  ];
  const history = JSON.parse(words.history || "[]");
  const now = Date.now() / 1000;
  const times = history.map((point) => point[0] || now);
  const columns = [1, 2, 3, 4, 5, 6].map((column) => history.map((point) => point[column]));
  const span = Number(words.span || 0);
  const day = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short" });
  const whole = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" });
  const moment = span > 172800 ? day : clock;

  // Always the last five minutes, so that a first reading has its place and lines don't stretch as they grow.
  const window5 = (last) => span ? [Number(words.until) - span, Number(words.until)] : [(last || Date.now() / 1000) - WIDE, last || Date.now() / 1000];
  const figures = [...room.querySelectorAll("[data-chart]")];
  const charts = figures.map((figure, at) => {
    const kind = kinds[at];
    const place = figure.querySelector(".plot-room");
    const series = [{ label: words.when, value: (_, value) => (value == null ? "–" : whole.format(value * 1000)) }].concat(kind.series.map(([label], second) => ({
      label,
      stroke: colour(second ? "--c2" : "--c1"),
      width: 1.6,
      dash: second ? [4, 3] : undefined,
      value: (_, value) => (value == null ? "–" : kind.write(value)),
      points: { show: false },
    })));
    const axis = { stroke: colour("--ink-3"), grid: { stroke: colour("--line-soft") }, font: "12px " + style.getPropertyValue("--font") };
    const options = {
      width: place.clientWidth - 32,
      height: 170,
      series,
      cursor: { drag: { x: false, y: false } },
      legend: { show: kind.series.length > 1 || span > 0, live: span > 0 },
      axes: [{ ...axis, space: 90, values: (_, values) => values.map((value) => moment.format(value * 1000)) }, { ...axis, size: 74, incrs: kind.write === memory ? Array.from({ length: 45 }, (_, power) => 2 ** power) : undefined, values: (_, values) => values.map((value) => kind.write(value)) }],
      scales: { x: { range: (_, low, high) => window5(high) }, y: { range: (_, low, high) => [0, Math.max(high || 0, kind.limit || 0, kind.least) * 1.05] } },
    };
    place.replaceChildren();
    const data = [times].concat(kind.series.map(([, column]) => columns[column]));
    const chart = new uPlot(options, data, place);
    new ResizeObserver(() => chart.setSize({ width: place.clientWidth - 32, height: 170 })).observe(place);
    return { chart, kind, now: figure.querySelector("[data-now]") };
  });
  probe.remove();

  function draw() {
    for (const { chart, kind } of charts) {
      chart.setData([times].concat(kind.series.map(([, column]) => columns[column])));
    }
  }

  let retry = 1000;
  let socket;
  function connect() {
    const address = new URL(words.socket, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(address);
    const own = socket;
    window.addEventListener("pagehide", () => { own.onclose = null; own.close(); }, { once: true });
    socket.onmessage = (event) => {
      retry = 1000;
      const reading = JSON.parse(event.data);
      times.push(reading[0] / 1000);
      for (let column = 0; column < 6; column += 1) columns[column].push(reading[column + 1]);
      while (times.length && times[0] < times[times.length - 1] - WIDE) {
        times.shift();
        for (const column of columns) column.shift();
      }
      charts.forEach(({ now, kind }) => {
        const two = kind.series.length > 1;
        const parts = kind.series.map(([label, column]) => kind.write(columns[column].at(-1)) + (two ? " " + label.toLowerCase() : ""));
        now.textContent = parts.join(" · ");
        const rest = two && now.parentElement.querySelector("[data-of]");
        if (rest) rest.remove();
      });
      draw();
    };
    socket.onclose = (event) => {
      if (document.hidden) return;
      if (event.code === 1000) { state.textContent = words.ended; return; }
      if (event.code === 4401) { location.reload(); return; }
      setTimeout(connect, retry);
      retry = Math.min(retry * 2, 15000);
    };
  }
  document.addEventListener("visibilitychange", () => {
    if (span) return;
    if (document.hidden) socket.close();
    else if (socket.readyState > 1) connect();
  });
  if (!span) connect();
})();
