// Images of a machine's disks on this host; and what was put aside where images, or the machine, went back to a point.
const STANDBY_STATES = { following: "follows", paused: "paused", "in-use": "in use" };

function standbyParts(found, status) {
  const standby = status?.standby ?? null;
  const key = `standby ${found.machine}`;
  if (standby === null) {
    const create = mayAll() ? [make("div", { class: "buttons" }, doing(`create ${found.machine}`, "Keep a standby here…", () => askStandby(found)))] : [];
    return [part(key, "Standby", "none here", "dim", make("p", { class: "quiet" }, "No images of its disks are kept on this host: a failover reads the point from the vault."), ...create)];
  }
  const way = standby.towards_number ? `on its way ${standby.came_number ? `from point ${standby.came_number} ` : ""}to point ${standby.towards_number}` : "not whole yet";
  const at = standby.point ? `at point ${standby.number || standby.point.slice(0, 8)}` : way;
  const behind = standby.behind ? `, ${count(standby.behind, "point")}${standby.lag_seconds ? ` (${duration(standby.lag_seconds)})` : ""} behind` : standby.behind === 0 ? ", none behind" : "";
  const used = standby.state === "in-use" ? ` by ${standby.used_by}` : "";
  const doubts = standby.disks.filter((disk) => disk.doubt);
  const kind = doubts.length ? "failed" : standby.state === "following" ? "dim" : "asking";
  const inner = [make("ul", { class: "rows" }, ...standby.disks.map((disk) => make("li", {}, `${disk.name}: `, make("code", {}, disk.path), ` (${disk.format})`,
    make("div", { class: disk.doubt ? "failed" : "quiet" }, disk.doubt ? `what it holds is not known: ${disk.doubt}` : disk.towards ? "is being written to" : disk.proven_at === null ? "not compared as a whole yet" : `compared as a whole ${moment(disk.proven_at)}`))))];
  if (standby.frozen_at) inner.unshift(make("div", { class: "quiet" }, `it holds the disks of ${moment(standby.frozen_at)}${standby.since ? `; kept since ${moment(standby.since)}` : ""}`));
  const progress = status.standby_progress;
  if (progress) inner.unshift(make("div", { class: "alert", role: "status" }, `${progress.phase}${progress.total ? `, ${Math.floor((100 * progress.done) / progress.total)} %` : ""}`));
  const buttons = [];
  if (mayRun() && standby.state !== "in-use") {
    const paused = standby.state === "paused";
    buttons.push(doing(`rest ${found.machine}`, paused ? "Resume…" : "Pause…", () => askPause(found, !paused)), doing(`prove ${found.machine}`, "Verify…", () => askVerify(found)));
  }
  if (mayAll()) buttons.push(doing(`places ${found.machine}`, "Change its place…", () => askStandby(found)), doing(`remove ${found.machine}`, "Remove…", () => askRemove(found, standby), "grave"));
  if (buttons.length) inner.push(make("div", { class: "buttons" }, ...buttons));
  return [part(key, "Standby", `${STANDBY_STATES[standby.state] ?? standby.state}${used}, ${at}${behind}`, kind, ...inner)];
}

