"use strict";
// Everything that is shown was written by others: it is only ever set as text.
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const ORDER = { critical: 0, warning: 1, normal: 2 };
const ENDED = ["succeeded", "failed", "cancelled"];
const KEPT = 200;
const state = { machines: new Map(), jobs: new Map(), last: null, chosen: null, points: null, read: 0, drawn: 0, token: null };
try { state.token = sessionStorage.getItem("understudy-token"); } catch { /* Storage may be switched off: the token is asked for again. */ }

function make(tag, attributes = {}, ...inner) {
  const made = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  made.append(...inner);
  return made;
}
function put(element, text) { if (element.textContent !== text) element.textContent = text; }

function two(s, large, much, small, little) {
  const rest = Math.floor((s % much) / little);
  return `${Math.floor(s / much)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}
function duration(seconds) {
  if (seconds < 0.9995) return `${Math.round(Math.max(seconds, 0) * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 3600) return two(s, "m", 60, "s", 1);
  if (s < 86400) return two(s, "h", 3600, "m", 60);
  return two(s, "d", 86400, "h", 3600);
}
function ago(seconds) { return seconds < 1 ? "just now" : `${duration(seconds < 60 ? Math.floor(seconds) : seconds).replace(".0 s", " s")} ago`; }
function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes, unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return unit && value < 10 ? `${value.toFixed(1)} ${units[unit]}` : `${Math.round(value)} ${units[unit]}`;
}
// As in ISO 8601, in this browser's zone, which the foot of the page names: no date can be read as another one.
function moment(ns) {
  const at = new Date(ns / 1e6);
  return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace("T", " ");
}
const clock = (ns) => moment(ns).slice(11);
function zone() {
  const minutes = -new Date().getTimezoneOffset(), whole = Math.abs(minutes);
  return `UTC${minutes < 0 ? "-" : "+"}${String(Math.floor(whole / 60)).padStart(2, "0")}:${String(whole % 60).padStart(2, "0")}`;
}
function count(number, noun) { return `${number} ${noun}${number === 1 ? "" : "s"}`; }

async function ask(path, also = {}) {
  const headers = { ...also.headers, ...(state.token ? { Authorization: `Bearer ${state.token}` } : {}) };
  const response = await fetch(path, { ...also, headers, cache: "no-store" });
  if (response.status === 401 || response.status === 403) throw Object.assign(new Error(await said(response)), { stranger: response.status });
  if (!response.ok) throw Object.assign(new Error(await said(response)), { status: response.status });
  return response;
}
async function said(response) {
  try { const { message, hint } = (await response.json()).error; return hint ? `${message}: ${hint}` : message; } catch { return `the daemon answered ${response.status}`; }
}
const read = async (path) => (await ask(path)).json();

// How old things are goes on between two answers, by this page's own steady clock.
const since = () => (performance.now() - state.read) / 1000;
const now = () => state.now + since() * 1e9;

async function readMachines() {
  const found = [];
  for (let next = ""; next !== null;) {
    const page = await read(`/v1/machines?limit=500${next && `&next=${encodeURIComponent(next)}`}`);
    found.push(...page.items);
    next = page.next ?? null;
  }
  const health = await read("/v1/health");
  state.read = performance.now();
  state.now = health.now;
  state.health = health;
  const seen = new Set(found.map((machine) => machine.name));
  for (const [name, entry] of state.machines) if (!seen.has(name)) { entry.row.remove(); entry.why.remove(); state.machines.delete(name); }
  for (const machine of found) {
    const entry = state.machines.get(machine.name) ?? rowOf(machine.name);
    entry.machine = machine;
    state.machines.set(machine.name, entry);
    showMachine(entry);
  }
  order();
  tick();
  showHealth();
  if (!seen.has(state.chosen)) choose(sorted()[0]?.machine.name ?? null);
}

function rowOf(name) {
  const cell = (kind) => make("td", kind ? { class: kind } : {});
  const button = make("button", { type: "button", "aria-pressed": "false", title: "Show its points" }, name);
  button.addEventListener("click", () => choose(name));
  const cells = { health: cell(), rpo: cell("number"), course: cell("course"), state: cell(), newest: cell(), next: cell("dim"), cycle: cell("number"), verified: cell("dim") };
  const row = make("tr", { class: "machine" }, make("th", { scope: "row" }, button), ...Object.values(cells));
  const why = make("tr", { class: "why", hidden: true }, make("td", { colspan: 9 }));
  cells.rpo.append(make("span"), make("small"));
  return { row, why, button, cells };
}

