// The panel's logic, and what it asks of Premiere, with `node --test`. LP_PANEL is the folder of the panel.
"use strict";

const assert = require("assert/strict");
const path = require("path");
const test = require("node:test");
const fs = require("fs");

const panel = process.env.LP_PANEL || path.join(__dirname, "..", "..", "..", "lp_editor", "hosts", "premiere");
const logic = require(path.join(panel, "logic.js"));
const { Premiere } = require(path.join(panel, "premiere.js"));
const { FakeClip, FakeItem, FakePremiere, FakeSequence, at } = require("./fake_premiere.js");

const TOKEN = "a".repeat(43);
const KEY = { url: "http://127.0.0.1:47231", token: TOKEN };
const BASE = String(254016000000n / 25n);
const NTSC = String((254016000000n * 1001n) / 30000n);

/** A service that answers from a table, and what it was asked. */
function answering(table) {
  const asked = [];
  const fetch = async (url, options) => {
    asked.push({ url, ...options, body: options.body && JSON.parse(options.body) });
    const rows = table[`${options.method} ${new URL(url).pathname}`];
    const [status, told] = rows.length > 1 ? rows.shift() : rows[0];
    return { status, json: async () => told };
  };
  return { service: new logic.Service(fetch, KEY), asked };
}

const REPORT = {
  output: "/r/x/rendered/cut.xml", frames: 10, rendered: 10, engine: "mesh", notes: ["a note"], losses: ["V1/2 b: a title"],
  renders: [{ file: "/r/x.mov", clip: "a", place: "V1/1" }], nested: [], checks: [{ name: "QC no face", note: "V1/1 a", first: 12, frames: 4 }],
};

test("a marker is ours by its name or by a line of its note", () => {
  assert.deepEqual(logic.ownLines("lp smile", ""), ["lp smile"]);
  assert.deepEqual(logic.ownLines("B roll", "mine\r\n LP:  expression   smile=.6\nlp smile"), ["LP: expression smile=.6", "lp smile"]);
  assert.deepEqual(logic.ownLines("lpsmile", "help"), []);
  assert.deepEqual(logic.ownLines("lp smile", "lp smile"), ["lp smile"]);
});

test("a key is taken from the file and from what is pasted, for our ports on this machine only", () => {
  assert.deepEqual(logic.keyOf(JSON.stringify({ ...KEY, pid: 1 })), KEY);
  assert.deepEqual(logic.pastedKey(`  http://127.0.0.1:47231#${TOKEN}\n`), KEY);
  for (const wrong of ["", "{", "null", "[]", `{"url": "http://evil.example:47231", "token": "${TOKEN}"}`]) {
    assert.throws(() => logic.keyOf(wrong), logic.Problem);
  }
  for (const wrong of ["", "http://127.0.0.1:47231", `http://127.0.0.1:80#${TOKEN}`, "http://127.0.0.1:47231#short"]) {
    assert.throws(() => logic.pastedKey(wrong), logic.Problem);
  }
});

test("the ports are those the manifest allows", () => {
  const manifest = JSON.parse(fs.readFileSync(path.join(panel, "manifest.json"), "utf-8"));
  assert.deepEqual(manifest.requiredPermissions.network.domains, logic.PORTS.map((port) => `http://127.0.0.1:${port}`));
});

test("rates are exact, and times are whole frames", () => {
  assert.equal(logic.rateText(BASE), "25");
  assert.equal(logic.rateText(NTSC), "30000/1001");
  assert.equal(logic.framesOf(logic.ticksOf(107892, NTSC), NTSC), 107892);
  assert.equal(logic.clock(90061, BASE), "01:00:02:11");
  assert.equal(logic.clock(30, NTSC), "00:00:01:00");
  assert.throws(() => logic.rateText("0"), logic.Problem);
});

test("every request bears the token, and only those with a body say what it is", async () => {
  const { service, asked } = answering({ "GET /health": [[200, { version: "1" }]], "POST /marks": [[200, { error: "no" }]] });
  assert.equal((await service.health()).version, "1");
  assert.equal(await service.complaint("lp x", "25"), "no");
  assert.equal(asked[0].headers.Authorization, `Bearer ${TOKEN}`);
  assert.equal(asked[0].headers["Content-Type"], undefined);
  assert.deepEqual(asked[1].body, { text: "lp x", rate: "25" });
});

test("what goes wrong with the service is one sentence", async () => {
  const broken = new logic.Service(async () => Promise.reject(new Error("refused")), KEY);
  await assert.rejects(broken.health(), /does not answer \(refused\)/);
  await assert.rejects(answering({ "GET /health": [[401, { error: "x" }]] }).service.health(), /started anew/);
  await assert.rejects(answering({ "GET /health": [[429, { error: "16 wait" }]] }).service.health(), /16 wait/);
  await assert.rejects(answering({ "GET /health": [[500, null]] }).service.health(), /it said 500/);
});

test("a render is followed until it ends", async () => {
  const job = (state, more) => [200, { id: "j1", state, stage: "", done: 0, total: 0, error: "", ...more }];
  const { service } = answering({
    "GET /jobs/j1": [job("waiting"), job("running", { stage: "frames", done: 5, total: 10 }), job("done")],
    "GET /jobs/j1/result": [[200, REPORT]],
  });
  const seen = [];
  const report = await logic.followed(service, "j1", (j) => seen.push([logic.stageText(j), logic.partDone(j)]), async () => {});
  assert.deepEqual(seen, [["waiting for another render", 0], ["rendering 5 of 10", 0.5], ["starting", 0]]);
  assert.equal(report.output, REPORT.output);
  for (const [state, error, says] of [["failed", "no face", /no face/], ["cancelled", "", /stopped/]]) {
    const other = answering({ "GET /jobs/j1": [job(state, { error })] });
    await assert.rejects(logic.followed(other.service, "j1", () => {}, async () => {}), says);
  }
});

