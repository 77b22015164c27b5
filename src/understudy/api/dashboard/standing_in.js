// Whether a machine could come up on this site, on which networks, and what keeps it from running twice.
const VERDICTS = { pass: ["ready", "succeeded"], warn: ["ready, with warnings", "asking"], fail: ["not ready", "failed"] };

function readinessParts(found, all) {
  const { value: ready, failure, missing } = all.readiness;
  const bad = ready ? ready.items.filter((item) => item.verdict !== "pass") : [];
  const [words, kind] = ready ? VERDICTS[ready.verdict] : [missing ? "never looked at" : failure, "asking"];
  const list = ready ? [make("ul", { class: "rows" }, ...[...bad, ...ready.items.filter((item) => item.verdict === "pass")].map(lookLine))] : [make("p", { class: "quiet" }, missing ? "Whether it could come up here was not looked at yet." : failure)];
  const told = make("p", { class: "failed", role: "alert" });
  const look = doing(`check ${found.machine}`, "Look now", async () => {
    look.disabled = true;
    put(told, "");
    try {
      await send(place(found.machine, "check"), null);
      await readFailovers();
    } catch (error) { put(told, error.message); } finally { look.disabled = false; }
  }, null, `Look now whether ${found.machine} could come up here`);
  const when = ready ? `, ${ago((now() - ready.at) / 1e9)}` : "";
  return [part(`ready ${found.machine}`, "Ready here?", `${words}${bad.length ? ` (${bad.length})` : ""}${when}`, kind, ...list, ...(mayRun() ? [make("div", { class: "buttons" }, look), told] : []))];
}
function lookLine(look) {
  return make("li", {}, make("span", { class: VERDICTS[look.verdict][1] }, { pass: "well", warn: "warns", fail: "fails" }[look.verdict]), ` ${look.what}: ${look.words}`, ...(look.hint && look.verdict !== "pass" ? [make("div", { class: "hint" }, look.hint)] : []));
}

function networkParts(found, all) {
  const { value: shown, failure } = all.networks;
  const key = `networks ${found.machine}`;
  if (!shown) return [part(key, "Networks here", failure, "asking")];
  const unmapped = shown.failover.filter((nic) => !nic.network).length;
  const bad = shown.findings.filter((look) => look.verdict === "fail").length;
  const gist = [count(shown.failover.length, "card"), unmapped ? `${unmapped} not mapped` : "", bad ? `${bad} in the way` : ""].filter(Boolean).join(", ");
  const own = [shown.own.name && `name ${shown.own.name}`, shown.own.cpus && `${shown.own.cpus} processors`, shown.own.memory && `${size(shown.own.memory)} of memory`].filter(Boolean);
  return [part(key, "Networks here", gist, unmapped || bad ? "failed" : "dim", ...(own.length ? [make("p", { class: "quiet" }, `it comes up here with ${own.join(", ")}`)] : []),
    ...nicTable(`In a failover (${shown.own.failover.uuid === "new" ? "a new" : "the same"} UUID)`, shown.failover, "not mapped"), ...looks(shown.findings),
    ...nicTable(`In a test (${shown.own.test.uuid === "keep" ? "the same" : "a new"} UUID)`, shown.test, "isolated"), ...looks(shown.test_findings),
    make("p", { class: "quiet" }, "To change it: ", make("code", {}, `understudy network set ${found.machine} --nic NAME --to bridge:NAME`)))];
}
const looks = (found) => { const bad = found.filter((look) => look.verdict !== "pass"); return bad.length ? [make("ul", { class: "rows" }, ...bad.map(lookLine))] : []; };
function nicTable(title, nics, nowhere) {
  if (!nics.length) return [make("h4", {}, title), make("p", { class: "quiet" }, "No network card is known.")];
  const head = ["Card", "There", "Here", "MAC", "Addresses"].map((words) => make("th", { scope: "col" }, words));
  const rows = nics.map((nic) => make("tr", {}, make("th", { scope: "row" }, nic.nic), make("td", {}, nic.source || "–"), make("td", { class: nic.network || nowhere === "isolated" ? null : "failed" }, nic.network || nowhere),
    make("td", { class: "dim" }, nic.mac || "new"), make("td", { class: "dim" }, [...nic.addresses, nic.gateway && `by ${nic.gateway}`, nic.servers.length && `DNS ${nic.servers.join(" ")}`].filter(Boolean).join(", ") || "–")));
  return [make("h4", {}, title), make("div", { class: "scroll", role: "region", "aria-label": title, tabindex: 0 }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)))];
}

function isolationParts(found) {
  const seconds = found.isolation_seconds;
  const words = seconds ? `It is paused at site ${found.site} when that has not reached the vault for ${duration(seconds).replace(".0 s", " s")}. A failover from there waits so long, and 15 seconds more.` : "Nothing pauses it when its site is cut off from the vault: after an unplanned failover it may run on two sites until that hears of it.";
  const change = found.primary && mayRun() ? [make("div", { class: "buttons" }, doing(`isolation ${found.machine}`, "Change…", () => askIsolation(found), null, `Change the isolation of ${found.machine}`))] : found.primary ? [] : [make("p", { class: "quiet" }, `It is set at site ${found.site}.`)];
  return [part(`isolation ${found.machine}`, "Isolation", seconds ? `paused after ${duration(seconds).replace(".0 s", " s")} without the vault` : "none", seconds ? "dim" : "asking", make("p", { class: "quiet" }, words), ...change)];
}
function askIsolation(f) {
  const input = make("input", { type: "number", min: 0, max: 86400, step: 1, inputmode: "numeric", required: true, value: f.isolation_seconds || 60 });
  const wanted = () => Number(input.value);
  mean({
    title: `Isolation: ${f.machine}`, go: "Set it", inputs: [field("Seconds without the vault (0: never)", input)], ready: () => input.value !== "" && input.validity.valid,
    lines: () => [wanted() ? `${f.machine} stands still here whenever this site has not reached the vault for ${count(wanted(), "second")}, and goes on by itself when it is reached again and no other site has taken it.` : `${f.machine} is never paused here: after an unplanned failover it may run on two sites until this one hears of it.`],
    act: () => begun(place(f.machine, "isolation"), { seconds: wanted() }, "PUT"),
  });
}
