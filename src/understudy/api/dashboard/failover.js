// Failovers: where each machine of the vault stands, and what can be done here. As above, all of it is set as text.
const PHASES = {
  unprotected: "nothing protects it", initial_replication: "has no recovery point yet", protected: "protected", failing_over: "a planned failover is under way",
  failed_over: "failed over, not committed", committed: "failed over and committed, not replicated since", reprotecting: "failed over and committed, its first point the other way is to come",
};
const FAILOVER_JOBS = ["failover", "change-point", "cancel-failover", "commit-failover", "start-again", "reprotect", "test-failover", "drill-cleanup", "follow-standby"];
const FAILOVER_EVENTS = /^(failover|standby|replica|isolation|networks|checks)\.|^(request|machine\.readiness|job\.ended)$/;
// What another site says stands in the vault alone, and no event here tells of it: it is read again after so many milliseconds.
const READ_AGAIN = { open: 10000, folded: 60000 };
const failovers = { all: [], open: null, shown: null, drawn: "", read: 0, unfolded: new Set() };
const place = (machine, rest) => `/v1/machines/${encodeURIComponent(machine)}/${rest}`;
const mayAll = () => state.me?.role === "admin";

async function readFailovers() {
  // Without the vault there is nothing to show; the rest of the page does not need it.
  const open = failovers.open;
  let shown = null;
  failovers.read = performance.now();
  try {
    failovers.all = (await read("/v1/vault")).machines;
    if (open !== null) shown = { ...(await besides(open)), ...(await tried(place(open, "failover"))) };
  } catch (error) {
    if (error.stranger) throw error;
  }
  if (open !== failovers.open) return;
  failovers.shown = shown;
  showFailovers();
  renewEvidence(shown?.drills?.value?.items ?? []);
}
// Each part of what is known of a machine stands for itself: one that cannot be read hides no other.
async function tried(path) {
  try { return { value: await read(path) }; } catch (error) {
    if (error.stranger) throw error;
    return { value: null, failure: error.message, missing: error.status === 404 };
  }
}
async function besides(machine) {
  const name = encodeURIComponent(machine);
  const [readiness, drills, orphans, networks] = await Promise.all([tried(place(machine, "check")), tried(`/v1/drills?limit=10&machine=${name}`), tried(place(machine, "orphans")), tried(place(machine, "networks"))]);
  return { readiness, drills, orphans, networks };
}

function showFailovers() {
  const [found, statusOf] = [failovers.shown, (id) => [...state.machines.values()].find((entry) => entry.machine.id === id)?.machine ?? null];
  const all = failovers.all.map((machine) => ({ machine, marks: (statusOf(machine.id)?.reasons ?? []).filter((reason) => GRAVE[reason.code]) }));
  const status = found?.value ? statusOf(found.value.id) : null;
  const jobs = found?.value ? jobsOf(found.value) : [];
  const minute = state.read ? Math.floor(now() / 6e10) : 0;
  const told = JSON.stringify([all.map(({ machine, marks }) => [machine.name, machine.site, machine.here, machine.epoch, marks]), found, status?.reasons, status?.standby, status?.standby_progress, status?.drilled_at, jobs, failovers.open, [...drills.open], state.me?.role, minute]);
  if (told === failovers.drawn) return;
  failovers.drawn = told;
  const focused = document.activeElement?.dataset?.key;
  $("failover").hidden = !all.length;
  $("failovers").replaceChildren(...all.sort((a, b) => a.machine.name.localeCompare(b.machine.name)).map(({ machine, marks }) => {
    const open = failovers.open === machine.name;
    const title = make("button", { type: "button", class: "plain", "aria-expanded": String(open), "data-key": `failover ${machine.name}` }, make("b", {}, machine.name));
    title.addEventListener("click", () => { failovers.open = open ? null : machine.name; failovers.shown = null; showFailovers(); readFailovers().catch(() => {}); });
    const where = make("span", { class: "dim" }, `site ${machine.site}${machine.here ? ", from here" : ""} `, ...marks.map((reason) => make("span", { class: `health ${reason.health}` }, GRAVE[reason.code])));
    const detail = !open ? [] : !found ? [make("div", { class: "quiet" }, "is looked at …")] : !found.value ? [make("div", { class: "failed" }, found.failure)] : failoverParts(found, status, jobs);
    return make("li", {}, make("div", { class: "line" }, title, where), ...detail);
  }));
  if (focused && !$("mean").open) refocus(focused);
}

