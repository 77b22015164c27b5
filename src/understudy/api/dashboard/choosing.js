// Which point a machine is started from: the newest, the newest app-consistent one, what a standby here holds, or one of the list.
const WISHES = { latest: "The newest point", "latest-app": "The newest app-consistent point", "latest-processed": "What the standby here holds", chosen: "This one:" };
const LISTED = 500;

function pointChoice(machine, wishes, standby = null) {
  const choice = { points: [], older: null, failure: "", wish: wishes[0] };
  const select = make("select", { "aria-label": "Point", disabled: true });
  const more = make("button", { type: "button", hidden: true }, "List older ones");
  const told = make("p", { class: "quiet", role: "status" }, "The points are read …");
  const rows = wishes.map((wish) => {
    const radio = make("input", { type: "radio", name: "wish", value: wish, checked: wish === choice.wish });
    radio.addEventListener("change", () => { choice.wish = wish; });
    const words = make("span", {}, ` ${WISHES[wish]}`);
    return { wish, radio, words, label: make("label", { class: "tick" }, radio, words) };
  });
  select.addEventListener("input", () => { choice.wish = "chosen"; rows.at(-1).radio.checked = true; });
  choice.element = make("fieldset", {}, make("legend", {}, "From which point"), ...rows.map((row) => row.label), select, more, told);

  // Points that a failover went back behind are offered, but are never the newest.
  const counting = () => { const on = choice.points.filter((point) => !point.superseded); return on.length ? on : choice.points; };
  const meant = {
    latest: () => counting()[0] ?? null,
    "latest-app": () => counting().find((point) => point.consistency === "app") ?? null,
    "latest-processed": () => standby?.point ? { id: standby.point, number: standby.number, frozen_at: standby.frozen_at, consistency: "" } : null,
    chosen: () => choice.points.find((point) => point.id === select.value) ?? null,
  };
  choice.point = () => meant[choice.wish]();
  choice.newer = (point) => counting().filter((one) => one.frozen_at > point.frozen_at).length;

  async function load(next) {
    try {
      const page = await read(`/v1/machines/${encodeURIComponent(machine)}/points?limit=${LISTED}${next ? `&next=${next}` : ""}`);
      choice.points.push(...page.points.slice().reverse());
      choice.older = page.next ?? null;
      put(told, choice.points.length ? "" : "There is no point yet.");
    } catch (error) { put(told, error.message); }
    const before = select.value;
    select.replaceChildren(...choice.points.map((point) => make("option", { value: point.id }, pointWords(point))));
    if (before) select.value = before;
    select.disabled = !choice.points.length;
    more.hidden = choice.older === null;
    for (const { wish, radio, words } of rows) {
      const point = wish === "chosen" ? null : meant[wish]();
      radio.disabled = wish === "chosen" ? !choice.points.length : point === null;
      if (wish !== "chosen") put(words, ` ${WISHES[wish]}${point === null ? ": there is none" : point.frozen_at ? `, ${moment(point.frozen_at)}` : ""}`);
    }
    weigh();
  }
  more.addEventListener("click", () => load(choice.older));
  load(null);
  return choice;
}

function pointWords(point) {
  const marks = [point.verified_at && "verified", point.final && "after its shutdown", point.held && "held", point.superseded && "superseded by a failover"];
  return [moment(point.frozen_at), point.consistency, `point ${point.number}`, ...marks.filter(Boolean)].join(", ");
}
function fromPoint(point) { return `point ${point.number}${point.frozen_at ? `, frozen ${moment(point.frozen_at)} (${ago((now() - point.frozen_at) / 1e9)})` : ""}${point.consistency ? `, ${point.consistency}-consistent` : ""}`; }
function passedOver(choice, point) {
  const newer = choice.newer(point);
  return newer ? ` ${count(newer, "newer point")} ${newer === 1 ? "is" : "are"} passed over.` : "";
}