function askStandby(f) {
  const directory = written("Directory on this host", 4095);
  directory.input.required = true;
  directory.input.placeholder = "/srv/standby";
  const format = chosenOf("Format of new images", [["raw", "raw"], ["qcow2", "qcow2"]]);
  const adopt = ticked("Take images that are there already: only what differs is written over");
  mean({
    title: `Keep a standby: ${f.machine}`, go: "Keep it here", inputs: [directory.label, format.label, adopt.label], ready: () => directory.input.value.startsWith("/"),
    lines: () => [`Images of all disks of ${f.machine} are kept in ${directory.input.value || "the directory"}, always at its newest point.`, adopt.box.checked ? "What is in images there that differs is lost." : "Where an image is already, nothing is begun."],
    act: () => begun(place(f.machine, "standby"), { directory: directory.input.value, format: format.select.value, adopt: adopt.box.checked }),
  });
}
function askPause(f, paused) {
  mean({
    title: `${paused ? "Pause" : "Resume"} the standby: ${f.machine}`, go: paused ? "Pause it" : "Let it follow",
    lines: () => [paused ? "Its images stay as they are, and their point is held in the vault. A failover to a newer point does not start from them." : "Its images are brought to the newest point, and follow from there."],
    act: () => begun(place(f.machine, "standby"), { paused }, "PUT"),
  });
}
function askVerify(f) {
  mean({ title: `Verify the standby: ${f.machine}`, go: "Verify", lines: () => ["All of its images is read and compared with the point. What had changed by itself is made good and told."], act: () => begun(place(f.machine, "standby/follow"), { prove: true }) });
}
function askRemove(f, standby) {
  const keep = ticked("Leave the images where they are");
  keep.box.addEventListener("input", () => { asking.question.typed = keep.box.checked ? "" : f.machine; $("mean-typed").hidden = keep.box.checked; });
  mean({
    title: `Remove the standby: ${f.machine}`, go: "Remove it", grave: true, typed: f.machine, inputs: [keep.label],
    lines: () => [`The images of ${f.machine} are not brought on any more. The points in the vault stay.`, keep.box.checked ? "The images stay as they are." : `Deleted, unless something else has written to them: ${standby.disks.map((disk) => disk.path).join(", ")}`],
    act: () => begun(place(f.machine, `standby?keep_images=${keep.box.checked}`), null, "DELETE"),
  });
}

function asideParts(found, all) {
  const orphans = all.orphans.value?.items ?? [];
  const runs = found.runs.filter((run) => run.kept);
  if (!orphans.length && !runs.length && !all.orphans.failure) return [];
  const many = orphans.length + runs.length;
  const lines = orphans.map((orphan) => {
    const words = orphan.state === "saving" ? "is being saved" : orphan.state === "saved" ? "is saved; its images are being brought back" : "is saved";
    const at = `point ${orphan.number || orphan.point.slice(0, 8)}`;
    const line = orphan.saved_bytes === 0 ? make("li", {}, `Nothing: ${orphan.disks.map((disk) => disk.name).join(", ")} held nothing beyond ${at}, to which they were brought back ${moment(orphan.made_at)}`) : make("li", {}, `What ${orphan.disks.map((disk) => disk.name).join(", ")} held beyond ${at} ${words}: ${size(orphan.stored_bytes)}, ${moment(orphan.made_at)}`,
      make("div", { class: "quiet" }, "To look at it: ", make("code", {}, `understudy export ${found.machine}@${orphan.number || orphan.point} --name look --overlay ${orphan.directory}`)));
    if (mayAll() && orphan.state === "done") line.append(make("div", { class: "buttons" }, doing(`orphan ${orphan.name}`, "Delete…", () => askDropped(found, `what its images held beyond point ${orphan.number || orphan.point.slice(0, 8)}, put aside ${moment(orphan.made_at)} (${size(orphan.stored_bytes)})`, place(found.machine, `orphans/${encodeURIComponent(orphan.name)}`)), "grave", `Delete ${orphan.name}`)));
    return line;
  });
  for (const run of runs) {
    const line = make("li", {}, `What run ${run.run} wrote, which was given up, is kept`, make("div", { class: "quiet" }, `it was started from point ${run.point.slice(0, 8)}, which it holds in the vault`));
    if (mayRun()) line.append(make("div", { class: "buttons" }, doing(`run ${run.run}`, "Delete…", () => askDropped(found, `what run ${run.run} of it wrote here`, place(found.machine, `runs/${encodeURIComponent(run.run)}`)), "grave", `Delete what run ${run.run} wrote`)));
    lines.push(line);
  }
  return [part(`aside ${found.machine}`, "Put aside", all.orphans.failure ?? `${many}, kept until somebody deletes ${many === 1 ? "it" : "them"}`, "asking", make("ul", { class: "rows" }, ...lines))];
}
function askDropped(f, what, path) {
  mean({ title: `Delete what was put aside: ${f.machine}`, go: "Delete it for good", grave: true, typed: f.machine, lines: () => [`Of ${f.machine}: ${what}.`, "It is gone for good: nothing else has what is in it."], act: () => begun(path, null, "DELETE") });
}
