// Recovery plans: what there is, what runs, and what a person says to it. As above, all of it is set as text.
const PLAN_STATES = { asking: "waits for a person", pending: "not begun" };
const REPLIES = { confirm: ["confirm", "skip"], failed: ["retry", "skip"], unknown: ["confirm", "retry", "skip"] };
const REPLY_WORDS = { confirm: "Confirm", retry: "Retry", skip: "Skip", abort: "Abort the run" };
const QUESTIONS = { confirm: "waits to be confirmed", failed: "failed", unknown: "was begun, and nobody knows how it ended" };
const plans = { all: [], runs: [], open: null, chosen: null, checked: null, drawn: "" };
const mayRun = () => state.me !== undefined && state.me.role !== "viewer";

async function send(path, body, method = "POST") {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": `page-${crypto.getRandomValues(new Uint32Array(4)).join("-")}` };
  return (await ask(path, { method, headers, body: body === null ? undefined : JSON.stringify(body) })).json();
}

async function readPlans() {
  // Without the vault there are none to show; the rest of the page does not need it.
  try {
    [plans.all, plans.runs] = [(await read("/v1/plans?limit=100")).items, (await read("/v1/plan-runs?limit=10")).items];
    plans.open = null;
    const shown = plans.runs.find((run) => run.id === plans.chosen) ?? plans.runs.find((run) => run.state === "running");
    if (shown) plans.open = await read(`/v1/plan-runs/${shown.id}`);
  } catch (error) {
    if (error.stranger) throw error;
    return;
  }
  showPlans();
}

function showPlans() {
  const told = JSON.stringify([plans.all, plans.runs, plans.open, mayRun()]);
  // What somebody writes, or stands on, is not taken away unless something changed.
  if (told === plans.drawn) return;
  plans.drawn = told;
  const focused = document.activeElement?.dataset?.key;
  const notes = new Map([...document.querySelectorAll("#runs input")].map((input) => [input.dataset.key, input.value]));
  $("plans").hidden = !plans.all.length && !plans.runs.length;
  $("plan-list").replaceChildren(...plans.all.map((plan) => {
    const words = plan.problem || [`${count(plan.groups, "group")}, ${count(plan.machines, "machine")}`, plan.description].filter(Boolean).join(": ");
    const button = make("button", { type: "button", "data-key": `run ${plan.name}` }, "Run…");
    button.addEventListener("click", () => askPlan(plan));
    return make("li", {}, make("div", { class: "line" }, make("span", {}, make("b", {}, plan.name), " ", make("span", { class: "quiet" }, words)), ...(mayRun() && !plan.problem ? [button] : [])));
  }));
  $("runs-title").hidden = !plans.runs.length;
  $("runs").replaceChildren(...plans.runs.map((run) => make("li", {}, ...runParts(run))));
  for (const input of document.querySelectorAll("#runs input")) input.value = notes.get(input.dataset.key) ?? "";
  if (focused) [...document.querySelectorAll("#plans [data-key]")].find((one) => one.dataset.key === focused)?.focus({ preventScroll: true });
}

function runParts(run) {
  const open = plans.open?.id === run.id;
  const words = run.asking.length ? "waits for a person" : run.state;
  const title = make("button", { type: "button", class: "plain", "aria-expanded": String(open), "data-key": `open ${run.id}` }, make("b", {}, run.plan), ` ${run.kind ?? ""}`);
  title.addEventListener("click", () => { plans.chosen = run.id; readPlans().catch(() => {}); });
  const reached = [run.worst_rpo === null ? "" : `RPO ${duration(run.worst_rpo)}`, run.worst_rto === null ? "" : `RTO ${duration(run.worst_rto)}${run.worst_rto_waited ? ` (${duration(run.worst_rto_waited)} of it waiting for a person)` : ""}`];
  const facts = [moment(run.asked_at), run.actor, `${run.done} of ${count(run.steps, "step")}`, ...reached, run.problem].filter(Boolean).join(", ");
  const kind = run.asking.length ? "asking" : run.state;
  const parts = [make("div", { class: "line" }, title, make("span", { class: `dim ${kind}` }, words)), make("div", { class: "quiet" }, facts)];
  if (run.state === "running") parts.push(make("progress", { "aria-label": `plan ${run.plan}`, max: run.steps, value: run.done }));
  if (open) parts.push(...runSteps(plans.open));
  return parts;
}

