// The picture of a history, and the slider through it. The slider goes by keyboard from event to event; with the mouse or a finger it goes to
// the event before the place where it was let go.

import { announce, button, el, fill, form } from "./dom.mjs";
import { isCrowded, placesOf, stopAtTime } from "./history.mjs";
import { day, local, sentence, utc } from "./words.mjs";

/** How finely the slider can be placed. */
const STEPS = 10_000;

/** What stands for an event on a bar: a shape and what it means. Shapes differ, so that nobody has to tell colours apart. */
const MARKS = {
  "grant.consented": ["consented", "✓", "agreed"],
  "grant.narrowed": ["narrowed", "–", "cut back"],
  "grant.revoked": ["revoked", "✕", "ended"],
  "organization.client_disconnected": ["revoked", "✕", "ended"],
  "client.deleted": ["revoked", "✕", "ended"],
  "client.suspended": ["paused", "‖", "client suspended"],
  "client.withdrawn": ["paused", "‖", "client suspended"],
  "client.resumed": ["resumed", "▸", "client resumed"],
  "client.reinstated": ["resumed", "▸", "client resumed"],
  "subject.left_organization": ["revoked", "✕", "ended"],
};

const percent = (place) => `${(place * 100).toFixed(3)}%`;

/** Where keys lead from a stop. */
function keyed(key, at, last) {
  const steps = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - 10, PageUp: at + 10, Home: 0, End: last };
  return key in steps ? Math.min(Math.max(steps[key], 0), last) : undefined;
}

export class Timeline {
  #history;
  #names;
  #labelOf;
  #onMove;
  #places;
  #figure = el("figure", { class: "timeline" });
  #slider = el("input", { type: "range", min: 0, max: STEPS, step: 1, class: "slider", id: "moment", "aria-label": "Moment in the past" });
  #readout = el("div", { class: "moment" });
  at;

