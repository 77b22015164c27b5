// Nothing is begun before it was said what it will do, and somebody meant it. One dialog asks, for everything but runs of plans.
const asking = { question: null, from: null, busy: false };

// `lines()` says what will happen as `inputs` stand now; `typed` is to be written first, where nothing brings back what is done; `act` begins it.
function mean(question) {
  asking.question = question;
  asking.from = document.activeElement?.dataset?.key ?? null;
  put($("mean-title"), question.title);
  $("mean-inputs").replaceChildren(...(question.inputs ?? []));
  put($("mean-go"), question.go);
  $("mean-go").className = question.grave ? "grave" : "";
  $("mean-name").value = "";
  $("mean-typed").hidden = !question.typed;
  put($("mean-which"), question.typed ?? "");
  put($("mean-refused"), "");
  weigh();
  $("mean").showModal();
}
function weigh() {
  const question = asking.question;
  if (question === null) return;
  const lines = question.lines().filter(Boolean);
  if ($("mean-lines").textContent !== lines.join("")) $("mean-lines").replaceChildren(...lines.map((line) => make("p", {}, line)));
  const named = !question.typed || $("mean-name").value.trim() === question.typed;
  $("mean-go").disabled = asking.busy || !named || !(question.ready?.() ?? true);
}
$("mean-form").addEventListener("input", weigh);
$("mean-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = asking.question;
  if (question === null || $("mean-go").disabled) return;
  asking.busy = true;
  put($("mean-refused"), "");
  weigh();
  try {
    await question.act();
    if (question === asking.question) $("mean").close();
  } catch (error) {
    if (question === asking.question) put($("mean-refused"), error.message);
  } finally {
    asking.busy = false;
    weigh();
  }
});
$("mean-no").addEventListener("click", () => $("mean").close());
$("mean").addEventListener("close", () => {
  // That it was closed is told late: it may ask something else by now.
  if ($("mean").open) return;
  asking.question = null;
  refocus(asking.from);
});
// What was stood on may have been drawn anew since.
function refocus(key) {
  if (key) [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key)?.focus({ preventScroll: true });
}

// What is put into the dialog.
let fields = 0;
function field(words, input) {
  input.id = `field-${(fields += 1)}`;
  return make("label", { for: input.id }, `${words} `, input);
}
function ticked(words) {
  const box = make("input", { type: "checkbox" });
  return { box, label: make("label", { class: "tick" }, box, ` ${words}`) };
}
function written(words, length = 1000) {
  const input = make("input", { type: "text", maxlength: length, autocomplete: "off" });
  return { input, label: field(words, input) };
}
function chosenOf(words, options) {
  const select = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
  return { select, label: field(words, select) };
}
