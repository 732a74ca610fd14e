// Stands in for UXP around the panel's page in a browser: its modules, a Premiere with a cut, a service that answers at once.
"use strict";

const text = (name) => document.getElementById(name).textContent; // the panel's files, put into the page
const loaded = {};

/** CommonJS, as UXP and Node have it. */
function require(name) {
  if (!(name in loaded)) {
    const module = { exports: {} };
    new Function("module", "exports", "require", text(name))(module, module.exports, require);
    loaded[name] = module.exports;
  }
  return loaded[name];
}

loaded.fs = {
  readFileSync: (path) => {
    if (!window.stage.running || !path.startsWith("file:/home/me/.lp-editor/")) throw new Error("no such file");
    return JSON.stringify({ url: "http://127.0.0.1:47231", token: "t".repeat(43) });
  },
};
loaded.os = { homedir: () => "/home/me" };
loaded.uxp = { entrypoints: { setup() {} } };

const { FakeClip, FakeItem, FakePremiere, FakeSequence, at } = require("./fake_premiere.js");
const clip = new FakeClip("A003_C012_0415 Interview Zoë 采访.mov");
const sequence = new FakeSequence("Interview cut 04", [[new FakeItem(clip, 0, 500, 50), new FakeItem(new FakeClip("B.mov"), 500, 900)]]);
const fake = new FakePremiere(sequence);
[sequence.in, sequence.out] = [at(100), at(160)];
fake.copied = () => true;
fake.taken = () => fake.sequences.push(Object.assign(new FakeSequence("Interview cut 04"), { guid: { toString: () => "anew" } }));
fake.Project.getActiveProject().then((project) => {
  const { TickTime } = fake;
  const mark = (owner, name, first, frames) =>
    project.lockedAccess(() =>
      project.executeTransaction((all) => {
        const length = frames ? at(frames) : TickTime.createWithTicks("0");
        all.addAction(owner.createAddMarkerAction(name, "Comment", at(first), length, ""));
      }, "")
    );
  mark(sequence, "lp stitch 12f", 500, 0);
  mark(clip, "lp expression smile=0@0,0.7@10f:smooth,0@2s ease=6f,12f face=like:anna.jpg", 80, 48);
  mark(clip, "lp gaze contact=1", 260, 120);
});
loaded.premierepro = fake;

const catalogue = {
  problems: [],
  presets: [{ name: "warm-smile", effect: "expression", help: "a full, friendly smile" }, { name: "wink", effect: "expression", help: "" }],
  effects: [{ name: "expression", on: "a stretch", help: "Move the parts of a face." }, { name: "stitch", on: "a cut", help: "Hide a cut." }],
};
const report = {
  output: "/home/me/lp-editor/x/rendered/sequence.xml", frames: 84, rendered: 84, engine: "mesh",
  renders: [{ file: "a.mov", clip: "a", place: "V1/1" }, { file: "b.mov", clip: "b", place: "V1/2" }],
  nested: [],
  checks: [{ name: "QC head turned too far", note: "41 degrees of yaw at 00:00:05:12", first: 137, frames: 9 }],
  notes: ["sound is copied as it is"], losses: ["V2/1 Lower third: what a generator draws"],
};
let looks = 0;
const answers = {
  "GET /health": () => ({ name: "lp-editor", version: "0.1.0", folder: "/home/me/lp-editor", busy: 0 }),
  "GET /catalogue": () => catalogue,
  "POST /marks": (asked) => (/smlie/.test(asked.text) ? { error: "no effect or preset is called 'smlie'; did you mean smile?" } : {}),
  "POST /exchanges": () => ({ folder: "/x", project: "/x/sequence.xml" }),
  "POST /jobs": () => ({ id: "j1", state: "waiting", stage: "", done: 0, total: 0, error: "" }),
  "GET /jobs/j1": () => {
    looks += 1;
    const done = window.stage.stays ? 52 : 84;
    return { id: "j1", state: looks > 1 && !window.stage.stays ? "done" : "running", stage: "frames", done, total: 84, error: "" };
  },
  "GET /jobs/j1/result": () => report,
};
window.fetch = async (url, options) => {
  const told = answers[`${options.method} ${new URL(url).pathname}`](options.body && JSON.parse(options.body));
  return { status: 200, json: async () => told };
};
require("panel");