function showMachine(entry) {
  const { machine, cells } = entry;
  if (cells.health.textContent !== machine.health) cells.health.replaceChildren(make("span", { class: `health ${machine.health}` }, machine.health));
  const progress = machine.progress;
  const far = progress && progress.total ? ` ${Math.floor((100 * progress.done) / progress.total)} %` : "";
  const state = machine.failures && ["protected", "initial"].includes(machine.phase) ? "failing" : machine.phase;
  put(cells.state, progress ? `${state}: ${progress.phase}${far}` : state);
  put(cells.cycle, machine.cycles.count ? `${size(machine.cycles.average_bytes)}, ${duration(machine.cycles.average_seconds)}` : "–");
  put(cells.verified, machine.verified_point === null ? "not yet" : `point ${machine.verified_point}`);
  cells.course.replaceChildren(...course(machine));
  const told = JSON.stringify(machine.reasons);
  if (entry.told !== told) {
    entry.told = told;
    entry.why.hidden = !machine.reasons.length;
    entry.why.firstChild.replaceChildren(...machine.reasons.map((reason) => make("div", {}, make("strong", {}, reason.message), reason.hint ? `: ${reason.hint}` : "")));
  }
}

function course(machine) {
  const samples = machine.rpo_history.slice(-KEPT);
  if (samples.length < 2) return ["–"];
  const width = 140, height = 26, begin = samples[0].at, span = samples[samples.length - 1].at - begin || 1;
  const most = Math.max(...samples.map((sample) => sample.seconds));
  const top = Math.max(most, machine.warning_rpo) * 1.1 || 1;
  const place = (sample) => [((sample.at - begin) / span) * width, height - (sample.seconds / top) * height];
  const end = place(samples[samples.length - 1]);
  const label = `RPO over the last ${duration(span / 1e9)}: at most ${duration(most)}`;
  const drawn = make("svg:svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, make("svg:title", {}, label));
  const limit = height - (machine.warning_rpo / top) * height;
  if (machine.warning_rpo) drawn.append(make("svg:line", { class: "limit", x1: 0, x2: width, y1: limit, y2: limit }));
  drawn.append(make("svg:polyline", { points: samples.map((sample) => place(sample).map((part) => part.toFixed(1)).join()).join(" ") }));
  drawn.append(make("svg:circle", { cx: end[0], cy: end[1], r: 2.2 }));
  return [drawn];
}

function sorted() {
  const named = (a, b) => a.machine.name.localeCompare(b.machine.name);
  return [...state.machines.values()].sort((a, b) => ORDER[a.machine.health] - ORDER[b.machine.health] || named(a, b));
}
function order() {
  const wanted = $("find").value.trim().toLowerCase();
  const entries = sorted();
  const rows = entries.flatMap((entry) => [entry.row, entry.why]);
  for (const entry of entries) {
    const hidden = !entry.machine.name.toLowerCase().includes(wanted);
    entry.row.hidden = hidden;
    entry.why.hidden = hidden || !entry.machine.reasons.length;
  }
  const there = [...$("rows").children];
  if (rows.length !== there.length || rows.some((row, place) => row !== there[place])) {
    const focused = document.activeElement;
    $("rows").replaceChildren(...rows);
    if (focused && $("rows").contains(focused)) focused.focus({ preventScroll: true });
  }
  $("no-machine").hidden = entries.length > 0;
  document.querySelector(".search").hidden = entries.length < 8;
}

function tick() {
  if (!state.read) return;
  for (const { machine, cells } of state.machines.values()) {
    put(cells.rpo.firstChild, machine.rpo_seconds === null ? "none" : duration(machine.rpo_seconds + since()).replace(/\.\d s$/, " s"));
    put(cells.rpo.lastChild, machine.warning_rpo ? ` of ${duration(machine.warning_rpo).replace(".0 s", " s")}` : "");
    put(cells.newest, machine.newest_point === null ? "none yet" : `${machine.newest_point}, ${ago((now() - machine.newest_frozen_at) / 1e9)}`);
    const due = machine.next_at === null ? null : (machine.next_at - now()) / 1e9;
    put(cells.next, machine.progress ? "now" : due === null ? "–" : due <= 0 ? "due" : `in ${Math.ceil(due) < 60 ? `${Math.ceil(due)} s` : duration(due)}`);
  }
}

function showHealth() {
  const all = [...state.machines.values()].map((entry) => entry.machine.health);
  const bad = (health) => all.filter((one) => one === health).length;
  const parts = ["critical", "warning"].filter(bad).map((health) => `${bad(health)} ${health}`);
  const own = state.health.reasons.map((reason) => reason.message);
  put($("site"), state.health.site);
  put($("summary"), [all.length ? (parts.length ? `${count(all.length, "machine")}: ${parts.join(", ")}` : `All well: ${count(all.length, "machine")}`) : "", ...own].filter(Boolean).join(" · "));
  put($("about"), `understudy ${state.health.version}, vault ${state.health.vault}, running since ${moment(state.health.started_at)}, you are ${state.me.name} (${state.me.role}); times are ${zone()}`);
  document.title = parts.length ? `${parts.join(", ")} | understudy` : "understudy";
}

async function choose(name) {
  state.chosen = name;
  for (const [other, entry] of state.machines) entry.button.setAttribute("aria-pressed", String(other === name));
  $("points").hidden = name === null;
  if (name !== null) await showPoints();
}
async function showPoints() {
  const name = state.chosen;
  if (name === null) return;
  put($("points-title"), `Points of ${name}`);
  let page = { points: [] }, failure = null;
  try {
    page = await read(`/v1/machines/${encodeURIComponent(name)}/points?limit=${KEPT}`);
  } catch (error) { failure = error; }
  if (name !== state.chosen) return;
  state.points = page;
  $("time").replaceChildren(...(failure ? [make("p", { class: "quiet" }, failure.message)] : timeLine(page.points)));
  $("point-rows").replaceChildren(...page.points.slice().reverse().map((point) => make("tr", {},
    make("td", { class: "number" }, String(point.number)), make("td", {}, moment(point.frozen_at)),
    make("td", {}, `${point.consistency}-consistent${point.held ? ", held" : ""}`),
    make("td", { class: "dim" }, point.reason ? `${point.cause}: ${point.reason}` : point.cause), make("td", { class: "number" }, size(point.stored_bytes)))));
}

function timeLine(points) {
  if (!points.length) return [make("p", { class: "quiet" }, "There is no point yet.")];
  const width = Math.max($("time").clientWidth, 240), left = 12, right = width - 12, middle = 16;
  const first = points[0].frozen_at, last = points[points.length - 1].frozen_at;
  const x = (at) => (last === first ? (left + right) / 2 : left + ((at - first) / (last - first)) * (right - left));
  const label = `${count(points.length, "point")} from ${moment(first)} to ${moment(last)}; the table below names each`;
  const drawn = make("svg:svg", { width, height: 48, viewBox: `0 0 ${width} 48`, role: "img", "aria-label": label });
  drawn.append(make("svg:line", { class: "axis", x1: left, x2: right, y1: middle, y2: middle }));
  for (const point of points) {
    const at = x(point.frozen_at), app = point.consistency === "app";
    const mark = app ? make("svg:rect", { class: "app", x: at - 4, y: middle - 4, width: 8, height: 8, transform: `rotate(45 ${at} ${middle})` })
      : make("svg:circle", { class: "crash", cx: at, cy: middle, r: 4 });
    mark.append(make("svg:title", {}, `point ${point.number}, ${moment(point.frozen_at)}, ${point.consistency}-consistent`));
    if (point.held) drawn.append(make("svg:circle", { class: "held", cx: at, cy: middle, r: 8 }));
    drawn.append(mark);
  }
  drawn.append(make("svg:text", { x: left, y: 44 }, moment(first)), make("svg:text", { x: right, y: 44, "text-anchor": "end" }, moment(last)));
  return [drawn];
}

const nameOf = (id) => [...state.machines.values()].find((entry) => entry.machine.id === id)?.machine.name ?? failovers.all.find((machine) => machine.id === id)?.name ?? id ?? "";
function showJobs() {
  const all = [...state.jobs.values()].sort((a, b) => b.created_at - a.created_at || (b.id > a.id ? 1 : -1));
  const shown = [...all.filter((job) => !ENDED.includes(job.state)), ...all.filter((job) => ENDED.includes(job.state)).slice(0, 5)];
  for (const job of all) if (!shown.includes(job)) state.jobs.delete(job.id);
  $("no-job").hidden = shown.length > 0;
  $("jobs").replaceChildren(...shown.map((job) => {
    const title = make("div", { class: "line" }, make("span", {}, make("b", {}, job.kind), ` ${job.parameters.plan ?? nameOf(job.machine)}`), make("span", { class: `dim ${job.state}` }, job.state));
    const parts = [title];
    if (!ENDED.includes(job.state)) {
      const { phase, done, total, rate, eta_seconds: left } = job.progress;
      parts.push(make("progress", { "aria-label": `${job.kind} ${nameOf(job.machine)}`, max: total || 1, value: total ? done : null }));
      const words = [phase, total ? `${Math.floor((100 * done) / total)} % of ${size(total)}` : "", rate ? `${size(rate)}/s` : "", left === null ? "" : `${duration(left)} left`];
      parts.push(make("div", { class: "quiet" }, words.filter(Boolean).join(", ")));
    } else if (job.ended_at !== null) parts.push(make("div", { class: "quiet" }, `${clock(job.ended_at)}, took ${duration((job.ended_at - (job.started_at ?? job.created_at)) / 1e9)}, asked for by ${job.actor}`));
    if (job.error) parts.push(make("div", { class: "quiet" }, `${job.error.message}${job.error.hint ? `: ${job.error.hint}` : ""}`));
    return make("li", {}, ...parts);
  }));
}

// Points are told where machines and points are.
function showEvent(event) {
  state.last = Math.max(state.last ?? 0, event.id);
  if (event.kind === "machine.cycle") return;
  const kind = { warning: "alert", error: "error" }[event.severity] ?? "";
  const by = event.actor ? ` (${event.actor})` : "";
  const line = make("li", {}, make("time", { datetime: new Date(event.at / 1e6).toISOString(), title: moment(event.at) }, clock(event.at)),
    make("span", {}, event.machine ? nameOf(event.machine) : "daemon"), make("span", { class: kind }, `${event.message}${by}`));
  $("events").prepend(line);
  while ($("events").children.length > KEPT) $("events").lastChild.remove();
  $("no-event").hidden = true;
}

// An answer that is on its way is enough: many events ask for one more only when it is there.
let asked = false, underway = false;
async function renew() {
  if (underway) { asked = true; return; }
  underway = true;
  try {
    await readMachines();
    showFailovers();
    const newest = state.machines.get(state.chosen)?.machine.newest_point;
    if (state.points && newest !== state.points.points.at(-1)?.number && performance.now() - state.drawn > 5000) { state.drawn = performance.now(); await showPoints(); }
  } finally { underway = false; if (asked) { asked = false; setTimeout(() => renew().catch(() => {}), 1000); } }
}

async function follow() {
  const response = await ask(`/v1/stream${state.last === null ? "" : `?after=${state.last}`}`);
  connection("live", "live");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) take(block);
  }
}
function take(block) {
  const fields = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
  if (fields.event === "job") { const job = JSON.parse(fields.data); state.jobs.set(job.id, job); showJobs(); if (job.kind === "plan") renewPlans(); if (FAILOVER_JOBS.includes(job.kind)) { showFailovers(); if (ENDED.includes(job.state)) renewFailovers(); } }
  if (fields.event === "event") {
    const event = JSON.parse(fields.data);
    showEvent(event);
    renew().catch(() => {});
    if (event.kind.startsWith("plan.") || event.kind === "request") renewPlans();
    if (FAILOVER_EVENTS.test(event.kind)) renewFailovers();
  }
}
function connection(kind, words) { $("connection").dataset.state = kind; put($("connection"), words); }