function runSteps(run) {
  const groups = run.plan.groups.map((group, place) => make("div", {}, make("h4", {}, group.name),
    make("ol", { class: "steps" }, ...run.steps.filter((step) => step.group === place + 1).map((step) => stepLine(run, step)))));
  const buttons = [];
  const report = make("button", { type: "button", "data-key": `report ${run.id}` }, "Save the report");
  report.addEventListener("click", () => acted(() => saveReport(run)));
  buttons.push(report);
  if (run.state === "running" && !run.aborted && mayRun()) {
    const abort = make("button", { type: "button", class: "grave", "data-key": `abort ${run.id}` }, REPLY_WORDS.abort);
    abort.addEventListener("click", () => mean({ title: `Abort the run of ${run.name}`, go: REPLY_WORDS.abort, grave: true, lines: () => ["Nothing more is begun. What was done stays, and a failover that has begun comes to its end."], act: () => reply(run, "abort", {}) }));
    buttons.push(abort);
  }
  return [...groups, make("div", { class: "buttons" }, ...buttons)];
}

function stepLine(run, step) {
  const last = step.tries.at(-1);
  const why = last?.text ? `: ${last.text}` : "";
  const line = make("li", {}, make("div", { class: "line" }, make("span", {}, step.title), make("span", { class: `dim ${step.state}` }, PLAN_STATES[step.state] ?? step.state)));
  if (why && step.state !== "succeeded") line.append(make("div", { class: "quiet" }, last.text));
  if (last?.output && step.state !== "succeeded") line.append(make("pre", {}, last.output.slice(-2000)));
  for (const said of step.said) line.append(make("div", { class: "quiet" }, `${said.reply}: ${said.actor}${said.note ? `: ${said.note}` : ""}`));
  if (step.state === "asking" && mayRun() && !run.aborted) {
    const note = make("input", { type: "text", maxlength: 1000, autocomplete: "off", "aria-label": `Note for ${step.title}`, placeholder: "Note", "data-key": `note ${run.id} ${step.id}` });
    const buttons = REPLIES[step.question].map((word) => {
      const button = make("button", { type: "button", "aria-label": `${REPLY_WORDS[word]}: ${step.title}`, "data-key": `${word} ${run.id} ${step.id}` }, REPLY_WORDS[word]);
      button.addEventListener("click", () => acted(() => reply(run, word, { step: step.id, note: note.value })));
      return button;
    });
    line.append(make("div", { class: "asks" }, QUESTIONS[step.question]), make("div", { class: "buttons" }, note, ...buttons));
  }
  return line;
}

async function reply(run, word, body) {
  plans.open = await send(`/v1/plan-runs/${run.id}/${word}`, body);
  await readPlans();
}
async function acted(work) {
  put($("plan-told"), "");
  try { await work(); } catch (error) { put($("plan-told"), error.message); }
}
async function saveReport(run) {
  const url = URL.createObjectURL(await (await ask(`/v1/plan-runs/${run.id}/report`)).blob());
  const link = make("a", { href: url, download: `${run.name}-${run.id}.html` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// A run is begun only after its dry run was shown, and only of the plan that was shown.
function askPlan(plan) {
  plans.asked = plan;
  put($("plan-asked"), `Run plan ${plan.name}`);
  $("plan-reason").value = "";
  $("plan-kind").value = "test";
  $("plan-dialog").showModal();
  checkPlan();
}
async function checkPlan() {
  const [plan, kind] = [plans.asked, $("plan-kind").value];
  plans.checked = null;
  $("plan-go").disabled = true;
  $("plan-check").replaceChildren(make("p", { class: "quiet" }, "What would be done is looked at …"));
  let found = null, failure = null;
  try { found = await send(`/v1/plans/${encodeURIComponent(plan.name)}/check`, { kind }); } catch (error) { failure = error; }
  if (plan !== plans.asked || kind !== $("plan-kind").value) return;
  if (failure) { $("plan-check").replaceChildren(make("p", { class: "failed" }, failure.message)); return; }
  const bad = found.problems.length + found.steps.filter((step) => step.problems.length).length;
  const list = make("ol", { class: "steps" }, ...found.steps.map((step) => make("li", {}, step.title, step.frozen_at === null ? "" : make("span", { class: "quiet" }, ` from ${moment(step.frozen_at)}`),
    ...step.problems.map((problem) => make("div", { class: "failed" }, problem)))));
  $("plan-check").replaceChildren(...found.problems.map((problem) => make("p", { class: "failed" }, problem)), list);
  plans.checked = { kind, revision: found.revision };
  put($("plan-go"), bad ? `Run although ${count(bad, "thing")} would fail` : `Run as ${kind}`);
  $("plan-go").disabled = false;
}
$("plan-kind").addEventListener("change", checkPlan);
$("plan-no").addEventListener("click", () => $("plan-dialog").close());
$("plan-go").addEventListener("click", () => acted(async () => {
  const body = { ...plans.checked, reason: $("plan-reason").value };
  $("plan-dialog").close();
  plans.chosen = (await send(`/v1/plans/${encodeURIComponent(plans.asked.name)}/run`, body)).id;
  await readPlans();
}));

let plansAsked = false;
function renewPlans() {
  if (plansAsked) return;
  plansAsked = true;
  setTimeout(() => { plansAsked = false; readPlans().catch(() => {}); }, 300);
}
