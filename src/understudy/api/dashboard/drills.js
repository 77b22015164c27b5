// Test failovers of this site: what was started, how it was, and what was seen.
const drills = { open: new Set(), evidence: new Map() };
const DRILL_STATES = { starting: "is started", checking: "is looked at", standing: "stands until it is cleaned up", cleaning: "is cleaned up" };

function drillParts(found, all, status) {
  const known = all.drills.value?.items ?? [];
  const standing = known.find((drill) => drill.state !== "cleaned");
  const ended = known.find((drill) => drill.state === "cleaned" && drill.outcome);
  const at = Math.max(ended?.ended_at ?? ended?.asked_at ?? 0, status?.drilled_at ?? 0);
  // Another site may have tested it since.
  const how = ended && (ended.ended_at ?? ended.asked_at) >= at ? `: ${ended.outcome}` : "";
  const gist = standing ? `one ${DRILL_STATES[standing.state] ?? standing.state}` : at ? `last ${ago((now() - at) / 1e9)}${how}` : all.drills.failure ?? "never tested";
  const kind = standing ? "asking" : ended?.outcome === "failed" && how ? "failed" : at ? "dim" : "asking";
  return [part(`drills ${found.machine}`, "Test failovers", gist, kind, ...(known.length ? [make("ul", { class: "rows" }, ...known.map(drillLine))] : [make("p", { class: "quiet" }, all.drills.failure ?? "None of this site is known.")]))];
}

function drillLine(drill) {
  const open = drills.open.has(drill.id);
  const outcome = drill.state === "cleaned" ? drill.outcome || "given up" : [drill.outcome, drill.state].filter(Boolean).join(", ");
  const title = make("button", { type: "button", class: "plain", "aria-expanded": String(open), "data-key": `drill ${drill.id}` }, `${moment(drill.asked_at)}, point ${drill.number}`);
  title.addEventListener("click", () => { if (open) drills.open.delete(drill.id); else { drills.open.add(drill.id); renewEvidence([drill]); } showFailovers(); });
  const line = make("li", {}, make("div", { class: "line" }, title, make("span", { class: drill.outcome === "passed" ? "succeeded" : drill.outcome || "dim" }, outcome)));
  if (open) line.append(...drillDetail(drill));
  if (drill.state !== "cleaned" && drill.state !== "cleaning" && mayRun())
    line.append(make("div", { class: "buttons" }, doing(`cleanup ${drill.id}`, "Clean up…", () => askCleanUp(drill), null, `Clean up the test of ${moment(drill.asked_at)}`)));
  return line;
}

function drillDetail(drill) {
  const facts = [`from point ${drill.number}, frozen ${moment(drill.frozen_at)}, ${drill.consistency}-consistent; on site ${drill.site}, ${drill.network}`];
  if (drill.running_after !== null) facts.push(`its guest ran after ${duration(drill.running_after)}`);
  for (const step of drill.steps) facts.push(`after ${duration(step.seconds)}: ${step.what}`);
  for (const [here, guest] of drill.forwards) facts.push(`its port ${guest} is reached at 127.0.0.1:${here} of this host`);
  facts.push(...drill.findings);
  if (drill.note) facts.push(`note: ${drill.note}`);
  if (drill.keep_until !== null && drill.ended_at === null) facts.push(`it ends by itself at ${moment(drill.keep_until)}`);
  const parts = facts.map((fact) => make("div", { class: "quiet" }, fact));
  if (drill.failure) parts.push(make("div", { class: "failed" }, `it did not start: ${drill.failure.message}${drill.failure.hint ? `: ${drill.failure.hint}` : ""}`));
  if (drill.checks.length) parts.push(make("ul", { class: "steps" }, ...drill.checks.map((check) => make("li", {},
    make("span", { class: check.outcome === "passed" ? "succeeded" : "failed" }, check.outcome), ` ${check.what}: ${check.words} (${duration(check.seconds)})`,
    ...(check.output ? [make("pre", {}, check.output.slice(-2000))] : [])))));
  return [...parts, ...evidenceParts(drill)];
}