// The newest first; one that ended says how until another begins.
function jobsOf(found) {
  const own = [...state.jobs.values()].filter((job) => [found.id, found.machine].includes(job.machine) && FAILOVER_JOBS.includes(job.kind)).sort((a, b) => b.created_at - a.created_at || (b.id > a.id ? 1 : -1));
  const under = own.filter((job) => !ENDED.includes(job.state));
  return under.length ? under : own.slice(0, 1);
}
function jobParts(job) {
  if (!ENDED.includes(job.state)) {
    const { phase, done, total } = job.progress;
    const words = [`${job.kind}: ${phase || job.state}`, total ? `${Math.floor((100 * done) / total)} %` : ""].filter(Boolean).join(", ");
    return [make("div", { class: "alert", role: "status" }, words), make("progress", { "aria-label": `${job.kind} of this machine`, max: total || 1, value: total ? done : null })];
  }
  const when = job.ended_at === null ? "" : `, ${moment(job.ended_at)}`;
  if (job.error) return [make("div", { class: "failed" }, `${job.kind} failed${when}: ${job.error.message}${job.error.hint ? `: ${job.error.hint}` : ""}`)];
  const { rpo_seconds: rpo, rto_seconds: rto, number } = job.result ?? {};
  // What comes after a failover carries its figures, too.
  const reached = !["failover", "change-point"].includes(job.kind) || typeof rpo !== "number" || typeof rto !== "number" ? "" : ` from point ${number}: ${rpo ? `what was written in the last ${duration(rpo)} before is lost` : "nothing was lost"}; its guest ran ${duration(rto)} after it was asked for`;
  return [make("div", { class: "quiet" }, `${job.kind} ${job.state}${when}${reached}`)];
}

function failoverParts(all, status, jobs) {
  const found = all.value;
  const lines = [`${PHASES[found.phase] ?? found.phase}; primary: site ${found.site}${found.primary ? ", this one" : ""}, epoch ${found.epoch}`];
  if (found.failover?.mode === "cancel") lines.push(`failover cancelled ${moment(found.failover.at)}: it goes on at site ${found.failover.site}`);
  else if (found.failover) lines.push(`${found.failover.mode || "failover"} from ${found.failover.before}, ${moment(found.failover.at)}${found.failover.committed_at ? `, committed ${moment(found.failover.committed_at)}` : ""}${found.failover.reason ? `: ${found.failover.reason}` : ""}`);
  for (const asked of found.requests) lines.push(`asked of ${asked.site}: ${asked.action}, ${asked.outcome || "not answered"}${asked.text ? `: ${asked.text}` : ""}`);
  for (const run of found.runs) if (!run.kept) lines.push(`run ${run.run}: ${run.status}${run.reason ? `, ${run.reason}` : ""}${run.below.length ? `, reads ${run.below.join(", ")} from below` : ""}`);
  const parts = [...alarms(found, status), ...lines.map((line) => make("div", { class: "quiet" }, line))];
  if (found.under_way) parts.push(make("div", { class: "alert" }, found.under_way));
  for (const job of jobs) parts.push(...jobParts(job));
  const possible = found.allowed.filter((one) => OPERATIONS[one] && mayRun());
  if (possible.length) parts.push(make("div", { class: "buttons operations" }, ...possible.map((one) => {
    const [words, begin] = OPERATIONS[one];
    return doing(`${one} ${found.machine}`, words, () => begin(found, status), one === "unplanned" ? "grave" : null);
  })));
  return [...parts, ...drillParts(found, all, status), ...standbyParts(found, status), ...readinessParts(found, all), ...networkParts(found, all), ...isolationParts(found), ...asideParts(found, all)];
}
function doing(key, words, act, kind = null, label = null) {
  const button = make("button", { type: "button", class: kind, "data-key": key, "aria-label": label }, words);
  button.addEventListener("click", act);
  return button;
}
// A part that is folded away says the gist of itself. What was unfolded stays so.
function part(key, title, gist, kind, ...inner) {
  const made = make("details", { class: "part", open: failovers.unfolded.has(key) }, make("summary", { "data-key": `part ${key}` }, make("b", {}, title), " ", make("span", { class: kind }, gist)), ...inner);
  made.addEventListener("toggle", () => { if (made.open) failovers.unfolded.add(key); else failovers.unfolded.delete(key); });
  return made;
}

// What is wrong beyond waiting, and what a person is to do about it.
const GRAVE = { split: "runs on two sites", superseded: "superseded", isolated: "isolated" };
function alarms(found, status) {
  const told = (status?.reasons ?? []).filter((reason) => reason.health !== "normal");
  const made = told.map((reason) => alarm(reason.health, `${GRAVE[reason.code] ? `${GRAVE[reason.code]}: ` : ""}${reason.message}`, reason.hint));
  for (const stood of found.stood_down) {
    if (stood.running) made.unshift(alarm("critical", `runs on two sites: at site ${stood.site} it runs, too (${moment(stood.at)}): ${stood.text}`, "stop it there by hand, at once: what it writes there is lost to it, and is put aside by the reprotect"));
    else made.push(make("div", { class: "quiet" }, `site ${stood.site}, ${moment(stood.at)}: ${stood.text}`));
  }
  return made;
}
function alarm(health, words, hint) {
  return make("div", { class: `alarm ${health}` }, make("div", {}, make("strong", {}, words), hint ? make("div", {}, hint) : ""));
}