test("what is told has every loss, every check, and what is offline", () => {
  assert.deepEqual(logic.told(REPORT, "cut lp 1", ["b.mov"]).map((line) => line.text), [
    "1 render is in “cut lp 1” (engine mesh)", "b.mov is offline", "QC no face: V1/1 a", "a note", "lost: V1/2 b: a title",
  ]);
});

test("names of sequences that come back are new", () => {
  assert.equal(logic.freeName("cut", ["cut"]), "cut lp 1");
  assert.equal(logic.freeName("cut lp 1", ["cut", "cut lp 1"]), "cut lp 2");
});

test("a mark goes on the selected clip, in the media's own time, as far as In and Out say", async () => {
  const clip = new FakeClip("A003.mov");
  const sequence = new FakeSequence("cut", [[new FakeItem(clip, 100, 200, 30)]]);
  const premiere = new Premiere(new FakePremiere(sequence));
  sequence.selection = [sequence.tracks[0][0], { sound: true }];
  const place = async () => {
    const { on, first, frames } = await premiere.place(sequence, BASE);
    return { on, first, frames };
  };
  assert.deepEqual(await place(), { on: "A003.mov", first: 30, frames: 100 });
  [sequence.in, sequence.out] = [at(110), at(150)];
  assert.deepEqual(await place(), { on: "A003.mov", first: 40, frames: 40 });
  [sequence.in, sequence.out] = [at(300), at(310)];
  assert.deepEqual(await place(), { on: "sequence", first: 300, frames: 10 });
  [sequence.in, sequence.out, sequence.playhead] = [at(0), at(200), at(7)]; // all of it: not set
  assert.deepEqual(await place(), { on: "A003.mov", first: 30, frames: 100 });
  sequence.selection = [];
  assert.deepEqual(await place(), { on: "sequence", first: 7, frames: 0 });
});

test("a clip at another speed and a nested sequence are marked on the sequence", async () => {
  const slow = new FakeItem(new FakeClip("slow.mov"), 10, 60, 0, 0.5);
  const nest = new FakeItem(new FakeClip("nest", { nested: true }), 60, 90);
  const sequence = new FakeSequence("cut", [[slow, nest]]);
  const premiere = new Premiere(new FakePremiere(sequence));
  sequence.selection = [slow];
  const place = await premiere.place(sequence, BASE);
  assert.deepEqual([place.on, place.first, place.frames], ["sequence", 10, 50]);
  sequence.selection = [nest];
  assert.equal((await premiere.place(sequence, BASE)).on, "sequence");
});

test("marks are made, seen once however often their clip is used, and taken away, each a step of Undo", async () => {
  const clip = new FakeClip("A003.mov");
  const sequence = new FakeSequence("cut", [[new FakeItem(clip, 0, 50), new FakeItem(clip, 50, 90, 60)]]);
  const fake = new FakePremiere(sequence);
  const premiere = new Premiere(fake);
  sequence.selection = [sequence.tracks[0][1]];
  await premiere.mark(await premiere.place(sequence, BASE), "lp smile");
  clip.markers.push({ ...clip.markers[0], getName: () => "B roll", getComments: () => "yours" });
  Object.setPrototypeOf(clip.markers[1], Object.getPrototypeOf(clip.markers[0]));
  const marks = await premiere.marks(sequence, BASE);
  assert.deepEqual(marks.map((m) => [m.lines, m.on, m.first, m.frames]), [[["lp smile"], "A003.mov", 60, 40]]);
  await premiere.unmark(marks[0]);
  assert.deepEqual(clip.markers.map((m) => m.getName()), ["B roll"]);
  assert.deepEqual(fake.undo, ["lp-editor: mark", "lp-editor: unmark"]);
  fake.refuses = true;
  await assert.rejects(premiere.mark(await premiere.place(sequence, BASE), "lp smile"), /refused “lp-editor: mark”/);
});

test("what to look at again becomes red markers, once", async () => {
  const sequence = new FakeSequence("cut");
  const premiere = new Premiere(new FakePremiere(sequence));
  await premiere.marked(sequence, REPORT.checks, BASE);
  await premiere.marked(sequence, REPORT.checks, BASE);
  const found = sequence.markers.map((m) => [m.name, m.comments, m.start.ticks, m.duration.ticks, m.color]);
  assert.deepEqual(found, [["QC no face", "V1/1 a", at(12).ticks, at(4).ticks, 1]]);
});

test("another selection or sequence is heard of", () => {
  const fake = new FakePremiere(new FakeSequence("cut"));
  let heard = 0;
  new Premiere(fake).onChange(() => (heard += 1));
  for (const [, act] of fake.listeners) act();
  assert.deepEqual([heard, fake.listeners.map(([event]) => event)], [2, [0, 2]]);
});

test("what Premiere cannot do is one sentence", async () => {
  const sequence = new FakeSequence("cut");
  await assert.rejects(new Premiere(new FakePremiere(null)).active(), /no sequence is open/);
  const premiere = new Premiere(new FakePremiere(sequence));
  await assert.rejects(premiere.export(sequence, "/x.xml"), /could not export “cut”/);
  await assert.rejects(premiere.imported("/none.xml", "cut"), /did not import \/none.xml/);
});