// It is much: it is read when somebody looks, and again only when the test has gone on since.
async function readEvidence(drill) {
  let evidence;
  try { evidence = await read(`/v1/drills/${drill.id}/evidence`); } catch (error) { evidence = { kind: "", picture: "", console: "", failure: error.message }; }
  drills.evidence.set(drill.id, { ...evidence, of: drill.state });
  failovers.drawn = "";
  showFailovers();
}
function renewEvidence(known) {
  for (const drill of known) if (drills.open.has(drill.id) && drills.evidence.get(drill.id)?.of !== drill.state) readEvidence(drill);
}
function evidenceParts(drill) {
  const evidence = drills.evidence.get(drill.id);
  if (!evidence) return [];
  const parts = evidence.failure ? [make("div", { class: "failed" }, evidence.failure)] : [];
  if (evidence.kind === "png") parts.push(make("img", { class: "screen", src: `data:image/png;base64,${evidence.picture}`, alt: `The screen of the copy, test of ${moment(drill.asked_at)}` }));
  // What a guest wrote may hold what moves a terminal: only what can be read is shown.
  const said = evidence.console.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/[^\n\x20-\x7e\xa0-\uffff]/g, "").split("\n").slice(-30).join("\n").slice(-4000);
  if (said.trim()) parts.push(make("div", { class: "quiet" }, "The end of its console:"), make("pre", { tabindex: 0, "aria-label": "The end of its console" }, said));
  return parts;
}

function askDrill(f, status) {
  const choice = pointChoice(f.machine, ["latest", "latest-app", ...(status?.standby?.point ? ["latest-processed"] : []), "chosen"], status?.standby);
  const network = chosenOf("Network", [["isolated", "isolated: nobody reaches it"], ["mapped", "mapped: this site's test networks"]]);
  const keep = chosenOf("It stands", [["0", "until it is cleaned up"], ["3600", "for an hour"], ["28800", "for 8 hours"], ["86400", "for a day"], ["cleanup", "until its checks were made"]]);
  const note = written("Note");
  mean({
    title: `Test failover: ${f.machine}`, go: "Start the test", inputs: [choice.element, network.label, keep.label, note.label], ready: () => choice.point() !== null,
    lines: () => {
      const point = choice.point();
      if (point === null) return [];
      return [`A copy of ${f.machine} is started here from ${fromPoint(point)}, with a new identity; ${f.machine} itself and its replication go on.`,
        network.select.value === "mapped" ? "Its network cards are joined to this site's test networks: it reaches what is there." : "Nobody reaches it, and it reaches nobody.",
        keep.select.value === "cleanup" ? "" : "The test counts once it is cleaned up."];
    },
    act: () => {
      const kept = keep.select.value;
      const point = choice.wish === "chosen" ? choice.point().id : choice.wish;
      failovers.unfolded.add(`drills ${f.machine}`);
      return begun(place(f.machine, "test-failover"), { point, network: network.select.value, cleanup: kept === "cleanup", keep_for: kept === "cleanup" ? 0 : Number(kept), note: note.input.value });
    },
  });
}

function askCleanUp(drill) {
  const outcome = chosenOf("Outcome", [["", `what its checks say${drill.outcome ? `: ${drill.outcome}` : ""}`], ["passed", "passed"], ["failed", "failed"]]);
  const note = written("Note");
  mean({
    title: `Clean up the test: ${drill.machine}`, go: "Clean up", inputs: [outcome.label, note.label],
    lines: () => [`The copy of ${drill.machine} of ${moment(drill.asked_at)} is ended, and what it wrote is deleted. What was seen of it is kept.`,
      outcome.select.value || drill.outcome ? `It is written down as ${outcome.select.value || drill.outcome}.` : "It came to no outcome: nothing is written down, unless you say one."],
    act: () => begun(place(drill.machine, "drill-cleanup"), { drill: drill.id, passed: outcome.select.value ? outcome.select.value === "passed" : null, note: note.input.value }),
  });
}
