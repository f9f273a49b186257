// What the page does beyond its HTML: it refreshes in place, searches while one types, shows local times, and draws charts. Without
// scripts the page still refreshes, searches and shows UTC; everything else on it is HTML.
(() => {
  const REFRESH_MS = 10_000;
  const TYPING_MS = 200;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const day = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short" });
  const minute = new Intl.DateTimeFormat("sv-SE", { hour: "2-digit", minute: "2-digit" });
  const isUtc = (time) => time.getTimezoneOffset() === 0;

  /** `15:00`, with the day where it is another one than in UTC. */
  function local(time) {
    const sameDay = day.format(time) === time.toISOString().slice(0, 10);
    return `${sameDay ? "" : `${day.format(time)} `}${minute.format(time)}`;
  }

  /** Local time beside UTC: as text after times that stand for themselves, else as a tooltip. */
  function localise(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const time = new Date(element.dateTime);
      if (Number.isNaN(time.getTime()) || isUtc(time)) continue;
      const text = `${day.format(time)} ${minute.format(time)} ${zone}`;
      element.title = `${element.dateTime.slice(0, 16).replace("T", " ")} UTC, ${text}`;
      if (element.dataset.from !== undefined) {
        const from = new Date(element.dataset.from);
        // Of longer ranges, the days are what counts.
        if (time - from < 86_400_000) element.dataset.local = `${local(from)} – ${minute.format(time)} local`;
      } else if (element.classList.contains("clock")) {
        element.dataset.local = `${local(time)} local`;
      }
    }
  }

  // Charts.

  const charts = new Map();

  function draw(root) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    for (const element of root.querySelectorAll("[data-chart]")) {
      if (globalThis.uPlot === undefined) return;
      const { x, y, unit, bars } = JSON.parse(element.dataset.chart);
      charts.get(element.id)?.destroy();
      element.replaceChildren();
      const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
      const options = {
        width: element.clientWidth,
        height: 180,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        tzDate: (seconds) => globalThis.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        scales: { y: { range: (_, __, most) => [0, (most || 1) * 1.1] } },
        axes: [
          { ...axis, size: 30, values: (_, all, __, ___, step) => all.map((value) => moment(value, step)) },
          { ...axis, size: 58, values: (_, all) => all.map((value) => short(value, unit)) },
        ],
        series: [
          {},
          {
            stroke: colour("--blue"),
            fill: colour("--blue-ground"),
            width: 1.5,
            points: { show: false },
            ...(bars ? { paths: globalThis.uPlot.paths.bars({ size: [0.8, 40] }) } : {}),
          },
        ],
        hooks: { setCursor: [(plot) => say(element, plot, unit)] },
      };
      charts.set(element.id, new globalThis.uPlot(options, [x, y], element));
    }
  }

  /** `09-28`, or `14:00` where hours are told apart; midnight is the day. */
  function moment(seconds, step) {
    const text = new Date(seconds * 1000).toISOString();
    return step >= 86_400 || text.slice(11, 16) === "00:00" ? text.slice(5, 10) : text.slice(11, 16);
  }

  function short(value, unit) {
    if (unit === "s") {
      if (value < 90) return `${Math.round(value)} s`;
      return value < 5400 ? `${Math.round(value / 60)} min` : `${Math.round(value / 360) / 10} h`;
    }
    return new Intl.NumberFormat("en-US", { notation: "compact" }).format(value);
  }

  /** What is under the pointer, in the chart's caption. */
  function say(element, plot, unit) {
    const output = element.parentElement.querySelector("output");
    const index = plot.cursor.idx;
    const value = index === null || index === undefined ? undefined : plot.data[1][index];
    if (value === undefined || value === null) output.textContent = output.dataset.last ?? "";
    else {
      const time = new Date(plot.data[0][index] * 1000).toISOString().slice(0, 16).replace("T", " ");
      output.textContent = `${time} UTC: ${unit === "s" ? short(value, unit) : value.toLocaleString("en-US")}`;
    }
  }

  // Refreshing.

  const state = document.querySelector("#refreshing");
  let stopped = state === null || state.dataset.off !== undefined;
  let asked = 0;

  function swap(old, fresh) {
    if (old.innerHTML === fresh.innerHTML) return;
    const open = new Map([...old.querySelectorAll("details[data-key]")].map((one) => [one.dataset.key, one.open]));
    const focused = old.contains(document.activeElement) ? document.activeElement : undefined;
    const place = focused && [...old.querySelectorAll(focused.tagName)].indexOf(focused);
    const label = focused?.textContent;
    old.innerHTML = fresh.innerHTML;
    for (const one of old.querySelectorAll("details[data-key]")) {
      if (open.has(one.dataset.key)) one.open = open.get(one.dataset.key);
    }
    if (focused) {
      const same = [...old.querySelectorAll(focused.tagName)];
      (
        same.find((one) => one.getAttribute("href") === focused.getAttribute("href") && one.textContent === label) ??
        same[place]
      )?.focus({ preventScroll: true });
    }
    original.set(old.id, fresh.innerHTML);
    localise(old);
    draw(old);
  }

  /** The HTML as the server sent it: local times are added to it afterwards. */
  const original = new Map();

  async function refresh() {
    asked += 1;
    const mine = asked;
    try {
      const answer = await fetch(location.href, { headers: { "x-refresh": "1" }, signal: AbortSignal.timeout(20_000) });
      if (answer.status === 401) {
        location.reload();
        return;
      }
      const text = await answer.text();
      // Somebody has typed on, and a newer answer is on its way.
      if (mine !== asked) return;
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const page = new DOMParser().parseFromString(text, "text/html");
      const isSelected = String(getSelection()) !== "";
      for (const old of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(old.id);
        if (!fresh || original.get(old.id) === fresh.innerHTML) continue;
        // A selection would be lost.
        if (isSelected && old.contains(getSelection().anchorNode)) continue;
        swap(old, fresh);
      }
      document.title = page.title;
      delete document.body.dataset.stale;
    } catch {
      document.body.dataset.stale = "";
      const note = document.querySelector("#stale");
      if (note) note.hidden = false;
      return;
    }
    const note = document.querySelector("#stale");
    if (note) note.hidden = true;
  }

  function schedule() {
    setTimeout(async () => {
      if (!stopped && !document.hidden) await refresh();
      schedule();
    }, REFRESH_MS);
  }

  function start() {
    for (const one of document.querySelectorAll("[data-live]")) original.set(one.id, one.innerHTML);
    localise(document);
    draw(document);
    if (state) {
      const button = document.createElement("button");
      const name = () => {
        button.textContent = stopped ? "Refresh" : "Stop refreshing";
      };
      name();
      button.addEventListener("click", () => {
        stopped = !stopped;
        name();
        if (!stopped) void refresh();
      });
      state.append(button);
    }
    const search = document.querySelector("input[type=search]");
    let typing;
    search?.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => {
        const url = new URL(location.href);
        if (search.value === "") url.searchParams.delete("q");
        else url.searchParams.set("q", search.value);
        history.replaceState(null, "", url);
        void refresh();
      }, TYPING_MS);
    });
    // As in many tools: / goes to the search.
    document.addEventListener("keydown", (event) => {
      const isTyping = /^(?:INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey || !search) return;
      event.preventDefault();
      search.focus();
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !stopped) void refresh();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(document));
    let resizing;
    addEventListener("resize", () => {
      clearTimeout(resizing);
      resizing = setTimeout(() => draw(document), TYPING_MS);
    });
    schedule();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
