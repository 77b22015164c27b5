// Failovers: where each machine of the vault stands, and what can be done here. As above, all of it is set as text.
const PHASES = {
  unprotected: "nothing protects it", initial_replication: "has no recovery point yet", protected: "protected", failing_over: "a planned failover is under way",
  failed_over: "failed over, not committed", committed: "failed over and committed, not replicated since", reprotecting: "about to be replicated the other way",
};
const FAILOVER_JOBS = ["failover", "change-point", "cancel-failover", "commit-failover", "start-again", "reprotect", "test-failover", "drill-cleanup"];
const failovers = { all: [], open: null, shown: null, drawn: "" };
const OPERATIONS = {
  test: ["Test", "test-failover", () => ({}), (m) => `A copy of ${m} is started here in isolation; it stands until it is cleaned up.`],
  planned: ["Planned failover", "failover", () => ({ mode: "planned" }), (m, f) => `${m} will be shut down at site ${f.site} and started here.`],
  unplanned: ["Unplanned failover", "failover", () => ({ mode: "unplanned" }),
    (m, f) => `${m} will be started here from its newest point.${f.isolation_seconds ? "" : ` Nothing makes sure that it does not run at ${f.site} still.`}`],
  start: ["Start again", "failover/start", () => null, (m) => `${m} is started again from what its disks here hold.`],
  cancel: ["Cancel", "failover/cancel", () => null, (m, f) => `${m} goes on where it was${f.phase === "failed_over" ? "; what it wrote here is kept aside, and is not there" : ""}.`],
  commit: ["Commit", "failover/commit", () => null, (m) => `${m} stays here; another point cannot be chosen afterwards.`],
  reprotect: ["Reprotect", "reprotect", () => null, (m) => `${m} is replicated from here.`],
};

async function readFailovers() {
  // Without the vault there is nothing to show; the rest of the page does not need it.
  try {
    failovers.all = (await read("/v1/vault")).machines;
    failovers.shown = failovers.open === null ? null : await read(`/v1/machines/${encodeURIComponent(failovers.open)}/failover`);
  } catch (error) {
    if (error.stranger) throw error;
    failovers.shown = null;
  }
  showFailovers();
}

function showFailovers() {
  const told = JSON.stringify([failovers.all.map((one) => [one.name, one.site, one.here, one.epoch]), failovers.shown, failovers.open, mayRun()]);
  if (told === failovers.drawn) return;
  failovers.drawn = told;
  const focused = document.activeElement?.dataset?.key;
  $("failover").hidden = !failovers.all.length;
  $("failovers").replaceChildren(...failovers.all.slice().sort((a, b) => a.name.localeCompare(b.name)).map((machine) => {
    const open = failovers.open === machine.name;
    const title = make("button", { type: "button", class: "plain", "aria-expanded": String(open), "data-key": `failover ${machine.name}` }, make("b", {}, machine.name));
    title.addEventListener("click", () => { failovers.open = open ? null : machine.name; failovers.shown = null; readFailovers().catch(() => {}); });
    const where = make("span", { class: "dim" }, `site ${machine.site}${machine.here ? ", from here" : ""}`);
    return make("li", {}, make("div", { class: "line" }, title, where), ...(open && failovers.shown ? failoverParts(failovers.shown) : []));
  }));
  if (focused) [...document.querySelectorAll("#failover [data-key]")].find((one) => one.dataset.key === focused)?.focus({ preventScroll: true });
}

function failoverParts(found) {
  const lines = [`${PHASES[found.phase] ?? found.phase}; primary: site ${found.site}${found.primary ? ", this one" : ""}, epoch ${found.epoch}`];
  if (found.isolation_seconds) lines.push(`paused after ${duration(found.isolation_seconds)} without the vault`);
  if (found.failover) lines.push(`${found.failover.mode || "failover"} from ${found.failover.before}, ${moment(found.failover.at)}${found.failover.committed_at ? ", committed" : ""}`);
  for (const asked of found.requests) lines.push(`asked of ${asked.site}: ${asked.action}, ${asked.outcome || "not answered"}${asked.text ? `: ${asked.text}` : ""}`);
  for (const run of found.runs) lines.push(`run ${run.run}: ${run.kept ? "kept aside" : run.status}${run.below.length ? `, reads ${run.below.join(", ")} from below` : ""}`);
  const parts = lines.map((line) => make("div", { class: "quiet" }, line));
  for (const stood of found.stood_down) parts.push(make("div", { class: stood.running ? "failed" : "quiet" }, `site ${stood.site}, ${moment(stood.at)}: ${stood.text}`));
  if (found.under_way) parts.push(make("div", { class: "alert" }, found.under_way));
  const possible = found.allowed.filter((one) => OPERATIONS[one] && mayRun());
  if (possible.length) parts.push(make("div", { class: "buttons" }, ...possible.map((one) => {
    const [words, path, body, what] = OPERATIONS[one];
    const button = make("button", { type: "button", class: one === "unplanned" ? "grave" : null, "data-key": `${one} ${found.machine}` }, words);
    button.addEventListener("click", () => { if (confirm(what(found.machine, found))) failOver(found.machine, path, body()); });
    return button;
  })));
  return parts;
}

async function failOver(machine, path, body) {
  put($("failover-told"), "");
  try {
    await send(`/v1/machines/${encodeURIComponent(machine)}/${path}`, body);
    await readFailovers();
  } catch (error) { put($("failover-told"), error.message); }
}

let failoversAsked = false;
function renewFailovers() {
  if (failoversAsked) return;
  failoversAsked = true;
  setTimeout(() => { failoversAsked = false; readFailovers().catch(() => {}); }, 1000);
}