async function begin() {
  state.me = await read("/v1/me");
  $("login").hidden = true;
  await readMachines();
  await readPlans();
  await readFailovers();
  const newest = state.last === null ? await read("/v1/events?limit=1") : { items: [] };
  const [jobs, events] = [await read("/v1/jobs?limit=50"), await read(state.last === null ? "/v1/events?limit=100&without=machine.cycle" : `/v1/events?limit=200&without=machine.cycle&after=${state.last}`)];
  state.jobs = new Map(jobs.items.map((job) => [job.id, job]));
  showJobs();
  events.items.forEach(showEvent);
  state.last = Math.max(state.last ?? 0, newest.items.at(-1)?.id ?? 0);
  $("shown").hidden = false;
  if (state.points) $("time").replaceChildren(...timeLine(state.points.points));
}
async function live() {
  for (let wait = 1; ; wait = Math.min(wait * 2, 30)) {
    try {
      await begin();
      wait = 1;
      await follow();
    } catch (error) {
      if (error.stranger) { login(error); return; }
    }
    connection("lost", "reconnecting");
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
}
function login(error) {
  connection("begins", "not connected");
  put($("refused"), state.token || error.stranger === 403 ? error.message : "");
  $("shown").hidden = true;
  $("login").hidden = false;
  $("token").focus();
}
document.querySelector("#login form").addEventListener("submit", (event) => {
  event.preventDefault();
  state.token = $("token").value.trim();
  $("token").value = "";
  try { sessionStorage.setItem("understudy-token", state.token); } catch { /* It is good for this page, then. */ }
  live();
});
$("find").addEventListener("input", order);
addEventListener("resize", () => { if (state.points) $("time").replaceChildren(...timeLine(state.points.points)); });
setInterval(tick, 1000);
setInterval(() => { if ($("connection").dataset.state === "live" && !document.hidden) renew().catch(() => {}); }, 5000);
live();