  /** `labelOf` makes the heading of a row; `onMove` is told the stop whenever it is another one. */
  constructor({ history, names, labelOf, at, onMove }) {
    this.#history = history;
    this.#names = names;
    this.#labelOf = labelOf;
    this.#onMove = onMove;
    this.at = at;
    const byTime = placesOf(history.stops, true);
    const isByTime = !isCrowded(byTime);
    this.#places = isByTime ? byTime : placesOf(history.stops, false);
    this.#slider.addEventListener("input", () => this.#dragged());
    this.#slider.addEventListener("keydown", (event) => this.#pressed(event));
    this.element = el("section", { class: "card", "aria-label": "Timeline" }, this.#controls(isByTime), this.#figure, this.#readout);
    this.#draw();
    this.#show();
  }

  get stop() {
    return this.#history.stops[this.at];
  }

  /** Goes to a stop. */
  move(at) {
    if (at === this.at) return this.#show();
    this.at = at;
    this.#show();
    announce(this.#said());
    return this.#onMove(at);
  }

  #dragged() {
    const place = Number(this.#slider.value) / STEPS;
    // A little tolerance: a stop can be met exactly though places are rounded.
    this.move(Math.max(this.#places.findLastIndex((own) => own <= place + 0.5 / STEPS), 0));
  }

  #pressed(event) {
    const to = event.altKey || event.ctrlKey || event.metaKey ? undefined : keyed(event.key, this.at, this.#history.stops.length - 1);
    if (to === undefined) return;
    event.preventDefault();
    this.move(to);
  }

  #controls(startsByTime) {
    const last = this.#history.stops.length - 1;
    const scale = (text, isByTime) =>
      el("label", { class: "choice" }, el("input", { type: "radio", name: "scale", checked: isByTime === startsByTime, change: () => this.#rescale(isByTime) }), text);
    const jump = form(
      (own) => this.#jump(own.elements.moment.value),
      { class: "jump" },
      el("label", {}, "Go to (UTC)", el("input", { type: "datetime-local", name: "moment", step: 1, required: true })),
      el("button", { class: "quiet" }, "Go"),
    );
    return el(
      "div",
      { class: "controls" },
      el("div", { class: "buttons" }, button("◀ Earlier", () => this.move(Math.max(this.at - 1, 0)), { class: "quiet", id: "earlier" }), button("Later ▶", () => this.move(Math.min(this.at + 1, last)), { class: "quiet", id: "later" }), button("Now", () => this.move(last), { class: "quiet" })),
      el("fieldset", { class: "scale" }, el("legend", { class: "quietly" }, "Scale"), scale("By time", true), scale("Event by event", false)),
      jump,
    );
  }

  #jump(text) {
    const moment = Date.parse(`${text}Z`);
    if (Number.isNaN(moment)) return;
    this.move(stopAtTime(this.#history.stops, moment));
    this.#slider.focus();
  }

  #rescale(isByTime) {
    this.#places = placesOf(this.#history.stops, isByTime);
    this.#draw();
    this.#show();
  }

  #draw() {
    const { rows, stops } = this.#history;
    const shown = rows.map((row) => el("div", { class: "row" }, el("div", { class: "row-name" }, this.#labelOf(row)), this.#track(row)));
    const axis = el("div", { class: "axis", "aria-hidden": "true" }, el("span", {}, day(stops[0].time)), el("span", {}, "now"));
    const slider = el("div", { class: "row" }, el("label", { class: "row-name moment-label", for: "moment" }, "Moment"), el("div", {}, this.#slider, axis));
    fill(this.#figure, el("div", { class: "rows" }, shown), slider, this.#legend());
  }

  #track(row) {
    const bars = row.segments.map((segment) => {
      const bar = el("span", { class: segment.isPaused ? "bar paused" : "bar" }, segment.count > 1 && `${segment.count} people`);
      const [from, to] = [this.#places[segment.from], this.#places[segment.to]];
      bar.style.left = percent(from);
      bar.style.width = percent(to - from);
      return bar;
    });
    const marks = row.marks.map((mark) => this.#mark(mark)).filter(Boolean);
    return el("div", { class: "track" }, el("div", { class: "lane" }, bars, marks), el("p", { class: "quietly" }, this.#inWords(row)));
  }

  /** A mark can be clicked; whoever uses the keyboard has the slider, which goes to the same places. */
  #mark({ type, stop }) {
    if (!MARKS[type]) return undefined;
    const [kind, sign] = MARKS[type];
    const { event, time } = this.#history.stops[stop];
    const title = `${utc(time)}: ${sentence(event, this.#names)}`;
    const mark = button(sign, () => this.move(stop), { class: `mark ${kind}`, tabindex: -1, "aria-hidden": "true", title });
    mark.style.left = percent(this.#places[stop]);
    return mark;
  }

  #inWords(row) {
    const { stops } = this.#history;
    const said = row.segments.map(({ from, to, count, isPaused }) => {
      const until = to === stops.length - 1 ? "now" : utc(stops[to].time);
      return `${isPaused ? "suspended" : count > 1 ? `${count} grants` : "good"} from ${utc(stops[from].time)} to ${until}`;
    });
    return said.join("; ");
  }

  #legend() {
    const seen = new Map(this.#history.rows.flatMap((row) => row.marks).filter(({ type }) => MARKS[type]).map(({ type }) => [MARKS[type][0], MARKS[type]]));
    const marks = [...seen.values()].map(([kind, sign, text]) => el("span", { class: "legend" }, el("span", { class: `mark ${kind}` }, sign), text));
    return el("figcaption", {}, el("span", { class: "legend" }, el("span", { class: "bar" }), "could be used"), marks);
  }

  #said() {
    const { event, time } = this.stop;
    return event ? `${utc(time)}. ${sentence(event, this.#names)}.` : `Now, ${utc(time)}.`;
  }

  #show() {
    const { stops } = this.#history;
    const { event, position, time } = this.stop;
    const place = this.#places[this.at];
    this.#slider.value = Math.round(place * STEPS);
    this.#slider.setAttribute("aria-valuetext", this.#said());
    this.#figure.style.setProperty("--at", percent(place));
    for (const [id, isAtEnd] of [["earlier", this.at === 0], ["later", this.at === stops.length - 1]]) {
      this.element.querySelector(`#${id}`).toggleAttribute("disabled", isAtEnd);
    }
    fill(
      this.#readout,
      el("p", { class: "when" }, event ? el("time", { datetime: new Date(time).toISOString(), title: local(time) }, utc(time)) : "Now"),
      el("p", { class: "what" }, event ? `${sentence(event, this.#names)}.` : "As it is."),
      el("p", { class: "small" }, `Position ${position} · ${event ? `event ${this.at + 1} of ${stops.length - 1}` : "the end of the log as it was read"}`),
    );
  }
}