const OPERATIONS = {
  test: ["Test…", (f, status) => askDrill(f, status)],
  planned: ["Planned failover…", askPlanned],
  unplanned: ["Unplanned failover…", askUnplanned],
  start: ["Start again…", (f) => askPlain(f, "failover/start", "Start again", () => [`${f.machine} is started again here, from what its disks here hold.`])],
  "change-point": ["Another point…", askOther],
  cancel: ["Cancel…", (f) => askPlain(f, "failover/cancel", "Cancel the failover", () => f.phase === "failed_over"
    ? [`${f.machine} is ended here at once, and goes on at site ${f.failover?.before ?? "that it came from"}.`, "What it wrote here since is kept aside, and is not there."]
    : [`${f.machine} goes on where it was.`])],
  commit: ["Commit…", (f) => askPlain(f, "failover/commit", "Commit", () => [`${f.machine} stays here: its disks become images of this host, while it runs.`, "Afterwards no other point can be chosen, and the failover cannot be cancelled."])],
  reprotect: ["Reprotect…", (f) => askPlain(f, "reprotect", "Reprotect", () => [`${f.machine} is replicated from here.`, f.failover ? `Site ${f.failover.before} becomes its stand-in; what its images hold beyond the point of the failover is put aside there first.` : ""])],
};
// The daemon took it; how things are then is shown when it is known.
async function begun(path, body, method) {
  await send(path, body, method);
  Promise.all([readMachines(), readFailovers()]).catch(() => {});
}
function askPlain(f, path, go, lines) {
  mean({ title: `${go}: ${f.machine}`, go, lines, act: () => begun(place(f.machine, path), null) });
}
function askPlanned(f) {
  const [reason, force] = [written("Reason, for the record"), ticked("End a guest that does not shut down, and overrule findings that forbid a start here")];
  mean({
    title: `Planned failover: ${f.machine}`, go: "Shut it down there, start it here", inputs: [reason.label, force.label],
    lines: () => [`${f.machine} is shut down at site ${f.site}, its last changes are sent, and it is started here. Nothing is lost.`,
      force.box.checked ? "A guest that does not shut down is ended: what it has not written yet is lost." : "If anything goes wrong before it has shut down, it runs on there."],
    act: () => begun(place(f.machine, "failover"), { mode: "planned", force: force.box.checked, reason: reason.input.value }),
  });
}
function askUnplanned(f) {
  const choice = pointChoice(f.machine, ["latest", "latest-app", "chosen"]);
  const [reason, force] = [written("Reason, for the record"), ticked("Wait for nothing: start it although its site may not have paused it, and although the fence command fails")];
  const safe = f.isolation_seconds ? `It is started after ${duration(f.isolation_seconds + 15)}, when site ${f.site} has paused it, or earlier if that says so.` : `Unless a fence command is set up here, nothing makes sure that it does not run at site ${f.site} still.`;
  mean({
    title: `Unplanned failover: ${f.machine}`, go: "Start it here", grave: true, typed: f.machine, inputs: [choice.element, reason.label, force.label], ready: () => choice.point() !== null,
    lines: () => {
      const point = choice.point();
      if (point === null) return [];
      return [`${f.machine} is started here, since site ${f.site} is lost, from ${fromPoint(point)}.`, `What was written after ${moment(point.frozen_at)} is lost.${passedOver(choice, point)}`,
        force.box.checked ? `Nothing is waited for: it may run at site ${f.site}, too.` : safe];
    },
    // The newest is found out when it begins, after the other site was kept from making more.
    act: () => begun(place(f.machine, "failover"), { mode: "unplanned", point: choice.wish === "latest" ? "" : choice.point().id, force: force.box.checked, reason: reason.input.value }),
  });
}
function askOther(f) {
  const choice = pointChoice(f.machine, ["latest", "latest-app", "chosen"]);
  mean({
    title: `Another point: ${f.machine}`, go: "Start it from this point", grave: true, inputs: [choice.element], ready: () => choice.point() !== null,
    lines: () => {
      const point = choice.point();
      if (point === null) return [];
      return [`${f.machine} is ended here at once, and started from ${fromPoint(point)}${point.id === f.failover?.point ? ", the one that it was started from before" : ""}.`,
        `What was written after ${moment(point.frozen_at)} is not there.${passedOver(choice, point)} What it wrote here since the failover is kept aside.`];
    },
    act: () => begun(place(f.machine, "failover/change-point"), { point: choice.point().id }),
  });
}

let failoversAsked = false;
function renewFailovers() {
  if (failoversAsked) return;
  failoversAsked = true;
  setTimeout(() => { failoversAsked = false; readFailovers().catch(() => {}); }, 1000);
}
setInterval(() => {
  if ($("connection").dataset.state !== "live" || document.hidden) return;
  if (performance.now() - failovers.read > READ_AGAIN[failovers.open === null ? "folded" : "open"]) readFailovers().catch(() => {});
}, 1000);
